"""The daemon on a simulated machine: real from discovery to the store, one round after the other.

:class:`Daemon` starts it, lets it go its rounds and ends it in all the ways in which it can end. It is the one place in
the simulator that looks inside the pump. What the daemon sends and saves is held against the promises at once, by
:class:`Books`.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec

from shipper import commits, refusals
from shipper.config import Config, FileConfig, KafkaConfig, ShipperConfig
from shipper.discovery import Discovery, Watched
from shipper.discovery.watch import Watcher
from shipper.events import Events
from shipper.filesource import FileSource
from shipper.ledger import Track
from shipper.model import Checkpoint, FileState, TopicState
from shipper.pump import Pump
from tests.sim.brokers import Brokers, Client, Sent
from tests.sim.disk import Disk
from tests.sim.kernel import Inotify, Os
from tests.sim.layout import Layout
from tests.sim.state import DeadLetters, State, Store
from tests.sim.transactions import Coordinator, TransactionalClient

TOPIC, STATE_DIR = "logs", Path("/state")
SCAN_INTERVAL, PARTIAL_TIMEOUT = 30.0, 5.0
MEANWHILE = 2.0  # seconds
CALM = 150.0  # seconds: longer than any pause that the daemon makes
ROUNDS = 3000  # without time passing, after which the daemon is said never to come to rest
AWAY = 3.0  # seconds that a start waits for brokers, where it has to, before they come back


class Broken(AssertionError):
    """A promise or an invariant does not hold."""


class Unwaited(threading.Event):
    """What the pump would wait for; time passes only when a history says so. ``passes`` hears how much would."""

    def __init__(self, passes: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._passes = passes

    def wait(self, timeout: float | None = None) -> bool:
        """Return at once."""
        self._passes()
        return self.is_set()


class Books:
    """What was sent, passed and saved, line by line; each line is like no other.

    A line is *passed* when the acked offset of its generation has moved over it, and *durable* when that is saved. It
    is sent again by right only when it was not passed and something was not taken, or when it was not durable and the
    process ended. ``once``: nothing may pass what was not taken, for the transaction goes as a whole.
    """

    def __init__(self, brokers: Brokers, state: State, *, once: bool = False) -> None:
        self._brokers = brokers
        self._state = state
        self._once = once
        self.bytes_gone: Callable[[], set[bytes]] = set  # other bytes may stand where these values did
        self.ever: set[bytes] = set()  # sent by any daemon
        self.sent: dict[bytes, tuple[str, int, Track]] = {}  # by this one: where it ends, when it was sent last
        self.may_repeat: set[bytes] = set()
        self.durable: set[bytes] = set()
        self.doubted: set[bytes] = set()  # of which a source went back, which cannot know what of them has arrived
        self._by_uid: dict[str, dict[bytes, int]] = {}
        self._positions: dict[str, set[int]] = {}  # by uid: the ends of what was sent

    def send(self, sent: Sent) -> None:
        """Take note of a record that the daemon hands to the client."""
        chunk: Any = sent.report
        track, end = chunk.track, chunk.end.offset + sent.part  # a position is never inside a line
        if end <= track.acked.offset:
            raise Broken(f"{sent.value!r} is sent although the acked offset is behind it (I1)")
        value = sent.value
        if value in self.ever and value not in self.may_repeat:
            raise Broken(f"{value!r} is sent again, and there is no reason for it")
        self.may_repeat.discard(value)
        self.durable.discard(value)  # what was saved of it does not count any more, or it would not be sent again
        self.ever.add(value)
        uid = track.owner.uid
        self.sent[value] = (uid, end, track)
        self._by_uid.setdefault(uid, {})[value] = end
        if not sent.part:
            self._positions.setdefault(uid, set()).add(end)

    def safe(self, value: bytes) -> bool:
        """Whether it is acknowledged, or kept as a dead letter."""
        return value in self._brokers.acked or any(one.value == value for one in self._state.letters.values())

    def _up_to(self, one: Checkpoint) -> list[bytes]:
        return [value for value, end in self._by_uid.get(one.uid, {}).items() if end <= one.offset]

    def submit(self, one: Checkpoint) -> None:
        """Take note of what is to be saved."""
        known = {0, one.start} | self._positions.get(one.uid, set())
        if one.state in (FileState.OPEN, FileState.FINISHED) and one.offset not in known:
            raise Broken(f"offset {one.offset} of {one.seen_as!r} is saved, where nothing that was sent ends (I4)")
        for value in self._up_to(one):
            if value not in self._brokers.acked and not self.safe(value) and value not in self.bytes_gone():
                raise Broken(f"offset {one.offset} of {one.seen_as!r} is saved, and {value!r} is not acknowledged (I6)")

    def save(self, one: Checkpoint) -> None:
        """Take note of what is saved."""
        self.durable.update(self._up_to(one))

    def rewound(self, source: str, *, stopping: bool) -> None:
        """A source goes back, as something was not taken: what is not passed comes again, in whatever order.

        With transactions also at a stop in the middle of a long line: none of it is committed without the rest.
        """
        if not self._brokers.failed and not (stopping and self._once):
            raise Broken("the source goes back, and everything that it has sent was taken")
        for value, (_, end, track) in self.sent.items():
            if track.owner.source == source and end > track.acked.offset:
                self.may_repeat.add(value)
                self.doubted.add(value)
                if not self._once:
                    self._brokers.passed.add(value)

    def changed(self, source: str) -> None:
        """A source goes on from its acked offsets, changed: what it had sent and was not taken comes again.

        Not the beginning of a long line whose rest is gone.
        """
        for value, (_, end, track) in self.sent.items():
            if track.owner.gone:
                continue
            if track.owner.source == source and end > track.acked.offset and value not in self.may_repeat:
                if not self._brokers.failed:
                    raise Broken(f"{value!r} was taken, and is not behind the acked offset when its source changes")
                self.may_repeat.add(value)
                if not self._once:
                    self._brokers.passed.add(value)

    def ended(self, *, cleanly: bool) -> None:
        """The process has ended. What is not durable is sent anew by the next one, or gone: then others stand there."""
        for value, (_, end, track) in self.sent.items():
            if value in self.durable:
                continue
            if cleanly and end <= track.acked.offset:
                raise Broken(f"{value!r} was acknowledged, and is not saved at a clean stop")
            self.may_repeat.add(value)
        self.sent.clear()
        self._by_uid.clear()


class Daemon:
    """A daemon on a disk in memory, its brokers and its store; it runs between :meth:`start` and its end."""

    pump: Pump
    discovery: Discovery
    inotify: Inotify
    store: Store

    def __init__(
        self, disk: Disk, os_: Os, state: State, layout: Layout, *, called: Callable[[], None], **settings: Any
    ) -> None:
        self._called = called  # hears each time that the clock is asked
        self.disk = disk
        self.os = os_
        self.state = state
        self.now = 1000.0
        kafka = {key: settings.pop(key) for key in ("max_in_flight",) if key in settings}
        if layout.max_line:
            settings["max_line"] = layout.max_line
        if layout.exactly_once:
            kafka["delivery"] = commits.MODE
        self.config = Config(
            shipper=ShipperConfig(
                state_dir=STATE_DIR,
                max_open_files=layout.max_open_files,
                scan_interval=SCAN_INTERVAL,
                instance="sim",
            ),
            kafka=KafkaConfig(bootstrap_servers="", **kafka),
            sources={
                name: FileConfig(
                    name=name,
                    paths=(glob,),
                    topic=TOPIC,
                    key="{filename}",
                    partial_timeout=PARTIAL_TIMEOUT,
                    **settings,
                )
                for name, glob in layout.globs.items()
            },
        )
        self.brokers = Brokers()
        self.once = layout.exactly_once
        self.books = Books(self.brokers, state, once=self.once)
        self.coordinator = Coordinator(self.brokers, self._committed)
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.unsaved: set[bytes] = set()  # paths of files of which a kill has taken what was not saved yet
        self.running = False
        self.alive = False  # it runs, or is on its way to that, or to its end: it can be killed
        self._stopping = False

    def _write(self, level: str, name: str, fields: dict[str, Any]) -> None:
        self.told.append((name, fields))

    def _wait(self, seconds: float) -> None:
        if self._stopping:
            self.now += seconds

    def _sent(self, sent: Sent) -> None:
        chunk: Any = sent.report
        if self.pump._sources[chunk.track.owner.source].delivery.rewinding:
            raise Broken(f"{sent.value!r} is sent although its source waits to go back (I3)")
        self.books.send(sent)

    def _committed(self, checkpoints: list[Checkpoint]) -> None:
        for one in checkpoints:
            self.books.submit(one)
            self.books.save(one)

    def _pass_start(self) -> None:
        """Let time pass while the start waits for brokers, which come back in the end."""
        if self.running:
            return
        self.now += 0.1
        if self.inotify.queue:
            self.pump.wake()
        if self.now >= self._started_at + AWAY:
            self.brokers.up = True

    def _transactional(self, *_: Any, run: str, accept: Any, clock: Any, **__: Any) -> TransactionalClient:
        return TransactionalClient(
            self.coordinator, self._wait, self._sent, self._called, run=run, accept=accept, clock=clock
        )

    def clock(self) -> float:
        """Return the time."""
        self._called()
        return self.now

    # --- the daemon --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the daemon; its first round comes with the next :meth:`work`."""
        events = Events(self._write, clock=self.clock)
        rewound = events.source_rewound

        def hear(source: str, files: int) -> None:
            self.books.rewound(source, stopping=self._stopping)
            rewound(source, files)

        events.source_rewound = hear  # type: ignore[method-assign]  # just before it goes back
        events.source_changed = self.books.changed  # type: ignore[method-assign]
        self.store = Store(self.state, events, self.clock, self.books.submit, self.books.save)
        self.inotify = Inotify(self.os)
        self.disk.tell = self.inotify.tell
        with mock.patch.object(refusals, "DeadLetters", lambda *given: DeadLetters(self.state, given[-1])):
            pump = self.pump = Pump(
                self.config,
                self.store,
                events,
                make_sink=lambda: Client(self.brokers, self._wait, self._sent),
                clock=self.clock,
                cpu=lambda: 0.0,
            )
        inotify: Any = self.inotify
        watcher = Watcher(pump.wake, events, lambda: inotify)
        self.discovery = pump._discovery = Discovery(
            [
                Watched(one.name, tuple(map(os.fsencode, one.paths)), (), "auto")
                for one in self.config.of_files.values()
            ],
            pump.wake,
            events,
            scan_interval=SCAN_INTERVAL,
            clock=self.clock,
            watcher=watcher,
            share=pump._share,
        )
        pump._woken, pump._halt = Unwaited(self._pass_start), Unwaited()
        self._started_at = self.now
        self.alive = True
        pump._open()
        self.running = True

    @property
    def sources(self) -> list[FileSource]:
        """The sources that run."""
        return list(self.pump._of_files.values())

    def reload(self, number: int) -> None:
        """Have one of the sources changed, in a way that makes no difference to what it sends."""
        name = sorted(self.config.sources)[number % len(self.config.sources)]
        before = self.config.sources[name]
        changed = msgspec.structs.replace(before, ignore_older=1.0 - before.ignore_older)
        self.config = msgspec.structs.replace(self.config, sources=self.config.sources | {name: changed})
        if self.running:
            self.pump.reload(self.config)

    @property
    def client(self) -> Client:
        """The client that is in use."""
        client = self.pump._outlet._client
        assert isinstance(client, Client)
        return client

    def stop(self) -> bool:
        """Stop it as SIGTERM does; returns whether everything could be saved."""
        self._stopping = True
        self.pump._drain()
        self._stopping = False
        saved = self.pump.left.saved
        self._end()
        self.books.ended(cleanly=saved)
        if self.disk.fds:
            raise Broken(f"{len(self.disk.fds)} files are still open after a stop")
        return saved

    def kill(self) -> None:
        """End it as SIGKILL does, wherever it is."""
        self.unsaved = {one.path for one in self.store._pending.values() if one is not None}
        self.unsaved |= {
            t.path for source in self.sources for t in source.generations() if t.uid in source._census._unsaved
        }
        self.store._pending.clear()
        self.running = self.alive = self._stopping = False
        self.disk.close_all()
        self.os.ended()
        self._off()
        self.books.ended(cleanly=False)

    def _end(self) -> None:
        self.running = self.alive = False
        self.client.tells_what_it_purges = False
        self.pump._close()
        self._off()

    def _off(self) -> None:
        self.inotify.stop()
        self.disk.tell = lambda _directory, _mask, _name: None
        self.store.close()

    # --- rounds ------------------------------------------------------------------------------------------------------

    def beat(self) -> None:
        """Do one round."""
        self.pump._beat()
        self.store.work()
        self._invariants()

    def _invariants(self) -> None:
        ledger = self.pump._ledger
        in_flight = sum(1 for _ in self.client.queue)
        if ledger.records < in_flight and not self._rewinding:
            raise Broken(f"{in_flight} records are in flight, and the ledger knows of {ledger.records}")
        for tailer in (tailer for source in self.sources for tailer in source.delivery.unsettled):
            if not tailer.track.acked.offset <= tailer.read.offset:
                raise Broken("the acked offset is beyond the read offset (I1)")
        if ledger.in_flight > ledger.high + (256 << 10) + 8192 * 300:
            raise Broken("more is in flight than may be (I5)")

    def _busy(self) -> bool:
        """Whether the next round has something to do before time passes or something happens."""
        if self.pump._woken.is_set() or self.inotify.queue or self.discovery.next_due() <= self.now:
            return True
        ledger = self.pump._ledger
        stands = self.pump._commits is not None and (  # it waits for brokers
            self.pump._commits.busy or any(s.delivery.on_trial and s.delivery.reports_due for s in self.sources)
        )
        if any(source.hungry for source in self.sources) and not ledger.paused and not stands:
            return True
        if ledger.reported or ledger.nacks or self.client.answers:
            return True
        if self.brokers.able and not self._hangs and self._commit_due() <= self.now:
            return True
        opening = self.pump._commits is not None and self.pump._commits.opening  # where to rewind to is not known yet
        waits = self._rewinding and (ledger.records or opening)
        return self._due() <= self.now and not waits

    def _due(self) -> float:
        return min(source.due() for source in self.sources)

    @property
    def _rewinding(self) -> bool:
        return any(source.delivery.rewinding for source in self.sources)

    @property
    def _hangs(self) -> bool:
        return self.coordinator.hangs and self.pump._commits is not None and self.pump._commits.committing

    def _commit_due(self) -> float:
        return math.inf if self.pump._commits is None else self.pump._commits.due()

    def work(self) -> None:
        """Go rounds until there is nothing to do."""
        for _ in range(ROUNDS):
            if self.inotify.queue:
                self.pump.wake()
            self.beat()
            if not self._busy():
                return
        raise Broken("the daemon does not come to rest")

    def tell(self) -> None:
        """Let the kernel's events through, and work."""
        self.pump.wake()
        self.work()

    def pass_time(self, seconds: float, *, idly: int = 0) -> None:
        """Let time pass; whatever is due is done when it is due.

        ``idly``: what is left passes at once after so many scans between which nothing else was due.
        """
        until = self.now + seconds
        scans = 0
        self.tell()
        while self.now < until:
            scan = self.discovery.next_due()
            due = min(self._due(), scan, self.pump._pulse.due, until)
            if any(source.has_changes for source in self.sources):
                due = min(due, self.pump._saving.due)
            if self.store._pending:
                due = min(due, self.store._not_before)
            if (commit := self._commit_due()) > self.now:  # otherwise it waits for brokers
                due = min(due, commit)
            scans = 0 if self._expects else scans + (due == scan)
            self.now = until if idly and scans > idly else min(until, max(due, self.now + 0.01))
            self.work()

    @property
    def _expects(self) -> bool:
        """Whether something will be done as time passes besides scans, and looks at files that were moved away."""
        if self.pump._pulse.due < math.inf:
            return True
        if self.store._pending or self._rewinding or self.pump._ledger.records or self._commit_due() < math.inf:
            return True
        dues = (due for s in self.sources for due in (s._schedule.due, s._intake.due, s.delivery.due))
        return min(dues) < math.inf or any(source.has_changes for source in self.sources)

    def calm(self) -> None:
        """Let everything that holds the daemon up go away, and let it come to rest."""
        self.brokers.up = True
        self.brokers.slow = self.coordinator.hangs = False
        self.brokers.topic = TopicState.READY
        self.state.full = False
        self.os.limit = 1 << 30
        self.pass_time(CALM, idly=2)
        if self.once:
            self.pass_time(MEANWHILE)  # a writer may have been late: what was read then is to be committed
        ledger = self.pump._ledger
        if ledger.records or ledger.in_flight or self.client.queue:
            raise Broken(f"{ledger.records} records are in flight for ever")
        if self._rewinding:
            raise Broken("a source waits for ever to send again")

    def named(self, name: str) -> list[dict[str, Any]]:
        """Return the fields of each event ``name`` that was logged."""
        return [fields for found, fields in self.told if found == name]
