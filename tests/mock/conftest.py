"""The daemon as a black box against librdkafka's mock cluster: quick, and no Java."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.kafka import transactions
from tests.harness.mock import MockCluster
from tests.harness.rig import Rig


@pytest.fixture(scope="session")
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as made:
        yield made


@pytest.fixture
def rig(cluster: MockCluster, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    topic = f"{request.node.originalname}-{tmp_path.name}"[-200:]
    cluster.create_topic(topic)
    made = Rig(tmp_path, cluster.bootstrap, topic)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def nobody_asks_for_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded broker does not say what a topic's policy is, and a client of this process lives until it does."""
    monkeypatch.setattr(transactions, "when_unfit", lambda *_: None)
