"""``value = "json"``: a record's value as an object of its fields, in the names of the Elastic Common Schema. Pure.

Of an entry of the journal the fields keep their own names, but for ``MESSAGE``; what is not UTF-8 there is in base64.

The names are flat, with their dots: ``log.file.path`` is one key, which no field of a line can be confused with. What
the line says stands below what is known of it: a field ``host.name`` is not the host's name. ``message`` is the field
of that name where there is one, else the line.

Every value is valid JSON in UTF-8, whatever the bytes of the line: what is not UTF-8 becomes U+FFFD.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from shipper.config import JournalConfig, SourceConfig
from shipper.records.bound import to_bytes
from shipper.records.record import Fields, Tally

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ValuesOf:
    """Makes the values of one source's records. ``now`` gives seconds since 1970."""

    def __init__(self, source: SourceConfig, host: str, tally: Tally, now: Callable[[], float] = time.time) -> None:
        self._fields: Mapping[str, Any] = source.fields
        self._host = host
        self._of_journal = isinstance(source, JournalConfig)
        self._tally = tally
        self._now = now
        self._encode = msgspec.json.Encoder().encode

    def encode(
        self,
        path: str,
        events: Sequence[bytes],
        fields: Sequence[Fields | None] | None,
        timestamps: Sequence[int] | None,
        offsets: Sequence[int],
    ) -> list[bytes]:
        """Return the value of each event; a time of 0 stands for the present."""
        now = int(self._now() * 1000)
        known = {"host.name": _clean(self._host), **self._fields}
        if not self._of_journal:
            known = {"log.file.path": _clean(path), **known}
        time_of: dict[int, datetime] = {}
        out: list[bytes] = []
        for i, event in enumerate(events):
            at = (timestamps[i] if timestamps is not None else 0) or now
            when = time_of.get(at)
            if when is None:
                when = time_of[at] = _moment(at, now)
            parsed = fields[i] if fields is not None else None
            try:
                value: dict[str, Any] = {"@timestamp": when, "message": self._text(event)}
                if parsed:
                    value |= parsed
                    value["@timestamp"] = when
                value |= known
                if not self._of_journal:
                    value["log.offset"] = offsets[i]
                out.append(self._encode(value))
            except (ValueError, TypeError, OverflowError, RecursionError):
                rest = known if self._of_journal else {**known, "log.offset": offsets[i]}
                out.append(self._odd(event, parsed, when, rest))
        return out

    def _text(self, event: bytes) -> str | bytes:
        """Return an event as text; bytes, which JSON has in base64, only where it is the journal's and is none."""
        try:
            return event.decode()
        except UnicodeDecodeError:
            if not self._of_journal:
                raise
            return event

    def _odd(self, event: bytes, parsed: Fields | None, when: datetime, rest: Mapping[str, Any]) -> bytes:
        """Return the value of an event that is not UTF-8, or of which a field cannot be written."""
        self._tally.noted["value_replaced"] += 1
        message = event.decode("utf-8", "replace")
        try:
            cleaned = {"@timestamp": when, "message": message, **clean(parsed or {})}
            return self._encode({**cleaned, "@timestamp": when, **rest})
        except (ValueError, TypeError, OverflowError, RecursionError):
            return self._encode({"@timestamp": when, "message": message, **rest})


def clean(value: Any) -> Any:
    r"""Return ``value`` with text only that can be written, as far as it is of JSON's kinds.

    >>> clean({"a": ["\udcff"]}) == {"a": ["\ufffd"]}
    True
    """
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, dict):
        return {_clean(str(name)): clean(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [clean(one) for one in value]
    return value


def _clean(text: str) -> str:
    return to_bytes(text).decode("utf-8", "replace")


def _moment(milliseconds: int, now: int) -> datetime:
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return EPOCH + timedelta(milliseconds=now)
