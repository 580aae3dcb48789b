"""The ``[kafka]`` table as properties of the client. Pure; any thread.

The properties under ``[kafka.properties]`` win over everything here: ``config.properties`` has refused those that would
break a promise.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from shipper.config import KafkaConfig
from shipper.config.properties import MESSAGE_MAX_BYTES, MESSAGE_MAX_BYTES_DEFAULT
from shipper.kafka.security import security_settings

STATISTICS = 5000  # milliseconds between two: half of the time after which a stall is told (see stats.py)
FILLS = 1.0  # seconds for which a batch may wait to be full
BATCH_SIZE = 1_000_000  # the client's default of batch.size

PRODUCER_ONLY = (  # how the names of properties begin that only a producer that sends understands
    *("acks", "batch.", "compression.", "delivery.", "enable.gapless", "enable.idem", "error_cb", "linger.ms"),
    *("max.in.flight", "message.send", "message.timeout", "partitioner", "queue.", "request.required"),
    *(
        "request.timeout",
        "retries",
        "statistics.",
        "sticky.",
        "throttle_cb",
        "topic.metadata.propagation",
        "transaction",
    ),
)


def producer_settings(config: KafkaConfig) -> dict[str, Any]:
    """Return the properties of a producer that loses nothing and keeps the order."""
    return {
        "bootstrap.servers": config.bootstrap_servers,
        "client.id": "shipper",
        # Nothing lost, nothing reordered: acknowledged by all replicas in sync, tried for ever.
        "enable.idempotence": True,
        "acks": "all",
        "message.timeout.ms": 0,
        # With more than one request on the way to a partition, a record can be lost that was reported as delivered: see
        # docs/decisions/one-request-at-a-time.md.
        "max.in.flight": 1,
        "retries": 2147483647,
        "retry.backoff.ms": round(config.retry_backoff * 1000),
        "retry.backoff.max.ms": round(max(config.retry_backoff, config.retry_backoff_max) * 1000),
        # One bound only, the ledger's max_in_flight: the client's queue has none (0) or one out of reach, so that it is
        # never full, however small the records are.
        "queue.buffering.max.messages": 0,
        "queue.buffering.max.kbytes": 2147483647,
        # A batch waits until it is full, or until it is told to go (Producer.push). While one waits for its answer,
        # the thread of an idempotent client goes round without end as soon as what is queued has waited for longer
        # than this (docs/decisions/pushing.md).
        "linger.ms": FILLS * 1000,
        "compression.type": config.compression,
        "partitioner": config.partitioner,
        # A producer's own default is to create topics by asking for them; this decides it for every request it makes.
        "allow.auto.create.topics": config.allow_auto_create_topics,
        # How long the client believes its old knowledge of a topic. The probe decides when records may be sent, so
        # short: a topic that was falsely reported missing comes back no sooner than this.
        "topic.metadata.propagation.max.ms": 2000,
        # While the probe waits for a broker the client tries to connect every reconnect.backoff.ms/2: few enough for a
        # cluster that a whole fleet waits for, often enough to notice it within a second (the client adds up to 50 %).
        "reconnect.backoff.ms": 400,
        "reconnect.backoff.max.ms": 600,
        "socket.connection.setup.timeout.ms": 10000,
        "socket.keepalive.enable": True,
        # They say why records wait, where the client says nothing.
        "statistics.interval.ms": STATISTICS,
        # An idle connection that a broker closes is no news.
        "log.connection.close": False,
        "log.thread.name": False,
        **security_settings(config),
        **config.properties,
    }


def reader_settings() -> dict[str, Any]:
    """Return the properties of a consumer that reads partitions which are assigned to it, each from its beginning."""
    return {
        "group.id": f"shipper-{uuid.uuid4()}",  # demanded by the client; nothing is ever committed to it
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "log_level": 0,  # what goes wrong is raised
    }


def shared_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what any client, an admin client or a consumer too, needs of a producer's properties."""
    return {name: value for name, value in settings.items() if not name.startswith(PRODUCER_ONLY)}


def unanswered(settings: Mapping[str, Any]) -> str:
    """Return what may be wrong where brokers never answered and the client does not say why."""
    protocol = str(settings.get("security.protocol", "plaintext")).upper()
    return (
        f"{settings['bootstrap.servers']} takes connections and does not answer: is Kafka there, and is its listener "
        f'{protocol}? (kafka.properties."security.protocol")'
    )


def batch_size(settings: Mapping[str, Any]) -> int:
    """Return how large a batch of these properties may be in bytes, unless a single record is larger."""
    return min(int(settings.get("batch.size", BATCH_SIZE)), message_max(settings))


def message_max(settings: Mapping[str, Any]) -> int:
    """Return how large a record the client takes."""
    return int(settings.get(MESSAGE_MAX_BYTES, MESSAGE_MAX_BYTES_DEFAULT))
