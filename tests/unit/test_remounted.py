"""Logs that come to be on another file system: a link that leads elsewhere now, a disk that was moved or remounted."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.rig import PumpRig, append

MEMORY = Path("/dev/shm")

SCAN = 31.0  # seconds: such a change is no event


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Path]:
    """Return a directory on another file system."""
    if not os.access(MEMORY, os.W_OK) or MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other file system to write to")
    with tempfile.TemporaryDirectory(dir=MEMORY) as made:
        yield Path(made)


def lead(link: Path, target: Path) -> None:
    """Let a link lead elsewhere."""
    link.unlink(missing_ok=True)
    link.symlink_to(target)


@pytest.mark.parametrize("stopped", [False, True])
def test_a_link_that_leads_to_another_file_of_another_disk(tmp_path: Path, other: Path, stopped: bool) -> None:
    (other / "one").write_bytes(b"one\n")
    (other / "two").write_bytes(b"two\n")
    with PumpRig(tmp_path) as rig:
        lead(rig.logs / "app.log", other / "one")
        rig.start()
        rig.pass_time(3)
        if stopped:
            rig.stop()
        lead(rig.logs / "app.log", other / "two")
        if stopped:
            rig.start()
        rig.pass_time(SCAN)
        assert rig.lines == ["one", "two"]
        rig.stop()


class Moved:
    """Logs in a directory that a link leads to: first on one file system, then, copied, on another."""

    def __init__(self, tmp_path: Path, other: Path, rig: PumpRig) -> None:
        self.first, self.second, self.link = other / "first", tmp_path / "second", rig.logs
        self.first.mkdir()
        rig.logs.rmdir()
        lead(self.link, self.first)

    def move(self) -> None:
        """Move the logs; what writes to them goes on in the new place."""
        shutil.copytree(self.first, self.second)
        lead(self.link, self.second)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("stopped", [False, True])
def test_logs_that_were_moved_to_another_disk_are_gone_on_with(
    tmp_path: Path, other: Path, stopped: bool, late: bool
) -> None:
    with PumpRig(tmp_path) as rig:
        moved = Moved(tmp_path, other, rig)
        append(moved.first / "app.log", "one", "two")
        append(moved.first / "idle.log", "idle")
        append(moved.first / "app.log.1", "left alone")
        rig.start()
        rig.pass_time(3)
        if stopped:
            rig.stop()
        append(moved.first / "app.log", "three")
        moved.move()
        if not late:
            append(moved.second / "app.log", "four")
        if stopped:
            rig.start()
        rig.pass_time(SCAN)
        if late:
            append(moved.second / "app.log", "four")
        rig.pass_time(SCAN)
        append(moved.second / "app.log", "five")
        append(moved.second / "idle.log", "no more")
        rig.pass_time(SCAN)
        assert sorted(rig.lines) == sorted(["one", "two", "three", "four", "five", "idle", "no more"])
        assert [line for line in rig.lines if line not in ("idle", "no more")] == [
            "one",
            "two",
            "three",
            "four",
            "five",
        ]
        assert "file.lost" not in rig.names()
        rig.stop()
