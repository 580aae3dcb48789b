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
from shipper.source.sending import Few, Sending
from shipper.tailer import Tailer


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
        sending, delivery, ledger = self._sending, self._delivery, self._ledger
        if not sending.plain or ledger.transactional or delivery.careful or delivery.held or ledger.paused:
            return [], list(sizes)
        now = self._clock()
        read: list[Tailer] = []
        others: list[Tailer] = []
        found: dict[str, Few] = {}
        topic, few, most = "", None, None
        room = ledger.high - ledger.in_flight
        tells = self._events.tells_reads
        for tailer, size in sizes.items():
            if topic != tailer.topic:
                topic = tailer.topic
                most, few = sending.limit(topic), found.setdefault(topic, Few())
            if few is None or most is None or room <= 0 or not self._is_simple(tailer, size):
                others.append(tailer)
                continue
            key, start = tailer.key, tailer.next
            try:
                lines = tailer.take_all(size, most - len(key))
            except OSError:
                lines = None  # told when it is read in its turn
            if lines is None:
                others.append(tailer)
                continue
            count = len(lines)
            weight = size - start + count * (len(key) + RECORD_OVERHEAD)
            room -= weight
            few.values += lines
            few.keys += [key] * count
            few.size += size - start
            few.streams.append(tailer)
            few.entries.append((tailer.track, tailer.read, count, weight))
            tailer.quiet_size, tailer.grew_at = size, now
            if tailer.fresh is None:
                tailer.fresh = Freshness(now, size)
            else:
                _note(tailer, now)
            if tells:
                inode = tailer.file_id.ino
                self._events.file_read(tailer.source, tailer.path, inode, tailer.generation, start, size)
        for topic, few in found.items():
            if few.streams:
                sending.send_all(topic, few)
                read += few.streams
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
