"""Clocks that jump: the wall clock says how old a file is at the first scan, and nothing else; nobody asks it later."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.unit.rig import PumpRig

YEARS = 10 * 365 * 86400.0


@pytest.mark.parametrize("jump", [-YEARS, YEARS])
@pytest.mark.parametrize("stopped", [False, True])
def test_a_wall_clock_that_jumps_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float, stopped: bool
) -> None:
    wall = time.time
    with PumpRig(tmp_path, start_at="end", ignore_older=3600.0) as rig:
        (rig.logs / "old.log").write_bytes(b"before\n")
        rig.start()
        rig.pass_time(1)
        if stopped:
            rig.stop()
        monkeypatch.setattr(time, "time", lambda: wall() + jump)
        for name in ("old.log", "new.log"):
            path = rig.logs / name
            with path.open("ab") as file:
                file.write(b"after\n")
            os.utime(path, (wall() + jump, wall() + jump))  # the kernel's clock has jumped too
        if stopped:
            rig.start()
        rig.pass_time(31)
        (rig.logs / "new.log").rename(rig.logs / "new.log.1")
        (rig.logs / "new.log").write_bytes(b"rotated\n")
        os.utime(rig.logs / "new.log", (1, 1))
        rig.pass_time(31)
        assert sorted(rig.lines) == ["after", "after", "rotated"]
        assert "file.lost" not in rig.names()
        rig.stop()


def test_a_machine_that_slept_goes_on(tmp_path: Path) -> None:
    """The monotonic clock may stand still meanwhile, or go on: all that is due is due at once."""
    with PumpRig(tmp_path) as rig:
        (rig.logs / "app.log").write_bytes(b"one\n")
        rig.start()
        rig.now += 30 * 86400.0
        with (rig.logs / "app.log").open("ab") as file:
            file.write(b"two\n")
        rig.beat()
        rig.pass_time(3)
        assert rig.lines == ["one", "two"]
        assert "file.lost" not in rig.names()
        rig.stop()
        rig.start()
        rig.pass_time(3)
        assert rig.lines == ["one", "two"]
        rig.stop()
