"""Exactly once, on the pump's side: when a transaction is committed, what goes with it, what follows from the outcome.

Pump thread only. Between the moment a commit is prepared and the moment its outcome is known, nothing is sent and no
checkpoint is made: so of two checkpoints of one generation the one with the higher revision is always the later one.
What is read meanwhile is kept (``ahead``), and goes with the next transaction.

A new client reads back the last transaction that was committed. If that is the one whose outcome was not known, all of
it is confirmed; otherwise nothing of it is. A run of another daemon there means that two share one instance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

from shipper.ahead import Ahead
from shipper.checkpoints import CheckpointStore
from shipper.checkpoints.merge import Committed, Merged, merge
from shipper.config import KafkaConfig
from shipper.errors import InstanceTaken, ProducerFatal
from shipper.events import Events
from shipper.kafka.hanging import Known
from shipper.kafka.offsets import Recovered
from shipper.kafka.transactions import Outcome, TransactionalProducer
from shipper.ledger import Ledger, Track
from shipper.model import Checkpoint, Clock, Sink, SourceState, new_uid
from shipper.source import Source

CALL = 0.1  # seconds to wait for the end of a transaction, after which the pump has its turn
MOST = 256 << 20  # bytes of a transaction
ENOUGH = 8 << 20  # bytes that are worth a commit as soon as there is nothing more to be read
AHEAD = 6 << 20  # bytes that are read while a commit is on its way
LONG_LINE = 20.0  # seconds to wait for all parts of a line: they are committed together
MOST_UNSENT = 5_000  # checkpoints that go with a transaction besides its own
BACKLOG = 2  # intervals to a commit while a backlog is read: for each the client has to come to rest
IN_A_ROW = 3  # aborts after which a new client is tried

MODE = "exactly_once"
Key = tuple[str, str]  # source, uid


class Commits:
    """The transactions of one pump, over any number of clients."""

    def __init__(
        self,
        config: KafkaConfig,
        instance: str,
        ledger: Ledger,
        store: CheckpointStore,
        events: Events,
        clock: Clock,
        wake: Callable[[], None],
        topics: Iterable[str] = (),
    ) -> None:
        """Prepare; ``topics`` are those that are known to be used, and more may be."""
        self.hurry = False  # commit without waiting for the interval, and for nothing else
        self.at_once = False  # commit without waiting for the interval
        self.reading = False  # there was something to be read while a commit is on its way, and there may be more
        self._config = config
        self._instance = instance
        self._ledger = ledger
        self._store = store
        self._events = events
        self._clock = clock
        self._wake = wake
        self._known = Known(set(topics))  # over all clients
        self._run = new_uid()
        self._run_found = ""  # the one that was there at the start
        self._begun = False
        self._epoch = 0
        self._edits = 0  # of checkpoints, by a person
        self._number = 0  # of the transaction that is open, or comes next
        self._records = 0  # of the one that is being committed
        self._sink: TransactionalProducer | None = None
        self._ahead: Ahead  # what comes before it
        self.opening = True
        self._committing = False
        self._aborting = False
        self._waits = False  # a commit is due, and waits for the rest of a line or a report
        self._backlog = False  # the last transaction was large, and there was more to be read
        self._long = False  # so it is with the open one: it goes on for longer
        self._aborts = 0
        self._unsent: dict[Key, Checkpoint | None] = {}  # saved locally, and not in the topic; None: removed
        self._prepared: dict[Key, Checkpoint | None] = {}  # what the commit that is on its way makes true
        self._sent: dict[Key, Checkpoint | None] = {}  # that, and what goes with it of the unsent

    def open(self) -> TransactionalProducer:
        """Return a new client; what it finds is taken in by :meth:`begin`, or by :meth:`step`."""
        self._sink = TransactionalProducer(
            self._config,
            self._events,
            instance=self._instance,
            run=self._run,
            known=self._known,
            accept=self._accept,
            wake=self._wake,
            clock=self._clock,
        )
        self._ahead = Ahead(self._sink)
        self._long = False
        self.opening = True
        self._aborting = False
        return self._sink

    def before(self, _client: Sink) -> Sink:
        """Return what the sources are to send to, to have it go to the client."""
        return self._ahead

    def begin(self, saved: Mapping[str, SourceState]) -> dict[str, SourceState] | None:
        """Return what is known of each source, once the client is open; None before. Raises ShipperError."""
        found = self._opened()
        if found is None:
            return None
        if found.last is not None:
            self._run_found = found.last.run
        before, epoch = self._store.delivery()
        if before != MODE:
            epoch = max([epoch, *(entry.epoch for entry in found.entries.values())]) + 1
        counted, edits = self._store.edits()
        committed = [Committed(entry.checkpoint, entry.epoch, entry.edits) for entry in found.entries.values()]
        self._edits = max([counted, *(one.edits for one in committed)])
        if self._edits > counted:  # the store is a new one: its next edit must count for what the topic has
            self._store.set_edits(self._edits)
        known = merge(saved, committed, epoch, edits)
        self._remember(known, saved)
        for state in known.states.values():
            theirs = ((c, found.entries.get((c.source, c.uid))) for c in state.files)
            self.note((c for c, entry in theirs if entry is None or entry.checkpoint.revision < c.revision), ())
        if before != MODE:
            self._store.set_delivery(MODE, epoch)
        self._epoch = epoch
        self._begun = True
        self.opening = False
        return known.states

    def _remember(self, known: Merged, saved: Mapping[str, SourceState]) -> None:
        self._unsent.update(dict.fromkeys(known.stale))
        new = {c.source for c in known.newer if c.source not in saved or not saved[c.source].scanned}
        for source in new:
            self._store.record_first_scan(source, known.states[source].files)
        self._store.submit(c for c in known.newer if c.source not in new)

    @property
    def busy(self) -> bool:
        """Whether nothing may be sent now: a commit or an abort is on its way, or a client is being opened."""
        return self.opening or self._committing or self._aborting

    @property
    def committing(self) -> bool:
        """Whether it is not known yet how a commit has ended."""
        return self._committing

    @property
    def reads_ahead(self) -> bool:
        """Whether something may be read, although a commit is on its way, to go with the next transaction."""
        return (
            self._committing and not (self.opening or self._aborting or self.hurry) and self._ledger.open_bytes < AHEAD
        )

    @property
    def ending(self) -> bool:
        """Whether what was sent is being given up, or its client is gone: what is reported of it then says nothing."""
        return self.opening or self._aborting

    def due(self) -> float:
        """Return when :meth:`step` has work next."""
        if self.busy:
            return 0.0
        began = self._sink.began_at if self._sink is not None else None
        if began is None:
            return float("inf")
        if self._waits:
            return began + LONG_LINE
        return 0.0 if self.at_once else began + self._config.commit_interval * (BACKLOG if self._long else 1)

    @property
    def has_open(self) -> bool:
        """Whether a transaction is open."""
        return self._sink is not None and self._sink.began_at is not None

    def record_first_scan(self, source: str, files: Sequence[Checkpoint]) -> None:
        """Save a source's first scan durably, here and with the next transactions; raises StateError."""
        self._store.record_first_scan(source, files)
        self.note(files, ())

    def note(self, changed: Iterable[Checkpoint], removed: Iterable[Key]) -> None:
        """Take note of what was saved locally; it goes with the next transaction."""
        self._unsent.update({(c.source, c.uid): c for c in changed})
        self._unsent.update(dict.fromkeys(removed))

    def step(self, sources: Mapping[str, Source], *, refused: bool) -> list[Track]:
        """Do what is due; returns the tracks whose acked position moved. ``refused``: a record was not taken.

        Raises ProducerFatal, and ShipperError where it cannot go on.
        """
        assert self._sink is not None
        self._waits = False
        if self.opening:
            return self._reopened(sources)
        if self._sink.began_at is None:
            if not self._ledger.uncommitted:
                return []
            self._sink.begin()  # for what was passed over, though nothing is sent
        if refused and not self._committing and not self._aborting:
            self._give_up("a record was refused", sources)
        began = self._sink.began_at if self._sink.began_at is not None else self._clock()
        if not self.busy and (self.hurry or self._clock() >= self.due() or self._full(sources)):
            deliveries = [source.delivery for source in sources.values()]
            if self._goes_on(sources):
                self._long = True
            elif not any(d.inside_line or (d.on_trial and d.reports_due) for d in deliveries):
                self._prepare(sources)
            elif self.hurry or self._clock() - began >= LONG_LINE:
                self._give_up("the rest of a long line, or the report of a record on trial, does not come", sources)
            else:
                self._waits = True
        if self._committing:
            outcome = self._sink.commit(0.0 if self.reading and not self.hurry else CALL)
            if outcome is Outcome.COMMITTED:
                moved = self._committed()
                if self._ledger.uncommitted and any(source.delivery.rewinding for source in sources.values()):
                    self._undo(sources)  # what was read ahead stands behind what was not taken
                else:
                    self._ahead.release()
                return moved
            if outcome is Outcome.REFUSED:
                self._take_back(sources)
                self._give_up(self._sink.reason, sources)
        if self._aborting and self._sink.abort(CALL):
            self._aborted(sources)
        return []

    def _full(self, sources: Mapping[str, Source]) -> bool:
        """Whether nobody needs to wait for the interval: it is very large, or large or a backlog's end and at rest."""
        if self._ledger.open_bytes >= MOST:
            return True
        worth_it = self._backlog or self._ledger.open_bytes >= ENOUGH
        return worth_it and not self._ledger.in_flight and not _hungry(sources)

    def _goes_on(self, sources: Mapping[str, Source]) -> bool:
        """Whether the open transaction, whose time has come, goes on: a backlog takes half as many commits then."""
        if self.hurry or self.at_once or self._long or self._ledger.open_bytes >= MOST:
            return False
        return self._ledger.open_bytes >= ENOUGH and _hungry(sources)

    def _prepare(self, sources: Mapping[str, Source]) -> None:
        assert self._sink is not None
        self._backlog = self._ledger.open_bytes >= ENOUGH and _hungry(sources)
        self._long = False
        self._records = self._ledger.records
        self._ledger.seal()
        self._ahead.keep()
        self._prepared = {}
        for source in sources.values():
            changed, removed = source.prepare()
            self._prepared.update({(c.source, c.uid): c for c in changed})
            self._prepared.update(dict.fromkeys(removed))
        self._sent = dict(islice(self._unsent.items(), MOST_UNSENT)) | self._prepared
        self._number += 1
        self._sink.prepare(
            self._number,
            self._epoch,
            self._edits,
            [c for c in self._sent.values() if c is not None],
            [key for key, c in self._sent.items() if c is None],
        )
        self._committing = True

    def _committed(self) -> list[Track]:
        self._committing = False
        self._aborts = 0
        self._events.transaction_committed(self._records, len(self._prepared))
        for key in self._sent:
            self._unsent.pop(key, None)
        self._store.submit(
            [c for c in self._prepared.values() if c is not None],
            [key for key, c in self._prepared.items() if c is None],
        )
        self._prepared = {}
        return self._ledger.confirm()

    def _take_back(self, sources: Mapping[str, Source]) -> None:
        self._committing = False
        self._prepared = {}
        self._ledger.unseal()
        for source in sources.values():
            source.take_back()

    def _give_up(self, reason: str, sources: Mapping[str, Source]) -> None:
        self._events.transaction_aborted(reason)
        self._aborting = True
        self._long = False
        if not any(source.delivery.rewinding for source in sources.values()):
            self._aborts += 1  # nobody knows which record it was
        if self._aborts >= IN_A_ROW:
            self._aborts = 0
            raise ProducerFatal(f"{IN_A_ROW} transactions in a row were given up: {reason}")

    def _aborted(self, sources: Mapping[str, Source]) -> None:
        self._aborting = False
        self._undo(sources)

    def _accept(self, found: Recovered) -> None:
        """Refuse to go on where another daemon has delivered meanwhile; on the thread that opens a client."""
        if self._begun and found.last is not None and found.last.run not in (self._run, self._run_found):
            raise InstanceTaken(
                f'another daemon delivers as instance "{self._instance}" to {self._config.bootstrap_servers}; give '
                "each its own shipper.instance (hosts cloned with their machine id have the same by default)"
            )

    def _opened(self) -> Recovered | None:
        assert self._sink is not None
        if self._sink.error is not None:
            raise self._sink.error
        return self._sink.recovered

    def _reopened(self, sources: Mapping[str, Source]) -> list[Track]:
        found = self._opened()
        if found is None:
            return []
        last = found.last
        self.opening = False
        if self._committing:
            committed = last is not None and (last.run, last.number) == (self._run, self._number)
            self._events.transaction_outcome(committed=committed)
            if committed:
                moved = self._committed()
                if self._ledger.uncommitted:  # what was read ahead has gone with the client
                    self._undo(sources)
                return moved
            self._take_back(sources)
        self._undo(sources)
        return []

    def _undo(self, sources: Mapping[str, Source]) -> None:
        """Have read again what was sent and is not committed."""
        self._ahead.drop()
        for source in sources.values():
            source.delivery.aborted()
        self._ledger.settle()  # the reports of what the abort has purged say nothing


def _hungry(sources: Mapping[str, Source]) -> bool:
    """Whether there is more to be read."""
    return any(source.hungry for source in sources.values())
