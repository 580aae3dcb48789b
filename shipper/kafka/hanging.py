"""Which partitions hold a transaction that nobody has ended, perhaps one that nobody will end: a hanging one.

A broker that starts again may forget to write, in some partitions, the marker that ends a transaction, and count it as
ended all the same (KAFKA-20734; docs/decisions/exactly-once.md). Its records are then neither committed nor aborted,
and become what the next marker of the same producer says. So before anything is committed they have to be aborted.

Who reads committed records gets as far as the first open transaction, whosever it is. Where that stays behind what the
end was when it was first asked for, a transaction from before has not been ended. Reads, and changes nothing; called by
the thread that opens a client.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # re-exported, but not by its types

from shipper.kafka.errors import explain
from shipper.model import Clock

TIMEOUT = 5.0  # seconds for one question
PATIENCE = 2.0  # seconds for the transactions of others to end
BEAT = 0.05  # seconds between looks while one is open

Partition = tuple[str, int]  # topic, number


@dataclass(slots=True)
class Known:
    """What outlives a client: the topics that are used, and up to where what is open is known to be another's."""

    topics: set[str]
    others: dict[Partition, int] = field(default_factory=dict)


class Found(NamedTuple):
    """What was found of partitions."""

    unended: dict[Partition, int]  # and how far who reads committed records gets there
    silent: dict[str, str]  # a topic of which some partition did not answer: why


class Look:
    """Looks at partitions; what is open in one counts if it was there when that was first looked at."""

    def __init__(self, admin: Any, stopping: threading.Event, clock: Clock) -> None:
        self._admin = admin
        self._stopping = stopping
        self._clock = clock
        self._ends: dict[Partition, int] = {}

    def at(self, partitions: Iterable[Partition], others: dict[Partition, int]) -> Found:
        """Return which of them hold an open transaction, and still do a while later; not one of ``others``."""
        left, silent = list(partitions), dict[str, str]()
        self._ends |= self._ask([p for p in left if p not in self._ends], IsolationLevel.READ_UNCOMMITTED, silent)
        until = self._clock() + PATIENCE
        while True:
            left = [p for p in left if p[0] not in silent]
            reached = self._ask(left, IsolationLevel.READ_COMMITTED, silent)
            left = [p for p in left if p in reached and reached[p] < self._ends[p] and reached[p] != others.get(p)]
            if not left or self._clock() >= until or self._stopping.wait(BEAT):
                return Found({p: reached[p] for p in left}, silent)

    def _ask(self, partitions: list[Partition], level: IsolationLevel, silent: dict[str, str]) -> dict[Partition, int]:
        """Return where partitions end for a reader; adds to ``silent`` the topics that do not say."""
        if not partitions:
            return {}
        asked: dict[TopicPartition, Future[Any]] = self._admin.list_offsets(
            {TopicPartition(*partition): OffsetSpec.latest() for partition in partitions},  # type: ignore[no-untyped-call]
            isolation_level=level,
            request_timeout=TIMEOUT,
        )
        ends = {}
        for partition, answer in asked.items():
            try:
                ends[partition.topic, partition.partition] = int(answer.result().offset)
            except KafkaException as raised:
                silent[partition.topic] = f"partition {partition.partition}: {explain(raised.args[0])}"
        return ends
