"""The thread that does the work: looks at what discovery saw, reads, sends, takes delivery reports, says what to save.

It owns every log file's descriptor, the ledger and the client; nothing of these is touched by another thread, so none
of them has a lock. Others only set flags and wake it: :meth:`Pump.wake`, :meth:`Pump.stop`, :meth:`Pump.report`.
"""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from shipper.build import Builder, first_topics, watched
from shipper.checkpoints import CheckpointStore
from shipper.commits import BACKLOG, MODE, Commits
from shipper.config import Config
from shipper.discovery import Discovery, Watched
from shipper.errors import ProducerFatal
from shipper.events import Events
from shipper.files import Files
from shipper.filesource import FileSource
from shipper.filesource.descriptors import Descriptors, limit_of
from shipper.filesource.holding import Holding
from shipper.health import BrokerStatus, Health, SinkWithStatus
from shipper.inquiries import Inquiries
from shipper.instance import instance_of
from shipper.journal import Watching
from shipper.kafka.producer import Producer
from shipper.ledger import Ledger, Track
from shipper.lifecycle import Service, ServiceEvent
from shipper.memory import Rest
from shipper.model import Clock, FileId, SourceState
from shipper.outlet import Outlet
from shipper.pulse import SLACK, Pulse
from shipper.refusals import Refusals
from shipper.roster import Roster
from shipper.saving import Saving
from shipper.source import Source, Stream
from shipper.status import Status
from shipper.tap import Taps
from shipper.turns import Turns

LOW_MARK = 0.75  # of max_in_flight: where reading goes on
REPORT_BEAT = 0.005  # seconds to wait for delivery reports while nothing can be read
HOLD_AFTER = 1.0  # seconds after which files are held open, where it is not known yet what was committed
OPEN_BEAT = 0.05  # seconds to wait for a transactional client to open
SLOW_BEAT = 0.1  # the same, when none have come for a while: the brokers are away
PAUSED_BEAT = 0.02  # seconds until batches go that are not full, where nothing more may be in flight
IDLE_BEAT = 2.0  # seconds between looks at the client when nothing is in flight


@dataclass(frozen=True, slots=True)
class Left:
    """What a pump leaves behind."""

    delivered: int  # records
    in_flight: int  # records sent and not acknowledged
    unread: int  # bytes
    saved: bool


class Pump(Inquiries):
    """One run of the daemon's work, from a configuration to a drain."""

    def __init__(
        self,
        config: Config,
        store: CheckpointStore,
        events: Events,
        *,
        make_sink: Callable[[], SinkWithStatus] | None = None,
        files: Files | None = None,
        clock: Clock = time.monotonic,
        cpu: Clock = time.thread_time,
        kept: Holding | None = None,
        taps: Taps | None = None,
        give_back: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare; ``kept`` are the open files of the pump before it, ``taps`` are who looks at what leaves.

        ``give_back`` is called when memory that is free is not needed any more.
        """
        super().__init__()
        self._config = config
        self._new: Config | None = None  # to be taken over
        self._store = store
        self._events = events
        self._clock = clock
        self._cpu = cpu
        self._files = files or Files()
        self._host = socket.gethostname()
        self._woken = threading.Event()
        self._halt = threading.Event()
        self.rounds = 0  # how often the thread has gone round: one that hangs goes round no more
        self._thread: threading.Thread | None = None
        self._on_end: Callable[[], None] = lambda: None
        self.error: BaseException | None = None
        self.left = Left(0, 0, 0, saved=True)
        self._descriptors = Descriptors(
            limit_of(config.shipper.max_open_files), self._files, events, clock, deleted=config.shipper.deleted_max
        )
        high = config.kafka.max_in_flight
        exactly_once = config.kafka.delivery == MODE
        self._ledger = Ledger(
            high, int(high * LOW_MARK), pause=lambda: None, resume=lambda: None, transactional=exactly_once
        )
        self._sources: dict[str, Source] = {}
        self._of_files: dict[str, FileSource] = {}  # those of them that read files
        self._health = Health(
            self._sources,
            self._of_files,
            self._ledger,
            events,
            clock,
            commit_interval=BACKLOG * config.kafka.commit_interval if exactly_once else 0.0,
            ready_timeout=config.shipper.ready_timeout,
        )
        self._refusals = Refusals(config, self._sources, self._ledger, events, self.wake)
        self._commits: Commits | None = None
        topics = first_topics(config, self._host)
        if exactly_once:
            instance = instance_of(config.shipper)
            self._commits = Commits(config.kafka, instance, self._ledger, store, events, clock, self.wake, topics)
            make_sink = self._commits.open
        first = next(iter(topics), "")
        make = make_sink or (lambda: Producer(config.kafka, events, wake=self.wake, first=first))
        self._taps = taps or Taps(events, clock)
        before = None if self._commits is None else self._commits.before
        self._outlet = Outlet(make, self._sources, self._taps, clock, lambda seconds: self._halt.wait(seconds), before)
        self._saving = Saving(self._sources, store, self._commits, clock)
        self._turns = Turns(self._sources, self._ledger, self._commits, self.asked)
        self._discovery = Discovery(
            watched(config.sources.values()),
            self.wake,
            events,
            scan_interval=config.shipper.scan_interval,
            clock=clock,
            share=self._share,
        )
        self._watching = Watching(self.wake)
        self._rest = Rest(clock, give_back)
        builder = Builder(
            self._files,
            self._descriptors,
            self._ledger,
            events,
            store,
            self._commits or store,
            clock=clock,
            cpu=cpu,
            host=self._host,
            internal=frozenset({config.kafka.checkpoint_topic}),
            discovery=lambda: self._discovery,
            sink=self._outlet.through,
            watching=self._watching,
        )
        self._roster = Roster(
            self._sources,
            self._of_files,
            events,
            build=builder.source,
            load=lambda name: store.load_one(name),
            save=self._saving.last,
            hold=self._hold_files,
        )
        self._holding = kept or self._hold_files()
        self._keeps = False
        self._pulse: Pulse  # there is none before it is open
        self._progress_at = 0.0
        self._holds = False  # discovery was started before it was known where each source stands
        self._opened = False  # it is known where each source stands

    # --- for other threads -------------------------------------------------------------------------------------------

    @property
    def state(self) -> Service:
        """How it stands."""
        return self._health.state

    def start(self, on_end: Callable[[], None] = lambda: None) -> None:
        """Start the thread, which calls ``on_end`` last of all."""
        self._on_end = on_end
        self._thread = threading.Thread(target=self._run, name="pump", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Let it look at what has happened; from any thread."""
        self._woken.set()

    def stop(self, *, keep: bool = False) -> None:
        """Let it stop reading, drain and end; returns at once. ``keep``: what it holds open stays so, in ``kept``."""
        self._keeps = keep
        self._halt.set()
        self.wake()

    @property
    def kept(self) -> Holding:
        """The files that it held open when it ended, for the next pump; has to be closed otherwise."""
        return self._holding

    def reload(self, config: Config) -> None:
        """Let it go on with another configuration, whose ``kafka`` is the same; returns at once."""
        self._new = config
        self.wake()

    @property
    def reloading(self) -> bool:
        """Whether there is a configuration that it has not taken over yet."""
        return self._new is not None

    def join(self, timeout: float | None = None) -> bool:
        """Wait for its end; False where it has not come."""
        assert self._thread is not None
        self._thread.join(timeout)
        return not self._thread.is_alive()

    # --- the thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._open()
            while not self._halt.is_set():
                self._beat()
            self._drain()
        except BaseException as error:
            self.error = error
        finally:
            try:
                self._close()
            except BaseException as error:
                self.error = self.error or error
            self._on_end()

    def _connect(self) -> dict[str, SourceState] | None:
        """Return what is known of each source; None when it was told to stop before that could be found out."""
        sink = self._outlet.open()
        for topic in first_topics(self._config, self._host):
            sink.topic_state(topic)  # ask at once: the brokers' answer also says that they are there
        saved = self._store.load()
        if self._commits is None:
            if self._config.kafka.delivery != (before := self._store.delivery())[0] and before[0]:
                self._store.set_delivery(self._config.kafka.delivery, before[1])
            return saved
        began = self._clock()
        while not self._halt.is_set():
            self._poll(0.0)
            if (known := self._commits.begin(saved)) is not None:
                return known
            woken = self._woken.wait(REPORT_BEAT)
            self._woken.clear()
            self._reconfigure()
            now = self._clock()
            self._look(now)
            if now - began > HOLD_AFTER and (woken or now >= self._discovery.next_due()):
                self._hold()
        return None

    def _hold(self) -> None:
        """Hold open what is there, for it may be deleted before it is known where to go on."""
        if not self._holds:
            self._holds = True
            self._discovery.start()
        for observation in self._discovery.collect().observations:
            self._holding.observe(observation, Watched.of(self._config.of_files[observation.source]).trust)

    def _open(self) -> None:
        saved = self._connect()
        if saved is None:
            return
        self._roster.begin(self._config.sources, saved, self._holding)
        self._holding.close()
        if self._holds:
            self._discovery.rescan()
        else:
            self._discovery.start()
        self._pulse = Pulse(self._discovery, self._of_files, self._clock, self._cpu)
        self._opened = True
        self._woken.set()

    def _share(self, source: str, path: bytes, file_id: FileId) -> tuple[bytes, FileId]:
        """Return what a source keeps of a file."""
        files = self._of_files.get(source)
        return (path, file_id) if files is None else files.share(path, file_id)

    def _hold_files(self) -> Holding:
        return Holding(self._files, self._descriptors.limit)

    def _reconfigure(self) -> None:
        """Take over a new configuration, if there is one."""
        new, self._new = self._new, None
        if new is None:
            return
        before, self._config = self._config, new
        self._descriptors.limit_to(limit_of(new.shipper.max_open_files), new.shipper.deleted_max)
        self._refusals.limit_to(new.shipper.deadletter_max)
        if not self._opened:
            self._discovery.change(watched(new.sources.values()), new.shipper.scan_interval)
            return
        self._roster.want(new.sources)
        self._move()  # at once: what follows may wait for news, and there may be none
        if before.shipper.scan_interval != new.shipper.scan_interval:
            self._watch()

    def _move(self) -> None:
        """Let sources come and go, as far as they can now: not before all that was reported is in the books."""
        if self._ledger.reported or self._ledger.nacks:
            return
        if not (self._commits is not None and self._commits.busy) and self._roster.step():
            self._watch()
            gc.collect()  # a source refers to itself, and what is old is hardly ever looked at otherwise

    def _watch(self) -> None:
        """Have discovery look for the files of the sources that run now."""
        self._discovery.change(watched(self._roster.running), self._config.shipper.scan_interval)
        self._woken.set()

    def _beat(self) -> None:
        """Do one round: what was seen, turns, delivery reports, what is to be saved."""
        looks = self._woken.is_set() or self._clock() >= self._discovery.next_due()
        if looks:
            self._woken.clear()  # first of all: whatever is asked for from now on wakes it again
        self._reconfigure()
        if looks:
            self._collect()
        self._pulse.beat(self._clock())
        if self._refusals.bury():
            self._progress_at = self._clock()
        for source in self._sources.values():
            source.tick()
        for files in self._of_files.values():
            files.pin()
        worked = self._turns.take()
        self._pulse.worked()
        self._poll(0.0 if worked else self._patience())
        self._settle()
        self._move()
        now = self._clock()
        if now >= self._saving.due:
            self._saving.save()
        self._look(now)

    def _look(self, now: float) -> None:
        """Look whether there is something to tell."""
        if self._store.taken is not None:
            raise self._store.taken
        self.rounds += 1
        status = self._outlet.client.status()
        self._health.look(status, now, opened=self._opened)
        self._health.look_for_stalls(self._outlet.client, status, now)
        self._outlet.look()
        self._rest.look(None if self._ledger.records else self._health.delivered)
        self._answer_all(status, now)

    def _answer_all(self, status: BrokerStatus, now: float) -> None:
        def tell(files: int) -> Status:
            most = self._config.kafka.max_in_flight
            return self._health.status(status, now, self._host, most, self._descriptors, files)

        self._answer(self._health, status, now, tell)

    def _collect(self) -> None:
        collected = self._discovery.collect()
        for observation in collected.observations:
            self._of_files[observation.source].observe(observation)
        self._pulse.sync()
        if collected.modified:
            for source in self._of_files.values():
                source.modified(collected.modified)

    def _patience(self) -> float:
        """Return how long delivery reports may be waited for now; waits by itself when none can come."""
        now = self._clock()
        if self._commits is not None:
            if self._commits.opening:
                return OPEN_BEAT
            if any(s.delivery.on_trial and s.delivery.reports_due for s in self._sources.values()):
                self._outlet.client.push()
                return REPORT_BEAT if now - self._progress_at < 1.0 else SLOW_BEAT
            if now >= self._commits.due():
                return 0.0  # the client's calls wait by themselves
        if not self._ledger.paused and any(s.hungry for s in self._sources.values()):
            return 0.0
        if (rest := self._pulse.due - now) < REPORT_BEAT * 10 and not self._ledger.paused:
            # What was found by then is sent together, and so may what is reported be taken in together.
            if self._commits is not None:
                rest = min(rest, self._commits.due() - now)
            push = self._outlet.client.push(spare=0.0 if self._halt.is_set() else rest)
            rest = min(now + rest, push) - self._clock()
            if rest > SLACK and not self._halt.is_set():
                self._woken.wait(rest)
            return 0.0
        push = self._outlet.client.push(PAUSED_BEAT if self._ledger.full else 0.0)
        if self._ledger.records:
            beat = min(REPORT_BEAT if now - self._progress_at < 1.0 else SLOW_BEAT, push - now)
            return beat if self._commits is None else min(beat, self._commits.due() - now)
        due = min((s.due() for s in self._sources.values()), default=float("inf"))
        due = min(due, self._discovery.next_due(), now + IDLE_BEAT)
        if any(s.has_changes for s in self._sources.values()):
            due = min(due, self._saving.due)
        if self._halt.is_set() or due <= now:
            return 0.0
        self._woken.wait(due - now)
        return 0.0

    def _poll(self, timeout: float) -> None:
        if timeout and self._woken.is_set():
            timeout = 0.0
        try:
            self._outlet.client.poll(timeout)
        except ProducerFatal as error:
            self._replace_sink(error)

    def _replace_sink(self, error: ProducerFatal) -> None:
        """Go on with a new client from the acked offsets: the old one is of no further use."""
        self._events.client_replaced(str(error))
        self._outlet.client.close(1.0)
        if self._commits is None:
            self._settle()
        self._outlet.replace()
        if self._commits is None:
            for source in self._sources.values():
                source.delivery.void()  # otherwise the new client will tell what became of it

    def _settle(self) -> None:
        """Take what the delivery reports said into the books."""
        moved, nacks = self._ledger.settle()
        if self._commits is not None:
            if self._commits.ending:
                nacks = []  # they went with their transaction
            self._refusals.take(nacks, self._outlet.client)
            try:
                moved = self._commits.step(self._sources, refused=bool(nacks))
            except ProducerFatal as error:
                self._replace_sink(error)
                return
            nacks = []
        if moved:
            self._progress_at = self._clock()
        self._acked(moved)
        if nacks:
            self._refusals.take(nacks, self._outlet.client)
        if self._commits is not None and self._commits.busy:
            return  # where to rewind to is not known just now
        for source in self._sources.values():
            source.delivery.try_rewind()

    def _acked(self, moved: list[Track]) -> None:
        of: dict[str, list[Stream]] = {}
        for track in moved:
            of.setdefault(track.owner.source, []).append(track.owner)
        for name, streams in of.items():
            self._sources[name].delivery.acked(streams, saved=self._commits is not None)

    # --- the end -----------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Stop reading, deliver what is in flight until the deadline, hand over what is to be saved.

        What is left of a line that has begun to go still goes; with transactions all of it is undone.
        """
        self._health.event(ServiceEvent.STOP)
        deadline = self._clock() + self._config.shipper.shutdown_timeout
        self._discovery.stop()
        self._events.service_draining(self._ledger.records)
        if self._commits is not None:
            self._commits.hurry = True
        for source in self._sources.values():
            source.leave()
        reads = self._commits is None
        while self._clock() < deadline and (self._ledger.records or (reads and self._has_more())):
            self.rounds += 1
            if reads:
                self._turns.take()
            self._outlet.client.push()
            self._answer_all(self._outlet.client.status(), self._clock())
            # The calls that end a transaction wait by themselves; nothing else does while a client is being opened.
            ending = self._commits is not None and self._commits.busy and not self._commits.opening
            try:
                self._outlet.client.poll(0.0 if ending else min(0.1, max(0.0, deadline - self._clock())))
                moved, nacks = self._ledger.settle()
                reads = reads and not nacks  # what was not taken comes first the next time (I3)
                if self._commits is not None:
                    moved = self._commits.step(self._sources, refused=bool(nacks))
            except ProducerFatal:
                break
            self._acked(moved)
        saved = self._saving.finish(deadline)
        undelivered = sum(source.delivery.undelivered for source in self._sources.values())
        self.left = Left(self._health.delivered, undelivered, self._health.unread, saved)
        self._health.event(ServiceEvent.DRAINED)

    def _has_more(self) -> bool:
        """Whether sources that are to leave have anything to send, or to wait for."""
        return not all(source.drained for source in self._sources.values())

    def _close(self) -> None:
        self._discovery.stop()
        self._outlet.close()
        self._refusals.close()
        if self._keeps:
            for source in self._of_files.values():
                source.keep(self._holding)
        else:
            self._holding.close()
        for one in self._sources.values():
            one.close()
        self._descriptors.close_all()
        self._watching.close()
