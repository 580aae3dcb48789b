"""Files that grow all the time, in directories of whose writes the kernel does not tell: looked at on a beat.

To ask for a size costs a hundredth of what an event does. A file is hot from when it was read until it has not grown
for :data:`LOOKS` at it; the others are found by ``discovery.quiet``, within a second. Where many are hot each look is
at a part of them, one after the other. Pump thread only.
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
        self._files: dict[Tailer, int] = {}  # with the round in which each had grown last
        self._rounds = 0
        self._turns: list[Tailer] = []  # those of them that have not been looked at in this one

    def turn(self, *, on: bool) -> None:
        """Begin, or end."""
        self.on = on
        if not on:
            self._files.clear()
            self._turns.clear()

    def read(self, tailer: Tailer) -> None:
        """Take note that something was read of a file."""
        if self.on:
            self._files[tailer] = self._rounds

    def modified(self, paths: set[bytes]) -> None:
        """Take note of names whose bytes may have changed: those that grew lately are hot."""
        if self.on:
            by_name, since = self._census.by_name, self._clock() - WARM
            for path in sorted(by_name.keys() & paths):
                tailer = by_name[path]
                if tailer.grew_at >= since and tailer.reader is not None:
                    self._files[tailer] = self._rounds

    def look(self, left: int = 1) -> bool:
        """Have those read that have grown; returns whether any were read at once.

        ``left``: so many looks, with this one, are to be at all that have not been looked at in this round.
        """
        if not self._turns:
            self._rounds += 1
            self._turns = list(self._files)
        rounds, files = self._rounds, self._files
        rest = len(self._turns) * (left - 1) // left
        turns, self._turns = self._turns[rest:], self._turns[:rest]
        sizes: dict[Tailer, int] = {}
        for tailer in turns:
            reader = tailer.reader
            if not isinstance(reader, PlainReader) or rounds - files[tailer] > LOOKS:
                del files[tailer]
                continue
            try:
                size = reader.size()
            except OSError:
                del files[tailer]  # told when it is read
                continue
            if size != tailer.size:
                sizes[tailer] = size
        if not sizes:
            return False
        read = self._tell(sizes)
        for tailer in read:
            files[tailer] = rounds
        return bool(read)
