"""An embedded broker that can be told to fail, and producers of ours at it, driven by hand."""

from __future__ import annotations

import gc
import itertools
import time
from typing import Any

from shipper.config import KafkaConfig
from shipper.events import Events
from shipper.kafka.hanging import Known
from shipper.kafka.producer import Producer
from shipper.kafka.transactions import Outcome, TransactionalProducer
from shipper.model import Messages
from tests.harness.mock_errors import Api, FaultyBroker
from tests.harness.polling import poll_until, ready

CHECKPOINTS = "shipper.checkpoints"


class World:
    """An embedded broker, and producers of ours that end with the test."""

    def __init__(self) -> None:
        self.broker = FaultyBroker()
        self.broker.make(CHECKPOINTS)
        self.told: list[str] = []
        self.errors: list[str] = []  # names that came through the error callback
        self._made: list[Producer] = []
        self._topics = (f"t{number}" for number in itertools.count())
        self._runs = itertools.count()

    def close(self) -> None:
        for producer in self._made:
            producer.close(0)
        self.broker.forgive(*Api)
        self._made.clear()
        gc.collect()  # else clients go on looking for a broker that is gone, and tests that come later wonder about it

    def topic(self) -> str:
        """Make a topic that no other test has."""
        name = next(self._topics)
        self.broker.make(name)
        return name

    def producer(self, bootstrap: str | None = None, **properties: str) -> Producer:
        made = Producer(self._config(bootstrap, properties), self._events())
        return self._listen(made)

    def transactional(self, **properties: str) -> TransactionalProducer:
        """Return a producer that is being opened."""
        made = TransactionalProducer(
            self._config(None, properties),
            self._events(),
            instance="i",
            run=str(next(self._runs)),
            known=Known(set()),
            accept=lambda recovered: None,
            wake=lambda: None,
            clock=time.monotonic,
        )
        self._listen(made)
        return made

    def _config(self, bootstrap: str | None, properties: dict[str, str]) -> KafkaConfig:
        servers = bootstrap or self.broker.bootstrap
        return KafkaConfig(
            bootstrap_servers=servers, retry_backoff=0.01, properties=properties, checkpoint_topic=CHECKPOINTS
        )

    def _events(self) -> Events:
        return Events(lambda level, name, fields: self.told.append(f"{name} {fields}"))

    def _listen(self, made: Producer) -> Producer:
        self._made.append(made)
        heard = made._probe.client_error

        def listen(error: Any) -> None:
            self.errors.append(error.name())
            heard(error)

        made._probe.client_error = listen  # type: ignore[method-assign]
        return made


class Sent:
    """One record, and what was reported of it: ``None`` for its arrival; ``implied``: no broker has said so."""

    def __init__(self, producer: Producer, topic: str, value: bytes = b"v") -> None:
        self.errors: list[Any] = []
        self.implied = False
        self._producer, self._topic, self._value = producer, topic, value

    def ack(self, count: int) -> None:
        self.errors += [None] * count

    def nack(self, error: Any, _topic: str, count: int) -> None:
        self.errors += [error] * count
        self.implied = error is None

    def send(self) -> Sent:
        self._producer.send(self._topic, Messages([self._value], b"k"), self)
        return self

    def result(self) -> str:
        """Wait for the report; return the error's name, "" for none."""
        poll_until(self._producer, "a report", lambda: self.errors)
        error = self.errors[0]
        return error.name() if error is not None else ""


def send(producer: Producer, topic: str, value: bytes = b"v") -> str:
    ready(producer, topic)
    return Sent(producer, topic, value).send().result()


def opened(producer: TransactionalProducer) -> TransactionalProducer:
    poll_until(producer, "the client to open", lambda: producer.recovered is not None)
    return producer


def commit(producer: TransactionalProducer) -> Outcome:
    producer.begin()
    producer.prepare(1, 1, 0, (), ())
    while (outcome := producer.commit(0.1)) is Outcome.PENDING:
        pass
    return outcome
