"""Brokers and the client that sends to them: records arrive, are refused, reported or lost when a history says so.

A key is a partition: its records arrive in order, those of others whenever they do. A report may come long after its
record has arrived; records that arrived and were never reported are sent again by right.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from confluent_kafka import KafkaError

from shipper.errors import ProducerFatal
from shipper.model import DeliveryReport, Headers, Messages, TopicState
from shipper.records.naming import PART, PARTS

PURGED, REFUSED, NO_TOPIC = (
    KafkaError._PURGE_INFLIGHT,
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)


@dataclass(eq=False, slots=True)
class Sent:
    """A record in the client's hands."""

    key: bytes
    value: bytes
    report: DeliveryReport
    arrived: bool = False
    part: bool = False  # of a line that goes on with the next record

    def tell(self, error: KafkaError | None) -> None:
        """Report what became of it."""
        if error is None:
            self.report.ack(1)
        else:
            self.report.nack(error, "", 1)  # nobody here has a second topic


class Status(NamedTuple):
    """What the client knows of the brokers."""

    up: bool
    reason: str
    brokers: int


class Brokers:
    """What has arrived, in the order in which a consumer reads it, and what brokers do with what comes next."""

    def __init__(self) -> None:
        self.up = True
        self.slow = False  # reports come only when a history says so
        self.topic = TopicState.READY
        self.arrived: list[tuple[bytes, bytes]] = []
        self.acked: set[bytes] = set()  # values of which the client has told the daemon that they are safe
        self.passed: set[bytes] = set()  # something was not taken while they were queued: their order is not promised
        self.failed = False  # something was not taken
        self.unwanted: set[bytes] = set()  # values that are refused for good, with all that is in their batch

    @property
    def able(self) -> bool:
        """Whether they answer at once."""
        return self.up and not self.slow


class Client:
    """A ``model.Sink``. ``wait`` is called with the seconds that a poll would wait; ``sent`` hears of every record."""

    def __init__(self, brokers: Brokers, wait: Callable[[float], None], sent: Callable[[Sent], None]) -> None:
        self.brokers = brokers
        self._wait = wait
        self._sent = sent
        self.queue: list[Sent] = []
        self.fatal = False
        self._part = False
        self.tells_what_it_purges = True  # when it is closed; not when the process is killed
        self._seen = TopicState.UNKNOWN  # of the topic; while the brokers are away, what was ready stays so

    def topic_state(self, topic: str) -> TopicState:
        if self.brokers.up:
            self._seen = self.brokers.topic
        return self._seen

    def hold(self, topic: str) -> None:
        self._seen = TopicState.UNKNOWN

    def why_waiting(self, topics: set[str]) -> tuple[str, str]:
        return ", ".join(sorted(topics)), "it is not known"

    def fits(self, topic: str) -> int:
        return sys.maxsize

    def send(self, topic: str, messages: Messages, report: DeliveryReport, *, alone: bool = False) -> None:
        for key, value in messages:
            sent = Sent(key, value, report, part=self._part)
            self._sent(sent)
            self.queue.append(sent)

    def send_few(self, topic: str, messages: Messages, reports: Sequence[tuple[DeliveryReport, int]]) -> None:
        at = 0
        for report, count in reports:
            self.send(topic, messages.cut(slice(at, at + count)), report)
            at += count

    def send_each(
        self,
        topic: str,
        messages: Messages,
        headers: Sequence[Headers] | None,
        report: DeliveryReport,
        *,
        alone: bool = False,
        topics: Sequence[str] | None = None,
        timestamps: Sequence[int] | None = None,
    ) -> None:
        names = {name for name, _ in headers[0]} if headers else set()
        self._part = PART in names and PARTS not in names
        self.send(topic, messages, report, alone=alone)
        self._part = False

    def status(self) -> Status:
        return Status(self.brokers.up, "", 1)

    def push(self, after: float = 0.0, spare: float = 0.0) -> float:
        return math.inf

    def poll(self, timeout: float) -> int:
        if self.fatal:
            self.brokers.failed = True
            raise ProducerFatal("so the history goes")
        if self.answers:
            return self.deliver()
        self._wait(timeout)
        return 0

    def close(self, timeout: float) -> None:
        if self.tells_what_it_purges:
            self.fail(PURGED)
        self.queue.clear()

    @property
    def answers(self) -> bool:
        """Whether the next poll has something to say."""
        return self.fatal or (self.brokers.able and bool(self.queue))

    @property
    def holds(self) -> set[bytes]:
        """The values of which the daemon has not been told what became of them."""
        return {sent.value for sent in self.queue}

    # What a history lets happen.

    def land(self, count: int | None = None, key: bytes | None = None) -> list[Sent]:
        """Let the next records arrive, of one partition or of all; their reports are still on the way."""
        landed = self._next(count, key)
        for sent in landed:
            if sent.value not in self.brokers.unwanted:
                self._arrive(sent)
        return landed

    def deliver(self, count: int | None = None, key: bytes | None = None) -> int:
        """Let the next records arrive, and report them; an unwanted one is refused, with its whole batch."""
        landed = self._next(count, key)
        refused = {id(sent.report) for sent in landed if sent.value in self.brokers.unwanted and not sent.arrived}
        for sent in landed:
            if sent not in self.queue:
                continue
            if id(sent.report) in refused and not sent.arrived:
                self._refuse(sent.report)
                continue
            self.queue.remove(sent)
            self._arrive(sent)
            self._acknowledge(sent)
            sent.tell(None)
        return len(landed)

    def fail(self, code: int, count: int | None = None, key: bytes | None = None) -> int:
        """Report the next records as not taken."""
        failed = self._next(count, key)
        if failed:
            self._not_taken()
        for sent in failed:
            self.queue.remove(sent)
            sent.tell(KafkaError(code))
        return len(failed)

    def _arrive(self, sent: Sent) -> None:
        if not sent.arrived:
            sent.arrived = True
            self.brokers.arrived.append((sent.key, sent.value))

    def _acknowledge(self, sent: Sent) -> None:
        self.brokers.acked.add(sent.value)

    def _not_taken(self) -> None:
        self.brokers.passed |= {sent.value for sent in self.queue}
        self.brokers.failed = True

    def _refuse(self, report: DeliveryReport) -> None:
        self._not_taken()
        for sent in [sent for sent in self.queue if sent.report is report and not sent.arrived]:
            self.queue.remove(sent)
            sent.tell(KafkaError(REFUSED))

    def _next(self, count: int | None, key: bytes | None) -> list[Sent]:
        return [sent for sent in self.queue if key is None or sent.key == key][:count]
