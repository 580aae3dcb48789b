"""When files are looked at of whose writes the kernel does not tell: a beat, while there are such. Pump thread only.

What was written between two beats is read together and sent together, so the beat is what a busy directory costs, and
half of it is what a line waits. It gets longer where a look and the reading after it take much computing: no more than
a part of the time goes into it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from shipper.discovery import Discovery
from shipper.filesource import FileSource
from shipper.model import Clock

BEAT = 0.007  # seconds (docs/decisions/waking-up.md)
SHARE = 6  # times the computing of the last beat: the least between two of them ...
LONGEST = 0.03  # ... as far as this
SLACK = 0.0005  # seconds before a beat in which it is not worth to wait: the client waits for whole milliseconds


class Pulse:
    """The beat of one pump. ``sources`` may change."""

    def __init__(self, discovery: Discovery, sources: Mapping[str, FileSource], clock: Clock, cpu: Clock) -> None:
        self._discovery = discovery
        self._sources = sources
        self._clock = clock
        self._cpu = cpu  # the thread's: what others have of the time makes no beat longer
        self._on = False
        self._began = -math.inf
        self._cpu_began = 0.0
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
            self._next = self._clock() if on else math.inf
        for source in self._sources.values():
            if source.hot.on is not on:  # one that a reload has brought, too
                source.hot.turn(on=on)

    def beat(self, now: float) -> None:
        """Look, where it is time, and send what is found."""
        if now < self._next - SLACK:
            return
        # On time where it is not much too late: what was overslept is not added up.
        self._began = self._next if now - self._next < BEAT else now
        self._next = self._began + BEAT
        self._cpu_began = self._cpu()
        changed = self._discovery.glance()
        self.sync()
        for source in self._sources.values():
            source.hot.look()
            if changed:
                source.modified(changed)

    def worked(self) -> None:
        """Take note that what was found has been read and sent."""
        if self._next < math.inf:
            took = self._cpu() - self._cpu_began
            self._next = self._began + min(LONGEST, max(BEAT, SHARE * took))
