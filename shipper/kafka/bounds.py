"""Where a partition begins and ends now, for one who reads as the client does or all there is. Any thread; it waits.

Each end is asked for by a request of its own. ``get_watermark_offsets`` sends two at once, and where the first is
answered with an error, and both answers have come when it looks, it forgets the error and says that the partition is
empty (librdkafka 2.15, ``rd_kafka_query_wmark_offsets_resp_cb``): an audit would miss every record, and a daemon that
delivers exactly once would forget what it has committed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # re-exported, but not by its types

AGAIN = 0.05  # seconds until a partition that changes its leader is asked again

# The client asks for the new leader by itself then, but does not repeat the question.
MOVING = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.REPLICA_NOT_AVAILABLE,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.KAFKA_STORAGE_ERROR,
)


SPECS = {OFFSET_BEGINNING: OffsetSpec.earliest, OFFSET_END: OffsetSpec.latest}  # the same to an admin client
Ask = Callable[[TopicPartition, float], int]  # where, seconds -> an offset; raises KafkaException


def bounds(client: Any, topic: str, partition: int, timeout: float) -> tuple[int, int]:
    """Return the offset of a partition's first record and the one after its last, both 0 or more.

    ``client`` is a consumer, whose isolation level counts. While the partition changes its leader it is asked again,
    for ``timeout`` seconds. Raises KafkaException for what else goes wrong, and when the time is over.
    """

    def ask(where: TopicPartition, timeout: float) -> int:
        # Kafka's ListOffsets takes these two in place of a time, and the client hands them on.
        (found,) = client.offsets_for_times([where], timeout=timeout)
        if found.error is not None:
            raise KafkaException(found.error)
        return int(found.offset)

    return _bounds(ask, topic, partition, timeout)


def all_bounds(admin: Any, topic: str, partition: int, timeout: float) -> tuple[int, int]:
    """Return the same of all there is, committed or not; ``admin`` is an admin client that is connected."""

    def ask(where: TopicPartition, timeout: float) -> int:
        asked = admin.list_offsets(
            {TopicPartition(where.topic, where.partition): SPECS[where.offset]()},  # type: ignore[no-untyped-call]
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
            request_timeout=timeout,
        )
        (answer,) = asked.values()
        return int(answer.result().offset)

    return _bounds(ask, topic, partition, timeout)


def _bounds(ask: Ask, topic: str, partition: int, timeout: float) -> tuple[int, int]:
    until = time.monotonic() + timeout
    first, end = (_patiently(ask, TopicPartition(topic, partition, at), until) for at in (OFFSET_BEGINNING, OFFSET_END))
    return first, end


def _patiently(ask: Ask, where: TopicPartition, until: float) -> int:
    moving: Any = None
    while True:
        left = until - time.monotonic()
        try:
            return ask(where, max(left, AGAIN))
        except KafkaException as raised:
            error = raised.args[0]
        if error.code() in MOVING:
            moving = error
        elif moving is not None and error.code() == KafkaError._TIMED_OUT:  # noqa: SLF001 - it is public
            error = moving  # it says why no answer came in time
        if error is not moving or left <= AGAIN:
            raise KafkaException(error)
        time.sleep(AGAIN)
