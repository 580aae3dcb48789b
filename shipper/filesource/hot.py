"""Files that grow all the time, in directories of whose writes the kernel does not tell: looked at on a beat.

``fstat`` costs a fortieth of what an event does. A file is hot from when it was read until it has not grown for
:data:`LOOKS`; the others are found by ``discovery.quiet``, within a second. Pump thread only.
"""

from __future__ import annotations

from collections.abc import Callable

from shipper.filesource.census import Census
from shipper.model import Clock
from shipper.tailer import Tailer

WARM = 2.0  # seconds since it grew for which a file is taken for hot when its directory goes quiet
LOOKS = 300  # without growth, after which it is not


class Hot:
    """The hot files of one source. ``on``: there may be any; a file that is read is one from then on."""

    def __init__(self, census: Census, clock: Clock, tell: Callable[[list[Tailer]], None]) -> None:
        self.on = False
        self._census = census
        self._tell = tell  # of those that have grown
        self._clock = clock
        self._files: dict[Tailer, int] = {}  # with the look at which each had grown last
        self._looks = 0
        self._grown: list[Tailer] = []  # to be read in this round

    def turn(self, *, on: bool) -> None:
        """Begin, or end."""
        self.on = on
        if not on:
            self._files.clear()
            self.rest()

    def read(self, tailer: Tailer) -> None:
        """Take note that something was read of a file."""
        if self.on:
            self._files[tailer] = self._looks

    def modified(self, paths: set[bytes]) -> None:
        """Take note of names whose bytes may have changed: those that grew lately are hot."""
        if self.on:
            by_name, since = self._census.by_name, self._clock() - WARM
            for path in sorted(by_name.keys() & paths):
                tailer = by_name[path]
                if tailer.grew_at >= since and tailer.reader is not None:
                    self._files[tailer] = self._looks

    def look(self) -> None:
        """Have those read that have grown."""
        self._looks += 1
        cold, grown = [], []
        for tailer, at in self._files.items():
            reader = tailer.reader
            if reader is None or self._looks - at > LOOKS:
                cold.append(tailer)
                continue
            try:
                stat = reader.stat()
            except OSError:
                cold.append(tailer)  # told when it is read
                continue
            if stat.size != tailer.size and not tailer.compression:
                tailer.glimpse = stat
                grown.append(tailer)
        for tailer in cold:
            del self._files[tailer]
        if grown:
            self._grown += grown
            self._tell(grown)

    def rest(self) -> None:
        """Take note that a round has ended: what was seen in it is old by the next one."""
        for tailer in self._grown:
            tailer.glimpse = None
        self._grown.clear()
