"""How a transaction ends: whoever asks, and however often."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shipper.kafka.transactions import Outcome
from tests.harness.wait import eventually
from tests.mock.world import Sent, World, opened, poll_until, ready


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
    producer.each = True
    ready(producer, topic)
    world.broker.slow(10)
    for number in range(1, 21):
        sent = Sent(producer, topic).send()
        producer.prepare(number, 1, 0, (), ())
        while (outcome := producer.commit(0)) is Outcome.PENDING:
            producer.poll(0)
        assert (outcome, sent.errors) == (Outcome.COMMITTED, [None])


def test_what_is_reported_while_a_transaction_is_given_up_is_told_before_that_is(world: World) -> None:
    topic = world.topic()
    producer = opened(world.transactional())
    producer.each = True
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
