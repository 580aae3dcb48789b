"""The demo as a black box: what it says, its exit status, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest


def demo(scratch: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "shipper", "demo", *options]
    environment = {**os.environ, "TMPDIR": str(scratch)}
    return subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, restore_signals=True
    )


def daemons(scratch: Path) -> list[str]:
    """The command lines of processes that have to do with the demo's directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:  # it has just ended
            continue
        if any(word.startswith(str(scratch)) for word in words):
            found.append(" ".join(words))
    return found


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    directory = tmp_path / "scratch"
    directory.mkdir()
    return directory


def test_every_line_arrives_although_the_daemon_is_killed(scratch: Path) -> None:
    running = demo(scratch, "--seconds", "6")
    out, err = running.communicate()
    assert running.returncode == 0, out + err
    assert not err
    lines = out.splitlines()
    assert "daemon killed with SIGKILL" in out
    assert " 0 missing, " in lines[-2]
    assert lines[-2].endswith("order kept for 4 of 4 keys.")
    assert lines[-1].startswith("Next: ")
    assert "\x1b" not in out
    assert not list(scratch.iterdir())
    assert not daemons(scratch)


def test_the_machines_own_files_arrive(scratch: Path, tmp_path: Path) -> None:
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_text("".join(f"{name} line {number}\n" for number in range(1000)))
    running = demo(scratch, "--json", "--paths", f"{tmp_path}/a.log", f"{tmp_path}/b.log")
    out, err = running.communicate()
    assert running.returncode == 0, out + err
    summary = json.loads(out)
    assert (summary["files"], summary["lines"], summary["delivered"]) == (2, 2000, 2000)
    assert not list(scratch.iterdir())
    assert not daemons(scratch)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ended_on_the_way_it_leaves_nothing_behind(scratch: Path, number: signal.Signals) -> None:
    running = demo(scratch, "--seconds", "60")
    assert running.stdout
    while " delivered" not in (line := running.stdout.readline()):
        assert line, "the demo ended too soon"
    assert daemons(scratch)
    running.send_signal(number)
    out, err = running.communicate()
    assert running.returncode == 130
    assert "Traceback" not in out + err
    assert not list(scratch.iterdir())
    assert not daemons(scratch)
