"""What each error of the Kafka client asks of the daemon, and the words in which a person is told.

One table, keyed by the client's own name of the error. Whatever is not in it is ``RETRY``: an error that is not known
to say something about the record must never lead to the record being given up. Pure; any thread.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from shipper.model import DeliveryClass

REFUSED, TOPIC, CREDENTIALS, RETRY, FATAL = (
    DeliveryClass.REFUSED_RECORD,
    DeliveryClass.TOPIC,
    DeliveryClass.CREDENTIALS,
    DeliveryClass.RETRY,
    DeliveryClass.FATAL,
)


class Meaning(NamedTuple):
    """What an error asks of the daemon, and what it means in plain words."""

    delivery: DeliveryClass
    says: str


# A broker refuses a batch as a whole: MSG_SIZE_TOO_LARGE and, from brokers that do not name the record, INVALID_RECORD
# are then reported for every record of the batch. docs/decisions/delivery-reports.md says how the guilty one is found.
TABLE: dict[str, Meaning] = {
    # The record, or the batch that it was in.
    "MSG_SIZE_TOO_LARGE": Meaning(
        REFUSED, "larger than the topic's max.message.bytes or the client's message.max.bytes"
    ),
    "RECORD_LIST_TOO_LARGE": Meaning(REFUSED, "the batch is larger than the broker's log segments (segment.bytes)"),
    "INVALID_MSG_SIZE": Meaning(REFUSED, "the broker found its size to be invalid"),
    "INVALID_RECORD": Meaning(
        REFUSED, "the broker's validation refused it (a compacted topic takes no record without key)"
    ),
    "INVALID_TIMESTAMP": Meaning(
        REFUSED, "its timestamp is outside of what the topic accepts (message.timestamp.*.max.ms)"
    ),
    "UNSUPPORTED_FOR_MESSAGE_FORMAT": Meaning(REFUSED, "the topic's message format is too old for it"),
    "POLICY_VIOLATION": Meaning(REFUSED, "a policy of the broker refuses it"),
    # The topic.
    "UNKNOWN_TOPIC_OR_PART": Meaning(TOPIC, "the topic or partition is not there; kept, and sent again when it is"),
    "UNKNOWN_TOPIC_ID": Meaning(TOPIC, "the topic was deleted and created again; kept, and sent again"),
    "INCONSISTENT_TOPIC_ID": Meaning(TOPIC, "the topic was deleted and created again; kept, and sent again"),
    "TOPIC_EXCEPTION": Meaning(
        TOPIC, "the topic's name is not one that Kafka accepts; kept until the configuration changes"
    ),
    "_UNKNOWN_TOPIC": Meaning(TOPIC, "the topic is not there; kept, and sent again when it is"),
    "_UNKNOWN_PARTITION": Meaning(TOPIC, "the partition is not there; kept, and sent again when it is"),
    # Permission.
    "TOPIC_AUTHORIZATION_FAILED": Meaning(CREDENTIALS, "this user may not write to the topic; kept, and tried again"),
    "CLUSTER_AUTHORIZATION_FAILED": Meaning(
        CREDENTIALS, "this user may not write idempotently (IdempotentWrite on the cluster); kept, and tried again"
    ),
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED": Meaning(
        CREDENTIALS, "this user may not use the transactional id; kept, and tried again"
    ),
    "SASL_AUTHENTICATION_FAILED": Meaning(CREDENTIALS, "the brokers refuse the credentials"),
    "UNSUPPORTED_SASL_MECHANISM": Meaning(CREDENTIALS, "the brokers do not offer this sasl.mechanism"),
    "SECURITY_DISABLED": Meaning(CREDENTIALS, "the brokers have security turned off"),
    "_AUTHENTICATION": Meaning(CREDENTIALS, "the brokers refuse the credentials"),
    # Says nothing about the record: sent again.
    "_INVALID_DIFFERENT_RECORD": Meaning(RETRY, "another record of its batch was refused; sent again"),
    "_PURGE_QUEUE": Meaning(RETRY, "the client was closed before it was sent"),
    "_PURGE_INFLIGHT": Meaning(RETRY, "the client was closed before the broker answered; it may have arrived"),
    "_DESTROY": Meaning(RETRY, "the client was closed before the broker answered; it may have arrived"),
    "_MSG_TIMED_OUT": Meaning(RETRY, "not acknowledged within message.timeout.ms; sent again"),
    "_QUEUE_FULL": Meaning(RETRY, "the client's queue is full (kafka.properties sets a limit on it); sent again"),
    "REQUEST_TIMED_OUT": Meaning(RETRY, "the replicas did not confirm in time; sent again"),
    "NOT_ENOUGH_REPLICAS": Meaning(RETRY, "fewer replicas are in sync than min.insync.replicas; sent again"),
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND": Meaning(RETRY, "fewer replicas confirmed than min.insync.replicas; sent again"),
    "INVALID_REQUIRED_ACKS": Meaning(RETRY, "the brokers do not accept the configured acks; sent again"),
    "OUT_OF_ORDER_SEQUENCE_NUMBER": Meaning(RETRY, "the broker lost track of this producer's sequence; sent again"),
    "DUPLICATE_SEQUENCE_NUMBER": Meaning(RETRY, "the broker has it already, but not where; sent again"),
    "UNKNOWN_PRODUCER_ID": Meaning(RETRY, "the broker forgot this producer; sent again"),
    "INVALID_PRODUCER_EPOCH": Meaning(RETRY, "the broker knows a newer epoch of this producer; sent again"),
    "_TRANSPORT": Meaning(RETRY, "the connection failed"),
    "_RESOLVE": Meaning(RETRY, "the host name is not known"),
    "_SSL": Meaning(RETRY, "TLS failed"),
    "_TIMED_OUT": Meaning(RETRY, "no answer in time"),
    "_ALL_BROKERS_DOWN": Meaning(RETRY, "no broker can be reached"),
    # The client.
    "_FATAL": Meaning(FATAL, "the client has given up; a new one is built"),
    "_GAPLESS_GUARANTEE": Meaning(FATAL, "the client has given up to keep the order; a new one is built"),
    "_FENCED": Meaning(FATAL, "another producer has taken this one's place; a new one is built"),
    "PRODUCER_FENCED": Meaning(FATAL, "another producer has taken this one's place; a new one is built"),
}


def classify(error: Any) -> DeliveryClass:
    """Return what ``error`` (a ``KafkaError``) asks of the daemon."""
    if error.fatal():
        return FATAL
    meaning = TABLE.get(error.name())
    return meaning.delivery if meaning else RETRY


def explain(error: Any) -> str:
    """Return what ``error`` (a ``KafkaError``) means in plain words, and its name, by which it can be looked up."""
    meaning = TABLE.get(error.name())
    return f"{meaning.says if meaning else error.str()} ({error.name()})"


_BROKER = re.compile(r"^(?:\[thrd:[^]]*\]: )?(?:\w+://)?(?P<address>\S+?:\d+)/\S+: (?P<text>.*)$", re.DOTALL)
_NOISE = re.compile(r" \(after \d+ms in state \w+(?:, \d+ identical error\(s\) suppressed)?\)")
_CONNECT = re.compile(r"^Connect to \S+ failed: (?P<why>.*)$")
_RESOLVE = re.compile(r"^Failed to resolve '[^']*': (?P<why>.*)$")


def broker_and_reason(text: str) -> tuple[str, str]:
    """Return which broker (``host:port``, or "") the client's ``text`` is about, and what it says, without jargon."""
    found = _BROKER.match(text)
    address, text = (found["address"], found["text"]) if found else ("", text)
    text = _NOISE.sub("", text).strip()
    if connect := _CONNECT.match(text):
        why = connect["why"]
        return address, why[:1].lower() + why[1:]
    if resolve := _RESOLVE.match(text):
        return address, f"the host name is not known ({resolve['why']})"
    return address, text


def reason(error: Any) -> str:
    """Return in plain words why the client cannot talk to a broker (``error`` as its error callback gets it)."""
    address, says = broker_and_reason(error.str())
    if error.name() in ("_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED"):
        says = f"the credentials were refused ({says})"
    return f"{address}: {says}" if address else says
