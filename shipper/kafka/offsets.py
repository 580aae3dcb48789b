"""Checkpoints in a topic of Kafka: how they are written there, and how they are read back.

An instance has one partition of the topic, by a hash of its name, and reads only that. A message's key is the instance,
the source and the uid; its value is the whole checkpoint, none at all where it was removed. Each transaction also
writes one message under the key of the instance alone, which says whose and which transaction it was.

A consumer that reads committed records stops before the first transaction that is open, whosever it is. So the end of
the partition is asked for as one sees it that reads everything, and what was committed is known only when the reading
has come that far. Called by the thread that opens a client; reads, and changes nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from shipper.errors import StateError
from shipper.kafka.bounds import all_bounds
from shipper.kafka.errors import PASSING
from shipper.kafka.settings import reader_settings
from shipper.model import Checkpoint, Clock

TIMEOUT = 5.0  # seconds for one question
BATCH = 10_000
PATIENCE = 2.0  # seconds without progress after which somebody else's transaction is told of

Key = tuple[str, str]  # source, uid


class Transaction(msgspec.Struct, frozen=True):
    """Whose and which transaction was the last one. ``run`` is made up by every run of a daemon."""

    run: str
    number: int


class Entry(msgspec.Struct, frozen=True):
    """A checkpoint as it stands in the topic.

    ``epoch``: how often this instance had changed to exactly_once, so that one can tell what was written before it last
    delivered otherwise. ``edits``: how many edits of checkpoints the daemon knew of.
    """

    checkpoint: Checkpoint
    run: str
    epoch: int
    edits: int = 0


@dataclass(slots=True)
class Recovered:
    """What an instance has committed."""

    last: Transaction | None = None
    entries: dict[Key, Entry] = field(default_factory=dict)


def partition_of(instance: str, partitions: int) -> int:
    """Return the partition of an instance."""
    return zlib.crc32(instance.encode()) % partitions


def key_of(instance: str, *rest: str) -> bytes:
    """Return a message's key: of a checkpoint by source and uid, of the instance itself by nothing."""
    return msgspec.json.encode([instance, *rest])


def read_back(
    admin: Any,
    settings: dict[str, Any],
    topic: str,
    instance: str,
    partition: int,
    *,
    waiting: Callable[[], None],
    stopping: Callable[[], bool],
    clock: Clock,
) -> Recovered:
    """Return what ``instance`` has committed; ``waiting`` is called while another's open transaction is in the way.

    ``admin`` is an admin client that is connected, ``settings`` are those of a consumer. Raises KafkaException where
    the brokers do not answer, StateError for a message that is none of ours.
    """
    first, end = all_bounds(admin, topic, partition, TIMEOUT)
    found = Recovered()
    if first >= end:
        return found
    with _Reader(settings) as reader:
        reader.list_topics(topic, timeout=TIMEOUT)  # who assigns before a leader is known waits for a timer of 500 ms
        reader.assign([TopicPartition(topic, partition, first)])
        moved_at = clock()
        while not stopping():
            for message in _next(reader):
                error = message.error()
                if error is None:
                    moved_at = clock()
                    _take(found, instance, message)
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - public, in spite of its name
                    if message.offset() >= end:
                        return found
                elif not error.retriable() and error.code() not in PASSING:
                    raise KafkaException(error)
            if clock() - moved_at > PATIENCE:
                waiting()
    return found


def _next(reader: Any) -> list[Any]:
    """Return what there is, as soon as there is something."""
    message = reader.poll(0.1)
    return [message, *reader.consume(BATCH, timeout=0)] if message is not None else []


class _Reader:
    """A consumer that belongs to no group and says of each partition where it ends."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._client: Any = Consumer(
            settings
            | {
                **reader_settings(),
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 10,  # how long a broker waits before it says that there is no more
                "reconnect.backoff.ms": 40,  # a new client tries its second connection after half of it
            }
        )

    def __enter__(self) -> Any:
        return self._client

    def __exit__(self, *_: object) -> None:
        self._client.close()


def _take(found: Recovered, instance: str, message: Any) -> None:
    try:
        key = msgspec.json.decode(message.key() or b"", type=list[str])
        if key[0] != instance:
            return
        value = message.value()
        if len(key) == 1:
            found.last = msgspec.json.decode(value, type=Transaction)
        elif value is None:
            found.entries.pop((key[1], key[2]), None)
        else:
            found.entries[key[1], key[2]] = msgspec.json.decode(value, type=Entry)
    except (msgspec.DecodeError, IndexError, TypeError) as wrong:
        where = f"topic {message.topic()}, partition {message.partition()}, offset {message.offset()}"
        raise StateError(
            f"{where} holds no checkpoint of shipper ({wrong}); set kafka.checkpoint_topic to one of its own"
        ) from None
