"""When files are looked at of whose writes the kernel does not tell: a beat, while there are such. Pump thread only.

What was written between two beats is read together and sent together, so the beat is what a busy directory costs, and
half of it is what a line waits. No more than a part of the time goes into it: where a look at all files and the reading
after it take much computing, each beat is for some of them, and the round over all gets longer, not the beat: what is
sent at a time stays small.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from shipper.discovery import Discovery
from shipper.filesource import FileSource
from shipper.model import Clock

BEAT = 0.006  # seconds (docs/decisions/waking-up.md)
SHARE = 6  # times the computing of the last round: the least for the next one ...
LONGEST = 0.1  # ... as far as this
SLACK = 0.0005  # seconds before a beat in which it is not worth to wait: the client waits for whole milliseconds


class Pulse:
    """The beat of one pump. ``sources`` may change."""

    def __init__(self, discovery: Discovery, sources: Mapping[str, FileSource], clock: Clock, cpu: Clock) -> None:
        self._discovery = discovery
        self._sources = sources
        self._clock = clock
        self._cpu = cpu  # the thread's: what others have of the time makes no beat longer
        self._on = False
        self._cpu_began: float | None = None  # when it has looked
        self._took = 0.0  # computing of this round
        self._left = 0  # beats of it that are still to come ...
        self._beat = BEAT  # ... and how long they are
        self._next = math.inf

    @property
    def due(self) -> float:
        """When the next look is due; infinite where the kernel tells of everything."""
        return self._next

    def sync(self) -> None:
        """Begin where a directory has gone quiet, end where none is any more."""
        on = self._discovery.busy
        if on != self._on:
            self._on = on
            self._left = 0
            self._next = self._clock() if on else math.inf
        for source in self._sources.values():
            if source.hot.on is not on:  # one that a reload has brought, too
                source.hot.turn(on=on)

    def beat(self, now: float) -> None:
        """Look, where it is time, and send what is found."""
        if now < self._next - SLACK:
            return
        self._cpu_began = self._cpu()
        # On time where it is not much too late: what was overslept is not added up.
        due = self._next if now - self._next < BEAT else now
        changed, rewritten = self._discovery.glance()
        self.sync()
        if not self._left:
            self._begin_round()
        if self._on:
            self._next = due + self._beat
        for source in self._sources.values():
            source.hot.look(self._left)
            if changed:
                source.modified(changed, grown=True)
            if rewritten:
                source.modified(rewritten)
        self._left -= 1

    def _begin_round(self) -> None:
        duration = min(LONGEST, max(BEAT, SHARE * self._took))
        self._left = int(duration / BEAT)
        self._beat = duration / self._left
        self._took = 0.0

    def worked(self) -> None:
        """Take note that what was found has been read and sent."""
        if self._cpu_began is not None:
            self._took += self._cpu() - self._cpu_began
            self._cpu_began = None
