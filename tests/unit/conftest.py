"""Every unit test leaves no thread and no descriptor behind."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator

import pytest

from tests.harness.wait import eventually


def descriptors() -> dict[str, str]:
    """Return the open descriptors and what each points to."""
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            continue  # the listing's own
    return found


@pytest.fixture(autouse=True)
def leaves_nothing_behind() -> Iterator[None]:
    threads, open_before = set(threading.enumerate()), descriptors()
    yield

    def left() -> list[str]:
        fds = [f"descriptor {n}: {target}" for n, target in descriptors().items() if open_before.get(n) != target]
        return fds + [repr(thread) for thread in set(threading.enumerate()) - threads]

    if left():
        gc.collect()  # a client of Kafka lets go of its descriptors when it is collected; it takes long
    try:
        eventually("threads and descriptors to go", lambda: not left(), timeout=3)
    except AssertionError:
        pytest.fail(f"left behind: {'; '.join(left())}")
