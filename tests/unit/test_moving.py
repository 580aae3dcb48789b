"""Files that move on while they are looked at: neither their order nor any of them is lost by it."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.rig import PumpRig


def meanwhile(rig: PumpRig, act: Callable[[], object]) -> None:
    """Let ``act`` happen once, after the next look at the directories and before what was seen is taken in."""
    assert rig.pump is not None
    discovery = rig.pump._discovery
    collect = discovery.collect

    def collected() -> object:
        found = collect()
        if any(one.seen for one in found.observations):
            discovery.collect = collect  # type: ignore[method-assign]
            act()
        return found

    discovery.collect = collected  # type: ignore[method-assign,assignment]


@pytest.mark.parametrize("kind", ["moved", "compressed"])
def test_a_rotated_file_that_moves_on_still_comes_before_its_successor(tmp_path: Path, kind: str) -> None:
    with PumpRig(tmp_path) as rig:
        log, first, second = (rig.logs / name for name in ("app.log", "app.log.1", "app.log.2"))
        rig.start().pass_time(2)

        def rotate() -> None:
            if kind == "moved":
                first.rename(second)
            else:
                second.with_name("app.log.2.gz").write_bytes(gzip.compress(first.read_bytes()))
                first.unlink()
            log.rename(first)

        first.write_bytes(b"one\n")
        log.write_bytes(b"two\n")
        meanwhile(rig, rotate)
        rig.pass_time(5)
        log.write_bytes(b"three\n")
        rig.pass_time(10)
        assert rig.lines == ["one", "two", "three"]


def test_a_file_that_is_moved_out_of_sight_holds_nothing_up(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log, first = rig.logs / "app.log", rig.logs / "app.log.1"
        rig.start().pass_time(2)
        first.write_bytes(b"one\n")
        log.write_bytes(b"two\n")
        meanwhile(rig, lambda: first.rename(tmp_path / "elsewhere"))
        rig.pass_time(5)
        assert rig.lines == ["two"]


@pytest.mark.parametrize("limit", [100, 1])
def test_rotated_by_a_second_name(tmp_path: Path, limit: int) -> None:
    with PumpRig(tmp_path) as rig:
        rig.limit_files(limit)
        log, other = rig.logs / "app.log", rig.logs / "other.log"
        log.write_bytes(b"one\n")
        rig.start().pass_time(2)
        other.write_bytes(b"other\n")
        rig.pass_time(2)
        with log.open("ab") as writer:
            writer.write(b"two\nhal")
        rig.beat()
        with other.open("ab") as writer:  # with a limit of one it is closed for this
            writer.write(b"others\n")
        rig.pass_time(2)
        os.link(log, rig.logs / "app.log-20260105")
        rig.pass_time(1)
        log.unlink()
        rig.beat()
        log.write_bytes(b"three\n")
        rig.pass_time(10)
        assert [line for line in rig.lines if "other" not in line] == ["one", "two", "hal", "three"]
        assert "file.lost" not in rig.names()


@pytest.mark.parametrize("part", [1.0, 0.5], ids=["whole", "half"])
def test_a_copy_of_a_file_that_is_unknown_as_well_is_no_file_of_its_own(tmp_path: Path, part: float) -> None:
    with PumpRig(tmp_path) as rig:
        log, copy = rig.logs / "app.log", rig.logs / "app.log.1"
        rig.start().pass_time(2)
        rig.stop()
        content = b"".join(b"line %d\n" % number for number in range(500))
        log.write_bytes(content)
        copy.write_bytes(content[: int(len(content) * part)])  # by a rotation that has come so far
        rig.start().pass_time(2)
        copy.write_bytes(content)
        rig.pass_time(10)
        log.write_bytes(b"")
        rig.pass_time(2)
        with log.open("ab") as writer:
            writer.write(b"last\n")
        rig.pass_time(10)
        assert rig.lines == [*content.decode().splitlines(), "last"]


def test_a_copy_of_what_followed_on_a_truncation_does_not_stand_in_for_it(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log, first, second = (rig.logs / name for name in ("app.log", "app.log.1", "app.log.2"))
        log.write_bytes(b"old\n")
        rig.start().pass_time(5)
        content = b"".join(b"line %d\n" % number for number in range(500))
        second.write_bytes(log.read_bytes())  # copied and truncated twice, the second time not to its end
        log.write_bytes(content)
        first.write_bytes(content[:2000])
        rig.beat()
        rig.stop()
        rig.start().pass_time(5)
        first.write_bytes(content)
        rig.pass_time(5)
        log.write_bytes(b"last\n")
        rig.pass_time(10)
        assert rig.lines == ["old", *content.decode().splitlines(), "last"]


def test_what_only_begins_like_its_successor_is_a_file_of_its_own(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        rig.start().pass_time(2)
        rig.stop()
        (rig.logs / "app.log.1").write_bytes(b"started\none\n")
        (rig.logs / "app.log").write_bytes(b"started\ntwo\nthree\n")
        rig.start().pass_time(5)
        assert rig.lines == ["started", "one", "started", "two", "three"]


@pytest.mark.parametrize("removed", ["at once", "later"])
def test_late_lines_in_a_file_that_is_compressed_before_they_were_seen(tmp_path: Path, removed: str) -> None:
    with PumpRig(tmp_path) as rig:
        rig.limit_files(1)
        log, rotated = rig.logs / "app.log", rig.logs / "app.log.1"
        packed = rig.logs / "app.log.1.gz"
        log.write_bytes(b"one\ntwo\n")
        rig.start().pass_time(2)
        log.rename(rotated)
        log.write_bytes(b"three\n")
        rig.pass_time(20)  # finished, and closed in favour of its successor
        late = rotated.open("ab")

        def compress() -> None:
            late.write(b"late\n")
            late.close()
            packed.write_bytes(gzip.compress(rotated.read_bytes()))
            if removed == "at once":
                rotated.unlink()

        with log.open("ab") as writer:
            writer.write(b"four\n")
        compress()
        if removed == "later":
            rig.beat()
            rotated.unlink()
        rig.pass_time(10)
        assert sorted(rig.lines) == sorted(["one", "two", "three", "four", "late"])


def test_a_file_that_was_never_open_is_known_again_when_it_is_compressed(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        rig.limit_files(1)
        log, busy = rig.logs / "app.log", rig.logs / "busy.log"
        rig.start(up=False).pass_time(2)
        busy.write_bytes(b"busy\n" * 100_000)  # needed as long as it is not read
        rig.beat()
        log.write_bytes(b"one\n")
        rig.beat()
        log.rename(rig.logs / "app.log-20260105")
        log.write_bytes(b"two\n")
        rig.beat()
        (rig.logs / "app.log-20260105.gz").write_bytes(gzip.compress(b"one\n"))
        (rig.logs / "app.log-20260105").unlink()
        rig.beat()
        rig.sink.up = True
        rig.pass_time(20)
        assert [line for line in rig.lines if line != "busy"] == ["one", "two"]
        assert "file.lost" not in rig.names()
