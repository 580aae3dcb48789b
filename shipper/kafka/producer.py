"""Where records go: ``model.Sink`` on idempotent clients, one for each size of batches.

A topic that takes less than the client's usual batches has a client whose batches are small enough, so that none is
refused for its size. Most often there is one client only.

Called by the pump thread only (``status`` by any). Invariants: every message that ``send`` was given gets exactly one
report, from within ``poll`` or ``close`` and never from within ``send``; nothing in Python runs for a message between
the two. The clients' own log and errors also arrive within ``poll``.
"""

from __future__ import annotations

import math
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Any, NamedTuple, Protocol

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, Message

from shipper.config import KafkaConfig
from shipper.errors import ConfigError, ProducerFatal
from shipper.events import Events
from shipper.kafka.errors import broker_and_reason, explain
from shipper.kafka.limits import TopicLimits
from shipper.kafka.probe import BrokerStatus, Probe
from shipper.kafka.security import not_taken
from shipper.kafka.settings import batch_size, message_max, producer_settings, unanswered
from shipper.kafka.stats import Latest, why_waiting
from shipper.kafka.tls import why_untrusted
from shipper.model import Clock, DeliveryReport, TopicState

# A client that is closed after it was fenced tells of it on stderr; that was told already.
warnings.filterwarnings("ignore", "Producer abort_transaction failed during close", RuntimeWarning)

FEW = 64  # records of a chunk that do not go to the client by themselves ...
MANY = 4096  # ... before there are so many of them, or ``poll`` is called
RESERVE = 512  # bytes: what a record needs in a batch beside its key and value, at most, with the batch's own head
ANY_PARTITION = -1  # the partitioner chooses
THROTTLED = 5.0  # seconds for which a broker that held back the client may be the reason of a wait, after it has ended
LET_GO = 1.0  # how long close() waits for a client that has nothing left to do


class Run(NamedTuple):
    """Records of one topic, in order; what is ``None`` no record has."""

    topic: str
    messages: Sequence[dict[str, Any]]
    headers: Sequence[list[tuple[str, bytes]]] | None
    timestamps: Sequence[int] | None

    def cut(self, start: int, stop: int | None) -> Run:
        """Return some of the records."""
        at = slice(start, stop)
        headers, timestamps = self.headers and self.headers[at], self.timestamps and self.timestamps[at]
        return Run(self.topic, self.messages[at], headers, timestamps)


def runs(
    topic: str,
    messages: Sequence[dict[str, Any]],
    headers: Sequence[list[tuple[str, bytes]]] | None,
    topics: Sequence[str] | None,
    timestamps: Sequence[int] | None,
) -> Iterator[Run]:
    """Yield the records of each topic, in order: the one whose record comes last is the last one."""
    if topics is None:
        yield Run(topic, messages, headers, timestamps)
        return
    places: dict[str, list[int]] = {}
    for index, one in enumerate(topics):
        places.setdefault(one, []).append(index)
    for one, at in sorted(places.items(), key=lambda item: item[1][-1]):
        yield Run(
            one,
            [messages[i] for i in at],
            headers and [headers[i] for i in at],
            timestamps and [timestamps[i] for i in at],
        )


class Producer:
    """Sends records; built anew by the pump after :class:`ProducerFatal`.

    ``wake`` is called from the probe's thread when a topic's state changes, or brokers go away or come back.
    """

    _few_are = FEW

    def __init__(
        self,
        config: KafkaConfig,
        events: Events,
        *,
        wake: Callable[[], None] = lambda: None,
        clock: Clock = time.monotonic,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self._config = config
        self._events = events
        self._clock = clock
        self._failed: deque[tuple[DeliveryReport, Any, Any]] = deque()  # what the client did not take, to be reported
        self._fatal = ""
        self._few: list[dict[str, Any]] = []  # of small chunks, each with its own callback, for ...
        self._few_for = ""  # ... this topic
        self._throttled_until = -math.inf  # by the clock
        callbacks = {"error_cb": self._client_error, "throttle_cb": self._throttle}
        self._settings = producer_settings(config) | (settings or {}) | callbacks
        self._batch, self._most = batch_size(self._settings), message_max(self._settings)
        self._statistics: list[Latest] = []  # of each client
        client = self._new_client({})
        self._clients: dict[int, Any] = {self._batch: client}  # by the size of their batches
        self._small: set[str] = set()  # topics that were told to take less than a usual batch
        limits, creates = TopicLimits(self._settings), config.allow_auto_create_topics
        self._probe = Probe(
            client.list_topics,
            limits,
            events,
            wake,
            clock,
            creates=creates,
            hint=unanswered(self._settings),
            untrusted=lambda address, most: why_untrusted(address, self._settings, most),
        )
        self._probe.start()

    def topic_state(self, topic: str) -> TopicState:
        """Whether records may be sent to ``topic``; a new topic is asked about in the background."""
        return self._probe.state(topic)

    def fits(self, topic: str) -> int:
        """Bytes of key and value that ``topic`` takes, as far as is known; a larger record is alone in its batch."""
        limit = self._probe.limit(topic)
        return (self._most if limit is None else min(self._most, limit)) - RESERVE

    def hold(self, topic: str) -> None:
        """Forget that ``topic`` was ready: it is asked about again."""
        self._probe.hold(topic)

    def status(self) -> BrokerStatus:
        """Whether brokers answer. Nothing is known before the first topic was asked about."""
        return self._probe.status()

    def why_waiting(self, topics: set[str]) -> tuple[str, str]:
        """Return where records for ``topics`` wait although brokers answer, and why, in words."""
        throttled = self._clock() < self._throttled_until + THROTTLED
        return why_waiting((latest.text for latest in self._statistics), topics, throttled=throttled)

    def send(
        self, topic: str, messages: Sequence[dict[str, Any]], report: DeliveryReport, *, alone: bool = False
    ) -> None:
        """Queue ``messages`` (dicts of bytes: value and key), in order; ``report`` is called once for each.

        A few go to the client with the next ones, or with the next ``poll``; the list and its dicts are then ours.
        What the client does not take (a record over message.max.bytes, alone; everything, after a topic's error or when
        it has given up; the rest, when a queue limit set by the user is reached) is reported from the next ``poll``.
        """
        if alone or len(messages) > self._few_are:
            self._hand_over()
            batch = messages if isinstance(messages, list) else list(messages)
            if self._client(topic, alone=alone).produce_batch(topic, batch, on_delivery=report) != len(batch):
                self._not_queued(topic, batch, report)
            return
        if topic != self._few_for or len(self._few) >= MANY:
            self._hand_over()
            self._few_for = topic
        for message in messages:
            message["callback"] = report
        self._few += messages

    def _hand_over(self) -> None:
        """Queue what a few calls of ``send`` had to send: the client's price is for each call."""
        if batch := self._few:
            self._few = []
            topic = self._few_for
            if self._client(topic, alone=False).produce_batch(topic, batch) != len(batch):
                self._not_queued(topic, batch, None)

    def _not_queued(self, topic: str, batch: list[dict[str, Any]], report: DeliveryReport | None) -> None:
        """Note what the client did not take of a batch; without ``report`` each message has its own."""
        for message in batch:
            error = message.pop("_error", None)
            if error is not None:
                told = Message(topic=topic, key=message.get("key"), value=message.get("value"), error=error)
                self._failed.append((report or message["callback"], error, told))

    def send_with(
        self,
        topic: str,
        message: dict[str, Any],
        headers: Sequence[tuple[str, bytes]],
        report: DeliveryReport,
        *,
        alone: bool = False,
    ) -> None:
        """Queue one message that has headers, which cost too much for every record: ``produce_batch`` has none.

        What the client does not take is reported from the next ``poll``.
        """
        self.send_each(topic, [message], [list(headers)], report, alone=alone)

    def send_each(
        self,
        topic: str,
        messages: Sequence[dict[str, Any]],
        headers: Sequence[list[tuple[str, bytes]]] | None,
        report: DeliveryReport,
        *,
        alone: bool = False,
        topics: Sequence[str] | None = None,
        timestamps: Sequence[int] | None = None,
    ) -> None:
        """Queue ``messages``, each with its own headers, topic and time; otherwise as :meth:`send`."""
        self._hand_over()
        for one in runs(topic, messages, headers, topics, timestamps):
            if one.headers is None and one.timestamps is None:
                self.send(one.topic, one.messages, report, alone=alone)
            else:
                self._produce(self._client(one.topic, alone=alone), one, report)

    def _produce(self, client: Any, run: Run, report: DeliveryReport | None) -> None:
        """Give messages to ``client`` one by one, which is what headers and times take; note what it does not take."""
        produce, topic = client.produce, run.topic
        headers = run.headers or repeat(None, len(run.messages))
        times = run.timestamps or repeat(0, len(run.messages))
        for message, named, at in zip(run.messages, headers, times, strict=True):
            try:
                # By position: a third less time than by names. Its callback has two of them.
                produce(topic, message["value"], message["key"], ANY_PARTITION, report, report, at, named)
            except KafkaException as raised:
                self._refused(topic, message, report, raised.args[0])
            except BufferError:
                # The public name of that code.
                self._refused(topic, message, report, KafkaError(KafkaError._QUEUE_FULL))  # noqa: SLF001

    def _refused(self, topic: str, message: dict[str, Any], report: DeliveryReport | None, error: Any) -> None:
        told = Message(topic=topic, key=message["key"], value=message["value"], error=error)
        self._failed.append((_nobody if report is None else report, error, told))

    def poll(self, timeout: float) -> int:
        """Serve delivery reports for up to ``timeout`` seconds; returns how many events.

        Raises ProducerFatal when the client has given up, and from then on each time; what it still owes is reported
        by ``close``.
        """
        served = self._poll(timeout)
        if self._fatal:
            raise ProducerFatal(self._fatal)
        return served

    def close(self, timeout: float) -> None:
        """Wait at most ``timeout`` seconds for what is in flight, report the rest as purged, and let go of the client.

        Where the client hangs in the operating system (a name server that does not answer), it is left to end in the
        background.
        """
        if not self._clients:
            return
        self._probe.stop()
        drained = self._drain(timeout)
        if not drained:
            # Not blocking: a client's thread may hang in the resolver.
            for client in self._clients.values():
                client.purge(in_queue=True, in_flight=True, blocking=False)
            drained = self._drain(LET_GO)
        clients, users = list(self._clients.values()), self._users()
        self._clients.clear()
        closer = threading.Thread(target=_let_go, args=(clients, users, drained), name="kafka-close", daemon=True)
        del clients
        closer.start()
        closer.join(LET_GO)
        if closer.is_alive() or not drained:
            self._events.client_lingers()

    def _users(self) -> list[Joinable]:
        """Return the threads that use the client."""
        return [self._probe]

    def _poll(self, timeout: float) -> int:
        self._hand_over()
        served = len(self._failed)
        while self._failed:
            report, error, message = self._failed.popleft()
            report(error, message)
        try:
            for client in self._clients.values():
                served += int(client.poll(0))
            if served or not timeout:
                return served
            return int(max(self._clients.values(), key=len).poll(timeout))  # the one that owes most
        except KafkaException as raised:
            error = raised.args[0]
            if not error.fatal():
                raise
            self._give_up(error)
            return served

    def _give_up(self, error: Any) -> None:
        if not self._fatal:
            self._fatal = f"the Kafka client has given up: {explain(error)}; it says: {error.str()}"
            self._events.client_gave_up(self._fatal)

    def _drain(self, timeout: float) -> bool:
        """Serve reports until all are given, for up to ``timeout`` seconds; returns whether they are."""
        end = self._clock() + timeout
        self._hand_over()
        while self._owes():
            remaining = end - self._clock()
            if remaining <= 0:
                return False
            self._poll(min(remaining, 0.1))
        return True

    def _owes(self) -> bool:
        """Whether a report is still to come."""
        return bool(self._failed) or any(map(len, self._clients.values()))

    def _client(self, topic: str, *, alone: bool) -> Any:
        """Return the client whose batches are small enough for ``topic``; ``alone``: of one record each."""
        size = 1 if alone else self._batch
        limit = self._probe.limit(topic)
        if not alone and limit is not None and limit < self._batch:
            # A power of two: any number of topics share a few clients.
            size = 1 << max(0, (limit - 2 * RESERVE).bit_length() - 1) if limit > 2 * RESERVE else 1
            if topic not in self._small:
                self._small.add(topic)
                then = f"its batches hold at most {size:,} bytes; a larger record is sent by itself"
                self._events.topic_limit(topic, limit, then)
        client = self._clients.get(size)
        if client is None:
            client = self._clients[size] = self._new_client({"batch.size": size})
        return client

    def _new_client(self, settings: dict[str, Any]) -> Any:
        latest = Latest()
        self._statistics.append(latest)
        return new_client(self._config, self._settings | settings | {"stats_cb": latest}, self._events)

    def _throttle(self, event: Any) -> None:
        # Another connection of the same broker may not be held back.
        self._throttled_until = max(self._throttled_until, self._clock() + event.throttle_time)

    def _client_error(self, error: Any) -> None:
        self._probe.client_error(error)


def new_client(config: KafkaConfig, settings: dict[str, Any], events: Events) -> Any:
    """Return a ``confluent_kafka.Producer``; raises ConfigError for one of ``settings`` that it does not take."""
    try:
        return confluent_kafka.Producer(settings, logger=_ClientLog(events))
    except KafkaException as raised:
        raise ConfigError([": ".join(not_taken(raised.args[0].str(), config, settings))]) from None


def try_settings(config: KafkaConfig, events: Events) -> None:
    """Have the client judge its properties, without connecting to anything; raises ConfigError."""
    settings = producer_settings(config)
    del settings["bootstrap.servers"]
    settings["log_level"] = 2  # it would warn that there are no brokers to connect to
    new_client(config, settings, events).close()


def _nobody(err: Any, msg: Any, /) -> None:
    """Take the report of a record that nobody asked to hear of."""


class Joinable(Protocol):
    """A thread that uses the clients."""

    def join(self) -> object:
        """Wait for its end."""


def _let_go(clients: list[Any], users: Sequence[Joinable], drained: bool) -> None:  # noqa: FBT001
    """End the clients, once nobody uses them: destroying one under a question would crash the process."""
    for user in users:
        user.join()
    if drained:  # else they would wait without end for what is left, and report it from this thread
        for client in clients:
            client.close()


class _ClientLog:
    """What the client takes for a ``logging.Logger``; called within ``poll``."""

    LEVELS = ((40, "error"), (30, "warning"), (20, "info"))

    def __init__(self, events: Events) -> None:
        self._events = events

    def log(self, level: int, form: str, facility: str, client: str, text: str) -> None:  # noqa: ARG002 - its signature
        """Pass a line on; a failed connection is told by the error callback already."""
        name = next((name for least, name in self.LEVELS if level >= least), "debug")
        broker, says = broker_and_reason(text)
        self._events.client_said(
            "debug" if facility == "FAIL" else name, facility, f"{broker}: {says}" if broker else says
        )
