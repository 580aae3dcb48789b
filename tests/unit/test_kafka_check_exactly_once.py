from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError
from confluent_kafka.admin import AclOperation  # type: ignore[attr-defined]  # re-exported, but not by its types
from confluent_kafka.cimpl import NewTopic

from shipper.config import KafkaConfig
from shipper.kafka import check_exactly_once as module
from shipper.kafka.check import Finding, Level
from shipper.kafka.check_exactly_once import check_exactly_once
from tests.harness.mock_errors import Api, FaultyBroker

TOPIC, ID = "checkpoint topic shipper.checkpoints", "transactional id shipper-a"


class Facts:
    """What the admin interface would say: the mock cluster has none."""

    policy: tuple[str, str] = ("compact", "")
    lacking: Sequence[AclOperation] | str = ()
    refused = ""

    def __init__(self, *_: Any) -> None:
        pass

    def cleanup_policy(self, topic: str) -> tuple[str, str]:
        return self.policy

    def missing(self, topic: str, *wanted: AclOperation) -> Sequence[AclOperation] | str:
        return self.lacking

    def refuses(self, new: NewTopic) -> str:
        return self.refused


@pytest.fixture
def facts(monkeypatch: pytest.MonkeyPatch) -> type[Facts]:
    class Own(Facts):
        pass

    monkeypatch.setattr(module, "Facts", Own)
    return Own


def found(broker: FaultyBroker, subject: str, timeout: float = 10.0) -> list[Finding]:
    config = KafkaConfig(bootstrap_servers=broker.bootstrap, delivery="exactly_once")
    return [finding for finding in check_exactly_once(config, "a", timeout) if finding.subject == subject]


def test_all_is_well(facts: type[Facts]) -> None:
    with FaultyBroker() as broker:
        broker.make("shipper.checkpoints", partitions=12)
        (topic,) = found(broker, TOPIC)
        (name,) = found(broker, ID)
    assert (topic.level, topic.text) == (Level.OK, "12 partitions, cleanup.policy compact")
    assert name.level is Level.OK
    assert "shipper-a:check may be used" in name.text


def test_a_missing_topic_that_the_daemon_creates(facts: type[Facts]) -> None:
    with FaultyBroker() as broker:
        for _ in range(2):  # the first time did not create it
            (finding,) = found(broker, TOPIC)
            assert finding.level is Level.OK
            assert "is created at the first start" in finding.text


def test_a_missing_topic_that_the_daemon_may_not_create(facts: type[Facts]) -> None:
    facts.refused = "not allowed"
    with FaultyBroker() as broker:
        (finding,) = found(broker, TOPIC)
        assert finding.level is Level.PROBLEM
        assert f"kafka-topics.sh --bootstrap-server {broker.bootstrap} --create --topic shipper.check" in finding.text
    assert "(not allowed)" in finding.text
    assert "--config cleanup.policy=compact" in finding.text


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_a_topic_that_forgets(facts: type[Facts], policy: str) -> None:
    facts.policy = (policy, "")
    with FaultyBroker() as broker:
        broker.make("shipper.checkpoints")
        (finding,) = found(broker, TOPIC)
    assert finding.level is Level.PROBLEM
    assert "--add-config cleanup.policy=compact" in finding.text


@pytest.mark.parametrize(
    ("lacking", "verbs"),
    [([AclOperation.READ], "may not read it"), ([AclOperation.READ, AclOperation.WRITE], "may not read and not write")],
)
def test_a_topic_that_may_not_be_used(facts: type[Facts], lacking: list[AclOperation], verbs: str) -> None:
    facts.lacking = lacking
    with FaultyBroker() as broker:
        broker.make("shipper.checkpoints")
        _, finding = found(broker, TOPIC)
    assert finding.level is Level.PROBLEM
    assert verbs in finding.text
    assert "--operation Describe --operation Read --operation Write --topic shipper.checkpoints" in finding.text


def test_a_topic_that_may_not_be_described(facts: type[Facts]) -> None:
    with FaultyBroker() as broker:
        broker.make("shipper.checkpoints")
        broker.topic_error("shipper.checkpoints", KafkaError.TOPIC_AUTHORIZATION_FAILED)
        (finding,) = found(broker, TOPIC)
    assert finding.level is Level.PROBLEM
    assert "may not describe it" in finding.text


def test_what_the_brokers_do_not_tell_is_a_warning(facts: type[Facts]) -> None:
    facts.policy = ("", "no answer")
    facts.lacking = "no answer"
    with FaultyBroker() as broker:
        broker.make("shipper.checkpoints")
        assert [f.level for f in found(broker, TOPIC)] == [Level.WARNING, Level.WARNING]


@pytest.mark.parametrize(
    ("error", "level", "says"),
    [
        (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, Level.WARNING, "--transactional-id shipper-a:check"),
        (KafkaError.INVALID_TRANSACTION_TIMEOUT, Level.PROBLEM, "INVALID_TRANSACTION_TIMEOUT"),
        (KafkaError.COORDINATOR_NOT_AVAILABLE, Level.PROBLEM, "transaction.state.log.replication.factor"),
    ],
)
def test_transactions_that_are_refused(facts: type[Facts], error: int, level: Level, says: str) -> None:
    with FaultyBroker() as broker:
        broker.make("shipper.checkpoints")
        broker.fail(Api.INIT_PRODUCER_ID, *[error] * 100_000)  # the client asks again as fast as it can
        (finding,) = found(broker, ID, timeout=1.0)
    assert finding.level is level
    assert says in finding.text
