"""The books: an offset is acked when everything before it is (I1), and by nothing else (I2)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.ledger import ENOUGH, RECORD_OVERHEAD, SHARE, SMALL, Chunk, Ledger, Position, Track

START = Position(0, b"")


def ledger(high: int = 1 << 30, low: int = 0, calls: list[str] | None = None) -> Ledger:
    told = [] if calls is None else calls
    return Ledger(high, low, lambda: told.append("pause"), lambda: told.append("resume"))


def chunk(books: Ledger, track: Track, end: int, records: int = 1, size: int = 10) -> Chunk:
    return books.track(track, Position(end, b"%d" % end), records, size)


def report(one: Chunk, error: Any = None) -> None:
    if error is None:
        one.ack(1)
    else:
        one.nack(error, "t", 1)


def test_what_is_delivered_and_nowhere_is_not_delivered() -> None:
    books, track = ledger(), Track(START)
    one = chunk(books, track, 10)
    one.nack(None, "t", 1)
    moved, (nack,) = books.settle()
    assert (moved, nack.chunk, nack.error) == ([], one, None)
    assert track.acked == START


@given(st.lists(st.integers(1, 4), min_size=1, max_size=12), st.randoms(use_true_random=False), st.data())
def test_the_acked_offset_is_the_end_of_the_longest_resolved_prefix(
    counts: list[int], random: Any, data: st.DataObject
) -> None:
    books, track = ledger(), Track(START)
    chunks = [chunk(books, track, 10 * (n + 1), records) for n, records in enumerate(counts)]
    refused = {i for i in range(len(chunks)) if data.draw(st.booleans()) and data.draw(st.booleans())}
    reports = [i for i, records in enumerate(counts) for _ in range(records)]
    random.shuffle(reports)
    missing = list(counts)
    told = 0
    for i in reports:
        before = track.acked
        report(chunks[i], "no" if i in refused else None)
        missing[i] -= 1
        moved, nacks = books.settle()
        prefix = next((n for n in range(len(counts)) if missing[n] or n in refused), len(counts))
        assert track.acked.offset == 10 * prefix
        assert track.acked.offset >= before.offset
        assert moved == ([track] if track.acked != before else [])
        assert len(nacks) == (i in refused)
        told += track.resolved
        track.resolved = 0
        assert told == sum(counts[:prefix])
        assert books.records == sum(n for n, left in zip(counts, missing, strict=True) if left)
    assert books.in_flight == 0
    assert not track.in_flight
    assert track.idle == (not refused)


def test_a_refused_record_holds_everything_behind_it_until_the_source_rewinds() -> None:
    books, track = ledger(), Track(START)
    first, second, third = (chunk(books, track, end) for end in (10, 20, 30))
    report(second, "refused")
    report(third)
    moved, (nack,) = books.settle()
    assert not moved
    assert (nack.chunk, nack.error, nack.topic) == (second, "refused", "t")
    report(first)
    assert books.settle() == ([track], [])
    assert track.acked.offset == 10
    assert (track.idle, track.in_flight) == (False, False)
    track.forget()
    assert (track.idle, track.in_flight) == (True, False)
    report(chunk(books, track, 30))
    books.settle()
    assert track.acked.offset == 30


def test_a_chunk_with_one_refused_record_of_many_does_not_resolve() -> None:
    books, track = ledger(), Track(START)
    one = chunk(books, track, 10, records=3)
    for error in (None, "refused", None):
        report(one, error)
    assert books.settle()[0] == []
    assert track.acked == START
    assert books.records == 0


def test_records_are_reported_in_any_numbers_and_never_more_than_there_are() -> None:
    books, track = ledger(), Track(START)
    one = chunk(books, track, 10, records=9)
    one.ack(4)
    one.nack("refused", "t", 3)
    assert books.settle()[1] == [(one, "refused", "t", 3)]
    with pytest.raises(AssertionError):
        one.ack(3)
    assert one.left == 2


def test_a_chunk_without_records_is_resolved_at_once_but_not_before_its_turn() -> None:
    books, track = ledger(), Track(START)
    first = chunk(books, track, 10)
    chunk(books, track, 20, records=0)
    assert books.settle() == ([], [])
    report(first)
    books.settle()
    assert track.acked.offset == 20


def test_tracks_do_not_wait_for_each_other() -> None:
    books, one, other = ledger(), Track(START), Track(START)
    chunk(books, one, 10)
    report(chunk(books, other, 5))
    assert books.settle()[0] == [other]
    assert (one.acked.offset, other.acked.offset) == (0, 5)


def test_what_is_void_leaves_the_books_and_moves_nothing() -> None:
    books, track, other = ledger(), Track(START), Track(START)
    reported, lost = chunk(books, track, 10), chunk(books, track, 20, records=2)
    chunk(books, other, 7)
    report(reported)
    books.settle()
    report(lost)  # one of its two reports
    books.void(track)
    assert books.settle() == ([], [])
    assert track.acked.offset == 10
    assert track.idle
    assert (books.in_flight, books.records) == (10, 1)


def test_marks_pause_and_resume_once() -> None:
    calls: list[str] = []
    books, track = ledger(30, 10, calls), Track(START)
    chunks = [chunk(books, track, end) for end in (10, 20)]
    assert not calls
    chunks += [chunk(books, track, end) for end in (30, 40)]
    assert calls == ["pause"]
    assert books.paused
    for one in chunks[:2]:
        report(one)
        books.settle()
    assert calls == ["pause"]
    report(chunks[2])
    books.settle()
    assert calls == ["pause", "resume"]
    assert not books.paused


def test_what_is_void_lets_reading_go_on() -> None:
    calls: list[str] = []
    books, track = ledger(10, 0, calls), Track(START)
    chunk(books, track, 10)
    books.void(track)
    assert calls == ["pause", "resume"]


def test_of_small_chunks_a_part_of_the_marks_is_enough() -> None:
    calls: list[str] = []
    high, low = SHARE * ENOUGH, SHARE * ENOUGH * 3 // 4
    small, most = SMALL // 2, 2 * ENOUGH // SMALL
    books, track = ledger(high, low, calls), Track(START)
    seen: list[tuple[bool, bool]] = []

    def take(end: int, size: int) -> None:
        chunk(books, track, end, size=size)
        seen.append((books.paused, books.full))

    def tell() -> None:
        report(track.chunks[0])
        books.settle()
        seen.append((books.paused, books.full))

    take(1, low)
    for end in range(2, 2 + most):
        take(end, small)
    assert seen[-2:] == [(False, False), (True, True)]  # with the large one as much as may be
    for _ in range(1 + most // 4):
        tell()
    assert seen[-2:] == [(True, False), (False, False)]
    take(2 + most, high)
    assert seen[-1] == (True, True)
    while track.chunks:
        tell()
    assert seen[-2:] == [(True, True), (False, False)]
    assert calls == ["pause", "resume"] * 2


@pytest.mark.parametrize(("high", "low"), [(1, 2), (1, -1)])
def test_marks_out_of_order_are_a_mistake(high: int, low: int) -> None:
    with pytest.raises(ValueError, match="out of order"):
        ledger(high, low)


def test_chunks_that_are_booked_together_are_settled_each_by_itself() -> None:
    calls: list[str] = []
    books, one, other = ledger(high=100, calls=calls), Track(START), Track(START)
    first = chunk(books, one, 10, records=1, size=20)
    entries = [(one, Position(20, b""), 2, 30), (other, Position(5, b""), 3, 50)]
    (second, two), (third, three) = books.track_few(entries)
    assert (two, three, books.records, books.in_flight, calls) == (2, 3, 6, 100, ["pause"])
    third.ack(3)
    second.ack(2)
    assert books.settle() == ([other], [])
    assert (other.acked.offset, other.resolved, one.acked, books.in_flight) == (5, 3, START, 20)
    first.ack(1)
    assert books.settle() == ([one], [])
    assert (one.acked.offset, one.resolved, one.idle, books.records, books.in_flight) == (20, 3, True, 0, 0)
    assert calls == ["pause", "resume"]


# With transactions.


def transactional(high: int = 1 << 30, low: int = 0) -> Ledger:
    return Ledger(high, low, lambda: None, lambda: None, transactional=True)


def test_a_report_frees_memory_and_only_a_commit_resolves() -> None:
    books, track = transactional(high=20), Track(START)
    first, second = chunk(books, track, 10, records=3), chunk(books, track, 20, records=2)
    assert books.paused
    first.ack(3)
    second.ack(2)
    assert books.settle() == ([], [])
    assert (books.in_flight, books.paused, books.records) == (0, False, 5)
    assert (track.acked.offset, track.ahead.offset) == (0, 20)
    books.seal()
    assert books.confirm() == [track]
    assert (track.acked.offset, track.idle, books.records, track.resolved) == (20, True, 0, 5)
    assert books.confirm() == []


def test_a_commit_confirms_what_was_not_reported_yet_and_its_late_report_counts_nothing() -> None:
    books, track = transactional(), Track(START)
    one = chunk(books, track, 10)
    books.seal()
    assert books.confirm() == [track]
    assert (books.in_flight, books.records) == (0, 0)
    report(one)
    assert books.settle() == ([], [])
    assert (books.in_flight, books.records, track.acked.offset) == (0, 0, 10)


def test_what_an_abort_gives_up_is_confirmed_by_no_later_commit() -> None:
    books, track, other = transactional(), Track(START), Track(START)
    one, two = chunk(books, track, 10), chunk(books, other, 30)
    report(one)
    books.settle()
    books.void(track)
    assert (books.in_flight, books.records) == (two.size, 1)
    books.seal()
    assert books.confirm() == [other]
    assert (track.acked, other.acked.offset, books.records) == (START, 30, 0)


def test_a_commit_confirms_only_what_was_there_when_it_was_prepared() -> None:
    books, track, other = transactional(), Track(START), Track(START)
    for end in (10, 20):
        chunk(books, track, end)
    books.seal()
    late, unread = chunk(books, track, 30, size=300), chunk(books, other, 5, size=300)
    assert books.confirm() == [track]
    assert (track.acked.offset, track.ahead.offset, other.acked.offset, track.resolved) == (20, 30, 0, 2)
    assert (books.records, books.in_flight, books.uncommitted) == (2, late.size + unread.size, True)
    books.seal()
    assert books.confirm() == [track, other]
    assert (track.acked.offset, other.acked.offset, books.records, books.in_flight) == (30, 5, 0, 0)


def test_what_an_abort_gives_up_is_gone_with_what_was_booked_since_its_commit_was_prepared() -> None:
    books, track, other = transactional(), Track(START), Track(START)
    chunk(books, track, 10)
    books.seal()
    chunk(books, track, 20)
    chunk(books, other, 20)
    books.unseal()
    assert books.uncommitted
    for one in (track, other):
        books.void(one)
    assert (books.records, books.in_flight, books.uncommitted, books.open_bytes) == (0, 0, False, 0)
    books.seal()
    assert books.confirm() == []
    assert (track.acked, other.acked) == (START, START)


def test_the_size_of_a_transaction_is_that_of_keys_and_values_without_what_goes_with_its_commit() -> None:
    books, track = transactional(), Track(START)
    chunk(books, track, 10, records=2, size=100 + 2 * RECORD_OVERHEAD)
    assert books.open_bytes == 100
    books.seal()
    assert books.open_bytes == 0
    chunk(books, track, 20, records=1, size=70 + RECORD_OVERHEAD)
    books.confirm()
    assert books.open_bytes == 70
