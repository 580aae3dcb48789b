"""Files that grow all the time, in directories of whose writes the kernel does not tell: looked at on a beat.

To ask for a size costs a hundredth of what an event does. A file is hot from when it was read until it has not grown
for :data:`WARM`; the others are found by ``discovery.quiet``, within a second. Where many are hot each look is at a
part of them, one after the other. That a hot file seems to have grown, as others see it, is left until it has cooled
down. Pump thread only.
"""

from __future__ import annotations

from collections.abc import Callable

from shipper.files import PlainReader
from shipper.filesource.census import Census
from shipper.model import Clock
from shipper.tailer import Tailer

WARM = 2.0  # seconds since it was last seen to have grown


class Hot:
    """The hot files of one source. ``on``: there may be any; a file that is read is one from then on.

    ``grown`` is told of those that have another size, and which; it returns which of them were read at once.
    ``cooled`` is told of those that are not hot any more and that somebody has to look into.
    """

    def __init__(
        self,
        census: Census,
        clock: Clock,
        grown: Callable[[dict[Tailer, int]], list[Tailer]],
        cooled: Callable[[list[Tailer]], None],
    ) -> None:
        self.on = False
        self._census = census
        self._grown = grown
        self._cooled = cooled
        self._clock = clock
        self._files: dict[Tailer, float] = {}  # and when each had grown last
        self._said: set[Tailer] = set()  # those of them that seem to have grown, as others see it
        self._turns: list[Tailer] = []  # those of them that have not been looked at in this round

    def turn(self, *, on: bool) -> None:
        """Begin, or end: then the kernel tells of every write again, and what was said meanwhile is looked into."""
        self.on = on
        if not on:
            said = [tailer for tailer in self._files if tailer in self._said]
            for tailer in self._files:
                tailer.tail = None
            self._files.clear()
            self._said.clear()
            self._turns.clear()
            if said:
                self._cooled(said)

    def read(self, tailer: Tailer) -> None:
        """Take note that something was read of a file."""
        if self.on:
            self._files[tailer] = self._clock()

    def modified(self, paths: set[bytes], *, grown: bool = False) -> set[bytes]:
        """Take note of names whose bytes may have changed: a file is hot from now on if it grew lately.

        ``grown``: most likely there are more of them. Returns the names of hot files that are left for later then. Not
        of rotated ones: these may have been copied over.
        """
        if not self.on:
            return set()
        by_name, files, now = self._census.by_name, self._files, self._clock()
        later: set[bytes] = set()
        for path in sorted(by_name.keys() & paths):
            tailer = by_name[path]
            if tailer in files:
                if grown and path == tailer.path:
                    later.add(path)
                    self._said.add(tailer)
            elif tailer.grew_at >= now - WARM and tailer.reader is not None:
                files[tailer] = now
        return later

    def look(self, left: int = 1) -> bool:
        """Have those read that have grown; returns whether any were read at once.

        ``left``: so many looks, with this one, are to be at all that have not been looked at in this round.
        """
        files, now = self._files, self._clock()
        self._turns = self._turns or list(files)
        rest = len(self._turns) * (left - 1) // left
        turns, self._turns = self._turns[rest:], self._turns[:rest]
        cold: list[Tailer] = []
        doubtful: list[Tailer] = []
        sizes: dict[Tailer, int] = {}
        for tailer in turns:
            reader = tailer.reader
            if not isinstance(reader, PlainReader):  # it gave way, or is compressed
                (doubtful if tailer in self._said else cold).append(tailer)
                continue
            try:
                size = reader.size()
            except OSError:
                doubtful.append(tailer)  # told when it is read
                continue
            if size != tailer.size:
                sizes[tailer] = size
            elif now - files[tailer] > WARM:
                (doubtful if tailer in self._said else cold).append(tailer)
        read = self._grown(sizes) if sizes else []
        for tailer in read:
            files[tailer] = now
        cold += [tailer for tailer in sizes if now - files[tailer] > WARM]  # cannot be read, and somebody was told
        for tailer in (*cold, *doubtful):
            tailer.tail = None  # there may be very many files that rest
            del files[tailer]
            self._said.discard(tailer)
        if doubtful:
            self._cooled(doubtful)
        return bool(read)
