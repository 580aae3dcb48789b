"""Every row of the table of errors, provoked: what the client says then, and that it goes on afterwards.

What only a real Kafka does is provoked in ``tests/kafka``; ``ELSEWHERE`` says by which test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from shipper.errors import ProducerFatal
from shipper.kafka.consumer import read_from
from shipper.kafka.errors import ANSWERS, TABLE, Where, classify
from shipper.kafka.producer import Producer
from shipper.kafka.transactions import Outcome
from shipper.model import DeliveryClass
from tests.harness.kafka import Ports
from tests.harness.mock_errors import Api, FaultyBroker
from tests.harness.polling import poll_until, ready
from tests.harness.wait import eventually
from tests.mock.world import Sent, World, commit, opened, send

# An open transaction of a client that was fenced: its end cannot be told to anybody.
pytestmark = pytest.mark.filterwarnings("ignore:Producer abort_transaction failed")

TESTS = Path(__file__).parent.parent
CODES = {KafkaError(code).name(): code for code in range(-220, 150)}

ELSEWHERE = {  # rows that need a real Kafka, and the test that provokes them
    "_AUTHENTICATION": "kafka/test_errors.py::test_a_wrong_password",
    "_SSL": "kafka/test_errors.py::test_a_certificate_that_is_not_accepted",
    "_INVALID_DIFFERENT_RECORD": "kafka/test_errors.py::test_a_record_that_the_broker_names_as_invalid",
}


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    made = World()
    yield made
    made.broker.close()


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    shared.told, shared.errors, shared._made = [], [], []
    yield shared
    shared.close()


def end(producer: Producer) -> str:
    """Wait until the client gives up; return why."""
    with pytest.raises(ProducerFatal) as raised:
        poll_until(producer, "the client to give up", lambda: False)
    return str(raised.value)


def rows(where: Where) -> list[str]:
    return sorted(name for name, meaning in TABLE.items() if meaning.where is where)


# --- in delivery reports ---


def by_produce_request(world: World, name: str) -> str:
    """The broker answers the request with the error."""
    topic = world.topic()
    producer = world.producer()
    ready(producer, topic)
    world.broker.fail(Api.PRODUCE, CODES[name])
    sent = Sent(producer, topic).send()
    if TABLE[name].delivery is DeliveryClass.FATAL:
        end(producer)
        producer.close(0)
        producer = world.producer()
    result = sent.errors[0].name() if sent.errors else sent.result()
    again(producer, topic)
    return str(result)


def again(producer: Producer, topic: str) -> None:
    """It goes on as the pump lets it: held until the topic was seen again."""
    producer.hold(topic)
    eventually("a record to be taken", lambda: send(producer, topic, b"again") == "")


def by_a_topic_that_never_was(world: World, name: str) -> str:
    producer = world.producer()
    result = Sent(producer, "never").send().result()
    world.broker.make("never")
    again(producer, "never")
    return result


def by_a_client_that_has_given_up(world: World, name: str) -> str:
    topic = world.topic()
    producer = world.producer(**{"enable.gapless.guarantee": "true"})
    ready(producer, topic)
    world.broker.fail(Api.PRODUCE, KafkaError.INVALID_RECORD)
    first = Sent(producer, topic).send()
    assert "_GAPLESS_GUARANTEE" in end(producer)
    if name == "_GAPLESS_GUARANTEE":
        return name if name in end(producer) else first.result()
    later = Sent(producer, topic).send()
    producer.close(0)
    return str(later.errors[0].name())


def by_a_topic_that_is_deleted(world: World, name: str) -> str:
    topic = world.topic()
    producer = world.producer()
    assert send(producer, topic) == ""
    world.broker.delete(topic)
    # Given back, where the client lets go of the topic before the broker says so to what was sent.
    kind = classify(KafkaError(CODES[Sent(producer, topic).send().result()]))
    assert kind in (DeliveryClass.TOPIC, DeliveryClass.RETRY)
    result = Sent(producer, topic).send().result()
    world.broker.make(topic)
    again(producer, topic)
    return result


def by_a_partition_that_is_gone(world: World, name: str) -> str:
    """A checkpoint topic with fewer partitions than before."""
    producer = opened(world.transactional())
    producer._partition = 99
    producer._clearing.checkpoints = (producer._topic, 99)
    assert commit(producer) is Outcome.REFUSED
    assert not producer.abort(0.1)
    assert "cannot be told whether a transaction is open" in end(producer)
    assert commit(opened(world.transactional())) is Outcome.COMMITTED
    return name if f"({name})" in producer.reason else producer.reason


def by_closing(world: World, name: str) -> str:
    for patience in (0.1, 0.5, 2.5):  # until the request is on its way
        with FaultyBroker() as broker:
            broker.make("t")
            producer = world.producer(broker.bootstrap, **{"linger.ms": "60000" if name == "_PURGE_QUEUE" else "0"})
            ready(producer, "t")
            broker.slow(60_000)
            sent = Sent(producer, "t").send()
            producer.poll(patience)
            producer.close(0)
            if (result := str(sent.errors[0].name())) == name:
                return result
    return result


def by_the_message_timeout(world: World, name: str) -> str:
    topic = world.topic()
    producer = world.producer(**{"message.timeout.ms": "1000", "linger.ms": "5", "socket.timeout.ms": "500"})
    assert send(producer, topic) == ""
    world.broker.down()
    try:
        return Sent(producer, topic).send().result()
    finally:
        world.broker.up()


def by_a_full_queue(world: World, name: str) -> str:
    topic = world.topic()
    producer = world.producer(**{"queue.buffering.max.messages": "1", "linger.ms": "300"})
    ready(producer, topic)
    first, second = Sent(producer, topic).send(), Sent(producer, topic).send()
    assert first.result() == ""
    return second.result()


REPORTS: dict[str, Callable[[World, str], str]] = {
    "_FATAL": by_a_client_that_has_given_up,
    "_GAPLESS_GUARANTEE": by_a_client_that_has_given_up,
    "_MSG_TIMED_OUT": by_the_message_timeout,
    "_PURGE_INFLIGHT": by_closing,
    "_PURGE_QUEUE": by_closing,
    "_QUEUE_FULL": by_a_full_queue,
    "_UNKNOWN_PARTITION": by_a_partition_that_is_gone,
    "_UNKNOWN_TOPIC": by_a_topic_that_is_deleted,
    "UNKNOWN_TOPIC_OR_PART": by_a_topic_that_never_was,
}


@pytest.mark.parametrize("name", sorted(set(rows(Where.REPORT)) - set(ELSEWHERE)))
def test_an_error_that_is_reported(world: World, name: str) -> None:
    assert REPORTS.get(name, by_produce_request)(world, name) == name
    assert classify(KafkaError(CODES[name])) is TABLE[name].delivery


# --- that the client sees to ---


@pytest.mark.parametrize("name", rows(Where.CLIENT))
def test_an_error_that_the_client_sees_to(world: World, name: str) -> None:
    topic = world.topic()
    producer = world.producer(**{"linger.ms": "0", "batch.num.messages": "1"})
    assert send(producer, topic, b"first") == ""
    unknown = name == "UNKNOWN_PRODUCER_ID"
    world.broker.fail(Api.PRODUCE, *[CODES[name]] * (1 if unknown else 2))
    values = [b"%d" % number for number in range(5)]
    sent = [Sent(producer, topic, value).send() for value in values]
    assert [record.result() for record in sent] == [""] * len(values)
    found = [message.value() for message in read_from(world.broker.bootstrap, [topic])]
    taken = [value for value, record in zip(values, sent, strict=True) if not record.implied]
    assert found == [b"first", *taken]  # what no broker has named an offset of is sent again by the daemon
    if name == "DUPLICATE_SEQUENCE_NUMBER":  # the mock says that it has what it has not
        assert taken == values[2:]
    else:
        # The mock looks at no sequence numbers: it may take a record behind one that it has not taken.
        assert taken == values or (unknown and taken == values[1:])


# --- of connections ---


def nobody_there(world: World, name: str) -> None:
    producer = world.producer(f"127.0.0.1:{Ports().take()}")
    producer.topic_state("t")
    poll_until(producer, "its name", lambda: name in world.errors)
    poll_until(producer, "the reason", lambda: producer.status().reason)
    assert not producer.status().up


def no_such_host(world: World, name: str) -> None:
    producer = world.producer("nohost.invalid:9092")
    producer.topic_state("t")
    poll_until(producer, "its name", lambda: name in world.errors)
    poll_until(producer, "the reason", lambda: "the host name is not known" in producer.status().reason)


def a_slow_broker(world: World, name: str) -> None:
    topic = world.topic()
    producer = world.producer()
    ready(producer, topic)
    world.broker.slow(2_500)
    try:
        producer.hold(topic)
        poll_until(producer, "the broker to be away", lambda: name in producer.status().reason)
    finally:
        world.broker.slow(0)
    ready(producer, topic)


CONNECTIONS = {
    "_ALL_BROKERS_DOWN": nobody_there,
    "_RESOLVE": no_such_host,
    "_TIMED_OUT": a_slow_broker,
    "_TRANSPORT": nobody_there,
}


@pytest.mark.parametrize("name", sorted(set(rows(Where.CONNECTION)) - set(ELSEWHERE)))
def test_an_error_of_a_connection(world: World, name: str) -> None:
    CONNECTIONS[name](world, name)


# --- of transactions ---


@pytest.mark.parametrize("api", [Api.INIT_PRODUCER_ID, Api.FIND_COORDINATOR, Api.ADD_PARTITIONS_TO_TXN, Api.END_TXN])
@pytest.mark.parametrize("name", ["COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR", "COORDINATOR_LOAD_IN_PROGRESS"])
def test_a_coordinator_that_is_not_there(world: World, name: str, api: Api) -> None:
    world.broker.fail(api, CODES[name], CODES[name])
    producer = opened(world.transactional())
    assert commit(producer) is Outcome.COMMITTED


def repeated(world: World, name: str) -> str:
    producer = opened(world.transactional())
    world.broker.fail(Api.END_TXN, CODES[name], CODES[name])
    assert commit(producer) is Outcome.COMMITTED
    return name


def given_up(world: World, name: str) -> str:
    """The transaction is aborted, and the next one committed."""
    topic = world.topic()
    producer = opened(world.transactional())
    assert send(producer, topic) == ""
    world.broker.delete(topic)
    Sent(producer, topic).send().result()
    assert commit(producer) is Outcome.REFUSED
    eventually("the end of the transaction", lambda: producer.abort(0.1))
    assert commit(producer) is Outcome.COMMITTED
    return name if f"({name})" in producer.reason else producer.reason


def given_up_at_the_end(world: World, name: str) -> str:
    producer = opened(world.transactional())
    world.broker.fail(Api.END_TXN, CODES[name])
    assert commit(producer) is Outcome.REFUSED
    eventually("the end of the transaction", lambda: producer.abort(0.1))
    assert commit(producer) is Outcome.COMMITTED
    return name if f"({name})" in producer.reason else producer.reason


def at_the_end(world: World, name: str) -> str:
    """The coordinator says so when it is asked to commit: what became of it is read back by another client."""
    producer = opened(world.transactional())
    world.broker.fail(Api.END_TXN, CODES["INVALID_PRODUCER_EPOCH" if name == "_FENCED" else name])
    with pytest.raises(ProducerFatal) as raised:
        commit(producer)
    return named(world, name, str(raised.value))


def at_the_opening(world: World, name: str) -> str:
    world.broker.fail(Api.INIT_PRODUCER_ID, CODES[name])
    return named(world, name, end(world.transactional()))


def named(world: World, name: str, why: str) -> str:
    assert commit(opened(world.transactional())) is Outcome.COMMITTED
    return name if f"({name})" in why else why


TRANSACTIONS = {
    "CONCURRENT_TRANSACTIONS": repeated,
    "COORDINATOR_LOAD_IN_PROGRESS": repeated,
    "COORDINATOR_NOT_AVAILABLE": repeated,
    "NOT_COORDINATOR": repeated,
    "TRANSACTION_ABORTABLE": given_up_at_the_end,
    "_INCONSISTENT": given_up,
    "INVALID_PRODUCER_ID_MAPPING": at_the_end,
    "INVALID_TXN_STATE": at_the_end,
    "_FENCED": at_the_end,
    "INVALID_TRANSACTION_TIMEOUT": at_the_opening,
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED": at_the_opening,
}


@pytest.mark.parametrize("name", rows(Where.TRANSACTION))
def test_an_error_of_a_transaction(world: World, name: str) -> None:
    assert TRANSACTIONS[name](world, name) == name


# --- the table itself ---


def test_every_row_is_provoked_and_every_kind_is_answered() -> None:
    for name, meaning in TABLE.items():
        assert (meaning.where, meaning.delivery) in ANSWERS, name
    for name, test in ELSEWHERE.items():
        file, _, function = test.partition("::")
        assert name in TABLE
        assert re.search(rf"^def {function}\(", (TESTS / file).read_text(), re.MULTILINE), test
    assert {(meaning.where, meaning.delivery) for meaning in TABLE.values()} == set(ANSWERS)
