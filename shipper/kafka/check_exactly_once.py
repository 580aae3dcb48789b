"""What exactly-once delivery needs of the brokers beside its topics, for ``shipper check --connect``. One thread.

Asked of brokers that were reached. Invariants: no topic is created, and the instance's own transactional id is never
taken, which would end a daemon that runs. Another id stands in for it, one that begins with it and that no instance can
have; taking it leaves a note in the brokers' transaction log, which they forget after a week.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AclOperation  # type: ignore[attr-defined]  # re-exported, but not by its types

from shipper.config import KafkaConfig
from shipper.kafka.check import Facts, Finding, Level, add_acls, create_topic, not_usable, without_leader
from shipper.kafka.checkpoint_topic import PARTITIONS, SETTINGS, keeps, new_topic
from shipper.kafka.errors import explain
from shipper.kafka.probe import judge
from shipper.kafka.settings import producer_settings
from shipper.kafka.transactions import transactional_id
from shipper.model import TopicState

STAND_IN = ":check"  # holds what no instance's name may


def check_exactly_once(config: KafkaConfig, instance: str, timeout: float = 10.0) -> list[Finding]:
    """Return what the brokers say of the topic of the checkpoints and of ``instance``'s transactions; in order."""
    name = transactional_id(instance)
    settings = producer_settings(config) | {"allow.auto.create.topics": False, "log_level": 0}
    client: Any = confluent_kafka.Producer(
        settings | {"transactional.id": name + STAND_IN, "error_cb": lambda _error: None}
    )
    # Not closed but let go of: close() raises SystemError where transactions could not be opened.
    return [*_topic(config, settings, client, timeout), _transactions(config, client, name, timeout)]


def _topic(config: KafkaConfig, settings: dict[str, Any], client: Any, timeout: float) -> Iterator[Finding]:
    topic = config.checkpoint_topic
    subject = f"checkpoint topic {topic}"
    try:
        answer = client.list_topics(topic, timeout)
    except KafkaException as raised:
        yield Finding(Level.PROBLEM, subject, f"could not be asked for: {explain(raised.args[0])}")
        return
    metadata = answer.topics.get(topic)
    state, why, partitions = judge(metadata)
    if state is TopicState.MISSING:
        if metadata.error.code() == KafkaError.TOPIC_EXCEPTION:
            yield Finding(Level.PROBLEM, subject, why)
        else:
            refused = Facts(settings, [], timeout).refuses(new_topic(topic))
            yield _not_there(config, subject, refused, len(answer.brokers))
        return
    if (unusable := not_usable(subject, state, why, _allow(config))) is not None:
        yield unusable
        return
    yield from without_leader(subject, metadata.partitions)
    facts = Facts(settings, [topic], timeout)
    yield _policy(config, subject, f"{partitions} partition{'s' * (partitions != 1)}", facts)
    lacking = facts.missing(topic, AclOperation.READ, AclOperation.WRITE)
    if isinstance(lacking, str):
        yield Finding(Level.WARNING, subject, f"whether this user may read and write it could not be read: {lacking}")
    elif lacking:
        verbs = " and not ".join(each.name.lower() for each in lacking)
        yield Finding(Level.PROBLEM, subject, f"this user may not {verbs} it; {_allow(config)}")


def _not_there(config: KafkaConfig, subject: str, refused: str, brokers: int) -> Finding:
    if not refused:
        text = "not found; is created at the first start. Ask again then whether this user may read and write it"
        return Finding(Level.OK, subject, text)
    wanted = " ".join(f"--config {name}={value}" for name, value in SETTINGS.items())
    create = create_topic(config, config.checkpoint_topic, PARTITIONS, brokers)
    text = f"not found, and this user cannot create it ({refused}); create it: {create} {wanted}"
    return Finding(Level.PROBLEM, subject, text)


def _policy(config: KafkaConfig, subject: str, found: str, facts: Facts) -> Finding:
    policy, unknown = facts.cleanup_policy(config.checkpoint_topic)
    if unknown:
        text = f"{found}; cleanup.policy, which has to be compact, could not be read (needs DescribeConfigs): {unknown}"
        return Finding(Level.WARNING, subject, text)
    if keeps(policy):
        return Finding(Level.OK, subject, f"{found}, cleanup.policy {policy}")
    alter = (
        f"kafka-configs.sh --bootstrap-server {config.bootstrap_servers} --alter --topic {config.checkpoint_topic} "
        "--add-config cleanup.policy=compact"
    )
    text = f"{found}, cleanup.policy {policy}: checkpoints would be deleted, and files sent again; change it: {alter}"
    return Finding(Level.PROBLEM, subject, text)


def _transactions(config: KafkaConfig, client: Any, name: str, timeout: float) -> Finding:
    subject = f"transactional id {name}"
    other = name + STAND_IN
    try:
        client.init_transactions(timeout)
    except KafkaException as raised:
        error = raised.args[0]
    else:
        text = f"{other} may be used, which stands in for it; a rule for exactly {name} is not seen"
        return Finding(Level.OK, subject, text)
    if error.code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
        # Whoever may use exactly the instance's id, as the least permission would be, is refused here too.
        text = (
            f"cannot be told, because {other} is refused, which stands in for it; to be sure, allow both: "
            f"{add_acls(config)} --operation Describe --operation Write --transactional-id {name} "
            f"--transactional-id {other}"
        )
        return Finding(Level.WARNING, subject, text)
    if error.retriable() or error.code() == KafkaError._TIMED_OUT:  # noqa: SLF001 - public, in spite of its name
        text = (
            f"no transaction could be opened within {timeout:g} s: {explain(error)}; has the cluster fewer brokers "
            "than its transaction.state.log.replication.factor?"
        )
        return Finding(Level.PROBLEM, subject, text)
    return Finding(Level.PROBLEM, subject, f"no transaction can be opened: {explain(error)}")


def _allow(config: KafkaConfig) -> str:
    return (
        f"allow it: {add_acls(config)} --operation Describe --operation Read --operation Write "
        f"--topic {config.checkpoint_topic}"
    )
