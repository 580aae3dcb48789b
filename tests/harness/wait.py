"""The one place that polls: for things that no event tells, such as another process's descriptors."""

from __future__ import annotations

import time
from collections.abc import Callable

# How long a test waits for what must come. No test asserts a time: this only ends a test that has failed.
DEADLINE = 60.0


def let_pass(seconds: float) -> None:
    """Let time pass where that is what the test is about: the pace of a writer, the length of a fault."""
    time.sleep(seconds)


def eventually(what: str, check: Callable[[], object], timeout: float = DEADLINE) -> None:
    """Return as soon as ``check()`` is true; fail saying ``what`` was awaited when it is not so by ``timeout``."""
    end = time.monotonic() + timeout
    while not check():
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout:.0f} s in vain for {what}")
        time.sleep(0.02)
