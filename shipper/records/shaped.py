"""What the record stage makes of the events of one read. Values only."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import NamedTuple

from shipper.model import Headers, Messages

HEADER_OVERHEAD = 96  # bytes: what the client needs for a header besides its name and value
NOTHING: Mapping[str, int] = {}


class Shaped(NamedTuple):
    """Records as they are to be sent; each list has one entry for each of them.

    ``size``: their keys, values and headers, with what the client needs for these. ``plain``: each is its line with the
    file's key, and no more than provenance. ``topics``, ``headers``, ``timestamps``: ``None`` where no record has its
    own. ``events``: the index of the event that a record comes from; ``None``: one from each. ``dropped``: events, by
    rule. ``noted``: what else is to be told of, and ``why``, in words.
    """

    messages: Messages
    size: int
    headers: list[Headers] | None = None
    plain: bool = True
    topics: list[str] | None = None
    timestamps: list[int] | None = None
    events: list[int] | None = None
    dropped: Mapping[str, int] = NOTHING
    noted: Mapping[str, int] = NOTHING
    why: Mapping[str, str] = {}

    def sizes(self) -> list[int]:
        """Return the bytes that each of the records has in a batch."""
        sizes = [len(key) + len(value) for key, value in self.messages]
        if self.headers is None:
            return sizes
        return [n + bytes_of(one) for n, one in zip(sizes, self.headers, strict=True)]

    def first(self, records: int) -> int:
        """Return how many events the first so many of the records are, one at least: an event's go together."""
        if records >= len(self.messages):
            return sys.maxsize
        if self.events is None:
            return max(1, records)
        return max(1, self.events[records])

    def cut(self, records: int, rule: str) -> Shaped:
        """Return the first so many of the records; the events of the others have been dropped by ``rule``."""
        events = self.events
        while events and records and events[records] == events[records - 1]:
            records -= 1
        lost = len(self.messages) - records if events is None else len(set(events[records:]))
        return self._part(slice(records))._replace(dropped={**self.dropped, rule: lost})

    def one(self, index: int) -> Shaped:
        """Return one of the records by itself; what was dropped and noted goes with the last one."""
        last = index + 1 == len(self.messages)
        return self._part(slice(index, index + 1))._replace(
            events=None, dropped=self.dropped if last else NOTHING, noted=self.noted if last else NOTHING
        )

    def _part(self, at: slice) -> Shaped:
        """Return some of the records that stand together."""
        part = self._replace(
            messages=self.messages.cut(at),
            headers=self.headers and self.headers[at],
            topics=self.topics and self.topics[at],
            timestamps=self.timestamps and self.timestamps[at],
            events=self.events and self.events[at],
        )
        return part._replace(size=sum(part.sizes()) + sum(map(len, part.headers or ())) * HEADER_OVERHEAD)


def bytes_of(headers: Headers) -> int:
    """Return what ``headers`` need in a batch: each has two lengths beside its bytes."""
    return sum(len(name) + len(value) + 8 for name, value in headers)
