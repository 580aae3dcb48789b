"""What the parsers share: their type, and how bytes become text. Pure.

What is not UTF-8 stays recoverable in the text, so that a key made of it has the line's own bytes.
"""

from __future__ import annotations

from collections.abc import Callable

from shipper.records.record import Fields

Parse = Callable[[bytes], Fields | None]
"""The fields of an event, or ``None`` where it cannot be parsed; raises nothing, whatever the bytes."""

Wanted = frozenset[str] | None
"""The fields that are used, those in objects with dots before them; ``None``: all. A parser may give more."""

ENCODING, ERRORS = "utf-8", "surrogateescape"


def text_of(data: bytes) -> str:
    r"""Return ``data`` as text; a byte that is not UTF-8 becomes one lone surrogate.

    >>> text_of(b"a\xff")
    'a\udcff'
    """
    return data.decode(ENCODING, ERRORS)
