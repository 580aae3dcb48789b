"""An embedded broker: the client library's own mock cluster, on free ports of this machine. For the demo and for tests.

It lives as long as its producer, keeps everything in memory, and creates topics (four partitions) when they are asked
for. It knows no admin requests.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import confluent_kafka


class EmbeddedBroker:
    """``with EmbeddedBroker() as broker: ... broker.bootstrap ...``; usable from any thread."""

    def __init__(self, brokers: int = 1) -> None:
        self._client: Any = confluent_kafka.Producer({"test.mock.num.brokers": brokers, "log_level": 0})
        answer = self._client.list_topics(timeout=30)
        self.bootstrap = ",".join(f"{b.host}:{b.port}" for b in answer.brokers.values())

    def create(self, topic: str) -> None:
        """Create ``topic`` when it is not there."""
        self._client.list_topics(topic, timeout=30)

    def close(self) -> None:
        """End the brokers, and with them all that was sent to them."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
