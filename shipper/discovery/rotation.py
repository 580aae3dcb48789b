"""Names of rotated files: which name may this be a rotation of, and how old is it. Pure; any thread.

A rotated name is a base name with a stamp, behind it (``app.log.1``, ``app.log-20261123``) or before its extension
(``app-2026-11-23.log``), and perhaps an ending that says how it is compressed. The names alone are often ambiguous, so
:func:`readings` gives every reading, the longest base first; the caller takes the first base that it watches.

Rank sorts oldest first. Numbers count backwards in time (``.2`` is older than ``.1``; ``.old`` counts as ``.0``),
dates and epochs forwards; the digits after a date, be they a time or an index, count forwards, as log4j, logback and
lumberjack write them. Where one base has both, the numbered ones are taken for the older.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

COMPRESSIONS = {b".gz": "gz", b".bz2": "bz2", b".xz": "xz", b".zst": "zst"}
MOVED = b".backup"  # behind a date with its hour: what logrotate found where it was about to create a file

_DAY = rb"(?:0[1-9]|[12]\d|3[01])"
_MONTH = rb"(?:0[1-9]|1[0-2])"
_DATE = re.compile(
    rb"(?P<year>20\d\d)(?:"
    rb"(?P<sep>[-._])(?P<month>%(m)s)(?:(?P=sep)(?P<day>%(d)s)(?!\d))?"  # 2026-11-23, 2026-11
    rb"|(?P<month2>%(m)s)(?P<day2>%(d)s)?(?P<hour>(?:\d\d){0,3}))"  # 20261123, 202611, 2026112314 …
    rb"(?P<rest>(?:[-._T:]\d{1,19}){0,5})Z?" % {b"m": _MONTH, b"d": _DAY}
)
_EPOCH = re.compile(rb"1\d{9}(?:\d{3})?")
_NUMBER = re.compile(rb"\d{1,6}")
_EXTENSION = re.compile(rb"\.[A-Za-z][A-Za-z0-9_]*\Z")
_MOVED = re.compile(rb"-\d{10}\.backup\Z")
# What multilog and svlogd make of a file named "current"; "u": it may not be safely on the disk.
_TAI64N = re.compile(rb"@4(?P<seconds>[0-9a-f]{15})(?P<nanoseconds>[0-9a-f]{8})\.[su]")
_SEPARATOR = re.compile(rb"[-._](?=\d|old\Z)")


class Reading(NamedTuple):
    """One way to read a name: as a rotation of ``base``; ``rank`` sorts oldest first."""

    base: bytes
    rank: tuple[int, ...]


def compression(name: bytes) -> str:
    """Return how ``name`` says that it is compressed: "gz", "bz2", "xz", "zst", or ""."""
    for ending, kind in COMPRESSIONS.items():
        if name.endswith(ending):
            return kind
    return ""


def readings(name: bytes) -> Iterator[Reading]:
    """Yield every way in which ``name`` can be a rotation of another name, the longest base first."""
    if stamp := _TAI64N.fullmatch(name):
        yield Reading(b"current", (1, int(stamp["seconds"], 16), int(stamp["nanoseconds"], 16)))
        return
    plain = name[: -len(MOVED)] if _MOVED.search(name) else name
    if kind := compression(name):
        plain = name[: -len(kind) - 1]
        if plain:
            yield Reading(plain, (0, 0))  # compressed in place: app.log.gz
    extension = _EXTENSION.search(plain)
    stem, ending = (plain[: extension.start()], extension[0]) if extension else (plain, b"")
    found = list(_stamped(plain, b""))
    if ending and ending != b".old":
        found += _stamped(stem, ending)
    yield from sorted(found, key=lambda reading: len(reading.base), reverse=True)


def rank(path: bytes, base: bytes) -> tuple[int, ...]:
    """Return the rank of ``path`` as a rotation of the path ``base``; () where it is none."""
    directory, name = os.path.split(path)
    return next((r.rank for r in readings(name) if os.path.join(directory, r.base) == base), ())


def _stamped(text: bytes, ending: bytes) -> Iterator[Reading]:
    """Yield the readings of ``text`` as a base's beginning and a stamp, where ``ending`` follows the stamp."""
    for separator in _SEPARATOR.finditer(text):
        if separator.start() and (rank := _rank(text[separator.end() :])):
            yield Reading(text[: separator.start()] + ending, rank)


def _rank(stamp: bytes) -> tuple[int, ...]:
    """Return the rank that ``stamp`` stands for; () where it is none."""
    if stamp == b"old":
        return (0, 0)
    if date := _DATE.fullmatch(stamp):
        year, month, day = date["year"], date["month"] or date["month2"], date["day"] or date["day2"] or b"00"
        more = re.findall(rb"\d+", (date["hour"] or b"") + date["rest"])
        return (1, int(year + month + day), *map(int, more))
    if _EPOCH.fullmatch(stamp):
        moment = datetime.fromtimestamp(int(stamp[:10]), UTC)
        return (1, int(f"{moment:%Y%m%d}"), int(f"{moment:%H%M%S}"), int(stamp[10:] or b"0"))
    if _NUMBER.fullmatch(stamp):
        return (0, -int(stamp))
    return ()
