"""Entries of a journal as ``journalctl -o json`` prints them, for who only looks at what would become of them.

:class:`Exported` is a reader as that of the library, which has one entry at a time. One thread.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from shipper.journal.reader import Change
from shipper.journal.selection import Term

Fields = Mapping[str, bytes | list[bytes]]

CURSOR, REALTIME, MONOTONIC = "__CURSOR", "__REALTIME_TIMESTAMP", "__MONOTONIC_TIMESTAMP"


def parse(line: bytes) -> Fields:
    r"""Return the fields of an entry that is printed as one JSON object; raises ValueError, in words.

    What is no text is an array of numbers, each a byte; a field that is there several times is an array of its values.

    >>> parse(b'{"MESSAGE": "a", "RAW": [255, 0], "TAG": ["x", [254]], "LARGE": null}')
    {'MESSAGE': b'a', 'RAW': b'\xff\x00', 'TAG': [b'x', b'\xfe']}
    """
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise ValueError(f"it is no JSON ({error})") from None
    except RecursionError:
        raise ValueError("it is no JSON that journalctl prints: it is nested too deep") from None
    if not isinstance(entry, dict):
        raise ValueError("it is no JSON object")
    if "MESSAGE" in entry and entry["MESSAGE"] is None:
        raise ValueError("its MESSAGE was left out for its size: give journalctl the option --all")
    return {name: _value(name, value) for name, value in entry.items() if value is not None}


def _value(name: str, value: Any) -> bytes | list[bytes]:
    if isinstance(value, list) and not all(isinstance(one, int) for one in value):
        return [_one(name, one) for one in value if one is not None]
    return _one(name, value)


def _one(name: str, value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    try:
        return bytes(value) if isinstance(value, list) else str(int(value)).encode()
    except (ValueError, TypeError):
        raise ValueError(f"{name} is neither text nor bytes") from None


class Exported:
    """A ``reader.Reader`` of entries that are given one by one. Nothing is selected, and there is no way back."""

    reliable = True

    def __init__(self) -> None:
        self._given: Fields | None = None
        self._at: Fields = {}
        self._count = 0

    def give(self, entry: Fields) -> None:
        """Have that entry next."""
        self._given = entry
        self._count += 1

    def next(self) -> bool:
        """Go to the entry that was given, if it was not read."""
        if self._given is None:
            return False
        self._at, self._given = self._given, None
        return True

    def get(self, field: str) -> bytes | None:
        """Return the first value of a field."""
        value = self._at.get(field)
        return value[0] if isinstance(value, list) else value

    def all(self) -> dict[str, bytes | list[bytes]]:
        """Return all fields but those that are no fields of the entry."""
        return {name: value for name, value in self._at.items() if not name.startswith("__")}

    def cursor(self) -> str:
        """Return that of the entry; where it has none, one that no other one has."""
        return (self.get(CURSOR) or b"entry %d" % self._count).decode("utf-8", "replace")

    def realtime(self) -> int:
        """Return when it was written, in microseconds since 1970; the present where it does not say so."""
        return self._number(REALTIME, int(time.time() * 1e6))

    def monotonic(self) -> int:
        """Return the same in microseconds since the boot."""
        return self._number(MONOTONIC, 0)

    def _number(self, field: str, otherwise: int) -> int:
        value = self.get(field)
        return int(value) if value is not None and value.isdigit() else otherwise

    def select(self, terms: Iterable[Term]) -> None:
        """Select nothing: who gives the entries does."""

    def previous(self) -> bool:
        """There is none before."""
        return False

    def seek_head(self) -> None:
        """Stay."""

    def seek_tail(self) -> None:
        """Stay."""

    def seek_cursor(self, cursor: str) -> None:
        """Stay."""

    def seek_realtime(self, microseconds: int) -> None:
        """Stay."""

    def at(self, cursor: str) -> bool:
        """Whether it is at that entry."""
        return self.cursor() == cursor

    def process(self) -> Change:
        """Nothing happens to it."""
        return Change.NOTHING

    def fileno(self) -> int:
        """Return no descriptor: nothing happens to it."""
        return -1

    def close(self) -> None:
        """There is nothing to let go of."""
