"""Files of which nothing can be said yet: what waits for them, how often they are looked at, and what is told."""

from __future__ import annotations

import errno
import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from shipper.files import Files, PackedReader
from shipper.model import TopicState
from tests.unit.rig import PumpRig

WHOLE = gzip.compress(b"two\n", mtime=0)


def born_while_stopped(rig: PumpRig, packed: bytes = WHOLE[:-4]) -> Path:
    """Start where three generations were born meanwhile, the oldest still being compressed; return its path."""
    log = rig.logs / "app.log"
    log.write_bytes(b"one\n")
    rig.start().pass_time(2)
    rig.stop()
    log.rename(rig.logs / "app.log.3")
    (rig.logs / "app.log.2.gz").write_bytes(packed)
    (rig.logs / "app.log.1").write_bytes(b"three\n")
    log.write_bytes(b"four\n")
    rig.start().pass_time(10)
    return rig.logs / "app.log.2.gz"


def test_what_comes_after_a_file_that_is_being_compressed_waits_for_it(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        packed = born_while_stopped(rig)
        assert rig.lines == ["one"]
        with (rig.logs / "app.log").open("ab") as log:
            log.write(b"five\n")
        rig.pass_time(2)
        packed.write_bytes(WHOLE)
        rig.pass_time(5)
        assert rig.lines == ["one", "two", "three", "four", "five"]
        numbers = {os.path.basename(c.seen_as): c.generation for c in rig.saved()}
        assert sorted(numbers, key=lambda name: numbers[name]) == [
            b"app.log.3",
            b"app.log.2.gz",
            b"app.log.1",
            b"app.log",
        ]


def test_several_that_are_being_compressed_come_in_their_order(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        packed, older = born_while_stopped(rig), rig.logs / "app.log.5.gz"
        rig.stop()
        older.write_bytes(gzip.compress(b"older\n")[:-1])
        rig.start().pass_time(5)
        assert rig.lines == ["one"]
        packed.write_bytes(WHOLE)
        rig.pass_time(5)
        assert rig.lines == ["one"]
        older.write_bytes(gzip.compress(b"older\n"))
        rig.pass_time(5)
        assert rig.lines == ["one", "older", "two", "three", "four"]


def test_a_file_that_grows_is_waited_for_and_one_that_does_not_only_so_long(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        big = gzip.compress(os.urandom(2000).hex().encode() + b"\n")
        packed = born_while_stopped(rig, big[:100])
        for end in range(200, 1000, 200):
            packed.write_bytes(big[:end])
            rig.pass_time(20, step=1)
        assert rig.lines == ["one"]
        assert "file.incomplete" not in rig.names()
        rig.pass_time(300, step=1)
        assert rig.lines == ["one", "three", "four"]
        assert rig.names("file.incomplete") == ["file.incomplete"]
        packed.write_bytes(big)
        rig.pass_time(5)
        assert len(rig.lines) == 4


def test_it_is_decompressed_only_where_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[PackedReader] = []
    length = PackedReader.length

    def counted(reader: PackedReader) -> int:
        looks.append(reader)
        return length(reader)

    monkeypatch.setattr(PackedReader, "length", counted)
    with PumpRig(tmp_path) as rig:
        packed = born_while_stopped(rig)
        rig.pass_time(100, step=1)
        assert len(looks) == 1
        for end in range(4, len(WHOLE) - 1):
            packed.write_bytes(WHOLE[:end])
            rig.beat()
            rig.pass_time(0.5)
        rig.pass_time(5)
        assert len(looks) == 2


def test_a_file_that_is_renamed_while_it_is_waited_for(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        packed = born_while_stopped(rig)
        packed = packed.rename(rig.logs / "app.log.4.gz")
        rig.pass_time(5)
        assert rig.lines == ["one"]
        packed.write_bytes(WHOLE)
        rig.pass_time(5)
        assert rig.lines == ["one", "two", "three", "four"]


def test_nothing_waits_for_a_file_that_is_gone(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        born_while_stopped(rig).unlink()
        rig.pass_time(5)
        assert rig.lines == ["one", "three", "four"]


def test_nothing_waits_while_a_file_is_compressed_that_is_known_itself(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log, rotated = rig.logs / "app.log", rig.logs / "app.log.1"
        log.write_bytes(b"two\n")
        rig.start().pass_time(2)
        log.rename(rotated)
        log.write_bytes(b"three\n")
        (rig.logs / "app.log.1.gz").write_bytes(WHOLE[:-4])
        rig.pass_time(5)
        assert rig.lines == ["two", "three"]
        (rig.logs / "app.log.1.gz").write_bytes(WHOLE)
        rotated.unlink()
        rig.pass_time(20)
        assert rig.lines == ["two", "three"]


@pytest.mark.parametrize(("glob", "settings"), [("*.log", {}), ("*.log", {"exclude": ("*.gz",)}), ("*.log*", {})])
def test_what_is_left_of_a_known_file_may_still_be_compressed(
    tmp_path: Path, glob: str, settings: dict[str, Any]
) -> None:
    with PumpRig(tmp_path, glob, **settings) as rig:
        log, packed = rig.logs / "app.log", rig.logs / "app.log.1.gz"
        log.write_bytes(b"one\n")
        rig.start().pass_time(2)
        rig.stop()
        whole = gzip.compress(b"one\ntwo\n")
        packed.write_bytes(whole[:-3])
        log.unlink()
        log.write_bytes(b"three\n")
        rig.start().pass_time(10)
        assert rig.lines == ["one"]
        packed.write_bytes(whole)
        rig.pass_time(10)
        assert rig.lines == ["one", "two", "three"]
        assert "file.lost" not in rig.names()


def test_a_sibling_that_cannot_be_read_is_told_once_and_tried_ever_more_seldom(tmp_path: Path) -> None:
    tries: list[bytes] = []

    class Picky(Files):
        def open(self, path: bytes, op: str = "log.open") -> int:
            if path.endswith(b".1") and barred:
                tries.append(path)
                raise PermissionError(errno.EACCES, "Permission denied")
            return super().open(path, op)

    barred = True
    with PumpRig(tmp_path) as rig:
        log = rig.logs / "app.log"
        log.write_bytes(b"one\n")
        rig.start().pass_time(2)
        rig.source._intake._files = Picky()
        (rig.logs / "app.log.1").write_bytes(b"sibling\n")
        rig.pass_time(1000, step=1)
        told = [fields for _, name, fields in rig.told if name == "file.unreadable"]
        assert [(one["path"], one["reason"]) for one in told] == [(str(rig.logs / "app.log.1"), "Permission denied")]
        assert 5 < len(tries) < 60  # a full scan tries too
        barred = False
        rig.pass_time(130, step=1)
        assert rig.lines == ["one", "sibling"]


def test_bytes_that_a_shredder_writes_over_a_rotated_file_are_no_log(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log, rotated = rig.logs / "app.log", rig.logs / "app.log.1"
        log.write_bytes(b"one\n" * 100)
        rig.start().pass_time(2)
        log.rename(rotated)
        log.write_bytes(b"two\n")
        rig.pass_time(10)
        (rig.logs / "app.log.1.gz").write_bytes(gzip.compress(rotated.read_bytes()))
        for _ in range(3):
            with rotated.open("r+b") as shredder:
                shredder.write(os.urandom(100).hex().encode() + b"\n" + b"x" * 199)
            rig.pass_time(3)
        rotated.unlink()
        rig.pass_time(20)
        assert rig.lines == ["one"] * 100 + ["two"]


def test_the_inode_of_a_shredded_file_is_another_logs(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log, rotated = rig.logs / "app.log", rig.logs / "app.log.1"
        log.write_bytes(b"one\n" * 100)
        rig.start().pass_time(2)
        log.rename(rotated)
        log.write_bytes(b"two\n")
        rig.pass_time(10)
        (rig.logs / "app.log.1.gz").write_bytes(gzip.compress(rotated.read_bytes()))
        rotated.write_bytes(b"x" * 500)
        rig.beat()
        rotated.rename(rig.logs / "other.log")
        (rig.logs / "other.log").write_bytes(b"other\n")
        rig.beat()
        assert rig.lines[-1] == "other"


def test_unread_bytes_that_are_shredded_are_read_from_the_compressed_file(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log, rotated = rig.logs / "app.log", rig.logs / "app.log.1"
        log.write_bytes(b"one\n")
        rig.start().pass_time(2)
        rig.sink.topics["t"] = rig.sink.topic_state("t").UNKNOWN
        with log.open("ab") as writer:
            writer.write(b"two\n")
        rig.beat()
        log.rename(rotated)
        log.write_bytes(b"three\n")
        rig.beat()
        (rig.logs / "app.log.1.gz").write_bytes(gzip.compress(rotated.read_bytes()))
        rig.beat()
        rotated.write_bytes(b"garbage\n")
        rotated.unlink()
        rig.beat()
        rig.sink.topics.clear()
        rig.pass_time(20)
        assert rig.lines == ["one", "two", "three"]


def test_a_rotated_file_that_was_written_over_is_read_when_that_is_over(tmp_path: Path) -> None:
    """As by ``cp app.log app.log.1``, where the copy's place was a finished generation's."""
    with PumpRig(tmp_path) as rig:
        log, rotated = rig.logs / "app.log", rig.logs / "app.log.1"
        log.write_bytes(b"one\n")
        rig.start().pass_time(2)
        log.rename(rotated)
        log.write_bytes(b"two\n")
        rig.pass_time(10)
        (rig.logs / "app.log.1.gz").write_bytes(gzip.compress(b"one\n"))
        rig.pass_time(2)
        rotated.write_bytes(b"something else\n")
        rig.pass_time(20)
        assert rig.lines == ["one", "two", "something else"]


def test_a_file_that_is_deleted_unread_when_it_is_compressed_is_not_given_up(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        rig.limit_files(1)
        log, rotated, packed = (rig.logs / name for name in ("app.log", "app.log.1", "app.log.1.gz"))
        rig.start()
        (rig.logs / "busy.log").write_bytes(b"zero\n")
        rig.sink.topics["t"] = TopicState.MISSING  # so that only one of the files is open, and neither is read
        rig.pass_time(1)
        log.write_bytes(b"two\n")
        rig.pass_time(1)
        log.rename(rotated)
        log.write_bytes(b"three\n")
        packed.write_bytes(WHOLE[:-4])
        rig.pass_time(1)
        packed.write_bytes(WHOLE)
        rotated.unlink()
        rig.beat()
        rig.sink.topics["t"] = TopicState.READY
        rig.pass_time(10)
        assert [line for line in rig.lines if line != "zero"] == ["two", "three"]
        assert "file.lost" not in rig.names()


@pytest.mark.parametrize("name", ["app.log.1.gz", "app.log.2.gz"])
def test_the_inode_of_a_file_that_was_being_compressed_is_another_ones(tmp_path: Path, name: str) -> None:
    with PumpRig(tmp_path) as rig:
        log, rotated, packed = (rig.logs / name for name in ("app.log", "app.log.1", "app.log.1.gz"))
        log.write_bytes(b"one\n")
        rig.start()
        log.rename(rotated)
        log.write_bytes(b"two\n")
        packed.write_bytes(gzip.compress(b"one\n")[:-4])
        rig.beat()
        assert "file.undecided" in rig.names()
        rotated.unlink()
        log.rename(rig.logs / "app.log.3")
        elsewhere = packed.rename(tmp_path / "elsewhere")
        elsewhere.write_bytes(gzip.compress(b"born and compressed between two looks\n"))
        elsewhere.rename(rig.logs / name)
        log.write_bytes(b"three\n")
        rig.beat()
        rig.pass_time(10)
        assert rig.lines == ["one", "two", "born and compressed between two looks", "three"]


def test_so_it_is_where_others_have_waited_for_that(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        packed = born_while_stopped(rig).rename(rig.logs / "app.log.0.gz")
        packed.write_bytes(gzip.compress(b"three and a half\n"))
        rig.pass_time(10)
        assert rig.lines == ["one", "three", "three and a half", "four"]
