"""Where records go: ``model.Sink`` on idempotent clients, one for each size of batches.

A topic that takes less than the client's usual batches has a client whose batches are small enough, so that none is
refused for its size. Most often there is one client only.

Called by the pump thread only (``status`` by any). Invariants: every record that ``send`` was given is reported once,
from within ``poll`` or ``close`` and never from within ``send``; nothing in Python runs for a record between the two.
The clients' own log and errors also arrive within ``poll``.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from confluent_kafka import KafkaException

from shipper.config import KafkaConfig
from shipper.errors import ConfigError, ProducerFatal
from shipper.events import Events
from shipper.kafka.client import Client, Report
from shipper.kafka.errors import broker_and_reason, explain
from shipper.kafka.gathering import Gathering
from shipper.kafka.limits import TopicLimits
from shipper.kafka.probe import BrokerStatus, Probe
from shipper.kafka.security import not_taken
from shipper.kafka.settings import batch_size, message_max, producer_settings, unanswered
from shipper.kafka.stats import Latest, why_waiting
from shipper.kafka.tls import why_untrusted
from shipper.model import Clock, DeliveryReport, Headers, Messages, TopicState

FEW = 64  # records of a chunk that do not go to the client by themselves ...
ONE_BATCH = 512  # such chunks that are one batch of each partition, most probably
MANY = 4096  # ... before there are so many of them, or ``poll`` is called
PUSH = 0.001  # seconds in which the client's threads notice that a batch is to go, at least
AGAIN = 0.02  # seconds after which they are told again, and for which few wait for the answer to those before them ...
PATIENCE = 0.1  # ... at most, and after which a batch is to go though more comes: it may be of another file
RESERVE = 512  # bytes: what a record needs in a batch beside its key and value, at most, with the batch's own head
THROTTLED = 5.0  # seconds for which a broker that held back the client may be the reason of a wait, after it has ended
LET_GO = 1.0  # how long close() waits for a client that has nothing left to do


class Run(NamedTuple):
    """Records of one topic, in order; what is ``None`` no record has."""

    topic: str
    messages: Messages
    headers: Sequence[Headers] | None = None
    timestamps: Sequence[int] | None = None

    def pick(self, at: list[int]) -> Run:
        """Return those at ``at``, in that order."""
        return self._replace(
            messages=self.messages.pick(at),
            headers=self.headers and [self.headers[i] for i in at],
            timestamps=self.timestamps and [self.timestamps[i] for i in at],
        )


def runs(
    topic: str,
    messages: Messages,
    headers: Sequence[Headers] | None,
    topics: Sequence[str] | None,
    timestamps: Sequence[int] | None,
) -> Iterator[Run]:
    """Yield the records of each topic, in order: the one whose record comes last is the last one."""
    every = Run(topic, messages, headers, timestamps)
    if topics is None:
        yield every
        return
    places: dict[str, list[int]] = {}
    for index, one in enumerate(topics):
        places.setdefault(one, []).append(index)
    for one, at in sorted(places.items(), key=lambda item: item[1][-1]):
        yield every.pick(at)._replace(topic=one)


class Producer:
    """Sends records; built anew by the pump after :class:`ProducerFatal`.

    ``wake`` is called from the probe's thread when a topic's state changes, or brokers go away or come back. ``first``
    is the topic that will be asked about first: a start is 0.2 s shorter where the client knows.
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
        first: str = "",
    ) -> None:
        self._config = config
        self._events = events
        self._clock = clock
        self._fatal = ""
        self._few_values: list[bytes] = []  # of small chunks ...
        self._few_keys: list[bytes] = []
        self._few_reports: list[Report] = []
        self._few_for = ""  # ... for this topic
        self._linger = math.inf if "linger.ms" in config.properties else config.linger
        self._push_at = math.inf  # when batches are to go that are not full
        self._again = AGAIN
        self._behind = False  # something had not been answered when the client was last asked
        self._mixed = False  # ... and there may be batches of one partition that wait for each other
        self._handed_at = -math.inf  # when that was
        self._throttled_until = -math.inf  # by the clock
        self._settings = producer_settings(config) | (settings or {})
        self._batch, self._most = batch_size(self._settings), message_max(self._settings)
        self._gathering = Gathering(self._settings["partitioner"])
        self._statistics: list[Latest] = []  # of each client
        client = self._new_client({}, first)
        self._clients: dict[int, Client] = {self._batch: client}  # by the size of their batches
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
            hurries="transactional.id" not in self._settings,
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

    def send(self, topic: str, messages: Messages, report: DeliveryReport, *, alone: bool = False) -> None:
        """Queue ``messages``, in order; ``report`` is told of each once.

        A few go to the client with the next ones, or with the next ``poll``; after AGAIN at the latest where the client
        still waits for the answer to those before them.
        What the client does not take (a record over message.max.bytes, alone; everything, after a topic's error or when
        it has given up; the rest, when a queue limit set by the user is reached) is reported from the next ``poll``.
        """
        self._waits()
        if alone or len(messages) > self._few_are:
            self._hand_over()
            self._mixed = True
            if not alone:
                messages = self._gathered(Run(topic, messages)).messages
            self._client(topic, alone=alone).send(topic, messages, ((report, len(messages)),))
            return
        if topic != self._few_for or len(self._few_values) >= MANY:
            self._hand_over()
            self._few_for = topic
        self._few_values += messages.values
        self._few_keys += messages.all_keys
        self._few_reports.append((report, len(messages)))

    def send_few(self, topic: str, messages: Messages, reports: Sequence[tuple[DeliveryReport, int]]) -> None:
        """Queue ``messages`` of several small chunks; otherwise as :meth:`send`."""
        self._waits()
        if topic != self._few_for or len(self._few_values) >= MANY:
            self._hand_over()
            self._few_for = topic
        self._few_values += messages.values
        self._few_keys += messages.all_keys
        self._few_reports += reports

    def _hand_over(self) -> None:
        """Queue what a few calls of ``send`` had to send: the client's price is for each call."""
        if self._few_reports:
            values, keys, reports = self._few_values, self._few_keys, self._few_reports
            self._mixed |= self._behind or len(reports) > ONE_BATCH
            self._handed_at = self._clock()
            self._few_values, self._few_keys, self._few_reports = [], [], []
            self._client(self._few_for, alone=False).send(self._few_for, Messages(values, keys), reports)

    def send_each(
        self,
        topic: str,
        messages: Messages,
        headers: Sequence[Headers] | None,
        report: DeliveryReport,
        *,
        alone: bool = False,
        topics: Sequence[str] | None = None,
        timestamps: Sequence[int] | None = None,
    ) -> None:
        """Queue ``messages``, each with its own headers, topic and time; otherwise as :meth:`send`."""
        self._waits()
        self._hand_over()
        self._mixed = True
        for one in runs(topic, messages, headers, topics, timestamps):
            if one.headers is None and one.timestamps is None:
                self.send(one.topic, one.messages, report, alone=alone)
            else:
                run = one if alone else self._gathered(one)
                client = self._client(run.topic, alone=alone)
                client.send_each(run.topic, run.messages, run.headers, run.timestamps, report)

    def _gathered(self, run: Run) -> Run:
        """Return the records with those beside each other that go to one partition."""
        keys = run.messages.keys
        if isinstance(keys, bytes):
            return run
        partitions = self._probe.partitions(run.topic)
        if any(client.highest.get(run.topic, 0) >= partitions for client in self._clients.values()):
            return run  # there are more of them than were
        order = self._gathering.order(keys, partitions)
        return run if order is None else run.pick(order)

    def _waits(self) -> None:
        """Note that something waits for its batch to be full."""
        self._push_at = min(self._push_at, self._clock() + self._linger)
        self._again = AGAIN

    def push(self, after: float = 0.0, spare: float = 0.0) -> float:
        """Let what was sent go now, once it has waited for ``linger`` and ``after``; returns when to call it again.

        The client makes the batches of one broker one after the other, as it is answered, while it is told to: for up
        to ``spare`` seconds. Where batches wait behind such that were not answered it would go round without end.
        On a busy machine it may not notice, so it is told again while something was not reported.
        """
        if (now := self._clock()) < (due := self._push_at + after):
            return due
        waits = self._few_wait(now)
        if not waits:
            self._hand_over()
            self._push_at = math.inf
        time = PUSH if self._mixed or len(self._clients) > 1 else max(PUSH, spare)
        for client in self._clients.values():
            if len(client):
                client.push(time)
                if not waits:
                    self._push_at = now + self._again
        if waits:
            return self._handed_at + AGAIN
        self._again = min(2 * self._again, PATIENCE)
        return self._push_at

    def _few_wait(self, now: float) -> bool:
        """Whether what is few waits: those before it are still being sent, and it would only queue behind them."""
        return self._behind and bool(self._few_reports) and now < self._handed_at + AGAIN

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
                client.purge()
            drained = self._drain(LET_GO)
        clients, users = list(self._clients.values()), self._users()
        self._clients.clear()
        closer = threading.Thread(target=_let_go, args=(clients, users), name="kafka-close", daemon=True)
        del clients
        closer.start()
        closer.join(LET_GO)
        if closer.is_alive() or not drained:
            self._events.client_lingers()

    def _users(self) -> list[Joinable]:
        """Return the threads that use the client."""
        return [self._probe]

    def _poll(self, timeout: float) -> int:
        if not self._few_wait(self._clock()):
            self._hand_over()
        self.push(PATIENCE)
        served = sum(client.poll(0) for client in self._clients.values())
        if not served and timeout:
            served = max(self._clients.values(), key=len).poll(timeout)  # the one that owes most
        self._behind = self._owes()
        self._mixed &= self._behind
        return served

    def _give_up(self, error: Any) -> None:
        if not self._fatal:
            self._fatal = f"the Kafka client has given up: {explain(error)}; it says: {error.str()}"
            self._events.client_gave_up(self._fatal)

    def _drain(self, timeout: float) -> bool:
        """Serve reports until all are given, for up to ``timeout`` seconds; returns whether they are."""
        end = self._clock() + timeout
        self._hand_over()
        self.push()
        while self._owes():
            remaining = end - self._clock()
            if remaining <= 0:
                return False
            self._poll(min(remaining, 0.1))
        return True

    def _owes(self) -> bool:
        """Whether a report is still to come."""
        return any(map(len, self._clients.values()))

    def _client(self, topic: str, *, alone: bool) -> Client:
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

    def _new_client(self, settings: dict[str, Any], first: str = "") -> Client:
        latest = Latest()
        self._statistics.append(latest)
        return new_client(
            self._config,
            self._settings | settings,
            self._events,
            first=first,
            on_error=self._client_error,
            on_statistics=latest,
            on_throttle=self._throttle,
        )

    def _throttle(self, seconds: float) -> None:
        # Another connection of the same broker may not be held back.
        self._throttled_until = max(self._throttled_until, self._clock() + seconds)

    def _client_error(self, error: Any) -> None:
        if error.fatal():
            self._give_up(error)
        else:
            self._probe.client_error(error)


def new_client(config: KafkaConfig, settings: Mapping[str, Any], events: Events, **how: Any) -> Client:
    """Return a client with its callbacks but for its log; raises ConfigError for a setting that it does not take."""
    try:
        return Client(settings, on_log=_log_of(events), **how)
    except KafkaException as raised:
        raise ConfigError([": ".join(not_taken(raised.args[0].str(), config, settings))]) from None


def try_settings(config: KafkaConfig, events: Events) -> None:
    """Have the client judge its properties, without connecting to anything; raises ConfigError."""
    settings = producer_settings(config)
    del settings["bootstrap.servers"]
    settings["log_level"] = 2  # it would warn that there are no brokers to connect to
    new_client(config, settings, events).close()


class Joinable(Protocol):
    """A thread that uses the clients."""

    def join(self) -> object:
        """Wait for its end."""


def _let_go(clients: list[Client], users: Sequence[Joinable]) -> None:
    """End the clients, once nobody uses them: destroying one under a question would crash the process."""
    for user in users:
        user.join()
    for client in clients:
        client.close()


LEVELS = ((3, "error"), (4, "warning"), (6, "info"))  # of syslog, at most


def _log_of(events: Events) -> Callable[[int, str, str], None]:
    """Return what takes a line of a client's log; a failed connection is told by the error callback already."""

    def take(level: int, facility: str, text: str) -> None:
        name = next((name for most, name in LEVELS if level <= most), "debug")
        broker, says = broker_and_reason(text)
        events.client_said("debug" if facility == "FAIL" else name, facility, f"{broker}: {says}" if broker else says)

    return take
