"""A known file goes on under whatever name its bytes are in the watched directories, rotation rules or not."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import pytest

from tests.unit.rig import PumpRig


def test_renamed_while_stopped_to_a_name_that_no_rule_knows(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log, other = rig.logs / "app.log", rig.logs / "saved by hand"
        log.write_bytes(b"one\n")
        rig.start().pass_time(2)
        rig.stop()
        for content in (b"two\n", b"three\n"):  # and known there after another restart
            with (log if log.exists() else other).open("ab") as writer:
                writer.write(content)
            if log.exists():
                log.rename(other)
                log.write_bytes(b"four\n")
            rig.start().pass_time(10)
            rig.stop()
        assert rig.lines == ["one", "two", "four"]  # what is added to a finished file that nobody watches is not seen
        assert "file.lost" not in rig.names()


def test_one_of_many_that_are_gone_is_told_from_the_others(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        for name in ("a", "b", "c"):
            (rig.logs / f"{name}.log").write_bytes(f"{name}1\n".encode())
        rig.start().pass_time(2)
        rig.stop()
        for name in ("a", "b", "c"):
            with (rig.logs / f"{name}.log").open("ab") as writer:
                writer.write(f"{name}2\n".encode())
        (rig.logs / "a.log").rename(rig.logs / "x")
        (rig.logs / "b.log").unlink()
        (rig.logs / "c.log").rename(rig.logs / "y")
        (rig.logs / "never known").write_bytes(b"nobody's\n")
        rig.start().pass_time(10)
        assert sorted(rig.lines) == ["a1", "a2", "b1", "c1", "c2"]


@pytest.mark.parametrize("known", [b"one\n", b""], ids=["read", "unread"])
def test_an_inode_that_another_file_has_now_leads_nowhere(tmp_path: Path, known: bytes) -> None:
    with PumpRig(tmp_path) as rig:
        log, other = rig.logs / "app.log", rig.logs / "saved by hand"
        log.write_bytes(known)
        rig.start().pass_time(2)
        rig.stop()
        with log.open("wb") as writer:
            writer.write(b"nobody's\n")
        log.rename(other)
        rig.start().pass_time(10)
        assert rig.lines == (["one"] if known else [])


def test_copied_while_stopped_to_a_name_that_no_rule_knows_and_truncated(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log = rig.logs / "app.log"
        log.write_bytes(b"one\n")
        rig.start().pass_time(2)
        rig.stop()
        with log.open("ab") as writer:
            writer.write(b"two\n")
        shutil.copyfile(log, rig.logs / "saved by hand")
        (rig.logs / "other.gz").write_bytes(gzip.compress(b"nobody's\n"))
        (rig.logs / "broken.gz").write_bytes(b"nobody's\n")
        os.truncate(log, 0)
        log.write_bytes(b"three\n")
        rig.start().pass_time(10)
        assert rig.lines == ["one", "two", "three"]
        assert "file.lost" not in rig.names()


@pytest.mark.parametrize("stopped", [True, False])
def test_compressed_in_another_directory(tmp_path: Path, stopped: bool) -> None:
    with PumpRig(tmp_path, "**/*.log*") as rig:
        log, old = rig.logs / "app.log", rig.logs / "old"
        old.mkdir()
        log.write_bytes(b"one\n")
        rig.start().pass_time(2)
        if stopped:
            rig.stop()
        with log.open("ab") as writer:
            writer.write(b"two\n")
        log.rename(old / "app.log.1")
        log.write_bytes(b"three\n")
        if not stopped:
            rig.pass_time(10)
        (old / "app.log.1.gz").write_bytes(gzip.compress((old / "app.log.1").read_bytes()))
        (old / "app.log.1").unlink()
        if stopped:
            rig.start()
        rig.pass_time(10)
        assert rig.lines == ["one", "two", "three"]


def test_what_logrotate_moves_out_of_its_way_is_a_rotated_file(tmp_path: Path) -> None:
    """A log that was created again before logrotate did so gets the name ``app.log-YYYYMMDDHH.backup``."""
    with PumpRig(tmp_path) as rig:
        log = rig.logs / "app.log"
        log.write_bytes(b"one\n")
        rig.start().pass_time(2)
        rig.stop()
        log.rename(rig.logs / "app.log.1")
        (rig.logs / "app.log-2026112314.backup").write_bytes(b"two\n")
        log.write_bytes(b"three\n")
        rig.start().pass_time(10)
        assert rig.lines == ["one", "two", "three"]
