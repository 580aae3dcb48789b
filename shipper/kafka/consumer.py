"""Reads topics from their beginning: for the demo, which checks what arrived. One thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from shipper.errors import ConnectError
from shipper.kafka.errors import PASSING, explain
from shipper.kafka.settings import reader_settings

BATCH = 10_000


def read_from(
    bootstrap: str,
    topics: Iterable[str],
    *,
    until: Callable[[], bool] | None = None,
    timeout: float = 10.0,
    properties: dict[str, str] | None = None,
) -> Iterator[Any]:
    """Yield every message (``confluent_kafka.Message``) of ``topics`` from the beginning, in order within a partition.

    Ends when the end of every partition was reached, as it was at that moment; with ``until``, not before that is true
    as well: it is asked whenever nothing is there to be read. Raises ConnectError when there is no answer within
    ``timeout`` seconds, or a topic is not there.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            **reader_settings(),
            **(properties or {}),
        }
    )
    try:
        waiting: set[Any] = {(topic, p) for topic in topics for p in _partitions(consumer, topic, timeout)}
        consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for topic, p in sorted(waiting)])
        while True:
            messages = consumer.consume(BATCH, timeout=0.1)
            for message in messages:
                where = (message.topic(), message.partition())
                error = message.error()
                if error is None:
                    waiting.add(where)
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - public, in spite of its name
                    waiting.discard(where)
                elif not error.retriable() and error.code() not in PASSING:
                    raise ConnectError(f"reading {message.topic()} failed: {explain(error)}")
            if not messages and not waiting and (until is None or until()):
                return
    finally:
        consumer.close()


def _partitions(consumer: Any, topic: str, timeout: float) -> list[int]:
    try:
        found = consumer.list_topics(topic, timeout=timeout).topics[topic]
    except KafkaException as raised:
        raise ConnectError(f"the brokers do not answer: {explain(raised.args[0])}") from None
    if found.error is not None:
        raise ConnectError(f"topic {topic}: {explain(found.error)}")
    return list(found.partitions)
