"""Puts records whose keys lead to one partition beside each other, before the client takes them.

Their places in the client's memory are then side by side too. Otherwise what goes to one partition lies among what goes
to the others, and the processor waits for each record when a batch is made of it, when it is answered, and when it is
let go (docs/decisions/gathering.md). Where a record goes is still for the client to say: what is found out here only
decides which records stand together. Records of one key stay in their order, whatever is known of it; those of one
partition, as long as the number of partitions is right. Pump thread only.
"""

from __future__ import annotations

from itertools import compress, repeat

from shipper.kafka import librdkafka as c

KEYS = 16384  # that are remembered, over all topics, ...
LONGEST = 128  # ... of so many bytes at most
LEARN = 1024  # new ones in a chunk: where there are more, it is left as it is ...
PAUSE = 64  # ... and so are as many chunks behind it, at most
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
        if places is None:
            self._left, self._pause = self._pause, min(2 * self._pause, PAUSE)
            return None
        self._pause = 1
        return sorted(range(len(keys)), key=places.__getitem__)

    def _places(self, keys: list[bytes], partitions: int) -> list[int] | None:
        """Return the partition of each key, ``None`` where too many are new: of all of them, or of none."""
        known = self._known.setdefault(partitions, {})
        places = list(map(known.get, keys, repeat(partitions)))
        if partitions not in places:
            return places
        new = list(dict.fromkeys(compress(keys, map(partitions.__eq__, places))))
        if len(new) > LEARN:
            return None
        assert self._partition is not None
        found = {key: self._partition(None, key, len(key), partitions, None, None) for key in new}
        if sum(map(len, self._known.values())) + len(found) > KEYS:  # other keys than before
            self._known = {partitions: {}}
        self._known[partitions].update((key, place) for key, place in found.items() if len(key) <= LONGEST)
        if 2 * len(new) > len(keys):  # as it may be the next time
            return None
        return [found[key] if place == partitions else place for key, place in zip(keys, places, strict=True)]
