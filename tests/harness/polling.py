"""Waits for what a client of ours has to tell, which it does only while it is polled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from shipper.kafka.producer import Producer
from shipper.model import TopicState
from tests.harness.wait import eventually


class Polled(Protocol):
    """A client, or a producer that has one."""

    def poll(self, timeout: float, /) -> object:
        """Serve what has come."""


def poll_until(client: Polled, what: str, check: Callable[[], object]) -> None:
    """Poll until it is so."""

    def step() -> object:
        client.poll(0.01)
        return check()

    eventually(what, step)


def ready(producer: Producer, topic: str) -> None:
    """Wait until records may be sent to a topic."""
    poll_until(producer, f"{topic} to be ready", lambda: producer.topic_state(topic) is TopicState.READY)
