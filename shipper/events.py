"""The catalogue: one method is one event is one log line and its counters. Nobody else logs.

A name is ``noun.verb``; the same names stand in the metrics and in the docs. Methods may be called from any thread:
a line is written with one call, and counters are only added to under the lock.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from shipper.model import show_path

LEVELS = ("debug", "info", "warning", "error")

Write = Callable[[str, str, dict[str, Any]], None]  # level, event name, fields


class Events:
    """Where everything that happens is told. ``write(level, name, fields)`` makes the log line."""

    def __init__(self, write: Write, clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._lock = threading.Lock()
        self._quiet: dict[tuple[Any, ...], tuple[float, int]] = {}  # key of a limited event: when told, held back
        self.counters: Counter[tuple[str, str]] = Counter()  # (metric, source)

    def count(self, metric: str, source: str = "", by: int = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self.counters[metric, source] += by

    def emit(self, level: str, name: str, *, every: float = 0.0, key: tuple[Any, ...] = (), **fields: Any) -> None:
        """Write one line. With ``every``, at most one in so many seconds for each ``(name, key)``.

        The next line then says how many were held back.
        """
        if every:
            now = self._clock()
            with self._lock:
                told, held = self._quiet.get((name, *key), (-every, 0))
                if now - told < every:
                    self._quiet[(name, *key)] = (told, held + 1)
                    return
                self._quiet[(name, *key)] = (now, 0)
            if held:
                fields["held_back"] = held
        self._write(level, name, {k: show_path(v) if isinstance(v, bytes) else v for k, v in fields.items()})
