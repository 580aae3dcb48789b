"""Files held open while nobody reads them: until brokers say what was committed, or from one source to its next.

Nothing of them is read. But an open descriptor is all that keeps the bytes of a file that is deleted meanwhile, and its
id from being given to another one. Pump thread only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shipper.files import BROKEN, Files, PackedReader, PlainReader, matches
from shipper.filesource.descriptors import Descriptors
from shipper.filesource.reuse import is_still
from shipper.model import FileId, Observation, Seen
from shipper.paths import Trust
from shipper.tailer import Tailer


class Holding:
    """Open files by their id, at most ``limit``."""

    def __init__(self, files: Files, limit: int) -> None:
        self._files = files
        self._limit = limit
        self._held: dict[FileId, PlainReader] = {}
        self._seen: dict[str, dict[FileId, Seen]] = {}  # by source: the last name of each that is held
        self._names: dict[str, _Names] = {}  # by source
        # Of sources that went before, by source and uid: what is known beyond the checkpoints, and the open files.
        self._sure: dict[tuple[str, str], int] = {}
        self._kept: dict[tuple[str, str], PlainReader | PackedReader] = {}

    def observe(self, observation: Observation, trust: Trust) -> None:
        """Hold what a source has seen, as far as the limit allows; what cannot be opened is told in its turn."""
        files = self._files.trusting(trust)
        seen = self._seen.setdefault(observation.source, {})
        names = []
        for one in observation.seen:
            if not one.adoptable:
                continue
            if not one.compression and (file_id := self._hold(one, files)) is not None:
                one = seen[file_id] = one._replace(file_id=file_id)
            names.append(one)
        self._names.setdefault(observation.source, _Names()).note(names, observation)

    def _hold(self, one: Seen, files: Files) -> FileId | None:
        """Return the id under which a file is held now; None where it is not."""
        if one.file_id in self._held:
            return one.file_id
        if len(self._held) >= self._limit:
            return None
        try:
            reader = PlainReader(files, files.open(one.path))
        except BROKEN:
            return None
        # Under whatever id it has by now: what had the other one is gone, or is seen under its new name.
        try:
            file_id = reader.stat().file_id
        except OSError:
            reader.close()
            return None
        if file_id in self._held:
            reader.close()
        else:
            self._held[file_id] = reader
        return file_id

    def keep(self, tailers: Iterable[Tailer], descriptors: Descriptors) -> None:
        """Take the open files of generations that nobody reads any more, for those that go on with them."""
        for tailer in tailers:
            self._sure[tailer.source, tailer.uid] = tailer.sure
            reader = descriptors.hand_over(tailer)
            if reader is not None:
                self._kept[tailer.source, tailer.uid] = reader

    def keep_unknown(self, source: str, one: Seen, reader: PlainReader) -> None:
        """Take an open file of which that source does not know yet what it is, for :meth:`rest` of its next one."""
        if one.file_id in self._held:
            reader.close()
        else:
            self._held[one.file_id] = reader
        self._seen.setdefault(source, {})[one.file_id] = one

    def hand_over(self, tailers: Iterable[Tailer], descriptors: Descriptors) -> None:
        """Give each of ``tailers`` its file, if it has unread bytes and still holds what was read of it."""
        for tailer in tailers:
            tailer.sure = self._sure.pop((tailer.source, tailer.uid), tailer.sure)
            if (kept := self._kept.pop((tailer.source, tailer.uid), None)) is not None:
                self._go_on(tailer, kept, descriptors)
                continue
            reader, one = self._held.get(tailer.file_id), self._seen.get(tailer.source, {}).get(tailer.file_id)
            if reader is None or one is None or tailer.compression or tailer.detached or tailer.reader is not None:
                continue
            if not tailer.head_len and not is_still(self._files, descriptors, tailer, one):
                continue  # of its bytes nothing is known that could tell whether the id is another file's now
            try:
                unread = reader.stat().size > tailer.read.offset
                known = unread and matches(reader, tailer.fingerprint(tailer.read))
            except BROKEN:
                continue  # told when its turn comes
            if known and descriptors.room():
                tailer.adopt(self._held.pop(tailer.file_id), tailer.seen_as, tailer.file_id, "")
                descriptors.adopted(tailer)

    @staticmethod
    def _go_on(tailer: Tailer, kept: PlainReader | PackedReader, descriptors: Descriptors) -> None:
        """Let a generation go on with the file that it had before, however many are open: so many were.

        That it has changed is noticed when it is read.
        """
        if tailer.detached:
            kept.close()
            return
        sure = tailer.sure
        try:
            tailer.adopt(kept, tailer.seen_as, tailer.file_id, tailer.compression)
        except BROKEN:  # told when its turn comes
            tailer.reader = None
            kept.close()
            return
        tailer.sure = sure
        descriptors.adopted(tailer)

    def rest(self, source: str) -> Iterator[tuple[Seen, PlainReader, set[FileId]]]:
        """Give away what a source's generations have not taken, with the name that it had last, the first seen first.

        With the ids of those that are older: they had names of rotated files while it had its name.
        """
        names = self._names.pop(source, _Names())
        for file_id, one in self._seen.pop(source, {}).items():
            if (reader := self._held.pop(file_id, None)) is not None:
                yield one, reader, names.elders(one)

    def close(self) -> None:
        """Let go of what nobody has taken."""
        held, self._held = self._held, {}
        kept, self._kept = self._kept, {}
        self._sure.clear()
        for reader in (*held.values(), *kept.values()):
            reader.close()


class _Names:
    """Which names the files of one source have, and which of them were older than one that has lost its name."""

    def __init__(self) -> None:
        self._now: dict[bytes, Seen] = {}
        self._of_base: dict[bytes, dict[bytes, Seen]] = {}
        self._elders: dict[FileId, set[FileId]] = {}  # of what has lost its name

    def note(self, seen: Iterable[Seen], observation: Observation) -> None:
        """Take note of what has got names, and lost them."""
        names = {one.path: one for one in seen}
        ids = {one.file_id for one in names.values()}
        gone = self._now.keys() if observation.complete else observation.gone & self._now.keys()
        lost = [self._now[path] for path in (names.keys() & self._now.keys()) | gone]
        for one in lost:
            if one.file_id not in ids:
                self._elders[one.file_id] = self._older(one)
        for one in lost:
            del self._now[one.path], self._of_base[one.base][one.path]
        for one in names.values():
            self._now[one.path] = self._of_base.setdefault(one.base, {})[one.path] = one

    def elders(self, one: Seen) -> set[FileId]:
        """Return which files were older than one when it was seen last."""
        named = self._now.get(one.path)
        if named is not None and named.file_id == one.file_id:
            return self._older(one)
        return self._elders.get(one.file_id, set())

    def _older(self, one: Seen) -> set[FileId]:
        place = one.path == one.base, one.rank
        others = self._of_base.get(one.base, {}).values()
        return {other.file_id for other in others if (other.path == other.base, other.rank) < place}
