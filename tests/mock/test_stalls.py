"""What the client tries again for ever, without a word: the daemon says it, waits, and goes on by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from tests.harness.mock_errors import Api, FaultyBroker
from tests.harness.rig import Rig

FOR_LONG = 10_000  # more often than a test lets the client try


@pytest.fixture
def broker() -> Iterator[FaultyBroker]:
    with FaultyBroker() as made:
        made.make("t")
        made.make("shipper.checkpoints", 12)
        yield made


@pytest.fixture(params=["at_least_once", "exactly_once"])
def stalling(broker: FaultyBroker, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    made = Rig(tmp_path, broker.bootstrap, "t")
    made.kafka |= {"delivery": request.param}
    made.kafka_properties |= {"statistics.interval.ms": "500", "topic.metadata.refresh.interval.ms": "500"}
    yield made
    made.close()


@pytest.mark.parametrize("stalling", ["at_least_once"], indirect=True)
def test_a_partition_without_a_leader(broker: FaultyBroker, stalling: Rig) -> None:
    log = stalling.log()
    log.write(100)
    daemon = stalling.start()
    stalling.delivered()
    # The embedded broker dies of who asks a partition without leader for anything: nobody does who knows that already.
    stalling.forget_topic()
    broker.fail(Api.PRODUCE, *[KafkaError.LEADER_NOT_AVAILABLE] * FOR_LONG)
    broker.lead("t", 0, -1)
    log.write(1000)
    told = daemon.wait_for("delivery.stalled", source="logs")
    assert told.fields["why"] == "partition 0 of topic t has no leader"
    assert told.fields["topics"] == "t[0]"
    broker.forgive(Api.PRODUCE)
    broker.lead("t", 0, 1)
    daemon.wait_for("delivery.resumed", source="logs")
    stalling.verify()


def test_records_that_are_not_acknowledged(broker: FaultyBroker, stalling: Rig) -> None:
    log = stalling.log()
    log.write(100)
    daemon = stalling.start()
    stalling.delivered()
    broker.fail(Api.PRODUCE, *[KafkaError.NOT_ENOUGH_REPLICAS] * FOR_LONG)
    log.write(1000)
    told = daemon.wait_for("delivery.stalled", source="logs")
    assert told.fields["why"].startswith("the brokers do not acknowledge: too few in-sync replicas")
    broker.forgive(Api.PRODUCE)
    daemon.wait_for("delivery.resumed", source="logs")
    stalling.verify()


@pytest.mark.parametrize("stalling", ["exactly_once"], indirect=True)
def test_it_cannot_be_told_whether_a_transaction_is_open(broker: FaultyBroker, stalling: Rig) -> None:
    broker.fail(Api.LIST_OFFSETS, *[KafkaError.TOPIC_AUTHORIZATION_FAILED] * FOR_LONG)
    log = stalling.log()
    log.write(100)
    daemon = stalling.launch()
    daemon.wait_for("topic.unclear")
    assert not daemon.told("offsets.read")
    broker.forgive(Api.LIST_OFFSETS)
    stalling.verify()
