"""How a transaction ends: whoever asks, and however often."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from confluent_kafka import KafkaError

from shipper.errors import ProducerFatal
from shipper.kafka.client import Client
from shipper.kafka.hanging import Found, Look, Partition
from shipper.kafka.transactions import Outcome
from shipper.model import Messages, TopicState
from tests.harness.mock_errors import Api
from tests.harness.polling import poll_until, ready
from tests.harness.wait import eventually
from tests.mock.world import Sent, World, commit, opened


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()
    made.broker.close()


def test_an_outcome_may_be_asked_for_at_any_moment(world: World) -> None:
    """The client's own call, made again while it is under way, ends the process with a failed assertion."""
    topic = world.topic()
    producer = opened(world.transactional())
    ready(producer, topic)
    world.broker.slow(10)
    for number in range(1, 21):
        sent = Sent(producer, topic).send()
        producer.prepare(number, 1, 0, (), ())
        while (outcome := producer.commit(0)) is Outcome.PENDING:
            producer.poll(0)
        assert (outcome, sent.errors) == (Outcome.COMMITTED, [None])


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how much was still to be reported, each time that a client is asked to commit."""
    ask, found = Client.commit_transaction, list[int]()

    def asked(client: Client) -> None:
        found.append(len(client))
        ask(client)

    monkeypatch.setattr(Client, "commit_transaction", asked)
    return found


def test_the_client_is_asked_to_commit_when_what_was_sent_has_been_reported(world: World, left: list[int]) -> None:
    """It would wait for that, and its thread would go round without end meanwhile."""
    topic = world.topic()
    producer = opened(world.transactional())
    ready(producer, topic)
    sent = Sent(producer, topic).send()
    left.clear()  # of its opening
    assert (commit(producer), sent.errors, left) == (Outcome.COMMITTED, [None], [0])


def test_where_nothing_is_reported_the_client_is_asked_to_commit_all_the_same(world: World, left: list[int]) -> None:
    """It says why, where the transaction has been given up already."""
    topic = world.topic()
    producer = opened(world.transactional())
    ready(producer, topic)
    Sent(producer, topic).send()
    producer.prepare(1, 1, 0, (), ())
    world.broker.slow(2_000)
    left.clear()  # of its opening
    while not left:
        assert producer.commit(0.2) is Outcome.PENDING
    assert left[0] > 0
    world.broker.slow(0)
    poll_until(producer, "the outcome", lambda: producer.commit(0) is Outcome.COMMITTED)


def test_what_is_reported_while_a_transaction_is_given_up_is_told_before_that_is(world: World) -> None:
    topic = world.topic()
    producer = opened(world.transactional())
    ready(producer, topic)
    world.broker.slow(100)
    sent = [Sent(producer, topic).send() for _ in range(10)]
    eventually("the end of the transaction", lambda: producer.abort(0))
    assert [len(each.errors) for each in sent] == [1] * 10
    assert producer.began_at is None


def test_brokers_that_go_away_while_they_are_asked_to_commit(world: World) -> None:
    """It is asked for once, and the outcome is known when they are back."""
    topic = world.topic()
    producer = opened(world.transactional())
    ready(producer, topic)
    Sent(producer, topic).send()
    producer.prepare(1, 1, 0, (), ())
    world.broker.slow(2_000)
    assert producer.commit(0.2) is Outcome.PENDING
    world.broker.down()
    world.broker.slow(0)
    poll_until(producer, "the brokers to be away", lambda: not producer.status().up)
    assert producer.commit(0.2) is Outcome.PENDING
    world.broker.up()
    poll_until(producer, "the outcome", lambda: producer.commit(0) is Outcome.COMMITTED)


def test_what_was_aborted_is_looked_at_before_anything_is_sent_there(world: World) -> None:
    """A broker may forget to end it, and the next commit would then commit it too (KAFKA-20734)."""
    topic, other = world.topic(), world.topic()
    producer = opened(world.transactional())
    ready(producer, topic)
    ready(producer, other)
    Sent(producer, topic).send()
    world.broker.fail(Api.LIST_OFFSETS, *[KafkaError.LEADER_NOT_AVAILABLE] * 1000)
    eventually("the end of the transaction", lambda: producer.abort(0))
    assert producer.topic_state(topic) is TopicState.UNKNOWN
    assert producer.topic_state(other) is TopicState.READY
    world.broker.forgive(Api.LIST_OFFSETS)
    ready(producer, topic)
    producer.begin()
    producer.prepare(1, 1, 0, (), ())
    world.broker.fail(Api.LIST_OFFSETS, *[KafkaError.LEADER_NOT_AVAILABLE] * 1000)
    with pytest.raises(ProducerFatal, match="cannot be told whether a transaction is open"):
        poll_until(producer, "the checkpoints to be looked at", lambda: producer.abort(0))


def test_a_transaction_that_is_open_after_it_was_aborted_takes_a_new_client(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = world.topic()
    producer = opened(world.transactional())
    ready(producer, topic)
    Sent(producer, topic).send()

    def at(_self: Look, partitions: Iterable[Partition], others: dict[Partition, int]) -> Found:
        return Found({p: 0 for p in partitions if p[0] == topic and p not in others}, {})

    monkeypatch.setattr(Look, "at", at)
    eventually("the end of the transaction", lambda: producer.abort(0))
    with pytest.raises(ProducerFatal, match=f"a transaction is open in topic {topic}"):
        poll_until(producer, "the client to be given up", lambda: False)
    heir = world.transactional()
    heir._clearing.known.topics.add(topic)
    opened(heir)  # it ends what it can, and knows that the rest is another's
    assert heir._clearing.known.others == {(topic, 0): 0}
    ready(heir, topic)


def test_several_small_chunks_are_reported_one_by_one(world: World) -> None:
    topic = world.topic()
    producer = opened(world.transactional())
    ready(producer, topic)
    first, second = Sent(producer, topic), Sent(producer, topic)
    producer.send_few(topic, Messages([b"a", b"b", b"c"], b"k"), [(first, 2), (second, 1)])
    assert commit(producer) is Outcome.COMMITTED
    assert (first.errors, second.errors) == ([None, None], [None])
