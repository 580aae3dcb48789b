"""The log's writer: what ``Events`` is given. One event, one line, one call, so lines of threads never mix.

As text, ``TIME LEVEL event.name key=value …`` (logfmt), or as one JSON object a line; always UTC. Where stderr is the
journal, an event goes there by its own way, with its fields. A line that cannot be written (a full disk, a closed
terminal) never stops the daemon: it is counted, and the next line that can be written says how many were lost.

Any thread may call a writer.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from shipper.events import LEVELS
from shipper.logs import journal
from shipper.logs.libraries import listening
from shipper.logs.lines import json_line, message, text_line

__all__ = ["FORMATS", "LogWriter", "listening"]

FORMATS = ("auto", "text", "json")


class LogWriter:
    """Writes events to a file descriptor; ``configure`` may change level and format while it is in use."""

    def __init__(self, fd: int = 2, *, level: str = "info", now: Callable[[], float] = time.time) -> None:
        self._fd = fd
        self._now = now
        self._lock = threading.Lock()
        self._lost = 0
        self._colour = os.isatty(fd) and not os.environ.get("NO_COLOR")
        self._journal = journal.is_connected(fd, os.environ)
        self._send = journal.sender() if self._journal else None
        self.configure(level, "auto")

    def configure(self, level: str, log_format: str) -> None:
        """Write lines of ``level`` and above as ``log_format``; "auto" is text, or what suits the journal."""
        self._least = LEVELS.index(level)
        self._format = log_format

    def wants(self, level: str) -> bool:
        """Whether lines of ``level`` are written."""
        return LEVELS.index(level) >= self._least

    def __call__(self, level: str, name: str, fields: dict[str, Any]) -> None:
        """Write one event."""
        if not self.wants(level):
            return
        with self._lock:  # the time is taken inside: lines are in the order of their times
            if self._lost:
                fields = {**fields, "log_lines_lost": self._lost}
            try:
                self._write(level, name, fields)
            except OSError:
                self._lost += 1
            else:
                self._lost = 0

    def _write(self, level: str, name: str, fields: dict[str, Any]) -> None:
        """Write one event; raises OSError."""
        if self._format == "auto" and self._send is not None:
            self._send(*journal.entry(level, name, fields))
            return
        moment = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
        if self._format == "json":
            line = json_line(moment, level, name, fields)
        elif self._format == "auto" and self._journal:  # which notes the time
            line = message(name, fields)
        else:
            line = text_line(moment, level, name, fields, colour=self._colour)
        prefix = f"<{journal.PRIORITIES[level]}>" if self._journal else ""
        _write_all(self._fd, f"{prefix}{line}\n".encode())


def _write_all(fd: int, data: bytes) -> None:
    """Write all of ``data``; a pipe may take a long line in parts."""
    while data:
        data = data[os.write(fd, data) :]
