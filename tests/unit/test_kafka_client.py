"""The client: what is reported of which records, whatever becomes of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from hypothesis import given
from hypothesis import strategies as st

from shipper.kafka.client import Client, runs
from shipper.kafka.consumer import read_from
from shipper.model import Messages
from tests.harness.mock_errors import Api, FaultyBroker
from tests.harness.polling import poll_until
from tests.harness.wait import eventually

TOPIC = "logs"


class Told:
    """What was reported of records that were sent together."""

    def __init__(self) -> None:
        self.arrived = 0
        self.failed: list[tuple[str, str, int]] = []

    def ack(self, count: int) -> None:
        self.arrived += count

    def nack(self, error: Any, topic: str, count: int) -> None:
        self.failed.append((error.name(), topic, count))

    @property
    def all(self) -> int:
        return self.arrived + sum(count for _, _, count in self.failed)


@pytest.fixture
def broker() -> Iterator[FaultyBroker]:
    with FaultyBroker() as started:
        started.make(TOPIC, 4)
        yield started


@pytest.fixture
def make(broker: FaultyBroker) -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def build(**callbacks: Any) -> Client:
        settings = {"bootstrap.servers": broker.bootstrap, "enable.idempotence": True, "linger.ms": 20, "log_level": 0}
        made.append(Client(settings | callbacks.pop("settings", {}), **callbacks))
        return made[-1]

    yield build
    for client in made:
        client.purge()
        client.close()


def lines(count: int, key: bytes | list[bytes] = b"k") -> Messages:
    return Messages([b"%d" % n for n in range(count)], key)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 70)), min_size=1, max_size=30))
def test_runs_are_found_as_one_by_one(given: list[tuple[int, int]]) -> None:
    wanted: list[tuple[int, int]] = []
    for number, (_, count) in enumerate(given):
        wanted.append((number, count))
    places = [number for number, count in wanted for _ in range(count)]
    assert list(runs(len(places), places.__getitem__)) == wanted


def test_a_long_run_takes_few_looks() -> None:
    looks: list[int] = []

    def number(place: int) -> int:
        looks.append(place)
        return place // 10_000

    assert list(runs(20_000, number)) == [(0, 10_000), (1, 10_000)]
    assert len(looks) < 100


def test_records_of_one_call_may_have_several_who_are_told(make: Callable[..., Client]) -> None:
    client, first, second = make(), Told(), Told()
    assert client.send(TOPIC, lines(1000), [(first, 300), (None, 100), (second, 600)]) is None
    assert (first.all, len(client) >= 1000) == (0, True)  # nothing is reported from within send
    poll_until(client, "all reports", lambda: second.arrived == 600)
    assert (first.arrived, first.failed, second.failed, client._owed) == (300, [], [], {})


def test_records_that_go_to_many_partitions_are_each_reported_once(make: Callable[..., Client]) -> None:
    client, told = make(), [Told() for _ in range(20)]
    for one in told:
        client.send(TOPIC, lines(500, [b"k%d" % (n % 37) for n in range(500)]), [(one, 500)])
    poll_until(client, "all reports", lambda: all(one.all == 500 for one in told))
    assert [one.arrived for one in told] == [500] * 20
    assert client._owed == {}


def test_a_refused_batch_is_reported_to_each_who_has_records_in_it(
    make: Callable[..., Client], broker: FaultyBroker
) -> None:
    client, first, second, later = make(), Told(), Told(), Told()
    broker.fail(Api.PRODUCE, KafkaError.INVALID_RECORD)
    client.send(TOPIC, lines(3), [(first, 3)])
    client.send(TOPIC, lines(2), [(second, 2)])
    poll_until(client, "the reports", lambda: second.all == 2)
    assert (first.failed, second.failed) == ([("INVALID_RECORD", TOPIC, 3)], [("INVALID_RECORD", TOPIC, 2)])
    client.send(TOPIC, lines(1), [(later, 1)])
    poll_until(client, "a report", lambda: later.arrived)


@pytest.mark.parametrize("headers", [None, [[("n", b"%d" % n)] for n in range(3)]])
def test_what_is_not_taken_is_reported_by_the_next_poll(make: Callable[..., Client], headers: Any) -> None:
    client, told = make(settings={"message.max.bytes": 5000}), Told()
    messages = Messages([b"a", b"x" * 6000, b"b"], b"k")
    if headers is None:
        refused = client.send(TOPIC, messages, [(told, 3)])
    else:
        refused = client.send_each(TOPIC, messages, headers, None, told)
    assert refused is not None
    assert (refused.name(), told.all) == ("MSG_SIZE_TOO_LARGE", 0)
    assert client.poll(0) >= 1
    assert told.failed == [("MSG_SIZE_TOO_LARGE", TOPIC, 1)]
    poll_until(client, "the others", lambda: told.arrived == 2)
    assert client._owed == {}


def test_what_is_purged_is_reported(make: Callable[..., Client]) -> None:
    client, told = make(settings={"linger.ms": 60_000}), Told()
    client.send(TOPIC, lines(5), [(told, 5)])
    client.purge()
    poll_until(client, "the report", lambda: told.all == 5)
    assert {name for name, _, _ in told.failed} <= {"_PURGE_QUEUE", "_PURGE_INFLIGHT"}
    assert client._owed == {}


def test_a_single_record_goes_to_its_partition(make: Callable[..., Client], broker: FaultyBroker) -> None:
    broker.make("one", 4)
    client, told = make(), Told()
    assert client.send_one("one", 2, b"k", None, told) is None
    assert client.send_one("one", 3, None, b"") is None
    poll_until(client, "the report", lambda: told.arrived and not client._owed and not len(client))
    found = {(m.partition(), m.key(), m.value()) for m in read_from(broker.bootstrap, ["one"])}
    assert found == {(2, b"k", None), (3, None, b"")}


def test_what_the_client_says_of_itself_comes_with_poll(make: Callable[..., Client]) -> None:
    errors: list[KafkaError] = []
    logged: list[tuple[int, str, str]] = []
    statistics: list[str] = []
    settings = {"bootstrap.servers": "127.0.0.1:1", "statistics.interval.ms": 50, "log_level": 6}
    client = make(
        settings=settings,
        on_error=errors.append,
        on_log=lambda *line: logged.append(line),
        on_statistics=statistics.append,
    )
    assert not errors
    poll_until(client, "everything", lambda: errors and logged and statistics)
    assert {error.name() for error in errors} <= {"_TRANSPORT", "_ALL_BROKERS_DOWN"}
    assert not any(error.fatal() for error in errors)
    assert any(facility == "FAIL" and "Connection refused" in text for _, facility, text in logged)
    assert '"type":"producer"' in statistics[0].replace(" ", "")


def test_the_end_of_a_client_is_fatal_and_told_with_its_cause(
    make: Callable[..., Client], broker: FaultyBroker
) -> None:
    errors: list[KafkaError] = []
    client, told = make(settings={"enable.gapless.guarantee": True}, on_error=errors.append), Told()
    broker.fail(Api.PRODUCE, KafkaError.INVALID_RECORD)
    client.send(TOPIC, lines(2), [(told, 2)])
    poll_until(client, "the end", lambda: any(error.fatal() for error in errors))
    assert [error.name() for error in errors if error.fatal()] == ["_GAPLESS_GUARANTEE"]
    refused = client.send(TOPIC, lines(1), [(told, 1)])
    assert refused is not None
    poll_until(client, "the last report", lambda: told.all == 3)


def test_another_thread_may_interrupt_a_poll(make: Callable[..., Client]) -> None:
    client = make(settings={"statistics.interval.ms": 0})
    client.interrupt()
    client.poll(60)  # else this would wait for a minute


def test_a_topic_is_looked_for(make: Callable[..., Client], broker: FaultyBroker) -> None:
    client = make(first="nowhere", settings={"allow.auto.create.topics": False})
    found = client.list_topics(TOPIC, 10)
    assert found.topics[TOPIC].error is None
    assert set(found.topics[TOPIC].partitions) == {0, 1, 2, 3}
    assert list(found.brokers.values()) == [broker.bootstrap]
    error = client.list_topics("nowhere", 10).topics["nowhere"].error
    assert error is not None
    assert error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART
    with pytest.raises(KafkaException):
        client.list_topics("x" * 600, 10)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"no.such": "1"}, 'No such configuration property: "no.such"'),
        ({"acks": "many"}, 'Invalid value for configuration property "request.required.acks"'),
        ({"enable.idempotence": True, "acks": 1}, "`acks` must be set to `all`"),
    ],
)
def test_settings_that_it_does_not_take(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(KafkaException) as raised:
        Client(settings)
    assert says in raised.value.args[0].str()


def test_a_new_client_does_not_put_off_its_second_connection(make: Callable[..., Client]) -> None:
    def answers_twice() -> bool:
        client = make(first=TOPIC, settings={"reconnect.backoff.ms": 2000, "reconnect.backoff.max.ms": 2000})
        until = time.monotonic() + 0.9  # it would be put off for a second
        try:
            for _ in range(2):  # the first answer may come over the first connection
                client.list_topics(TOPIC, max(until - time.monotonic(), 0.001))
        except KafkaException:
            return False
        return True

    eventually("two answers", answers_twice)  # at the first try, but on a busy machine


def test_a_name_that_no_topic_may_have_is_told_when_it_is_used(make: Callable[..., Client]) -> None:
    client = make(first="x" * 600)
    with pytest.raises(KafkaException, match="is no name for a topic"):
        client.list_topics("x" * 600, 1.0)
