"""Asks the brokers, once, for all that the daemon will need of them: ``shipper check --connect``. One thread.

Nothing is written, and no topic is created by asking. Whatever goes wrong becomes a :class:`Finding`; nothing is
raised.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported, but not by its types
    AclOperation,
    AdminClient,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from shipper.config import KafkaConfig
from shipper.kafka.errors import explain, failure, reason
from shipper.kafka.probe import judge
from shipper.kafka.security import not_taken
from shipper.kafka.settings import message_max, producer_settings, shared_settings, unanswered
from shipper.kafka.tls import UNTRUSTED, why_untrusted
from shipper.model import TopicState

OVERHEAD = 1024  # a record's key and frame, beside its line


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: what it is about, what was found, and what to do."""

    level: Level
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.text}"


def check_connection(config: KafkaConfig, topics: Mapping[str, int], timeout: float = 5.0) -> list[Finding]:
    """Return what the brokers say of themselves, of the credentials and of ``topics`` (each with its ``max_line``)."""
    errors: list[Any] = []
    # Never create a topic by asking for it, whatever the configuration says of the daemon; and ask for no producer id,
    # without which an idempotent client gives up: who may write nothing is to be told which right is missing.
    asking = {"allow.auto.create.topics": False, "enable.idempotence": False, "log_level": 0}
    settings = producer_settings(config) | asking
    try:
        client: Any = confluent_kafka.Producer(settings | {"error_cb": errors.append})
    except KafkaException as raised:
        return [Finding(Level.PROBLEM, *not_taken(raised.args[0].str(), config, settings))]
    try:
        return list(_ask(config, settings, client, errors, topics, timeout))
    finally:
        client.close()


def _ask(
    config: KafkaConfig,
    settings: dict[str, Any],
    client: Any,
    errors: list[Any],
    topics: Mapping[str, int],
    timeout: float,
) -> Iterator[Finding]:
    name = next(iter(topics), None)
    failed = _reach(client, errors, name, timeout)
    if failed is not None:
        yield from _unreached(config, settings, errors, failed, timeout)
        return
    took = math.inf
    for _ in range(3):  # the first may have to connect to another broker
        asked = time.monotonic()
        try:
            answer = client.list_topics(name, timeout)
        except KafkaException as raised:
            yield from _unreached(config, settings, errors, raised.args[0], timeout)
            return
        took = min(took, (time.monotonic() - asked) * 1000)
    count = len(answer.brokers)
    yield Finding(Level.OK, "brokers", f"{count} broker{'s' * (count != 1)} reached, answered in {took:.1f} ms")
    yield Finding(Level.OK, "credentials", _credentials(settings))
    facts = Facts(settings, list(topics), timeout)
    for topic, max_line in topics.items():
        try:
            metadata = client.list_topics(topic, timeout).topics.get(topic)
        except (KafkaException, RuntimeError) as raised:
            cause = raised.args[0]
            said = explain(cause) if isinstance(cause, KafkaError) else str(cause)
            yield Finding(Level.PROBLEM, f"topic {topic}", f"could not be asked for: {said}")
            continue
        yield from _topic(config, settings, topic, max_line, metadata, count, facts)


def _reach(client: Any, errors: list[Any], topic: str | None, timeout: float) -> Any:
    """Wait for a first answer; returns the last error when there is none, sooner when it cannot get better."""
    end = time.monotonic() + timeout
    while True:
        try:
            client.list_topics(topic, min(1.0, timeout))
        except KafkaException as raised:
            client.poll(0)  # the causes come through the error callback
            hopeless = any(e.code() == KafkaError._AUTHENTICATION for e in errors)  # noqa: SLF001
            if hopeless or time.monotonic() >= end:
                return raised.args[0]
        else:
            return None


def _unreached(
    config: KafkaConfig, settings: Mapping[str, Any], errors: list[Any], last: Any, timeout: float
) -> Iterator[Finding]:
    refused = [e for e in errors if e.code() == KafkaError._AUTHENTICATION]  # noqa: SLF001 - public, in spite of its name
    if refused:
        yield Finding(Level.OK, "brokers", "reached")
        yield Finding(Level.PROBLEM, "credentials", reason(refused[-1]))
        return
    failures = [failure(e) for e in errors if e.code() != KafkaError._ALL_BROKERS_DOWN]  # noqa: SLF001
    for broker, why in failures:
        if broker and UNTRUSTED in why:
            told = why_untrusted(broker, settings, timeout) or why
            yield Finding(Level.PROBLEM, "brokers", f"{broker}: {told}")
            return
    causes = list(dict.fromkeys(f"{broker}: {why}" if broker else why for broker, why in failures))
    cause = "; ".join(causes[-3:]) or f"{explain(last)}; {unanswered(settings)}"
    yield Finding(
        Level.PROBLEM,
        "brokers",
        f"no answer from {config.bootstrap_servers} within {timeout:g} s: {cause}; is kafka.bootstrap_servers "
        "right, and do the brokers run and listen there?",
    )


def _credentials(settings: Mapping[str, Any]) -> str:
    protocol = str(settings.get("security.protocol", "plaintext")).lower()
    if protocol.startswith("sasl"):
        mechanism = settings.get("sasl.mechanism") or settings.get("sasl.mechanisms") or "GSSAPI"
        user = settings.get("sasl.username")
        return f"accepted ({mechanism}{f', user {user}' if user else ''})"
    return "none needed (TLS)" if protocol == "ssl" else "none needed (plaintext)"


class Facts:
    """What only the admin interface tells: a topic's largest batch, and what this user may do to it."""

    def __init__(self, settings: Mapping[str, Any], topics: list[str], timeout: float) -> None:
        self._admin: Any = AdminClient(shared_settings(settings))  # kept: the answers of one that is gone never come
        self._timeout = timeout + 5  # of waiting for an answer that says by itself when it is too late
        resources = {topic: ConfigResource(ResourceType.TOPIC, topic) for topic in topics}
        self._configs: dict[str, Future[Any]] = {}
        self._topics: dict[str, Future[Any]] = {}
        if topics:
            told = self._admin.describe_configs(list(resources.values()), request_timeout=timeout)
            self._configs = {topic: told[resource] for topic, resource in resources.items()}
            self._topics = self._admin.describe_topics(
                TopicCollection(topics), include_authorized_operations=True, request_timeout=timeout
            )

    def max_message_bytes(self, topic: str) -> int | str:
        """Return the largest batch that ``topic`` takes, or why that is not known."""
        try:
            return int(self._setting(topic, "max.message.bytes"))
        except KafkaException as raised:
            return explain(raised.args[0])
        except TimeoutError:
            return "no answer"

    def cleanup_policy(self, topic: str) -> tuple[str, str]:
        """Return what ``topic`` does with old records, and why that is not known: one of them is empty."""
        try:
            return self._setting(topic, "cleanup.policy"), ""
        except KafkaException as raised:
            return "", explain(raised.args[0])
        except TimeoutError:
            return "", "no answer"

    def missing(self, topic: str, *wanted: AclOperation) -> list[AclOperation] | str:
        """Return which of ``wanted`` this user may not do to ``topic``, or why that is not known."""
        try:
            told = self._topics[topic].result(self._timeout).authorized_operations
        except KafkaException as raised:
            return explain(raised.args[0])
        except TimeoutError:
            return "no answer"
        if not told:
            return "the brokers do not say"
        return [] if AclOperation.ALL in told else [each for each in wanted if each not in told]

    def refuses(self, new: NewTopic) -> str:
        """Return why this user could not create the topic now, or nothing. It is not created."""
        try:
            self._admin.create_topics([new], validate_only=True)[new.topic].result(self._timeout)
        except KafkaException as raised:
            return explain(raised.args[0])
        except TimeoutError:
            return "no answer"
        return ""

    def _setting(self, topic: str, name: str) -> str:
        return str(self._configs[topic].result(self._timeout)[name].value)


def _topic(
    config: KafkaConfig,
    settings: Mapping[str, Any],
    topic: str,
    max_line: int,
    metadata: Any,
    brokers: int,
    facts: Facts,
) -> Iterator[Finding]:
    subject = f"topic {topic}"
    state, why, partitions = judge(metadata)
    if state is TopicState.MISSING:
        create = create_topic(config, topic, 6, brokers)
        if metadata.error.code() == KafkaError.TOPIC_EXCEPTION:
            yield Finding(Level.PROBLEM, subject, why)
        elif config.allow_auto_create_topics:
            yield Finding(Level.WARNING, subject, f"not found; will be created if the brokers allow it, or: {create}")
        else:
            yield Finding(
                Level.PROBLEM, subject, f"not found; create it: {create}, or set kafka.allow_auto_create_topics = true"
            )
        return
    if (unusable := not_usable(subject, state, why, _allow(config, topic))) is not None:
        yield unusable
        return
    replicas = min(len(p.replicas) for p in metadata.partitions.values())
    found = f"{partitions} partition{'s' * (partitions != 1)}, replication {replicas}"
    yield from without_leader(subject, metadata.partitions)
    largest = facts.max_message_bytes(topic)
    if isinstance(largest, str):
        yield Finding(Level.OK, subject, found)
        yield Finding(
            Level.WARNING,
            subject,
            f"max.message.bytes could not be read (needs DescribeConfigs), so that a batch may be refused: {largest}",
        )
    else:
        yield from _sizes(settings, subject, found, max_line, largest)
    lacking = facts.missing(topic, AclOperation.WRITE)
    if isinstance(lacking, str):
        yield Finding(Level.WARNING, subject, f"whether this user may write to it could not be read: {lacking}")
    elif lacking:
        yield Finding(Level.PROBLEM, subject, f"this user may not write to it; {_allow(config, topic)}")


def _sizes(settings: Mapping[str, Any], subject: str, found: str, max_line: int, largest: int) -> Iterator[Finding]:
    client = message_max(settings)
    found = f"{found}, max.message.bytes {largest:,}"
    if largest < max_line + OVERHEAD:
        yield Finding(
            Level.PROBLEM,
            subject,
            f"{found}: too small for lines of up to max_line = {max_line:,} bytes; raise it to "
            f"{max_line + OVERHEAD:,} or more, or set max_line to {max(1, largest - OVERHEAD):,} bytes or less",
        )
    elif client < max_line + OVERHEAD:
        yield Finding(
            Level.PROBLEM,
            subject,
            f'{found}; but the client takes only {client:,} bytes: set kafka.properties."message.max.bytes" = '
            f'"{max_line + OVERHEAD}" for lines of up to max_line = {max_line:,} bytes',
        )
    else:
        yield Finding(Level.OK, subject, found)


def _allow(config: KafkaConfig, topic: str) -> str:
    return f"allow it: {add_acls(config)} --operation Describe --operation Write --topic {topic}"


# --- what is said of any topic ----------------------------------------------------------------------------------------


def not_usable(subject: str, state: TopicState, why: str, allow: str) -> Finding | None:
    """Return what is wrong with a topic that may be there and cannot be used now; ``allow`` says how it can be."""
    if state is TopicState.DENIED:
        return Finding(Level.PROBLEM, subject, f"this user may not describe it; {allow}")
    if state is TopicState.UNKNOWN:
        return Finding(Level.WARNING, subject, f"not usable now: {why}; ask again")
    return None


def without_leader(subject: str, partitions: Mapping[int, Any]) -> Iterator[Finding]:
    """Yield a warning where partitions have no leader."""
    leaderless = sum(p.leader < 0 for p in partitions.values())
    if leaderless:
        yield Finding(Level.WARNING, subject, f"{leaderless} of {len(partitions)} partitions have no leader now")


def create_topic(config: KafkaConfig, topic: str, partitions: int, brokers: int) -> str:
    """Return the command that makes a topic where there are so many ``brokers``."""
    return (
        f"kafka-topics.sh --bootstrap-server {config.bootstrap_servers} --create --topic {topic} "
        f"--partitions {partitions} --replication-factor {min(3, brokers)}"
    )


def add_acls(config: KafkaConfig) -> str:
    """Return how the command begins that allows something."""
    return f"kafka-acls.sh --bootstrap-server {config.bootstrap_servers} --add --allow-principal User:NAME"
