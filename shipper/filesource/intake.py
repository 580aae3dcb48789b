"""Decides what unknown files are: new, the copy of one that is known, or where one goes on whose own bytes are gone.

A file is unknown as long as it is in no list of the census; also one that was a generation's before and holds other
bytes now (``parting``). The other way round, for the bytes of a generation, it is ``search`` that looks. Pump thread
only.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from shipper.files import (
    BROKEN,
    HEAD,
    NotRegularError,
    PackedReader,
    PlainReader,
    Stat,
    fingerprint_at,
    leads_to,
    open_reader,
)
from shipper.filesource import looks
from shipper.filesource.around import Around, relatives
from shipper.filesource.census import Census
from shipper.filesource.identify import Answer, Verdict, begins_as, identify, length, same_bytes
from shipper.filesource.lineage import DONE, Lineage
from shipper.filesource.loose import Loose
from shipper.filesource.parting import Parting
from shipper.filesource.putoff import PutOff, Unsure, unreadable
from shipper.filesource.search import Search
from shipper.filesource.tools import Tools
from shipper.filesource.undecided import Case, Undecided, Why
from shipper.lifecycle import File, FileEvent
from shipper.model import Checkpoint, FileState, Seen
from shipper.source.schedule import Schedule
from shipper.tailer import Tailer

MOVES = 3  # times that files are looked at anew because they have moved on before it was decided what they are


class Intake:
    """Takes unknown files into the census. ``search``: for what is missing; ``loose``: what is open meanwhile."""

    def __init__(self, census: Census, schedule: Schedule[Tailer], tools: Tools) -> None:
        self._census = census
        self._schedule = schedule
        self._files = tools.files
        self._descriptors = tools.descriptors
        self._events = tools.events
        self._clock = tools.clock
        self._quiet = tools.quiet
        self._undecided = Undecided()
        self._putoff = PutOff(census, self._undecided, tools)
        self._around = Around(census, tools)
        self.loose = Loose(census)
        self._parting = Parting(census, self.loose, self._undecided, tools)
        self.search = Search(
            census, schedule, self.loose, self._around, self._parting, self._putoff, tools, take=self.take
        )
        self._begun: list[Tailer] = []  # since names were looked at
        self._current: dict[bytes, Seen] = {}  # while some are being decided: those of them that have their path's name

    def begin(self) -> None:
        """Take note that what is there at the start has been taken in."""
        self._parting.live = True

    def take(self, unknown: Iterable[Seen], doubtful: Iterable[Tailer] = ()) -> None:
        """Decide what unknown files are: the rotated ones of a path first, oldest first, then the one it names.

        Before that it is made sure that the generations which they may belong to, and those in ``doubtful``, still
        hold what was read of them: what holds other bytes is an unknown file too, and has its place among the others.
        """
        waiting = [*self._parting.released([*doubtful, *self._around.grown()]), *unknown, *self.loose.parted()]
        kin = {lineage.path: lineage for one in waiting for lineage in relatives(self._census, one)}
        for lineage in kin.values():
            opened = (t for t in lineage.past if t.reader is not None)
            waiting = self._parting.released([*lineage.gens, *opened]) + waiting
        for _ in range(MOVES):
            waiting = [*self._decide_all(waiting), *self.loose.parted()]
            if not waiting:
                break
            waiting = self._seen_now(waiting)
        for one in self.loose.in_order(waiting):
            self._decide(one)
        self._current.clear()
        self.loose.close()
        begun, self._begun = self._begun, []
        if begun and not self._quiet():
            self._census.unsure.update(dict.fromkeys(begun))
        for tailer in self._around.outlived():
            self.search.outlived(tailer)

    def older(self, tailer: Tailer) -> list[Seen]:
        """Return what is older than the first bytes of a generation, and was not seen yet: it is to be taken first.

        Before a file is truncated and begun anew, what was in it may be copied over one that was empty, or finished. To
        be asked when these bytes have been read, and are not sent yet: what was copied before is there then.
        """
        filled = self._undecided.empty_of(tailer.path)
        changed = [now for case in filled if (now := looks.now(case.one)) is not None and now.size != case.one.size]
        known = self._census.lineages[tailer.path].members()
        finished = [t for t in known if t.finished and not (t.detached or t.compression)]
        if not finished:  # as of most paths
            return changed
        with self._descriptors.in_use(tailer):
            released = self._parting.released(t for t in finished if t.reader is not None or looks.has_changed(t))
        return [*released, *changed]

    def _decide_all(self, waiting: list[Seen]) -> list[Seen]:
        """Decide what unknown files are; returns those of a path of which one has moved on: their order is not sure."""
        self._current = {one.path: one for one in waiting if one.path == one.base}
        moved: dict[bytes, list[Seen]] = {}
        for one in self.loose.in_order(waiting):
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
        found = self._around.neighbours(
            os.path.dirname(name) for one in waiting for name in (one.path, self._also(one)) if name
        )
        # What has lost its name since the look is younger than what was seen with it, and older than what has it now.
        found = self.loose.gone(waiting, found) | found
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
            self._putoff.drop(one.file_id)
            case = None
        if case is not None and case.one.path != one.path:
            self._census.also[one.file_id] = case.one.path  # it may have both
            for path in case.held:
                self._census.hold(path, one)
        if one.file_id in self._census.by_id:
            self._putoff.drop(one.file_id)
            return True  # it was decided already, before what is a copy of it
        if case is not None and case.why is Why.INCOMPLETE and not case.ready:
            self._undecided.look(case, one, self._clock())
            if not (case.fresh and self._putoff.has_taken_over(case)):
                return True  # to decompress it once more would tell nothing new
        kin = relatives(self._census, one)
        try:
            there = self._try(one, kin, own=own)
        except Unsure as unsure:
            self._putoff.put(one, unsure, kin, own=own)
            return True
        self._putoff.drop(one.file_id)
        return there

    def _try(self, one: Seen, kin: list[Lineage], *, own: bool) -> bool:
        """Decide what one unknown file is; returns whether it was still there, under this name. Raises Unsure."""
        if not one.adoptable and not any(t.detached for r in kin for t in r.gens):
            return True  # excluded, and nothing is missing that it could continue
        if not kin and one.path == one.base and not one.compression:
            self._new(one)
            return True
        try:
            reader = self._open(one)
        except (FileNotFoundError, NotRegularError):
            return False
        except Unsure as refused:
            if not own or refused.why is Why.CROWDED:
                raise
            self._new_unseen(one)
            return True
        kept = False
        try:
            if reader.stat().file_id != one.file_id:
                return False
            kept = self._judge(one, reader, kin)
        except OSError as error:
            unsure = unreadable(error, reader)
            nameless = unsure.why is not Why.INCOMPLETE and not leads_to(one.path, one.file_id)
            closed = unsure.why in (Why.UNREADABLE, Why.RELATED)
            if not one.adoptable or not ((own and closed) or nameless):
                raise unsure from None
            self._new_unseen(one)
            if kept := nameless:  # closed, it would be gone
                self._keep_open(self._census.by_id[one.file_id], one, reader)
        except BROKEN as error:
            raise Unsure(Why.INCOMPLETE, str(error)) from None
        finally:
            if not kept:
                reader.close()
        return True

    def again(self, paths: set[bytes]) -> None:
        """Look again at files of which nothing could be said, or that were copies, and that have changed."""
        for case in list(self._undecided.cases.values()):
            if case.why is Why.EMPTY and case.one.path in paths:
                self._look_at(case)
        for left in self._census.left.copies(paths):
            now = looks.now(looks.as_seen(left))
            if now is not None and (now.file_id not in self._census.left or self._census.left.has_changed(now)):
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
        now = looks.now(case.one)
        if now is None:
            self._look_elsewhere(case.one)
        elif self._undecided.look(case, now, self._clock()):
            self.take([now])
        else:
            self._putoff.give_up(case)

    def _look_elsewhere(self, one: Seen) -> None:
        """Go on with a file of which nothing could be said, and whose name is gone, under another that it has."""
        if name := self._also(one):
            found = self._around.neighbours([os.path.dirname(name)]).get(one.file_id)
            self.take([found] if found is not None else ())
            if found is not None:
                return
        self._putoff.drop(one.file_id)  # the event of what happened to it is on its way

    def is_new(self, tailer: Tailer) -> bool:
        """Whether an open file that was taken for new without a look is new; else it is decided now what it is.

        It could not be read then, and may be what an older generation of its path goes on in, or the copy of one.
        """
        assert tailer.reader is not None
        verdict = Verdict.NEW
        if others := [other for other in self._census.lineages[tailer.path].members() if other is not tailer]:
            with self._descriptors.in_use(tailer), contextlib.closing(self._parting.at_hand(others)) as opened:
                verdict, _ = identify(tailer.reader, length(tailer.reader), opened, (), looks.size_now)
        tailer.unseen = False
        if verdict not in (Verdict.CONTINUES, Verdict.COPY):
            return True
        one = looks.named(tailer)
        if isinstance(reader := self._descriptors.hand_over(tailer), PlainReader):
            self.loose.hold(tailer.file_id, reader)
        elif reader is not None:
            reader.close()
        self._census.discard(tailer)
        self.take([one])
        return False

    # --- the decision ------------------------------------------------------------------------------------------------

    def _open(self, one: Seen) -> PlainReader | PackedReader:
        """Open an unknown file.

        Raises FileNotFoundError, or NotRegularError, where its name has no file any more, and Unsure.
        """
        if not one.compression and (held := self.loose.take(one.file_id)) is not None:
            return held  # its name may be gone by now
        self._descriptors.room()
        try:  # also where there is none: it is closed again at once, and what is unknown now breaks the order later
            return open_reader(self._files, one.path, one.compression)
        except (FileNotFoundError, NotRegularError):
            raise
        except OSError as error:
            raise unreadable(error) from None

    def _judge(self, one: Seen, reader: PlainReader | PackedReader, kin: list[Lineage]) -> bool:
        """Act on what an open unknown file is; returns whether its reader is kept. Raises Unsure."""
        census = self._census
        if not one.adoptable and not any(begins_as(reader, t) for r in kin for t in r.gens if t.detached):
            return False  # the directory may be full of such files, and it takes long to decompress them
        before = reader.stat()
        size = length(reader)
        for tailer in [t for r in kin for t in r.gens if self._is_mounted_over(t, one, reader, size)]:
            census.unbind(tailer)  # nothing comes to it any more
        left = [c for c in census.left.of(one.base) if c.file_id != one.file_id]
        verdict, of = self._identify(reader, size, kin, left)
        if verdict is Verdict.UNSURE and one.path == one.base and all(r.path == one.base for r in kin):
            verdict = Verdict.NEW  # an empty file begins here; by its name it is not where a copy is being written
        if not one.adoptable and verdict is not Verdict.CONTINUES:
            return False  # exclude hides it, but not that a known file goes on in it
        if verdict is Verdict.NEW and size >= HEAD and self._is_copy_of_unknown(one, reader, size):
            # What is copied comes first, so that no copy is ever left without it.
            self._decide(self._current[one.base])
            kin = relatives(self._census, one)
            verdict, of = self._identify(reader, size, kin, left)
        if verdict is Verdict.UNSURE:
            raise Unsure(Why.EMPTY)
        if verdict is Verdict.COPY:
            if of is not None:
                self._events.file_copy(census.source, of.path, one.path)
                of.learn(reader)  # it may have been empty when it was verified just before, and be truncated by now
                census.changed(of)  # by what is saved of it now, the copy is recognised if it is all that is left
            census.left.leave(one, FileState.COPY, fingerprint_at(reader, 0 if one.compression else size))
        elif verdict is Verdict.CONTINUES and of is not None:
            self._continue(of, one, reader, size)
            return True
        else:
            case = self._undecided.cases.get(one.file_id)
            if case is not None and case.why is Why.OVERWRITTEN and not case.ready:
                raise Unsure(Why.OVERWRITTEN)
            self._may_have(one, size)
            self._new(one, reader, before if one.path != one.base else None)
            return True
        return False

    def _identify(
        self, reader: PlainReader | PackedReader, size: int, kin: list[Lineage], left: list[Checkpoint]
    ) -> Answer:
        """Hold an unknown file against what is known; raises OSError where too many files are open to tell."""
        with contextlib.closing(self._parting.at_hand([t for r in kin for t in r.members()])) as tailers:
            return identify(reader, size, tailers, left, looks.size_now)

    def _may_have(self, one: Seen, size: int) -> None:
        """Let nothing be told to be lost that a rotated file may hold: of which only the size was known, and is gone.

        Which of them it is nobody can say, so it has the place that its name tells, and one file is enough for one.
        """
        lineage = self._census.lineages.get(one.base) if one.rank else None
        for tailer in lineage.gens if lineage is not None else ():
            unknown = tailer.state not in DONE and not (tailer.head_len or tailer.read.offset)
            if unknown and 0 < tailer.sure <= size and (tailer.detached or looks.has_shrunk(tailer)):
                tailer.size = tailer.sure = 0
                return

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

    def _new(self, one: Seen, reader: PlainReader | PackedReader | None = None, judged: Stat | None = None) -> None:
        """Begin a generation; ``reader`` is kept as far as files may be open, and where its name is gone.

        ``judged``: how a rotated file was when it was judged. One that has been written over since is judged by what it
        holds when it is its turn: that may be what is known of it.
        """
        census = self._census
        census.left.take_up(one.file_id)
        tailer = census.new(one, nameless=one.file_id in self.loose.nameless)
        self._begun.append(tailer)
        if reader is None:
            reader = self.loose.take(one.file_id)
        if reader is None:
            return
        tailer.unseen = judged is not None
        with contextlib.suppress(*BROKEN):  # told when it is read
            tailer.learn(reader)
            tailer.unseen = judged is not None and reader.stat() != judged
        if self._descriptors.room() or one.file_id in self.loose.nameless or not leads_to(one.path, one.file_id):
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
        if one.file_id in self.loose.nameless:
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
        if not tailer.detached and (own := looks.now(looks.named(tailer))) is not None:
            self.loose.part(own)  # it is there, and cannot be read: what it is now is another question
        census.unbind(tailer)
        census.left.take_up(one.file_id)
        tailer.adopt(reader, one.path, one.file_id, one.compression)
        tailer.sure = min(tailer.sure, max(size, tailer.read.offset))  # it may have other bytes since
        self._descriptors.adopted(tailer)
        census.bind(tailer, one.file_id, one.path)
        if one.file_id in self.loose.nameless:
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


def _may_be_overwritten(case: Case, one: Seen) -> bool:
    """Whether a file that was written over may be so still: its inode may be given to the next one that is rotated."""
    return case.why is not Why.OVERWRITTEN or bool(looks.compressed_beside(one.path))
