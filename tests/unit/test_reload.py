"""Sources that come, go and change while the daemon runs: no line is lost, none comes twice, the others go on."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaError

from shipper.config.rules import RateLimit
from shipper.files import Files, PlainReader
from shipper.model import FileId, Observation, Seen, TopicState
from shipper.paths import Trust
from tests.harness.wait import eventually
from tests.unit.rig import PumpRig, append


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(exist_ok=True)
    append(path, *lines)


def offsets(rig: PumpRig, source: str) -> list[int]:
    return [one.offset for one in rig.store.load()[source].files]


A, B = "logs/a.log", "other/b.log"


@pytest.fixture
def both(tmp_path: Path) -> dict[str, dict[str, Any]]:
    """Two sources with a directory each."""
    return {"s": {}, "t": {"paths": (f"{tmp_path}/other/*.log",)}}


def test_a_source_that_is_added_is_read_from_its_beginning_and_the_other_goes_on(
    tmp_path: Path, both: dict[str, dict[str, Any]]
) -> None:
    with PumpRig(tmp_path) as rig:
        write(tmp_path / A, "a1")
        write(tmp_path / B, "b1", "b2")
        source = rig.start().source
        rig.want(**both)
        write(tmp_path / A, "a2")
        rig.pass_time(2)
        assert rig.source is source
        assert sorted(rig.lines) == ["a1", "a2", "b1", "b2"]
        assert offsets(rig, "t") == [6]
        assert rig.names("source.") == ["source.scanned", "source.added", "source.scanned"]


def test_a_source_that_is_removed_is_waited_for_and_goes_on_when_it_is_back(
    tmp_path: Path, both: dict[str, dict[str, Any]]
) -> None:
    with PumpRig(tmp_path) as rig:
        rig.want(**both)
        write(tmp_path / B, "b1")
        rig.start(up=False)
        assert [sent.value for sent in rig.sink.queue] == [b"b1"]
        rig.want(s={})
        write(tmp_path / A, "a1")
        write(tmp_path / B, "b2")
        rig.pass_time(60)
        assert rig.pump is not None
        assert set(rig.pump._sources) == {"s", "t"}  # nothing is given up
        assert rig.told_of("source.removed") == []
        assert rig.pump._sources["t"].why_idle == "leaving: 1 records are still to be acknowledged"
        rig.sink.up = True
        rig.pass_time(2)
        assert set(rig.pump._sources) == {"s"}
        assert sorted(rig.lines) == ["a1", "b1"]
        (removed,) = rig.told_of("source.removed")
        assert (removed["source"], removed["unread"]) == ("t", 3)
        assert offsets(rig, "t") == [3]
        rig.want(**both)
        rig.pass_time(2)
        assert rig.lines == ["b1", "a1", "b2"] or rig.lines == ["a1", "b1", "b2"]
        assert offsets(rig, "t") == [6]


def test_a_change_counts_from_the_acked_offset_on(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        write(tmp_path / A, "one", "secret")
        rig.start(up=False)
        rig.want(s={"topic": "new"})
        write(tmp_path / A, "two")
        rig.pass_time(1)
        assert [(sent.topic, sent.value) for sent in rig.sink.queue] == [("t", b"one"), ("t", b"secret")]
        rig.sink.up = True
        topics: list[tuple[str, bytes]] = []
        rig.sink.on_poll = lambda: topics.extend((sent.topic, sent.value) for sent in rig.sink.queue)
        rig.pass_time(2)
        assert topics == [("t", b"one"), ("t", b"secret"), ("new", b"two")]
        assert [fields["source"] for fields in rig.told_of("source.changed")] == ["s"]


def test_what_was_delivered_is_counted_over_a_change(tmp_path: Path, both: dict[str, dict[str, Any]]) -> None:
    with PumpRig(tmp_path) as rig:
        write(tmp_path / A, "a1", "a2")
        write(tmp_path / B, "b1")
        rig.want(**both)
        pump = rig.start().pump
        assert pump is not None
        pump.ask()
        rig.pass_time(1)
        rig.want(s={"topic": "new"})
        rig.pass_time(1)
        pump.ask()
        rig.pass_time(1)
        assert pump.standing.startswith("0 lines/s")
        rig.stop()
        assert pump.left.delivered == 3


def test_what_was_not_taken_is_sent_by_the_changed_source(tmp_path: Path) -> None:
    """So a topic that was misspelt, or is denied, is put right."""
    with PumpRig(tmp_path) as rig:
        write(tmp_path / A, "one", "two")
        rig.start(up=False)
        rig.sink.refuse(KafkaError.TOPIC_AUTHORIZATION_FAILED)
        rig.sink.topics["t"] = TopicState.DENIED
        rig.beat()
        assert rig.source.delivery.rewinding
        rig.want(s={"topic": "new"})
        rig.sink.up = True
        rig.pass_time(2)
        assert rig.lines == ["one", "two"]
        assert offsets(rig, "s") == [8]


LIMIT = RateLimit(per_second=1)
PARTS = ["0123456789", "abcdefghij", "ABCDEFGHIJ", "01234"]


def sent_to(rig: PumpRig) -> list[tuple[str, str]]:
    """Return a list that will have every record that was sent, with its topic."""
    found: list[tuple[str, str]] = []
    rig.sink.on_poll = lambda: found.extend((one.topic, one.value.decode()) for one in rig.sink.queue)
    return found


def test_the_rest_of_a_line_that_rate_limit_holds_back_goes_before_the_source_changes(tmp_path: Path) -> None:
    with PumpRig(tmp_path, rate_limit=LIMIT, max_line=10) as rig:
        write(tmp_path / A, "".join(PARTS), "after it")
        write(tmp_path / "logs/z.log", "another")
        rig.start()
        assert rig.lines == PARTS[:1]
        sent = sent_to(rig)
        rig.want(s={"topic": "new", "max_line": 10})
        rig.pass_time(8)
        assert sorted(rig.lines) == sorted([*PARTS, "after it", "another"])
        assert sent == [*(("t", part) for part in PARTS[1:]), ("new", "after it"), ("new", "another")]


@pytest.mark.parametrize("ends", ["a change", "a stop"])
def test_the_rest_of_a_line_that_waits_for_its_topic_goes_before_a_change_and_a_stop(tmp_path: Path, ends: str) -> None:
    with PumpRig(tmp_path, rate_limit=LIMIT, max_line=10) as rig:
        write(tmp_path / A, "".join(PARTS), "after it")
        rig.start()
        assert rig.lines == PARTS[:1]
        rig.sink.topics["t"] = TopicState.UNKNOWN
        rig.pass_time(2)
        if ends == "a change":
            rig.want(s={"topic": "new", "max_line": 10})
            rig.pass_time(3)
            assert rig.lines == PARTS[:1]
            rig.sink.topics["t"] = TopicState.READY
            rig.pass_time(8)
        else:

            def time_passes() -> None:
                rig.now += 0.1
                rig.sink.topics["t"] = TopicState.READY

            rig.sink.on_poll = time_passes
            rig.stop()
            assert rig.lines == PARTS
            rig.start().pass_time(3)
        assert rig.lines == [*PARTS, "after it"]


def test_a_line_whose_topic_has_gone_meanwhile_does_not_keep_the_source_from_being_changed(tmp_path: Path) -> None:
    with PumpRig(tmp_path, rate_limit=LIMIT, max_line=10) as rig:
        write(tmp_path / A, "".join(PARTS))
        rig.start()
        rig.sink.topics["t"] = TopicState.MISSING
        rig.pass_time(2)
        rig.want(s={"topic": "new", "max_line": 10})
        rig.pass_time(3)
        assert rig.lines == [*PARTS[:1], *PARTS]  # what has gone to the one that is no more


def test_a_long_line_that_nobody_ends_waits_for_its_end_over_a_change_and_a_stop(tmp_path: Path) -> None:
    """Nor does it matter that others of its files are written to all the while."""
    with PumpRig(tmp_path, max_line=10) as rig:
        write(tmp_path / A, "before")
        with (tmp_path / A).open("a") as log:
            log.write("".join(PARTS))
        rig.start().pass_time(1)
        sent = sent_to(rig)
        rig.want(s={"topic": "new", "max_line": 10})
        for number in range(4):
            write(tmp_path / "logs/z.log", f"{number}")
            rig.beat()
        rig.pass_time(1)
        assert sent == [("new", f"{number}") for number in range(4)]
        rig.stop()
        rig.start().pass_time(1)
        with (tmp_path / A).open("a") as log:
            log.write("\n")
        rig.pass_time(1)
        assert rig.lines == ["before", "0", "1", "2", "3", *PARTS]


def test_a_long_line_of_a_file_that_cannot_grow_any_more_is_sent_without_its_end(tmp_path: Path) -> None:
    with PumpRig(tmp_path, max_line=10) as rig:
        (tmp_path / A).write_text("".join(PARTS))
        rig.start().pass_time(1)
        assert rig.lines == []
        (tmp_path / A).unlink()
        rig.pass_time(10)
        assert rig.lines == PARTS


def test_the_rest_of_a_line_that_rate_limit_holds_back_goes_before_a_stop(tmp_path: Path) -> None:
    with PumpRig(tmp_path, rate_limit=LIMIT, max_line=10) as rig:
        write(tmp_path / A, "".join(PARTS), "after it")
        rig.start()

        def time_passes() -> None:
            rig.now += 0.1

        rig.sink.on_poll = time_passes
        rig.stop()
        assert rig.lines == PARTS
        rig.start().pass_time(3)
        assert rig.lines == [*PARTS, "after it"]


def test_a_reload_is_done_at_once_although_nothing_happens(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        write(tmp_path / A, "one")
        rig.start().pass_time(3)
        changed: list[int] = []
        rig.sink.on_poll = lambda: changed.append(len(rig.told_of("source.changed")))
        rig.want(s={"topic": "new"})
        assert changed[0] == 1  # before reports are waited for, and news


def test_a_deleted_file_that_waits_is_kept_open_over_a_change(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        write(tmp_path / A, "one")
        rig.start()
        rig.sink.topics["t"] = TopicState.MISSING
        write(tmp_path / A, "two")
        rig.beat()
        (tmp_path / A).unlink()
        write(tmp_path / A, "three")
        rig.pass_time(1)
        rig.want(s={"topic": "new"})
        rig.pass_time(20)
        assert rig.lines == ["one", "two", "three"]
        assert not rig.names("file.lost")
        rig.pass_time(20)
        assert rig.pump is not None
        assert len(rig.pump._descriptors) == 1


def held_and_deleted(path: Path) -> tuple[Seen, PlainReader]:
    """Return an open file that has no name any more."""
    write(path, "unread")
    reader = PlainReader(Files(), os.open(path, os.O_RDONLY))
    stat = reader.stat()
    path.unlink()
    name = os.fsencode(path)
    return Seen(name, name, stat.file_id, stat.size, stat.mtime_ns), reader


def parted(rig: PumpRig) -> None:
    """Let the source have parted a deleted file from its generation just now: it does not know yet what that is."""
    seen, reader = held_and_deleted(rig.logs / "gone.log")
    rig.source._intake.loose.hold(seen.file_id, reader)
    rig.source._intake.loose.part(seen)


def test_a_deleted_file_of_which_nothing_is_known_yet_is_kept_open_over_a_change(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        write(tmp_path / A, "one")
        rig.start().pass_time(1)
        parted(rig)
        rig.want(s={"topic": "new"})
        rig.pass_time(2)
        assert rig.lines == ["one", "unread"]


def test_a_file_that_was_written_over_and_deleted_is_kept_open_over_a_change(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        write(tmp_path / A, "one")
        rig.start().pass_time(1)
        (held,) = rig.source.generations()
        (tmp_path / A).write_text("another\n")
        # As when it is held against another file.
        rig.source._intake.loose.part(*rig.source._search._parting.release(held))
        (tmp_path / A).unlink()
        rig.want(s={"topic": "new"})
        rig.pass_time(2)
        assert rig.lines == ["one", "another"]


def test_a_deleted_file_of_which_nothing_is_known_yet_is_kept_open_over_a_new_client(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        write(tmp_path / A, "one")
        rig.start().pass_time(1)
        parted(rig)
        assert rig.pump is not None
        rig.pump._keeps = True
        kept = rig.pump.kept
        rig.stop()
        rig.start(kept=kept).pass_time(2)
        assert rig.lines == ["one", "unread"]


def test_what_was_held_open_until_brokers_answered_is_kept_open_over_a_change_before_the_first_scan(
    tmp_path: Path,
) -> None:
    with PumpRig(tmp_path) as rig:
        write(tmp_path / A, "one")
        rig.start().pass_time(1)
        rig.stop()
        pump = rig.pump = rig.make_pump()
        write(rig.logs / "gone.log", "unread")
        found = os.stat(rig.logs / "gone.log")
        name = os.fsencode(rig.logs / "gone.log")
        seen = Seen(name, name, FileId(found.st_dev, found.st_ino), found.st_size, found.st_mtime_ns)
        pump._holding.observe(Observation("s", [seen]), Trust("auto"))
        (rig.logs / "gone.log").unlink()
        pump._patience = lambda: 0.0  # type: ignore[method-assign]
        pump._open()
        rig.want(s={"topic": "new"})
        rig.pass_time(2)
        assert rig.lines == ["one", "unread"]


def test_a_deleted_file_that_waits_is_kept_open_over_a_new_client(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        write(tmp_path / A, "one")
        rig.start()
        rig.sink.topics["t"] = TopicState.MISSING
        write(tmp_path / A, "two")
        rig.beat()
        (tmp_path / A).unlink()
        rig.pass_time(1)
        assert rig.pump is not None
        rig.pump._keeps = True
        kept = rig.pump.kept
        rig.stop()
        rig.start(kept=kept).pass_time(2)
        assert rig.lines == ["one", "two"]
        assert not rig.names("file.lost")


def test_a_change_of_mind_leaves_the_source_as_it_was(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        write(tmp_path / A, "one")
        source = rig.start(up=False).source
        rig.want(s={"topic": "new"})
        rig.want(s={})
        write(tmp_path / A, "two")
        rig.sink.up = True
        rig.pass_time(2)
        assert rig.source is source
        assert rig.lines == ["one", "two"]
        assert not rig.names("source.changed")


def test_a_rotation_during_a_change_is_followed(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        write(tmp_path / A, "one")
        rig.start(up=False)
        rig.want(s={"headers": {"h": "x"}})
        (tmp_path / A).rename(tmp_path / f"{A}.1")
        write(tmp_path / f"{A}.1", "two")
        write(tmp_path / A, "three")
        rig.sink.up = True
        rig.pass_time(3)
        assert rig.lines == ["one", "two", "three"]


def test_a_dead_letter_on_its_way_is_kept_once_although_its_source_changes(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        write(tmp_path / A, "bad", "good")
        rig.start(up=False)

        def refuse_bad() -> None:
            if any(sent.value == b"bad" for sent in rig.sink.queue):
                rig.sink.refuse(KafkaError.INVALID_RECORD)
            else:
                rig.sink.deliver()

        rig.sink.on_poll = refuse_bad

        def passes(name: str) -> bool:
            rig.pass_time(0.5)
            return name in rig.names()

        eventually("the letter", lambda: passes("source.rewound"))
        rig.want(s={"headers": {"h": "x"}})
        eventually("the letter", lambda: passes("record.deadlettered") and rig.lines)
        rig.pass_time(30)
        assert rig.lines == ["good"]
        assert len(rig.names("record.deadlettered")) == 1


def test_limits_and_the_scan_interval_are_taken_over(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        for number in range(9):
            write(tmp_path / f"logs/{number}.log", "x")
        rig.start().pass_time(2)
        assert rig.pump is not None
        assert len(rig.pump._descriptors) == 9
        shipper = msgspec.structs.replace(rig.config.shipper, max_open_files=4, scan_interval=0.5)
        rig.config = msgspec.structs.replace(rig.config, shipper=shipper)
        rig.want(s={})
        assert len(rig.pump._descriptors) == 4
        scans = rig.events.counters["scan", ""]
        rig.pass_time(4)
        assert rig.events.counters["scan", ""] >= scans + 2
        write(tmp_path / "logs/3.log", "y")
        rig.pass_time(1)
        assert rig.lines.count("y") == 1


def test_many_reloads_leave_nothing_behind(tmp_path: Path, both: dict[str, dict[str, Any]]) -> None:
    """Threads, descriptors and objects are as many as before; no line is lost, none comes twice."""
    with PumpRig(tmp_path) as rig:
        write(tmp_path / A, "a")
        write(tmp_path / B, "b")
        rig.want(**both)
        rig.start().pass_time(1)
        counts: list[tuple[int, int, int]] = []
        for number in range(20):
            rig.want(s={"topic": f"t{number % 3}"}, **({"t": both["t"]} if number % 2 else {}))
            write(tmp_path / A, f"a{number}")
            rig.pass_time(0.5)
            if number in (7, 19):
                rig.pass_time(3)
                assert rig.store.flush(10)  # what waits to be saved is there until then
                gc.collect()
                ours = sum(str(type(one).__module__).startswith("shipper.") for one in gc.get_objects())
                counts.append((threading.active_count(), len(os.listdir("/proc/self/fd")), ours))
        rig.pass_time(2)
        assert sorted(rig.lines) == sorted(["a", "b", *(f"a{number}" for number in range(20))])
        assert counts[0] == counts[1]


def test_what_a_source_held_open_that_is_no_generation_is_closed_at_its_end(
    tmp_path: Path, both: dict[str, dict[str, Any]]
) -> None:
    with PumpRig(tmp_path) as rig:
        write(tmp_path / A, "a")
        rig.want(**both)
        source = rig.start().source
        (held,) = source.generations()
        reader = PlainReader(Files(), os.open(tmp_path / A, os.O_RDONLY))
        source._intake.loose.hold(held.file_id, reader)
        before = len(os.listdir("/proc/self/fd"))
        rig.want(t=both["t"])
        rig.pass_time(1)
        assert rig.told_of("source.removed") != []
        assert len(os.listdir("/proc/self/fd")) == before - 2  # and its generation


def test_a_letter_of_a_source_that_is_gone_disturbs_nobody(tmp_path: Path, both: dict[str, dict[str, Any]]) -> None:
    with PumpRig(tmp_path) as rig:
        write(tmp_path / B, "bad")
        rig.want(**both)
        rig.start(up=False)
        assert rig.pump is not None
        letters = rig.pump._refusals._letters
        results = letters.results
        letters.results = lambda: iter(())  # type: ignore[method-assign]  # the disk is slow

        def passes(done: bool) -> bool:
            rig.sink.refuse(KafkaError.INVALID_RECORD)
            rig.pass_time(1)
            return bool(letters._results) if not done else bool(rig.names("source.removed"))

        eventually("a letter", lambda: passes(done=False))
        rig.want(s={})
        eventually("the end", lambda: passes(done=True))
        letters.results = results  # type: ignore[method-assign]
        write(tmp_path / A, "good")
        rig.sink.up = True
        rig.pass_time(2)
        assert rig.lines == ["good"]
        assert offsets(rig, "t") == [0]


def test_all_of_a_source_is_saved_at_its_end_where_the_store_had_to_begin_anew(
    tmp_path: Path, both: dict[str, dict[str, Any]]
) -> None:
    with PumpRig(tmp_path) as rig:
        write(tmp_path / B, "b1")
        write(tmp_path / "other/c.log", "c1")
        rig.want(**both)
        rig.start().pass_time(2)
        rig.store.renewals += 1  # as when the directory was taken away
        submitted: list[tuple[int, str | None]] = []
        submit = rig.store.submit

        def hear(changed: Any, removed: Any = (), *, whole: str | None = None) -> None:
            changed = list(changed)
            submitted.append((len(changed), whole))
            submit(changed, removed, whole=whole)

        rig.store.submit = hear  # type: ignore[method-assign]
        assert rig.pump is not None
        rig.pump._saving.due = rig.now + 10
        rig.want(s={})
        assert (2, "t") in submitted
        assert sorted(offsets(rig, "t")) == [3, 3]
