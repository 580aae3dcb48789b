"""What was sent of one source and is not settled yet, and what follows from what the brokers say of it.

Something that was not taken stops its source: nothing more is read (I3), and when nothing of it is in flight any more
all of its streams go back to their acked positions, to be sent again. A batch that was refused is narrowed down
(``pace``) to the record that it was refused for; what may be refused is on trial, and nothing follows before it is
settled. With transactions the commit or the abort says what became of everything. Pump thread only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shipper.events import Events
from shipper.ledger import Ledger, Position
from shipper.model import Clock
from shipper.source.pace import Pace
from shipper.source.protocol import Keeper, Stream

REFUSED_LAST = 60.0  # seconds between tries of what is not taken, at most


class Delivery:
    """What became of what one source has sent."""

    def __init__(self, name: str, keeper: Keeper, ledger: Ledger, events: Events, clock: Clock) -> None:
        self.name = name
        self._keeper = keeper
        self._ledger = ledger
        self._events = events
        self._clock = clock
        self.unsettled: dict[Stream, None] = {}  # those of which something was sent and is not acknowledged
        self._begun: dict[Stream, None] = {}  # those in the middle of a line, acknowledged or not, and some that were
        self.rewinding = False
        self.delivered = 0  # records that were acknowledged since the start
        self.blocked = ""  # where a record stands that was refused for good and cannot be passed over, and why
        self.remedy = ""  # and what to do about it
        self.pace = Pace()
        self._trial = False  # what was sent last may be refused: nothing follows before it is settled
        self._backoff = 0.0
        self._resume_at = 0.0
        # With transactions: the parts of lines that are safe in the dead letters, until a commit has passed them.
        self._buried: dict[tuple[str, int, int], dict[int, Position]] = {}

    # --- may it go on? -----------------------------------------------------------------------------------------------

    @property
    def held(self) -> bool:
        """Whether nothing may be read now: before a rewind, or while a chunk is on trial."""
        if self.rewinding:
            return True
        if not self.unsettled or not (self.pace.limit > 0 or self._trial):
            return False
        if self._ledger.transactional and self.inside_line:
            return self.reports_due  # a line is committed whole: the next part follows when this one was taken
        return True

    @property
    def inside_line(self) -> bool:
        """Whether some parts or records of a line have been sent, and more of them are to come: not of what is gone."""
        return not self.rewinding and any(True for _ in self.inside())

    def inside(self) -> Iterator[Any]:
        """Yield the streams of whose line some parts or records have been sent, and more of them are to come."""
        return filter(self.is_inside, self._begun)

    def is_inside(self, stream: Stream) -> bool:
        """Whether ``stream`` is one of them."""
        return stream in self._begun and bool(stream.part or stream.record) and not stream.gone

    @property
    def on_trial(self) -> bool:
        """Whether what was sent may be refused, and nothing else may be in its batch."""
        return self.pace.limit > 0 and bool(self.unsettled) and not self.rewinding

    @property
    def reports_due(self) -> bool:
        """Whether a delivery report is still to come."""
        return any(stream.track.in_flight for stream in self.unsettled)

    @property
    def drained(self) -> bool:
        """Whether nothing that was sent can still be settled: what is left was not taken."""
        if self._ledger.transactional:
            return all(stream.track.idle for stream in self.unsettled)
        return not self.reports_due

    @property
    def waiting(self) -> bool:
        """Whether it waits for what becomes of a record that was refused for good."""
        return self.rewinding and math.isinf(self._resume_at)

    @property
    def undelivered(self) -> int:
        """How many records were sent and are not acknowledged, or stand behind one that was not taken."""
        return sum(chunk.records for stream in self.unsettled for chunk in stream.track.chunks)

    @property
    def due(self) -> float:
        """When :meth:`try_rewind` may have work next."""
        return self._resume_at if self.rewinding else math.inf

    # --- what was sent -----------------------------------------------------------------------------------------------

    def sent(self, stream: Stream, *, trial: bool = False) -> None:
        """Take note that a chunk of ``stream`` was sent, or passed over; ``trial``: it may be refused."""
        self.unsettled[stream] = None
        self._trial = self._trial or trial
        if not (stream.part or stream.record):
            if self._begun:
                self._begun.pop(stream, None)
        elif stream not in self._begun:
            self._begun = dict.fromkeys([*self.inside(), stream])

    def sent_all(self, streams: list[Any]) -> None:
        """Take note that a chunk of each was sent, and nothing of it that is no whole line, or may be refused."""
        self.unsettled.update(dict.fromkeys(streams))
        if self._begun:
            for stream in streams:
                self._begun.pop(stream, None)

    @property
    def careful(self) -> bool:
        """Whether records may have to be passed over, or go alone."""
        return bool(self._buried or self.pace.limit)

    def buried(self, stream: Stream, offset: int) -> Mapping[int, Position]:
        """Return which parts of the line at ``offset`` are passed over, none most often, and where each one ended."""
        return self._buried.get((stream.uid, stream.generation, offset), {}) if self._buried else {}

    # --- what the brokers say ----------------------------------------------------------------------------------------

    def acked(self, streams: Sequence[Stream], *, saved: bool = False) -> None:
        """Take note that acked positions have moved; ``saved``: and that their checkpoints say so already."""
        if self.pace.limit:
            for _ in streams:
                self.pace.taken()
        self._passed(streams, saved=saved)

    def passed(self, stream: Stream) -> None:
        """Take note that a stream's acked position has moved over a dead letter."""
        self._passed([stream], saved=False)

    def _passed(self, streams: Sequence[Stream], *, saved: bool) -> None:
        """Take note that acked positions have moved."""
        records = 0
        settled: list[Stream] = []
        unsettled = self.unsettled
        for stream in streams:
            track = stream.track
            records += track.resolved
            track.resolved = 0
            if self._buried:
                self._unbury(stream)
            if not track.chunks and stream.settled:
                settled.append(stream)
                unsettled.pop(stream, None)
        self.delivered += records
        self._backoff = 0.0
        self.blocked = ""
        if not self.unsettled:
            self._trial = False
        if not saved:
            self._keeper.changed(streams)
        self._keeper.settled(settled)
        self._events.records_acked(self.name, records)

    def _unbury(self, stream: Stream) -> None:
        """Forget which parts were safe in the dead letters of what is acknowledged."""
        for place in [p for p in self._buried if p[:2] == (stream.uid, stream.generation)]:
            if place[2] < stream.track.acked.offset:
                del self._buried[place]

    def refuse(self, delay: float) -> None:
        """Stop, as something was not taken; rewind when nothing is in flight any more, after a growing pause."""
        if not self.rewinding:
            self.rewinding = True
            self._backoff = min(max(delay, self._backoff * 2), REFUSED_LAST)
            self._resume_at = self._clock() + self._backoff

    def narrow(self, size: int, delay: float) -> None:
        """Stop, as a batch was refused: rewind, and send what was a chunk of ``size`` bytes in smaller ones.

        The pause does not grow, for this comes to its end: at a single record.
        """
        if not self.rewinding:
            self.pace.refused(size)
            self.rewinding = True
            self._resume_at = self._clock() + delay

    def block(self, delay: float, why: str, remedy: str) -> None:
        """Stop before a record that was refused for good and may not be passed over; it is tried again."""
        self.blocked, self.remedy = why, remedy
        if self.waiting:
            self.rewinding = False
        self.refuse(delay)

    def wait(self) -> None:
        """Stop before a record that was refused for good, until :meth:`bury` or :meth:`block` says what becomes of it.

        For transactions: what was sent goes with the one that is aborted.
        """
        self.rewinding = True
        self._resume_at = math.inf

    def bury(self, uid: str, generation: int, offset: int, part: int, end: Position) -> bool:
        """Pass over a part of a line that is safe in the dead letters, up to ``end``; returns whether that is news.

        For transactions: the next commit passes it.
        """
        parts = self._buried.setdefault((uid, generation, offset), {})
        news = part not in parts
        parts[part] = end
        if self.waiting:
            self._resume_at = self._clock()
        return news

    # --- once more ---------------------------------------------------------------------------------------------------

    def try_rewind(self) -> bool:
        """Rewind, if it is time and nothing of this source is in flight; returns whether it did."""
        if not self.rewinding or self._clock() < self._resume_at:
            return False
        if self.reports_due:
            return False
        self._rewind()
        return True

    def give_up(self) -> None:
        """Forget what was not taken; whoever goes on from the acked offsets sends it again."""
        for stream in self.unsettled:
            self._ledger.void(stream.track)
        self.unsettled.clear()

    def void(self) -> None:
        """Rewind at once: the client is gone with all that it had in flight."""
        for stream in self.unsettled:
            self._ledger.void(stream.track)
        self._rewind()

    def aborted(self) -> None:
        """Rewind, for the transaction is gone; where something was refused, after the pause that follows from it."""
        for stream in self.unsettled:
            self._ledger.void(stream.track)
        if self.unsettled and not self.rewinding:
            self._rewind()

    def _rewind(self) -> None:
        self._events.source_rewound(self.name, len(self.unsettled))
        for stream in self.unsettled:
            self._keeper.rewind(stream)
        self.unsettled.clear()
        self._trial = False
        self.rewinding = False
