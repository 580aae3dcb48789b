"""An id that the operating system gives to another file: a fingerprint verifies it before it is believed.

A file that is renamed and written anew in place is, from outside, what a new file with the inode of a deleted one is.
"""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from shipper.model import TopicState
from tests.unit.rig import PumpRig

SILENCE = 6.0  # longer than partial_timeout


def reuse(old: Path, new: Path, content: bytes) -> None:
    """Delete ``old``, and make ``new`` with its inode."""
    os.rename(old, new)
    new.write_bytes(content)


def found(rig: PumpRig) -> dict[str, list[str]]:
    """Return the paths of the files that were found."""
    names: dict[str, list[str]] = {}
    for _, name, fields in rig.told:
        if name == "file.found":
            names.setdefault(os.path.basename(os.fsdecode(fields["path"])), []).append(name)
    return names


def test_the_inode_of_a_compressed_file_is_another_logs(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log, other = rig.logs / "app.log", rig.logs / "other.log"
        log.write_bytes(b"one\n")
        rig.start().stop()
        (rig.logs / "app.log.1.gz").write_bytes(gzip.compress(b"one\ntwo\n"))
        reuse(log, other, b"three\nfour\nfive\n")
        rig.start().pass_time(SILENCE)
        assert sorted(rig.lines) == sorted(["one", "two", "three", "four", "five"])
        assert found(rig) == {"other.log": ["file.found"]}
        assert "file.lost" not in rig.names()


def test_the_inode_of_a_compressed_file_that_was_read_is_a_plain_ones(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log, packed = rig.logs / "app.log", rig.logs / "app.log.1.gz"
        log.write_bytes(b"one\n")
        rig.start().stop()
        packed.write_bytes(gzip.compress(b"one\ntwo\n"))
        log.unlink()
        rig.start().pass_time(SILENCE)
        rig.stop()
        assert rig.lines == ["one", "two"]
        reuse(packed, log, b"three\n")
        rig.start().pass_time(SILENCE)
        assert rig.lines == ["one", "two", "three"]
        assert "file.unreadable" not in rig.names()


def test_the_inode_of_a_file_of_which_nothing_was_read(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log = rig.logs / "app.log"
        log.write_bytes(b"one\n")
        rig.start(up=False)
        os.rename(log, rig.logs / "app.log.1")
        log.write_bytes(b"two\n")  # waits for the one before it
        rig.beat()
        rig.sink.on_poll = lambda: setattr(rig, "now", rig.now + 1.0)  # the deadline of its drain
        rig.stop()
        (rig.logs / "app.log.2").write_bytes(b"two\n")
        reuse(log, rig.logs / "app.log.3", b"three\n")
        os.rename(rig.logs / "app.log.1", rig.logs / "app.log.4")
        os.rename(rig.logs / "app.log.2", rig.logs / "app.log.5")
        os.rename(rig.logs / "app.log.4", rig.logs / "app.log.6")
        rig.start().pass_time(SILENCE)
        assert rig.lines == ["one", "two", "three"]


@pytest.mark.parametrize("other", ["other.log", "app.log.2.gz"])
def test_the_inode_of_a_compressed_file_of_which_nothing_was_read(tmp_path: Path, other: str) -> None:
    with PumpRig(tmp_path) as rig:
        log, packed = rig.logs / "app.log", rig.logs / "app.log.1.gz"
        log.write_bytes(b"one\n")
        rig.start(up=False)
        rig.sink.topics["t"] = TopicState.UNKNOWN  # nothing more is read
        packed.write_bytes(gzip.compress(b"two\n"))
        rig.beat()
        rig.sink.on_poll = lambda: setattr(rig, "now", rig.now + 1.0)  # the deadline of its drain
        rig.stop()
        (rig.logs / "app.log.3.gz").write_bytes(packed.read_bytes())
        content = b"three\n"
        reuse(packed, rig.logs / other, gzip.compress(content) if other.endswith(".gz") else content)
        rig.start().pass_time(2 * SILENCE)
        assert sorted(rig.lines) == ["one", "three", "two"]
        assert "file.unreadable" not in rig.names()


@pytest.mark.parametrize("stopped", [False, True], ids=["live", "stopped"])
def test_the_inode_of_a_file_that_was_left_alone(tmp_path: Path, stopped: bool) -> None:
    with PumpRig(tmp_path) as rig:
        old = rig.logs / "app.log.1"
        old.write_bytes(b"from before\n")
        rig.start()
        if stopped:
            rig.stop()
        reuse(old, rig.logs / "app.log", b"one\ntwo\nthree\n")
        if stopped:
            rig.start()
        rig.beat()
        assert rig.lines == ["one", "two", "three"]
        (rig.logs / "app.log.2.gz").write_bytes(gzip.compress(b"from before\n"))  # known by its content all the same
        rig.pass_time(SILENCE)
        if stopped:
            rig.stop()
            rig.start().pass_time(SILENCE)
        assert rig.lines == ["one", "two", "three"]


def test_a_file_that_is_copied_and_truncated_while_it_waits_for_its_predecessor(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log = rig.logs / "app.log"
        log.write_bytes(b"one\ntw")
        rig.start()
        (rig.logs / "app.log.1").write_bytes(log.read_bytes())
        os.truncate(log, 0)
        rig.beat()
        log.write_bytes(b"three\n")  # waits: nobody knows yet that "tw" is all of its line
        rig.beat()
        os.rename(rig.logs / "app.log.1", rig.logs / "app.log.2")
        (rig.logs / "app.log.1").write_bytes(log.read_bytes())
        rig.beat()
        os.truncate(log, 0)
        rig.pass_time(2 * SILENCE)
        assert rig.lines == ["one", "tw", "three"]
        assert "file.lost" not in rig.names()


def test_the_inode_of_a_deleted_file_is_a_rotated_ones_that_a_search_comes_upon(tmp_path: Path) -> None:
    with PumpRig(tmp_path, watch="poll") as rig:
        rig.limit_files(1)
        log, other, truncated = (rig.logs / name for name in ("app.log", "other.log", "truncated.log"))
        for path in (log, other, truncated):
            path.write_bytes(b"first\n")
        rig.start().pass_time(2)
        rig.sink.arrived.clear()
        log.rename(rig.logs / "app.log.2")
        reuse(other, rig.logs / "app.log.1", b"second\n")
        log.write_bytes(b"third\n")
        tailer = next(t for t in rig.source.stock() if t.path == os.fsencode(truncated))
        rig.source._search.search(tailer)  # before the next poll
        rig.beat()
        assert rig.lines == ["second", "third"]
        rig.pass_time(5)
        assert rig.lines == ["second", "third"]
        assert "file.lost" not in rig.names()
