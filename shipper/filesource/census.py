"""The files that one source knows: under which id and name each generation is, and what of that is to be saved.

A file that is known and read has a tailer; one that is known and not read (there at the first scan, or a copy) has only
its checkpoint in ``left``. Every change of what a checkpoint says is noted here. Pump thread only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter

from shipper.config import FileConfig
from shipper.discovery.rotation import rank
from shipper.discovery.rules import Watched
from shipper.events import Events
from shipper.files import leads_to
from shipper.filesource import framers
from shipper.filesource.descriptors import Descriptors
from shipper.filesource.left import FORGET_AFTER, Left
from shipper.filesource.lineage import DONE, Hold, Lineage
from shipper.filesource.namesakes import Namesakes
from shipper.filesource.unsaved import Unsaved
from shipper.lifecycle import File, FileEvent
from shipper.model import Checkpoint, FileId, FileState, Observation, Seen, new_uid
from shipper.records import Naming
from shipper.source.schedule import Schedule
from shipper.tailer import Tailer

KEEP_PAST = 64  # finished generations of one path whose fingerprints are kept although they are gone


class Census:
    """The generations of one source, by path, by file id and by name."""

    def __init__(
        self, config: FileConfig, naming: Naming, descriptors: Descriptors, schedule: Schedule[Tailer], events: Events
    ) -> None:
        self.source = config.name
        self.lineages: dict[bytes, Lineage] = {}
        self.by_id: dict[FileId, Tailer] = {}
        self.by_name: dict[bytes, Tailer] = {}
        self.also: dict[FileId, bytes] = {}  # another name under which a file was seen
        self.adrift: dict[Tailer, None] = {}  # open, and under no name that we watch
        self.unpinned: dict[Tailer, None] = {}  # to be opened soon: an open file cannot get lost
        self.unsure: dict[Tailer, None] = {}  # found while names were changing: their order is not sure
        self._displaced: dict[Tailer, None] = {}  # whose names others have got, and that may be gone
        self._namesakes: Namesakes | None = None  # the paths of lineages, from when somebody asks for them
        self._max_line = config.max_line
        self._framer = framers.build(config)
        self._splits = config.on_long_line == "split"
        self._trust = Watched.of(config).trust
        self._naming = naming
        self._descriptors = descriptors
        self._schedule = schedule
        self._events = events
        self._unsaved = Unsaved()
        self.left = Left(config.name, self._unsaved)
        self._gone_since: dict[str, float] = {}

    # --- generations -------------------------------------------------------------------------------------------------

    def lineage(self, path: bytes) -> Lineage:
        """Return the lineage of ``path``, new where there is none."""
        lineage = self.lineages.get(path)
        if lineage is None:
            lineage = self.lineages[path] = Lineage(path)
            if self._namesakes is not None:
                self._namesakes.add(path)
        return lineage

    def namesakes(self, name: bytes) -> tuple[bytes, ...]:
        """Return the paths of the lineages whose last component is ``name``, in whatever directories.

        None where there are many: a name that every directory has tells nothing.
        """
        if self._namesakes is None:
            self._namesakes = Namesakes(self.lineages)
        return self._namesakes.of(name)

    def tailer(self, checkpoint: Checkpoint) -> Tailer:
        """Return a tailer that goes on at ``checkpoint``; it is in no list yet."""
        path = checkpoint.path
        if stray := self._naming.stray_topic(path):
            self._events.topic_not_valid(self.source, path, stray, self._naming.fallback_topic)
        named = self._naming.of(path)
        return Tailer(
            checkpoint,
            self._max_line,
            named.topic,
            named.key,
            self._framer,
            splits=self._splits,
            trust=self._trust,
        )

    def new(self, one: Seen, *, nameless: bool = False) -> Tailer:
        """Begin a generation at the first byte of an unknown file; ``nameless``: another one may have its name now."""
        lineage = self.lineage(one.base)
        size = 0 if one.compression else one.size
        tailer = self.tailer(
            Checkpoint(
                uid=new_uid(),
                source=self.source,
                path=one.base,
                seen_as=one.path,
                file_id=one.file_id,
                generation=lineage.generation,
                offset=0,
                size=size,
                compression=one.compression,
            )
        )
        hold = lineage.holds.get(one.file_id)
        later = hold.after if hold is not None else self._after(lineage, one, nameless=nameless)
        before = next((t for t in lineage.gens if t in later), None)
        if before is not None:
            # A rotated file that shows up late still comes before the file that has the name now, which waits.
            self.several_changed(lineage.insert(tailer, before))
        else:
            lineage.add(tailer)
        for hold in lineage.holds.values():
            if one.path == one.base or () < hold.rank < one.rank:
                hold.after.add(tailer)
        self.bind(tailer, one.file_id, one.path)
        self.changed(tailer)
        self.unpinned[tailer] = None
        self._events.file_found(self.source, one.path, one.file_id.ino, tailer.generation, one.size)
        self.advance(lineage)
        return tailer

    def let_be_newest(self, tailer: Tailer) -> None:
        """Let a generation that has its path's name come last, where those after it have not been begun."""
        lineage = self.lineages[tailer.path]
        if moved := lineage.let_be_newest(tailer):
            self.several_changed(moved)
            self.advance(lineage)

    def hold(self, path: bytes, one: Seen) -> None:
        """Let the generations of ``path`` after a rotated file wait until something can be said of that.

        To be called again when it has another name: by that what is found beside it is older or younger.
        """
        lineage = self.lineage(path)
        before = lineage.holds.get(one.file_id)
        lineage.hold(one.file_id, Hold(one.rank, before.after if before is not None else self._after(lineage, one)))

    def release(self, path: bytes, file_id: FileId) -> None:
        """Let no generation of ``path`` wait for a file any more."""
        lineage = self.lineages.get(path)
        if lineage is not None and lineage.release(file_id):
            self.advance(lineage)

    def _after(self, lineage: Lineage, one: Seen, *, nameless: bool = False) -> set[Tailer]:
        """Return the generations that come after a rotated file: that of the path, and younger ones not begun yet.

        A name tells the age only of what had it when ``one`` was seen; that of a file which is gone is an old one, and
        what has it now is younger. So is what has lost the path's name and was written to since ``one`` was: that was
        copied from it before. A second name that is no rotation tells no age.
        """
        if one.path == one.base and not nameless:
            return set()
        named = [t for t in lineage.gens if not t.away and self.by_name.get(t.seen_as) is t]
        unread = [t for t in lineage.gens if t.state not in DONE and not t.read.offset]
        ages = [(t, rank(t.seen_as, t.path)) for t in unread if t in named and one.rank]
        after = {t for t, age in ages if age > one.rank or (nameless and age == one.rank)}
        after |= {t for t in unread if t not in named and t.seen_as == lineage.path and _written_since(t, one)}
        newest = lineage.gens[-1] if lineage.gens else None
        if newest in named and newest.seen_as == lineage.path and newest.state not in DONE:
            after.add(newest)
        return after

    def reorder(self, lineage: Lineage, tailer: Tailer) -> None:
        """Let a file of which nothing was read come after older ones, where its new name tells its age only now.

        It may have been found while it had the name of its path, and they not before their names were seen beside its.
        """
        age = rank(tailer.seen_as, tailer.path)
        if not age or tailer.read.offset or tailer not in lineage.gens:
            return
        unread = (t for t in lineage.successors(tailer) if t.state not in DONE and not t.read.offset and not t.away)
        older = [t for t in unread if () < rank(t.seen_as, t.path) < age and self.by_name.get(t.seen_as) is t]
        if older:
            self.several_changed(lineage.move(tailer, behind=older[-1]))

    def reorder_unsure(self, tailers: Iterable[Tailer]) -> None:
        """Let those come after older ones that were found with them while names were changing: these are known now.

        A name that one has lost says nothing.
        """
        for tailer in tailers:
            lineage = self.lineages.get(tailer.path)
            if lineage is not None and self.by_name.get(tailer.seen_as) is tailer:
                self.reorder(lineage, tailer)
                self.advance(lineage)

    def advance(self, lineage: Lineage) -> None:
        """Let the current generation be looked at; it has its turn if its predecessors are done."""
        lineage.advance()
        if (current := lineage.current) is not None:
            self._schedule.now(current)

    def grew(self, tailer: Tailer) -> None:
        """Let a file be read again as soon as it is its turn."""
        current = self.lineages[tailer.path].current
        if tailer.state not in DONE and tailer is not current:
            if current is not None:
                self._schedule.now(current)  # one that comes after it has grown: it may be finished now
        elif tailer.state is not File.LOST:
            tailer.event(FileEvent.GREW)
            self._schedule.now(tailer)

    def check(self, tailer: Tailer) -> None:
        """Let a file be verified that is as large as it was when the last daemon ended, after all that have grown.

        Not where another one may wait for it.
        """
        alone = len(self.lineages[tailer.path].gens) == 1
        if alone and tailer.state is File.READING and not (tailer.unread or tailer.compression):
            self._schedule.sometime(tailer)
        else:
            self.grew(tailer)

    def retire(self, lineage: Lineage) -> None:
        """Put away what is finished and settled."""
        for tailer in lineage.retire():
            self.changed(tailer)

    def restore(self, checkpoints: list[Checkpoint]) -> None:
        """Take in what was saved, and out of the list; an id that two generations had belongs to the newer one."""
        checkpoints.sort(key=attrgetter("generation"))
        checkpoints.reverse()
        while checkpoints:
            saved = checkpoints.pop()
            self._unsaved.loaded(saved)
            lineage = self.lineage(saved.path)
            if saved.state in (FileState.LEFT, FileState.COPY):
                self.left.restore(saved)
                continue
            tailer = self.tailer(saved)
            if tailer.state is File.FINISHED:
                lineage.keep(tailer)
            else:
                lineage.add(tailer)
                tailer.unseen = bool(saved.size) and not (saved.offset or saved.fingerprint.head_len)
            empty = not (saved.size or saved.offset or saved.compression)
            tailer.seen_empty = empty and saved.seen_as != saved.path
            if (older := self.by_id.get(saved.file_id)) is not None:
                older.detached = True
            before = self.by_name.get(saved.seen_as)  # that has lost the name since: another one may have its id now
            if before is not None and not (before.size or before.read.offset or before.compression):
                before.seen_empty = True
            self.bind(tailer, saved.file_id, saved.seen_as)
        for lineage in self.lineages.values():
            lineage.advance()

    # --- ids and names -----------------------------------------------------------------------------------------------

    def bind(self, tailer: Tailer, file_id: FileId, name: bytes) -> None:
        """Note under which id and name a generation's bytes are."""
        self.by_id[file_id] = tailer
        self._name(tailer, name)

    def _name(self, tailer: Tailer, name: bytes) -> None:
        before = self.by_name.get(name)
        if before is not None and before is not tailer:
            self._displaced[before] = None
        self.by_name[name] = tailer

    def unbind(self, tailer: Tailer) -> None:
        """Forget where a generation's bytes were, and let go of its descriptor."""
        if self.by_id.get(tailer.file_id) is tailer:
            del self.by_id[tailer.file_id]
        self.unname(tailer)
        self.adrift.pop(tailer, None)
        self._descriptors.close(tailer)
        tailer.detached = True

    def unname(self, tailer: Tailer) -> None:
        """Forget the name of a file that has none any more."""
        if self.by_name.get(tailer.seen_as) is tailer:
            del self.by_name[tailer.seen_as]

    def discard(self, tailer: Tailer) -> None:
        """Forget a generation that was none, of which nothing was read."""
        self.unbind(tailer)
        self.unpinned.pop(tailer, None)
        self._schedule.drop(tailer)
        self.drop(tailer.uid)
        lineage = self.lineages[tailer.path]
        lineage.gens.remove(tailer)
        self.advance(lineage)

    def rename(self, tailer: Tailer, name: bytes) -> None:
        """Note that a file has another name now."""
        first = tailer.seen_as == tailer.path
        self.unname(tailer)
        tailer.seen_as = name
        self._name(tailer, name)
        self.changed(tailer)
        if tailer.reader is None:
            self.unpinned[tailer] = None  # it could not be opened under the name that is gone, perhaps
        if first:
            self._events.file_rotated(self.source, tailer.path, name, tailer.generation, tailer.unread)

    def choose(self, seen: Iterable[Seen]) -> dict[FileId, Seen]:
        """Choose one name for each file: the one that is known, else the one that a glob matches (I7)."""
        found: dict[FileId, Seen] = {}
        for one in seen:
            old = found.get(one.file_id)
            if old is None:
                found[one.file_id] = one
                continue
            better, other = (one, old) if self._better(one, old) else (old, one)
            found[one.file_id] = better
            self.also[one.file_id] = other.path
        return found

    def _better(self, one: Seen, old: Seen) -> bool:
        tailer = self.by_id.get(one.file_id)
        if tailer is not None and tailer.seen_as in (one.path, old.path):
            return tailer.seen_as == one.path
        return (one.adoptable, one.path == one.base) > (old.adoptable, old.path == old.base)

    def sighted(self, tailer: Tailer, one: Seen) -> bool:
        """Note that a known file is there, and under which name; returns whether its size has changed."""
        self._gone_since.pop(tailer.uid, None)
        self.adrift.pop(tailer, None)
        tailer.linked = True
        tailer.away = False
        if one.path == tailer.seen_as:
            self.by_name[one.path] = tailer  # another that was known may have had it since
            if one.path == tailer.path:
                self.let_be_newest(tailer)  # it had lost its name, and has been restored with it
        elif leads_to(tailer.seen_as, tailer.file_id):
            self.also[tailer.file_id] = one.path
        else:
            self.rename(tailer, one.path)
        if not (one.size or tailer.size or one.compression) and one.path != tailer.path:
            tailer.seen_empty = True
        changed = one.size != tailer.size
        if one.size > tailer.size:
            tailer.size = one.size
            self.unpinned[tailer] = None  # to be opened, and seen whether it is what has grown
        return changed

    def has_another_name(self, tailer: Tailer) -> bool:
        """Whether a known file is there under another name, which is taken for its name then."""
        name = self.also.pop(tailer.file_id, None)
        if name is None or not leads_to(name, tailer.file_id):
            return False
        self.rename(tailer, name)
        return True

    def suspects(self, seen: Observation, found: dict[FileId, Seen]) -> Iterator[Tailer]:
        """Yield the known files whose names are gone or lead elsewhere now, each once."""
        displaced, self._displaced = self._displaced, {}
        known = (t for t in displaced if self.by_id.get(t.file_id) is t)
        suspects = {t: None for t in known if self.by_name.get(t.seen_as) is not t}
        if seen.complete:
            missing = (t for t in self.by_id.values() if t.file_id not in found)
            suspects = {t: None for t in missing if not seen.hides(t.seen_as)}
        for path in sorted(seen.gone):
            if path in self.by_name:
                suspects[self.by_name[path]] = None
        for one in seen.seen:
            if (named := self.by_name.get(one.path)) is not None and named.file_id != one.file_id:
                suspects[named] = None
        yield from (t for t in suspects if t.file_id not in found)

    # --- what is saved -----------------------------------------------------------------------------------------------

    @property
    def unread(self) -> int:
        """Bytes known to be there that were not read."""
        files = self.by_id.values()  # there may be very many, most of them read to their end
        return sum(tailer.unread for tailer in files if tailer.size > tailer.read.offset)

    def changed(self, tailer: Tailer) -> None:
        """Note that the checkpoint of ``tailer`` is to be saved."""
        self._unsaved.changed(tailer.uid, tailer)

    def several_changed(self, tailers: Iterable[Tailer]) -> None:
        """Note that the checkpoints of ``tailers`` are to be saved."""
        self._unsaved.several_changed({tailer.uid: tailer for tailer in tailers})

    def all_changed(self) -> None:
        """Note that every checkpoint is to be saved."""
        for lineage in self.lineages.values():
            for tailer in (*lineage.past, *lineage.gens):
                self.changed(tailer)
        self.left.all_changed()

    def drop(self, uid: str) -> None:
        """Note that a checkpoint is to be removed."""
        self._gone_since.pop(uid, None)
        self._unsaved.removed(uid)

    @property
    def has_changes(self) -> bool:
        """Whether there is anything to be saved."""
        return bool(self._unsaved)

    def changes(self, *, ahead: bool = False) -> tuple[list[Checkpoint], list[tuple[str, str]]]:
        """Return the checkpoints that changed since the last call, and those to be removed, as (source, uid).

        ``ahead``: as if all that was sent had been acknowledged.
        """
        changed, removed = self._unsaved.hand_over(ahead=ahead)
        return changed, [(self.source, uid) for uid in removed]

    def take_back(self) -> None:
        """Note that what :meth:`changes` returned last with ``ahead`` was not saved, and has not come true."""
        self._unsaved.take_back()

    # --- files that are gone -----------------------------------------------------------------------------------------

    def lose(self, tailer: Tailer, why: str, now: float) -> None:
        """Give up a generation whose bytes are nowhere; count what was unread of it."""
        if tailer.state is not File.FINISHED and (lost := tailer.lost):
            self._events.file_lost(self.source, tailer.path, tailer.generation, lost, why)
        if tailer.state is not File.LOST:
            tailer.event(FileEvent.VANISHED)
        tailer.size = tailer.sure = tailer.read.offset
        self.gone(tailer, now)
        lineage = self.lineages[tailer.path]
        self.retire(lineage)
        self.advance(lineage)

    def gone(self, tailer: Tailer, now: float) -> None:
        """Note since when a generation's file is gone."""
        self._gone_since.setdefault(tailer.uid, now)
        self.changed(tailer)

    def forget_vanished(self, seen: Observation, found: dict[FileId, Seen], now: float) -> None:
        """Drop the checkpoints of files that are gone for good, once nothing can be a compressed copy of them."""
        self.also = {id_: name for id_, name in self.also.items() if id_ in self.by_id or id_ in found}
        with_siblings = {one.base for one in seen.seen if one.path != one.base}
        self.left.forget_vanished(seen, found, with_siblings, now)
        for lineage in [lineage for lineage in self.lineages.values() if lineage.past]:
            path = lineage.path
            gone = [t for t in lineage.past if t.uid in self._gone_since and t.settled]
            if path in with_siblings:
                gone = gone[:-KEEP_PAST]
            else:
                gone = [t for t in gone if now - self._gone_since[t.uid] >= FORGET_AFTER]
            for tailer in gone:
                lineage.forget(tailer)
                self._schedule.drop(tailer)
                self.drop(tailer.uid)
            if not lineage.gens and not lineage.past and path not in with_siblings:
                del self.lineages[path]
                if self._namesakes is not None:
                    self._namesakes.drop(path)


def _written_since(tailer: Tailer, one: Seen) -> bool:
    """Whether an open file was written to when ``one`` had got its last byte."""
    try:
        return tailer.reader is not None and 0 < one.mtime_ns <= tailer.reader.stat().mtime_ns
    except OSError:
        return False  # told when it is read
