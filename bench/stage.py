"""A broker for a measurement, its topics, and how much has arrived in them."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.harness.kafka import Broker
from tests.harness.wait import eventually

# As for a broker in earnest: the tests' own choice starts sooner and is slower.
JAVA = ("-Xmx1g", "-XX:+UseG1GC")
_numbers = itertools.count()


def start_broker(*options: str) -> Broker:
    """Start a real Kafka; ``options`` are more of Java's."""
    return Broker(java_options=(*JAVA, *options))


class Topic:
    """A new topic; a context manager that deletes it."""

    def __init__(self, broker: Broker, partitions: int = 4) -> None:
        self.name = f"bench-{os.getpid()}-{next(_numbers)}"
        self._broker = broker
        self._partitions = [TopicPartition(self.name, number, 0) for number in range(partitions)]
        broker.create_topic(self.name, partitions)
        self.consumer = Consumer(
            {
                "bootstrap.servers": broker.bootstrap,
                "group.id": self.name,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",  # the end, then, is that of what is committed
                "fetch.wait.max.ms": 5,
                "fetch.min.bytes": 1,
                "log_level": 0,
            }
        )

        eventually("the leaders of its partitions", self._has_leaders)

    def _has_leaders(self) -> bool:
        with contextlib.suppress(KafkaException):
            return self.count() == 0
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.consumer.close()
        self._broker.delete_topic(self.name)

    def read(self) -> None:
        """Begin to consume it from its beginning."""
        self.consumer.assign(self._partitions)

    def count(self) -> int:
        """Return how many records are in it; with transactions, their ends count too."""
        return sum(self.consumer.get_watermark_offsets(one, timeout=10)[1] for one in self._partitions)

    def wait(
        self, count: int, timeout: float, look: Callable[[], object] = lambda: None
    ) -> tuple[float | None, float, int]:
        """Wait until there are ``count`` records; return when the first and the last came, and how many did.

        ``look`` is called again and again meanwhile.
        """
        first = None
        end = time.monotonic() + timeout
        while True:
            found = self.count()
            look()
            now = time.monotonic()
            if found and first is None:
                first = now
            if found >= count or now > end:
                return first, now, found
            time.sleep(0.02)
