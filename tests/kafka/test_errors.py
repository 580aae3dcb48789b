"""What brokers refuse, and what is wrong with them: each is told in words, and passes by itself when its cause is gone.

One broker for all of this module, which asks who is there (``tests/harness/secure.py``).
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported, but not by its types
    AclOperation,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourceType,
)

from shipper.config import KafkaConfig
from shipper.deadletters import open_letters
from shipper.events import Events
from shipper.kafka.check import Level
from shipper.kafka.check_exactly_once import check_exactly_once
from shipper.kafka.producer import Producer
from shipper.model import TopicState
from tests.harness.daemon import Daemon, Event
from tests.harness.polling import poll_until
from tests.harness.rig import Rig
from tests.harness.secure import Certificate, SecureBroker
from tests.harness.wait import eventually


@pytest.fixture
def rig(secure: SecureBroker, topic: str, partitions: int, tmp_path: Path) -> Iterator[Rig]:
    """Return a rig whose daemon comes with a name and a password; nothing is allowed to it yet."""
    secure.create_topic(topic, partitions)
    made = Rig(tmp_path, secure.listeners["SASL"], topic, read_from=secure.bootstrap)
    made.kafka_properties |= secure.sasl()
    yield made
    made.close()
    secure.set_password("right")
    secure.show(secure.certificate)
    secure.revoke_all()


def wait_for_reason(daemon: Daemon, name: str, words: str) -> Event:
    """Return the first event of this name whose reason has these words."""

    def found() -> list[Event]:
        return [e for e in daemon.told(name) if words in e.fields["reason"]]

    try:
        eventually(f"{name} because of {words!r}", lambda: found() or not daemon.running)
    except AssertionError as failed:
        raise AssertionError(f"{failed}\n{daemon.log()}") from None
    assert found(), daemon.log()
    return found()[0]


# --- connections ---


def test_a_wrong_password(secure: SecureBroker, rig: Rig) -> None:
    secure.allow_topic(rig.topic)
    rig.kafka_properties |= secure.sasl("another")
    log = rig.log()
    log.write(1000)
    wait_for_reason(rig.start(), "brokers.away", "the credentials were refused")
    log.write(1000)
    secure.set_password("another")
    rig.verify()


def test_a_certificate_that_is_not_accepted(secure: SecureBroker, rig: Rig, tmp_path: Path) -> None:
    expired = Certificate(tmp_path, "expired", expired=True)
    elsewhere = Certificate(tmp_path, "elsewhere", host="dns:elsewhere")
    trusted = tmp_path / "trusted.pem"
    trusted.write_text("".join(each.pem.read_text() for each in (secure.certificate, expired, elsewhere)))
    rig.kafka["bootstrap_servers"] = secure.listeners["TLS"]
    rig.kafka_properties = {"security.protocol": "SSL", "ssl.ca.location": str(trusted)}
    log = rig.log()
    log.write(1000)
    secure.show(expired)
    daemon = rig.start()
    wait_for_reason(daemon, "brokers.away", "certificate has expired")
    secure.show(elsewhere)
    wait_for_reason(daemon, "broker.failed", "certificate is not for 127.0.0.1")
    trusted.write_text(secure.certificate.pem.read_text())
    secure.show(expired)
    wait_for_reason(daemon, "broker.failed", "certificate is not trusted")
    log.write(1000)
    secure.show(secure.certificate)
    rig.verify()


@pytest.fixture
def mute() -> Iterator[str]:
    """Return the address of something that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("where", "protocol", "words"),
    [
        ("TLS", "PLAINTEXT", "is its listener PLAINTEXT?"),
        ("SASL", "SSL", "PLAINTEXT broker listener?"),
        ("mute", "PLAINTEXT", "is Kafka there"),
        ("nohost.invalid:9092", "PLAINTEXT", "the host name is not known"),
    ],
)
def test_brokers_that_are_not_what_they_should_be(
    secure: SecureBroker, rig: Rig, mute: str, where: str, protocol: str, words: str
) -> None:
    secure.allow_topic(rig.topic)
    rig.kafka["bootstrap_servers"] = {**secure.listeners, "mute": mute}.get(where, where)
    right, rig.kafka_properties = rig.kafka_properties, {"security.protocol": protocol}
    log = rig.log()
    log.write(1000)
    daemon = rig.start()
    wait_for_reason(daemon, "brokers.away", words)
    rig.kafka["bootstrap_servers"], rig.kafka_properties = secure.listeners["SASL"], right
    rig.shipper["shutdown_timeout"] = "1s"
    rig.configure()
    daemon.reload()
    rig.verify()


# --- permissions ---


def test_a_permission_that_is_revoked_and_restored(secure: SecureBroker, rig: Rig) -> None:
    other = f"{rig.topic}-other"
    secure.create_topic(other, 1)
    secure.allow_topic(rig.topic, other)
    rig.more_sources["other"] = {"paths": [f"{rig.root}/other/*.log"], "topic": other, "key": "{filename}"}
    (rig.root / "other").mkdir()
    log = rig.log()
    log.write(1000)
    daemon = rig.start()
    rig.delivered()
    secure.revoke(ResourceType.TOPIC, rig.topic, AclOperation.WRITE)
    log.write(1000)
    wait_for_reason(daemon, "topic.denied", "may not write")
    (rig.root / "other" / "a.log").write_bytes(b"one\n")
    eventually("the other source to go on", lambda: secure.ends(other) == 1)
    log.write(1000)
    secure.allow(ResourceType.TOPIC, rig.topic, AclOperation.WRITE)
    rig.verify()
    assert not daemon.told("client.replaced")


def test_a_user_who_may_write_nothing(secure: SecureBroker, rig: Rig) -> None:
    secure.allow(ResourceType.TOPIC, rig.topic, AclOperation.DESCRIBE)
    log = rig.log()
    log.write(1000)
    daemon = rig.start()
    wait_for_reason(daemon, "client.gave_up", "IdempotentWrite on the cluster")
    daemon.wait_for("service.ready")
    log.write(1000)
    secure.allow_topic(rig.topic)
    rig.delivered()
    assert len(daemon.told("client.gave_up")) == 1  # not one for each client
    rig.verify()


def test_exactly_once_without_its_permissions(secure: SecureBroker, rig: Rig) -> None:
    rig.shipper["instance"] = "acl"
    checkpoints = f"c-{rig.topic}"[-200:]
    rig.kafka |= {"delivery": "exactly_once", "checkpoint_topic": checkpoints}
    secure.allow_topic(rig.topic)
    log = rig.log()
    log.write(1000)
    daemon = rig.launch()
    daemon.wait_for("topic.denied", topic=checkpoints)  # whether it is there is nothing for this user to know
    secure.create_topic(checkpoints, 1, **{"cleanup.policy": "compact"})
    secure.allow(ResourceType.TOPIC, checkpoints, AclOperation.WRITE, AclOperation.DESCRIBE)
    wait_for_reason(daemon, "client.gave_up", "(TRANSACTIONAL_ID_AUTHORIZATION_FAILED)")
    secure.allow(ResourceType.TRANSACTIONAL_ID, "shipper-acl", AclOperation.WRITE, AclOperation.DESCRIBE)
    rig.delivered()
    daemon.stop()
    log.write(1000)
    wait_for_reason(rig.launch(), "offsets.unread", "(TOPIC_AUTHORIZATION_FAILED)")
    secure.allow(ResourceType.TOPIC, checkpoints, AclOperation.READ)
    rig.verify()


def test_what_check_says_of_exactly_once(secure: SecureBroker, rig: Rig) -> None:
    topic = f"c-{rig.topic}"[-200:]
    subject = f"checkpoint topic {topic}"
    config = KafkaConfig(
        bootstrap_servers=secure.listeners["SASL"],
        delivery="exactly_once",
        checkpoint_topic=topic,
        properties=rig.kafka_properties,
    )

    def told(about: str) -> list[tuple[Level, str]]:
        findings = check_exactly_once(config, "look")
        return [(each.level, each.text) for each in findings if each.subject == about]

    ((level, text),) = told(subject)
    assert (level, "may not describe it" in text) == (Level.PROBLEM, True)
    ((level, text),) = told("transactional id shipper-look")
    assert (level, "is refused, which stands in for it" in text) == (Level.WARNING, True)

    secure.allow(ResourceType.TOPIC, topic, AclOperation.DESCRIBE)
    ((level, text),) = told(subject)
    assert (level, "cannot create it" in text) == (Level.PROBLEM, True)
    secure.allow(ResourceType.TOPIC, topic, AclOperation.CREATE)
    ((level, text),) = told(subject)
    assert (level, "is created at the first start" in text) == (Level.OK, True)
    assert topic not in secure.admin.list_topics().topics  # not by asking

    secure.create_topic(topic, 1)
    policy, permissions = told(subject)
    assert (policy[0], "needs DescribeConfigs" in policy[1]) == (Level.WARNING, True)
    assert (permissions[0], "may not read and not write it" in permissions[1]) == (Level.PROBLEM, True)
    secure.allow(ResourceType.TOPIC, topic, AclOperation.READ, AclOperation.DESCRIBE_CONFIGS)
    policy, permissions = told(subject)
    assert (policy[0], "cleanup.policy delete" in policy[1]) == (Level.PROBLEM, True)
    assert "may not write it" in permissions[1]
    alter(secure, topic, "cleanup.policy", "compact")
    secure.allow(ResourceType.TOPIC, topic, AclOperation.WRITE)
    assert told(subject) == [(Level.OK, "1 partition, cleanup.policy compact")]

    secure.allow(ResourceType.TRANSACTIONAL_ID, "shipper-look:check", AclOperation.WRITE, AclOperation.DESCRIBE)
    ((level, _),) = told("transactional id shipper-look")
    assert level is Level.OK


def test_check_disturbs_no_daemon_that_delivers_exactly_once(secure: SecureBroker, rig: Rig) -> None:
    rig.kafka |= {"bootstrap_servers": secure.bootstrap, "delivery": "exactly_once"}
    rig.shipper["instance"] = "disturbed"
    rig.kafka_properties = {}
    log = rig.log()
    log.write(1000)
    daemon = rig.start()
    rig.delivered()
    done = subprocess.run(
        [sys.executable, "-m", "shipper", "check", "--connect", "-c", rig.configure()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "transactional id shipper-disturbed: shipper-disturbed:check may be used" in done.stdout
    log.write(1000)
    rig.verify()
    assert not daemon.told("client.replaced")


# --- topics ---


@pytest.fixture
def open_rig(secure: SecureBroker, rig: Rig) -> Rig:
    """Return a rig whose daemon may do everything."""
    rig.kafka["bootstrap_servers"] = secure.bootstrap
    rig.kafka_properties = {}
    return rig


def test_more_partitions_than_before(secure: SecureBroker, open_rig: Rig) -> None:
    logs = [open_rig.log(f"a{number}.log") for number in range(20)]
    daemon = open_rig.start()
    for log in logs:
        log.write(100)
    open_rig.delivered()
    secure.settle(secure.admin.create_partitions([NewPartitions(open_rig.topic, 12)]))
    open_rig.forget_topic()
    for _ in range(20):
        for log in logs:
            log.write(20)
        open_rig.delivered()
    assert not daemon.told("record.not_taken")
    open_rig.verify(keys=False)  # a key may have moved when the count changed


@pytest.mark.parametrize("partitions", [12])
def test_created_again_with_fewer_partitions(secure: SecureBroker, open_rig: Rig) -> None:
    logs = [open_rig.log(f"a{number}.log") for number in range(20)]
    daemon = open_rig.start()
    for log in logs:
        log.write(100)
    open_rig.delivered()
    secure.delete_topic(open_rig.topic)
    open_rig.truth.excuse()  # what was in the topic went with it
    for log in logs:
        log.write(100)
    daemon.wait_for("topic.missing", topic=open_rig.topic)
    secure.create_topic(open_rig.topic, 2)
    open_rig.forget_topic()
    for log in logs:
        log.write(100)
    open_rig.delivered()
    open_rig.verify(repeats=True)


def test_the_present_time_is_not_accepted(secure: SecureBroker, open_rig: Rig) -> None:
    limit = "message.timestamp.before.max.ms"
    alter(secure, open_rig.topic, limit, "0")
    log = open_rig.log()
    log.write(1000)
    open_rig.start().wait_for("record.not_taken", reason="INVALID_TIMESTAMP")
    log.write(1000)
    alter(secure, open_rig.topic, limit, "3600000")
    open_rig.verify()
    assert open_letters(open_rig.state) is None  # it was not the record's fault


def test_a_record_that_the_broker_names_as_invalid(secure: SecureBroker, topic: str) -> None:
    secure.create_topic(topic, 1, **{"cleanup.policy": "compact"})
    reports = [Told() for _ in range(4)]
    producer = Producer(KafkaConfig(bootstrap_servers=secure.bootstrap, linger=0.2), Events(lambda *_: None))
    try:
        poll_until(producer, "the topic", lambda: producer.topic_state(topic) is TopicState.READY)
        client = producer._client(topic, alone=False)
        keys = (b"k", None, None, b"k")  # of a single one the client says it of all four
        for key, report in zip(keys, reports, strict=True):
            client.send_one(topic, 0, key, b"v", report)
        poll_until(producer, "the reports", lambda: all(report.names for report in reports))
    finally:
        producer.close(1.0)
    names = ["INVALID_RECORD" if key is None else "_INVALID_DIFFERENT_RECORD" for key in keys]
    assert [report.names for report in reports] == [[name] for name in names]


class Told:
    """What was reported of a record."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def ack(self, _count: int) -> None:
        self.names.append("")

    def nack(self, error: Any, _topic: str, _count: int) -> None:
        self.names.append(error.name())


def alter(broker: SecureBroker, topic: str, name: str, value: str) -> None:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    resource.add_incremental_config(ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET))
    broker.settle(broker.admin.incremental_alter_configs([resource]))
