"""The daemon's runs, and which of them may explain that a line came twice.

A record's timestamp is the time at which its daemon handed it to the client, so each record belongs to one run. What a
run delivered that ended well was saved, and never comes again. What had been saved when a run began is not sent by it:
so after a kill only that comes again which was in flight, or acknowledged since the last save. Within one run a line
comes twice only if the run says why: it sent again from the acknowledged offsets (a new client, something not taken, a
new configuration).
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from confluent_kafka import Message

from shipper.files import digest
from shipper.model import FileState, SourceState
from tests.harness.consumer import Reader, Received
from tests.harness.daemon import Daemon

RESENDS = ("client.replaced", "source.rewound", "config.reloaded")


class TimedReader(Reader):
    """A reader that also notes when each record was made, and forgets a record that was only read twice."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        super().__init__(bootstrap, topic)
        self.arrived: set[bytes] = set()
        self.made_at: dict[tuple[int, int], int] = {}  # (partition, kafka offset): milliseconds since 1970
        self.came_from: dict[tuple[int, int], str] = {}  # the same: file, generation and offset, where headers tell

    def read(self) -> None:
        """Read what has come, waiting a little."""
        self._assign()
        self._read()

    def _take(self, message: Message, record: Received) -> bool:
        place = record.partition, record.kafka_offset
        if place in self.made_at:
            return False  # the client began again after a fault
        self.made_at[place] = message.timestamp()[1]
        headers = dict(message.headers() or ())
        self.came_from[place] = " ".join(os.fsdecode(value) for value in headers.values() if isinstance(value, bytes))
        self.arrived.add(record.value)
        return True


@dataclass
class Run:
    """One run of the daemon."""

    daemon: Daemon
    began: float  # milliseconds since 1970, before there was a process
    well: bool = False  # it ended by itself, with nothing in flight and everything saved
    how: str = "killed"
    saved: Mapping[str, SourceState] = field(default_factory=dict)  # what it found in its state directory

    def stopped(self) -> None:
        """Take note that it ended by itself."""
        told = self.daemon.told("service.stopped")
        fields = told[-1].fields if told else {}
        self.well = fields.get("undelivered") == "0" and fields.get("saved", "").lower() == "true"
        self.how = "stopped" if self.well else "stopped with records in flight"


@dataclass
class Repeats:
    """Lines that came again, counted by why; ``unexplained`` are told with the runs that sent them.

    ``at_risk``: lines that had arrived when their run was killed and were not saved, so that they have to come again.
    """

    killed: int = 0
    undelivered: int = 0
    resent: int = 0
    at_risk: int = 0
    unexplained: list[str] = field(default_factory=list)


def sender(runs: Sequence[Run], made_at: int) -> int:
    """Return the number of the run that made a record at this time."""
    return bisect_right([run.began for run in runs], made_at) - 1


def covered(saved: Mapping[str, SourceState], contents: Iterable[bytes | bytearray]) -> set[bytes]:
    """Return the lines before the saved offsets. ``contents`` of all files: a checkpoint's is known by its head."""
    checkpoints = [
        checkpoint
        for state in saved.values()
        for checkpoint in state.files
        if checkpoint.offset and checkpoint.state in (FileState.OPEN, FileState.FINISHED)
    ]
    lengths = {checkpoint.fingerprint.head_len for checkpoint in checkpoints}
    heads = {(n, digest(bytes(content[:n]))): content for content in contents for n in lengths if len(content) >= n}
    found: set[bytes] = set()
    for checkpoint in checkpoints:
        content = heads.get((checkpoint.fingerprint.head_len, checkpoint.fingerprint.head), b"")
        found.update(bytes(content[: checkpoint.offset]).splitlines())
    return found


def explain(
    records: Iterable[Received],
    made_at: Mapping[tuple[int, int], int],
    runs: Sequence[Run],
    contents: Sequence[bytes | bytearray] = (),
) -> Repeats:
    """Say why lines came more than once."""
    found = Repeats()
    saved = [covered(run.saved, contents) for run in runs]
    by: dict[bytes, list[int]] = {}  # the runs that sent a line
    for record in sorted(records, key=lambda r: (r.partition, r.kafka_offset)):
        here = sender(runs, made_at[record.partition, record.kafka_offset])
        senders = by.setdefault(record.value, [])
        senders.append(here)
        if record.value in saved[here]:
            found.unexplained.append(f"{record.value[:60]!r}, by run {here}, which had found it saved")
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
    for line, senders in by.items():
        found.at_risk += sum(
            runs[number].how == "killed" and line not in saved[number + 1]
            for number in set(senders)
            if number + 1 < len(runs)
        )
    return found
