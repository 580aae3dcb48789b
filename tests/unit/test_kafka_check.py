from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # untyped re-export
    AclOperation,
    PartitionMetadata,
    TopicMetadata,
)

from shipper.config import KafkaConfig
from shipper.kafka import check
from shipper.kafka.check import Finding, Level, check_connection
from shipper.kafka.probe import judge
from shipper.kafka.settings import producer_settings
from shipper.model import TopicState
from tests.harness.mock_errors import FaultyBroker


class Facts:
    """What the admin interface would say: the mock cluster has none."""

    largest: int | str = 1_048_576
    lacking: Sequence[AclOperation] | str = ()

    def __init__(self, *_: Any) -> None:
        pass

    def max_message_bytes(self, topic: str) -> int | str:
        return self.largest

    def missing(self, topic: str, *wanted: AclOperation) -> Sequence[AclOperation] | str:
        return self.lacking


@pytest.fixture
def facts(monkeypatch: pytest.MonkeyPatch) -> type[Facts]:
    class Own(Facts):
        pass

    monkeypatch.setattr(check, "Facts", Own)
    return Own


def found(broker: FaultyBroker, topics: dict[str, int], **kwargs: Any) -> dict[str, list[Finding]]:
    told: dict[str, list[Finding]] = {}
    for finding in check_connection(KafkaConfig(bootstrap_servers=broker.bootstrap, **kwargs), topics):
        told.setdefault(finding.subject, []).append(finding)
    return told


def test_all_is_well(facts: type[Facts]) -> None:
    with FaultyBroker(brokers=2) as broker:
        broker.make("logs", partitions=3)
        told = found(broker, {"logs": 900 * 1024})
    assert [str(f.level) for findings in told.values() for f in findings] == ["ok", "ok", "ok"]
    assert told["brokers"][0].text.startswith("2 brokers reached, answered in ")
    assert str(told["credentials"][0]) == "credentials: none needed (plaintext)"
    assert str(told["topic logs"][0]) == "topic logs: 3 partitions, replication 1, max.message.bytes 1,048,576"


@pytest.mark.parametrize(("creates", "level"), [(False, Level.PROBLEM), (True, Level.WARNING)])
def test_a_missing_topic_is_told_with_its_remedy_and_not_created(
    facts: type[Facts], creates: bool, level: Level
) -> None:
    with FaultyBroker() as broker:
        for _ in range(2):  # the first time did not create it
            (finding,) = found(broker, {"logs": 1000}, allow_auto_create_topics=creates)["topic logs"]
            assert finding.level is level
            assert f"kafka-topics.sh --bootstrap-server {broker.bootstrap} --create --topic logs" in finding.text


def test_a_topic_that_may_not_be_described(facts: type[Facts]) -> None:
    with FaultyBroker() as broker:
        broker.make("logs")
        broker.topic_error("logs", KafkaError.TOPIC_AUTHORIZATION_FAILED)
        (finding,) = found(broker, {"logs": 1000})["topic logs"]
    assert finding.level is Level.PROBLEM
    assert "kafka-acls.sh" in finding.text


def test_a_topic_that_may_not_be_written_to(facts: type[Facts]) -> None:
    facts.lacking = [AclOperation.WRITE]
    with FaultyBroker() as broker:
        broker.make("logs")
        findings = found(broker, {"logs": 1000})["topic logs"]
    assert [f.level for f in findings] == [Level.OK, Level.PROBLEM]
    assert "may not write" in findings[1].text


def test_what_the_brokers_do_not_tell_is_a_warning(facts: type[Facts]) -> None:
    facts.largest = facts.lacking = "the brokers do not say"
    with FaultyBroker() as broker:
        broker.make("logs")
        findings = found(broker, {"logs": 1000})["topic logs"]
    assert [f.level for f in findings] == [Level.OK, Level.WARNING, Level.WARNING]


@pytest.mark.parametrize(
    ("max_line", "largest", "level", "says"),
    [
        (921_600, 1_048_576, Level.OK, "max.message.bytes 1,048,576"),
        (921_600, 500_000, Level.PROBLEM, "too small for lines of up to max_line = 921,600 bytes"),
        (5_000_000, 10_000_000, Level.PROBLEM, 'kafka.properties."message.max.bytes" = "5001024"'),
        (10_000, 100_000, Level.OK, "max.message.bytes 100,000"),  # batches are made to fit
    ],
)
def test_sizes_that_do_not_fit_are_told(
    facts: type[Facts], max_line: int, largest: int, level: Level, says: str
) -> None:
    facts.largest = largest
    with FaultyBroker() as broker:
        broker.make("logs")
        (finding,) = found(broker, {"logs": max_line})["topic logs"]
    assert finding.level is level
    assert says in finding.text


@pytest.mark.parametrize(
    ("servers", "cause"),
    [("127.0.0.1:1", "127.0.0.1:1: connection refused"), ("nohost.invalid:9092", "the host name is not known")],
)
def test_brokers_that_are_not_there(servers: str, cause: str) -> None:
    (finding,) = check_connection(KafkaConfig(bootstrap_servers=servers), {"logs": 1000}, timeout=1.0)
    assert (finding.level, finding.subject) == (Level.PROBLEM, "brokers")
    assert cause in finding.text


def test_a_property_that_the_client_does_not_know() -> None:
    config = KafkaConfig(bootstrap_servers="127.0.0.1:1", properties={"no.such": "1"})
    (finding,) = check_connection(config, {"logs": 1000})
    assert str(finding) == 'kafka.properties: No such configuration property: "no.such"'


def test_what_is_only_the_producers_is_kept_from_the_admin_client(capfd: pytest.CaptureFixture[str]) -> None:
    settings = producer_settings(KafkaConfig(bootstrap_servers="127.0.0.1:1"))
    told = check.Facts(settings | {"log_level": 0}, ["logs"], 0.1)
    assert isinstance(told.max_message_bytes("logs"), str)
    assert isinstance(told.missing("logs", AclOperation.WRITE), str)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "partitions", "state"),
    [
        (None, 2, TopicState.READY),
        (None, 0, TopicState.UNKNOWN),
        (KafkaError.LEADER_NOT_AVAILABLE, 0, TopicState.UNKNOWN),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, 0, TopicState.MISSING),
        (KafkaError.TOPIC_EXCEPTION, 0, TopicState.MISSING),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, 0, TopicState.DENIED),
    ],
)
def test_what_metadata_means(error: int | None, partitions: int, state: TopicState) -> None:
    metadata = TopicMetadata()
    metadata.error = None if error is None else KafkaError(error)
    metadata.partitions = {n: PartitionMetadata() for n in range(partitions)}
    assert judge(metadata)[0] is state
    assert judge(None)[0] is TopicState.UNKNOWN
