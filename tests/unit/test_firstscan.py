"""Where the files of a first scan begin: at a line end (I4), and never where nothing is known."""

from __future__ import annotations

import bz2
import errno
import gzip
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.config import FileConfig
from shipper.files import Files, digest
from shipper.filesource.firstscan import STEP, checkpoints
from shipper.model import NO_FINGERPRINT, Checkpoint, FileId, FileState, Seen
from tests.unit.rig import PumpRig

WALL = 2e9


def seen(path: Path, base: Path | None = None, *, compression: str = "", age: float = 0.0) -> Seen:
    stat = path.stat()
    name = os.fsencode(path)
    mtime = int((WALL - age) * 1e9)
    base_name = os.fsencode(base or path)
    return Seen(name, base_name, FileId(stat.st_dev, stat.st_ino), stat.st_size, mtime, (), compression)


def scan(one: Seen, files: Files | None = None, **settings: Any) -> Checkpoint:
    config = FileConfig(name="s", paths=("/x",), topic="t", **settings)
    (checkpoint,) = checkpoints(config, [one], files or Files(), WALL)
    assert checkpoint.source == "s"
    assert checkpoint.file_id == one.file_id
    assert (checkpoint.path, checkpoint.seen_as) == (one.base, one.path)
    return checkpoint


def test_a_file_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"one\ntwo")
    checkpoint = scan(seen(log))
    assert (checkpoint.offset, checkpoint.start, checkpoint.state, checkpoint.size) == (0, 0, FileState.OPEN, 7)


contents = st.lists(st.sampled_from([b"\n", b"word", b"\r\n", b"x" * 100, b"y" * STEP])).map(b"".join)


@given(contents)
def test_the_end_is_the_last_line_end(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    log = tmp_path_factory.mktemp("first") / "a.log"
    log.write_bytes(content)
    checkpoint = scan(seen(log), start_at="end")
    assert checkpoint.offset == checkpoint.start == content.rfind(b"\n") + 1
    assert checkpoint.fingerprint.mark_at == checkpoint.offset
    assert checkpoint.fingerprint.mark == digest(content[max(0, checkpoint.offset - 256) : checkpoint.offset])


@pytest.mark.parametrize(("age", "offset"), [(59.0, 0), (61.0, 4)])
def test_what_was_not_written_for_long_begins_at_its_end(tmp_path: Path, age: float, offset: int) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"one\ntwo")
    assert scan(seen(log, age=age), ignore_older=60.0).offset == offset


@pytest.mark.parametrize("settings", [{"start_at": "end"}, {"ignore_older": 60.0}])
def test_a_compressed_file_has_nothing_behind_its_end_and_is_left_alone(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    packed = tmp_path / "a.log.1.gz"
    packed.write_bytes(gzip.compress(b"old\n"))
    assert scan(seen(packed, compression="gz")).state is FileState.OPEN
    left = scan(seen(packed, compression="gz", age=61), **settings)
    assert left.state is FileState.LEFT
    assert left.fingerprint.head == digest(b"old\n")


@pytest.mark.parametrize(
    ("name", "compression", "pack"), [("a.log.1", "", bytes), ("a.log.2.bz2", "bz2", bz2.compress)]
)
def test_a_rotated_sibling_is_left_alone_and_can_be_recognised(
    tmp_path: Path, name: str, compression: str, pack: Any
) -> None:
    rotated = tmp_path / name
    rotated.write_bytes(pack(b"old\n"))
    left = scan(seen(rotated, tmp_path / "a.log", compression=compression))
    assert (left.state, left.offset) == (FileState.LEFT, 0)
    assert left.fingerprint.head == digest(b"old\n")


@pytest.mark.parametrize(
    ("op", "rotated"),
    [("log.open", True), ("log.read", True), ("log.open", False), ("log.read", False), ("log.fstat", False)],
)
def test_what_cannot_be_read_now_has_no_fingerprint_and_begins_at_its_beginning(
    tmp_path: Path, op: str, rotated: bool
) -> None:
    def fault(called: str) -> None:
        if called == op:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    log = tmp_path / ("a.log.1" if rotated else "a.log")
    log.write_bytes(b"one\n")
    checkpoint = scan(seen(log, tmp_path / "a.log"), Files(fault), start_at="end")
    assert (checkpoint.offset, checkpoint.fingerprint) == (0, NO_FINGERPRINT)


def test_a_damaged_sibling_has_no_fingerprint(tmp_path: Path) -> None:
    packed = tmp_path / "a.log.1.gz"
    packed.write_bytes(b"no gzip at all")
    assert scan(seen(packed, tmp_path / "a.log", compression="gz")).fingerprint == NO_FINGERPRINT


def test_what_was_held_open_before_the_first_scan_is_let_go_of_with_it(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        rotated = rig.logs / "a.log.1"
        rotated.write_bytes(b"from before\n")
        (rig.logs / "a.log").write_bytes(b"one\n")
        waiting = rig.make_pump()
        waiting._hold()  # as where a start waits for brokers
        waiting._discovery.stop()
        rig.start(kept=waiting.kept)
        rotated.unlink()
        (rig.logs / "a.log").write_bytes(b"one\ntwo\n")
        rig.pass_time(5)
        assert rig.lines == ["one", "two"]


def test_the_files_of_a_first_scan_are_neighbours_in_the_store(tmp_path: Path) -> None:
    logs = [tmp_path / f"{n:02d}.log" for n in range(40)]
    for log in logs:
        log.write_bytes(b"line\n")
    config = FileConfig(name="s", paths=("/x",), topic="t")
    found = checkpoints(config, iter([seen(log) for log in logs]), Files(), WALL)
    assert [one.path for one in found] == list(map(os.fsencode, logs))
    uids = [one.uid for one in found]
    assert uids == sorted(set(uids))
