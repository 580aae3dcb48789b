"""Decides what unknown files are: new, the copy of one that is known, or where one goes on whose own bytes are gone.

Also the other way round: when a known file's id leads to other bytes (truncated, or replaced under the same inode), its
neighbours are searched for the rest of it, and what holds the other bytes is an unknown file. Pump thread only.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Generator, Iterable, Iterator

from shipper.discovery import rotation
from shipper.events import Events
from shipper.files import (
    BROKEN,
    HEAD,
    Files,
    NotRegularError,
    PackedReader,
    PlainReader,
    Reader,
    fingerprint_at,
    leads_to,
    matches,
    open_reader,
)
from shipper.filesource.census import Census
from shipper.filesource.descriptors import Descriptors
from shipper.filesource.identify import Answer, Verdict, begins_as, identify, length, same_bytes
from shipper.filesource.lineage import DONE, Lineage
from shipper.filesource.reuse import is_still, is_still_left
from shipper.filesource.undecided import BEAT, Case, Undecided, Why
from shipper.lifecycle import File, FileEvent
from shipper.model import Checkpoint, Clock, FileId, FileState, Observation, Seen
from shipper.source.schedule import Schedule
from shipper.tailer import Tailer

TRUNCATED = "truncated before it was read to its end, and no copy was found"
DELETED = "deleted before it was read to its end"
MOVES = 3  # times that files are looked at anew because they have moved on before it was decided what they are


class Intake:
    """Takes unknown files into the census."""

    def __init__(
        self,
        census: Census,
        schedule: Schedule[Tailer],
        files: Files,
        descriptors: Descriptors,
        events: Events,
        clock: Clock,
        look: Callable[[str, bytes], Observation],
        quiet: Callable[[], bool] = lambda: True,
    ) -> None:
        self._census = census
        self._quiet = quiet
        self._begun: list[Tailer] = []  # since names were looked at
        self._schedule = schedule
        self._files = files
        self._descriptors = descriptors
        self._events = events
        self._clock = clock
        self._look = look
        self._undecided = Undecided()
        self._current: dict[bytes, Seen] = {}  # while some are being decided: those of them that have their path's name
        self._held: dict[FileId, PlainReader] = {}  # open, and parted from the generations that had them
        self._outlived: list[Tailer] = []  # whose ids are other files' now, which only a look around has told
        self._grown: list[
            Tailer
        ] = []  # that are finished, and were seen to have changed when something was searched for
        self._parted: list[Seen] = []  # what was found to hold other bytes while something else was judged
        self._kept: list[Seen] = []  # files that were held open since before it was known what is known of them
        self._nameless: set[FileId] = set()  # those of them that had no name when names were looked at
        self._elders: dict[FileId, set[FileId]] = {}  # of those that are kept: what was older than they
        self.live = False  # what is there at the start has been taken in

    def take(self, unknown: Iterable[Seen], doubtful: Iterable[Tailer] = ()) -> None:
        """Decide what unknown files are: the rotated ones of a path first, oldest first, then the one it names.

        Before that it is made sure that the generations which they may belong to, and those in ``doubtful``, still
        hold what was read of them: what holds other bytes is an unknown file too, and has its place among the others.
        """
        grown, self._grown = self._grown, []
        waiting = [*self._released([*doubtful, *grown]), *unknown, *self._take_parted()]
        relatives = {lineage.path: lineage for one in waiting for lineage in self._relatives(one)}
        for lineage in relatives.values():
            opened = (t for t in lineage.past if t.reader is not None)
            waiting = self._released([*lineage.gens, *opened]) + waiting
        for _ in range(MOVES):
            waiting = [*self._decide_all(waiting), *self._take_parted()]
            if not waiting:
                break
            waiting = self._seen_now(waiting)
        for one in self._in_order(waiting):
            self._decide(one)
        self._current.clear()
        self._nameless.clear()
        self._elders.clear()
        self.close()
        begun, self._begun = self._begun, []
        if begun and not self._quiet():
            self._census.unsure.update(dict.fromkeys(begun))
        outlived, self._outlived = self._outlived, []
        for tailer in outlived:
            if tailer.detached and tailer.state not in DONE:
                self.search(tailer, why=DELETED)
            else:
                self.vanished(tailer)

    def older(self, tailer: Tailer) -> list[Seen]:
        """Return what is older than the first bytes of a generation, and was not seen yet: it is to be taken first.

        Before a file is truncated and begun anew, what was in it may be copied over one that was empty, or finished. To
        be asked when these bytes have been read, and are not sent yet: what was copied before is there then.
        """
        filled = self._undecided.empty_of(tailer.path)
        changed = [now for case in filled if (now := _now(case.one)) is not None and now.size != case.one.size]
        known = self._census.lineages[tailer.path].members()
        finished = [t for t in known if t.finished and not (t.detached or t.compression)]
        return [*self._released(t for t in finished if t.reader is not None or _has_changed(t)), *changed]

    def keep(self, one: Seen, reader: PlainReader, elders: set[FileId]) -> None:
        """Keep a file open until what is there at the start is taken in: it may have no name any more by then.

        ``elders``: what was older than it as long as it had one.
        """
        self._kept.append(one)
        self._elders[one.file_id] = elders
        self._hold_open(one.file_id, reader)

    def _hold_open(self, file_id: FileId, reader: PlainReader) -> None:
        if (other := self._held.pop(file_id, None)) is not None:
            other.close()
        self._held[file_id] = reader

    def without_name(self, found: dict[FileId, Seen]) -> list[Seen]:
        """Return which of the files that are kept are unknown and not among those that were ``found``."""
        census = self._census
        kept, self._kept = self._kept, []
        unknown = [one for one in kept if one.file_id not in found and one.file_id not in census.by_id]
        for one in unknown:
            with contextlib.suppress(OSError):  # told when it is looked at, if that is to be done
                left = census.left.get(one.file_id)
                if left is not None and not matches(self._held[one.file_id], left.fingerprint):
                    census.part(left)
        unknown = [one for one in unknown if one.file_id not in census.left]
        self._nameless |= {one.file_id for one in unknown}
        return unknown

    def hand_over(self) -> Iterator[tuple[Seen, PlainReader]]:
        """Give away what is kept open, and of which nothing is known yet; the oldest first."""
        for one in (*self._kept, *self._take_parted()):
            if (reader := self._held.pop(one.file_id, None)) is not None:
                yield one, reader

    def close(self) -> None:
        """Let go of what is kept open."""
        self._kept.clear()
        while self._held:
            self._held.popitem()[1].close()

    def _take_parted(self) -> list[Seen]:
        parted, self._parted = self._parted, []
        return parted

    def _in_order(self, waiting: Iterable[Seen]) -> list[Seen]:
        """Return the files of each path in their order: the rotated ones, oldest first, then the one that it names.

        Before them what is only there because it is open: it is older than what has a name, but for its elders.
        """
        nameless = self._nameless
        ordered = sorted(waiting, key=lambda s: (s.base, s.file_id not in nameless, s.path == s.base, s.rank, s.path))
        for one in [one for one in reversed(ordered) if one.file_id in nameless and self._elders.get(one.file_id)]:
            elders = self._elders[one.file_id]
            behind = max((place for place, other in enumerate(ordered) if other.file_id in elders), default=-1)
            if behind > (place := ordered.index(one)):
                ordered.insert(behind, ordered.pop(place))
        return ordered

    def _decide_all(self, waiting: list[Seen]) -> list[Seen]:
        """Decide what unknown files are; returns those of a path of which one has moved on: their order is not sure."""
        self._current = {one.path: one for one in waiting if one.path == one.base}
        moved: dict[bytes, list[Seen]] = {}
        for one in self._in_order(waiting):
            if one.base in moved:
                moved[one.base].append(one)
            elif not self._decide(one):
                moved[one.base] = [one]
        # Nothing comes after the last one of a path: the event of what happened to it is on its way. That does not
        # tell of another name which it had before.
        alone = {others[0].file_id for others in moved.values() if len(others) == 1 and not self._also(others[0])}
        return [one for others in moved.values() for one in others if one.file_id not in alone]

    def _also(self, one: Seen) -> bytes:
        """Return another name under which an unknown file is there; empty where there is none."""
        name = self._census.also.get(one.file_id, b"")
        return name if name != one.path and leads_to(name, one.file_id) else b""

    def _seen_now(self, waiting: list[Seen]) -> list[Seen]:
        """Return what is there now of the paths that these files belong to, and unknown."""
        census = self._census
        bases, ids = {one.base for one in waiting}, {one.file_id for one in waiting}
        found = self._neighbours(
            os.path.dirname(name) for one in waiting for name in (one.path, self._also(one)) if name
        )
        # What has lost its name since the look is younger than what was seen with it, and older than what has it now.
        gone = {one.file_id: one for one in waiting if one.file_id in self._held and one.file_id not in found}
        self._nameless &= gone.keys()
        found = gone | found
        return [
            one
            for id_, one in found.items()
            if (one.base in bases or id_ in ids) and id_ not in census.by_id and id_ not in census.left
        ]

    def _decide(self, one: Seen) -> bool:
        """Decide what one unknown file is, or when to look at it again; returns whether it was still there."""
        case = self._undecided.cases.get(one.file_id)
        own = one.path == one.base or (case is not None and case.became(one))
        if case is not None and not (case.concerns(one) and _may_be_overwritten(case, one)):
            self._drop(one.file_id)
            case = None
        if case is not None and case.one.path != one.path:
            self._census.also[one.file_id] = case.one.path  # it may have both
            for path in case.held:
                self._census.hold(path, one)
        if one.file_id in self._census.by_id:
            self._drop(one.file_id)
            return True  # it was decided already, before what is a copy of it
        if case is not None and case.why is Why.INCOMPLETE and not case.ready:
            self._undecided.look(case, one, self._clock())
            if not (case.fresh and self._has_taken_over(case)):
                return True  # to decompress it once more would tell nothing new
        relatives = self._relatives(one)
        try:
            there = self._try(one, relatives, own=own)
        except _Unsure as unsure:
            self._put_off(one, unsure, relatives, own=own)
            return True
        self._drop(one.file_id)
        return there

    def _try(self, one: Seen, relatives: list[Lineage], *, own: bool) -> bool:
        """Decide what one unknown file is; returns whether it was still there, under this name. Raises _Unsure."""
        if not one.adoptable and not any(t.detached for r in relatives for t in r.gens):
            return True  # excluded, and nothing is missing that it could continue
        if not relatives and one.path == one.base and not one.compression:
            self._new(one)
            return True
        try:
            reader = self._open(one)
        except (FileNotFoundError, NotRegularError):
            return False
        except _Unsure as refused:
            if not own or refused.why is Why.CROWDED:
                raise
            self._new_unseen(one)
            return True
        kept = False
        try:
            if reader.stat().file_id != one.file_id:
                return False
            kept = self._judge(one, reader, relatives)
        except OSError as error:
            unsure = _unreadable(error, reader)
            nameless = unsure.why is not Why.INCOMPLETE and not leads_to(one.path, one.file_id)
            unreadable = unsure.why in (Why.UNREADABLE, Why.RELATED)
            if not one.adoptable or not ((own and unreadable) or nameless):
                raise unsure from None
            self._new_unseen(one)
            if kept := nameless:  # closed, it would be gone
                self._keep_open(self._census.by_id[one.file_id], one, reader)
        except BROKEN as error:
            raise _Unsure(Why.INCOMPLETE, str(error)) from None
        finally:
            if not kept:
                reader.close()
        return True

    def again(self, paths: set[bytes]) -> None:
        """Look again at files of which nothing could be said, or that were copies, and that have changed."""
        for case in list(self._undecided.cases.values()):
            if case.why is Why.EMPTY and case.one.path in paths:
                self._look_at(case)
        for left in list(self._census.left.values()):
            if left.state is FileState.COPY and left.seen_as in paths:
                now = _now(_as_seen(left))
                if now is not None and (now.file_id not in self._census.left or self._census.left_changed(now)):
                    self.take([now])

    @property
    def due(self) -> float:
        """When :meth:`tick` has work next."""
        return self._undecided.due

    def tick(self) -> None:
        """Look again at files of which nothing could be said."""
        for case in self._undecided.ripe(self._clock()):
            self._look_at(case)

    def _look_at(self, case: Case) -> None:
        """Look again at a file of which nothing could be said: whether it has changed, and whether that is enough."""
        now = _now(case.one)
        if now is None:
            self._look_elsewhere(case.one)
        elif self._undecided.look(case, now, self._clock()):
            self.take([now])
        elif case.why is Why.INCOMPLETE and not case.told and case.given_up(self._clock()):
            case.told = True
            self._events.file_incomplete(self._census.source, case.one.path, case.reason)
            self._release_held(case)

    def _look_elsewhere(self, one: Seen) -> None:
        """Go on with a file of which nothing could be said, and whose name is gone, under another that it has."""
        if name := self._also(one):
            found = self._neighbours([os.path.dirname(name)]).get(one.file_id)
            self.take([found] if found is not None else ())
            if found is not None:
                return
        self._drop(one.file_id)  # the event of what happened to it is on its way

    def _put_off(self, one: Seen, unsure: _Unsure, relatives: list[Lineage], *, own: bool) -> None:
        """Keep a file of which nothing can be said yet. Where it is a generation, perhaps, those after it wait."""
        why, now = unsure.why, self._clock()
        if not one.adoptable and not one.rank:
            self._drop(one.file_id)  # one of many in its directory
            return
        before = self._undecided.cases.get(one.file_id)
        case = self._undecided.put(one, why, now)
        if before is not None and before is not case:
            self._release_held(before)
        case.reason, case.own = unsure.reason, own
        if why is Why.UNREADABLE and not case.told:
            case.told = True
            self._events.file_unreadable(self._census.source, one.path, case.reason)
        if why is Why.INCOMPLETE and not case.told:
            missing = [r.path for r in relatives if any(t.detached and t.state not in DONE for t in r.gens)]
            if one.path != one.base and not self._is_known_plain(one):
                missing.append(one.base)
            self._hold(case, missing)
        if why in (Why.CROWDED, Why.RELATED) and one.path != one.base:
            self._hold(case, [one.base])
        if before is not case:
            self._events.file_undecided(self._census.source, one.path, one.file_id.ino, why.value, case.held)

    def _is_known_plain(self, one: Seen) -> bool:
        """Whether what is being compressed is a known file, and there itself."""
        return one.path.removesuffix(b"." + one.compression.encode()) in self._census.by_name

    def _has_taken_over(self, case: Case) -> bool:
        """Whether what was being compressed has gone meanwhile, so that nothing has waited for the compressed file."""
        rotated = case.one.path != case.one.base
        return rotated and not case.told and not case.held and not self._is_known_plain(case.one)

    def _hold(self, case: Case, paths: Iterable[bytes]) -> None:
        """Let the later generations of some paths wait for a file that is being compressed."""
        case.held = tuple(dict.fromkeys([*case.held, *paths]))
        for path in case.held:
            self._census.hold(path, case.one)

    def _drop(self, file_id: FileId) -> None:
        """Forget a file of which nothing could be said."""
        if (case := self._undecided.drop(file_id)) is not None:
            self._release_held(case)

    def _release_held(self, case: Case) -> None:
        held, case.held = case.held, ()
        for path in held:
            self._census.release(path, case.one.file_id)

    def changed(self, tailer: Tailer) -> None:
        """Take note that a file's id leads to other bytes than were read of it, and look for these."""
        self.search(tailer, *self._release(tailer))

    def is_new(self, tailer: Tailer) -> bool:
        """Whether an open file that was taken for new without a look is new; else it is decided now what it is.

        It could not be read then, and may be what an older generation of its path goes on in, or the copy of one.
        """
        assert tailer.reader is not None
        others = (other for other in self._census.lineages[tailer.path].members() if other is not tailer)
        with contextlib.closing(self._at_hand(others)) as opened:
            verdict, _ = identify(tailer.reader, length(tailer.reader), opened, (), _size_now)
        tailer.unseen = False
        if verdict not in (Verdict.CONTINUES, Verdict.COPY):
            return True
        one = _named(tailer)
        if isinstance(reader := self._descriptors.hand_over(tailer), PlainReader):
            self._hold_open(tailer.file_id, reader)
        elif reader is not None:
            reader.close()
        self._census.discard(tailer)
        self.take([one])
        return False

    def search(self, tailer: Tailer, *others: Seen, why: str = TRUNCATED) -> None:
        """Look for a file's bytes among ``others`` and its neighbours; what cannot be found is lost, and why is told.

        A copy that was left alone while the file itself could be read is all that there is of it now.
        """
        census = self._census
        found = self._neighbours(map(os.path.dirname, (tailer.seen_as, os.path.realpath(tailer.seen_as))))
        unknown = {one.file_id: one for one in others}
        self._nameless |= {file_id for file_id in unknown if file_id not in found or not found[file_id].adoptable}
        for file_id, one in found.items():
            left = census.left.get(file_id)
            known = file_id in census.by_id or (left is not None and left.state is FileState.LEFT)
            if known or (file_id in unknown and not one.adoptable):  # a second name takes nothing from what was open
                continue
            # Also a copy, or what has another name than a rotation gives: of this one, perhaps.
            unknown[file_id] = one if one.adoptable else one._replace(base=tailer.path)
        self.take(unknown.values())
        if tailer.detached and tailer.state not in DONE:
            self.give_up(tailer, why)

    def vanished(self, tailer: Tailer) -> None:
        """Take note that a file's name and id lead elsewhere, unless it has been found again meanwhile."""
        if tailer.detached and tailer.state not in DONE and tailer.lost:
            self.take((), self._census.lineages[tailer.path].gens)  # it may have been copied over one of them
        if tailer.detached and tailer.state is not File.LOST and self._census.has_copies(tailer.path):
            self.search(tailer, why=DELETED)  # a finished one too: late lines may be in its copy
        if tailer.detached:
            self.give_up(tailer, DELETED)

    def give_up(self, tailer: Tailer, why: str) -> None:
        """Take note that a file's bytes are nowhere, unless they may be in one that can be looked into soon.

        Not before names are at rest: what holds them may have been renamed just when it was to be looked into.
        """
        now = self._clock()
        if tailer.state not in DONE and (self._may_be_in_what_is_undecided(tailer) or not self._quiet()):
            self._schedule.drop(tailer)  # whatever has been seen during the search, it was not found
            self._schedule.later(tailer, now + BEAT)
        elif tailer.finished and not tailer.settled:
            self._census.gone(tailer, now)  # it is searched for once more if it has to be sent again
        else:
            self._census.lose(tailer, why, now)

    def _may_be_in_what_is_undecided(self, tailer: Tailer) -> bool:
        """Whether a file's bytes may be in one that is still being compressed, or that there is no descriptor for."""
        lineage = self._census.lineages[tailer.path]
        for case in self._undecided.cases.values():
            # While the file that is being compressed was there itself, nothing had to wait for its compressed form.
            incomplete = case.why is Why.INCOMPLETE and not case.told and not self._is_known_plain(case.one)
            if (incomplete or case.why in (Why.CROWDED, Why.RELATED)) and lineage in self._relatives(case.one):
                self._hold(case, [tailer.path])
        return bool(lineage.holds)

    def _neighbours(self, directories: Iterable[bytes]) -> dict[FileId, Seen]:
        """Return the files in some directories as they are now, having noted which of them were renamed, or are gone.

        One that is known would else be believed to have the name, or the id, still that a younger one has got.
        """
        census = self._census
        directories = dict.fromkeys(directories)
        found = census.choose(one for d in directories for one in self._look(census.source, d).seen)
        for file_id, one in found.items():
            tailer = census.by_id.get(file_id)
            if tailer is not None and not is_still(self._files, self._descriptors, tailer, one):
                census.unbind(tailer)
                self._outlived.append(tailer)
            elif tailer is not None and tailer.path == one.base and census.sighted(tailer, one):
                census.grew(tailer)
                if tailer.finished:
                    self._grown.append(tailer)
            left = census.left.get(file_id)
            if left is not None and not is_still_left(self._files, left, one):
                census.part(left)
        for path in dict.fromkeys(one.base for one in found.values()):
            for tailer in census.lineages[path].gens if path in census.lineages else ():
                there = found.get(tailer.file_id)  # by a name that is none of its path's, perhaps
                if (there is None or there.base != path) and os.path.dirname(tailer.seen_as) in directories:
                    tailer.away = True
        return found

    def follow(self, missing: Iterable[Tailer]) -> None:
        """Go on with files whose names are gone, where their ids lead to names that no rule knows."""
        by_id = {tailer.file_id: tailer for tailer in missing}
        for directory in dict.fromkeys(os.path.dirname(tailer.seen_as) for tailer in by_id.values()):
            seen = self._look(self._census.source, directory).seen
            strange = [one for one in seen if one.file_id in by_id and not one.adoptable]
            self.take(one._replace(base=by_id[one.file_id].path) for one in strange)

    def _release(self, tailer: Tailer) -> list[Seen]:
        """Part a generation from a file that holds other bytes; returns that file, which is unknown now.

        A rotated file that is written over when it has been compressed is being shredded: it is not believed to be a
        log before that is over, and never if it has no name then. Nobody shreds one that was empty.
        """
        census = self._census
        try:
            stat = tailer.reader.stat() if tailer.reader is not None else None
        except OSError:
            stat = None  # it cannot be read now, which is told when it is
        size, mtime = (stat.size, stat.mtime_ns) if stat else (0, 0)
        path, base = tailer.seen_as, tailer.path
        if tailer.state is not File.FINISHED:
            if not tailer.blank:
                self._events.file_truncated(census.source, path, tailer.generation, tailer.read.offset, tailer.unread)
            tailer.event(FileEvent.REPLACED)
            tailer.size = tailer.sure  # what was seen beyond that are the other bytes
        if isinstance(reader := self._descriptors.hand_over(tailer), PlainReader):
            self._hold_open(tailer.file_id, reader)
            if census.by_name.get(path) is not tailer or tailer.away:
                self._nameless.add(tailer.file_id)
        elif reader is not None:
            reader.close()
        census.unbind(tailer)
        compression = rotation.compression(path) if path != base else ""
        seen = Seen(path, base, tailer.file_id, size, mtime, rotation.rank(path, base), compression)
        if self.live and path != base and not tailer.blank and self._may_be_shredded(tailer):
            self._undecided.put(seen, Why.OVERWRITTEN, self._clock())
            return [seen] if stat is None or stat.links else []
        return [seen]

    def _may_be_shredded(self, tailer: Tailer) -> bool:
        """Whether other bytes in a rotated file may be a shredder's: its own are in a compressed file beside it."""
        for path in _compressed_beside(tailer.seen_as):
            try:
                with contextlib.closing(open_reader(self._files, path, rotation.compression(path))) as packed:
                    if not tailer.head_len or begins_as(packed, tailer):
                        return True
            except FileNotFoundError:
                continue
            except BROKEN:
                return True  # it cannot be told
        return False

    def _released(self, tailers: Iterable[Tailer]) -> list[Seen]:
        """Open generations and part those from their files that hold other bytes than were read; returns these."""
        released = []
        for tailer in list(tailers):
            if tailer.detached or tailer.state is File.LOST:
                continue
            try:
                with self._descriptors.borrow(tailer) as opened:
                    if opened and not tailer.verify():
                        released += self._release(tailer)
            except BROKEN:
                continue  # told when it is read
        return released

    # --- the decision ------------------------------------------------------------------------------------------------

    def _open(self, one: Seen) -> PlainReader | PackedReader:
        """Open an unknown file.

        Raises FileNotFoundError, or NotRegularError, where its name has no file any more, and _Unsure.
        """
        if not one.compression and (held := self._held.pop(one.file_id, None)) is not None:
            return held  # its name may be gone by now
        self._descriptors.room()
        try:  # also where there is none: it is closed again at once, and what is unknown now breaks the order later
            return open_reader(self._files, one.path, one.compression)
        except (FileNotFoundError, NotRegularError):
            raise
        except OSError as error:
            raise _unreadable(error) from None

    def _judge(self, one: Seen, reader: PlainReader | PackedReader, relatives: list[Lineage]) -> bool:
        """Act on what an open unknown file is; returns whether its reader is kept. Raises _Unsure."""
        census = self._census
        if not one.adoptable and not any(begins_as(reader, t) for r in relatives for t in r.gens if t.detached):
            return False  # the directory may be full of such files, and it takes long to decompress them
        before = reader.stat()
        size = length(reader)
        for tailer in [t for r in relatives for t in r.gens if self._is_mounted_over(t, one, reader, size)]:
            census.unbind(tailer)  # nothing comes to it any more
        left = [c for c in census.left.values() if c.path == one.base and c.file_id != one.file_id]
        verdict, of = self._identify(reader, size, relatives, left)
        if verdict is Verdict.UNSURE and one.path == one.base and all(r.path == one.base for r in relatives):
            verdict = Verdict.NEW  # an empty file begins here; by its name it is not where a copy is being written
        if not one.adoptable and verdict is not Verdict.CONTINUES:
            return False  # exclude hides it, but not that a known file goes on in it
        if verdict is Verdict.NEW and size >= HEAD and self._is_copy_of_unknown(one, reader, size):
            # What is copied comes first, so that no copy is ever left without it.
            self._decide(self._current[one.base])
            relatives = self._relatives(one)
            verdict, of = self._identify(reader, size, relatives, left)
        if verdict is Verdict.UNSURE:
            raise _Unsure(Why.EMPTY)
        if verdict is Verdict.COPY:
            if of is not None:
                self._events.file_copy(census.source, of.path, one.path)
                of.learn(reader)  # it may have been empty when it was verified just before, and be truncated by now
                census.changed(of)  # by what is saved of it now, the copy is recognised if it is all that is left
            census.leave(one, FileState.COPY, fingerprint_at(reader, 0 if one.compression else size))
        elif verdict is Verdict.CONTINUES and of is not None:
            self._continue(of, one, reader, size)
            return True
        else:
            case = self._undecided.cases.get(one.file_id)
            if case is not None and case.why is Why.OVERWRITTEN and not case.ready:
                raise _Unsure(Why.OVERWRITTEN)
            # What has been written over meanwhile is judged by what it holds when it is its turn.
            changed = one.path != one.base and reader.stat() != before
            self._new(one, reader)
            census.by_id[one.file_id].unseen |= changed
            return True
        return False

    def _identify(
        self, reader: PlainReader | PackedReader, size: int, relatives: list[Lineage], left: list[Checkpoint]
    ) -> Answer:
        """Hold an unknown file against what is known; raises OSError where too many files are open to tell."""
        with contextlib.closing(self._at_hand([t for r in relatives for t in r.members()])) as tailers:
            return identify(reader, size, tailers, left, _size_now)

    def _at_hand(self, tailers: Iterable[Tailer]) -> Generator[Tailer]:
        """Yield generations, each unfinished one open while it is judged: without its own bytes it counts as gone."""
        for tailer in tailers:
            if tailer.reader is not None or tailer.detached or tailer.state in DONE:
                yield tailer
                continue
            with contextlib.ExitStack() as stack:
                try:
                    if stack.enter_context(self._descriptors.borrow(tailer)) and not tailer.verify():
                        self._parted += self._release(tailer)
                except BROKEN as error:
                    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
                        raise
                yield tailer

    def _is_mounted_over(self, tailer: Tailer, one: Seen, reader: PlainReader | PackedReader, size: int) -> bool:
        """Whether a file is open whose file system is not under its name any more, and ``one``, which is, holds it all.

        A disk that was moved, or a network file system that was mounted again: the descriptor leads to the old one.
        """
        if tailer.seen_as != one.path or tailer.file_id.dev == one.file_id.dev or tailer.detached:
            return False
        own = tailer.reader
        if not isinstance(own, PlainReader) or not self._files.unmounted(one.path, tailer.file_id):
            return False
        have = own.stat().size
        return 0 < have <= size and same_bytes(reader, own, have)

    def _is_copy_of_unknown(self, one: Seen, reader: PlainReader | PackedReader, size: int) -> bool:
        """Whether a rotated file is being copied from the one that has its path's name, which is as unknown.

        To be asked only of one that is not small: what was rotated while nobody ran may begin in the same way.
        """
        current = self._current.get(one.base)
        if current is None or current.file_id == one.file_id:
            return False
        try:
            with contextlib.closing(open_reader(self._files, current.path, "")) as own:
                stat = own.stat()
                return stat.file_id == current.file_id and stat.size >= size and same_bytes(reader, own, size)
        except OSError:
            return False  # taken for two files: its lines are rather sent twice than lost

    def _relatives(self, one: Seen) -> list[Lineage]:
        """Return the lineages whose bytes the file may hold: by its path, and by what its name is a rotation of.

        Also of a path in another directory: rotated files may be moved elsewhere before they are compressed.
        """
        directory, name = os.path.split(one.path)
        bases = dict.fromkeys([one.base, *(os.path.join(directory, r.base) for r in rotation.readings(name))])
        bases |= dict.fromkeys(path for r in rotation.readings(name) for path in self._census.namesakes(r.base))
        lineages = [self._census.lineages[b] for b in bases if b in self._census.lineages]
        left = {c.path for c in self._census.left.values()} if lineages else set()
        return [r for r in lineages if r.gens or r.past or r.path in left]

    def _new(self, one: Seen, reader: PlainReader | PackedReader | None = None) -> None:
        """Begin a generation; ``reader`` is kept as far as files may be open, and where its name is gone."""
        census = self._census
        census.take_up(one.file_id)
        tailer = census.new(one, nameless=one.file_id in self._nameless)
        self._begun.append(tailer)
        if reader is None:
            reader = self._held.pop(one.file_id, None)
        if reader is None:
            return
        with contextlib.suppress(*BROKEN):  # told when it is read
            tailer.learn(reader)
        if self._descriptors.room() or one.file_id in self._nameless or not leads_to(one.path, one.file_id):
            self._keep_open(tailer, one, reader)
        else:
            reader.close()

    def _new_unseen(self, one: Seen) -> None:
        """Begin a generation at a file that cannot be read now; its tailer tells, and tries again."""
        self._new(one)
        self._census.by_id[one.file_id].unseen = True

    def _keep_open(self, tailer: Tailer, one: Seen, reader: PlainReader | PackedReader) -> None:
        tailer.adopt(reader, one.path, one.file_id, one.compression)
        tailer.sure = min(tailer.sure, one.size)  # it may have other bytes since
        self._descriptors.adopted(tailer)
        if one.file_id in self._nameless:
            self._without_name(tailer)

    def _without_name(self, tailer: Tailer) -> None:
        """Note that what a generation is read from is only there because it is open: its name says no age."""
        self._census.unname(tailer)
        if tailer.linked:
            self._census.adrift[tailer] = None

    def _continue(self, tailer: Tailer, one: Seen, reader: PlainReader | PackedReader, size: int) -> None:
        """Go on with a generation in another file, which held the same bytes when it was as long as ``size`` says."""
        census = self._census
        had_its_path = tailer.seen_as == tailer.path
        if not tailer.detached and (own := _now(_named(tailer))) is not None:
            self._parted.append(own)  # it is there, and cannot be read: what it is now is another question
        census.unbind(tailer)
        census.take_up(one.file_id)
        tailer.adopt(reader, one.path, one.file_id, one.compression)
        tailer.sure = min(tailer.sure, max(size, tailer.read.offset))  # it may have other bytes since
        self._descriptors.adopted(tailer)
        census.bind(tailer, one.file_id, one.path)
        if one.file_id in self._nameless:
            self._without_name(tailer)
        lineage = census.lineages[tailer.path]
        younger = (t for t in lineage.members() if t.generation > tailer.generation)
        in_time = not any(t.read.offset for t in younger)  # restored perhaps: what comes now is not late
        if tailer.state is File.LOST or (tailer.finished and in_time):
            tailer.event(FileEvent.RETURNED)
        if tailer.state not in DONE:
            lineage.revive(tailer)
            if one.path != tailer.path:
                tailer.event(FileEvent.REPLACED)
            else:
                census.let_be_newest(tailer)
        for hold in lineage.holds.values():
            if () < one.rank < hold.rank:
                hold.after.discard(tailer)  # by the name that it has now it is older
        if had_its_path:  # else its age was known
            census.reorder(lineage, tailer)
        census.changed(tailer)
        offset = tailer.read.offset
        self._events.file_continued(census.source, tailer.path, one.path, tailer.generation, offset)
        self._schedule.now(tailer)
        census.advance(lineage)


class _Unsure(Exception):
    """Nothing can be said of a file yet."""

    def __init__(self, why: Why, reason: str = "") -> None:
        super().__init__(reason)
        self.why = why
        self.reason = reason


def _unreadable(error: OSError, reader: Reader | None = None) -> _Unsure:
    """Return why nothing can be said of a file; ``reader``: it is open, and another may be what cannot be read."""
    if error.errno is None:
        return _Unsure(Why.INCOMPLETE, str(error))  # what bz2 and gzip raise for a damaged file
    reason = error.strerror or str(error)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return _Unsure(Why.CROWDED, reason)
    try:
        related = reader is not None and bool(reader.read(1, 0))
    except BROKEN:
        related = False
    return _Unsure(Why.RELATED if related else Why.UNREADABLE, reason)


def _now(one: Seen) -> Seen | None:
    """Return how a file is now; None where its name leads elsewhere."""
    try:
        found = os.stat(one.path)
    except OSError:
        return None
    if FileId(found.st_dev, found.st_ino) != one.file_id:
        return None
    return one._replace(size=found.st_size, mtime_ns=found.st_mtime_ns)


def _named(tailer: Tailer) -> Seen:
    """Return a generation's file as it was last seen."""
    path, base = tailer.seen_as, tailer.path
    return Seen(path, base, tailer.file_id, tailer.size, 0, rotation.rank(path, base), tailer.compression)


def _compressed_beside(path: bytes) -> list[bytes]:
    """Return the compressed forms of a file that are there, by their names."""
    return [path + ending for ending in rotation.COMPRESSIONS if os.path.exists(path + ending)]


def _may_be_overwritten(case: Case, one: Seen) -> bool:
    """Whether a file that was written over may be so still: its inode may be given to the next one that is rotated."""
    return case.why is not Why.OVERWRITTEN or bool(_compressed_beside(one.path))


def _has_changed(tailer: Tailer) -> bool:
    """Whether a file that is there has another size than was seen."""
    return (now := _now(_named(tailer))) is not None and now.size != tailer.size


def _size_now(tailer: Tailer) -> int:
    """Return how large a generation's file is, of which a late writer's last lines may not have been seen yet."""
    try:
        found = os.stat(tailer.seen_as)
    except OSError:
        return tailer.size
    return max(tailer.size, found.st_size) if FileId(found.st_dev, found.st_ino) == tailer.file_id else tailer.size


def _as_seen(left: Checkpoint) -> Seen:
    return Seen(left.seen_as, left.path, left.file_id, left.size, 0, (), left.compression)
