"""What each error of the Kafka client asks of the daemon, and the words in which a person is told.

One table, keyed by the client's own name of the error; ``ANSWERS`` says what the daemon does about each kind of it.
Whatever is not in the table is ``RETRY``: an error that is not known to say something about the record must never lead
to the record being given up. docs/errors.md shows both; tests hold the page against them, and provoke each row. Pure;
any thread.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, NamedTuple

from confluent_kafka import KafkaError

from shipper.model import DeliveryClass

REFUSED, TOPIC, CREDENTIALS, RETRY, FATAL = (
    DeliveryClass.REFUSED_RECORD,
    DeliveryClass.TOPIC,
    DeliveryClass.CREDENTIALS,
    DeliveryClass.RETRY,
    DeliveryClass.FATAL,
)


class Where(StrEnum):
    """Where an error comes to light."""

    REPORT = "report"  # in a record's delivery report
    CLIENT = "client"  # nowhere: the client tries again by itself, for as long as it takes
    CONNECTION = "connection"  # in the client's error callback
    TRANSACTION = "transaction"  # in a call for a transaction


class Meaning(NamedTuple):
    """What an error asks of the daemon, where it comes to light, and what it means in plain words."""

    delivery: DeliveryClass
    where: Where
    says: str


class Answer(NamedTuple):
    """What the daemon does about a kind of error, which events tell of it, and how it ends."""

    does: str
    told: str
    ends: str


ANSWERS: dict[tuple[Where, DeliveryClass], Answer] = {
    (Where.REPORT, REFUSED): Answer(
        "Narrows the batch down to the record that is meant, and keeps it as a dead letter; with `on_reject = "
        '"block"` its source stops before it and tries again.',
        "`batch.refused`, `record.deadlettered`; `record.refused`",
        "At once: the lines before and after it arrive in order. `shipper deadletter replay` sends it again.",
    ),
    (Where.REPORT, TOPIC): Answer(
        "Stops what goes to the topic, asks for it until it is there, and sends again from the acknowledged offsets. "
        "Other topics go on.",
        "`record.not_taken`, `topic.held`, `topic.missing`",
        "By itself, when the topic takes records again: within 2 s of being created, within a minute of being changed.",
    ),
    (Where.REPORT, CREDENTIALS): Answer(
        "Stops what goes to the topic, and tries again from the acknowledged offsets. Other topics go on.",
        "`record.not_taken`, `topic.denied`",
        "By itself, within a minute of the permission being given.",
    ),
    (Where.REPORT, RETRY): Answer(
        "Waits until nothing of the source is in flight, and sends again from the acknowledged offsets.",
        "`record.not_taken`, `source.rewound`",
        "By itself, when they are taken.",
    ),
    (Where.REPORT, FATAL): Answer(
        "Closes the client, makes a new one, and sends again from the acknowledged offsets, every 2 s at most.",
        "`client.gave_up`, `client.replaced`",
        "By itself, with a client that works.",
    ),
    (Where.CLIENT, RETRY): Answer(
        "Lets the client try again, in order; reading stops when `max_in_flight` is reached.",
        "`delivery.stalled` when nothing of a source was acknowledged for ten seconds, `delivery.resumed`",
        "By itself.",
    ),
    (Where.CONNECTION, RETRY): Answer(
        "Lets the client connect again, twice a second; reading stops when `max_in_flight` is reached.",
        "`broker.failed` for one broker, `brokers.away` with the reason when none answers, `brokers.back`",
        "By itself, within two seconds of a broker's answer.",
    ),
    (Where.CONNECTION, CREDENTIALS): Answer(
        "The same: what is right may be put right at the brokers. What is wrong in the configuration needs a reload.",
        "`broker.failed`, `brokers.away` with the reason, `brokers.back`",
        "By itself, or by a reload.",
    ),
    (Where.TRANSACTION, RETRY): Answer(
        "Repeats the call, or gives the transaction up: its lines are sent again from the last commit, and nobody who "
        "reads committed records sees them twice.",
        "`transaction.aborted` if it is given up",
        "By itself.",
    ),
    (Where.TRANSACTION, FATAL): Answer(
        "Makes a new client, which reads back what was committed, and goes on from there, every 2 s at most.",
        "`client.gave_up`, `client.replaced`, `transaction.outcome`",
        "By itself, with a client that works; with another daemon of the same `instance` the older one stops (75).",
    ),
    (Where.TRANSACTION, CREDENTIALS): Answer(
        "The same: a new client every 2 s, until one is let in.",
        "`client.gave_up`, `client.replaced`",
        "By itself, when the permission is given.",
    ),
}

# A broker refuses a batch as a whole: MSG_SIZE_TOO_LARGE and, from brokers that do not name the record, INVALID_RECORD
# are then reported for every record of the batch. docs/decisions/delivery-reports.md says how the guilty one is found.
# INVALID_TIMESTAMP is not the record's fault: it carries the time of its sending, and the next one is another.
TABLE: dict[str, Meaning] = {
    # The record, or the batch that it was in.
    "MSG_SIZE_TOO_LARGE": Meaning(
        REFUSED, Where.REPORT, "larger than the topic's max.message.bytes or the client's message.max.bytes"
    ),
    "RECORD_LIST_TOO_LARGE": Meaning(
        REFUSED, Where.REPORT, "the batch is larger than the broker's log segments (segment.bytes)"
    ),
    "INVALID_MSG_SIZE": Meaning(REFUSED, Where.REPORT, "the broker found its size to be invalid"),
    "INVALID_RECORD": Meaning(
        REFUSED, Where.REPORT, "the broker's validation refused it (a compacted topic takes no record without key)"
    ),
    "POLICY_VIOLATION": Meaning(REFUSED, Where.REPORT, "a policy of the broker refuses it"),
    # The topic.
    "UNKNOWN_TOPIC_OR_PART": Meaning(
        TOPIC, Where.REPORT, "the topic or partition is not there; kept, and sent again when it is"
    ),
    "UNKNOWN_TOPIC_ID": Meaning(TOPIC, Where.REPORT, "the topic was deleted and created again; kept, and sent again"),
    "INCONSISTENT_TOPIC_ID": Meaning(
        TOPIC, Where.REPORT, "the topic was deleted and created again; kept, and sent again"
    ),
    "TOPIC_EXCEPTION": Meaning(
        TOPIC, Where.REPORT, "the topic's name is not one that Kafka accepts; kept until the configuration changes"
    ),
    "INVALID_TIMESTAMP": Meaning(
        TOPIC,
        Where.REPORT,
        "the topic does not accept the present time: this machine's clock is wrong, or the topic's "
        "message.timestamp.before.max.ms or message.timestamp.after.max.ms is too small; kept, and sent again",
    ),
    "UNSUPPORTED_FOR_MESSAGE_FORMAT": Meaning(
        TOPIC, Where.REPORT, "the topic's message format is too old (message.format.version); kept, and sent again"
    ),
    "UNSUPPORTED_COMPRESSION_TYPE": Meaning(
        TOPIC, Where.REPORT, "the brokers do not take this kafka.compression; kept, and sent again"
    ),
    "_UNKNOWN_TOPIC": Meaning(TOPIC, Where.REPORT, "the topic is not there; kept, and sent again when it is"),
    "_UNKNOWN_PARTITION": Meaning(TOPIC, Where.REPORT, "the partition is not there (any more); kept, and sent again"),
    # Permission.
    "TOPIC_AUTHORIZATION_FAILED": Meaning(
        CREDENTIALS, Where.REPORT, "this user may not do that with the topic (Write and Describe are needed)"
    ),
    "CLUSTER_AUTHORIZATION_FAILED": Meaning(
        CREDENTIALS,
        Where.REPORT,
        "this user may not write anything (Write on a topic, or IdempotentWrite on the cluster); kept, and tried again",
    ),
    # Says nothing about the record: sent again.
    "_INVALID_DIFFERENT_RECORD": Meaning(RETRY, Where.REPORT, "another record of its batch was refused; sent again"),
    "_PURGE_QUEUE": Meaning(RETRY, Where.REPORT, "the client was closed before it was sent"),
    "_PURGE_INFLIGHT": Meaning(
        RETRY, Where.REPORT, "the client was closed before the broker answered; it may have arrived"
    ),
    "_MSG_TIMED_OUT": Meaning(RETRY, Where.REPORT, "not acknowledged within message.timeout.ms; sent again"),
    "_QUEUE_FULL": Meaning(
        RETRY, Where.REPORT, "the client's queue is full (kafka.properties sets a limit on it); sent again"
    ),
    "INVALID_REQUIRED_ACKS": Meaning(RETRY, Where.REPORT, "the brokers do not accept the configured acks; sent again"),
    "INVALID_PRODUCER_EPOCH": Meaning(
        RETRY, Where.REPORT, "the broker knows a newer epoch of this producer; sent again"
    ),
    "NETWORK_EXCEPTION": Meaning(RETRY, Where.REPORT, "the broker lost a connection of its own; sent again"),
    "THROTTLING_QUOTA_EXCEEDED": Meaning(RETRY, Where.REPORT, "a quota of the brokers is exhausted; sent again"),
    # The client is finished.
    "_FATAL": Meaning(FATAL, Where.REPORT, "the client has given up; a new one is built"),
    "_GAPLESS_GUARANTEE": Meaning(
        FATAL, Where.REPORT, "the client has given up to keep the order (enable.gapless.guarantee); a new one is built"
    ),
    "OUT_OF_ORDER_SEQUENCE_NUMBER": Meaning(
        FATAL, Where.REPORT, "the broker lost track of this producer's sequence; a new one is built"
    ),
    # Passes: the client sees to it.
    "INVALID_MSG": Meaning(RETRY, Where.CLIENT, "the request was damaged on its way"),
    "LEADER_NOT_AVAILABLE": Meaning(RETRY, Where.CLIENT, "the partition has no leader just now"),
    "NOT_LEADER_FOR_PARTITION": Meaning(RETRY, Where.CLIENT, "the partition has another leader now"),
    "BROKER_NOT_AVAILABLE": Meaning(RETRY, Where.CLIENT, "the broker is not available just now"),
    "REPLICA_NOT_AVAILABLE": Meaning(RETRY, Where.CLIENT, "a replica is not available just now"),
    "REQUEST_TIMED_OUT": Meaning(RETRY, Where.CLIENT, "the replicas did not confirm in time"),
    "NOT_ENOUGH_REPLICAS": Meaning(RETRY, Where.CLIENT, "fewer replicas are in sync than min.insync.replicas"),
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND": Meaning(
        RETRY, Where.CLIENT, "fewer replicas confirmed than min.insync.replicas"
    ),
    "KAFKA_STORAGE_ERROR": Meaning(RETRY, Where.CLIENT, "the broker's disk is full, or fails"),
    "UNKNOWN_PRODUCER_ID": Meaning(RETRY, Where.CLIENT, "the broker forgot this producer"),
    "DUPLICATE_SEQUENCE_NUMBER": Meaning(
        RETRY, Where.CLIENT, "the broker says that it has it already, and not where: sent again"
    ),
    # The connection.
    "_TRANSPORT": Meaning(RETRY, Where.CONNECTION, "the connection failed"),
    "_RESOLVE": Meaning(RETRY, Where.CONNECTION, "the host name is not known"),
    "_SSL": Meaning(RETRY, Where.CONNECTION, "TLS failed"),
    "_TIMED_OUT": Meaning(RETRY, Where.CONNECTION, "no answer in time"),
    "_ALL_BROKERS_DOWN": Meaning(RETRY, Where.CONNECTION, "no broker can be reached"),
    "_AUTHENTICATION": Meaning(CREDENTIALS, Where.CONNECTION, "the brokers refuse the credentials"),
    # Transactions.
    "COORDINATOR_NOT_AVAILABLE": Meaning(RETRY, Where.TRANSACTION, "the coordinator is not available just now"),
    "COORDINATOR_LOAD_IN_PROGRESS": Meaning(RETRY, Where.TRANSACTION, "the coordinator is still starting"),
    "NOT_COORDINATOR": Meaning(RETRY, Where.TRANSACTION, "another broker is the coordinator now"),
    "CONCURRENT_TRANSACTIONS": Meaning(RETRY, Where.TRANSACTION, "the one before it is still being ended"),
    "TRANSACTION_ABORTABLE": Meaning(RETRY, Where.TRANSACTION, "the broker asks for the transaction to be given up"),
    "_INCONSISTENT": Meaning(RETRY, Where.TRANSACTION, "a record of the transaction was not taken"),
    "INVALID_PRODUCER_ID_MAPPING": Meaning(
        FATAL, Where.TRANSACTION, "the coordinator forgot this producer (transactional.id.expiration.ms)"
    ),
    "INVALID_TXN_STATE": Meaning(FATAL, Where.TRANSACTION, "the coordinator knows of no such transaction"),
    "INVALID_TRANSACTION_TIMEOUT": Meaning(
        FATAL, Where.TRANSACTION, "transaction.timeout.ms is larger than the brokers' transaction.max.timeout.ms"
    ),
    "_FENCED": Meaning(
        FATAL,
        Where.TRANSACTION,
        "another producer has taken this one's place, or its transaction outlived transaction.timeout.ms",
    ),
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED": Meaning(
        CREDENTIALS, Where.TRANSACTION, "this user may not use the transactional id (Write and Describe)"
    ),
}


# The name and the meaning of what is no error of the client's: it reports a record as delivered for which no broker has
# named an offset.
IMPLIED = ("IMPLIED", "the client concludes that it was taken, and no broker has said so; sent again")

# Errors that a reader passes over. It asks for a group's coordinator although no group is used: who may not is told so.
PASSING = (
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - public, in spite of their names
    KafkaError._TRANSPORT,  # noqa: SLF001
    KafkaError._TIMED_OUT,  # noqa: SLF001
    KafkaError.GROUP_AUTHORIZATION_FAILED,
)


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
_OPENSSL = re.compile(r"error:[0-9A-F]+:SSL routines::")
_ASKS_WHO = re.compile(r"alert (?:bad certificate|certificate required|unknown ca)")  # from the other side
_RESOLVE = re.compile(r"^Failed to resolve '[^']*': (?P<why>.*)$")


def broker_and_reason(text: str) -> tuple[str, str]:
    """Return which broker (``host:port``, or "") the client's ``text`` is about, and what it says, without jargon."""
    found = _BROKER.match(text)
    address, text = (found["address"], found["text"]) if found else ("", text)
    text = _OPENSSL.sub("", _NOISE.sub("", text)).strip()
    if connect := _CONNECT.match(text):
        why = connect["why"]
        return address, why[:1].lower() + why[1:]
    if resolve := _RESOLVE.match(text):
        return address, f"the host name is not known ({resolve['why']})"
    return address, text


def failure(error: Any) -> tuple[str, str]:
    """Return which broker (or "") the client cannot talk to, and why (``error`` as its error callback gets it)."""
    address, says = broker_and_reason(error.str())
    if error.name() in ("_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED"):
        says = f"the credentials were refused ({says}); see kafka.sasl, or sasl.* under kafka.properties"
    elif _ASKS_WHO.search(says):
        says = f"the brokers ask for a certificate that they trust ({says}); see kafka.tls: certificate and key"
    return address, says


def reason(error: Any) -> str:
    """Return what :func:`failure` says as one sentence."""
    address, says = failure(error)
    return f"{address}: {says}" if address else says
