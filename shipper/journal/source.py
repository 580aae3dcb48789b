"""One configured source of the journal: opens it, reads and sends one batch a turn, notices what happens to it.

What the library drops of its own accord it drops only when it is asked what has happened (``process``): files that were
removed. So it is asked when everything was read, and what was vacuumed meanwhile is still read to its end. Pump thread
only.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from shipper.config import JournalConfig
from shipper.errors import StateError
from shipper.events import Events
from shipper.journal import reader as library
from shipper.journal.entries import Entries, Gap
from shipper.journal.reader import Change
from shipper.journal.selection import terms
from shipper.journal.stream import BLOCK, Batch, Journal, begin
from shipper.journal.survey import Found, Survey
from shipper.journal.watching import Watching
from shipper.ledger import Ledger
from shipper.model import Checkpoint, Clock, Sink, SourceState, new_uid
from shipper.records import Naming, Stage
from shipper.source import UNSAVED, BaseSource, FirstScanStore, Problem
from shipper.source.schedule import Schedule

RETRY_FIRST, RETRY_LAST = 0.5, 30.0  # seconds between tries of a journal that cannot be read
FIRST_RETRY = 5.0  # seconds until it is tried again to save where the source begins
SURVEY, SURVEY_SOON = 60.0, 6.0  # seconds between looks at the files themselves; where one is perhaps being made
LOOK = 30.0  # seconds between looks that no event asks for ...
LOOK_UNRELIABLE = 2.0  # ... and on file systems that tell of nothing
STALE = 10.0  # seconds after which events that were not looked at may have been too many for the kernel to keep
BOOT_ID = "/proc/sys/kernel/random/boot_id"
REMEDY = "it is tried again; docs: the journal"
REMEDY_DENIED = "add the daemon's user to the group systemd-journal, and restart it; docs: the journal"


@dataclass(frozen=True, slots=True)
class Tools:
    """What every source of one daemon shares."""

    ledger: Ledger
    events: Events
    clock: Clock
    wall: Clock  # seconds since 1970
    store: FirstScanStore
    watching: Watching
    host: str
    internal: frozenset[str] = frozenset()  # topics that no entry may choose
    cpu: Clock = time.thread_time


class JournalSource(BaseSource[Journal]):
    """One source. ``delivery``: what became of what it has sent."""

    scanned = False  # its first scan of all has been recorded

    def __init__(self, config: JournalConfig, state: SourceState, sink: Sink, tools: Tools, *, reread: bool) -> None:
        self.gaps = self.damaged = 0  # since the start
        self._config = config
        self._tools = tools
        self._reread = reread
        naming = Naming(config, tools.host, tools.internal)
        self._stage = Stage(config, naming, tools.host)
        schedule: Schedule[Journal] = Schedule()
        super().__init__(
            config, naming, self._stage, sink, schedule, self, tools.ledger, tools.events, tools.clock, BLOCK
        )
        saved = next((c for c in state.files if c.of_journal), None)
        self.scanned = state.scanned and saved is not None
        first = saved or begin(self.name, config.directory, "", new_uid())
        self._journal = Journal(config, naming, first)
        self._survey = Survey(config, library.try_file, tools.wall)
        self._found = Found()
        self._told: frozenset[str] = frozenset()  # the files that this user may not read, as far as that was told
        self._revision = first.revision
        self._dirty = self._given = False
        self._unsaved = False  # where it begins could not be recorded
        self._opened = False  # once, in this run
        self._trouble = ""  # why the journal cannot be read, in words
        self._denied = False  # as this user may not
        self._retry_at = 0.0
        self._retry_delay = 0.0
        self._look_at = 0.0
        self._survey_at = 0.0  # of files that it cannot read the library tells nothing
        self._signal: threading.Event | None = None  # set when something has happened
        self._signalled_at = 0.0  # since when that was not looked at; 0: it was
        self._gap_at = ""  # the cursor after which the last gap was told

    # --- opening -----------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        """Open the journal, if it can be, and go on in it."""
        try:
            reader = library.open_journal(self._config)
        except OSError as error:
            self._look_around()
            if not self._is_denied():
                self._cannot_read(error)
            return
        self._look_around()
        if self._is_denied():
            reader.close()
            return
        entries = Entries(
            reader,
            terms(self._config, boot_id()),
            self._stage.wanted,
            self._gap,
            self._damage,
            whole=not (self._config.namespace or self._found.denied),
        )
        first = not self.scanned
        try:
            if first and not self._begin(entries):
                reader.close()
                return
        except OSError as error:
            reader.close()
            self._cannot_read(error)
            return
        self._journal.open(entries)
        if not self._opened:
            self._opened = True
            self._events.source_scanned(self.name, self._found.readable, 0, first=first)
        self._signal = self._tools.watching.add(reader.fileno())
        self._signalled_at = 0.0
        self._look_at = self._clock() + (LOOK if reader.reliable else LOOK_UNRELIABLE)
        self._schedule.now(self._journal)

    def _begin(self, entries: Entries) -> bool:
        """Record durably where the source begins, before anything is sent; whether that was done. Raises OSError."""
        cursor = ""
        if self._reread:
            pass  # of what was read nothing is known any more: all of it is (I8)
        elif self._config.start_at == "end":
            cursor = entries.end()
        elif self._config.ignore_older:
            cursor = entries.since(int((self._tools.wall() - self._config.ignore_older) * 1e6))
        first = begin(self.name, self._config.directory, cursor, self._journal.uid)
        try:
            self._tools.store.record_first_scan(self.name, [first])
        except StateError as error:
            self._events.source_blocked_first_scan(self.name, str(error))
            self._unsaved = True
            self._retry_at = self._clock() + FIRST_RETRY
            return False
        self._unsaved = False
        self.scanned = True
        self._journal.restart(first)
        return True

    def _is_denied(self) -> bool:
        """Whether this user may read nothing of the journal, and waits until that is otherwise; says so once."""
        denied = self._found.denied
        if self._found.readable or not denied:
            return False
        path = min(denied)
        self._wait(f"this user may not read any of it, as {path}: {denied[path]}", denied=True)
        return True

    def _close(self) -> None:
        entries = self._journal.entries
        if entries is not None:
            if self._signal is not None:
                self._tools.watching.remove(entries.reader.fileno())
                self._signal = None
            self._journal.close()

    def close(self) -> None:
        """Let go of the journal."""
        self._close()

    def _cannot_read(self, error: OSError) -> None:
        """Close it and try again later, sooner at first; say so once."""
        self._close()
        self._wait(error.strerror or str(error))

    def _can_read(self) -> None:
        self._retry_delay = 0.0
        if self._trouble:
            self._trouble = ""
            self._events.journal_readable(self.name, self._config.directory)

    def _wait(self, why: str, *, denied: bool = False) -> None:
        if why != self._trouble:
            self._trouble, self._denied = why, denied
            self._events.journal_unreadable(self.name, self._config.directory, why, denied=denied)
        self._retry_delay = min(RETRY_LAST, max(RETRY_FIRST, self._retry_delay * 2))
        self._retry_at = self._clock() + self._retry_delay

    # --- what is met with --------------------------------------------------------------------------------------------

    def _look_around(self) -> None:
        """Look which files are not read, and tell of those that were not told of."""
        before, found = self._found, self._survey.look()
        self._survey_at = self._clock() + (SURVEY_SOON if found.young else SURVEY)
        self._found = found
        for path in found.damaged.keys() - before.damaged.keys():
            self.damaged += 1
            self._events.journal_damaged(self.name, path, found.damaged[path])
        if not found.readable:
            return  # that is what it waits for, perhaps
        if found.denied.keys() - self._told:
            path = min(found.denied)
            self._events.journal_denied(self.name, path, found.denied[path], len(found.denied))
        self._told = frozenset(found.denied)

    def _gap(self, gap: Gap) -> None:
        if gap.before != self._gap_at:  # else it is read again
            self._gap_at = gap.before
            self.gaps += 1
            self._events.journal_gap(self.name, gap.before, gap.after, gap.entries)

    def _damage(self, entries: int, why: str) -> None:
        self.damaged += entries
        self._events.journal_entries_damaged(self.name, entries, why)

    # --- turns -------------------------------------------------------------------------------------------------------

    @property
    def _has_turns(self) -> bool:
        return self._journal.entries is not None and super()._has_turns

    def turn(self) -> bool:
        """Read and send one batch; False where there is nothing to read."""
        if not self.hungry or (journal := self._next()) is None:
            return False
        if (most := self._sending.most(journal)) is None:
            return False
        before = journal.place
        single = journal.record or self.delivery.buried(journal, before.read.offset)
        try:
            began = self._tools.cpu()
            block = 1 if single else min(self.delivery.pace.limit or BLOCK, self._stride.limit)
            batch = journal.take(block, most)
            self._can_read()
            if batch is not None:
                sent = self._sending.send(journal, batch, before)
                self._stride.took(self._tools.cpu() - began, batch.size)
                if not sent:
                    return False  # it waits for a topic
            if not journal.at_end or self._process():
                self._schedule.now(journal)
        except OSError as error:
            self._cannot_read(error)
            return False
        return batch is not None

    def _process(self) -> bool:
        """Take note of what has happened to the journal; whether anything has. Raises OSError."""
        entries = self._journal.entries
        assert entries is not None
        if self._signalled_at and self._clock() - self._signalled_at > STALE:
            self._close()  # the kernel forgets events when there are too many, and files would be missed
            self._open()
            return False
        change = entries.reader.process()
        self._signalled_at = 0.0
        self._look_at = self._clock() + (LOOK if entries.reader.reliable else LOOK_UNRELIABLE)
        if self._signal is not None and self._signal.is_set():
            self._tools.watching.again(entries.reader.fileno())
        if change is Change.FILES:
            self._look_around()
        return change is not Change.NOTHING

    # --- time --------------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Do what is due: open the journal, notice what has happened to it, look again at topics that were missing."""
        now = self._clock()
        if self._journal.entries is not None and now >= self._survey_at:
            self._look_around()
        self._ripen()
        if self._journal.entries is None:
            if now >= self._retry_at:
                self._open()
            return
        signalled = self._signal is not None and self._signal.is_set()
        if signalled and not self._signalled_at:
            self._signalled_at = now
        if (signalled or now >= self._look_at) and self._journal.at_end:
            try:
                self._process()
            except OSError as error:
                self._cannot_read(error)
                return
            self._schedule.now(self._journal)

    def due(self) -> float:
        """Return when :meth:`tick` has work next."""
        if self._journal.entries is None:
            return min(self._retry_at, self.delivery.due)
        look = self._look_at if self._journal.at_end else math.inf
        return min(self._schedule.due, self.delivery.due, self._rate_due, look, self._survey_at)

    # --- for delivery and sending ------------------------------------------------------------------------------------

    def sent(self, journal: Journal, batch: Batch, start: int, records: int) -> None:  # noqa: ARG002 - it is the only one
        """Take note that ``batch`` was sent, and tell of it."""
        if batch.silent:
            self._events.records_dropped(self.name, "no_message", batch.silent)
        self._events.journal_read(self.name, start, batch.end.offset, batch.end.mark.decode(), records)

    def changed(self, journals: Sequence[Journal]) -> None:  # noqa: ARG002 - it is the only one
        """Have the cursor saved."""
        self._dirty = True

    def settled(self, journals: Sequence[Journal]) -> None:
        """Nothing follows for a journal: it has no end."""

    def rewind(self, journal: Journal) -> None:
        """Read it again from its acked cursor."""
        journal.rewind()
        self._schedule.now(journal)

    # --- its end, while others go on ---------------------------------------------------------------------------------

    def end(self) -> tuple[list[Checkpoint], list[tuple[str, str]], SourceState]:
        """Let go of the journal, too."""
        self._close()
        return super().end()

    # --- what is saved, and shown ------------------------------------------------------------------------------------

    def all_changed(self) -> None:
        """Note that the checkpoint is to be saved."""
        self._dirty = self.scanned

    @property
    def has_changes(self) -> bool:
        """Whether there is anything to be saved."""
        return self._dirty

    def changes(self) -> tuple[list[Checkpoint], list[tuple[str, str]]]:
        """Return the checkpoint, if it has changed since the last call."""
        return self._changes(ahead=False)

    def prepare(self) -> tuple[list[Checkpoint], list[tuple[str, str]]]:
        """Return what :meth:`changes` will be when everything that was sent is committed."""
        self._dirty = self._dirty or bool(self.delivery.unsettled)
        self._given = self._dirty
        return self._changes(ahead=True)

    def take_back(self) -> None:
        """Note that what :meth:`prepare` returned has not come true."""
        self._dirty = self._dirty or self._given
        self._given = False

    def _changes(self, *, ahead: bool) -> tuple[list[Checkpoint], list[tuple[str, str]]]:
        if not self._dirty:
            return [], []
        self._dirty = False
        self._revision += 1
        return [self._journal.checkpoint(self._revision, ahead=ahead)], []

    @property
    def problem(self) -> Problem | None:
        """What keeps it from reading the journal."""
        if self._unsaved:
            return UNSAVED
        if not self._trouble:
            return None
        return Problem(f"the journal cannot be read: {self._trouble}", REMEDY_DENIED if self._denied else REMEDY)

    @property
    def _why_stuck(self) -> str:
        """Say in words what of its own keeps it from reading; "" where nothing does."""
        if self._unsaved:
            return UNSAVED.what
        return f"cannot read the journal: {self._trouble}" if self._trouble else ""

    @property
    def _standing(self) -> str:
        """Say in words how far it is, where nothing keeps it from reading."""
        if self._journal.at_end and not self.delivery.unsettled:
            return "idle: everything has been read" if self.files else "idle: the journal has no files"
        behind = self._tools.wall() - self._journal.time / 1000
        return f"reading, {behind:,.0f} s behind" if self._journal.time and behind >= 2 else "reading"

    @property
    def files(self) -> int:
        """How many files its journal has, of those that can be read."""
        return self._found.readable

    @property
    def waiting_bytes(self) -> int:
        """Of a journal nobody knows how much of it is to be read: 0."""
        return 0


def boot_id() -> str:
    """Return the id of the boot that runs, as the journal writes it; "" where nobody can tell."""
    try:
        with open(BOOT_ID, encoding="ascii") as file:
            return file.read().strip().replace("-", "")
    except OSError:
        return ""
