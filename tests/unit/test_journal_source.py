"""A source of the journal in the pump: what it sends, saves and survives."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError

from shipper.config.rules import RateLimit, Redaction
from shipper.config.sources import ParseConfig, TimestampConfig
from shipper.journal.reader import Change
from shipper.ledger import Position
from shipper.model import TopicState
from shipper.patterns import Expression
from shipper.status import Status
from tests.harness.journal import JournalFiles, needed
from tests.unit.journal_rig import JournalRig

BAD = OSError(errno.EBADMSG, "Bad message")


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JournalRig]:
    with JournalRig(tmp_path, monkeypatch) as made:
        yield made


def started(rig: JournalRig, **keys: Any) -> JournalRig:
    if keys:
        rig.set(**keys)
    rig.start()
    rig.pass_time(1)
    return rig


def standing(rig: JournalRig) -> Status:
    assert rig.pump is not None
    return rig.pump._health.status(rig.sink.status(), rig.now, "h", 1, rig.pump._descriptors, 10)


# --- what is sent ----------------------------------------------------------------------------------------------------


def test_messages_arrive_with_their_units_as_keys_and_their_times(rig: JournalRig) -> None:
    rig.journal.write(
        [{"MESSAGE": b"a\nb", "_SYSTEMD_UNIT": b"x.service"}, {"MESSAGE": b"", "SYSLOG_IDENTIFIER": b"k"}]
    )
    rig.journal.write([{"MESSAGE": b"\xff\0", "_PID": b"1"}])
    keys: list[bytes] = []
    rig.start(up=False)
    keys += [sent.key for sent in rig.sink.queue]
    rig.sink.up = True
    rig.pass_time(1)
    assert rig.sink.arrived == [b"a\nb", b"", b"\xff\0"]  # a message of several lines stays one record
    host = rig.pump._host  # type: ignore[union-attr]
    assert keys == [f"{host}:x.service".encode(), f"{host}:k".encode(), f"{host}:s".encode()]
    assert rig.sink.timestamps == [1_764_000_000_001, 1_764_000_000_002, 1_764_000_000_003]


def test_json_has_all_fields(rig: JournalRig) -> None:
    rig.journal.write([{"MESSAGE": b"a", "_PID": b"1", "TAG": [b"x", b"\xff"], "RAW": b"\xfe\xff", "PRIORITY": b"6"}])
    rig.journal.write([{"MESSAGE": b"\xff"}, {"_PID": b"2"}])
    started(rig, value="json", fields={"env": "prod"})
    first, second, third = (json.loads(value) for value in rig.sink.arrived)
    assert {k: v for k, v in first.items() if k != "host.name"} == {
        "@timestamp": "2025-11-24T16:00:00.001000Z",
        "message": "a",
        "_PID": "1",
        "TAG": ["x", "/w=="],
        "RAW": "/v8=",
        "PRIORITY": "6",
        "__CURSOR": rig.journal.entries[0].cursor,
        "__REALTIME_TIMESTAMP": "1764000000001000",
        "__MONOTONIC_TIMESTAMP": "1",
        "env": "prod",
    }
    assert second["message"] == "/w=="
    assert (third["message"], third["_PID"]) == ("", "2")


def test_an_entry_without_a_message_is_dropped_where_the_message_is_what_is_sent(rig: JournalRig) -> None:
    rig.journal.write([{"MESSAGE": b"a"}, {"_PID": b"1"}, {"_PID": b"2"}, {"MESSAGE": b"b"}, {"_PID": b"3"}])
    started(rig)
    assert rig.lines == ["a", "b"]
    assert rig.events.counters["records.dropped.no_message", "s"] == 3
    rig.again()
    assert rig.lines == ["a", "b"]
    assert rig.cursor == rig.journal.entries[-1].cursor


def test_the_record_stage_works_on_entries(rig: JournalRig) -> None:
    message = b'{"user": "ann", "level": "warn", "_SYSTEMD_UNIT": "forged"}'
    rig.journal.write([{"MESSAGE": message, "_SYSTEMD_UNIT": b"card-4111111111111111.service", "_UID": b"7"}])
    rig.journal.write([{"MESSAGE": b"no json", "_SYSTEMD_UNIT": b"b.service"}, {"MESSAGE": b"debug"}])
    rig.set(
        key="{field._SYSTEMD_UNIT}/{field.user|field._UID}",
        key_fallback="none",
        topic="logs.{field.level}",
        headers={"uid": "{field._UID}", "host": "{host}"},
        parse=ParseConfig(format="json"),
        exclude_lines=(Expression("debug"),),
        redact=(Redaction(preset="credit_card", replace="####"),),
        provenance="headers",
        timestamp=TimestampConfig(field="when", format="epoch"),
    )
    rig.start(up=False)
    host = rig.pump._host.encode()  # type: ignore[union-attr]
    assert [(sent.topic, sent.key, sent.value) for sent in rig.sink.queue] == [
        ("logs.warn", b"card-####.service/ann", message),
        ("logs", b"none", b"no json"),
    ]
    cursors = [entry.cursor.encode() for entry in rig.journal.entries]
    assert [list(headers) for headers in rig.sink.headers] == [
        [("shipper.cursor", cursors[0]), ("host", host), ("uid", b"7")],
        [("shipper.cursor", cursors[1]), ("host", host), ("shipper.parse_error", b"1")],
    ]
    assert rig.sink.timestamps == [1_764_000_000_001, 1_764_000_000_002]
    assert rig.events.counters["records.dropped.exclude_lines", "s"] == 1


def test_a_field_of_the_entry_tells_the_time(rig: JournalRig) -> None:
    rig.journal.write([{"MESSAGE": b"a", "_SOURCE_REALTIME_TIMESTAMP": b"1763999999000000"}, {"MESSAGE": b"b"}])
    started(rig, timestamp=TimestampConfig(field="_SOURCE_REALTIME_TIMESTAMP", format="epoch_us"))
    assert rig.sink.timestamps == [1_763_999_999_000, 1_764_000_000_002]


def test_a_long_message_goes_in_parts(rig: JournalRig) -> None:
    rig.journal.write([{"MESSAGE": b"a"}, {"MESSAGE": b"0123456789" * 250}, {"MESSAGE": b"b"}])
    started(rig, max_line=1024)
    assert rig.lines == ["a", *[("0123456789" * 250)[n : n + 1024] for n in (0, 1024, 2048)], "b"]
    assert [dict(h) for h in rig.sink.headers] == [
        {"shipper.part": b"1"},
        {"shipper.part": b"2"},
        {"shipper.part": b"3", "shipper.parts": b"3"},
    ]
    rig.again()
    assert len(rig.lines) == 5


@pytest.mark.parametrize("what", ["truncate", "deadletter"])
def test_a_long_message_is_shortened_or_kept(rig: JournalRig, what: str) -> None:
    rig.journal.write([{"MESSAGE": b"a"}, {"MESSAGE": b"x" * 3000}, {"MESSAGE": b"b"}])
    started(rig, max_line=1024, on_long_line=what)
    rig.until(lambda: "b" in rig.lines)
    assert rig.lines == (["a", "x" * 1024, "b"] if what == "truncate" else ["a", "b"])
    if what == "truncate":
        assert [("shipper.truncated", b"3000")] in [list(headers) for headers in rig.sink.headers]
        return
    rig.stop()
    (letter,) = rig.letters()
    assert (letter.cursor, letter.place) == (
        rig.journal.entries[1].cursor,
        f"the journal at {rig.journal.entries[1].cursor}",
    )


# --- where it begins, and goes on ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "lines"),
    [
        ({}, ["line 1", "line 2", "line 3"]),
        ({"start_at": "end"}, []),
        ({"ignore_older": 1.5}, ["line 2", "line 3"]),
        ({"ignore_older": 0.1}, []),
        ({"ignore_older": 100.0}, ["line 1", "line 2", "line 3"]),
    ],
)
def test_where_it_begins(
    rig: JournalRig, monkeypatch: pytest.MonkeyPatch, keys: dict[str, Any], lines: list[str]
) -> None:
    rig.journal.write(3)
    for entry, age in zip(rig.journal.entries, (2, 1, 0.5), strict=True):
        monkeypatch.setattr(type(entry), "realtime", property(lambda e: 1_764_000_000_000_000 + e.number * 1_000_000))
        assert age
    monkeypatch.setattr("shipper.pump.time.time", lambda: 1_764_000_003.2)
    started(rig, **keys)
    assert rig.lines == lines
    rig.write(1)
    rig.pass_time(1)
    assert rig.lines == [*lines, "line 4"]


def test_where_it_begins_is_saved_before_anything_is_sent(rig: JournalRig) -> None:
    rig.journal.write(3)
    rig.set(start_at="end")
    rig.start(up=False)
    last = rig.journal.entries[-1].cursor
    assert rig.cursor == last
    rig.pump._close()  # type: ignore[union-attr]  # killed
    rig.journal.write(2)
    started(rig)
    assert rig.lines == ["line 4", "line 5"]
    assert [told["first_scan"] for told in rig.told_of("source.scanned")] == [True, False]


def test_nothing_comes_twice_over_a_clean_stop_and_nothing_is_lost_by_a_kill(rig: JournalRig) -> None:
    rig.journal.write(1500)
    started(rig)
    rig.again()
    assert len(rig.lines) == 1500
    rig.sink.up = False
    rig.write(100)
    rig.pass_time(1)
    rig.crash()
    assert rig.lines == [f"line {n}" for n in range(1, 1601)]


def test_a_cursor_is_not_saved_before_what_is_before_it_is_acknowledged(rig: JournalRig) -> None:
    rig.journal.write(10)
    rig.start(up=False)
    rig.pass_time(2)
    assert rig.cursor == ""
    rig.sink.up = True
    rig.pass_time(2)
    assert rig.cursor == rig.journal.entries[-1].cursor


def test_what_was_not_taken_is_sent_again_in_order(rig: JournalRig) -> None:
    rig.journal.write(5)
    rig.start(up=False)
    rig.sink.refuse()
    rig.beat()
    rig.write(2)
    rig.sink.up = True
    rig.pass_time(3)
    assert rig.lines == [f"line {n}" for n in range(1, 8)]


def test_reading_stops_where_enough_is_in_flight(rig: JournalRig) -> None:
    rig.journal.write(5000)
    rig.start(up=False)
    rig.pump._ledger.high = 1_000_000  # type: ignore[union-attr]
    rig.pass_time(1)
    assert rig.pump._ledger.in_flight < 1_000_000 + 400_000  # type: ignore[union-attr]
    rig.sink.up = True
    rig.pass_time(3)
    assert rig.lines == [f"line {n}" for n in range(1, 5001)]


def test_it_waits_for_its_topic(rig: JournalRig) -> None:
    rig.journal.write(3)
    rig.start(up=False)
    rig.sink.topics["t"] = TopicState.MISSING
    rig.write(3)
    rig.sink.up = True
    rig.pass_time(1)
    assert "topic t is missing" in rig.reader.why_idle
    rig.sink.topics.clear()
    rig.pass_time(1)
    assert rig.lines == [f"line {n}" for n in range(1, 7)]


def test_the_rate_is_limited(rig: JournalRig) -> None:
    rig.journal.write(1000)
    started(rig, rate_limit=RateLimit(per_second=100))
    assert 150 <= len(rig.lines) <= 250
    rig.pass_time(9)
    assert rig.lines == [f"line {n}" for n in range(1, 1001)]


# --- what is refused -------------------------------------------------------------------------------------------------


def refuse_poison(rig: JournalRig) -> None:
    """Let the brokers refuse each batch with a record in it that says poison."""

    def poll() -> None:
        if any(b"poison" in sent.value for sent in rig.sink.queue):
            rig.sink.refuse(KafkaError.INVALID_RECORD)

    rig.sink.on_poll = poll


def test_a_refused_record_is_narrowed_down_and_kept(rig: JournalRig) -> None:
    rig.journal.write(20)
    rig.journal.write([{"MESSAGE": b"poison", "_PID": b"1"}])
    rig.journal.write(20)
    rig.start(up=False)
    refuse_poison(rig)
    rig.sink.up = True
    rig.until(lambda: len(rig.lines) == 40)
    assert rig.lines == [f"line {n}" for n in range(1, 42) if n != 21]
    (told,) = rig.told_of("record.deadlettered")
    assert told["cursor"] == rig.journal.entries[20].cursor
    rig.stop()
    (letter,) = rig.letters()
    assert (letter.cursor, letter.value, letter.timestamp) == (
        rig.journal.entries[20].cursor,
        b"poison",
        1_764_000_000_021,
    )


@pytest.mark.parametrize("same", [True, False])
def test_with_transactions_only_the_entry_that_was_kept_is_passed_over(rig: JournalRig, same: bool) -> None:
    started(rig)
    rig.journal.write(4)
    kept = rig.journal.entries[0 if same else 1].cursor  # the second one has its number where the first is gone
    rig.reader.delivery.bury(rig.reader._journal.uid, 0, 0, 0, Position(1, kept.encode()))
    rig.told_to_source()
    rig.pass_time(2)
    assert rig.lines == [f"line {n}" for n in range(1, 5) if not (same and n == 1)]


def test_with_block_it_stops_before_a_refused_record(rig: JournalRig) -> None:
    import msgspec

    rig.journal.write([{"MESSAGE": b"a"}, {"MESSAGE": b"poison"}, {"MESSAGE": b"b"}])
    kafka = msgspec.structs.replace(rig.config.kafka, on_reject="block")
    rig.config = msgspec.structs.replace(rig.config, kafka=kafka)
    rig.start(up=False)
    refuse_poison(rig)
    rig.sink.up = True
    rig.pass_time(10)
    assert rig.lines == ["a"]
    assert f"in the journal at {rig.journal.entries[1].cursor} was refused" in rig.reader.why_idle
    rig.sink.on_poll = lambda: None
    rig.pass_time(70)
    assert rig.lines == ["a", "poison", "b"]


# --- what is wrong with the journal ----------------------------------------------------------------------------------


def test_entries_that_cannot_be_read_are_passed_over_and_counted(rig: JournalRig) -> None:
    rig.journal.write(600)
    for entry in rig.journal.entries[100:500]:  # more than are passed over at once
        entry.bad = True
    started(rig, units=("app0", "app1", "app2"))
    assert rig.lines == [f"line {n}" for n in (*range(1, 101), *range(501, 601))]
    assert rig.events.counters["journal.entries_damaged", "s"] == 400
    assert rig.journal.opened == 1
    rig.again()
    assert len(rig.lines) == 200


def test_what_is_missing_in_a_journal_that_is_read_whole_is_counted(rig: JournalRig) -> None:
    rig.journal.write(10)
    del rig.journal.entries[3:6]
    started(rig)
    assert rig.events.counters["journal.entries_damaged", "s"] == 3
    assert rig.lines == [f"line {n}" for n in (1, 2, 3, 7, 8, 9, 10)]


def test_a_file_that_is_noticed_late_is_read_before_what_comes_after_it(rig: JournalRig) -> None:
    rig.journal.write(3)
    started(rig)
    rig.journal.write(3)
    hidden = rig.journal.entries.pop(4)
    reader = rig.journal.readers[0]
    plain, asked = reader.process, 0

    def process() -> Change:
        nonlocal asked
        asked += 1
        if asked == 2:
            rig.journal.entries.insert(4, hidden)
            return Change.FILES
        return plain()

    reader.process = process  # type: ignore[method-assign]
    rig.until(lambda: len(rig.lines) == 6)
    assert rig.lines == [f"line {n}" for n in range(1, 7)]
    assert rig.events.counters["journal.entries_damaged", "s"] == 0


def test_a_reader_that_stays_where_it_is_makes_no_loop(rig: JournalRig) -> None:
    rig.journal.write(3)
    rig.journal.stuck = True
    started(rig)
    rig.pass_time(30)
    assert rig.lines == ["line 1"]
    assert rig.journal.opened < 12
    assert rig.told_of("journal.unreadable")[0]["reason"] == "the library gives the same entry again and again"
    rig.journal.stuck = False
    rig.pass_time(31)
    assert rig.lines == ["line 1", "line 2", "line 3"]


def test_a_journal_that_cannot_be_read_is_tried_again_from_where_it_was(rig: JournalRig) -> None:
    rig.journal.write(3)
    started(rig)
    rig.journal.failing = BAD
    rig.write(3)
    rig.pass_time(40)
    assert len(rig.told_of("journal.unreadable")) == 1
    assert rig.journal.opened < 12
    problem = rig.reader.problem
    assert problem is not None
    assert problem.what == "the journal cannot be read: Bad message"
    status = standing(rig)
    assert status.sources[0].problem == problem.what
    rig.journal.failing = None
    rig.pass_time(31)
    assert rig.lines == [f"line {n}" for n in range(1, 7)]
    assert rig.names("journal.readable") == ["journal.readable"]


def test_an_error_in_the_middle_loses_nothing(rig: JournalRig) -> None:
    rig.journal.write(50)
    started(rig)
    reader = rig.journal.readers[0]
    plain, count = reader.next, 0

    def failing() -> bool:
        nonlocal count
        count += 1
        if count == 20:
            raise BAD
        return plain()

    reader.next = failing  # type: ignore[method-assign]
    rig.write(50)
    rig.pass_time(3)
    assert rig.lines == [f"line {n}" for n in range(1, 101)]


def test_a_journal_that_is_not_there_is_waited_for(rig: JournalRig) -> None:
    rig.journal.write(3)
    rig.journal.broken = FileNotFoundError(errno.ENOENT, "No such file or directory")
    started(rig, start_at="end")
    assert "cannot read the journal: No such file" in rig.reader.why_idle
    rig.journal.broken = None
    rig.pass_time(31)
    rig.write(1)
    rig.pass_time(1)
    assert rig.lines == ["line 4"]


def test_a_first_start_waits_until_something_of_the_journal_may_be_read(rig: JournalRig) -> None:
    file = rig.directory / "system.journal"
    file.touch()
    rig.tried[str(file)] = PermissionError(errno.EACCES, "Permission denied")
    started(rig, start_at="end")
    rig.journal.write(3)
    assert rig.reader.problem is not None
    (told,) = rig.told_of("journal.unreadable")
    assert told["reason"] == f"this user may not read any of it, as {file}: Permission denied"
    assert "group systemd-journal" in told["then"]
    assert rig.told_of("journal.denied") == []  # that would be the same once more
    rig.tried[str(rig.directory / "user-0.journal")] = rig.tried[str(file)]
    (rig.directory / "user-0.journal").touch()
    del rig.tried[str(file)]
    rig.pass_time(31)
    assert [told["path"] for told in rig.told_of("journal.denied")] == [str(rig.directory / "user-0.journal")]
    assert rig.lines == []  # that is where its end is, now that it can be seen
    rig.write(1)
    rig.pass_time(1)
    assert rig.lines == ["line 4"]


def test_damaged_files_are_told_once(rig: JournalRig) -> None:
    def make(name: str, *, bad: bool = False, old: bool = True) -> Path:
        path = rig.directory / name
        path.touch()
        if old:
            os.utime(path, (0, 0))
        if bad:
            rig.tried[str(path)] = BAD
        return path

    make("a.journal")
    make("c.txt", bad=True)
    first = make("b.journal~", bad=True)
    rig.journal.write(2)
    started(rig)
    second = make("d.journal", bad=True)
    being_made = make("e.journal", bad=True, old=False)
    rig.journal.tell(Change.FILES)
    rig.told_to_source()
    rig.pass_time(2)
    assert [told["path"] for told in rig.told_of("journal.damaged")] == [str(first), str(second)]
    os.utime(being_made, (0, 0))  # it stays as it is, and no event tells of it
    rig.pass_time(7)
    assert [told["path"] for told in rig.told_of("journal.damaged")] == [str(first), str(second), str(being_made)]
    rig.pass_time(130)
    assert len(rig.told_of("journal.damaged")) == 3
    assert rig.lines == ["line 1", "line 2"]
    assert rig.reader.files == 1


# --- gaps ------------------------------------------------------------------------------------------------------------


def test_entries_that_were_removed_unread_are_a_gap(rig: JournalRig) -> None:
    rig.journal.write(10)
    started(rig)
    rig.stop()
    rig.journal.write(10)
    rig.journal.remove(15)
    started(rig)
    assert rig.lines == [f"line {n}" for n in (*range(1, 11), *range(16, 21))]
    (gap,) = rig.told_of("journal.gap")
    assert gap["entries_at_most"] == 5
    assert (gap["read_up_to"], gap["after"]) == (gap["read_up_to"], rig.journal.entries[0].cursor)
    status = standing(rig)
    assert status.sources[0].gaps == 1
    rig.again()
    assert len(rig.told_of("journal.gap")) == 1


@pytest.mark.parametrize("keys", [{}, {"units": ("app1",)}])
@pytest.mark.parametrize("unread", [0, 5])
def test_where_nothing_was_left_what_comes_later_tells_whether_there_was_a_gap(
    rig: JournalRig, unread: int, keys: dict[str, Any]
) -> None:
    rig.journal.write(10)
    started(rig, **keys)
    rig.stop()
    rig.journal.write(unread)
    rig.journal.remove(10 + unread)
    started(rig, **keys)
    assert rig.reader.why_idle == "idle: the journal has no files"
    before = rig.lines
    rig.write(6)
    rig.pass_time(1)
    assert [gap["entries_at_most"] for gap in rig.told_of("journal.gap")] == ([unread] if unread else [])
    assert rig.told_of("journal.entries_damaged") == []
    assert len(rig.lines) - len(before) == (2 if keys else 6)
    rig.again()
    assert len(rig.told_of("journal.gap")) == bool(unread)


@pytest.mark.parametrize("keys", [{}, {"units": ("app1", "app2", "app0")}])
def test_it_is_no_gap_where_only_what_was_read_was_removed(rig: JournalRig, keys: dict[str, Any]) -> None:
    rig.journal.write(10)
    started(rig, **keys)
    rig.stop()
    rig.journal.write(5)
    rig.journal.remove(10)
    started(rig)
    assert rig.lines == [f"line {n}" for n in range(1, 16)]
    assert rig.told_of("journal.gap") == []


def test_a_gap_is_told_once_however_often_it_is_read_again(rig: JournalRig) -> None:
    rig.journal.write(3)
    started(rig)
    rig.stop()
    rig.journal.write(6)
    rig.journal.remove(5)
    rig.start(up=False)
    for _ in range(3):
        rig.sink.refuse()
        rig.pass_time(3)
    rig.sink.up = True
    rig.pass_time(3)
    assert rig.lines == [f"line {n}" for n in (1, 2, 3, 6, 7, 8, 9)]
    assert len(rig.told_of("journal.gap")) == 1


def test_an_entry_that_is_damaged_after_it_was_sent_is_no_hindrance(rig: JournalRig) -> None:
    rig.journal.write(5)
    started(rig)
    rig.stop()
    rig.journal.entries[-1].bad = True
    rig.journal.write(3)
    started(rig)
    assert rig.lines == [f"line {n}" for n in range(1, 9)]
    assert rig.told_of("journal.gap") == rig.told_of("journal.unreadable") == []


def test_a_cursor_that_the_selection_leaves_out_is_still_there(rig: JournalRig) -> None:
    rig.journal.write(9)
    started(rig)
    rig.stop()
    rig.journal.write(9)
    started(rig, units=("app1",))
    assert rig.lines[9:] == ["line 10", "line 13", "line 16"]
    assert rig.told_of("journal.gap") == []


def test_events_that_were_not_looked_at_for_long_make_it_open_the_journal_anew(rig: JournalRig) -> None:
    rig.journal.write(5)
    rig.start(up=False)
    rig.sink.topics["t"] = TopicState.MISSING
    rig.sink.refuse()  # it has to go back, and waits for its topic
    rig.beat()
    rig.pass_time(1)
    rig.write(5)
    rig.pass_time(20)
    assert rig.journal.opened == 1
    rig.sink.topics.clear()
    rig.sink.up = True
    rig.pass_time(2)
    assert rig.lines == [f"line {n}" for n in range(1, 11)]
    assert rig.journal.opened == 2


# --- with others -----------------------------------------------------------------------------------------------------


def test_a_name_that_was_a_file_source_begins_anew_as_a_journal(rig: JournalRig) -> None:
    import msgspec

    from shipper.config import FileConfig

    (rig.logs / "a.log").write_text("a line\n")
    journal = rig.config
    files = FileConfig(name="s", paths=(f"{rig.logs}/*.log",), topic="t")
    rig.config = msgspec.structs.replace(journal, sources={"s": files})
    rig.start()
    rig.pass_time(1)
    rig.stop()
    rig.journal.write(2)
    rig.config = journal
    started(rig, start_at="end")
    rig.write(1)
    rig.pass_time(1)
    assert rig.lines == ["a line", "line 3"]
    rig.stop()
    rig.config = msgspec.structs.replace(rig.config, sources={"s": files})
    rig.start()
    rig.pass_time(1)
    assert rig.lines == ["a line", "line 3"]


def test_a_reload_changes_what_a_name_stands_for_and_back_without_loss_or_doubles(rig: JournalRig) -> None:
    import msgspec

    from shipper.config import FileConfig

    def becomes(config: Any) -> None:
        assert rig.pump is not None
        rig.config = msgspec.structs.replace(rig.config, sources={"s": config})
        rig.pump.reload(rig.config)
        rig.pass_time(2)

    log = rig.logs / "a.log"
    (journal,) = rig.config.sources.values()
    files = FileConfig(name="s", paths=(f"{rig.logs}/*.log",), topic="t", start_at="end")
    rig.config = msgspec.structs.replace(rig.config, sources={"s": files})
    log.write_text("before\n")
    rig.start()
    with log.open("a") as file:
        file.write("a\n")
    rig.pass_time(1)
    rig.journal.write(2)
    becomes(journal)
    with log.open("a") as file:
        file.write("b\n")
    (rig.logs / "b.log").write_text("new\n")
    becomes(files)
    rig.journal.write(2)
    becomes(journal)
    assert rig.lines == ["a", "line 1", "line 2", "b", "new", "line 3", "line 4"]
    assert sorted(one.of_journal for one in rig.saved()) == [False, False, True]
    rig.again()
    assert len(rig.lines) == 7
    assert rig.told_of("config.refused") == []


def test_a_reload_changes_what_is_selected_without_loss_or_doubles(rig: JournalRig) -> None:
    rig.journal.write(6)
    started(rig)
    rig.write(3)
    rig.set(units=("app1",))
    rig.pump.reload(rig.config)  # type: ignore[union-attr]
    rig.pass_time(2)
    assert rig.names("source.changed") == ["source.changed"]
    before = rig.lines
    assert before[:6] == [f"line {n}" for n in range(1, 7)]
    assert "line 7" in before
    rig.write(3)
    rig.pass_time(1)
    assert rig.lines == [*before, "line 10"]
    assert len(rig.journal.readers) == 1


def test_the_rest_of_a_message_that_rate_limit_holds_back_goes_before_a_reload_changes_its_source(
    rig: JournalRig,
) -> None:
    rig.journal.write([{"MESSAGE": b"0123456789" * 250}, {"MESSAGE": b"after it"}])
    keys: dict[str, Any] = {"max_line": 1024, "rate_limit": RateLimit(per_second=1)}
    rig.set(**keys)
    rig.start()
    assert len(rig.lines) == 1
    rig.set(**keys, headers={"h": "x"})
    rig.pump.reload(rig.config)  # type: ignore[union-attr]
    rig.pass_time(8)
    assert [len(line) for line in rig.lines] == [1024, 1024, 452, 8]
    assert [b"x" in dict(headers).values() for headers in rig.sink.headers] == [False, False, False, True]


def test_a_store_that_was_set_aside_has_the_journal_read_from_its_beginning(rig: JournalRig) -> None:
    rig.journal.write(3)
    started(rig, start_at="end")
    rig.stop()
    rig.store.close()
    (rig.config.shipper.state_dir / "checkpoints.sqlite3").write_bytes(b"damaged")
    from shipper.checkpoints import CheckpointStore

    rig.store = CheckpointStore.open(rig.config.shipper.state_dir, rig.events)
    started(rig)
    assert rig.lines == ["line 1", "line 2", "line 3"]


# --- with the library ------------------------------------------------------------------------------------------------


@pytest.fixture
def real(tmp_path: Path) -> Iterator[tuple[JournalRig, JournalFiles]]:
    needed()
    with JournalRig(tmp_path) as made:
        yield made, JournalFiles(made.directory)


def eventually_lines(rig: JournalRig, count: int) -> None:
    for _ in range(40):
        rig.pass_time(0.5)
        if len(rig.lines) >= count:
            return
    raise AssertionError(f"{len(rig.lines)} lines, not {count}")


def test_files_that_are_rotated_and_vacuumed_while_it_reads(real: tuple[JournalRig, JournalFiles]) -> None:
    rig, files = real
    lines = files.write(1200)
    rig.start(up=False)
    files.rotate("system@1")
    lines += files.write(300)
    files.vacuum("system@1")  # while most of it is unread
    rig.sink.up = True
    eventually_lines(rig, 1500)
    assert rig.lines == lines
    rig.again()
    assert rig.lines == lines
    assert rig.told_of("journal.gap") == []
    assert rig.reader.files == 1


def test_a_cursor_that_was_vacuumed_away(real: tuple[JournalRig, JournalFiles]) -> None:
    rig, files = real
    lines = files.write(100)
    started(rig)
    rig.stop()
    files.write(50)
    files.rotate("system@1")
    newer = files.write(70)
    files.vacuum("system@1")
    started(rig)
    assert rig.lines == lines + newer
    assert len(rig.told_of("journal.gap")) == 1


def test_a_journal_of_which_nothing_is_left(real: tuple[JournalRig, JournalFiles]) -> None:
    rig, files = real
    lines = files.write(20)
    rig.start()
    rig.until(lambda: rig.lines == lines)
    rig.stop()
    files.write(5)
    files.vacuum("system")
    rig.start()
    rig.pass_time(1)
    assert rig.told_of("journal.gap") == []  # nobody can tell yet
    newer = files.write(5)
    rig.until(lambda: rig.lines == lines + newer)
    assert len(rig.told_of("journal.gap")) == 1
    assert rig.told_of("journal.entries_damaged") == rig.told_of("journal.unreadable") == []


def test_damage_in_the_middle_of_a_file(real: tuple[JournalRig, JournalFiles]) -> None:
    rig, files = real
    lines = files.write(4000)
    files.rotate("system@1")
    at = files.path("system@1").read_bytes().index(b"MESSAGE=line 2000")
    with files.path("system@1").open("r+b") as file:
        file.seek(at)
        file.write(b"\0" * 8192)
    lines += files.write(10)
    started(rig)
    eventually_lines(rig, 3900)
    assert rig.lines[-10:] == lines[-10:]
    assert set(rig.lines) < set(lines)
    assert len(set(rig.lines)) == len(rig.lines)
    assert rig.events.counters["journal.entries_damaged", "s"] > 0
    rig.again()
    assert len(set(rig.lines)) == len(rig.lines)
