"""What the service manager is told: ready, alive, how it stands, and that a stop takes its time. Main thread only.

By the protocol of sd_notify(3). Where no manager listens nothing is told. The watchdog is fed only while the pump goes
round: not by acknowledgements, or an outage of the brokers would become a loop of kills, and not by this thread alone,
or a pump that hangs would never be noticed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Protocol, cast

from shipper.events import Events
from shipper.lifecycle import Service
from shipper.model import Clock

BEAT = 1.0  # seconds between two looks while it is not ready
STATUS_BEAT = 5.0  # seconds between two lines of status: to sum up what is unread goes through all files
EXTENSION = 10.0  # seconds that the manager is asked to wait further, each time that something has moved
UP = (Service.RUNNING, Service.DEGRADED)

Notify = Callable[[str], object]


class Worker(Protocol):
    """What is looked at: the pump."""

    @property
    def state(self) -> Service:
        """How it stands."""

    @property
    def rounds(self) -> int:
        """How often it has gone round; one that hangs goes round no more."""

    @property
    def standing(self) -> str:
        """How it stands in words, as it was when last asked; "" before the first answer."""

    @property
    def reloading(self) -> bool:
        """Whether there is a configuration that it has not taken over yet."""

    def ask(self) -> None:
        """Have ``standing`` made anew."""


class Manager:
    """The service manager, if there is one. ``notify`` takes one message; by default systemd's own library sends it."""

    def __init__(
        self,
        events: Events,
        *,
        environment: Mapping[str, str] = os.environ,
        notify: Notify | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._events = events
        self._clock = clock
        self._notify = notify
        if notify is None and environment.get("NOTIFY_SOCKET"):
            self._notify = _library(events)
        self._feed_every = _watchdog(environment) / 2
        self._fed_at = 0.0
        self._rounds = -1
        self._ready = False
        self._told = ""
        self._ask_at = 0.0

    @property
    def patience(self) -> float:
        """Seconds until :meth:`look` is due again: seldom, once it is ready, for each look wakes an idle process."""
        if self._notify is None:
            return STATUS_BEAT  # not for ever: of several signals at once the kernel may give one to another thread
        if not self._ready:
            return BEAT
        return min(STATUS_BEAT, self._feed_every / 4) if self._feed_every else STATUS_BEAT

    def look(self, pump: Worker) -> None:
        """Tell what has changed; to be called every :attr:`patience` seconds."""
        if self._notify is None:
            return
        now = self._clock()
        moved = pump.rounds != self._rounds
        if not self._ready and pump.state in UP and not pump.reloading:
            self._ready = True
            self._send("READY=1")
        elif not self._ready and moved:
            self._extend()
        if moved and self._feed_every and now - self._fed_at >= self._feed_every / 2:
            self._fed_at = now
            self._rounds = pump.rounds
            self._send("WATCHDOG=1")
        elif not self._feed_every:
            self._rounds = pump.rounds
        if pump.standing and pump.standing != self._told:
            self._told = pump.standing
            self._send(f"STATUS={self._told}")
        if now >= self._ask_at:
            self._ask_at = now + STATUS_BEAT
            pump.ask()

    def reloading(self) -> None:
        """Say that the configuration is being read again; :meth:`kept`, or a pump that has taken it over, ends that."""
        self._ready = False
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def kept(self) -> None:
        """Say that the old configuration stays."""
        self._ready = True
        self._send("READY=1")

    def stopping(self) -> None:
        """Say that it is about to end."""
        self._send("STOPPING=1\nSTATUS=delivering what is in flight")

    def draining(self, pump: Worker) -> None:
        """Ask for patience while a stop goes on; the daemon's own limit ends it."""
        if self._notify is None:
            return
        moved = pump.rounds != self._rounds
        self._rounds = pump.rounds
        if moved:
            self._extend()
            if self._feed_every:
                self._send("WATCHDOG=1")

    def _extend(self) -> None:
        self._send(f"EXTEND_TIMEOUT_USEC={int(EXTENSION * 1e6)}")

    def _send(self, message: str) -> None:
        if self._notify is None:
            return
        try:
            self._notify(message)
        except OSError as error:  # the manager is being restarted itself: the next message may get there
            self._events.manager_unreachable(str(error))


def _watchdog(environment: Mapping[str, str]) -> float:
    """Return within how many seconds the watchdog is to be fed; 0 for no watchdog of this process."""
    usec = environment.get("WATCHDOG_USEC", "")
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()) or not usec.isdigit():
        return 0.0
    return int(usec) / 1e6


def _library(events: Events) -> Notify | None:
    try:
        from systemd import daemon
    except ImportError:
        events.manager_without_library()
        return None
    return cast("Notify", daemon.notify)
