"""One configured source of files: its files take turns at being read, one chunk a turn.

What there is to read is known from discovery (``sightings``, ``census``, ``intake``); here a generation is read and
sent. How it ends is a matter of ``endings``, what became of it one of ``delivery``. Everything runs on the pump thread.
"""

from __future__ import annotations

import dataclasses
import errno
import math
from itertools import islice

from shipper.config import FileConfig
from shipper.discovery.rules import Watched
from shipper.files import BROKEN, PlainReader
from shipper.filesource import framers
from shipper.filesource.brisk import Brisk
from shipper.filesource.census import Census
from shipper.filesource.deleted import Deleted
from shipper.filesource.endings import Endings
from shipper.filesource.freshness import Freshness
from shipper.filesource.holding import Holding
from shipper.filesource.hot import Hot
from shipper.filesource.intake import Intake
from shipper.filesource.keeping import Keeping
from shipper.filesource.sightings import Sightings
from shipper.filesource.tools import Tools
from shipper.lifecycle import File
from shipper.model import Checkpoint, FileId, Observation, Sink, SourceState, TopicState, show_path
from shipper.records import Naming, Stage
from shipper.source import UNSAVED, BaseSource, Keeper, Problem
from shipper.source.schedule import Schedule
from shipper.tailer import BLOCK, ContentChanged, Tailer

RETRY_FIRST, RETRY_LAST = 0.5, 15.0  # seconds between tries of a file that cannot be read
RETRY_SHORT = 0.2  # the same, while too many files are open
GLANCES = 64  # files that are looked into at once
WEIGHED = 5000  # files that are looked at when somebody asks how much there is to read
LOOKS = 64  # files that are read in one turn while nothing is found in them
QUIET_TRIES = 20  # looks for which a generation waits before it begins, where names never come to rest
RENAMED_RETRY = 1.0  # seconds after which a name that led to another file is looked at again


class FileSource(BaseSource[Tailer]):
    """One source: whose turn it is, and how it stands. ``delivery``: what became of what it has sent."""

    def __init__(self, config: FileConfig, state: SourceState, sink: Sink, tools: Tools, *, reread: bool) -> None:
        tools = dataclasses.replace(tools, files=tools.files.trusting(Watched.of(config).trust))
        self._descriptors = tools.descriptors
        self._quiet = tools.quiet
        self._unquiet = 0  # how often names were not at rest where a generation was to begin
        self._looks_first = False  # what has happened to names is taken in before anything else is read
        naming = Naming(config, tools.host, tools.internal)
        stage = Stage(config, naming, tools.host)
        # Where no pattern looks at the lines there is nothing to be measured, and to measure costs what a line does.
        self._cpu = _untimed if stage.plain and framers.build(config).raw else tools.cpu
        schedule: Schedule[Tailer] = Schedule()
        census = self._census = Census(config, naming, tools.descriptors, schedule, tools.events)
        self._intake = Intake(census, schedule, tools)
        self._search = self._intake.search
        self._deleted = Deleted(census, self._search, tools.descriptors)
        self._sightings = Sightings(config, census, self._intake, schedule, tools, scanned=state.scanned, reread=reread)
        self.hot = Hot(census, tools.clock, self._grown, self._sightings.grown)
        keeping: Keeper = Keeping(census, schedule, tools.events, tools.clock)
        self._keeping = keeping
        super().__init__(
            config,
            naming,
            stage,
            sink,
            schedule,
            keeping,
            tools.ledger,
            tools.events,
            tools.clock,
            BLOCK,
        )
        self._brisk = Brisk(census, self._sending, self.delivery, tools.ledger, tools.events, tools.clock)
        self._endings = Endings(
            census,
            schedule,
            tools.descriptors,
            self.delivery,
            tools.events,
            tools.clock,
            send=self._sending.send,
            silence=config.partial_timeout,
        )
        census.restore(state.files)

    # --- what discovery saw ------------------------------------------------------------------------------------------

    def share(self, path: bytes, file_id: FileId) -> tuple[bytes, FileId]:
        """Return the path and the id of a file that is known by both as they are kept: equal, and not there twice."""
        known = self._census.by_id.get(file_id) or self._census.left.get(file_id)
        return (path, file_id) if known is None or known.seen_as != path else (known.seen_as, known.file_id)

    def observe(self, seen: Observation) -> None:
        """Take in what discovery saw."""
        self._sightings.observe(seen)

    def take_over(self, holding: Holding) -> None:
        """Go on with the files that were held open while nobody read them."""
        holding.hand_over(self.generations(), self._descriptors)

    def take_rest(self, holding: Holding) -> None:
        """Keep the other files that were held open until it is known which of them are there under a name."""
        for one, reader, elders in holding.rest(self.name):
            self._intake.loose.keep(one, reader, elders)

    def close(self) -> None:
        """Let go of what is kept open; its generations' files are closed with those of all sources."""
        self._intake.loose.close()

    def _grown(self, sizes: dict[Tailer, int]) -> list[Tailer]:
        """Have files read that have another size now; returns those that were read at once."""
        read, others = ([], list(sizes)) if self._leaving else self._brisk.read(sizes)
        if read and self._descriptors.full:
            for tailer in read:
                self._descriptors.touch(tailer)
        if others:
            self._sightings.grown(others)
        return read

    def modified(self, paths: set[bytes], *, grown: bool = False) -> None:
        """Take note of names whose bytes may have changed; ``grown``: most likely there are more of them."""
        self._sightings.modified(paths, self.hot.modified(paths, grown=grown))

    def stock(self) -> list[Tailer]:
        """Return every generation that is known, each path's oldest first: for who only looks, and sends nothing.

        Each is held against its content; one that is ``detached`` then is gone.
        """
        checked: set[Tailer] = set()
        while unchecked := [t for t in self.generations() if t not in checked]:
            for tailer in unchecked:
                checked.add(tailer)
                if tailer.detached or tailer.compression:
                    continue
                try:
                    if (tailer.reader is not None or self._descriptors.open(tailer)) and not tailer.verify():
                        self._search.changed(tailer)
                    elif len(self._descriptors) > self._descriptors.limit // 2:
                        self._descriptors.close(tailer)
                except BROKEN as error:
                    self._events.file_unreadable(self.name, tailer.seen_as, str(error))
        return self.generations()

    def generations(self) -> list[Tailer]:
        """Return every generation that is known, as far as it is known without a look."""
        known: list[Tailer] = []
        for lineage in self._census.lineages.values():
            if lineage.past or len(lineage.gens) > 1:
                known += sorted({*lineage.past, *lineage.gens}, key=lambda t: t.generation)
            else:  # as of most paths, of which there may be very many
                known += lineage.gens
        return known

    # --- turns -------------------------------------------------------------------------------------------------------

    @property
    def _has_turns(self) -> bool:
        return self._sightings.started and super()._has_turns

    def turn(self) -> bool:
        """Read and send one chunk of the next file whose turn it is; False where nothing was found, or not in a few."""
        if not self._sightings.started or self._sending.rate.waits:
            return False
        # A last line may be on trial as soon as it is sent: who waits for that must not be asked again and again.
        for _ in range(LOOKS):
            if self.delivery.held or self._looks_first or (tailer := self._next()) is None:
                return False
            if self._read(tailer):
                return True
        return False  # the brokers and the names have their turn, and then the next files

    def pin(self) -> None:
        """Open files that wait for their turn, as far as they may be: one that is renamed or deleted stays readable.

        What has grown is verified at once: only what is known to be of the same file can be told to be lost. A rotated
        file that holds other bytes is another generation, whose age only the names tell that are there now.
        Of the others a few are looked into each time: their first bytes tell them again, should they be compressed.
        """
        unpinned = self._census.unpinned
        glances, room = GLANCES, True
        while unpinned and glances:
            tailer = unpinned.popitem()[0]
            if tailer.detached or not tailer.unread:
                continue
            known = tailer.head_len
            try:
                room = room and (tailer.reader is not None or self._descriptors.room())
                if tailer.reader is not None or (room and self._descriptors.open(tailer)):
                    if not tailer.verify() and tailer.seen_as != tailer.path:
                        self._search.changed(tailer)  # of others it is noticed when they are read
                elif not tailer.head_len and not tailer.compression:
                    glances -= 1
                    self._descriptors.glance(tailer)
            except OSError:
                continue  # told when its turn comes
            if tailer.head_len != known:
                self._census.changed(tailer)  # saved, they tell it again after a kill too
        if not unpinned:
            unpinned.clear()  # it lets go of the room that very many have taken

    def _read(self, tailer: Tailer) -> bool:
        """Read one chunk of ``tailer``, if it may be read now; returns whether something was done."""
        lineage = self._census.lineages[tailer.path]
        late = tailer.state is File.FINISHED
        if tailer.detached:
            if late or tailer is not lineage.current:
                return False
            self._search.search(tailer)
            return True
        if not late and tailer is not lineage.current:
            return False
        if tailer.fresh is None or not tailer.fresh.behind:
            self._begin(tailer)
        if not (tailer.marks or tailer.part or tailer.record) and not self._may_begin():
            self._schedule.now(tailer)
            return False
        try:
            if tailer.reader is None and not self._descriptors.open(
                tailer, () if late else lineage.successors(tailer), its_turn=True
            ):
                self._schedule.later(tailer, self._clock() + RENAMED_RETRY)  # discovery will tell where it is
                return False
            if tailer.unseen and not self._intake.is_new(tailer):
                return True
            if (most := self._sending.most(tailer)) is None:
                if isinstance(tailer.reader, PlainReader):
                    tailer.learn(tailer.reader)  # by its first bytes it is known again, whatever happens until then
                return False
            self._descriptors.touch(tailer)
            if (late or tailer.blank) and self._has_first_bytes(tailer):
                tailer.unlearn()
                self._search.changed(tailer)
                return True
            before = tailer.place
            single = tailer.record or self.delivery.buried(tailer, before.read.offset)  # that line only
            block = 1 if single else min(self.delivery.pace.limit or BLOCK, self._stride.limit)
            began = self._cpu()
            # A line waits for its end, also a long one: no position stands inside of it, from which to go on after a
            # stop. A compressed file has all that it will ever have, and to look ahead in it costs too much.
            whole = self._ledger.transactional or not tailer.compression
            batch = tailer.take(block, most, whole=whole)
            tailer.warned = False
            tailer.retry_delay = 0.0
            begins = not (late or before.read.offset or before.part or tailer.record)
            if begins and (older := self._intake.older(tailer)):
                tailer.put_back(before)
                self._schedule.now(tailer)
                self._intake.take(older)
                return True
            sent = batch is not None and self._sending.send(tailer, batch, before)
            if batch is not None:
                self._stride.took(self._cpu() - began, batch.size)
                if not sent:
                    return False  # it waits for a topic
                self.hot.read(tailer)
            if tailer.at_end:
                self._endings.ended(tailer, lineage)
                self._descriptors.rested(tailer)
            else:
                self._schedule.now(tailer)
        except ContentChanged:
            self._search.changed(tailer)
            return True
        except BROKEN as error:
            self._cannot_read(tailer, error)
            return False
        return batch is not None or not tailer.at_end  # a long line's end is looked for piece by piece

    def _begin(self, tailer: Tailer) -> None:
        """Take note that something of ``tailer`` waits from now on."""
        if tailer.fresh is None:
            tailer.fresh = Freshness(self._clock())
        else:
            tailer.fresh.begin(self._clock(), tailer.track.acked.offset)

    @staticmethod
    def _has_first_bytes(tailer: Tailer) -> bool:
        """Whether a file that was finished or rotated empty has bytes now: of another one perhaps, copied over it."""
        if tailer.read.offset or tailer.compression or tailer.reader is None:
            return False
        return tailer.reader.stat().size > 0

    def _may_begin(self) -> bool:
        """Whether a generation may begin now: not before all that has happened to names has been taken in.

        An older one may have been overlooked, as it was renamed while it was decided what the unknown files are.
        """
        self._unquiet = 0 if self._quiet() else self._unquiet + 1
        self._looks_first = 0 < self._unquiet <= QUIET_TRIES
        return not self._looks_first

    def _cannot_read(self, tailer: Tailer, error: Exception) -> None:
        """Try again later, sooner at first; say so once."""
        if isinstance(error, FileNotFoundError):
            tailer.retry_delay = RENAMED_RETRY  # discovery will tell what became of it
        elif isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            tailer.retry_delay = RETRY_SHORT
        else:
            tailer.retry_delay = min(RETRY_LAST, max(RETRY_FIRST, tailer.retry_delay * 2))
            if not tailer.warned:
                tailer.warned = True
                self._events.file_unreadable(self.name, tailer.seen_as, str(error) or type(error).__name__)
        self._schedule.later(tailer, self._clock() + tailer.retry_delay)

    # --- time --------------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Do what is due: look again at files that waited, at topics that were missing."""
        now = self._clock()
        self._looks_first = False
        self._sightings.tick(now)
        self._ripen()
        self._intake.tick()
        self._deleted.tick(now)

    def due(self) -> float:
        """Return when :meth:`tick` has work next, or :meth:`pin`, which does not wait."""
        if self._census.unpinned:
            return -math.inf
        due = min(self._schedule.due, self._intake.due, self._sightings.due, self.delivery.due, self._rate_due)
        return min(due, self._deleted.due)

    # --- the end of it, while others go on ---------------------------------------------------------------------------

    def keep(self, holding: Holding) -> None:
        """Give all open files to ``holding``."""
        holding.keep(self.generations(), self._descriptors)
        for one, reader in self._intake.loose.hand_over():
            holding.keep_unknown(self.name, one, reader)

    # --- what is saved, and shown ------------------------------------------------------------------------------------

    @property
    def scanned(self) -> bool:
        """Whether its first scan of all has been recorded."""
        return self._sightings.scanned

    def all_changed(self) -> None:
        """Note that every checkpoint is to be saved."""
        self._census.all_changed()

    @property
    def has_changes(self) -> bool:
        """Whether there is anything to be saved."""
        return self._census.has_changes

    def changes(self) -> tuple[list[Checkpoint], list[tuple[str, str]]]:
        """Return the checkpoints that changed since the last call, and those to be removed, as (source, uid)."""
        return self._census.changes()

    def prepare(self) -> tuple[list[Checkpoint], list[tuple[str, str]]]:
        """Return what :meth:`changes` will be when everything that was sent is committed."""
        self._keeping.changed(list(self.delivery.unsettled))
        return self._census.changes(ahead=True)

    def take_back(self) -> None:
        """Note that what :meth:`prepare` returned has not come true."""
        self._census.take_back()

    @property
    def problem(self) -> Problem | None:
        """What keeps it from beginning: what keeps it from reading a file is told of that file."""
        return UNSAVED if self._sightings.blocked else None

    @property
    def _why_stuck(self) -> str:
        """Say in words what of its own keeps it from reading; "" where nothing does."""
        return UNSAVED.what if self._sightings.blocked else ""

    @property
    def _standing(self) -> str:
        """Say in words how far it is, where nothing keeps it from reading."""
        if self._schedule.hungry or self.delivery.unsettled:
            return "reading"
        if not self._sightings.started:
            return "its files are looked for"
        known = self.files or self._census.left
        return "idle: everything has been read" if known else "idle: no file matches paths"

    def why_waits(self, tailer: Tailer) -> str:
        """Say in words why a generation is not being read just now; "" where it is."""
        lineage = self._census.lineages.get(tailer.path)
        current = lineage.current if lineage is not None else None
        if self.delivery.blocked:
            return f"blocked: {self.delivery.blocked}"
        if tailer.detached:
            return "its bytes are looked for: another file has its name and inode"
        if tailer.state is File.WAITING and current is not None and current is not tailer:
            return f"waits for its predecessor, {show_path(current.seen_as)}"
        if lineage is not None and lineage.holds and current is None:
            return "waits for a rotated file that is still being compressed, or cannot be opened yet"
        if self.delivery.rewinding:
            return "something was not taken; it is sent again soon"
        if (state := self.sink.topic_state(tailer.topic)) is not TopicState.READY and tailer.unread:
            return f"topic {tailer.topic} is {state.value}"
        if self._sending.rate.waits and tailer.unread:
            return "held back by rate_limit"
        if tailer.warned:
            return "it cannot be read; tried again soon"
        if tailer.partial:
            return "its last line has no end yet"
        return "" if tailer.unread or not tailer.settled else "read to its end"

    def weigh(self) -> None:
        """Look how large the files are that wait to be read: while they do, nobody else looks."""
        for tailer in islice(self._schedule.waiting(), WEIGHED):
            if not isinstance(tailer.reader, PlainReader):
                continue
            try:
                size = tailer.reader.size()
            except OSError:
                continue  # told when it is read
            if size > tailer.size:
                tailer.size = size
                self._census.unpinned[tailer] = None  # to be seen whether it is what has grown
                if tailer.fresh is None or not tailer.fresh.behind:
                    self._begin(tailer)

    @property
    def files(self) -> int:
        """How many files it has."""
        return len(self._census.by_id)

    @property
    def waiting_bytes(self) -> int:
        """Bytes known to be there that were not read."""
        return self._census.unread


def _untimed() -> float:
    """Return no time."""
    return 0.0
