"""From a field to the time of a record: milliseconds since 1970, or ``None`` where it tells none.

Pure: what time it is now is given. A time before 1990, or more than a day ahead of now, is none: it is a clock that was
never set, or a field that was misread, and brokers expire and roll their segments by these times.

Formats: ``rfc3339`` (and what ISO 8601 allows beside it: a space for the T, a comma, no zone), ``epoch`` and
``epoch_ms``, ``epoch_us``, ``epoch_ns`` (numbers, or text that is one), ``syslog`` (``Nov  4 11:09:10``, or RFC 3339),
``log4j`` (RFC 3339, or Spark's ``17/06/09 20:10:40``), and all else is as for strptime. A year that is not there is the
one that brings the time nearest to now, and not more than a day ahead.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any

from shipper.timeformat import compile_format, offset_of

Moment = Callable[[Any, int], int | None]
"""The time that a value tells, in milliseconds since 1970; the second argument is now, told in the same way."""

EARLIEST = 631_152_000_000  # 1990
AHEAD = 86_400_000
MEMORY = 60_000  # for so long the time of a text is remembered: later, another year may be nearer

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - it is subtracted from what has no zone either
_MILLISECOND = timedelta(milliseconds=1)
_MONTHS = {name.lower(): n for n, name in enumerate(calendar.month_abbr) if n}
_LONG_MONTHS = {name.lower(): n for n, name in enumerate(calendar.month_name) if n} | {"sept": 9}


def build(form: str, zone: tzinfo | None) -> Moment:
    """Return what reads times of the format ``form``; one that says no zone is of ``zone``, ``None``: of this machine.

    >>> build("rfc3339", None)("2026-11-24T11:09:10.5Z", 1795518550000)
    1795518550500
    """
    read = _reader(form, zone)

    def moment(value: Any, now: int) -> int | None:
        try:
            found = read(value, now)
        except (ValueError, TypeError, OverflowError):
            return None
        return found if EARLIEST <= found <= now + AHEAD else None

    return moment


def _reader(form: str, zone: tzinfo | None) -> Callable[[Any, int], int]:
    match form:
        case "rfc3339":
            return _rfc3339(zone)
        case "epoch":
            return lambda value, _now: round(_number(value) * 1000)
        case "epoch_ms":
            return lambda value, _now: int(_number(value))
        case "epoch_us":
            return lambda value, _now: int(_number(value)) // 1000
        case "epoch_ns":
            return lambda value, _now: int(_number(value)) // 1_000_000
        case "syslog":
            return _syslog(zone)
        case "log4j":
            return _log4j(zone)
    return _strptime(form, zone)


def _number(value: Any) -> int | float:
    if isinstance(value, str):
        # A float has no more than 53 bits: nanoseconds would come out wrong by some.
        return int(value) if len(value) < 20 and value.isdecimal() else float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return value


# --- RFC 3339 ---------------------------------------------------------------------------------------------------------

_ZONE_NAME = re.compile(r"(.{8,30}?) ?(Z|z|UTC|GMT|[A-Z]{3,5})")


def _rfc3339(zone: tzinfo | None) -> Callable[[Any, int], int]:
    fromisoformat = datetime.fromisoformat

    def read(value: Any, _now: int) -> int:
        try:
            found = fromisoformat(value)
        except ValueError:
            found = fromisoformat(_plain(value))
        return _since_epoch(found, zone)

    return read


def _plain(value: str) -> str:
    """Return what Python reads too of a time with a leap second, small letters or the name of a zone."""
    if len(value) > 40:
        raise ValueError
    text = value.upper().replace(":60", ":59")
    if match := _ZONE_NAME.fullmatch(text):
        text = match[1] + ("Z" if match[2] in ("Z", "UTC", "GMT") else "")
    return re.sub(r" (?=[+-]\d\d:?\d\d$)", "", text)


def _since_epoch(found: datetime, zone: tzinfo | None) -> int:
    if found.tzinfo is None:
        if zone is UTC:
            return (found - _NAIVE_EPOCH) // _MILLISECOND
        if zone is None:
            return int(found.timestamp()) * 1000 + found.microsecond // 1000
        found = found.replace(tzinfo=zone)
    return (found - _EPOCH) // _MILLISECOND


# --- strptime ---------------------------------------------------------------------------------------------------------


def _syslog(zone: tzinfo | None) -> Callable[[Any, int], int]:
    old, new = _strptime("%b %d %H:%M:%S", zone), _rfc3339(zone)

    def read(value: Any, now: int) -> int:
        return new(value, now) if isinstance(value, str) and value[:1].isdecimal() else old(value, now)

    return read


def _log4j(zone: tzinfo | None) -> Callable[[Any, int], int]:
    short, new = _strptime("%y/%m/%d %H:%M:%S", zone), _rfc3339(zone)

    def read(value: Any, now: int) -> int:
        return short(value, now) if isinstance(value, str) and value[2:3] == "/" else new(value, now)

    return read


def _strptime(form: str, zone: tzinfo | None) -> Callable[[Any, int], int]:
    """Return what reads ``form``. Logs tell the same second many times: the last one is remembered."""
    pattern = compile_format(form)
    fullmatch = pattern.fullmatch
    fraction = pattern.groupindex.get("f", 0)
    whole = _Whole(pattern.groupindex, zone)
    last: tuple[str, int, int] = ("", 0, 0)

    def read(value: Any, now: int) -> int:
        nonlocal last
        text, found, when = last
        if not fraction and value == text and when <= now < when + MEMORY:
            return found
        match = fullmatch(value)
        if match is None:
            raise ValueError
        millis = 0
        if fraction and (digits := match[fraction]):
            millis = int(digits[:3].ljust(3, "0"))
            low, high = match.span(fraction)
            value = value[:low] + value[high:]
        if value != text or not when <= now < when + MEMORY:
            found = whole.moment(match.groups(), now)
            last = (value, found, now)
        return found + millis

    return read


class _Whole:
    """Makes whole seconds of the parts that the directives of a format have matched."""

    def __init__(self, groups: Mapping[str, int], zone: tzinfo | None) -> None:
        # Group 0 is the whole text, and groups() begins with 1: what is not there is taken from behind the last one.
        self._at = [groups.get(letter, 0) - 1 for letter in "YymbdjHIMSpzZs"]
        self._zone = zone

    def moment(self, parts: tuple[str | None, ...], now: int) -> int:
        """Return the time that they make."""
        given = (*parts, None)
        year, short, month, name, day, day_of_year, hour, half_hour, minute, second, half, offset, zone_name, epoch = [
            given[n] for n in self._at
        ]
        if epoch:
            return int(epoch) * 1000
        zone, known = self._zone, False
        if offset:
            zone, known = _fixed(offset), True
        elif zone_name and zone_name.upper() in ("UTC", "GMT", "Z"):
            zone, known = UTC, True
        hours = int(hour or half_hour or 0)
        if half:
            hours = hours % 12 + (12 if half in ("PM", "pm") else 0)
        minutes, seconds = int(minute or 0), min(int(second or 0), 59 if second == "60" else 99)

        def at(years: int, months: int, days: int) -> int:
            found = datetime(years, months, days, hours, minutes, seconds, tzinfo=zone if known else None)
            return _since_epoch(found, zone)

        def of_year(years: int) -> int:
            if day_of_year:
                date = datetime(years, 1, 1, tzinfo=UTC) + timedelta(days=int(day_of_year) - 1)
                if date.year != years:
                    raise ValueError
                return at(years, date.month, date.day)
            return at(years, _month(name) if name else int(month or 1), int(day or 1))

        if year:
            return of_year(int(year))
        if short:
            return of_year(int(short) + (1900 if int(short) > 68 else 2000))
        today = datetime.fromtimestamp(now / 1000, UTC)
        found = []
        if day or day_of_year:
            for years in (today.year - 1, today.year, today.year + 1):
                with suppress(ValueError):  # the 29th of February
                    found.append(of_year(years))
        else:
            for days in (today + timedelta(days=n) for n in (-1, 0, 1)):
                found.append(at(days.year, days.month, days.day))
        past = [moment for moment in found if moment <= now + AHEAD]
        return min(past, key=lambda moment: abs(moment - now))


@lru_cache(maxsize=64)
def _fixed(offset: str) -> tzinfo:
    return UTC if offset in "Zz" else timezone(offset_of(offset))


def _month(name: str) -> int:
    name = name.lower()
    return _MONTHS.get(name) or _LONG_MONTHS.get(name, 0)  # 0 is refused
