"""What follows for a generation from what became of what was sent of it. Pump thread only."""

from __future__ import annotations

from collections.abc import Sequence

from shipper.events import Events
from shipper.filesource.census import Census
from shipper.filesource.lineage import DONE
from shipper.lifecycle import File, FileEvent
from shipper.model import Clock
from shipper.source.schedule import Schedule
from shipper.tailer import Batch, Tailer


class Keeping:
    """Keeps the generations of one source in their lineages."""

    def __init__(self, census: Census, schedule: Schedule[Tailer], events: Events, clock: Clock) -> None:
        self._census = census
        self._schedule = schedule
        self._events = events
        self._clock = clock

    def sent(self, tailer: Tailer, batch: Batch, start: int, records: int) -> None:
        """Take note that ``batch`` was sent, and tell of it."""
        if not batch.part:  # of a part it is the size that tells: no part of a last line waits for a silence of its own
            tailer.grew_at = self._clock()
        name = self._census.source
        if tailer.state is File.FINISHED:
            self._events.file_late(name, tailer.path, tailer.seen_as, records)
        inode, generation = tailer.file_id.ino, tailer.generation
        self._events.file_read(name, tailer.path, inode, generation, start, batch.end.offset)

    def changed(self, tailers: Sequence[Tailer]) -> None:
        """Have the checkpoints saved."""
        self._census.several_changed(tailers)

    def settled(self, tailers: Sequence[Tailer]) -> None:
        """Retire generations that are done, and have them closed."""
        for tailer in tailers:
            if tailer.fresh is not None and not tailer.fresh.behind:
                tailer.fresh = None  # nothing of it waits
            if tailer.state in DONE:
                self._census.retire(self._census.lineages[tailer.path])
                if tailer.reader is not None and not (tailer.linked and not tailer.compression):
                    self._schedule.now(tailer)  # it may be closed now

    def rewind(self, tailer: Tailer) -> None:
        """Read it again from its acked offset, before those that came after it."""
        lineage = self._census.lineages[tailer.path]
        lost = tailer.read.offset - tailer.track.acked.offset
        if tailer.state is File.LOST and lost:
            why = "gone before it was sent again"
            self._events.file_lost(self._census.source, tailer.path, tailer.generation, lost, why)
        tailer.rewind()
        tailer.event(FileEvent.REWOUND)
        if tailer.state not in DONE:
            lineage.revive(tailer)
        lineage.succeeded = False
        if tailer.state is File.LOST:
            self._census.retire(lineage)
        self._census.advance(lineage)
