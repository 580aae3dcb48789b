"""Reads a topic from its beginning, and judges what arrived against what was written."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from shipper.kafka.bounds import bounds
from tests.harness.wait import DEADLINE, eventually
from tests.harness.writer import Truth


class Received(NamedTuple):
    """One record as a consumer sees it."""

    partition: int
    kafka_offset: int
    key: bytes | None
    value: bytes


class Reader:
    """All partitions of one topic; keeps every record that it has read. A context manager."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._topic = topic
        self._client = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"reader-of-{topic}",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "allow.auto.create.topics": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,  # the end of a transaction takes an offset, and is no record
                "fetch.wait.max.ms": 20,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )
        self._next: dict[int, int] = {}  # partition -> kafka offset to be read
        self.records: list[Received] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the brokers."""
        self._client.close()

    def read_until(self, wanted: Iterable[bytes], timeout: float = DEADLINE) -> set[bytes]:
        """Read until every wanted value has come; return those that had not by the deadline."""
        self._assign()
        missing = set(wanted) - {record.value for record in self.records}
        end = time.monotonic() + timeout
        while missing and time.monotonic() < end:
            missing -= {record.value for record in self._read()}
        return missing

    def read_count(self, count: int, timeout: float = DEADLINE) -> None:
        """Read until at least ``count`` records have come, or the deadline."""
        self._assign()
        end = time.monotonic() + timeout
        while len(self.records) < count and time.monotonic() < end:
            self._read()

    def read_to_end(self) -> None:
        """Read all that is in the topic now."""
        self._assign()
        ends = {p: bounds(self._client, self._topic, p, timeout=DEADLINE)[1] for p in self._next}
        eventually(f"the end of {self._topic}", lambda: self._read() is None or self._reached(ends))

    def _reached(self, ends: dict[int, int]) -> bool:
        return all(self._next[partition] >= end for partition, end in ends.items())

    def _assign(self) -> None:
        if self._next:
            return
        eventually(f"topic {self._topic}", self._find_partitions)
        self._client.assign([TopicPartition(self._topic, partition, 0) for partition in self._next])

    def _find_partitions(self) -> bool:
        try:
            found = self._client.list_topics(self._topic, timeout=5).topics[self._topic]
        except KafkaException:
            return False
        if found.error is None:
            self._next = dict.fromkeys(found.partitions, 0)
        return bool(self._next)

    def _read(self) -> list[Received]:
        new = []
        for message in self._client.consume(5000, timeout=0.2):
            partition, kafka_offset = message.partition(), message.offset()
            if partition is None or kafka_offset is None:
                continue  # a fault that the test made; the client goes on by itself
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    self._next[partition] = kafka_offset
                continue
            key, value = message.key(), message.value()
            assert key is None or isinstance(key, bytes)
            assert value is None or isinstance(value, bytes)
            record = Received(partition, kafka_offset, key, value or b"")
            self._next[partition] = kafka_offset + 1
            if self._take(message, record):
                new.append(record)
        self.records += new
        return new

    def _take(self, message: Message, record: Received) -> bool:
        """Whether a record counts."""
        return True


@dataclass
class Verdict:
    """What is wrong with a delivery; all empty when nothing is."""

    lost: list[bytes] = field(default_factory=list)
    repeated: list[bytes] = field(default_factory=list)
    out_of_order: list[bytes] = field(default_factory=list)  # by the first delivery, within source and partition
    garbled: list[bytes] = field(default_factory=list)  # never written like this
    misplaced: list[bytes] = field(default_factory=list)  # another key than its file's, or a key in two partitions

    def __str__(self) -> str:
        told = []
        for name, lines in vars(self).items():
            some = ", ".join(repr(line[:60]) for line in lines[:4])
            told.append(f"{len(lines)} {name.replace('_', ' ')}" + (f" ({some}, …)" if lines else ""))
        return "; ".join(told)


def judge(truth: Truth, records: Iterable[Received]) -> Verdict:
    """Hold what arrived against what was written."""
    verdict = Verdict()
    place = {line: (source, number) for source, lines in truth.lines.items() for number, line in enumerate(lines)}
    seen: Counter[bytes] = Counter()
    last: dict[tuple[str, int], int] = {}
    partitions: defaultdict[str, set[int]] = defaultdict(set)
    for record in sorted(records, key=lambda r: (r.partition, r.kafka_offset)):
        line = record.value
        if line not in place:
            verdict.garbled.append(line)
            continue
        source, number = place[line]
        partitions[source].add(record.partition)
        if record.key != truth.keys[source] or len(partitions[source]) > 1:
            verdict.misplaced.append(line)
        seen[line] += 1
        if seen[line] > 1:
            verdict.repeated.append(line)
            continue
        if number < last.get((source, record.partition), -1):
            verdict.out_of_order.append(line)
        last[source, record.partition] = max(number, last.get((source, record.partition), -1))
    verdict.lost = sorted(line for line in truth.wanted() if line not in seen)
    return verdict
