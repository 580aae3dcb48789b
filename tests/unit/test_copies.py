"""A copy is left alone while the file itself can be read, and is all that there is when it cannot be any more."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from shipper.model import TopicState
from shipper.tailer import Tailer
from tests.unit.rig import PumpRig


def test_killed_after_the_copy_was_left_alone_and_before_anything_was_acknowledged(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log, rotated, packed = (rig.logs / name for name in ("app.log", "app.log.1", "app.log.1.gz"))
        log.write_bytes(b"one\ntwo\n")
        rig.start(up=False)
        log.rename(rotated)
        log.write_bytes(b"three\n")
        rig.beat()
        packed.write_bytes(gzip.compress(b"one\ntwo\n"))
        rig.beat()
        rotated.unlink()  # held open
        rig.pass_time(2)
        assert "file.copy" in rig.names()
        rig.sink.on_poll = lambda: setattr(rig, "now", rig.now + 1.0)  # the deadline of its drain
        rig.stop()
        rig.start().pass_time(10)
        assert rig.lines == ["one", "two", "three"]
        assert "file.lost" not in rig.names()


def test_truncated_while_stopped_after_the_copy_was_left_alone_and_before_anything_was_acknowledged(
    tmp_path: Path,
) -> None:
    with PumpRig(tmp_path) as rig:
        log, copy = rig.logs / "app.log", rig.logs / "app.log.1"
        log.touch()
        rig.start(up=False)
        rig.pass_time(2)  # saved, as an empty file
        log.write_bytes(b"one\ntwo\n")
        rig.beat()
        copy.write_bytes(log.read_bytes())
        rig.pass_time(2)
        assert "file.copy" in rig.names()
        rig.sink.on_poll = lambda: setattr(rig, "now", rig.now + 1.0)  # the deadline of its drain
        rig.stop()
        os.truncate(log, 0)
        log.write_bytes(b"three\n")
        rig.start().pass_time(10)
        assert rig.lines == ["one", "two", "three"]
        assert "file.lost" not in rig.names()


def test_what_was_copied_and_truncated_while_it_waited_is_read_although_nothing_is_written_any_more(
    tmp_path: Path,
) -> None:
    with PumpRig(tmp_path) as rig:
        rig.config = replace(rig.config, kafka=replace(rig.config.kafka, max_in_flight=1))
        log, first, second = (rig.logs / name for name in ("app.log", "app.log.1", "app.log.2"))
        log.write_bytes(b"one\n")
        rig.start(up=False)
        log.write_bytes(b"one\ntwo\n")  # unread: an outage
        first.write_bytes(log.read_bytes())
        os.truncate(log, 0)
        rig.pass_time(2)
        log.write_bytes(b"three\n")
        rig.pass_time(2)
        first.rename(second)
        first.write_bytes(log.read_bytes())
        rig.beat()
        assert "file.copy" in rig.names()
        os.truncate(log, 0)
        rig.pass_time(2)
        rig.sink.up = True
        rig.pass_time(10)
        assert rig.lines == ["one", "two", "three"]
        assert "file.lost" not in rig.names()
        rig.stop()


@pytest.mark.parametrize("copied", [1000, 2400])
def test_a_copy_is_known_although_no_more_files_may_be_open(tmp_path: Path, copied: int) -> None:
    with PumpRig(tmp_path) as rig:
        rig.limit_files(1)
        log, copy = rig.logs / "app.log", rig.logs / "app.log.1"
        old, new = (
            b"".join(b"old %d\n" % n for n in range(100, 350)),
            b"".join(b"new %d\n" % n for n in range(100, 150)),
        )
        log.write_bytes(old)
        rig.start()
        rig.sink.topics["t"] = TopicState.MISSING
        (rig.logs / "busy.log").write_bytes(b"unread\n")  # it takes the descriptor, and app.log cannot get it back
        rig.pass_time(1)
        log.write_bytes(old + new)
        rig.pass_time(1)
        copy.write_bytes((old + new)[:copied])
        rig.pass_time(1)
        with log.open("ab") as writer:
            writer.write(b"more\n")
        rig.pass_time(1)
        rig.sink.topics["t"] = TopicState.READY
        rig.pass_time(10)
        assert [line for line in rig.lines if line != "unread"] == [*(old + new).decode().splitlines(), "more"]
        assert "file.continued" not in rig.names()


def test_what_is_truncated_while_its_copy_is_judged_is_not_lost_sight_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PumpRig(tmp_path) as rig:
        rig.limit_files(1)
        log, copy = rig.logs / "app.log", rig.logs / "app.log.1"
        old, new = (
            b"".join(b"old %d\n" % n for n in range(100, 350)),
            b"".join(b"new %d\n" % n for n in range(100, 150)),
        )
        log.write_bytes(old)
        rig.start()
        rig.sink.topics["t"] = TopicState.MISSING
        (rig.logs / "busy.log").write_bytes(b"unread\n")  # it takes the descriptor, and app.log cannot get it back
        rig.pass_time(1)
        log.write_bytes(old + new)
        rig.pass_time(1)
        verify = Tailer.verify

        def verify_and_truncate(tailer: Tailer) -> bool:
            good = verify(tailer)
            if tailer.seen_as == os.fsencode(log) and copy.exists() and log.stat().st_size > 100:
                log.write_bytes(b"next\n")
            return good

        monkeypatch.setattr(Tailer, "verify", verify_and_truncate)
        copy.write_bytes(old + new)
        rig.beat()
        rig.sink.topics["t"] = TopicState.READY
        rig.pass_time(1)
        assert [line for line in rig.lines if line != "unread"] == [*(old + new).decode().splitlines(), "next"]


def test_what_came_late_to_a_file_is_all_that_is_new_in_its_compressed_form(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        rig.limit_files(1)  # so that a file that was read is closed
        log, first, second = (rig.logs / name for name in ("app.log", "app.log.1", "app.log.2"))
        log.write_bytes(b"one\n")
        rig.start()
        log.rename(first)
        log.write_bytes(b"two\n")
        rig.pass_time(2)
        first.rename(second)
        log.rename(first)
        log.write_bytes(b"three\n")
        (rig.logs / "app.log.2.gz").write_bytes(gzip.compress(b"one\nlate\n"))
        second.unlink()
        rig.pass_time(5)
        assert sorted(rig.lines) == sorted(["one", "two", "three", "late"])
