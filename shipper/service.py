"""Builds the daemon, starts it, answers signals, stops it. Runs on the main thread.

A signal handler only sets a flag. Order of the start: configuration, lock and checkpoints, pump. Order of the stop:
discovery, reading, what is in flight until ``shutdown_timeout``, save, close (DESIGN: drain).
"""

from __future__ import annotations

import math
import signal
from collections.abc import Callable
from queue import Empty, SimpleQueue
from types import FrameType

from shipper.admin.server import Admin
from shipper.checkpoints import CheckpointStore
from shipper.config import Config
from shipper.errors import ConfigError, Exit, ShipperError
from shipper.events import Events, Write
from shipper.kafka.producer import try_settings
from shipper.manager import Manager
from shipper.pump import Pump
from shipper.records import processors

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
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
        self._changed.put(None)

    def wait(self, timeout: float) -> None:
        """Return when a signal has come since the last call, or after ``timeout`` seconds."""
        try:
            self._changed.get(timeout=timeout)
        except Empty:
            return


def run(load: Callable[[], Config], write: Write) -> int:
    """Run the daemon until it is told to stop; returns the exit status.

    ``load`` reads the configuration, at the start and at every HUP. Raises ShipperError for what a user can mend.
    """
    events = Events(write)
    flags = Flags()
    before = flags.install()  # first of all: the default of HUP is to end
    try:
        config = load()
        processors.try_all(config)
        store = CheckpointStore.open(config.shipper.state_dir, events)
        try:
            return _serve(config, load, store, events, flags)
        finally:
            store.close()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]


def _serve(config: Config, load: Callable[[], Config], store: CheckpointStore, events: Events, flags: Flags) -> int:
    """Run one pump after the other: a reload drains the old one and starts another."""
    manager = Manager(events)
    pumps = [Pump(config, store, events)]  # the one of now
    admin = Admin(config.shipper.state_dir, lambda: pumps[0], events)
    try:
        while True:
            pump = pumps[0]
            events.service_starting(str(config.shipper.state_dir), len(config.sources))
            pump.start()
            admin.configure(config.admin)
            new = _wait(pump, config, load, events, flags, manager)
            if new is None:
                manager.stopping()
            pump.stop()
            if not _join(pump, config.shipper.shutdown_timeout + GRACE, manager):
                events.pump_hangs()
                return Exit.FAILED
            if pump.error is not None:
                if isinstance(pump.error, ShipperError):
                    raise pump.error
                raise RuntimeError("the pump has ended unexpectedly") from pump.error
            left = pump.left
            if new is None:
                events.service_stopped(left.delivered, left.in_flight, left.unread, saved=left.saved)
                return Exit.DONE
            config = new
            pumps[0] = Pump(config, store, events)
    finally:
        admin.close()


def _join(pump: Pump, seconds: float, manager: Manager) -> bool:
    """Wait for the pump's end; False where it has not come in time."""
    for _ in range(math.ceil(seconds / BEAT)):
        if pump.join(BEAT):
            return True
        manager.draining(pump)
    return False


def _wait(
    pump: Pump, config: Config, load: Callable[[], Config], events: Events, flags: Flags, manager: Manager
) -> Config | None:
    """Wait for the end; returns the configuration to go on with, or None for a stop."""
    while not flags.stop:
        flags.wait(BEAT)
        if pump.error is not None:
            return None
        manager.look(pump)
        if flags.report:
            flags.report = False
            pump.report()
        if flags.reload and not flags.stop:
            flags.reload = False
            manager.reloading()
            new = _reload(config, load, events)
            if new is not None:
                return new
            manager.kept()
    return None


def _reload(config: Config, load: Callable[[], Config], events: Events) -> Config | None:
    """Read the configuration again; a bad one is reported and the old one stays."""
    try:
        new = load()
        try_settings(new.kafka, events)
        processors.try_all(new)
    except ConfigError as error:
        events.reload_refused(error.problems)
        return None
    if new.shipper.state_dir != config.shipper.state_dir:
        found = f"shipper.state_dir: {new.shipper.state_dir} was {config.shipper.state_dir}; restart to change it"
        events.reload_refused([found])
        return None
    events.reloading(len(new.sources))
    return new
