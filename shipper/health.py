"""Which state the service is in, and how it tells: starting, running, degraded, draining, stopped. Pump thread only.

Degraded is to run with brokers away: nothing is lost, and files are the buffer. The client tells of each outage by
itself; the first answer of the brokers, and that none has come, are told here. So is a stall: brokers answer, and
nothing of a source is acknowledged.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from shipper import __version__
from shipper.events import Events
from shipper.filesource import FileSource
from shipper.filesource.descriptors import Descriptors
from shipper.ledger import Ledger
from shipper.lifecycle import SERVICE, Service, ServiceEvent, step
from shipper.model import Clock, Sink
from shipper.source import Source
from shipper.status import Status, of_files, of_source

# Seconds without an acknowledgement after which a source is stalled: longer than the election of a leader takes, or the
# restart of a broker, and short enough to be told before readers ask. A commit may take its interval besides.
STALLED_AFTER = 10.0
STALLED_AGAIN = 300.0  # seconds until a stall that lasts is told again
STALL_BEAT = 1.0  # seconds between two looks for a stall: they go through what is in flight


class SinkWithStatus(Sink, Protocol):
    """A sink that can say whether the brokers are there."""

    def status(self) -> BrokerStatus:
        """Return it."""

    def why_waiting(self, topics: set[str]) -> tuple[str, str]:
        """Return where records for ``topics`` wait although brokers answer, and why, in words."""


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


@dataclass(slots=True)
class _Wait:
    """Since when nothing of a source was acknowledged while something of it should have been."""

    delivered: int  # records, then
    since: float
    told_at: float | None = None
    why: str = ""


class Health:
    """The service's state. ``sources`` may change; ``of_files`` are those of them that read files.

    ``commit_interval``: seconds that a commit may take, 0 for none. ``ready_timeout``: seconds after which the daemon
    says that it runs without brokers.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        of_files: Mapping[str, FileSource],
        ledger: Ledger,
        events: Events,
        clock: Clock,
        *,
        commit_interval: float = 0.0,
        ready_timeout: float = 10.0,
    ) -> None:
        self.state = Service.STARTING
        self._sources = sources
        self._of_files = of_files
        self._ledger = ledger
        self._events = events
        self._started_at = clock()
        self._ready_timeout = ready_timeout
        self._patience = STALLED_AFTER + commit_interval
        self._waits: dict[str, _Wait] = {}
        self._wrong_since: dict[str, float] = {}  # of each source with which something is wrong
        self._away_since = self._started_at  # when no broker was seen to answer first
        self._stalls_at = self._started_at  # when stalls are looked for next
        self._ready = False  # a broker has answered
        self._said = (self.delivered, self._started_at)  # records delivered when last put in words, and when that was

    def event(self, event: ServiceEvent) -> None:
        """Step to the next state."""
        self.state = step(SERVICE, self.state, event)

    @property
    def delivered(self) -> int:
        """How many records were acknowledged since the start, also of sources that were removed or changed."""
        return sum(n for (metric, _), n in dict(self._events.counters).items() if metric == "records.acked")

    @property
    def unread(self) -> int:
        """Bytes known to be there that were not read."""
        return sum(source.waiting_bytes for source in self._sources.values())

    def look(self, status: BrokerStatus, now: float, *, opened: bool) -> None:
        """Step between running and degraded. ``opened``: it is known where each source stands."""
        if status.up:
            self._away_since = now
        if status.up and status.brokers and opened:
            if self.state is not Service.RUNNING:
                self.event(ServiceEvent.BROKERS_UP)
            if not self._ready:
                self._ready = True
                files = sum(source.files for source in self._sources.values())
                self._events.service_ready(status.brokers, len(self._sources), files)
        elif self.state is Service.RUNNING:
            self.event(ServiceEvent.BROKERS_AWAY)
        elif self.state is Service.STARTING and now - self._started_at > self._ready_timeout:
            self.event(ServiceEvent.BROKERS_AWAY)
            self._events.service_degraded(status.reason or "it is not known yet what was committed")

    def look_for_stalls(self, sink: SinkWithStatus, status: BrokerStatus, now: float) -> None:
        """Tell of each source of which nothing is acknowledged though brokers answer, and when that is over."""
        if now < self._stalls_at:
            return
        self._stalls_at = now + STALL_BEAT
        for gone in self._waits.keys() - self._sources.keys():
            del self._waits[gone]
            self._wrong_since.pop(gone, None)
        for name, source in self._sources.items():
            delivered = source.delivery.delivered
            wait = self._waits.setdefault(name, _Wait(delivered, now))
            if wait.delivered != delivered:
                if wait.told_at is not None:
                    self._events.delivery_resumed(name, now - wait.since)
                self._waits[name] = _Wait(delivered, now)
            elif not (status.up and self._expects(source)):
                if wait.told_at is None:
                    wait.since = now
            elif now - wait.since >= self._patience and (wait.told_at is None or now - wait.told_at >= STALLED_AGAIN):
                topics = {stream.topic for stream in source.delivery.unsettled}
                where, wait.why = sink.why_waiting(topics)
                wait.told_at = now
                self._events.delivery_stalled(name, where, source.delivery.undelivered, now - wait.since, wait.why)
            if self._wrong(source):
                self._wrong_since.setdefault(name, self._waits[name].since if self._stalled(name) else now)
            else:
                self._wrong_since.pop(name, None)

    def _expects(self, source: Source) -> bool:
        """Whether the brokers owe an acknowledgement: not where a source waits before it sends again."""
        delivery = source.delivery
        if delivery.rewinding:
            return False
        return delivery.undelivered > 0 if self._ledger.transactional else delivery.reports_due

    def words(self, status: BrokerStatus, now: float) -> str:
        """Say on one line how it stands, what is wrong first; the rate is since the last time."""
        self._weigh()
        delivered, unread = self.delivered, self.unread
        rate = (delivered - self._said[0]) / max(now - self._said[1], 0.001)
        self._said = (delivered, now)
        files = sum(source.files for source in self._sources.values())
        wrong = [f"{name}: {why}" for name, source in self._sources.items() if (why := self._wrong(source))]
        if self.state is Service.DEGRADED:
            wrong = [f"brokers away: {status.reason}" if status.reason else "brokers away"]
        going = f"{rate:,.0f} lines/s from {files:,} files, {unread:,} bytes to read"
        return "; ".join([*wrong, going])

    def status(
        self, status: BrokerStatus, now: float, host: str, most: int, descriptors: Descriptors, files_told: int
    ) -> Status:
        """Return how it stands. ``most``: bytes that may be in flight; ``files_told``: files to be told one by one."""
        self._weigh()
        sources = list(self._sources.values())
        counters = dict(self._events.counters)  # other threads count on meanwhile
        stand = of_files(self._of_files.values(), now, files_told)
        return Status(
            version=__version__,
            host=host,
            pid=os.getpid(),
            at=now,
            started=self._started_at,
            state=self.state.value,
            brokers=status.brokers,
            trouble="" if status.up else status.reason,
            trouble_since=0.0 if status.up else self._away_since,
            in_flight=self._ledger.in_flight,
            in_flight_most=most,
            records_in_flight=self._ledger.records,
            open_files=len(descriptors),
            open_files_most=descriptors.limit,
            deleted=sum(tailer.size for tailer in descriptors.deleted()),
            sources=[
                of_source(source, counters, *self._wrong_at(source, now), stand.lags.get(source.name))
                for source in sources
            ],
            files=stand.files,
            files_left_out=stand.left_out,
            files_behind=stand.behind,
        )

    def _weigh(self) -> None:
        for source in self._of_files.values():
            source.weigh()

    def _stalled(self, name: str) -> bool:
        return name in self._waits and self._waits[name].told_at is not None

    def _wrong_at(self, source: Source, now: float) -> tuple[str, float]:
        """Return what is wrong, and since when."""
        why = self._wrong(source)
        return why, self._wrong_since.get(source.name, now) if why else 0.0

    def _wrong(self, source: Source) -> str:
        if self._stalled(source.name):
            return f"stalled: {self._waits[source.name].why}"
        if source.delivery.blocked:
            return source.why_idle
        if source.problem is not None:
            return source.problem.what
        awaited = source.topic_awaited
        return f"topic {awaited[0]} is {awaited[1].value}" if awaited is not None and awaited[1].hopeless else ""

    def tell(self, status: BrokerStatus) -> None:
        """Log how it stands."""
        self._weigh()
        self._events.service_status(
            self.state.value, status.brokers, status.reason, self.delivered, self._ledger.records, self.unread
        )
        for source in self._sources.values():
            said = self._wrong(source) or source.why_idle
            self._events.source_status(source.name, source.files, source.waiting_bytes, said)
