"""Promise 4: the files are the buffer. Brokers and topics that are away, for as long as it takes."""

from __future__ import annotations

import signal

import pytest

from tests.harness.consumer import Reader
from tests.harness.kafka import Broker, Ports
from tests.harness.rig import Rig


def test_a_topic_that_is_created_late(broker: Broker, rig: Rig) -> None:
    late = f"{rig.topic}-late"
    rig.more_sources["late"] = {"paths": [f"{rig.root}/late/*.log"], "topic": late, "key": "{filename}"}
    (rig.root / "late").mkdir()
    (rig.root / "late" / "late.log").write_bytes(b"one\ntwo\n")
    log = rig.log()
    log.write(100)
    daemon = rig.start()
    daemon.wait_for("topic.missing", topic=late)
    rig.delivered()  # the other source goes on
    log.write(100)
    rig.delivered()
    broker.create_topic(late, partitions=1)
    with Reader(broker.bootstrap, late) as reader:
        reader.read_count(2)
        assert [record.value for record in reader.records] == [b"one", b"two"]
    rig.verify()


def test_stopped_while_a_topic_is_missing(broker: Broker, topic: str, rig: Rig) -> None:
    rig.topic = rig.source["topic"] = f"{topic}-late"
    rig.forget_topic()
    log = rig.log()
    log.write(1000)
    rig.start()
    rig.daemon.wait_for("topic.missing")
    log.rotate()
    log.write(1000)
    rig.daemon.stop()
    broker.create_topic(rig.topic)
    rig.start()
    rig.verify()


def test_a_topic_that_is_deleted_and_created_again(rig: Rig, broker: Broker) -> None:
    log = rig.log()
    log.write(100)
    daemon = rig.start()
    rig.delivered()
    broker.delete_topic(rig.topic)
    rig.truth.excuse()  # what was in the topic went with it
    log.write(1000)
    daemon.wait_for("topic.missing", topic=rig.topic)
    log.write(1000)
    broker.create_topic(rig.topic)
    rig.forget_topic()
    rig.delivered()
    rig.verify(repeats=True)


def test_a_paused_broker_does_not_fill_the_memory(rig: Rig, broker: Broker) -> None:
    rig.kafka_properties |= {"socket.timeout.ms": 2000, "request.timeout.ms": 2000}
    log = rig.log()
    log.write(100)
    daemon = rig.start()
    rig.delivered()
    broker.pause()
    for _ in range(40):
        log.write(1000, size=2000)
    daemon.wait_for("brokers.away")
    broker.resume()
    daemon.wait_for("brokers.back")
    rig.delivered()
    assert daemon.peak_memory() < 150_000_000
    rig.verify(repeats=True)


@pytest.mark.parametrize("fault", ["cut", "stall"])
def test_stopped_while_the_brokers_are_away(distant_rig: Rig, broker: Broker, fault: str) -> None:
    distant_rig.shipper["shutdown_timeout"] = "2s"
    log = distant_rig.log()
    log.write(100)
    distant_rig.start()
    distant_rig.delivered()
    getattr(broker.proxy, fault)()
    log.write(5000)
    distant_rig.daemon.stop()
    log.write(100)
    broker.proxy.heal()
    distant_rig.start()
    distant_rig.verify(repeats=True)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_brokers_that_never_were_there(rig: Rig, sent: signal.Signals) -> None:
    right = rig.kafka["bootstrap_servers"]
    rig.kafka["bootstrap_servers"] = f"127.0.0.1:{Ports().take()}"
    rig.shipper["shutdown_timeout"] = "2s"
    log = rig.log()
    log.write(1000)
    daemon = rig.start()
    daemon.wait_for("brokers.away")
    log.rotate()
    log.write(1000)
    daemon.process.send_signal(sent)
    assert daemon.wait() == 0
    rig.kafka["bootstrap_servers"] = right
    rig.start()
    rig.verify()


def test_a_start_while_the_brokers_are_away(distant_rig: Rig, broker: Broker) -> None:
    broker.proxy.cut()
    log = distant_rig.log()
    log.write(1000)
    daemon = distant_rig.start()
    daemon.wait_for("brokers.away")
    log.write(1000)
    broker.proxy.heal()
    daemon.wait_for("service.ready")
    distant_rig.verify()


def test_broker_and_daemon_are_killed_together(rig: Rig, broker: Broker) -> None:
    log = rig.log()
    for _ in range(3):
        rig.start()
        log.write(2000)
        rig.records(len(rig.reader.records) + 1)
        broker.kill()
        rig.daemon.kill()
        log.write(500)
        log.rotate()
        log.write(500)
        broker.start()
    rig.start()
    rig.verify(repeats=True)


def test_each_compression_arrives_as_it_was_written(rig: Rig) -> None:
    log = rig.log()
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        rig.kafka["compression"] = codec
        log.write(500)
        rig.start()
        rig.delivered()
        rig.daemon.stop()
    rig.verify()
