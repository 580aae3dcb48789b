"""Open files that belong to no generation, and the order in which unknown files are judged.

A file is loose from when its generation was parted from it, or it was found while nobody read, until it is decided what
it is: it may have no name any more by then, and is only there because it is open. Pump thread only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from shipper.files import PlainReader, matches
from shipper.filesource.census import Census
from shipper.model import FileId, Seen


class Loose:
    """The loose files of one source."""

    def __init__(self, census: Census) -> None:
        self._census = census
        self.nameless: set[FileId] = set()  # those that had no name when names were looked at
        self._readers: dict[FileId, PlainReader] = {}
        self._parted: list[Seen] = []  # what was found to hold other bytes while something else was judged
        self._kept: list[Seen] = []  # files that were held open since before it was known what is known of them
        self._elders: dict[FileId, set[FileId]] = {}  # of those that are kept: what was older than they

    def __contains__(self, file_id: FileId) -> bool:
        """Whether a file is open here."""
        return file_id in self._readers

    def hold(self, file_id: FileId, reader: PlainReader) -> None:
        """Keep a file open until it is decided what it is."""
        if (other := self._readers.pop(file_id, None)) is not None:
            other.close()
        self._readers[file_id] = reader

    def take(self, file_id: FileId) -> PlainReader | None:
        """Give a file away, if it is open here."""
        return self._readers.pop(file_id, None)

    def part(self, *files: Seen) -> None:
        """Take note of files that hold other bytes than their generations: they are to be judged, too."""
        self._parted += files

    def parted(self) -> list[Seen]:
        """Give away what is to be judged, too."""
        parted, self._parted = self._parted, []
        return parted

    def keep(self, one: Seen, reader: PlainReader, elders: set[FileId]) -> None:
        """Keep a file open until what is there at the start is taken in: it may have no name any more by then.

        ``elders``: what was older than it as long as it had one.
        """
        self._kept.append(one)
        self._elders[one.file_id] = elders
        self.hold(one.file_id, reader)

    def without_name(self, found: dict[FileId, Seen]) -> list[Seen]:
        """Return which of the files that are kept are unknown and not among those that were ``found``."""
        census = self._census
        kept, self._kept = self._kept, []
        unknown = [one for one in kept if one.file_id not in found and one.file_id not in census.by_id]
        for one in unknown:
            with contextlib.suppress(OSError):  # told when it is looked at, if that is to be done
                left = census.left.get(one.file_id)
                if left is not None and not matches(self._readers[one.file_id], left.fingerprint):
                    census.left.part(left)
        unknown = [one for one in unknown if one.file_id not in census.left]
        self.nameless |= {one.file_id for one in unknown}
        return unknown

    def gone(self, seen: Iterable[Seen], found: dict[FileId, Seen]) -> dict[FileId, Seen]:
        """Return which of the files that were ``seen`` are open, and not among those that were ``found`` after that.

        What was older then is so still, if it has no younger name: else another file has got its id.
        """
        ordered = self.in_order(seen)
        gone = {one.file_id: one for one in ordered if one.file_id in self and one.file_id not in found}
        self.nameless &= gone.keys()
        older: set[FileId] = set()
        for one in ordered:
            if one.file_id in gone and one.file_id not in self.nameless:
                self._elders[one.file_id] = set(older)
            there = found.get(one.file_id)
            if there is not None and there.path != there.base and there.rank <= one.rank:
                older.add(one.file_id)
        self.nameless |= gone.keys()
        return gone

    def in_order(self, waiting: Iterable[Seen]) -> list[Seen]:
        """Return the files of each path in their order: the rotated ones, oldest first, then the one that it names.

        Before them what is only there because it is open: it is older than what has a name, but for its elders.
        """
        nameless = self.nameless
        ordered = sorted(waiting, key=lambda s: (s.base, s.file_id not in nameless, s.path == s.base, s.rank, s.path))
        for one in [one for one in reversed(ordered) if one.file_id in nameless and self._elders.get(one.file_id)]:
            elders = self._elders[one.file_id]
            behind = max((place for place, other in enumerate(ordered) if other.file_id in elders), default=-1)
            if behind > (place := ordered.index(one)):
                ordered.insert(behind, ordered.pop(place))
        return ordered

    def hand_over(self) -> Iterator[tuple[Seen, PlainReader]]:
        """Give away what is open, and of which nothing is known yet; the oldest first."""
        for one in (*self._kept, *self.parted()):
            if (reader := self.take(one.file_id)) is not None:
                yield one, reader

    def close(self) -> None:
        """Let go of all: it is decided what they are, or nobody is to decide it any more."""
        self.nameless.clear()
        self._elders.clear()
        self._kept.clear()
        while self._readers:
            self._readers.popitem()[1].close()
