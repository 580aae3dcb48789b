"""A daemon in one thread, under a clock of its own, with nothing of it left to chance.

Real are the files, the kernel's events, discovery, the pump and all that it drives. Stand-ins are the clock, the
brokers (:class:`Brokers`, :class:`Client`), which answer when they are told to, and the checkpoint store
(:class:`Memory`), which keeps what was saved and loses what was not. :class:`Bench` lets the pump go its rounds one by
one, and adds what a test wants to happen at a certain moment: let the kernel's events through, hold them back or lose
them, let time pass, stop, kill. It is the one place in the tests that looks inside the pump.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shipper.config import Config, FileConfig, KafkaConfig, ShipperConfig
from shipper.discovery import Discovery, Watched
from shipper.discovery.watch import Inotify, Watcher
from shipper.errors import StateError
from shipper.events import Events
from shipper.files import Files
from shipper.filesource import FileSource
from shipper.ledger import Ledger
from shipper.model import Checkpoint, SourceState, TopicState
from shipper.pump import Pump
from tests.sim.brokers import Brokers, Client
from tests.sim.daemon import Unwaited

SOURCE = "s"
TOPIC = "logs"
CALM = 150.0  # seconds: longer than any pause that the daemon makes
ROUNDS = 2000  # without time passing, after which the daemon is said never to come to rest


class StillInotify(Inotify):
    """The kernel's events, which no thread reads: they come when discovery catches up with them."""

    def __init__(self) -> None:
        super().__init__()
        self._is_reading = False  # as after a read: closing need not wait for a thread

    def start(self) -> None:
        """Start nothing."""

    def join(self, timeout: float | None = None) -> None:
        """Wait for nothing."""

    def overflow(self) -> None:
        """Lose all that has happened, as the kernel does when its queue is full, and be told only that."""
        while select.select([self._inotify_fd], [], [], 0)[0]:
            os.read(self._inotify_fd, 1 << 16)
        self.on_overflow()


class Memory:
    """The checkpoint store: ``saved`` outlives a kill, ``pending`` does not."""

    interval = 0.5
    renewals = 0
    taken = None

    def __init__(self, check: Callable[[Checkpoint], None]) -> None:
        self.saved: dict[str, Checkpoint] = {}
        self.pending: dict[str, Checkpoint | None] = {}
        self.scanned = False
        self.refuses = False  # the disk is full
        self.set_aside = False  # it was damaged
        self._check = check

    def load(self) -> dict[str, SourceState]:
        return {SOURCE: SourceState(self.scanned, list(self.saved.values()))}

    def delivery(self) -> tuple[str, int]:
        return "", 0

    def reread(self, source: str) -> bool:
        return self.set_aside and not self.scanned

    def record_first_scan(self, source: str, files: Sequence[Checkpoint]) -> None:
        if self.refuses:
            raise StateError("the disk is full")
        self.saved = {one.uid: one for one in files}
        self.scanned = True

    def submit(
        self, changed: Iterable[Checkpoint], removed: Iterable[tuple[str, str]] = (), *, whole: str | None = None
    ) -> None:
        assert whole is None  # nothing is taken away here
        for one in changed:
            self._check(one)
            self.pending[one.uid] = one
        self.pending.update((uid, None) for _, uid in removed)

    def save(self) -> None:
        """Make durable what was submitted."""
        for uid, one in self.pending.items():
            if one is None:
                self.saved.pop(uid, None)
            else:
                self.saved[uid] = one
        self.pending.clear()

    def flush(self, timeout: float) -> bool:
        self.save()
        return True


@dataclass
class Told:
    """What the daemon has logged."""

    lines: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def __call__(self, level: str, name: str, fields: dict[str, Any]) -> None:
        self.lines.append((level, name, fields))

    def named(self, name: str) -> list[dict[str, Any]]:
        """Return the fields of each event ``name``."""
        return [fields for _, found, fields in self.lines if found == name]


class Bench:
    """One source in ``root``, its brokers and its store; the daemon runs between :meth:`start` and its end."""

    pump: Pump
    source: FileSource
    ledger: Ledger
    discovery: Discovery
    inotify: StillInotify

    def __init__(
        self,
        root: Path,
        *globs: str,
        limit: int = 1000,
        max_in_flight: int = 1 << 24,
        check: Callable[[Checkpoint], None] = lambda _: None,
        **settings: Any,
    ) -> None:
        self.root = root
        self.now = 1000.0
        source = FileConfig(
            name=SOURCE,
            paths=tuple(str(root / glob) for glob in globs or ("*.log",)),
            topic=TOPIC,
            key="{filename}",
            **settings,
        )
        self.config = Config(
            shipper=ShipperConfig(state_dir=root, max_open_files=limit, scan_interval=30.0),
            kafka=KafkaConfig(bootstrap_servers="", max_in_flight=max_in_flight),
            sources={SOURCE: source},
        )
        self.files = Files(self._fault)
        self.faults: dict[str, OSError] = {}  # by op label
        self.brokers = Brokers()
        self.store = Memory(check)
        self.told = Told()
        self.running = False
        self._stopping = False

    def _fault(self, op: str) -> None:
        if op in self.faults:
            raise self.faults[op]

    def _wait(self, seconds: float) -> None:
        if self._stopping:
            self.now += seconds

    def _make_client(self) -> Client:
        client = Client(self.brokers, self._wait, lambda _sent: None)
        client.tells_what_it_purges = False
        return client

    # --- the daemon --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the daemon; its first round comes with the next :meth:`work`."""
        events = Events(self.told, clock=lambda: self.now)
        store: Any = self.store
        pump = self.pump = Pump(
            self.config,
            store,
            events,
            make_sink=self._make_client,
            files=self.files,
            clock=lambda: self.now,
        )
        self.inotify = StillInotify()
        source = self.config.of_files[SOURCE]
        self.discovery = pump._discovery = Discovery(
            [Watched(SOURCE, tuple(map(os.fsencode, source.paths)), tuple(map(os.fsencode, source.exclude)), "auto")],
            pump.wake,
            events,
            scan_interval=self.config.shipper.scan_interval,
            clock=lambda: self.now,
            watcher=Watcher(pump.wake, events, lambda: self.inotify),
            share=pump._share,
        )
        pump._woken, pump._halt = Unwaited(), Unwaited()
        pump._open()
        self.ledger = pump._ledger
        self.source = pump._of_files[SOURCE]
        self.running = True

    @property
    def client(self) -> Client:
        """The client that is in use."""
        client = self.pump._outlet._client
        assert isinstance(client, Client)
        return client

    def stop(self) -> None:
        """Stop it as SIGTERM does."""
        self._stopping = True
        self.pump._drain()
        self._stopping = False
        self._end()

    def kill(self) -> None:
        """End it as SIGKILL does."""
        self.store.pending.clear()
        self._end()

    def close(self) -> None:
        """Let go of everything."""
        if self.running:
            self._end()

    def _end(self) -> None:
        self.running = False
        self.client.tells_what_it_purges = False
        self.pump._close()

    # --- rounds ------------------------------------------------------------------------------------------------------

    def beat(self) -> None:
        """Do one round; of what the kernel tells, nothing comes before :meth:`tell`."""
        self.pump._beat()

    def _busy(self) -> bool:
        """Whether the next round has something to do before time passes or something happens."""
        if self.pump._woken.is_set() or self.discovery.next_due() <= self.now:
            return True
        if self.source.hungry and not self.ledger.paused:
            return True
        if self.ledger.reported or self.ledger.nacks or self.client.answers:
            return True
        waits = self.source.delivery.rewinding and self.ledger.records
        return self.source.due() <= self.now and not waits

    def work(self) -> None:
        """Go rounds until there is nothing to do."""
        for _ in range(ROUNDS):
            self.beat()
            if not self._busy():
                return
        raise AssertionError("the daemon does not come to rest")

    def tell(self) -> None:
        """Let the kernel's events through, and work."""
        self.pump.wake()
        self.work()

    def lose_events(self) -> None:
        """Lose the kernel's events to an overflow."""
        self.inotify.overflow()
        self.pump.wake()

    def pass_time(self, seconds: float) -> None:
        """Let time pass; whatever is due is done when it is due."""
        until = self.now + seconds
        self.tell()
        while self.now < until:
            due = min(self.source.due(), self.discovery.next_due(), until)
            if self.source.has_changes:
                due = min(due, self.pump._saving.due)
            self.now = min(until, max(due, self.now + 0.01))
            self.work()
            self.store.save()

    def calm(self) -> None:
        """Let everything that holds the daemon up go away, and let it come to rest."""
        self.brokers.up = True
        self.brokers.topic = TopicState.READY
        self.store.refuses = False
        self.pass_time(CALM)
        assert not self.ledger.records, f"{self.ledger.records} records are in flight for ever"
        assert not self.ledger.in_flight
        assert not self.source.delivery.rewinding

    # --- what a test looks at ----------------------------------------------------------------------------------------

    @property
    def lines(self) -> list[str]:
        """What has arrived, as text."""
        return [value.decode() for _, value in self.brokers.arrived]

    def offsets(self) -> dict[str, int]:
        """Return the saved offsets, by the name under which each file was last seen."""
        return {os.fsdecode(os.path.basename(one.seen_as)): one.offset for one in self.store.saved.values()}
