"""How a file ends: whether the end of what was read is the end of its generation, and when it is let go of.

A generation is finished when it cannot grow any more, or when it has been read once more after its successor's first
byte was seen. A last line without an end is sent then, after a silence. Pump thread only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from shipper.events import Events
from shipper.filesource.census import Census
from shipper.filesource.descriptors import Descriptors
from shipper.filesource.lineage import Lineage
from shipper.lifecycle import File, FileEvent
from shipper.model import Clock
from shipper.source.delivery import Delivery
from shipper.source.schedule import Schedule
from shipper.tailer import Batch, Place, Tailer


class Endings:
    """Ends the generations of one source; ``send`` is called with a last line, and the place where it was read.

    It returns False where nothing was sent: the file waits for a topic then, and is read again.
    """

    def __init__(
        self,
        census: Census,
        schedule: Schedule[Tailer],
        descriptors: Descriptors,
        delivery: Delivery,
        events: Events,
        clock: Clock,
        *,
        send: Callable[[Tailer, Batch, Place], bool],
        silence: float,
    ) -> None:
        self.name = census.source
        self._census = census
        self._schedule = schedule
        self._descriptors = descriptors
        self._delivery = delivery
        self._events = events
        self._clock = clock
        self._send = send
        self._silence = silence  # seconds without growth after which nobody is expected to end a line any more

    def ended(self, tailer: Tailer, lineage: Lineage) -> None:
        """Decide, where a read came to the end of the file, whether that is the end of the generation."""
        now = self._clock()
        self._note_size(tailer, now)
        if tailer.fresh is not None:
            tailer.fresh.ended(now, tailer.read.offset, tailer.track.acked.offset)
            if tailer.settled:
                tailer.fresh = None  # nothing of it waits
        tailer.event(FileEvent.END)
        if self._send_open(tailer, lineage, now):
            return
        if tailer.state is File.FINISHED:
            has_name = self._census.by_name.get(tailer.path) is tailer  # a restored file, which may grow
            if has_name or not self._send_last(tailer, now):
                self._close_finished(tailer, now)
            return
        successor = lineage.successor(tailer)
        if successor is None:
            if tailer.linked and not tailer.compression:
                return  # idle: it may grow
        elif not lineage.succeeded:
            if any(self._has_bytes(one) for one in lineage.successors(tailer)):  # the next one may stay empty for ever
                lineage.succeeded = True
                self._schedule.now(tailer)  # once more, now that a successor's first byte was seen
            return
        if (successor is None and not self._silent(tailer, now)) or self._send_last(tailer, now):
            return
        tailer.event(FileEvent.REPLACED)
        tailer.event(FileEvent.DONE)
        self._events.file_finished(self.name, tailer.path, tailer.generation, tailer.read.offset)
        self._census.changed(tailer)
        self._close_finished(tailer, now)
        self._census.retire(lineage)
        self._census.advance(lineage)

    def _send_open(self, tailer: Tailer, lineage: Lineage, now: float) -> bool:
        """Send an event that may go on, after a silence; whether there is one, sent or still waited for.

        In a file that can no longer grow it waits for an unended last line, which may belong to it.
        """
        if not tailer.may_go_on or tailer.compression:
            return False
        if tailer in lineage.gens:
            may_grow = tailer.linked and lineage.successor(tailer) is None
        else:
            may_grow = self._census.by_name.get(tailer.path) is tailer
        if not may_grow and tailer.partial > tailer.may_go_on:
            return False
        due = tailer.grew_at + tailer.framer.timeout
        if now < due:
            self._schedule.later(tailer, due)
            return True
        before = tailer.place
        if self._delivery.held or (event := tailer.take_open()) is None or self._send(tailer, event, before):
            self._schedule.now(tailer)
        return True

    def _send_last(self, tailer: Tailer, now: float) -> bool:
        """Send the unended last line of a file that can no longer grow; whether there is one, sent or still waited for.

        A compressed file does not tell by its size whether there is one.
        """
        if not (tailer.partial or tailer.part or tailer.compression):
            return False
        if not self._silent(tailer, now):
            return True
        if self._delivery.held:  # what was sent just now may be refused
            self._schedule.now(tailer)
            return True
        before = tailer.place
        last = tailer.take_last()
        if last is None and tailer.at_end:
            return False
        if last is None:  # it is long, and its end is still looked for
            self._schedule.now(tailer)
            return True
        if self._send(tailer, last, before):
            self._schedule.now(tailer)
        return True

    def _note_size(self, tailer: Tailer, now: float) -> None:
        """Take note of how the file was when read to its end: larger or shorter than known, or without a name."""
        assert tailer.reader is not None
        stat = tailer.stat or tailer.reader.stat()
        tailer.stat = None
        tailer.linked = stat.links > 0
        if not tailer.compression:
            if stat.size > tailer.size:
                self._schedule.now(tailer)
            elif stat.size < tailer.size:
                lost = tailer.size - max(stat.size, tailer.read.offset)
                if lost > 0:
                    why = "truncated before it was read to its end"
                    self._events.file_lost(self.name, tailer.path, tailer.generation, lost, why)
                tailer.size = stat.size
                tailer.sure = min(tailer.sure, tailer.size)  # what is gone has been told
        if tailer.size != tailer.quiet_size:
            tailer.quiet_size = tailer.size
            tailer.grew_at = now

    def _silent(self, tailer: Tailer, now: float) -> bool:
        """Whether it has not grown for so long; looks again at that time if not."""
        due = tailer.grew_at + self._silence
        if now >= due or tailer.compression:
            return True
        self._schedule.later(tailer, due)
        return False

    def _has_bytes(self, tailer: Tailer) -> bool:
        """Whether the first byte of a generation has been seen, though the file may have been truncated since."""
        if tailer.size or tailer.head_len or tailer.compression or tailer.detached:
            return True
        try:
            with self._descriptors.borrow(tailer) as opened:
                if not opened:
                    return False
                assert tailer.reader is not None
                tailer.size = tailer.reader.stat().size
                with contextlib.suppress(OSError):  # told when its turn comes
                    tailer.learn(tailer.reader)  # else its copy would not be known, should it be truncated soon
        except OSError:
            return False
        self._census.unpinned[tailer] = None
        return tailer.size > 0

    def _close_finished(self, tailer: Tailer, now: float) -> None:
        """Let go of a finished file that has no name, once its writer has been silent."""
        if tailer.linked and not tailer.compression:
            return  # kept open for what comes late, until another needs the descriptor
        if not tailer.settled:
            return  # it may have to be read again; looked at when it is acknowledged
        if self._silent(tailer, now):
            self._descriptors.close(tailer)
            if not tailer.linked:
                self._census.unbind(tailer)
                self._census.gone(tailer, now)
