"""How events are told and counted: a line for each, but never a flood of the same. Any thread.

Three bounds. An event may ask to be told at most once in some seconds for each subject (``every``, ``key``). Any event
is told at most ``BURST`` times in ``WINDOW`` seconds, whatever its subjects: who can make files can make as many of
them unreadable as they like. And of how many subjects it is remembered when they were told of, is bounded, too. What is
not told is counted, and the next line says how many were held back.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from shipper.model import show_path

BURST, WINDOW = 1000, 60.0  # lines of one event, seconds
SUBJECTS = 10_000  # of limited events that are remembered

Write = Callable[[str, str, dict[str, Any]], None]  # level, event name, fields


class Teller:
    """Writes lines by ``write(level, name, fields)``, and counts."""

    def __init__(self, write: Write, clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        # What is told of every read of a file is not even put together where nobody wants it.
        self._wants: Callable[[str], bool] = getattr(write, "wants", lambda _level: True)
        self._clock = clock
        self._lock = threading.Lock()
        self._quiet: dict[tuple[Any, ...], tuple[float, int]] = {}  # key of a limited event: when told, held back
        self._bursts: dict[str, tuple[float, int]] = {}  # by event: since when, how many lines
        self.counters: Counter[tuple[str, str]] = Counter()  # (metric, source)

    def count(self, metric: str, source: str = "", by: int = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self.counters[metric, source] += by

    def emit(self, level: str, name: str, *, every: float = 0.0, key: tuple[Any, ...] = (), **fields: Any) -> None:
        """Write one line. With ``every``, at most one in so many seconds for each ``(name, key)``.

        The next line then says how many were held back.
        """
        now = self._clock()
        with self._lock:
            if every:
                told, held = self._quiet.pop((name, *key), (-every, 0))
                if now - told < every:
                    self._quiet[(name, *key)] = (told, held + 1)
                    return
                if held:
                    fields["held_back"] = held
                self._quiet[(name, *key)] = (now, 0)
                if len(self._quiet) > SUBJECTS:
                    del self._quiet[next(iter(self._quiet))]  # the one of which nothing was heard for longest
            if level != "debug":  # who wants to see all sees all
                since, lines = self._bursts.get(name, (now, 0))
                if now - since >= WINDOW:
                    if lines > BURST:
                        fields["held_back"] = fields.get("held_back", 0) + lines - BURST
                    since, lines = now, 0
                self._bursts[name] = (since, lines + 1)
                if lines >= BURST:
                    return
        self._write(level, name, {k: show_path(v) if isinstance(v, bytes) else v for k, v in fields.items()})
