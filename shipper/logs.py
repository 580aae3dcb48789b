"""The log's writer: what ``Events`` is given. One event, one line, one ``os.write``, so lines of threads never mix.

As text, ``TIME LEVEL event.name key=value …`` (logfmt), or as one JSON object a line; always UTC. Nothing that a log
file or a file's name contains can reach the terminal as a control character. A line that cannot be written (a full
disk, a closed terminal) never stops the daemon: it is counted, and the next line that can be written says how many
were lost.

Any thread may call a writer.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from shipper.events import LEVELS

FORMATS = ("auto", "text", "json")

_LABELS = {"debug": "DEBUG", "info": "INFO", "warning": "WARN", "error": "ERROR"}
_COLOURS = {"debug": "bright_black", "info": "green", "warning": "yellow", "error": "red"}


class LogWriter:
    """Writes events to a file descriptor; ``configure`` may change level and format while it is in use."""

    def __init__(self, fd: int = 2, *, level: str = "info", now: Callable[[], float] = time.time) -> None:
        self._fd = fd
        self._now = now
        self._lock = threading.Lock()
        self._lost = 0
        self._colour = os.isatty(fd) and not os.environ.get("NO_COLOR")
        self.configure(level, "auto")

    def configure(self, level: str, log_format: str) -> None:
        """Write lines of ``level`` and above as ``log_format``; "auto" is text."""
        self._least = LEVELS.index(level)
        self._json = log_format == "json"

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
            moment = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
            line = (
                json_line(moment, level, name, fields)
                if self._json
                else text_line(moment, level, name, fields, colour=self._colour)
            )
            try:
                _write_all(self._fd, line.encode() + b"\n")
            except OSError:
                self._lost += 1
            else:
                self._lost = 0


def text_line(moment: str, level: str, name: str, fields: dict[str, Any], *, colour: bool = False) -> str:
    """Return an event as one logfmt line, without its line end."""
    label = click.style(_LABELS[level], fg=_COLOURS[level]) if colour else _LABELS[level]
    return " ".join([moment, label, name, *(f"{key}={text_value(value)}" for key, value in fields.items())])


def text_value(value: Any) -> str:
    """Return a value as logfmt: quoted where it would be ambiguous, without any character that is not printable."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float() if math.isfinite(value):
            return f"{value:.3f}".rstrip("0").rstrip(".")
        case list() | tuple():
            text = ",".join(str(item) for item in value)
        case _:
            text = str(value)
    if text and text.isprintable() and not any(c in ' "=' for c in text):
        return text
    return '"' + "".join(_escape(c) for c in text) + '"'


def _escape(c: str) -> str:
    if c in '"\\':
        return "\\" + c
    # repr knows the short escapes; invalid bytes of file names (surrogates) come out as \udc..
    return c if c.isprintable() else repr(c)[1:-1]


def json_line(moment: str, level: str, name: str, fields: dict[str, Any]) -> str:
    """Return an event as one JSON object; only ASCII, so that C1 control and bidirectional characters stay escaped.

    That, and lone surrogates, are why this is ``json`` and not msgspec, which writes the former as they are and refuses
    the latter.
    """
    event = {"time": moment, "level": level, "event": name}
    event |= {key: value if _is_json(value) else str(value) for key, value in fields.items()}
    return json.dumps(event, separators=(",", ":"), default=str).replace("\x7f", "\\u007f")


def _is_json(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _write_all(fd: int, data: bytes) -> None:
    """Write all of ``data``; a pipe may take a long line in parts."""
    while data:
        data = data[os.write(fd, data) :]
