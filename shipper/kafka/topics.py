"""Reads topics from their first record to where they ended when the reading began: for an audit. One thread.

Only what is committed is read. The end is the one that a reader of everything sees, so that nothing which was
acknowledged before is left out; where somebody's transaction is open, the reading waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from shipper.config import KafkaConfig
from shipper.errors import ConnectError
from shipper.kafka.bounds import bounds
from shipper.kafka.errors import explain, reason
from shipper.kafka.settings import producer_settings, reader_settings, shared_settings

ASK = 10.0  # seconds for one question
FEW, MANY = 100, 20_000  # records that are taken at once: large ones must not fill the memory
BYTES = 4 << 20  # how many bytes these should be
QUEUED_KIB = 16 << 10  # what the client reads ahead
PATIENCE = 3.0  # seconds without progress after which somebody else's transaction is told of

Partition = tuple[str, int]


class TopicReader:
    """The partitions of some topics. A context manager.

    ``partitions`` are those that the topics had when it was made, each with where it ended then; ``missing`` are the
    topics that are not there. Raises ConnectError where the brokers do not answer.
    """

    def __init__(self, config: KafkaConfig, topics: Iterable[str], timeout: float) -> None:
        self._timeout = timeout
        self._error: Any = None
        settings = {
            **shared_settings(producer_settings(config)),
            **reader_settings(),
            "allow.auto.create.topics": False,
            "queued.max.messages.kbytes": QUEUED_KIB,
            "error_cb": self._note,
        }
        self.partitions: dict[Partition, int] = {}
        self.missing: set[str] = set()
        ends = Consumer({**settings, "isolation.level": "read_uncommitted"})
        try:
            for topic in sorted(set(topics)):
                for partition in self._partitions_of(ends, topic):
                    self.partitions[topic, partition] = self._bounds(ends, topic, partition)[1]
        finally:
            ends.close()
        self._client: Any = Consumer({**settings, "isolation.level": "read_committed"})

    def __enter__(self) -> TopicReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def read(self, waiting: Callable[[str], None]) -> Iterator[list[Any]]:
        """Yield the records (``confluent_kafka.Message``) of all partitions, each partition's in order, in batches.

        ``waiting`` is told what is waited for. Raises ConnectError when nothing comes for the time-out.
        """
        open_ends = {where: end for where, end in self.partitions.items() if end > 0}
        if not open_ends:
            return
        self._client.assign([TopicPartition(*where, OFFSET_BEGINNING) for where in open_ends])
        count = FEW
        moved_at = time.monotonic()
        told = False
        while open_ends:
            batch = self._client.consume(count, timeout=0.2)
            records = []
            for message in batch:
                error = message.error()
                if error is None:
                    records.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - public, in spite of its name
                    where = (message.topic(), message.partition())
                    if where in open_ends and message.offset() >= open_ends[where]:
                        self._done(open_ends, where)
                elif not error.retriable() and error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
                    raise ConnectError(f"reading {message.topic()} failed: {explain(error)}")
            now = time.monotonic()
            if records:
                moved_at, told = now, False
                yield records
                for at in self._client.position([TopicPartition(*where) for where in open_ends]):
                    if at.offset >= self.partitions[at.topic, at.partition]:  # it may go on growing
                        self._done(open_ends, (at.topic, at.partition))
                last = records[-1]
                size = len(last.value() or b"") + len(last.key() or b"") + 1
                count = max(FEW, min(MANY, BYTES // size))
            elif open_ends and now - moved_at > self._timeout:
                where = next(iter(open_ends))
                raise ConnectError(f"nothing has come from {_show(where)} for {self._timeout:.0f} s: {self._why()}")
            elif open_ends and not told and now - moved_at > PATIENCE:
                told = True
                waiting(f"waiting for {_show(next(iter(open_ends)))}: {self._why()}")

    def trimmed(self) -> set[Partition]:
        """Return the partitions whose first records have been deleted by now."""
        return {where for where in self.partitions if self._bounds(self._client, *where)[0] > 0}

    def _done(self, open_ends: dict[Partition, int], where: Partition) -> None:
        del open_ends[where]
        self._client.incremental_unassign([TopicPartition(*where)])

    def _partitions_of(self, client: Any, topic: str) -> list[int]:
        try:
            found = client.list_topics(topic, timeout=ASK).topics[topic]
        except KafkaException as raised:
            why = reason(self._error) if self._error is not None else explain(raised.args[0])
            raise ConnectError(f"no broker answers: {why}; is kafka.bootstrap_servers right?") from None
        if found.error is None:
            return sorted(found.partitions)
        if found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            self.missing.add(topic)
            return []
        raise ConnectError(f"topic {topic}: {explain(found.error)}")

    def _bounds(self, client: Any, topic: str, partition: int) -> tuple[int, int]:
        try:
            return bounds(client, topic, partition, ASK)
        except KafkaException as raised:
            raise ConnectError(f"{_show((topic, partition))}: {explain(raised.args[0])}") from None

    def _why(self) -> str:
        return reason(self._error) if self._error is not None else "a transaction is open there"

    def _note(self, error: Any) -> None:
        self._error = error


def _show(where: Partition) -> str:
    return f"topic {where[0]}, partition {where[1]}"
