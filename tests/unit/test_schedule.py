"""Whose turn it is: nobody twice in a round, nobody forgotten, nobody who is gone."""

from __future__ import annotations

import pytest

from shipper.model import Checkpoint, FileId
from shipper.source.schedule import Schedule
from shipper.tailer import Tailer


def tailer(name: str, topic: str = "t") -> Tailer:
    path = name.encode()
    return Tailer(Checkpoint(name, "s", path, path, FileId(1, 1), 0, 0), 1000, topic, b"key")


@pytest.fixture
def three() -> list[Tailer]:
    return [tailer("a"), tailer("b"), tailer("c")]


def turns(schedule: Schedule[Tailer]) -> list[str]:
    found = []
    while (one := schedule.next()) is not None:
        found.append(one.uid)
    return found


def always(topic: str) -> bool:
    return True


def never(topic: str) -> bool:
    return False


def test_turns_are_taken_in_order_and_asking_twice_is_asking_once(three: list[Tailer]) -> None:
    schedule: Schedule[Tailer] = Schedule()
    hungry = [schedule.hungry]
    for one in [*three, *three]:
        schedule.now(one)
    hungry.append(schedule.hungry)
    assert turns(schedule) == ["a", "b", "c"]
    assert [*hungry, schedule.hungry] == [False, True, False]


def test_one_with_a_backlog_goes_to_the_end_of_the_line(three: list[Tailer]) -> None:
    schedule: Schedule[Tailer] = Schedule()
    for one in three:
        schedule.now(one)
    first = schedule.next()
    assert first is three[0]
    schedule.now(first)
    assert turns(schedule) == ["b", "c", "a"]


def test_those_who_wait_come_at_their_time(three: list[Tailer]) -> None:
    schedule: Schedule[Tailer] = Schedule()
    assert schedule.due == float("inf")
    schedule.later(three[0], 10.0)
    schedule.later(three[1], 5.0)
    assert schedule.due == 5.0
    schedule.ripen(4.9, never)
    assert turns(schedule) == []
    schedule.ripen(5.0, never)
    assert turns(schedule) == ["b"]
    assert schedule.due == 10.0
    schedule.ripen(11.0, never)
    assert turns(schedule) == ["a"]
    assert schedule.due == float("inf")


def test_those_who_wait_for_a_topic_come_when_it_is_there() -> None:
    schedule: Schedule[Tailer] = Schedule()
    for one in (tailer("a", "x"), tailer("b", "y"), tailer("c", "x")):
        schedule.block(one, one.topic)
    schedule.ripen(0.0, never)
    assert turns(schedule) == []
    assert schedule.blocked_on == "x"
    schedule.ripen(0.0, lambda topic: topic == "x")
    assert turns(schedule) == ["a", "c"]
    assert schedule.blocked_on == "y"
    schedule.ripen(0.0, always)
    assert turns(schedule) == ["b"]
    assert schedule.blocked_on is None


def test_who_is_dropped_never_has_a_turn(three: list[Tailer]) -> None:
    schedule: Schedule[Tailer] = Schedule()
    ready, waiting, blocked = three
    schedule.now(ready)
    schedule.later(waiting, 1.0)
    schedule.block(blocked, blocked.topic)
    for one in three:
        schedule.drop(one)
    schedule.ripen(2.0, always)
    assert turns(schedule) == []


def test_some_may_have_their_turn_before_others(three: list[Tailer]) -> None:
    schedule: Schedule[Tailer] = Schedule()
    a, b, c = three
    for one in three:
        schedule.now(one)
    assert schedule.next([c, b]) is c
    assert schedule.next([c]) is None
    assert [schedule.has(one) for one in three] == [True, True, False]
    assert turns(schedule) == ["a", "b"]
    assert schedule.next([a, b]) is None


def test_those_who_may_wait_come_when_it_is_nobodys_turn(three: list[Tailer]) -> None:
    schedule: Schedule[Tailer] = Schedule()
    first, second, third = three
    for one in (first, second, first):
        schedule.sometime(one)
    hungry = [schedule.hungry]
    schedule.now(third)
    schedule.now(second)
    schedule.sometime(second)
    assert turns(schedule) == ["c", "b", "a"]
    schedule.sometime(first)
    schedule.drop(first)
    assert [*hungry, schedule.hungry] == [True, False]


def test_who_was_dropped_and_comes_again_has_one_turn(three: list[Tailer]) -> None:
    schedule: Schedule[Tailer] = Schedule()
    for one in three:
        schedule.now(one)
    schedule.drop(three[0])
    schedule.now(three[0])
    assert sorted(turns(schedule)) == ["a", "b", "c"]
