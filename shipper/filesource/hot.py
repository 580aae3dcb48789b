"""Files that grow all the time, in directories of whose writes the kernel does not tell: looked at on a beat.

To ask for a size costs a hundredth of what an event does. A file is hot from when it was read until it has not grown
for :data:`LOOKS`; the others are found by ``discovery.quiet``, within a second. Pump thread only.
"""

from __future__ import annotations

from collections.abc import Callable

from shipper.files import PlainReader
from shipper.filesource.census import Census
from shipper.model import Clock
from shipper.tailer import Tailer

WARM = 2.0  # seconds since it grew for which a file is taken for hot when its directory goes quiet
LOOKS = 300  # without growth, after which it is not


class Hot:
    """The hot files of one source. ``on``: there may be any; a file that is read is one from then on."""

    def __init__(self, census: Census, clock: Clock, tell: Callable[[dict[Tailer, int]], list[Tailer]]) -> None:
        self.on = False
        self._census = census
        self._tell = tell  # of those that have another size, and which; returns which of them were read at once
        self._clock = clock
        self._files: dict[Tailer, int] = {}  # with the look at which each had grown last
        self._looks = 0

    def turn(self, *, on: bool) -> None:
        """Begin, or end."""
        self.on = on
        if not on:
            self._files.clear()

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

    def look(self) -> bool:
        """Have those read that have grown; returns whether any were read at once."""
        looks = self._looks = self._looks + 1
        cold: list[Tailer] = []
        sizes: dict[Tailer, int] = {}
        for tailer, at in self._files.items():
            reader = tailer.reader
            if not isinstance(reader, PlainReader) or looks - at > LOOKS:
                cold.append(tailer)
                continue
            try:
                size = reader.size()
            except OSError:
                cold.append(tailer)  # told when it is read
                continue
            if size != tailer.size:
                sizes[tailer] = size
        for tailer in cold:
            del self._files[tailer]
        if not sizes:
            return False
        read = self._tell(sizes)
        for tailer in read:
            self._files[tailer] = looks
        return bool(read)
