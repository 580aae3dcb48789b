"""Builds the daemon, starts it, answers signals, stops it. Runs on the main thread.

A signal handler only sets a flag. Order of the start: configuration, lock and checkpoints, pump. Order of the stop:
discovery, reading, what is in flight until ``shutdown_timeout``, save, close (DESIGN: drain).

A reload is checked first, and applied or refused as a whole. The pump takes over what it can while it runs; where the
Kafka client has to be another one, the pump drains and the next one goes on with its open files.
"""

from __future__ import annotations

import gc
import math
import signal
from collections.abc import Callable
from queue import Empty, SimpleQueue
from types import FrameType

from shipper import changes, memory
from shipper.admin.server import Admin
from shipper.checkpoints import CheckpointStore
from shipper.config import Config
from shipper.errors import ConfigError, Exit, ShipperError
from shipper.events import Events, Write
from shipper.inforce import InForce
from shipper.journal import check_library
from shipper.kafka.producer import try_settings
from shipper.logs import listening
from shipper.manager import Manager
from shipper.pump import Pump
from shipper.records import processors
from shipper.tap import Taps

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
COLLECT_AFTER = 50_000  # objects more than were freed, after which cycles are looked for (measured)
BEAT = 1.0  # seconds between two looks at the pump
GRACE = 15.0  # seconds beyond shutdown_timeout for the pump to end, before the daemon gives up on it


class Flags:
    """What the signals asked for.

    They come through a queue and not by an event: its ``put`` may interrupt anything that the main thread does, also
    ``get`` and another ``put``; an event's ``set``, which takes a lock, would wait for the ``wait`` that it interrupts.
    """

    def __init__(self) -> None:
        self._changed: SimpleQueue[None] = SimpleQueue()
        self.stop = False
        self.reload = False
        self.report = False

    def install(self) -> dict[int, object]:
        """Install the handlers; returns those that were there."""
        wanted = (*STOP_SIGNALS, signal.SIGHUP, signal.SIGUSR1)
        return {number: signal.signal(number, self._on_signal) for number in wanted}

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - its signature
        if number in STOP_SIGNALS:
            self.stop = True
        elif number == signal.SIGHUP:
            self.reload = True
        else:
            self.report = True
        self.wake()

    def wake(self) -> None:
        """End a wait; from any thread."""
        self._changed.put(None)

    def wait(self, timeout: float) -> None:
        """Return when a signal has come since the last call, or somebody wakes it, or after ``timeout`` seconds."""
        try:
            self._changed.get(timeout=timeout)
        except Empty:
            return


def run(load: Callable[[], Config], write: Write, accepted: Callable[[Config], None] = lambda _config: None) -> int:
    """Run the daemon until it is told to stop; returns the exit status.

    ``load`` reads the configuration, at the start and at every HUP; ``accepted`` hears which one comes into force.
    Raises ShipperError for what a user can mend.
    """
    events = Events(write)
    flags = Flags()
    before = flags.install()  # first of all: the default of HUP is to end
    memory.keep()
    collects = gc.get_threshold()
    # A chunk makes thousands of dicts at once, none of them in a cycle: to look for cycles at each 700 is a waste.
    gc.set_threshold(COLLECT_AFTER, *collects[1:])
    try:
        with listening(events):
            return _run(load, accepted, events, flags)
    finally:
        gc.set_threshold(*collects)
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]


def _run(load: Callable[[], Config], accepted: Callable[[Config], None], events: Events, flags: Flags) -> int:
    """Run it under these signals."""
    config = load()
    processors.try_all(config)
    check_library(config)
    accepted(config)
    store = CheckpointStore.open(config.shipper.state_dir, events)
    try:
        return _Service(config, load, accepted, store, events, flags).serve()
    finally:
        store.close()


class _Service:
    """Runs one pump after the other: a reload that changes the Kafka client drains the old one and starts another."""

    def __init__(
        self,
        config: Config,
        load: Callable[[], Config],
        accepted: Callable[[Config], None],
        store: CheckpointStore,
        events: Events,
        flags: Flags,
    ) -> None:
        self._load = load
        self._accepted = accepted
        self._store = store
        self._events = events
        self._flags = flags
        self._manager = Manager(events)
        self._in_force = InForce(config)
        self._taps = Taps(events)
        self._pump = Pump(config, store, events, taps=self._taps, give_back=memory.give_back)  # the one of now
        self._renew = False  # the next one is to take its place

    def serve(self) -> int:
        """Run until a stop; returns the exit status."""
        config = self._in_force.config
        admin = Admin(config.shipper.state_dir, lambda: self._pump, self._in_force.status, self._taps, self._events)
        try:
            while True:
                config = self._in_force.config
                self._events.service_starting(str(config.shipper.state_dir), len(config.sources))
                self._pump.start(on_end=self._flags.wake)
                admin.configure(config.admin)
                self._wait(admin)
                if not self._renew:
                    self._manager.stopping()
                self._pump.stop(keep=self._renew)
                if not self._join(config.shipper.shutdown_timeout + GRACE):
                    self._events.pump_hangs()
                    return Exit.FAILED
                self._raise_error()
                if not self._renew:
                    left = self._pump.left
                    self._events.service_stopped(left.delivered, left.in_flight, left.unread, saved=left.saved)
                    return Exit.DONE
                self._renew = False
                self._pump = Pump(
                    self._in_force.config,
                    self._store,
                    self._events,
                    kept=self._pump.kept,
                    taps=self._taps,
                    give_back=memory.give_back,
                )
                gc.collect()  # the old one refers to itself, and what is old is hardly ever looked at otherwise
        finally:
            admin.close()

    def _raise_error(self) -> None:
        error = self._pump.error
        if error is not None:
            self._pump.kept.close()
            if isinstance(error, ShipperError):
                raise error
            raise RuntimeError("the pump has ended unexpectedly") from error

    def _join(self, seconds: float) -> bool:
        """Wait for the pump's end; False where it has not come in time."""
        for _ in range(math.ceil(seconds / BEAT)):
            if self._pump.join(BEAT):
                return True
            self._manager.draining(self._pump)
        return False

    def _wait(self, admin: Admin) -> None:
        """Wait for the pump's end, or until it is to end; ``_renew`` says then whether another is to follow."""
        flags = self._flags
        while not flags.stop:
            flags.wait(self._manager.patience)
            if self._pump.error is not None:
                return
            self._manager.look(self._pump)
            if flags.report:
                flags.report = False
                self._pump.report()
            if flags.reload and not flags.stop:
                flags.reload = False
                self._reload(admin)
                if self._renew:
                    return

    def _reload(self, admin: Admin) -> None:
        """Read the configuration again; a bad one is reported and the old one stays."""
        self._manager.reloading()
        before = self._in_force.config
        try:
            new = self._load()
            found = changes.between(before, new, renewed=self._in_force.renewed(new))
            if found.restart:
                raise ConfigError(found.restart)
            if found.client:
                try_settings(new.kafka, self._events)
            processors.try_all(new)
            check_library(new)
        except ConfigError as error:
            self._in_force.refuse(error.problems)
            self._events.reload_refused(error.problems)
            self._manager.kept()
            return
        self._in_force.accept(new)
        self._accepted(new)
        self._events.reloading(len(new.sources), found.words())
        if found.client:
            self._renew = True
        else:
            admin.configure(new.admin)
            self._pump.reload(new)
