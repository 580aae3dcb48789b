"""How an event is written: as logfmt, or as a JSON object. Pure.

Nothing that a log file or a file's name contains can reach a terminal as a control character.
"""

from __future__ import annotations

import json
import math
from typing import Any

import click

_LABELS = {"debug": "DEBUG", "info": "INFO", "warning": "WARN", "error": "ERROR"}
_COLOURS = {"debug": "bright_black", "info": "green", "warning": "yellow", "error": "red"}


def text_line(moment: str, level: str, name: str, fields: dict[str, Any], *, colour: bool = False) -> str:
    """Return an event as one logfmt line, without its line end."""
    label = click.style(_LABELS[level], fg=_COLOURS[level]) if colour else _LABELS[level]
    return f"{moment} {label} {message(name, fields)}"


def message(name: str, fields: dict[str, Any]) -> str:
    """Return what an event says, without its time and level."""
    return " ".join([name, *(f"{key}={text_value(value)}" for key, value in fields.items())])


def text_value(value: Any) -> str:
    """Return a value as logfmt: quoted where it would be ambiguous, without any character that is not printable."""
    text = plain_value(value)
    if text and text.isprintable() and not any(c in ' "=' for c in text):
        return text
    return '"' + "".join(_escape(c) for c in text) + '"'


def plain_value(value: Any) -> str:
    """Return a value as people read it, with whatever characters it has."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float() if math.isfinite(value):
            return f"{value:.3f}".rstrip("0").rstrip(".")
        case list() | tuple():
            return ",".join(str(item) for item in value)
        case _:
            return str(value)


def printable(text: str) -> str:
    """Return a text with every character escaped that a terminal may not get."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


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
