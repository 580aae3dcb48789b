"""Which events of a source are sent: by what is found in them, by a sample. What is dropped is counted.

A pattern that cannot judge an event, as it is too long for it, does not drop it. A part of an event that is too long
follows its first part. Which events a sample holds depends on nothing but their place and their bytes, so that what is
sent again is the same. No step of it raises. Pump thread only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple
from zlib import crc32

from shipper import patterns
from shipper.patterns import Expression
from shipper.records.record import Offsets

INCLUDE, EXCLUDE, SAMPLE = "include_lines", "exclude_lines", "sample"

_SPREAD = 0x9E3779B1  # an odd number with well mixed bits: neighbouring offsets come to lie far apart


class Filters:
    """The filters of one source, which count in ``dropped``, by rule."""

    def __init__(
        self,
        include: Sequence[Expression],
        exclude: Sequence[Expression],
        sample: float,
        dropped: Counter[str],
    ) -> None:
        self._include = [_finder(one) for one in include]
        self._exclude = [_finder(one) for one in exclude]
        self._limit = int(sample * (1 << 32))
        self._dropped = dropped

    def __call__(self, events: Sequence[bytes], offsets: Offsets) -> list[int] | None:
        """Return the indexes of the events that are kept, or ``None`` for all."""
        count = len(events)
        index: Sequence[int] = range(count)
        kept = count
        block = b"\n".join(events) if self._include or self._exclude else b""
        for rule, all_finders, wanted in ((INCLUDE, self._include, True), (EXCLUDE, self._exclude, False)):
            if not all_finders:
                continue
            finders = [finder.found for finder in all_finders if finder.needle in block]  # most find nothing at all
            if not finders:
                index = [] if wanted else index
            elif len(finders) == 1:
                find = finders[0]
                index = [i for i in index if find(events[i], wanted) is wanted]
            else:
                index = [i for i in index if any(find(events[i], wanted) for find in finders) is wanted]
            kept = self._drop(rule, kept, len(index))
        if self._limit < 1 << 32 and kept:
            at, limit = offsets(), self._limit
            index = [i for i in index if crc32(events[i], at[i] * _SPREAD & 0xFFFFFFFF) < limit]
            kept = self._drop(SAMPLE, kept, len(index))
        return None if kept == count else list(index)

    def _drop(self, rule: str, before: int, after: int) -> int:
        if after < before:
            self._dropped[rule] += before - after
        return after


class _Finder(NamedTuple):
    """``found`` tells whether an event holds a match; of one that is too long for the pattern, what keeps it.

    ``needle`` is in whatever it keeps or drops.
    """

    needle: bytes
    found: Callable[[bytes, bool], bool]


def _finder(expression: Expression) -> _Finder:
    matcher = patterns.compile(expression.pattern, engine=expression.engine, newlines=True)
    search, needle, limit = matcher.search, matcher.needle, matcher.limit
    if limit:

        def found(event: bytes, kept: bool) -> bool:  # noqa: FBT001 - called for every event
            return kept if len(event) > limit else search(event) is not None

        return _Finder(b"", found)
    return _Finder(needle, lambda event, _: needle in event and search(event) is not None)
