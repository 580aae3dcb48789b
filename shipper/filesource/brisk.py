"""Reads what was added to files that grow all the time: all of them in one go, past all that such a file does not need.

A line that comes by itself costs as much as hundreds that come together, and most of that is to find out what else may
be the matter with its file. Here that is asked at once: a file that was read to its end, is the only one of its path,
has its name, and has grown. Whatever is not just so is left to be read in its turn. What is read is verified by the
tailer as ever, and sent, booked and acknowledged as ever. Pump thread only.
"""

from __future__ import annotations

from collections.abc import Iterable

from shipper.files import BROKEN
from shipper.filesource.census import Census
from shipper.filesource.freshness import Freshness
from shipper.ledger import Ledger
from shipper.lifecycle import File
from shipper.model import Clock
from shipper.source.delivery import Delivery
from shipper.source.sending import Sending
from shipper.tailer import BLOCK, ContentChanged, Place, Tailer


class Brisk:
    """The short way of one source."""

    def __init__(self, census: Census, sending: Sending, delivery: Delivery, ledger: Ledger, clock: Clock) -> None:
        self._census = census
        self._sending = sending
        self._delivery = delivery
        self._ledger = ledger
        self._clock = clock

    def read(self, tailers: Iterable[Tailer]) -> tuple[list[Tailer], list[Tailer]]:
        """Read and send what files have grown by; returns those that were read, and those to be read in their turn."""
        read: list[Tailer] = []
        others: list[Tailer] = []
        limits: dict[str, int | None] = {}
        ledger, delivery, sending, now = self._ledger, self._delivery, self._sending, self._clock()
        may = sending.plain and not (ledger.transactional or delivery.careful)
        for tailer in tailers:
            # What was sent just before may hold up all that follows.
            if not may or ledger.paused or delivery.held or not self._is_simple(tailer):
                others.append(tailer)
                continue
            topic = tailer.topic
            if topic not in limits:
                limits[topic] = sending.limit(topic)
            if (limit := limits[topic]) is None:
                others.append(tailer)
                continue
            before = tailer.read
            try:
                batch = tailer.take(BLOCK, limit - len(tailer.key))
            except (ContentChanged, *BROKEN):
                batch = None  # told when it is read in its turn
            if batch is None or not sending.send(tailer, batch, Place(before, before.offset, 0)):
                others.append(tailer)
                continue
            read.append(tailer)
            self._note(tailer, now)
        return read, others

    def _is_simple(self, tailer: Tailer) -> bool:
        """Whether nothing is to be thought of but that it has grown."""
        if tailer.state is not File.IDLE or not tailer.marks or tailer.part or tailer.record or tailer.detached:
            return False
        glimpse, path = tailer.glimpse, tailer.path
        if glimpse is None or not glimpse.links or glimpse.size <= tailer.size or tailer.next != tailer.read.offset:
            return False
        lineage = self._census.lineages[path]
        return len(lineage.gens) == 1 and not lineage.holds and self._census.by_name.get(path) is tailer

    def _note(self, tailer: Tailer, now: float) -> None:
        """Take note of how far it was read."""
        if not tailer.at_end:
            self._census.grew(tailer)
            return
        tailer.stat = None
        tailer.quiet_size, tailer.grew_at = tailer.size, now
        acked = tailer.track.acked.offset
        if tailer.fresh is None:
            tailer.fresh = Freshness(now)
        else:
            tailer.fresh.begin(now, acked)
        tailer.fresh.ended(now, tailer.read.offset, acked)
