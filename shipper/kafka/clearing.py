"""In which topics nothing is open that should have been ended (``hanging``): before that, nothing is sent to one.

What hangs in the topics that are known when a client is opened is ended by that client: :meth:`Clearing.at_open`. Then
:meth:`Clearing.later` looks at those that are asked for afterwards and, after each abort, at what that was to end, and
at the checkpoints, before anything is committed: brokers may have forgotten some of it. What hangs then, only another
client can end.

These two are for the thread that opens a client, and take as long as they need; the others may be called by any.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterable
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from shipper.events import Events
from shipper.kafka.errors import explain
from shipper.kafka.hanging import Found, Known, Look, Partition
from shipper.kafka.settings import shared_settings
from shipper.model import Clock, TopicState

CALL = 1.0  # seconds for a question to the brokers that only connects to them
BEAT = 0.25  # seconds between looks at a topic that is not there yet
RETRY = 1.0  # seconds before something is tried again that failed
ANSWER = 2.0  # seconds to wait until it is known of every topic whether it is there
KEEP = 30.0  # seconds that the connection for looks is kept: aborts seldom come alone
TRIES = 2  # transactions to end what hangs in a partition; what is open then is another producer's


class Admin:
    """A client for what only the admin interface does: made when it is needed."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._client: Any = None

    def client(self) -> Any:
        """Return it."""
        if self._client is None:
            # A new client tries its second connection after half of the backoff.
            self._client = AdminClient(shared_settings(self._settings) | {"log_level": 0, "reconnect.backoff.ms": 40})
        return self._client

    def connected(self, topic: str) -> Any:
        """Return it once it is connected, if it can be by a question about ``topic``."""
        client = self.client()
        with contextlib.suppress(KafkaException):  # what it is asked for next tells
            client.list_topics(topic, CALL)  # unconnected, list_offsets waits for seconds
        return client

    def let_go(self) -> None:
        """Close its connections; the next one is made when it is needed."""
        self._client = None


class Clearing:
    """The topics of one client: which of them are clear.

    ``news`` is set when there may be something to look at; ``wake`` is called when topics are clear. ``state`` says how
    a topic is, ``numbers`` which partitions it has. ``end`` aborts a transaction of this instance in partitions, and
    returns whether it had a record in each of them; None where the client has given up.
    """

    def __init__(
        self,
        known: Known,
        checkpoints: str,
        admin: Admin,
        events: Events,
        clock: Clock,
        *,
        stopping: threading.Event,
        news: threading.Event,
        wake: Callable[[], None],
        state: Callable[[str], TopicState],
        numbers: Callable[[str], Iterable[int]],
        end: Callable[[Collection[Partition]], bool | None],
    ) -> None:
        self.known = known
        self.checkpoints = (checkpoints, 0)  # their partition, known when the client is opened
        self._admin = admin
        self._events = events
        self._clock = clock
        self._stopping = stopping
        self._news = news
        self._wake = wake
        self._state = state
        self._numbers = numbers
        self._end = end
        self._clear: set[str] = set()
        self._changing = threading.Lock()  # held to change which these are
        self._aborts = 0
        self._seen = threading.Event()  # that nothing is open among the checkpoints
        self._seen.set()

    def want(self, topic: str) -> None:
        """Have a topic looked at, too."""
        if topic not in self.known.topics:
            self.known.topics.add(topic)
            self._news.set()

    def is_clear(self, topic: str) -> bool:
        """Whether nothing is open in a topic that should have been ended."""
        return topic in self._clear

    def aborted(self, topics: Collection[str], *, checkpoints: bool) -> None:
        """Have all looked at that has just been aborted: in ``topics``, and perhaps among the checkpoints."""
        with self._changing:
            self._aborts += 1
            if checkpoints:
                self._seen.clear()
                self._clear.clear()
            self._clear -= set(topics)
        self._news.set()

    def wait(self, timeout: float) -> bool:
        """Wait until the checkpoints have been looked at after an abort; whether they have."""
        return self._seen.wait(timeout)

    def at_open(self, partition: int) -> bool:
        """End what hangs in the topics that are known, and among the checkpoints; whether that could be done."""
        self.checkpoints = (self.checkpoints[0], partition)
        look, tries = self._look(), 0
        until = self._clock() + ANSWER
        while not self._stopping.is_set():
            self._news.clear()
            states = {topic: self._state(topic) for topic in tuple(self.known.topics)}
            if TopicState.UNKNOWN not in states.values() or self._clock() >= until:
                break
            self._news.wait(BEAT)
        while not self._stopping.is_set():
            ready = [topic for topic, state in states.items() if state is TopicState.READY]
            try:
                partitions = {self.checkpoints, *self._partitions(ready)}
            except KafkaException as raised:
                self._not_looked_at(self.checkpoints[0], explain(raised.args[0]))
                continue
            found = look.at(partitions, self.known.others)
            if self.checkpoints[0] in found.silent:
                self._not_looked_at(self.checkpoints[0], found.silent[self.checkpoints[0]])
                continue
            if not found.unended or tries == TRIES:
                self.known.others.update(found.unended)
                self._clear.update(topic for topic in ready if topic not in found.silent)
                return not self._stopping.is_set()
            self._events.transaction_hanging(list(found.unended))
            ended = self._end(found.unended)
            if ended is None:
                return False
            tries += ended
        return False

    def later(self) -> str:
        """Look at what there is to be looked at until the end; returns why a new client is needed, or ""."""
        while not self._stopping.is_set():
            self._news.clear()
            aborts, checkpoints = self._aborts, not self._seen.is_set()
            new = [topic for topic in tuple(self.known.topics) if topic not in self._clear]
            new = [topic for topic in new if self._state(topic) is TopicState.READY]
            if (new or checkpoints) and not self._stopping.is_set():
                try:
                    partitions = self._partitions(new) + [self.checkpoints] * checkpoints
                    found = self._look().at(partitions, self.known.others)
                except KafkaException as raised:
                    self._not_looked_at(self.checkpoints[0], explain(raised.args[0]))
                    self._news.set()
                    continue
                if why := self._beyond_help(found):
                    return why
                with self._changing:
                    if aborts == self._aborts:
                        self._seen.set()
                        self._clear.update(topic for topic in new if topic not in found.silent)
                self._wake()
                for topic, why in found.silent.items():
                    self._not_looked_at(topic, why)
                    self._news.set()
            if not self._news.wait(KEEP):
                self._admin.let_go()
                self._news.wait()
        return ""

    def _look(self) -> Look:
        return Look(self._admin.connected(self.checkpoints[0]), self._stopping, self._clock)

    def _beyond_help(self, found: Found) -> str:
        """Return why a new client is needed, or ""."""
        if found.unended:
            where = ", ".join(sorted({topic for topic, _ in found.unended}))
            return f"a transaction is open in topic {where}, and only a new client can end it"
        topic = self.checkpoints[0]
        if topic in found.silent:  # its partition may be gone
            return f"it cannot be told whether a transaction is open in topic {topic}: {found.silent[topic]}"
        return ""

    def _partitions(self, topics: Iterable[str]) -> list[Partition]:
        return [(topic, number) for topic in topics for number in self._numbers(topic)]

    def _not_looked_at(self, topic: str, why: str) -> None:
        self._events.topic_unclear(topic, why)
        self._stopping.wait(RETRY)
