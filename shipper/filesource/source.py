"""One configured source of files: its files take turns at being read, one chunk a turn.

What there is to read is the census's to know (``census``, ``intake``); here a generation is read, ended and finished,
and read again from its acked offset when something was not taken. Everything runs on the pump thread.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from shipper.config import SourceConfig
from shipper.errors import StateError
from shipper.events import Events
from shipper.files import BROKEN, Files, Stat
from shipper.filesource import firstscan
from shipper.filesource.census import FORGET_AFTER, Census
from shipper.filesource.descriptors import Descriptors
from shipper.filesource.intake import DELETED, Intake
from shipper.filesource.lineage import DONE, Lineage
from shipper.filesource.pace import Pace
from shipper.filesource.reuse import is_still, is_still_left
from shipper.filesource.schedule import Schedule
from shipper.ledger import RECORD_OVERHEAD, Alone, Ledger
from shipper.lifecycle import File, FileEvent
from shipper.model import Checkpoint, Clock, FileId, Observation, Seen, Sink, SourceState, TopicState
from shipper.records import Naming, part_headers
from shipper.tailer import BLOCK, Batch, ContentChanged, Tailer

RETRY_FIRST, RETRY_LAST = 0.5, 15.0  # seconds between tries of a file that cannot be read
RETRY_SHORT = 0.2  # the same, while too many files are open
RENAMED_RETRY = 1.0  # seconds after which a name that led to another file is looked at again
REFUSED_LAST = 60.0  # seconds between tries of what is not taken, at most
ADRIFT_BEAT = 1.0  # seconds between looks at files that were moved out of the watched directories


class FirstScanStore(Protocol):
    """What a source needs of the checkpoint store."""

    def record_first_scan(self, source: str, files: Sequence[Checkpoint]) -> None:
        """Save a source's first scan durably; raises StateError."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What every source of one daemon shares."""

    files: Files
    descriptors: Descriptors
    ledger: Ledger
    events: Events
    clock: Clock
    wall: Clock  # seconds since 1970, for ages in the configuration only
    store: FirstScanStore
    look: Callable[[str, bytes], Observation]  # (source, directory): what is in it now
    host: str


class FileSource:
    """One source: whose turn it is, and what became of what was sent."""

    def __init__(self, config: SourceConfig, state: SourceState, sink: Sink, tools: Tools, *, reread: bool) -> None:
        self.config = config
        self.name = config.name
        self.sink = sink
        self._tools = tools
        self._descriptors = tools.descriptors
        self._ledger = tools.ledger
        self._events = tools.events
        self._clock = tools.clock
        self._schedule = Schedule()
        naming = Naming(config, tools.host)
        self.fixed_topic = naming.fixed_topic  # where it is the same for all files
        self._census = Census(config, naming, tools.descriptors, self._schedule, tools.events)
        self._intake = Intake(
            self._census, self._schedule, tools.files, tools.descriptors, tools.events, tools.clock, tools.look
        )
        self._reread = reread
        self._scanned = state.scanned  # the first scan of all has been recorded
        self._started = False  # the first scan of this run has been taken in
        self._first: Observation | None = None  # a first scan that could not be saved yet
        self._adrift_at = 0.0
        self._unsettled: dict[Tailer, None] = {}
        self._backoff = 0.0
        self._resume_at = 0.0
        self.rewinding = False
        self.delivered = 0  # records that were acknowledged since the start
        self.pace = Pace()
        self._trial = False  # what was sent last may be refused: nothing follows before it is settled
        self._fits: dict[str, int] = {}  # by topic: what was known to fit when it was last sent to
        # With transactions: the parts of lines that are safe in the dead letters, until a commit has passed them.
        self._buried: dict[tuple[str, int, int], set[int]] = {}
        self.blocked = ""  # where a record stands that was refused for good and cannot be passed over, and why
        self._census.restore(state.files)

    # --- what discovery saw ------------------------------------------------------------------------------------------

    def observe(self, seen: Observation) -> None:
        """Take in what discovery saw."""
        census = self._census
        if not self._scanned:
            if seen.complete:
                self._first_scan(seen)
            return
        found = census.choose(seen.seen)
        unknown: list[Seen] = []
        doubtful: list[Tailer] = []
        missing: list[Tailer] = []
        for file_id, one in found.items():
            tailer = census.by_id.get(file_id)
            if tailer is not None and not is_still(self._tools.files, tailer, one):
                census.unbind(tailer)
                missing.append(tailer)
                tailer = None
            left = census.left.get(file_id)
            if left is not None and not is_still_left(self._tools.files, left, one):
                census.part(left)
                left = None
            if tailer is not None:
                if census.sighted(tailer, one) or not self._started:
                    self._grew(tailer)
                    if tailer.finished:
                        doubtful.append(tailer)  # late lines, or another file under the same inode
            elif left is not None:
                if census.left_changed(one):
                    unknown.append(one)
            else:
                unknown.append(one)
        missing += self._missing(seen, found)
        self._intake.take(unknown, doubtful)
        now = self._clock()
        self._intake.follow(
            t for t in missing if t.detached and t.state not in DONE and (t.unread or not self._started)
        )
        for tailer in missing:
            if tailer.detached and tailer.state not in DONE and census.has_copies(tailer.path):
                self._intake.search(tailer, why=DELETED)
            elif tailer.detached:
                census.lose(tailer, DELETED, now)
        if seen.complete:
            census.forget_vanished(seen, found, now)
            if not self._started:
                self._start(first=False)

    def modified(self, paths: set[bytes]) -> None:
        """Take note of names whose bytes may have changed."""
        by_name = self._census.by_name
        for path in by_name.keys() & paths:
            self._grew(by_name[path])
        self._intake.again(paths)

    def _start(self, *, first: bool) -> None:
        self._started = True
        for lineage in self._census.lineages.values():
            if (current := lineage.current) is not None and current.detached:
                self._schedule.now(current)  # nothing was seen of it: it is searched for when it is its turn
        self._events.source_scanned(self.name, self.files, self.waiting_bytes, first=first)

    def _first_scan(self, seen: Observation) -> None:
        """Record what is there durably, before anything of it is sent."""
        found = self._census.choose(seen.seen)
        # Where a store was set aside nothing is known of any file, and all of them are read from their beginning (I8).
        known = [] if self._reread else [one for one in found.values() if one.adoptable]
        recorded = firstscan.checkpoints(self.config, known, self._tools.files, self._tools.wall())
        try:
            self._tools.store.record_first_scan(self.name, recorded)
        except StateError as error:
            self._events.source_blocked_first_scan(self.name, str(error))
            self._first = seen
            self._resume_at = self._clock() + 1.0
            return
        self._first = None
        self._scanned = True
        self._census.restore(recorded)
        for tailer in self._census.by_id.values():
            self._schedule.now(tailer)
            self._census.unpinned[tailer] = None
        if self._reread:
            self._intake.take(one for one in found.values() if one.adoptable)
        self._start(first=True)

    def _grew(self, tailer: Tailer) -> None:
        """Let a file be read again as soon as it is its turn."""
        current = self._census.lineages[tailer.path].current
        if tailer.state not in DONE and tailer is not current:
            if current is not None:
                self._schedule.now(current)  # one that comes after it has grown: it may be finished now
        elif tailer.state is not File.LOST:
            tailer.event(FileEvent.GREW)
            self._schedule.now(tailer)

    def _missing(self, seen: Observation, found: dict[FileId, Seen]) -> list[Tailer]:
        """Go on with open files that have no name any more; returns those that cannot be read until they are found."""
        missing = []
        for tailer in list(self._census.suspects(seen, found)):
            if tailer.reader is not None and (stat := self._stat(tailer)) is not None:
                self._out_of_sight(tailer, stat)
            elif not self._tools.files.unmounted(tailer.seen_as, tailer.file_id):
                self._census.unbind(tailer)
                missing.append(tailer)
        return missing

    def _stat(self, tailer: Tailer) -> Stat | None:
        """Return what the operating system says of an open file; None, and it is closed, where it has lost it (NFS)."""
        assert tailer.reader is not None
        try:
            return tailer.reader.stat()
        except OSError as error:
            self._events.file_unreadable(self.name, tailer.seen_as, str(error))
            self._descriptors.close(tailer)
            return None

    def _out_of_sight(self, tailer: Tailer, stat: Stat) -> None:
        """Go on with an open file that has no name any more, or none that we watch."""
        tailer.linked = stat.links > 0
        tailer.size = max(tailer.size, stat.size)
        if tailer.linked:
            self._census.adrift[tailer] = None
        elif tailer.state is not File.LOST:
            tailer.event(FileEvent.REPLACED)
        self._census.unname(tailer)
        self._grew(tailer)

    def stock(self) -> list[Tailer]:
        """Return every generation that is known, each path's oldest first: for who only looks, and sends nothing.

        Each is held against its content; one that is ``detached`` then is gone.
        """
        checked: set[Tailer] = set()
        while unchecked := [t for t in self._generations() if t not in checked]:
            for tailer in unchecked:
                checked.add(tailer)
                if tailer.detached or tailer.compression:
                    continue
                try:
                    if (tailer.reader is not None or self._descriptors.open(tailer)) and not tailer.verify():
                        self._intake.changed(tailer)
                    elif len(self._descriptors) > self._descriptors.limit // 2:
                        self._descriptors.close(tailer)
                except BROKEN as error:
                    self._events.file_unreadable(self.name, tailer.seen_as, str(error))
        return self._generations()

    def _generations(self) -> list[Tailer]:
        lineages = self._census.lineages.values()
        return [t for lineage in lineages for t in sorted({*lineage.past, *lineage.gens}, key=lambda t: t.generation)]

    # --- turns -------------------------------------------------------------------------------------------------------

    @property
    def hungry(self) -> bool:
        """Whether a turn may find something to read."""
        return self._schedule.hungry and self._started and not self._held

    @property
    def inside_line(self) -> bool:
        """Whether some parts of a line have been sent, and not all of them."""
        return not self.rewinding and any(tailer.part for tailer in self._unsettled)

    @property
    def on_trial(self) -> bool:
        """Whether what was sent may be refused, and nothing else may be in its batch."""
        return self.pace.limit > 0 and bool(self._unsettled) and not self.rewinding

    @property
    def reports_due(self) -> bool:
        """Whether a delivery report is still to come."""
        return any(tailer.track.in_flight for tailer in self._unsettled)

    @property
    def _held(self) -> bool:
        """Whether nothing may be read now: before a rewind, or while a chunk is on trial."""
        if self.rewinding:
            return True
        if not self._unsettled or not (self.pace.limit > 0 or self._trial):
            return False
        if self._ledger.transactional and self.inside_line:
            return self.reports_due  # a line is committed whole: the next part follows when this one was taken
        return True

    @staticmethod
    def _place(tailer: Tailer) -> tuple[str, int, int]:
        """Return where the next line is, over all files."""
        return tailer.uid, tailer.generation, tailer.read.offset

    def turn(self) -> bool:
        """Read and send one chunk of the next file whose turn it is; False where there is nothing to read."""
        if self._held or not self._started:
            return False
        while (tailer := self._schedule.next()) is not None:
            if self._read(tailer):
                return True
        return False

    def pin(self) -> None:
        """Open files that wait for their turn, as far as they may be: one that is renamed or deleted stays readable."""
        unpinned = self._census.unpinned
        while unpinned:
            tailer = unpinned.popitem()[0]
            if tailer.reader is not None or tailer.detached or not tailer.unread or not self._descriptors.room():
                continue
            try:
                self._descriptors.open(tailer)
            except OSError:
                continue  # told when its turn comes

    def _read(self, tailer: Tailer) -> bool:
        """Read one chunk of ``tailer``, if it may be read now; returns whether something was done."""
        lineage = self._census.lineages[tailer.path]
        late = tailer.state is File.FINISHED
        if tailer.detached:
            if late or tailer is not lineage.current:
                return False
            self._intake.search(tailer)
            return True
        if not late and tailer is not lineage.current:
            return False
        try:
            if tailer.reader is None and not self._descriptors.open(tailer):
                self._schedule.later(tailer, self._clock() + RENAMED_RETRY)  # discovery will tell where it is
                return False
            if self.sink.topic_state(tailer.topic) is not TopicState.READY:
                self._schedule.block(tailer)
                return False
            self._descriptors.touch(tailer)
            fits = self.sink.fits(tailer.topic)
            if fits != self._fits.setdefault(tailer.topic, fits):
                if self._unsettled:  # it may have gone another way, and must not be overtaken
                    self._schedule.later(tailer, self._clock() + RETRY_SHORT)
                    return False
                self._fits[tailer.topic] = fits
            most = fits - len(tailer.key)
            start = tailer.read.offset
            block = 1 if self._place(tailer) in self._buried else self.pace.limit or BLOCK  # 1: that line only
            batch = tailer.take(block, most, whole=self._ledger.transactional)
            tailer.warned = False
            tailer.retry_delay = 0.0
            if batch is not None:
                self._send(tailer, batch, start, most)
            if tailer.at_end:
                self._ended(tailer, lineage)
            else:
                self._schedule.now(tailer)
        except ContentChanged:
            self._intake.changed(tailer)
            return True
        except BROKEN as error:
            self._cannot_read(tailer, error)
            return False
        return batch is not None

    def _send(self, tailer: Tailer, batch: Batch, start: int, most: int) -> None:
        """Hand a batch that begins at ``start`` to the client.

        One list element a line is all the work that Python does for it. A record that may be refused is alone in its
        batch: while what was refused is narrowed down, and when it has more bytes than ``most``.
        """
        key = tailer.key
        messages = [{"value": line, "key": key} for line in batch.lines]
        count = len(messages)
        weight = batch.size + count * (len(key) + RECORD_OVERHEAD)
        headers = tuple(part_headers(batch.part, last=batch.last)) if batch.part else ()
        if count == 1 and batch.part in self._buried.get((tailer.uid, tailer.generation, start), ()):
            self._ledger.track(tailer.track, batch.end, 0, 0)  # passed by the next commit
            self._unsettled[tailer] = None
            return
        narrow = count == 1 and self.pace.limit > 0
        # A transactional client has one size of batches: only what is narrowed down is alone there.
        large = count == 1 and len(batch.lines[0]) > most and not self._ledger.transactional
        alone = Alone(start, batch.part, batch.lines[0], headers) if narrow or large else None
        chunk = self._ledger.track(tailer.track, batch.end, count, weight, alone)
        self._trial = self._trial or large
        self._unsettled[tailer] = None
        tailer.grew_at = self._clock()
        if tailer.state is File.FINISHED:
            self._events.file_late(self.name, tailer.path, tailer.seen_as, count)
        self._events.records_sent(self.name, count, batch.size)
        if headers:
            self.sink.send_with(tailer.topic, messages[0], headers, chunk, alone=narrow)
        else:
            self.sink.send(tailer.topic, messages, chunk, alone=narrow)

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

    # --- the end of a file -------------------------------------------------------------------------------------------

    def _ended(self, tailer: Tailer, lineage: Lineage) -> None:
        """Decide, where a read came to the end of the file, whether that is the end of the generation."""
        now = self._clock()
        self._note_size(tailer, now)
        tailer.event(FileEvent.END)
        if tailer.state is File.FINISHED:
            has_name = self._census.by_name.get(tailer.path) is tailer  # a restored file, which may grow
            if has_name or not self._send_last(tailer, now):
                self._close_finished(tailer, now)
            return
        successor = lineage.successor(tailer)
        if successor is None:
            if tailer.linked and not tailer.compression:
                return  # idle: it may grow
        elif not lineage.succeeded:
            if any(self._has_bytes(one) for one in lineage.successors(tailer)):  # the next one may stay empty for ever
                lineage.succeeded = True
                self._schedule.now(tailer)  # once more, now that a successor's first byte was seen
            return
        if (successor is None and not self._silent(tailer, now)) or self._send_last(tailer, now):
            return
        tailer.event(FileEvent.REPLACED)
        tailer.event(FileEvent.DONE)
        self._events.file_finished(self.name, tailer.path, tailer.generation, tailer.read.offset)
        self._census.changed(tailer)
        self._close_finished(tailer, now)
        self._census.retire(lineage)
        self._census.advance(lineage)

    def _send_last(self, tailer: Tailer, now: float) -> bool:
        """Send the unended last line of a file that can no longer grow; whether there is one, sent or still waited for.

        A compressed file does not tell by its size whether there is one.
        """
        if not (tailer.partial or tailer.part or tailer.compression):
            return False
        if not self._silent(tailer, now):
            return True
        if self._held:  # what was sent just now may be refused
            self._schedule.now(tailer)
            return True
        start = tailer.read.offset
        last = tailer.take_last()
        if last is None:
            return False
        self._send(tailer, last, start, self.sink.fits(tailer.topic) - len(tailer.key))
        self._schedule.now(tailer)
        return True

    def _note_size(self, tailer: Tailer, now: float) -> None:
        """Take note of how the file is at the end of a read: grown since, shorter than it was, or without a name."""
        assert tailer.reader is not None
        stat = tailer.reader.stat()
        tailer.linked = stat.links > 0
        if not tailer.compression:
            if stat.size > tailer.size:
                self._schedule.now(tailer)
            elif stat.size < tailer.size:
                lost = tailer.size - max(stat.size, tailer.read.offset)
                if lost > 0:
                    why = "truncated before it was read to its end"
                    self._events.file_lost(self.name, tailer.path, tailer.generation, lost, why)
                tailer.size = stat.size
        if tailer.size != tailer.quiet_size:
            tailer.quiet_size = tailer.size
            tailer.grew_at = now

    def _silent(self, tailer: Tailer, now: float) -> bool:
        """Whether it has not grown for ``partial_timeout``; looks again at that time if not."""
        due = tailer.grew_at + self.config.partial_timeout
        if now >= due or tailer.compression:
            return True
        self._schedule.later(tailer, due)
        return False

    def _has_bytes(self, tailer: Tailer) -> bool:
        """Whether the first byte of a generation has been seen."""
        if tailer.size or tailer.compression or tailer.detached:
            return True
        try:
            if tailer.reader is None and not self._descriptors.open(tailer):
                return False
        except OSError:
            return False  # told when its turn comes
        assert tailer.reader is not None
        tailer.size = tailer.reader.stat().size
        return tailer.size > 0

    def _close_finished(self, tailer: Tailer, now: float) -> None:
        """Let go of a finished file that has no name, once its writer has been silent."""
        if tailer.linked and not tailer.compression:
            return  # kept open for what comes late, until another needs the descriptor
        if not tailer.settled:
            return  # it may have to be read again; looked at when it is acknowledged
        if self._silent(tailer, now):
            self._descriptors.close(tailer)
            if not tailer.linked:
                self._census.unbind(tailer)
                self._census.gone(tailer, now)

    # --- time --------------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Do what is due: look again at files that waited, at topics that were missing."""
        now = self._clock()
        if self._first is not None and now >= self._resume_at:
            self._first_scan(self._first)
        self._schedule.ripen(now, lambda topic: self.sink.topic_state(topic) is TopicState.READY)
        self._intake.tick()
        if self._census.adrift and now >= self._adrift_at:
            self._adrift_at = now + ADRIFT_BEAT
            for tailer in list(self._census.adrift):
                self._drifting(tailer, now)

    def due(self) -> float:
        """Return when :meth:`tick` has work next."""
        due = min(self._schedule.due, self._intake.due)
        if self._census.adrift:
            due = min(due, self._adrift_at)
        if self._first is not None or self.rewinding:
            due = min(due, self._resume_at)
        return due

    def _drifting(self, tailer: Tailer, now: float) -> None:
        """Look at a file that was moved to where no events come from."""
        stat = self._stat(tailer) if tailer.reader is not None else None
        if stat is None:
            del self._census.adrift[tailer]
        elif not stat.links:
            del self._census.adrift[tailer]
            self._out_of_sight(tailer, stat)
        elif stat.size != tailer.size:
            self._grew(tailer)
        elif tailer.state is File.FINISHED and tailer.settled and now - tailer.grew_at > FORGET_AFTER:
            self._census.unbind(tailer)
            self._census.gone(tailer, now)

    # --- what the brokers say ----------------------------------------------------------------------------------------

    def acked(self, tailer: Tailer, *, saved: bool = False) -> None:
        """Take note that a generation's acked offset has moved; ``saved``: and that its checkpoint says so already."""
        self.pace.taken()
        self.passed(tailer, saved=saved)

    def passed(self, tailer: Tailer, *, saved: bool = False) -> None:
        """Take note that a generation's acked offset has moved, over a dead letter perhaps."""
        records = tailer.track.take_resolved()
        self.delivered += records
        self._events.records_acked(self.name, records)
        if not saved:
            self._census.changed(tailer)
        self._backoff = 0.0
        self.blocked = ""
        for place in [p for p in self._buried if p[:2] == (tailer.uid, tailer.generation)]:
            if place[2] < tailer.track.acked.offset:
                del self._buried[place]
        if tailer.settled:
            self._unsettled.pop(tailer, None)
            if not self._unsettled:
                self._trial = False
            if tailer.state in DONE:
                self._census.retire(self._census.lineages[tailer.path])
                if tailer.reader is not None and not (tailer.linked and not tailer.compression):
                    self._schedule.now(tailer)  # it may be closed now

    def refuse(self, delay: float) -> None:
        """Stop, as something was not taken; rewind when nothing is in flight any more, after a growing pause."""
        if not self.rewinding:
            self.rewinding = True
            self._backoff = min(max(delay, self._backoff * 2), REFUSED_LAST)
            self._resume_at = self._clock() + self._backoff

    def narrow(self, size: int, delay: float) -> None:
        """Stop, as a batch was refused: rewind, and send what was a chunk of ``size`` bytes in smaller ones.

        The pause does not grow, for this comes to its end: at a single record.
        """
        if not self.rewinding:
            self.pace.refused(size)
            self.rewinding = True
            self._resume_at = self._clock() + delay

    def block(self, delay: float, why: str) -> None:
        """Stop before a record that was refused for good and may not be passed over; it is tried again."""
        self.blocked = why
        if self.waiting:
            self.rewinding = False
        self.refuse(delay)

    def wait(self) -> None:
        """Stop before a record that was refused for good, until :meth:`bury` or :meth:`block` says what becomes of it.

        For transactions: what was sent goes with the one that is aborted.
        """
        self.rewinding = True
        self._resume_at = math.inf

    @property
    def waiting(self) -> bool:
        """Whether it waits for what becomes of a record that was refused for good."""
        return self.rewinding and math.isinf(self._resume_at)

    def bury(self, uid: str, generation: int, offset: int, part: int) -> bool:
        """Pass over a part of a line that is safe in the dead letters, from now on; returns whether that is news."""
        parts = self._buried.setdefault((uid, generation, offset), set())
        news = part not in parts
        parts.add(part)
        if self.waiting:
            self._resume_at = self._clock()
        return news

    def try_rewind(self) -> bool:
        """Rewind, if it is time and nothing of this source is in flight; returns whether it did."""
        if not self.rewinding or self._clock() < self._resume_at:
            return False
        if self.reports_due:
            return False
        self._rewind()
        return True

    def void(self) -> None:
        """Rewind at once: the client is gone with all that it had in flight."""
        for tailer in self._unsettled:
            self._ledger.void(tailer.track)
        self._rewind()

    def aborted(self) -> None:
        """Rewind, for the transaction is gone; where something was refused, after the pause that follows from it."""
        for tailer in self._unsettled:
            self._ledger.void(tailer.track)
        if self._unsettled and not self.rewinding:
            self._rewind()

    def _rewind(self) -> None:
        self._events.source_rewound(self.name, len(self._unsettled))
        for tailer in self._unsettled:
            lineage = self._census.lineages[tailer.path]
            lost = tailer.read.offset - tailer.track.acked.offset
            if tailer.state is File.LOST and lost:
                self._events.file_lost(self.name, tailer.path, tailer.generation, lost, "gone before it was sent again")
            tailer.rewind()
            tailer.event(FileEvent.REWOUND)
            if tailer.state not in DONE and tailer in lineage.past:
                lineage.past.remove(tailer)
                lineage.gens.insert(0, tailer)
            lineage.succeeded = False
            self._census.advance(lineage)
        self._unsettled.clear()
        self._trial = False
        self.rewinding = False

    # --- what is saved, and shown ------------------------------------------------------------------------------------

    @property
    def has_changes(self) -> bool:
        """Whether there is anything to be saved."""
        return self._census.has_changes

    def changes(self) -> tuple[list[Checkpoint], list[tuple[str, str]]]:
        """Return the checkpoints that changed since the last call, and those to be removed, as (source, uid)."""
        return self._census.changes()

    def prepare(self) -> tuple[list[Checkpoint], list[tuple[str, str]]]:
        """Return what :meth:`changes` will be when everything that was sent is committed."""
        for tailer in self._unsettled:
            self._census.changed(tailer)
        return self._census.changes(ahead=True)

    def take_back(self) -> None:
        """Note that what :meth:`prepare` returned has not come true."""
        self._census.take_back()

    @property
    def why_idle(self) -> str:
        """Say in words why nothing is read now, or that something is."""
        if self._first is not None:
            return "waits until its first scan can be saved"
        if self.blocked:
            return f"blocked: {self.blocked}"
        if self.rewinding:
            return "something was not taken; it is sent again soon"
        if (topic := self._schedule.blocked_on) is not None:
            return f"topic {topic} is {self.sink.topic_state(topic).value}"
        return "reading" if self._schedule.hungry or self._unsettled else "idle: everything has been read"

    @property
    def files(self) -> int:
        """How many files it has."""
        return len(self._census.by_id)

    @property
    def undelivered(self) -> int:
        """How many records were sent and are not acknowledged, or stand behind one that was not taken."""
        return sum(chunk.records for tailer in self._unsettled for chunk in tailer.track.chunks)

    @property
    def waiting_bytes(self) -> int:
        """Bytes known to be there that were not read."""
        return sum(t.unread for t in self._census.by_id.values())
