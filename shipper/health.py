"""Which state the service is in, and how it tells: starting, running, degraded, draining, stopped. Pump thread only.

Degraded is to run with brokers away: nothing is lost, and files are the buffer. The client tells of each outage by
itself; the first answer of the brokers, and that none has come, are told here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from shipper.events import Events
from shipper.filesource import FileSource
from shipper.ledger import Ledger
from shipper.lifecycle import SERVICE, Service, ServiceEvent, step
from shipper.model import Clock, Sink

READY_TIMEOUT = 10.0  # seconds after which the daemon says that it runs without brokers


class SinkWithStatus(Sink, Protocol):
    """A sink that can say whether the brokers are there."""

    def status(self) -> BrokerStatus:
        """Return it."""


class BrokerStatus(Protocol):
    """Whether brokers answer."""

    @property
    def up(self) -> bool:
        """Whether they do."""

    @property
    def reason(self) -> str:
        """Why not, in plain words."""

    @property
    def brokers(self) -> int:
        """How many there are; 0 before they have answered once."""


class Health:
    """The service's state. ``sources`` may grow."""

    def __init__(self, sources: Mapping[str, FileSource], ledger: Ledger, events: Events, clock: Clock) -> None:
        self.state = Service.STARTING
        self._sources = sources
        self._ledger = ledger
        self._events = events
        self._started_at = clock()
        self._ready = False  # a broker has answered

    def event(self, event: ServiceEvent) -> None:
        """Step to the next state."""
        self.state = step(SERVICE, self.state, event)

    @property
    def delivered(self) -> int:
        """How many records were acknowledged since the start."""
        return sum(source.delivery.delivered for source in self._sources.values())

    @property
    def unread(self) -> int:
        """Bytes known to be there that were not read."""
        return sum(source.waiting_bytes for source in self._sources.values())

    def look(self, status: BrokerStatus, now: float, *, opened: bool) -> None:
        """Step between running and degraded. ``opened``: it is known where each source stands."""
        if status.up and status.brokers and opened:
            if self.state is not Service.RUNNING:
                self.event(ServiceEvent.BROKERS_UP)
            if not self._ready:
                self._ready = True
                files = sum(source.files for source in self._sources.values())
                self._events.service_ready(status.brokers, len(self._sources), files)
        elif self.state is Service.RUNNING:
            self.event(ServiceEvent.BROKERS_AWAY)
        elif self.state is Service.STARTING and now - self._started_at > READY_TIMEOUT:
            self.event(ServiceEvent.BROKERS_AWAY)
            self._events.service_degraded(status.reason or "it is not known yet what was committed")

    def tell(self, status: BrokerStatus) -> None:
        """Log how it stands."""
        self._events.service_status(
            self.state.value, status.brokers, status.reason, self.delivered, self._ledger.records, self.unread
        )
        for source in self._sources.values():
            self._events.source_status(source.name, source.files, source.waiting_bytes, source.why_idle)
