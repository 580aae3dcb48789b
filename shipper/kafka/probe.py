"""Asks the brokers whether topics may be sent to: the topic gate.

Records that meet a topic which is not there fail one by one while later ones may succeed (the topic came in between),
and then their order is lost. So nothing is sent to a topic before it has been seen, nor after an error until it has
been seen again (docs/decisions/topic-gate.md). With it comes how large a batch the topic takes, so that none need be
refused. The answers also say whether the brokers can be reached at all.

A thread of its own, "kafka-probe", asks; all methods may be called from any thread, and none of them waits for it.
Invariants: an answer counts only if the topic was not put on hold since the question was asked; while no broker
answers, one topic is asked at a time; a topic that is ready is not asked about again until it is put on hold or the
client suspects that all brokers are gone, but for the first one in the first half second.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from shipper.events import Events
from shipper.kafka.errors import explain, failure
from shipper.kafka.limits import TopicLimits
from shipper.kafka.tls import UNTRUSTED
from shipper.model import Clock, TopicState

ListTopics = Callable[[str, float], Any]  # topic, timeout -> ClusterMetadata; raises KafkaException

FIRST_DELAY = 0.25  # before a topic is asked about again; doubles
LAST_DELAY = 2.0
AWAY_DELAY = 0.5  # between two questions that no broker answered
CALM = 10.0  # a topic that was ready for so long starts again with the first delay
FIRST_TIMEOUT = 2.0  # of a question; doubles while brokers are reached but too slow
LAST_TIMEOUT = 16.0
# Seconds between further questions after the first topic was ready. With each answer the client asks for its producer
# id (rd_kafka_idemp_pid_fsm), if a broker is connected that may give one; by itself it does so half a second after its
# start, and nothing is sent before.
ONCE_MORE = (0.03, 0.05, 0.07, 0.08, 0.1, 0.1)


@dataclass(frozen=True, slots=True)
class BrokerStatus:
    """Whether brokers answer, since when (by the clock), why not in plain words, and how many there are.

    ``brokers`` is 0 until they have answered once.
    """

    up: bool
    since: float
    reason: str
    brokers: int


@dataclass(slots=True)
class _Topic:
    name: str
    due: float  # when to ask (again); infinite: not needed
    state: TopicState = TopicState.UNKNOWN
    delay: float = FIRST_DELAY
    ready_at: float = 0.0
    limit: int | None = None  # the largest batch that it takes, as far as it is known
    partitions: int = 0  # as it said last
    holds: int = 0  # how often it was put on hold: an answer to an older question does not count
    misses: int = 0  # answers in a row that did not make it ready


class Probe:
    """Keeps asking about topics until they are ready. ``wake`` is called after every change of a state."""

    def __init__(
        self,
        list_topics: ListTopics,
        limits: TopicLimits,
        events: Events,
        wake: Callable[[], None],
        clock: Clock,
        *,
        creates: bool = False,
        hint: str = "",
        hurries: bool = False,
        untrusted: Callable[[str, float], str] = lambda *_: "",
    ) -> None:
        """Prepare; ``hurries``: the client has to be asked a few times before it sends anything."""
        self._list_topics = list_topics
        self._limits = limits
        self._events = events
        self._wake = wake
        self._clock = clock
        self._creates = creates  # asking creates a topic: that it was not there just before is no news
        self._once_more = list(reversed(ONCE_MORE)) if hurries else []
        self._hint = hint  # what may be wrong where brokers never answered and nothing says why
        self._untrusted = untrusted  # says why a broker's certificate is not accepted; may wait that long
        self._changed = threading.Condition()
        self._topics: dict[str, _Topic] = {}
        self._status = BrokerStatus(up=False, since=clock(), reason="not asked yet", brokers=0)
        self._asked = False  # whether a question has been answered, or has not
        self._client_reason = ""
        self._untold = False  # brokers are away, and that is said as soon as it is known why
        self._suspect = ""  # a broker whose certificate was not accepted
        self._pause_until = 0.0
        self._timeout = FIRST_TIMEOUT
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="kafka-probe", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Tell the thread to end; a question that is under way is not waited for."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the thread's end; returns whether it has ended."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def state(self, topic: str) -> TopicState:
        """Return whether ``topic`` may be sent to; a topic that is new is asked about."""
        known = self._topics.get(topic)
        if known is None:
            known = self._ask_about(topic)
        return known.state

    def limit(self, topic: str) -> int | None:
        """Return how large a batch ``topic`` takes, as it said when it became ready; None where it did not say."""
        known = self._topics.get(topic)
        return known.limit if known is not None else None

    def partitions(self, topic: str) -> int:
        """Return how many partitions ``topic`` had when it was asked about last; 0 where it never was ready."""
        known = self._topics.get(topic)
        return known.partitions if known is not None else 0

    def hold(self, topic: str) -> None:
        """Forget that ``topic`` was ready, and ask again: later each time, unless it was ready for long."""
        with self._changed:
            known = self._topics.get(topic)
            if known is None:
                self._topics[topic] = known = _Topic(topic, due=0.0)
            now = self._clock()
            if known.state is TopicState.READY and now - known.ready_at > CALM:
                known.delay = FIRST_DELAY
            was_ready = known.state is TopicState.READY
            known.holds += 1
            if was_ready:  # otherwise it is being asked about already
                known.state = TopicState.UNKNOWN
                self._later(known)
            self._changed.notify()
        if was_ready:
            self._events.topic_held(topic)

    def status(self) -> BrokerStatus:
        """Return whether brokers answer; while they do not, the reason is the client's latest."""
        status = self._status
        if not status.up and self._client_reason:
            return replace(status, reason=self._client_reason)
        return status

    def client_error(self, error: Any) -> None:
        """Take an error that the client reports of itself: a reason, or the suspicion that all brokers are gone."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - public, in spite of its name
            with self._changed:
                if self._status.up and self._topics:
                    next(iter(self._topics.values())).due = self._clock()
                    self._changed.notify()
            return
        broker, why = failure(error)
        if UNTRUSTED in why and broker:
            self._suspect = broker  # the thread finds out why
        else:
            self._set_reason(broker, why)

    def _set_reason(self, broker: str, why: str) -> None:
        self._client_reason = f"{broker}: {why}" if broker else why
        self._events.broker_failed(broker, why)
        self._tell_away()

    def _tell_away(self) -> None:
        with self._changed:
            untold, self._untold = self._untold, False
        if untold:
            self._events.brokers_away(self.status().reason)

    def _ask_about(self, topic: str) -> _Topic:
        with self._changed:
            known = self._topics.setdefault(topic, _Topic(topic, due=self._clock()))
            self._changed.notify()
        return known

    def _next_of_ready(self) -> float:
        return self._clock() + self._once_more.pop() if self._once_more else math.inf

    def _later(self, topic: _Topic) -> None:
        topic.due = self._clock() + topic.delay
        topic.delay = min(topic.delay * 2, LAST_DELAY)

    def _run(self) -> None:
        while (topic := self._next()) is not None:
            holds = topic.holds
            try:
                metadata = self._list_topics(topic.name, self._timeout)
            except KafkaException as refused:
                self._no_answer(refused.args[0])
            except RuntimeError as impossible:  # a name that the client itself does not take
                self._judge(topic, holds, TopicState.MISSING, str(impossible), 0)
            else:
                self._answered(len(metadata.brokers))
                found = judge(metadata.topics.get(topic.name))
                if found[0] is TopicState.READY and metadata.brokers and topic.state is not TopicState.READY:
                    self._measure(topic, next(iter(metadata.brokers)))
                self._judge(topic, holds, *found)
            if not self._more():
                self._limits.rest()
        self._limits.rest()

    def _measure(self, topic: _Topic, broker: int) -> None:
        """Find out how large a batch a topic takes, before anything is sent to it."""
        limit = self._limits.ask(topic.name, broker, self._timeout)
        if isinstance(limit, int):
            topic.limit = limit  # nobody uses it before the topic is ready
        else:
            self._events.topic_limit_unknown(topic.name, limit)

    def _more(self) -> bool:
        """Whether another topic is to be asked about at once."""
        now = self._clock()
        with self._changed:
            return any(topic.due <= now for topic in self._topics.values())

    def _next(self) -> _Topic | None:
        """Wait until there is something to ask; None when it is time to stop."""
        with self._changed:
            while not self._stopping:
                first = min(self._topics.values(), key=lambda topic: topic.due, default=None)
                at = max(first.due, self._pause_until) if first else math.inf
                wait = at - self._clock()
                if first and wait <= 0:
                    return first
                self._changed.wait(None if math.isinf(at) else wait)
        return None

    def _no_answer(self, error: Any) -> None:
        now = self._clock()
        with self._changed:
            self._pause_until = now + AWAY_DELAY
            if error.code() == KafkaError._TIMED_OUT:  # noqa: SLF001 - reached, but too slow for this time-out
                self._timeout = min(self._timeout * 2, LAST_TIMEOUT)
            news = (self._status.up or not self._asked) and not self._stopping
            self._asked = True
            before = self._status.brokers
            if news:
                why = explain(error) if before or not self._hint else self._hint
                self._status = BrokerStatus(up=False, since=now, reason=why, brokers=before)
                self._untold = True
        if news:
            self._wake()  # so that the client is polled, which then says why
        suspect, self._suspect = self._suspect, ""
        if suspect:
            why = self._untrusted(suspect, self._timeout) or "its certificate is not accepted, and cannot be looked at"
            self._set_reason(suspect, why)
        elif not news or self._client_reason:
            self._tell_away()

    def _answered(self, brokers: int) -> None:
        now = self._clock()
        with self._changed:
            before = self._status
            self._asked = True
            self._pause_until = 0.0
            self._timeout = FIRST_TIMEOUT
            self._client_reason = ""
            untold, self._untold = self._untold, False
            self._status = BrokerStatus(up=True, since=before.since if before.up else now, reason="", brokers=brokers)
        if before.up:
            return
        if before.brokers:
            if not untold:
                self._events.brokers_back(brokers, now - before.since)
        else:
            self._events.brokers_reached(brokers)
        self._wake()

    def _judge(self, topic: _Topic, holds: int, state: TopicState, why: str, partitions: int) -> None:
        with self._changed:
            if topic.holds != holds:
                state = TopicState.UNKNOWN  # the answer may be older than the error that put it on hold
            changed = topic.state is not state
            topic.state = state
            if state is TopicState.READY:
                topic.due, topic.misses = self._next_of_ready(), 0
                topic.partitions = partitions
                if changed:
                    topic.ready_at = self._clock()
            else:
                topic.misses += 1
                self._later(topic)
        if state is TopicState.MISSING and not (self._creates and topic.misses == 1):
            self._events.topic_missing(topic.name, why)
        elif state is TopicState.DENIED:
            self._events.topic_denied(topic.name, why)
        elif state is TopicState.READY and changed:
            self._events.topic_ready(topic.name, partitions)
        if changed:
            self._wake()


def judge(metadata: Any) -> tuple[TopicState, str, int]:
    """Return what a topic's metadata (``TopicMetadata`` or None) says: its state, why, how many partitions it has."""
    if metadata is None:
        return TopicState.UNKNOWN, "the brokers did not say", 0
    error = metadata.error
    if error is None:
        partitions = len(metadata.partitions)
        if partitions:
            return TopicState.READY, "", partitions
        return TopicState.UNKNOWN, "it has no partitions yet", 0
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return TopicState.MISSING, "it is not there; create it, or set kafka.allow_auto_create_topics = true", 0
    if error.code() == KafkaError.TOPIC_EXCEPTION:
        return TopicState.MISSING, "Kafka accepts no topic of this name", 0
    if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        return TopicState.DENIED, "this user may not describe it", 0
    return TopicState.UNKNOWN, error.str(), 0
