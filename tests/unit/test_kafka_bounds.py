"""Where a partition ends: no error of a broker is taken for an empty partition."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from shipper.config import KafkaConfig
from shipper.errors import ConnectError
from shipper.kafka import topics
from shipper.kafka.bounds import MOVING, all_bounds, bounds
from shipper.kafka.offsets import key_of, read_back
from shipper.kafka.topics import TopicReader
from tests.harness.mock_errors import Api, FaultyBroker
from tests.harness.wait import DEADLINE
from tests.unit.test_kafka_offsets import ENTRY


@pytest.fixture
def broker() -> Iterator[FaultyBroker]:
    with FaultyBroker() as broker:
        broker.make("t", 2)
        yield broker


@pytest.fixture
def client(broker: FaultyBroker) -> Iterator[Consumer]:
    client = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "g", "log_level": 0})
    yield client
    client.close()


def admin_of(broker: FaultyBroker) -> AdminClient:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    admin.list_topics("t", DEADLINE)  # connects it
    return admin


def produce(broker: FaultyBroker, key: bytes, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    producer.produce("t", value, key, partition=0)
    assert producer.flush(DEADLINE) == 0


def test_an_empty_partition_begins_where_it_ends(broker: FaultyBroker, client: Consumer) -> None:
    assert bounds(client, "t", 0, DEADLINE) == all_bounds(admin_of(broker), "t", 0, DEADLINE) == (0, 0)


@pytest.mark.parametrize("error", MOVING)
@pytest.mark.parametrize("times", [1, 3])
def test_a_partition_that_changes_its_leader_is_asked_again(
    broker: FaultyBroker, client: Consumer, error: int, times: int
) -> None:
    produce(broker, b"k", b"v")
    broker.fail(Api.LIST_OFFSETS, *[error] * times)
    assert bounds(client, "t", 0, DEADLINE) == (0, 1)
    admin = admin_of(broker)
    broker.fail(Api.LIST_OFFSETS, *[error] * times)
    assert all_bounds(admin, "t", 0, DEADLINE) == (0, 1)


def test_one_error_does_not_make_an_instance_forget_what_it_has_committed(broker: FaultyBroker) -> None:
    produce(broker, key_of("me", "s", "u"), msgspec.json.encode(ENTRY))
    admin = admin_of(broker)
    broker.fail(Api.LIST_OFFSETS, KafkaError.NOT_LEADER_FOR_PARTITION)
    settings = {"bootstrap.servers": broker.bootstrap}
    found = read_back(admin, settings, "t", "me", 0, waiting=lambda: None, stopping=lambda: False, clock=time.monotonic)
    assert found.entries == {("s", "u"): ENTRY}


def test_what_does_not_pass_is_raised_at_once(broker: FaultyBroker, client: Consumer) -> None:
    admin = admin_of(broker)
    for ask, asked in ((bounds, client), (all_bounds, admin)):
        broker.fail(Api.LIST_OFFSETS, KafkaError.TOPIC_AUTHORIZATION_FAILED)
        with pytest.raises(KafkaException) as raised:
            ask(asked, "t", 0, DEADLINE)
        assert raised.value.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_an_audit_asks_again_too(broker: FaultyBroker) -> None:
    broker.fail(Api.LIST_OFFSETS, KafkaError.NOT_LEADER_FOR_PARTITION)
    with TopicReader(KafkaConfig(bootstrap_servers=broker.bootstrap), ["t"], timeout=DEADLINE) as reader:
        assert reader.partitions == {("t", 0): 0, ("t", 1): 0}
        broker.fail(Api.LIST_OFFSETS, KafkaError.NOT_LEADER_FOR_PARTITION)
        assert reader.trimmed() == set()


def test_an_audit_says_which_partition_has_no_leader(broker: FaultyBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "ASK", 1.5)  # a busy machine takes long to connect
    broker.fail(Api.LIST_OFFSETS, *[KafkaError.NOT_LEADER_FOR_PARTITION] * 1000)
    with pytest.raises(ConnectError, match=r"topic t, partition 0: .*NOT_LEADER"):
        TopicReader(KafkaConfig(bootstrap_servers=broker.bootstrap), ["t"], timeout=DEADLINE)


def test_where_the_time_is_over_it_is_said_why_and_not_that_it_is() -> None:
    answers = [KafkaError.NOT_LEADER_FOR_PARTITION]

    class Slow:
        """Is told of no leader, and then of nothing."""

        def offsets_for_times(self, *_: object, **__: object) -> list[TopicPartition]:
            raise KafkaException(KafkaError(answers.pop() if answers else KafkaError._TIMED_OUT))

    with pytest.raises(KafkaException) as raised:
        bounds(Slow(), "t", 0, 0.2)
    assert raised.value.args[0].code() == KafkaError.NOT_LEADER_FOR_PARTITION
