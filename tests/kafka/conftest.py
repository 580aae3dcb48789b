"""The layer against a real Kafka: one broker for each test worker, whole again after each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.kafka import Broker, KafkaUnavailable
from tests.harness.rig import Rig
from tests.harness.secure import SecureBroker


@pytest.fixture(scope="session")
def worker_broker() -> Iterator[Broker]:
    try:
        broker = Broker()
    except KafkaUnavailable as why:
        pytest.skip(str(why))
    with broker:
        yield broker


@pytest.fixture(scope="module")
def secure() -> Iterator[SecureBroker]:
    try:
        broker = SecureBroker()
    except KafkaUnavailable as why:
        pytest.skip(str(why))
    with broker:
        yield broker


@pytest.fixture
def broker(worker_broker: Broker) -> Iterator[Broker]:
    yield worker_broker
    worker_broker.restore()


@pytest.fixture
def topic(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return a topic's name that no other test has; the topic itself is the test's to make."""
    return f"{request.node.originalname}-{tmp_path.parent.name}-{tmp_path.name}"[-200:]


@pytest.fixture
def partitions() -> int:
    """Return how many partitions the topic has; a test can parametrise it."""
    return 3


@pytest.fixture
def rig(broker: Broker, topic: str, partitions: int, tmp_path: Path) -> Iterator[Rig]:
    """Return a rig whose topic is there."""
    broker.create_topic(topic, partitions)
    made = Rig(tmp_path, broker.bootstrap, topic)
    yield made
    made.close()


@pytest.fixture
def distant_rig(broker: Broker, topic: str, partitions: int, tmp_path: Path) -> Iterator[Rig]:
    """Return a rig whose daemon reaches the broker through the proxy, while the test itself reads directly."""
    broker.create_topic(topic, partitions)
    made = Rig(tmp_path, broker.proxied, topic, read_from=broker.bootstrap)
    yield made
    made.close()
