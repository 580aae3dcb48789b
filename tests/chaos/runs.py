"""The daemon's runs, and which of them may explain that a line came twice.

A record's timestamp is the time at which its daemon handed it to the client, so each record belongs to one run. What a
run delivered that ended well was saved, and never comes again. Within one run a line comes twice only if the run says
why: it sent again from the acknowledged offsets (a new client, something not taken, a new configuration).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.harness.consumer import Reader, Received
from tests.harness.daemon import Daemon

RESENDS = ("client.replaced", "source.rewound", "config.reloaded")


class TimedReader(Reader):
    """A reader that also notes when each record was made, and forgets a record that was only read twice."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        super().__init__(bootstrap, topic)
        self.arrived: set[bytes] = set()
        self.made_at: dict[tuple[int, int], int] = {}  # (partition, kafka offset): milliseconds since 1970

    def read(self) -> None:
        """Read what has come, waiting a little."""
        self._assign()
        self._read()

    def _read(self) -> list[Received]:
        new = []
        for message in self._client.consume(5000, timeout=0.2):
            partition, kafka_offset = message.partition(), message.offset()
            if message.error() is not None or partition is None or kafka_offset is None:
                continue  # a fault that was made; the client goes on by itself
            self._next[partition] = kafka_offset + 1
            if (partition, kafka_offset) in self.made_at:
                continue  # the client began again after a fault
            key, value = message.key(), message.value()
            assert key is None or isinstance(key, bytes)
            assert value is None or isinstance(value, bytes)
            self.made_at[partition, kafka_offset] = message.timestamp()[1]
            new.append(Received(partition, kafka_offset, key, value or b""))
        self.records += new
        self.arrived |= {record.value for record in new}
        return new


@dataclass
class Run:
    """One run of the daemon."""

    daemon: Daemon
    began: float  # milliseconds since 1970, before there was a process
    well: bool = False  # it ended by itself, with nothing in flight and everything saved
    how: str = "killed"

    def stopped(self) -> None:
        """Take note that it ended by itself."""
        told = self.daemon.told("service.stopped")
        fields = told[-1].fields if told else {}
        self.well = fields.get("undelivered") == "0" and fields.get("saved", "").lower() == "true"
        self.how = "stopped" if self.well else "stopped with records in flight"


@dataclass
class Repeats:
    """Lines that came again, counted by why; ``unexplained`` are told with the runs that sent them."""

    killed: int = 0
    undelivered: int = 0
    resent: int = 0
    unexplained: list[str] = field(default_factory=list)


def sender(runs: Sequence[Run], made_at: int) -> int:
    """Return the number of the run that made a record at this time."""
    return bisect_right([run.began for run in runs], made_at) - 1


def explain(records: Iterable[Received], made_at: dict[tuple[int, int], int], runs: Sequence[Run]) -> Repeats:
    """Say why lines came more than once."""
    found = Repeats()
    by: dict[bytes, list[int]] = {}  # the runs that sent a line
    for record in sorted(records, key=lambda r: (r.partition, r.kafka_offset)):
        here = sender(runs, made_at[record.partition, record.kafka_offset])
        senders = by.setdefault(record.value, [])
        senders.append(here)
        if len(senders) == 1:
            continue
        before = senders[-2]
        if before == here:
            if any(runs[here].daemon.told(name) for name in RESENDS):
                found.resent += 1
            else:
                found.unexplained.append(f"{record.value[:60]!r}, twice by run {here}")
        elif runs[before].well:
            found.unexplained.append(f"{record.value[:60]!r}, by run {before}, which ended well, and by run {here}")
        elif runs[before].how == "killed":
            found.killed += 1
        else:
            found.undelivered += 1
    return found
