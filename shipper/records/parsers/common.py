"""What the parsers share: their types, and how bytes become text. Pure.

What is not UTF-8 stays recoverable in the text, so that a key made of it has the line's own bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from shipper.records.bulk import mapped
from shipper.records.record import Fields

Parse = Callable[[bytes], Fields | None]
"""The fields of an event, or ``None`` where it cannot be parsed; raises nothing, whatever the bytes."""

Wanted = frozenset[str] | None
"""The fields that are used, those in objects with dots before them; ``None``: all. A parser may give more."""

Column = Callable[[list[bytes]], list[bytes | None]]
"""The bytes of one field in each of many events: empty where it is not there, ``None`` for what cannot be parsed."""


class Parser:
    """A ``parse`` with ways for many events, by which the same is had at less cost.

    ``fast`` makes the same of most events as ``parse``, and raises ValueError for the others. ``columns``: of fields by
    their names, where their text is had without the others.
    """

    def __init__(
        self, parse: Parse, fast: Callable[[bytes], Fields] | None = None, columns: Mapping[str, Column] | None = None
    ) -> None:
        self._parse = parse
        self._fast = partial(map, parse if fast is None else fast)
        self.columns = columns or {}

    def __call__(self, event: bytes) -> Fields | None:
        """Return the fields of one event."""
        return self._parse(event)

    def many(self, events: list[bytes]) -> list[Fields | None]:
        """Return the fields of each event."""
        return mapped(self._fast, self._parse, events)


ENCODING, ERRORS = "utf-8", "surrogateescape"


def text_of(data: bytes) -> str:
    r"""Return ``data`` as text; a byte that is not UTF-8 becomes one lone surrogate.

    >>> text_of(b"a\xff")
    'a\udcff'
    """
    return data.decode(ENCODING, ERRORS)
