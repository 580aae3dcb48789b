"""The store that the daemon sees: what is submitted is saved by a thread of its own, about once a second.

So a slow disk never holds up reading. What cannot be saved is kept and tried again, for as long as it takes. Where the
directory was taken away, the store goes on in what is there now (``opening``), and all has to be submitted again.

Threads: ``submit``, ``reread`` and the properties may be called from any; so may ``load``, ``record_first_scan`` and
``flush``, which wait. The database belongs to whoever opens the store until the thread "checkpoint" starts, and to
that thread from then on. The latest submission for a ``(source, uid)`` wins (I6).
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from shipper.checkpoints import database, opening
from shipper.checkpoints.database import Database
from shipper.checkpoints.statedir import close_to_others, hold, is_held
from shipper.errors import StateBusy, StateError
from shipper.events import Events
from shipper.model import Checkpoint, Clock, Edit, SourceState, show_path
from shipper.sqlite import Damaged

INTERVAL = 1.0  # seconds between two saves ...
# ... but of a store that was opened a short while ago no more than this part of the while, and this at least: so a
# daemon that is killed again and again, each time after a moment, gets on.
INTERVAL_YOUNG, INTERVAL_FIRST = 1 / 3, 0.1
LOOK = 10.0  # seconds between looks whether the directory is still there, while nothing is saved
BACKOFF, BACKOFF_MAX = 1.0, 30.0  # seconds until a save that failed is tried again: the first time, and at most

T = TypeVar("T")
Key = tuple[str, str]  # source, uid


class CheckpointStore:
    """The checkpoints of one state directory, held until :meth:`close`."""

    def __init__(self, path: Path, opened: Database, lock: int, events: Events, clock: Clock) -> None:
        self._path = path
        self._database = opened  # of the thread "checkpoint", once it runs
        self._lock_file = lock  # too
        self._events = events
        self._clock = clock
        self._opened_at = clock()
        self._wake = threading.Condition()
        # All below under _wake.
        self._pending: dict[Key, Checkpoint | None] = {}  # None: to be removed
        self._whole: set[str] = set()  # sources of which all that there is is pending
        self._jobs: deque[Callable[[], None]] = deque()
        self._submitted = 0  # submissions so far ...
        self._durable = 0  # ... and how many of them are saved
        self._not_before = clock()  # when the next save is due, if something is pending
        self._hurry = False  # somebody waits for it: save now
        self._closing = False
        self._look_at = clock() + LOOK  # when to look whether the directory is there, if nothing is pending
        self._delivery = ("", 0)
        self.renewals = 0  # how often it went on in another file, of which ``submit`` has to say all
        self.taken: StateBusy | None = None  # another daemon has the directory: this one has to end
        self._failing: str | None = None
        self._failing_since = 0.0
        self._backoff = BACKOFF
        self._set_aside: str | None = None
        self._scanned: set[str] = set()
        self._adopt(opened)
        self._thread = threading.Thread(target=self._run, name="checkpoint", daemon=True)

    @classmethod
    def open(cls, state_dir: Path, events: Events, clock: Clock = time.monotonic) -> CheckpointStore:
        """Hold the state directory, and open, verify, create or replace the store in it.

        Raises StateBusy where another daemon holds the directory, StateError where it cannot be used.
        """
        lock = hold(state_dir)
        try:
            if wrong := close_to_others(state_dir):
                events.state_dir_open(os.fsencode(state_dir), wrong)
            path = state_dir / database.NAME
            store = cls(path, opening.open_store(path, events), lock, events, clock)
            store._thread.start()
            return store
        except BaseException:
            os.close(lock)
            raise

    @property
    def set_aside(self) -> Path | None:
        """Where the damaged store went that this one replaced, at this start or an earlier one."""
        name = self._set_aside
        return None if name is None else self._path.with_name(name)

    @property
    def interval(self) -> float:
        """How many seconds are between two saves now; submitting more often is of no use."""
        return min(INTERVAL, max(INTERVAL_FIRST, INTERVAL_YOUNG * (self._clock() - self._opened_at)))

    def reread(self, source: str) -> bool:
        """Whether a source must be read from the beginning, whatever its configuration says (I8).

        So it is for one whose first scan was recorded, if ever, in a store that was set aside.
        """
        with self._wake:
            return self._set_aside is not None and source not in self._scanned

    def load(self) -> dict[str, SourceState]:
        """Return, by source, all that is saved, and over it what was submitted and is not saved yet."""
        return self._call(self._load)

    def load_one(self, source: str) -> SourceState:
        """Return the same of one source."""
        return self._call(lambda: self._load(source)).get(source, SourceState(scanned=False))

    def record_first_scan(self, source: str, files: Sequence[Checkpoint]) -> None:
        """Record that a source has been scanned, and what was found; durable when it returns. Raises StateError."""
        self._call(lambda: self._in_place().record_first_scan(source, files))
        with self._wake:
            self._scanned.add(source)

    def delivery(self) -> tuple[str, int]:
        """Return how the daemon delivered when it last ran ("" where it never did), and its epoch."""
        self._delivery = self._call(lambda: self._database.delivery())
        return self._delivery

    def set_delivery(self, delivery: str, epoch: int) -> None:
        """Note how the daemon delivers from now on; durable when it returns. Raises StateError."""
        self._call(lambda: self._in_place().set_delivery(delivery, epoch))
        self._delivery = (delivery, epoch)

    def edits(self) -> tuple[int, list[Edit]]:
        """Return how many edits there were, and those to be done to checkpoints that are saved elsewhere, in order."""
        return self._call(lambda: self._database.edits())

    def set_edits(self, count: int) -> None:
        """Count the next edit from ``count``; durable when it returns. Raises StateError."""
        self._call(lambda: self._in_place().set_edits(count))

    def submit(self, changed: Iterable[Checkpoint], removed: Iterable[Key] = (), *, whole: str | None = None) -> None:
        """Have checkpoints saved, and those of ``removed`` (source, uid) forgotten; never blocks.

        ``whole``: these are all that there are of that source, which has been scanned.
        """
        batch: dict[Key, Checkpoint | None] = {(c.source, c.uid): c for c in changed}
        batch.update((key, None) for key in removed)
        if not batch and whole is None:
            return
        with self._wake:
            self._refuse_when_closed()
            if not (self._pending or self._whole):  # else the thread knows when to look
                self._wake.notify_all()
            if whole is not None:
                self._pending = {key: one for key, one in self._pending.items() if key[0] != whole}
                self._whole.add(whole)
            self._pending.update(batch)
            self._submitted += 1

    def flush(self, timeout: float) -> bool:
        """Save what was submitted without waiting for its second; whether all of it is durable.

        False also where all has to be submitted again.
        """
        with self._wake:
            until, renewals = self._submitted, self.renewals
            self._hurry = self._unsaved
            self._wake.notify_all()
            self._wake.wait_for(lambda: self._durable >= until or self.renewals != renewals, timeout)
            return self._durable >= until

    def close(self, timeout: float = 10.0) -> None:
        """Try once more to save what was submitted, and let go of the directory.

        Where the disk does not answer within ``timeout``, the end of the process lets go of it.
        """
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        self._thread.join(timeout)
        with self._wake:
            unsaved = len(self._pending)
        if self._thread.is_alive():
            self._events.checkpoints_unsaved(os.fsencode(self._path), unsaved, "the disk does not answer")

    # The thread "checkpoint", from here on.

    def _run(self) -> None:
        while not self._round():
            pass
        if self._unsaved and self.taken is None:
            self._events.checkpoints_unsaved(os.fsencode(self._path), len(self._pending), self._failing or "")
        self._database.close()
        os.close(self._lock_file)

    def _round(self) -> bool:
        """Wait until there is something to do, and do it; whether it was the last time."""
        with self._wake:
            while not self._has_work():
                self._wake.wait(max(0.0, self._due_at - self._clock()))
            closing = self._closing
            jobs, self._jobs = self._jobs, deque()
            due = self._unsaved if closing else self._clock() >= self._due_at
            batch: dict[Key, Checkpoint | None] = {}
            whole: set[str] = set()
            if due:
                batch, self._pending = self._pending, {}
                whole, self._whole = self._whole, set()
                self._hurry = False
            upto = self._submitted
        if due:
            self._save(batch, whole, upto)
        for job in jobs:
            job()
        return closing

    @property
    def _unsaved(self) -> bool:
        return bool(self._pending or self._whole)

    @property
    def _due_at(self) -> float:
        if not self._unsaved:
            return self._look_at
        return -math.inf if self._hurry else self._not_before

    def _has_work(self) -> bool:
        return self._closing or bool(self._jobs) or self._clock() >= self._due_at

    def _save(self, batch: dict[Key, Checkpoint | None], whole: set[str], upto: int) -> None:
        """Save a batch, or where there is none look whether it could be saved."""
        try:
            renewals = self.renewals
            opened = self._in_place()
            if self.renewals != renewals and any(source not in self._scanned for source, _ in batch):
                return  # a part of a source is not saved before all of it, which will be submitted now
            if whole and self._delivery[0] and opened.delivery() != self._delivery:
                opened.set_delivery(*self._delivery)
            changed = [checkpoint for checkpoint in batch.values() if checkpoint is not None]
            removed = [key for key, checkpoint in batch.items() if checkpoint is None]
            if batch or whole:
                opened.save(changed, removed, whole)
        except Exception as error:  # whatever it is: a thread that ended here would save no more and say nothing
            reason = str(error) if isinstance(error, StateError) else f"{type(error).__name__}: {error}"
            self._keep(batch, whole, reason)
        else:
            self._saved(batch, whole, upto)

    def _in_place(self) -> Database:
        """Return the database, of what is under the directory's name now; raises StateError."""
        self._look_at = self._clock() + LOOK
        if is_held(self._path.parent, self._lock_file) and self._database.in_place:
            return self._database
        if self._closing:
            raise StateError(f"{show_path(os.fsencode(self._path))} was removed or replaced while it was in use")
        before = self._database
        try:
            self._lock_file, self._database = opening.again(self._path, self._lock_file, before, self._events)
        except StateBusy as busy:
            self.taken = busy
            raise
        if self._database is not before:
            self._adopt(self._database)
            with self._wake:
                self.renewals += 1
                self._wake.notify_all()
        return self._database

    def _keep(self, batch: dict[Key, Checkpoint | None], whole: set[str], reason: str) -> None:
        now = self._clock()
        with self._wake:
            self._pending = {key: one for key, one in batch.items() if key[0] not in self._whole} | self._pending
            self._whole |= whole
            if self._failing is None:
                self._failing_since = now
            self._failing = reason
            self._not_before = now + self._backoff
            self._backoff = min(2 * self._backoff, BACKOFF_MAX)
            unsaved = len(self._pending)
        self._events.checkpoints_failing(reason, unsaved)

    def _saved(self, batch: dict[Key, Checkpoint | None], whole: set[str], upto: int) -> None:
        now = self._clock()
        self._events.checkpoints_saved(len(batch))
        if self._failing is not None:
            self._events.checkpoints_recovered(os.fsencode(self._path), now - self._failing_since)
        with self._wake:
            self._scanned |= whole
            self._failing = None
            self._backoff = BACKOFF
            if batch or whole:
                self._not_before = now + self.interval
            self._durable = upto
            self._wake.notify_all()

    def _load(self, source: str | None = None) -> dict[str, SourceState]:
        try:
            saved = self._database.load(source)
        except Damaged as damage:
            self._database.close()
            self._database = opening.replace(self._path, str(damage), self._events)
            self._adopt(self._database)
            saved = self._database.load(source)
        with self._wake:
            pending = {key: one for key, one in self._pending.items() if source in (None, key[0])}
        return _overlaid(saved, pending) if pending else saved

    def _adopt(self, opened: Database) -> None:
        set_aside, scanned = opened.set_aside(), opened.scanned()
        with self._wake:
            self._set_aside, self._scanned = set_aside, scanned

    def _call(self, work: Callable[[], T]) -> T:
        """Have the thread do it, wait, and hand its result or error to the caller."""
        result: Future[T] = Future()

        def job() -> None:
            try:
                result.set_result(work())
            except BaseException as error:
                result.set_exception(error)

        with self._wake:
            self._refuse_when_closed()
            self._jobs.append(job)
            self._wake.notify_all()
        return result.result()

    def _refuse_when_closed(self) -> None:
        if self._closing:
            raise StateError("the checkpoint store is closed")


def _overlaid(saved: dict[str, SourceState], pending: dict[Key, Checkpoint | None]) -> dict[str, SourceState]:
    """Return what ``saved`` will be when ``pending`` is in it: a reload must not go back behind it."""
    files: dict[Key, Checkpoint | None] = {(c.source, c.uid): c for state in saved.values() for c in state.files}
    by_source: dict[str, list[Checkpoint]] = {name: [] for name in saved}
    for (source, _), checkpoint in (files | pending).items():
        if checkpoint is not None:
            by_source.setdefault(source, []).append(checkpoint)
    return {name: SourceState(name in saved and saved[name].scanned, found) for name, found in by_source.items()}
