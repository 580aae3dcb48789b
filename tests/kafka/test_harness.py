"""The harness against a real broker: what the other tests of this layer take for granted."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import KafkaException, Producer

from tests.harness.consumer import Reader, Verdict, judge
from tests.harness.kafka import Broker
from tests.harness.rig import Rig


def produce(bootstrap: str, topic: str, key: bytes, lines: list[bytes]) -> int:
    """Send lines as the daemon would; return how many are still on their way after a while."""
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 1, "log_level": 0})
    for line in lines:
        producer.produce(topic, line, key)
    left = producer.flush(3)
    producer.purge()
    producer.flush(3)
    return left


def test_what_was_produced_is_read(rig: Rig, broker: Broker) -> None:
    log = rig.log("app.log")
    assert produce(broker.bootstrap, rig.topic, b"app.log", log.make(500)) == 0
    rig.delivered()
    rig.reader.read_to_end()
    assert judge(rig.truth, rig.reader.records) == Verdict()
    assert rig.values(b"app.log") == rig.truth.lines["app.log"]


@pytest.mark.parametrize("fault", ["cut", "stall"])
def test_a_faulty_proxy_lets_nothing_through_until_it_is_healed(distant_rig: Rig, broker: Broker, fault: str) -> None:
    log = distant_rig.log("app.log")
    getattr(broker.proxy, fault)()
    unsent = log.make(1)
    assert produce(broker.proxied, distant_rig.topic, b"app.log", unsent) == 1
    broker.proxy.heal()
    sent = log.make(10)
    assert produce(broker.proxied, distant_rig.topic, b"app.log", sent) == 0
    assert not distant_rig.reader.read_until(sent)


def test_a_killed_broker_comes_back_with_its_records(rig: Rig, broker: Broker) -> None:
    lines = rig.log("app.log").make(10)
    assert produce(broker.bootstrap, rig.topic, b"app.log", lines) == 0
    broker.kill()
    broker.start()
    rig.delivered()


def test_a_paused_broker_does_not_answer(rig: Rig, broker: Broker) -> None:
    broker.pause()
    with pytest.raises(KafkaException):
        broker.admin.list_topics(timeout=1)
    broker.resume()
    assert rig.topic in broker.admin.list_topics(timeout=30).topics


def test_a_topic_can_be_deleted_and_made_again(broker: Broker, topic: str) -> None:
    broker.create_topic(topic)
    assert produce(broker.bootstrap, topic, b"k", [b"before"]) == 0
    broker.delete_topic(topic)
    broker.create_topic(topic)
    with Reader(broker.bootstrap, topic) as reader:
        reader.read_to_end()
        assert reader.records == []


def test_nothing_of_a_broker_is_left_when_it_is_closed(broker: Broker) -> None:
    with Broker() as other:
        home = other.home
        assert home != broker.home
        pid = other.pid
    assert not home.exists()
    assert not Path(f"/proc/{pid}").exists()
