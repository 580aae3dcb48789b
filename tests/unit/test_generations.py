"""How generations end and follow each other, through the whole pump: each line once, in order, and none forgotten."""

from __future__ import annotations

import bz2
import errno
import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from shipper.model import TopicState
from tests.unit.rig import PumpRig

SILENCE = 6.0  # longer than partial_timeout


def test_the_last_line_of_a_compressed_file_may_have_no_end(tmp_path: Path) -> None:
    with PumpRig(tmp_path, "*") as rig:
        (rig.logs / "a.log.1.gz").write_bytes(gzip.compress(b"one\ntwo"))
        (rig.logs / "b.bz2").write_bytes(bz2.compress(b"three"))
        rig.start().beat()
        assert sorted(rig.lines) == ["one", "three", "two"]


def test_an_unended_line_goes_on_in_the_compressed_file(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log = rig.logs / "app.log"
        log.write_bytes(b"one\ntw")
        rig.start().stop()
        (rig.logs / "app.log.1.gz").write_bytes(gzip.compress(b"one\ntwo"))
        log.unlink()
        rig.start().pass_time(SILENCE)
        assert rig.lines == ["one", "two"]


def test_a_late_line_without_end_is_sent_once_its_writer_is_silent(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log, rotated = rig.logs / "app.log", rig.logs / "app.log.1"
        log.write_bytes(b"one\n")
        rig.start()
        with log.open("ab", buffering=0) as writer:
            log.rename(rotated)
            log.write_bytes(b"two\n")
            rig.beat()
            assert "file.finished" in rig.names()
            writer.write(b"la")
            rig.beat()
            assert rig.lines == ["one", "two"]
            writer.write(b"te")
        rig.pass_time(SILENCE)
        assert rig.lines == ["one", "two", "late"]


def test_a_restored_file_may_grow_so_its_line_waits_for_its_end(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log = rig.logs / "app.log"
        log.write_bytes(b"one\n")
        rig.start()
        log.unlink()
        rig.pass_time(2 * SILENCE)
        assert "file.finished" in rig.names()
        log.write_bytes(b"one\ntw")
        rig.pass_time(2 * SILENCE)
        assert rig.lines == ["one"]
        with log.open("ab") as writer:
            writer.write(b"o\n")
        rig.beat()
        assert rig.lines == ["one", "two"]


def test_a_deleted_file_is_held_until_it_is_acknowledged(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log = rig.logs / "app.log"
        log.write_bytes(b"one\ntwo\n")
        rig.start(up=False)
        log.unlink()
        rig.pass_time(60)
        assert "file.finished" in rig.names()
        rig.sink.fatal = True  # the client is gone, with all that it had in flight
        rig.beat()
        rig.pass_time(SILENCE)
        assert rig.lines == ["one", "two"]
        assert "file.lost" not in rig.names()
        assert rig.pump is not None
        assert len(rig.pump._descriptors) == 0


def replaced(log: Path, content: bytes) -> None:
    """Replace a file as rsync and editors do."""
    new = log.with_name(".new")
    new.write_bytes(content)
    new.rename(log)


@pytest.mark.parametrize("running", [True, False])
def test_a_longer_file_that_takes_the_place_of_another_goes_on_where_that_was_read(
    tmp_path: Path, *, running: bool
) -> None:
    with PumpRig(tmp_path) as rig:
        log = rig.logs / "app.log"
        log.write_bytes(b"one\ntwo\n")
        rig.start()
        if not running:
            rig.stop()
        replaced(log, b"one\ntwo\nthree\n")
        if not running:
            rig.start()
        rig.pass_time(2 * SILENCE)
        assert rig.lines == ["one", "two", "three"]
        replaced(log, b"one\ntwo\nthree\nfour\n")
        rig.beat()
        assert rig.lines == ["one", "two", "three", "four"]


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("restarts", [0, 1])
def test_a_file_that_begins_like_its_predecessor_is_no_copy_of_it(
    tmp_path: Path, *, running: bool, restarts: int
) -> None:
    with PumpRig(tmp_path) as rig:
        log = rig.logs / "app.log"
        log.write_bytes(b"header\n")
        rig.start()
        for number in (1, 2, 3):
            if not running:
                rig.stop()
            for old in (2, 1):
                if (rotated := rig.logs / f"app.log.{old}").exists():
                    rotated.rename(rig.logs / f"app.log.{old + 1}")
            log.rename(rig.logs / "app.log.1")
            log.write_bytes(b"header\nline %d\n" % number)
            if not running:
                rig.start()
            rig.pass_time(SILENCE)
            for _ in range(restarts):
                if running:
                    rig.stop()
                    rig.start()
        assert rig.lines == ["header", "header", "line 1", "header", "line 2", "header", "line 3"]


@pytest.mark.parametrize("up", [True, False])
def test_a_rotated_file_that_shows_up_late_comes_before_what_its_successor_still_gets(
    tmp_path: Path, *, up: bool
) -> None:
    """Quick rotations: the successor is seen first, the file between the two that were seen only afterwards."""
    with PumpRig(tmp_path) as rig:
        log = rig.logs / "app.log"
        log.write_bytes(b"first\n")
        rig.start()
        rig.sink.up = up
        between = rig.logs / "unseen"
        between.write_bytes(b"between\n")
        log.rename(rig.logs / "app.log.2")
        log.write_bytes(b"last 1\n")
        rig.beat()
        between.rename(rig.logs / "app.log.1")
        rig.beat()
        with log.open("ab") as writer:
            writer.write(b"last 2\n")
        rig.sink.up = True
        rig.pass_time(SILENCE)
        rig.stop()
        rig.start()
        with log.open("ab") as writer:
            writer.write(b"last 3\n")
        rig.pass_time(SILENCE)
        assert sorted(rig.lines) == ["between", "first", "last 1", "last 2", "last 3"]
        assert rig.lines[-2:] == ["last 2", "last 3"]
        assert rig.lines.index("between") < rig.lines.index("last 2")
        assert "file.late" not in rig.names()


def test_the_order_of_late_found_files_outlives_a_restart(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log = rig.logs / "app.log"
        log.write_bytes(b"first\n")
        rig.start()
        with log.open("ab") as writer:
            writer.write(b"partial")  # so that its successor waits
        between = rig.logs / "unseen"
        between.write_bytes(b"between\n")
        log.rename(rig.logs / "app.log.2")
        log.write_bytes(b"last\n")
        rig.beat()
        between.rename(rig.logs / "app.log.1")
        rig.beat()
        assert rig.lines == ["first"]
        rig.stop()
        rig.start().pass_time(2 * SILENCE)
        assert rig.lines == ["first", "partial", "between", "last"]


def test_what_is_in_flight_of_a_late_file_is_not_forgotten_with_it(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log, rotated = rig.logs / "app.log", rig.logs / "app.log.1"
        log.write_bytes(b"one\n")
        rig.start()
        log.rename(rotated)
        log.write_bytes(b"two\n")
        rig.pass_time(SILENCE)
        rig.sink.up = False
        with rotated.open("ab") as writer:
            writer.write(b"late\n")
        rig.beat()
        rotated.unlink()
        log.unlink()
        rig.pass_time(1500, step=10)
        rig.sink.up = True
        rig.pass_time(1500, step=10)
        assert rig.lines == ["one", "two", "late"]
        assert rig.saved() == []


def delete(log: Path) -> None:
    log.unlink()


def move_away(log: Path) -> None:
    log.rename(log.parent.parent / "elsewhere")


@pytest.mark.parametrize("act", [delete, move_away])
def test_a_file_that_its_server_has_lost_is_let_go(tmp_path: Path, act: Callable[[Path], None]) -> None:
    """On NFS any call on an open file may fail with ESTALE."""
    with PumpRig(tmp_path) as rig:
        log = rig.logs / "app.log"
        log.write_bytes(b"one\n")
        (rig.logs / "other.log").write_bytes(b"1\n")
        rig.start()
        rig.faults["log.fstat"] = OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        act(log)
        rig.pass_time(3)
        rig.faults.clear()
        with (rig.logs / "other.log").open("ab") as writer:
            writer.write(b"2\n")
        rig.pass_time(3)
        assert sorted(rig.lines) == ["1", "2", "one"]
        assert "file.unreadable" in rig.names()


def test_a_changed_file_of_which_nothing_can_be_learnt_is_read_when_it_can_be(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log = rig.logs / "app.log"
        log.write_bytes(b"one\ntwo\n")
        rig.start()
        rig.faults["log.fstat"] = OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        log.write_bytes(b"other\nlines\n")
        rig.pass_time(3)
        rig.faults.clear()
        rig.pass_time(60, step=1)
        assert rig.lines == ["one", "two", "other", "lines"]


def test_a_parked_finished_file_whose_topic_is_missing_does_not_come_back_from_the_dead(tmp_path: Path) -> None:
    """Blocked on its topic, deleted, forgotten: when the topic comes, nobody looks for it any more."""
    with PumpRig(tmp_path) as rig:
        log, rotated = rig.logs / "app.log", rig.logs / "app.log.1"
        log.write_bytes(b"one\n")
        rig.start()
        log.rename(rotated)
        log.write_bytes(b"two\n")
        rig.pass_time(SILENCE)
        rig.sink.topics["t"] = TopicState.MISSING
        with rotated.open("ab") as writer:
            writer.write(b"late\n")
        rig.beat()
        finished = next(t for t in rig.source._census.by_id.values() if t.finished)
        assert rig.source._schedule.blocked_on == "t"
        rig.source._descriptors.close(finished)  # another needed the descriptor
        rotated.unlink()
        log.unlink()
        rig.pass_time(1500, step=10)
        rig.sink.topics.clear()
        rig.pass_time(5)
        assert rig.lines == ["one", "two"]


def test_an_unread_file_that_was_found_before_older_ones_comes_after_them(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        rig.limit_files(1)
        log = rig.logs / "app.log"
        rig.start()
        rig.sink.topics["t"] = TopicState.MISSING
        (rig.logs / "busy.log").write_bytes(b"zero\n")  # it takes the descriptor
        rig.pass_time(1)
        log.write_bytes(b"three\n")
        rig.pass_time(1)
        log.unlink()
        for number, line in enumerate((b"three\n", b"two\n", b"one\n"), 1):
            (rig.logs / f"app.log.{number}.gz").write_bytes(gzip.compress(line))
        log.write_bytes(b"four\n")
        rig.pass_time(1)
        rig.sink.topics["t"] = TopicState.READY
        rig.pass_time(10)
        assert [line for line in rig.lines if line != "zero"] == ["one", "two", "three", "four"]
        numbers = {os.path.basename(c.seen_as): c.generation for c in rig.saved() if c.path == os.fsencode(log)}
        assert sorted(numbers, key=lambda name: numbers[name])[::-1] == sorted(numbers)
