"""Asks how large a batch each topic takes (its ``max.message.bytes``): the probe's thread only.

That is the admin interface's to say, which needs a client of its own. It lives while there are questions, and is not
kept for the next one: a whole fleet would hold connections that nobody uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported, but not by its types
    AdminClient,
    ConfigResource,
    ResourceType,
)

from shipper.kafka.errors import explain
from shipper.kafka.settings import shared_settings

ANSWER = "max.message.bytes"


class TopicLimits:
    """Asks about one topic after the other."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = shared_settings(settings) | {"log_level": 0}  # what goes wrong is returned
        self._admin: Any = None

    def ask(self, topic: str, broker: int, timeout: float) -> int | str:
        """Return the largest batch that ``topic`` takes in bytes, or why that is not known.

        ``broker`` is asked, as any knows: the client itself would wait for a controller, and the mock cluster has none.
        """
        resource = ConfigResource(ResourceType.TOPIC, topic)
        try:
            if self._admin is None:
                self._admin = AdminClient(self._settings)
            asked = self._admin.describe_configs([resource], request_timeout=timeout, broker=broker)
            return int(asked[resource].result(timeout + 5.0)[ANSWER].value)  # it says by itself when it is too late
        except KafkaException as raised:
            return explain(raised.args[0])
        except TimeoutError:
            return "no answer"

    def rest(self) -> None:
        """Let go of the client: there is nothing to ask for now."""
        self._admin = None
