"""Puts records whose keys lead to one partition beside each other, before the client takes them.

Their places in the client's memory are then side by side too. Otherwise what goes to one partition lies among what goes
to the others, and the processor waits for each record when a batch is made of it, when it is answered, and when it is
let go (docs/decisions/gathering.md). Where a record goes is still for the client to say: what is found out here only
decides which records stand together, so that an old number of partitions does no harm. Records of one key stay in
their order, whatever is known of it. Pump thread only.
"""

from __future__ import annotations

from itertools import compress, islice, repeat

from shipper.kafka import librdkafka as c

KEYS = 16384  # that are remembered, over all topics, ...
LONGEST = 128  # ... of so many bytes at most
LEARN = 1024  # new ones that are looked at in a chunk
PAUSE = 64  # chunks that are left as they are, at most, where most keys are new each time
FEW = 8  # records of a partition in a chunk: fewer are not worth it


class Gathering:
    """``partitioner`` is the client's. One that leads records of a key anywhere gives nothing to gather by."""

    def __init__(self, partitioner: str) -> None:
        self._partition = c.partitioners.get(partitioner.strip().lower().removesuffix("_random"))
        self._known: dict[int, dict[bytes, int]] = {}  # for a number of partitions: that of each key
        self._pause = 1
        self._left = 0  # chunks that are left as they are from now on

    def order(self, keys: list[bytes], partitions: int) -> list[int] | None:
        """Return the order in which records with ``keys`` are to stand; ``None``: as they do."""
        if self._partition is None or not 1 < partitions <= len(keys) // FEW:
            return None
        if self._left:
            self._left -= 1
            return None
        places = self._places(keys, partitions)
        if 2 * places.count(partitions) > len(keys):
            self._left, self._pause = self._pause, min(2 * self._pause, PAUSE)
            return None
        self._pause = 1
        return sorted(range(len(keys)), key=places.__getitem__)

    def _places(self, keys: list[bytes], partitions: int) -> list[int]:
        """Return the partition of each key, as far as it is known; the others come behind them all."""
        known = self._known.setdefault(partitions, {})
        places = list(map(known.get, keys, repeat(partitions)))
        unknown = places.count(partitions)
        if not unknown:
            return places
        if self._full and 2 * unknown > len(keys):  # other keys than before
            self._known = {partitions: {}}
            known = self._known[partitions]
        if not self._full:
            assert self._partition is not None
            for key in islice(dict.fromkeys(compress(keys, map(partitions.__eq__, places))), LEARN):
                if len(key) <= LONGEST:
                    known[key] = self._partition(None, key, len(key), partitions, None, None)
        return list(map(known.get, keys, repeat(partitions)))

    @property
    def _full(self) -> bool:
        return sum(map(len, self._known.values())) >= KEYS
