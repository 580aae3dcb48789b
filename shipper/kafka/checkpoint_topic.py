"""The topic that keeps the checkpoints with ``exactly_once``: what it has to be, its creation, what is wrong with it.

Any thread.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ConfigResource, ResourceType  # type: ignore[attr-defined]
from confluent_kafka.cimpl import NewTopic

ANSWER = 10.0  # seconds for an answer of the admin client
PARTITIONS = 12  # of a topic that is created here
SETTINGS = {
    "cleanup.policy": "compact",
    # Small segments, often compacted: reading back then takes no longer than the checkpoints are many.
    "segment.bytes": "16777216",
    "min.cleanable.dirty.ratio": "0.1",
}


def new_topic(name: str) -> NewTopic:
    """Return the topic as it is created."""
    return NewTopic(name, num_partitions=PARTITIONS, config=SETTINGS)


def keeps(policy: str) -> bool:
    """Whether a topic of this ``cleanup.policy`` keeps what was written last, however long ago."""
    return policy == "compact"  # "compact,delete" removes it with its segment


def create(admin: Any, name: str) -> bool:
    """Create it with ``admin``; whether it was not there. Raises KafkaException, and TimeoutError without an answer."""
    try:
        admin.create_topics([new_topic(name)])[name].result(ANSWER)
    except KafkaException as raised:
        if raised.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
        return False
    return True


def when_unfit(admin: Any, name: str, tell: Callable[[str], None]) -> None:
    """Have ``tell`` called with its ``cleanup.policy`` where it does not keep what was written last; does not wait.

    Who may not ask is not told.
    """

    def judge(answer: Future[Any]) -> None:
        if answer.exception() is None and not keeps(policy := answer.result()["cleanup.policy"].value):
            tell(policy)

    resource = ConfigResource(ResourceType.TOPIC, name)
    admin.describe_configs([resource], request_timeout=ANSWER)[resource].add_done_callback(judge)
