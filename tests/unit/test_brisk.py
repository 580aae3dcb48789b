"""The short way of files that grow all the time: what goes it, and what is left to its turn."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipper.files import MARK
from shipper.filesource.left import FORGET_AFTER
from shipper.ledger import RECORD_OVERHEAD
from shipper.tailer import MAX_LINES, SOME, Tailer
from tests.unit.bench import Bench
from tests.unit.rig import append

FIRST = "a"
LONG = "a" * 1100  # so that the file's beginning is as much as is ever remembered of one


@pytest.fixture(params=[LONG])
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    one = Bench(tmp_path)
    append(tmp_path / "app.log", request.param)
    one.start()
    one.calm()
    one.source.hot.turn(on=True)
    one.source.hot.read(tailer_of(one))
    yield one
    assert one.lines[0] == request.param
    one.close()


def tailer_of(bench: Bench) -> Tailer:
    (tailer,) = bench.source.generations()
    return tailer


def test_what_was_added_is_sent_at_once_and_booked_as_ever(bench: Bench) -> None:
    tailer = tailer_of(bench)
    bench.now += 10
    append(bench.root / "app.log", "b", "c")
    assert bench.source.hot.look()
    assert not bench.source.hungry
    size = (bench.root / "app.log").stat().st_size
    assert (bench.ledger.records, tailer.read.offset, tailer.unread) == (2, size, 0)
    assert tailer.track.acked.offset < size
    assert tailer.fresh.since(tailer.track.acked.offset) == bench.now
    assert not bench.source.hot.look()
    bench.calm()
    assert bench.lines[1:] == ["b", "c"]
    assert bench.offsets() == {"app.log": size}


def unended(bench: Bench) -> None:
    with open(bench.root / "app.log", "ab") as log:
        log.write(b"b")


def written_anew(bench: Bench) -> None:
    (bench.root / "app.log").write_bytes(b"b, which is another beginning\n")


def shorter(bench: Bench) -> None:
    os.truncate(bench.root / "app.log", 0)


def succeeded(bench: Bench) -> None:
    append(bench.root / "app.log", "b")
    os.rename(bench.root / "app.log", bench.root / "app.log.1")
    append(bench.root / "app.log", "c")
    bench.beat()
    bench.discovery.rescan()
    for observation in bench.discovery.collect().observations:
        bench.source.observe(observation)


def held_up(bench: Bench) -> None:
    append(bench.root / "app.log", "b")
    bench.ledger.paused = True


def leaving(bench: Bench) -> None:
    append(bench.root / "app.log", "b")
    bench.source.leave()


def sent_again(bench: Bench) -> None:
    append(bench.root / "app.log", "b")
    bench.source.delivery.rewinding = True


@pytest.mark.parametrize("happens", [unended, written_anew, shorter, succeeded, held_up, leaving, sent_again])
def test_all_else_is_left_to_its_turn(bench: Bench, happens: Callable[[Bench], None]) -> None:
    tailer = tailer_of(bench)
    happens(bench)
    before = tailer.read
    assert not bench.source.hot.look()
    assert (bench.ledger.records, tailer.read) == (0, before)
    bench.ledger.paused = bench.source.delivery.rewinding = False
    bench.source.leave(leaving=False)
    bench.calm()
    expected: dict[Callable[[Bench], None], list[str]] = {
        unended: [],
        shorter: [],
        succeeded: ["b", "c"],
        written_anew: ["b, which is another beginning"],
    }
    assert bench.lines[1:] == expected.get(happens, ["b"])


def test_what_stands_before_is_held_against_the_bytes_that_were_kept_and_they_go_when_it_has_cooled_down(
    bench: Bench,
) -> None:
    log, tailer = bench.root / "app.log", tailer_of(bench)
    for line in "bc":
        append(log, line)
        assert bench.source.hot.look()
        assert tailer.tail == (tailer.read, log.read_bytes()[-MARK:])
    bench.calm()
    log.write_bytes(log.read_bytes().replace(b"c", b"d") + b"e\n")
    assert not bench.source.hot.look()
    bench.source.hot.turn(on=False)
    assert tailer.tail is None
    bench.calm()
    assert bench.lines[1:] == ["b", "c", LONG, "b", "d", "e"]


def test_what_is_written_anew_again_and_again_and_is_always_as_large_is_noticed_each_time(bench: Bench) -> None:
    log = bench.root / "app.log"
    for letter in "bcd":
        bench.source.hot.turn(on=True)
        for tailer in bench.source.generations():
            bench.source.hot.read(tailer)
        bench.now += 1.0  # as often as it is looked at in a quiet directory
        log.write_text(letter * (log.stat().st_size - 1) + "\n")
        assert not bench.source.hot.look()
        bench.source.modified({os.fsencode(log)})
        assert bench.source.hungry  # not only after it has cooled down: by then it may have been written anew again
        bench.calm()
        assert bench.lines[-1][0] == letter
    assert len(bench.lines) == 4


def test_one_that_is_gone_and_forgotten_before_it_is_looked_at_is_let_go_of(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.pump._pulse, "sync", lambda: None)  # a process that was stopped for very long, say
    log = bench.root / "app.log"
    bench.source.modified({os.fsencode(log)}, grown=True)
    log.unlink()
    bench.calm()
    bench.now += 2 * FORGET_AFTER
    bench.discovery.rescan()
    bench.calm()
    assert not bench.source.generations()
    assert not bench.source.hot.look()
    bench.calm()
    monkeypatch.undo()


def test_what_may_be_refused_is_left_to_its_turn(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    append(bench.root / "b.log", FIRST)
    bench.calm()
    bench.source.hot.turn(on=True)
    for tailer in bench.source.generations():
        bench.source.hot.read(tailer)
    monkeypatch.setattr(bench.client, "fits", lambda _topic: 30)
    append(bench.root / "app.log", "x" * 40)
    append(bench.root / "b.log", "b2")
    bench.source.hot.look()
    assert bench.ledger.records == 1
    bench.calm()
    assert bench.lines[1:] == [FIRST, "b2", "x" * 40]


@pytest.mark.parametrize("lines", [["x" * 99] * (SOME // 100 + 1), ["x"] * (MAX_LINES + 1)])
def test_what_is_very_much_is_left_to_its_turn(bench: Bench, lines: list[str]) -> None:
    append(bench.root / "app.log", *lines)
    assert not bench.source.hot.look()
    assert bench.source.hungry
    bench.calm()
    assert bench.lines[1:] == [*lines]


def test_no_more_is_sent_than_may_be_in_flight(bench: Bench) -> None:
    append(bench.root / "b.log", FIRST)
    bench.calm()
    bench.source.hot.turn(on=True)
    for tailer in bench.source.generations():
        bench.source.hot.read(tailer)
        append(bench.root / os.fsdecode(os.path.basename(tailer.path)), "x")
    bench.ledger.high = RECORD_OVERHEAD
    bench.source.hot.look()
    assert (bench.ledger.records, bench.ledger.paused) == (1, True)
    bench.calm()
    assert bench.lines[1:] == [FIRST, "x", "x"]
