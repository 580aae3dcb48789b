"""Stops a process in its tracks, for certain."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from tests.harness.wait import eventually


def freeze(pid: int) -> None:
    """Stop a process; return when not one of its threads runs any more (the signal alone does not wait for that)."""
    os.kill(pid, signal.SIGSTOP)
    eventually(f"process {pid} to stop", lambda: _states(pid) <= {"T"})


def thaw(pid: int) -> None:
    """Let a stopped process go on."""
    os.kill(pid, signal.SIGCONT)


def _states(pid: int) -> set[str]:
    found = set()
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended meanwhile
            # The name in parentheses, which may hold anything, ends at the last ")"; the state follows.
            found.add(stat.read_text().rpartition(")")[2].split()[0])
    return found
