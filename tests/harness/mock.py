"""librdkafka's mock cluster, inside the test process: brokers without Java, for tests that need no fault of a broker.

A topic comes to be when a client that allows it asks for it (:meth:`MockCluster.create_topic`); it cannot be deleted.
"""

from __future__ import annotations

from confluent_kafka import Producer

from tests.harness.wait import DEADLINE


class MockCluster:
    """One broker that lives as long as the object's ``with`` block."""

    def __init__(self) -> None:
        settings = {"test.mock.num.brokers": 1, "allow.auto.create.topics": True, "log_level": 0}
        self._holder: Producer | None = Producer(settings)
        brokers = self._holder.list_topics(timeout=DEADLINE).brokers.values()
        self.bootstrap = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def __enter__(self) -> MockCluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def create_topic(self, name: str) -> None:
        """Create a topic of four partitions."""
        assert self._holder is not None
        self._holder.list_topics(name, timeout=DEADLINE)

    def close(self) -> None:
        """End the cluster."""
        self._holder = None  # it goes with its producer
