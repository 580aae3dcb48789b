"""The producer and its probe against an embedded broker that fails on demand."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

import pytest
from confluent_kafka import KafkaError

from shipper.config import KafkaConfig
from shipper.errors import ProducerFatal
from shipper.events import Events
from shipper.kafka.client import Client
from shipper.kafka.consumer import read_from
from shipper.kafka.errors import classify
from shipper.kafka.limits import TopicLimits
from shipper.kafka.probe import ONCE_MORE
from shipper.kafka.producer import AGAIN, FEW, PUSH, RESERVE, Producer
from shipper.model import DeliveryClass, Messages, TopicState
from tests.harness.mock_errors import TRANSPORT, Api, FaultyBroker
from tests.harness.polling import poll_until, ready
from tests.harness.wait import DEADLINE, eventually

TOPIC = "logs"


class Log(list[tuple[str, str, dict[str, Any]]]):
    def __call__(self, level: str, name: str, fields: dict[str, Any]) -> None:
        self.append((level, name, fields))

    def names(self) -> list[str]:
        return [name for _, name, _ in self]


class Reports:
    """What was reported: how many records arrived, and the errors' names for the others."""

    def __init__(self) -> None:
        self.arrived = 0
        self.errors: list[str] = []
        self.classes: set[DeliveryClass] = set()
        self.threads: set[int] = set()

    def ack(self, count: int) -> None:
        self.arrived += count
        self.threads.add(threading.get_ident())

    def nack(self, error: Any, _topic: str, count: int) -> None:
        self.errors += [error.name()] * count
        self.threads.add(threading.get_ident())
        self.classes.add(classify(error))

    def __len__(self) -> int:
        return self.arrived + len(self.errors)


@pytest.fixture
def broker() -> Iterator[FaultyBroker]:
    with FaultyBroker() as started:
        yield started


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def make(broker: FaultyBroker, log: Log) -> Iterator[Callable[..., Producer]]:
    made: list[Producer] = []

    def build(**kwargs: Any) -> Producer:
        settings: dict[str, Any] = {"bootstrap_servers": broker.bootstrap, "retry_backoff": 0.01, **kwargs}
        made.append(Producer(KafkaConfig(**settings), Events(log)))
        return made[-1]

    yield build
    for producer in made:
        producer.close(0)


def messages(*values: bytes) -> Messages:
    return Messages(list(values), b"k")


def values_in(broker: FaultyBroker, topic: str = TOPIC) -> list[bytes]:
    return [message.value() for message in read_from(broker.bootstrap, [topic])]


# --- sending ---


def test_headers_go_with_a_single_message_in_order_with_the_others(
    broker: FaultyBroker, make: Callable[..., Producer]
) -> None:
    broker.make(TOPIC)
    producer, reports = make(), Reports()
    ready(producer, TOPIC)
    producer.send(TOPIC, messages(b"before"), reports)
    producer.send_each(TOPIC, messages(b"part"), [[("shipper.part", b"1")]], reports)
    producer.send(TOPIC, messages(b"after"), reports)
    poll_until(producer, "three reports", lambda: len(reports) == 3)
    got = [(m.value(), m.headers()) for m in read_from(broker.bootstrap, [TOPIC])]
    assert got == [(b"before", None), (b"part", [("shipper.part", b"1")]), (b"after", None)]


def test_messages_with_headers_of_their_own_keep_the_order(broker: FaultyBroker, make: Callable[..., Producer]) -> None:
    broker.make(TOPIC)
    producer, reports = make(), Reports()
    ready(producer, TOPIC)
    producer.send(TOPIC, messages(b"before"), reports)
    lines = messages(b"one", b"x" * 1_100_000, b"three")
    producer.send_each(TOPIC, lines, [[("n", b"%d" % n)] for n in range(3)], reports)
    producer.send(TOPIC, messages(b"after"), reports)
    assert not reports
    poll_until(producer, "five reports", lambda: len(reports) == 5)
    assert reports.classes == {DeliveryClass.REFUSED_RECORD}
    got = [(m.value(), m.headers()) for m in read_from(broker.bootstrap, [TOPIC])]
    assert got == [(b"before", None), (b"one", [("n", b"0")]), (b"three", [("n", b"2")]), (b"after", None)]


def test_messages_of_several_topics_keep_their_order_in_each(
    broker: FaultyBroker, make: Callable[..., Producer]
) -> None:
    broker.make("other")
    broker.make(TOPIC)
    producer, reports = make(), Reports()
    ready(producer, TOPIC)
    ready(producer, "other")
    topics = [TOPIC, "other", TOPIC, "other", TOPIC]
    for extra in ({"headers": None}, {"headers": [[("n", b"%d" % n)] for n in range(5)]}):
        producer.send_each(TOPIC, messages(*(b"%d" % n for n in range(5))), report=reports, topics=topics, **extra)
    poll_until(producer, "ten reports", lambda: len(reports) == 10)
    assert values_in(broker) == [b"0", b"2", b"4"] * 2
    assert values_in(broker, "other") == [b"1", b"3"] * 2
    got = [m.headers() for m in read_from(broker.bootstrap, ["other"])]
    assert got == [None, None, [("n", b"1")], [("n", b"3")]]


def test_messages_with_times_of_their_own(broker: FaultyBroker, make: Callable[..., Producer]) -> None:
    broker.make(TOPIC)
    producer, reports = make(), Reports()
    ready(producer, TOPIC)
    before = int(time.time() * 1000)
    producer.send_each(TOPIC, messages(b"then", b"now"), None, reports, timestamps=[1_000_000, 0])
    poll_until(producer, "two reports", lambda: len(reports) == 2)
    (_, then), (_, now) = (m.timestamp() for m in read_from(broker.bootstrap, [TOPIC]))
    assert then == 1_000_000
    assert now >= before


def test_a_message_with_headers_that_is_not_taken_is_reported_from_the_next_poll(
    broker: FaultyBroker, make: Callable[..., Producer]
) -> None:
    broker.make(TOPIC)
    producer, reports = make(), Reports()
    ready(producer, TOPIC)
    producer.send_each(TOPIC, messages(b"x" * 1_100_000), [[("shipper.part", b"1")]], reports)
    assert not reports
    poll_until(producer, "one report", lambda: len(reports) == 1)
    assert reports.classes == {DeliveryClass.REFUSED_RECORD}


def test_every_record_arrives_in_order_and_is_reported_once(
    broker: FaultyBroker, make: Callable[..., Producer]
) -> None:
    broker.make(TOPIC)
    producer, reports = make(), Reports()
    ready(producer, TOPIC)
    sent = [b"%d" % n for n in range(5000)]
    for start in range(0, 5000, 1000):
        producer.send(TOPIC, messages(*sent[start : start + 1000]), reports)
    assert not reports  # nothing is reported from within send
    poll_until(producer, "all reports", lambda: len(reports) == 5000)
    assert reports.arrived == 5000
    assert reports.threads == {threading.get_ident()}
    assert values_in(broker) == sent


@pytest.fixture
def keys_sent(monkeypatch: pytest.MonkeyPatch) -> list[list[bytes]]:
    """The keys of each call of the client."""
    calls: list[list[bytes]] = []
    for name in ("send", "send_each"):
        send = getattr(Client, name)

        def spy(self: Client, topic: str, some: Messages, *rest: Any, send: Callable[..., Any] = send) -> Any:
            calls.append(some.all_keys)
            return send(self, topic, some, *rest)

        monkeypatch.setattr(Client, name, spy)
    return calls


def test_where_partitions_were_added_nothing_is_gathered(
    broker: FaultyBroker,
    make: Callable[..., Producer],
    keys_sent: list[list[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker.make(TOPIC, 4)
    producer, reports = make(), Reports()
    ready(producer, TOPIC)
    monkeypatch.setattr(producer._probe, "partitions", lambda _: 2)  # as there were
    keys = [b"user%d" % (n % 50) for n in range(500)]
    for count in (500, 1000):
        producer.send(TOPIC, Messages([b"x"] * 500, keys), reports)
        poll_until(producer, "all reports", lambda count=count: len(reports) == count)  # type: ignore[misc]
    assert [sent == keys for sent in keys_sent] == [False, True]


@pytest.mark.parametrize("headed", [False, True])
def test_records_of_a_partition_are_gathered_and_each_key_keeps_its_order(
    broker: FaultyBroker, make: Callable[..., Producer], keys_sent: list[list[bytes]], *, headed: bool
) -> None:
    broker.make(TOPIC, 4)
    producer, reports = make(), Reports()
    ready(producer, TOPIC)
    keys = [b"user%d" % (n * 7919 % 100) for n in range(3000)]
    for start in range(0, 3000, 1000):
        numbers = range(start, start + 1000)
        some = Messages([b"%d" % n for n in numbers], keys[start : start + 1000])
        if headed:
            headers = [[("n", b"%d" % n)] for n in numbers]
            producer.send_each(TOPIC, some, headers, reports, timestamps=[1_000_000 + n for n in numbers])
        else:
            producer.send(TOPIC, some, reports)
    poll_until(producer, "all reports", lambda: len(reports) == 3000)
    assert reports.arrived == 3000
    seen: dict[bytes, list[int]] = {}
    where: dict[bytes, int | None] = {}
    for message in read_from(broker.bootstrap, [TOPIC]):
        n, key = int(message.value() or b""), message.key()
        assert key == keys[n]
        assert where.setdefault(keys[n], message.partition()) == message.partition()
        seen.setdefault(keys[n], []).append(n)
        if headed:
            assert (message.headers(), message.timestamp()[1]) == ([("n", b"%d" % n)], 1_000_000 + n)
    assert seen == {key: [n for n in range(3000) if keys[n] == key] for key in set(keys)}
    for call in keys_sent:
        places = [where[key] for key in call]
        assert len(list(groupby(places))) == len(set(places)) == 4
    assert len(keys_sent) == 3


def test_empty_values_and_keys_stay_empty(broker: FaultyBroker, make: Callable[..., Producer]) -> None:
    broker.make(TOPIC)
    producer, reports = make(), Reports()
    ready(producer, TOPIC)
    producer.send(TOPIC, Messages([b""], b""), reports)
    poll_until(producer, "the report", lambda: reports)
    assert [(m.value(), m.key()) for m in read_from(broker.bootstrap, [TOPIC])] == [(b"", b"")]


def test_a_record_too_large_for_the_client_is_reported_alone(
    broker: FaultyBroker, make: Callable[..., Producer]
) -> None:
    broker.make(TOPIC)
    producer, reports, large = make(), Reports(), b"x" * 1_100_000
    ready(producer, TOPIC)
    producer.send(TOPIC, messages(b"a", large, b"b"), reports)
    assert not reports
    poll_until(producer, "three reports", lambda: len(reports) == 3)
    assert (reports.arrived, reports.errors) == (2, ["MSG_SIZE_TOO_LARGE"])
    assert reports.classes == {DeliveryClass.REFUSED_RECORD}
    assert values_in(broker) == [b"a", b"b"]


def test_with_a_queue_limit_what_does_not_fit_is_reported_and_the_rest_sent(
    broker: FaultyBroker, make: Callable[..., Producer]
) -> None:
    broker.make(TOPIC)
    producer, reports = make(properties={"queue.buffering.max.messages": "3", "linger.ms": "500"}), Reports()
    ready(producer, TOPIC)
    producer.send(TOPIC, messages(b"1", b"2", b"3", b"4", b"5"), reports)
    poll_until(producer, "five reports", lambda: len(reports) == 5)
    assert (reports.arrived, reports.errors) == (3, ["_QUEUE_FULL"] * 2)
    assert values_in(broker) == [b"1", b"2", b"3"]
    assert reports.classes == {DeliveryClass.RETRY}


def test_by_default_no_number_of_records_fills_the_queue(broker: FaultyBroker, make: Callable[..., Producer]) -> None:
    broker.make(TOPIC)
    producer, reports = make(properties={"linger.ms": "60000"}), Reports()
    ready(producer, TOPIC)
    producer.send(TOPIC, messages(*[b""] * 300_000), reports)
    producer.close(0)
    assert len(reports) == 300_000
    assert set(reports.errors) <= {"_PURGE_QUEUE", "_PURGE_INFLIGHT"}


# --- errors of the broker ---


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (KafkaError.MSG_SIZE_TOO_LARGE, DeliveryClass.REFUSED_RECORD),
        (KafkaError.INVALID_RECORD, DeliveryClass.REFUSED_RECORD),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, DeliveryClass.CREDENTIALS),
    ],
)
def test_an_error_that_the_client_does_not_retry_is_reported_once_for_each_record(
    broker: FaultyBroker, make: Callable[..., Producer], error: int, expected: DeliveryClass
) -> None:
    broker.make(TOPIC)
    producer, reports = make(), Reports()
    ready(producer, TOPIC)
    broker.fail(Api.PRODUCE, error)
    producer.send(TOPIC, messages(b"1", b"2"), reports)
    poll_until(producer, "both reports", lambda: len(reports) == 2)
    assert len(reports.errors) == 2
    assert reports.classes == {expected}


@pytest.mark.parametrize(
    "error",
    [
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.UNKNOWN_TOPIC_OR_PART,  # while the metadata still has it
        TRANSPORT,
    ],
)
def test_an_error_that_passes_is_retried_by_the_client_and_keeps_the_order(
    broker: FaultyBroker, make: Callable[..., Producer], error: int
) -> None:
    broker.make(TOPIC)
    # Small batches: with several requests on the way one would overtake the failed one, and neither a new producer's
    # broker nor the mock refuses that (docs/decisions/one-request-at-a-time.md).
    producer, reports = make(properties={"linger.ms": "0", "batch.num.messages": "1"}), Reports()
    ready(producer, TOPIC)
    broker.fail(Api.PRODUCE, error, error)
    sent = [b"%d" % n for n in range(20)]
    producer.send(TOPIC, messages(*sent), reports)
    poll_until(producer, "all reports", lambda: len(reports) == 20)
    assert reports.arrived == 20
    assert values_in(broker) == sent


def test_after_a_refused_batch_later_ones_are_taken(broker: FaultyBroker, make: Callable[..., Producer]) -> None:
    """A nack does not stop what comes after it: whoever counts on order must not let an ack pass a nack."""
    broker.make(TOPIC)
    producer, reports = make(properties={"linger.ms": "0", "batch.num.messages": "1"}), Reports()
    ready(producer, TOPIC)
    broker.fail(Api.PRODUCE, KafkaError.INVALID_RECORD)
    producer.send(TOPIC, messages(b"1", b"2", b"3"), reports)
    poll_until(producer, "three reports", lambda: len(reports) == 3)
    assert len(reports.errors) == 1
    assert values_in(broker) == [b"2", b"3"]


def test_what_is_sent_alone_is_refused_alone(broker: FaultyBroker, make: Callable[..., Producer]) -> None:
    broker.make(TOPIC)
    producer, reports = make(linger=0.1), Reports()
    ready(producer, TOPIC)
    broker.fail(Api.PRODUCE, KafkaError.INVALID_RECORD)
    producer.send(TOPIC, messages(b"1", b"2", b"3"), reports, alone=True)
    poll_until(producer, "three reports", lambda: len(reports) == 3)
    assert len(reports.errors) == 1
    assert values_in(broker) == [b"2", b"3"]


def test_what_is_over_the_topics_limit_is_refused_alone(
    broker: FaultyBroker, make: Callable[..., Producer], log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TopicLimits, "ask", lambda *_: 10_000)
    broker.make(TOPIC)
    producer, reports = make(linger=0.1), Reports()
    ready(producer, TOPIC)
    assert producer.fits(TOPIC) == 10_000 - RESERVE
    large = b"x" * (10_000 - RESERVE + 1)
    before, after = [b"%d" % n for n in range(20)], [b"%d" % n for n in range(20, 40)]
    broker.fail(Api.PRODUCE, 0, KafkaError.MSG_SIZE_TOO_LARGE)
    producer.send(TOPIC, messages(*before, large, *after), reports)
    poll_until(producer, "all reports", lambda: len(reports) == 41)
    assert len(reports.errors) == 1
    assert values_in(broker) == before + after
    assert "topic.limit" in log.names()


def test_a_limit_that_is_not_told_is_the_clients(broker: FaultyBroker, make: Callable[..., Producer], log: Log) -> None:
    broker.make(TOPIC)
    producer = make(properties={"message.max.bytes": "5000"})
    ready(producer, TOPIC)
    assert producer.fits(TOPIC) == 5000 - RESERVE
    assert "topic.limit_unknown" in log.names()


def test_a_topic_deleted_under_queued_records_fails_them_and_comes_back(
    broker: FaultyBroker, make: Callable[..., Producer], log: Log
) -> None:
    broker.make(TOPIC)
    producer, reports = make(), Reports()
    ready(producer, TOPIC)
    producer.send(TOPIC, messages(b"before"), reports)
    poll_until(producer, "a first report", lambda: reports)
    broker.delete(TOPIC)
    producer.send(TOPIC, messages(b"1", b"2"), reports)
    poll_until(producer, "reports of the others", lambda: len(reports) == 3)
    assert len(reports.errors) == 2
    # Purged, where the client learns that the topic is gone before the broker says so to what was sent.
    assert len(reports.classes) == 1
    assert reports.classes <= {DeliveryClass.TOPIC, DeliveryClass.RETRY}
    producer.hold(TOPIC)
    assert producer.topic_state(TOPIC) is not TopicState.READY
    poll_until(producer, "the topic to be missing", lambda: producer.topic_state(TOPIC) is TopicState.MISSING)
    assert "topic.missing" in log.names()
    broker.make(TOPIC)
    ready(producer, TOPIC)
    again = Reports()
    producer.send(TOPIC, messages(b"after"), again)
    poll_until(producer, "the report", lambda: again)
    assert again.arrived == 1
    assert values_in(broker) == [b"after"]


def test_a_client_that_gave_up_says_so_at_each_poll_and_reports_everything_by_its_close(
    broker: FaultyBroker, make: Callable[..., Producer], log: Log
) -> None:
    broker.make(TOPIC)
    producer, reports = make(properties={"enable.gapless.guarantee": "true"}), Reports()
    ready(producer, TOPIC)
    broker.fail(Api.PRODUCE, KafkaError.INVALID_RECORD)
    producer.send(TOPIC, messages(b"1", b"2"), reports)
    with pytest.raises(ProducerFatal, match="_GAPLESS_GUARANTEE"):
        poll_until(producer, "the client's end", lambda: False)
    producer.send(TOPIC, messages(b"3"), reports)
    with pytest.raises(ProducerFatal):
        producer.poll(0)
    producer.close(DEADLINE)
    assert len(reports.errors) == len(reports) == 3
    assert DeliveryClass.FATAL in reports.classes
    assert log.names().count("client.gave_up") == 1


# --- closing ---


def test_close_delivers_what_is_in_flight(broker: FaultyBroker, make: Callable[..., Producer]) -> None:
    broker.make(TOPIC)
    producer, reports = make(), Reports()
    ready(producer, TOPIC)
    producer.send(TOPIC, messages(b"1", b"2"), reports)
    producer.close(DEADLINE)
    assert (reports.arrived, reports.errors) == (2, [])
    assert values_in(broker) == [b"1", b"2"]


def test_close_without_time_reports_what_is_left(broker: FaultyBroker, make: Callable[..., Producer]) -> None:
    broker.make(TOPIC)
    producer, reports = make(), Reports()
    ready(producer, TOPIC)
    broker.down()
    producer.send(TOPIC, messages(b"1", b"2"), reports)
    producer.close(0)
    assert len(reports.errors) == 2
    assert reports.classes == {DeliveryClass.RETRY}
    assert reports.threads == {threading.get_ident()}


def test_clients_built_again_and_again_leave_nothing_behind(
    broker: FaultyBroker, make: Callable[..., Producer]
) -> None:
    broker.make(TOPIC)

    def threads() -> int:
        return len(os.listdir("/proc/self/task"))

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    def round_trip() -> None:
        producer, reports = make(), Reports()
        ready(producer, TOPIC)
        producer.send(TOPIC, messages(b"1"), reports)
        poll_until(producer, "the report", lambda: reports)
        producer.close(DEADLINE)

    round_trip()
    before = threads(), descriptors()
    for _ in range(5):
        round_trip()
    # The broker's ends of the connections close when its own thread gets to it.
    eventually("no more threads than before", lambda: threads() <= before[0])
    eventually("no more descriptors than before", lambda: descriptors() <= before[1])


# --- the gate, and the brokers ---


def test_a_topic_that_comes_late_is_noticed(broker: FaultyBroker, make: Callable[..., Producer], log: Log) -> None:
    producer = make()
    assert producer.topic_state(TOPIC) is TopicState.UNKNOWN
    poll_until(producer, "the topic to be missing", lambda: producer.topic_state(TOPIC) is TopicState.MISSING)
    assert producer.status().up  # it was a broker that said so
    broker.make(TOPIC)
    ready(producer, TOPIC)
    assert [name for name in log.names() if name.startswith(("topic", "brokers"))] == [
        "brokers.reached",
        "topic.missing",
        "topic.limit_unknown",  # the mock cluster knows no admin requests
        "topic.ready",
    ]


def test_with_auto_creation_asking_makes_the_topic(make: Callable[..., Producer], log: Log) -> None:
    producer = make(allow_auto_create_topics=True)
    ready(producer, TOPIC)
    assert "topic.missing" not in log.names()


def test_a_topic_that_may_not_be_described_is_denied_until_it_may(
    broker: FaultyBroker, make: Callable[..., Producer], log: Log
) -> None:
    broker.make(TOPIC)
    broker.topic_error(TOPIC, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    producer = make()
    poll_until(producer, "the topic to be denied", lambda: producer.topic_state(TOPIC) is TopicState.DENIED)
    assert "topic.denied" in log.names()
    broker.topic_error(TOPIC, 0)
    ready(producer, TOPIC)
    reports = Reports()
    producer.send(TOPIC, messages(b"1"), reports)
    poll_until(producer, "the report", lambda: reports)
    assert (reports.arrived, reports.errors) == (1, [])


def test_brokers_that_go_away_and_come_back_are_told_with_a_reason(
    broker: FaultyBroker, make: Callable[..., Producer], log: Log
) -> None:
    broker.make(TOPIC)
    producer, reports = make(), Reports()
    assert not producer.status().up
    ready(producer, TOPIC)
    up = producer.status()
    assert (up.up, up.brokers, up.reason) == (True, 1, "")
    broker.down()
    poll_until(producer, "brokers to be away", lambda: not producer.status().up)
    away = producer.status()
    assert away.since >= up.since
    poll_until(producer, "a reason", lambda: producer.status().reason.startswith("127.0.0.1:"))
    producer.send(TOPIC, messages(b"1"), reports)
    broker.up()
    poll_until(producer, "brokers to be back", lambda: producer.status().up)
    poll_until(producer, "the report", lambda: reports)
    assert (reports.arrived, reports.errors) == (1, [])
    told = [name for name in log.names() if name.startswith("brokers")]
    assert told == ["brokers.reached", "brokers.away", "brokers.back"]


@pytest.mark.parametrize(
    ("servers", "reason"),
    [("127.0.0.1:1", "127.0.0.1:1: connection refused"), ("nohost.invalid:9092", "the host name is not known")],
)
def test_brokers_that_were_never_there(make: Callable[..., Producer], log: Log, servers: str, reason: str) -> None:
    producer = make(bootstrap_servers=servers)
    assert producer.topic_state(TOPIC) is TopicState.UNKNOWN
    poll_until(producer, "the reason", lambda: reason in producer.status().reason)
    poll_until(producer, "brokers.away", lambda: "brokers.away" in log.names())
    assert producer.topic_state(TOPIC) is TopicState.UNKNOWN


# --- what waits for its batch to be full ---


def test_what_was_sent_goes_when_it_is_told_that_no_more_comes(
    broker: FaultyBroker, make: Callable[..., Producer]
) -> None:
    broker.make(TOPIC)
    producer, reports = make(), Reports()
    ready(producer, TOPIC)
    assert producer.push() == math.inf  # nothing waits
    producer.send(TOPIC, messages(b"1"), reports)
    assert producer.push() < math.inf
    poll_until(producer, "the report", lambda: producer.push() and reports)
    assert reports.arrived == 1
    poll_until(producer, "its end", lambda: producer.push() == math.inf)


def test_with_linger_it_waits_so_long_and_says_until_when(broker: FaultyBroker, log: Log) -> None:
    broker.make(TOPIC)
    now = 100.0
    config = KafkaConfig(bootstrap_servers=broker.bootstrap, linger=30.0)
    producer, reports = Producer(config, Events(log), clock=lambda: now), Reports()
    try:
        ready(producer, TOPIC)
        pushed: list[float] = []
        for client in producer._clients.values():
            client.push = pushed.append  # type: ignore[assignment]
        producer.send(TOPIC, messages(b"1"), reports)
        now = 120.0
        producer.send(TOPIC, messages(b"2"), reports)
        assert (producer.push(), pushed) == (130.0, [])
        now = 130.0
        assert (producer.push(), pushed) == (130.0 + AGAIN, [PUSH])
        now = 131.0
        assert (producer.push(2.0), pushed) == (132.0 + AGAIN, [PUSH])  # not all of it was so long ago
        assert (producer.push(), pushed) == (131.0 + AGAIN * 2, [PUSH] * 2)
    finally:
        producer.close(0)


class Clientele:
    """A client that answers when the test says so."""

    def __init__(self) -> None:
        self.taken: list[list[bytes]] = []  # by call
        self.pushed: list[float] = []  # how long it was told to make batches
        self.owes = 0
        self.highest: dict[str, int] = {}

    def send(self, _topic: str, sent: Messages, _reports: object) -> None:
        self.taken.append(sent.values)
        self.owes += len(sent.values)

    def push(self, timeout: float) -> None:
        self.pushed.append(timeout)

    def poll(self, _timeout: float) -> int:
        return 0

    def __len__(self) -> int:
        return self.owes

    def purge(self) -> None:
        self.owes = 0

    def close(self) -> None:
        """Nothing is to be let go of."""


def test_few_wait_for_the_answer_to_those_before_them_but_not_for_long(broker: FaultyBroker, log: Log) -> None:
    now = 100.0
    producer = Producer(KafkaConfig(bootstrap_servers=broker.bootstrap), Events(log), clock=lambda: now)
    client, real = Clientele(), dict(producer._clients)
    try:
        producer._clients = dict.fromkeys(real, client)  # type: ignore[arg-type]  # all that is asked of it
        producer.send(TOPIC, messages(b"1"), Reports())
        producer.push(spare=0.005)
        producer.poll(0)
        assert (client.taken, client.pushed) == ([[b"1"]], [0.005])
        producer.send(TOPIC, messages(b"2"), Reports())
        producer.poll(0)
        assert producer.push(spare=0.005) == now + AGAIN  # batches of the first may be still to be made
        assert (client.taken, client.pushed) == ([[b"1"]], [0.005, 0.005])
        client.owes = 0
        producer.poll(0)
        producer.push(spare=0.005)
        assert (client.taken, client.pushed[2:]) == ([[b"1"], [b"2"]], [0.005])
        producer.poll(0)
        producer.send(TOPIC, messages(b"3"), Reports())
        now += AGAIN
        producer.push(spare=0.005)  # from now on there may be batches that wait for one of their own partition
        assert (client.taken[2:], client.pushed[3:]) == ([[b"3"]], [PUSH])
        producer.poll(0)
        producer.send(TOPIC, messages(b"4"), Reports())
        producer.send(TOPIC, messages(*[b"5"] * (FEW + 1)), Reports())  # goes at once, and what came before it first
        assert client.taken[3:] == [[b"4"], [b"5"] * (FEW + 1)]
        producer.poll(0)
        producer.send(TOPIC, messages(b"6"), Reports())
    finally:
        producer.close(0)
        for one in real.values():
            one.close()
    assert client.taken[5:] == [[b"6"]]  # nothing is left behind: its report is still to come


def test_chunks_that_are_given_together_are_reported_each(broker: FaultyBroker, make: Callable[..., Producer]) -> None:
    broker.make(TOPIC)
    producer, first, second = make(), Reports(), Reports()
    ready(producer, TOPIC)
    producer.send_few(TOPIC, Messages([b"1", b"2", b"3"], [b"a", b"a", b"b"]), [(first, 2), (second, 1)])
    poll_until(producer, "the reports", lambda: producer.push() and len(first) + len(second) == 3)
    assert (first.arrived, second.arrived) == (2, 1)
    assert sorted(values_in(broker)) == [b"1", b"2", b"3"]


def test_it_goes_after_a_while_though_more_comes(broker: FaultyBroker, make: Callable[..., Producer]) -> None:
    broker.make(TOPIC)
    producer, first = make(), Reports()
    ready(producer, TOPIC)
    producer.send(TOPIC, messages(b"first"), first)
    began = time.monotonic()
    while not first and time.monotonic() < began + DEADLINE:
        producer.send(TOPIC, messages(b"more"), Reports())
        producer.poll(0)
    assert first.arrived == 1


def test_a_linger_among_the_properties_is_the_clients_own(broker: FaultyBroker, make: Callable[..., Producer]) -> None:
    broker.make(TOPIC)
    producer, reports = make(properties={"linger.ms": "60000"}), Reports()
    ready(producer, TOPIC)
    producer.send(TOPIC, messages(b"1"), reports)
    assert producer.push() == math.inf
    producer.poll(0.5)
    assert not reports


# --- the start ---


def test_the_first_record_does_not_wait_for_the_clients_timer(
    broker: FaultyBroker, make: Callable[..., Producer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked about the first topic a few times more: with each answer it may ask for its producer id."""
    broker.make(TOPIC)
    asked: list[float] = []
    plain = Client.list_topics

    def list_topics(client: Client, topic: str, timeout: float) -> Any:
        asked.append(time.monotonic())
        return plain(client, topic, timeout)

    monkeypatch.setattr(Client, "list_topics", list_topics)
    producer, reports = make(), Reports()
    ready(producer, TOPIC)
    producer.send(TOPIC, messages(b"1"), reports)
    poll_until(producer, "the report", lambda: producer.push() and reports)
    poll_until(producer, "all questions", lambda: len(asked) == 1 + len(ONCE_MORE))
    known = producer._probe._topics[TOPIC]
    poll_until(producer, "its rest", lambda: known.due == math.inf)
