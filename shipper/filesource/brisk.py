"""Reads what was added to files that grow all the time: all of them in one go, past all that such a file does not need.

A line that comes by itself costs as much as hundreds that come together, and most of that is to find out what else may
be the matter with its file. Here that is asked at once: a file that was read to its end, is the only one of its path,
has its name, and has grown by some whole lines. Whatever is not just so is left to be read in its turn. What is read is
verified by the tailer as ever, a chunk for each file, booked and acknowledged as ever; it is counted and handed to the
client together. Pump thread only.
"""

from __future__ import annotations

from collections.abc import Mapping

from shipper.events import Events
from shipper.filesource.census import Census
from shipper.filesource.freshness import Freshness
from shipper.ledger import RECORD_OVERHEAD, Ledger
from shipper.lifecycle import File
from shipper.model import Clock
from shipper.source.delivery import Delivery
from shipper.source.sending import Sending
from shipper.tailer import Tailer


class _Read:
    """What was read for one topic, which takes ``limit`` bytes of a record."""

    __slots__ = ("limit", "lines", "size", "tailers")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.tailers: list[Tailer] = []
        self.lines: list[list[bytes]] = []  # of each
        self.size = 0


class Brisk:
    """The short way of one source."""

    def __init__(
        self,
        census: Census,
        sending: Sending,
        delivery: Delivery,
        ledger: Ledger,
        events: Events,
        clock: Clock,
    ) -> None:
        self._census = census
        self._sending = sending
        self._delivery = delivery
        self._ledger = ledger
        self._events = events
        self._clock = clock

    def read(self, sizes: Mapping[Tailer, int]) -> tuple[list[Tailer], list[Tailer]]:
        """Read and send what files have grown by; returns those that were read, and those to be read in their turn.

        ``sizes``: how large each is now.
        """
        others: list[Tailer] = []
        sending, delivery, ledger, now = self._sending, self._delivery, self._ledger, self._clock()
        if not sending.plain or ledger.transactional or delivery.careful or delivery.held:
            return [], list(sizes)
        topics: dict[str, _Read | None] = {}
        room = ledger.high - ledger.in_flight
        tells = self._events.tells_reads
        for tailer, size in sizes.items():
            topic = tailer.topic
            if topic not in topics:
                limit = sending.limit(topic)
                topics[topic] = None if limit is None else _Read(limit)
            found = topics[topic]
            if found is None or room <= 0 or ledger.paused or not self._is_simple(tailer, size):
                others.append(tailer)
                continue
            start = tailer.read.offset
            try:
                lines = tailer.take_all(size, found.limit - len(tailer.key))
            except OSError:
                lines = None  # told when it is read in its turn
            if lines is None:
                others.append(tailer)
                continue
            room -= size - start + len(lines) * (len(tailer.key) + RECORD_OVERHEAD)
            found.tailers.append(tailer)
            found.lines.append(lines)
            found.size += size - start
            tailer.quiet_size, tailer.grew_at = size, now
            if tailer.fresh is None:
                tailer.fresh = Freshness(now, size)
            else:
                _note(tailer, now)
            if tells:
                inode = tailer.file_id.ino
                self._events.file_read(tailer.source, tailer.path, inode, tailer.generation, start, size)
        read: list[Tailer] = []
        for topic, found in topics.items():
            if found is not None and found.tailers:
                sending.send_all(topic, found.tailers, found.lines, found.size)
                read += found.tailers
        return read, others

    def _is_simple(self, tailer: Tailer, size: int) -> bool:
        """Whether nothing is to be thought of but that it has grown."""
        if tailer.state is not File.IDLE or not tailer.marks or tailer.part or tailer.record or tailer.detached:
            return False
        if size <= tailer.size or tailer.next != tailer.read.offset:
            return False
        path = tailer.path
        lineage = self._census.lineages[path]
        return len(lineage.gens) == 1 and not lineage.holds and self._census.by_name.get(path) is tailer


def _note(tailer: Tailer, now: float) -> None:
    """Take note that it was read to its end, while something of it is not acknowledged."""
    acked = tailer.track.acked.offset
    tailer.fresh.begin(now, acked)
    tailer.fresh.ended(now, tailer.size, acked)
