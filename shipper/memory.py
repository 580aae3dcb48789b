"""What malloc does with memory that is free: it keeps it while there is work, and gives it back at rest.

By itself glibc hands a freed megabyte back to the kernel, as each request to a broker is one, and takes it anew for the
next: every page of it is faulted in and zeroed again. That was a third of the CPU of the client's thread, where the
heap happened to end in such a buffer (docs/decisions/memory.md). Where malloc is another one, or is told by the
environment what to do, nothing is done here. Any thread.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping

from shipper.model import Clock

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of <malloc.h>
KEPT = 64 << 20  # bytes free at the end of a heap that are kept
MAPPED = 16 << 20  # bytes of an allocation that is mapped, and unmapped, by itself; at most half a heap (32 MiB)
REST = 2.0  # seconds without work after which what is free is given back ...
WORTH = 4096  # ... where so many records were sent since then


def _of_glibc(name: str) -> Callable[..., int] | None:
    try:
        return ctypes.CDLL(None)[name]
    except (OSError, AttributeError):
        return None


def keep(environment: Mapping[str, str] = os.environ) -> bool:
    """Have malloc keep what is free; returns whether it was told so."""
    told = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in environment)
    mallopt = None if told else _of_glibc("mallopt")
    return mallopt is not None and all([mallopt(M_MMAP_THRESHOLD, MAPPED), mallopt(M_TRIM_THRESHOLD, KEPT)])


def give_back() -> None:
    """Give back to the kernel what is free."""
    if (trim := _of_glibc("malloc_trim")) is not None:
        trim(0)


class Rest:
    """Says when to give back: after the start, and after much work. ``give`` does it. One thread."""

    def __init__(self, clock: Clock, give: Callable[[], None]) -> None:
        self._clock = clock
        self._give = give
        self._since: float | None = None  # without work
        self._given_at = -WORTH  # records that had been sent then

    def look(self, sent: int | None) -> None:
        """Give back where it is time. ``sent``: records since the start; None while there is work."""
        if sent is None or sent - self._given_at < WORTH:
            self._since = None
        elif self._since is None:
            self._since = self._clock()
        elif self._clock() - self._since >= REST:
            self._given_at = sent
            self._since = None
            self._give()
