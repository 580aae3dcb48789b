"""The generations of one path: one after the other (I3), and none twice."""

from __future__ import annotations

from collections import deque

from shipper.filesource.lineage import Lineage
from shipper.ledger import Position, Track
from shipper.lifecycle import File, FileEvent
from shipper.model import Checkpoint, FileId
from shipper.tailer import Tailer


def tailer(generation: int) -> Tailer:
    checkpoint = Checkpoint(str(generation), "s", b"/a.log", b"/a.log", FileId(1, generation), generation, 0)
    return Tailer(checkpoint, 1000, "t", b"key")


def lineage(count: int) -> tuple[Lineage, list[Tailer]]:
    made, tailers = Lineage(b"/a.log"), [tailer(n) for n in range(count)]
    for one in tailers:
        made.add(one)
    return made, tailers


def finish(one: Tailer) -> None:
    for event in (FileEvent.REPLACED, FileEvent.DONE):
        one.event(event)


def test_only_the_oldest_has_its_turn() -> None:
    paths, (first, second, third) = lineage(3)
    assert paths.current is first
    assert paths.advance() is first
    assert [t.state for t in (first, second, third)] == [File.DRAINING, File.WAITING, File.WAITING]
    assert paths.advance() is None
    finish(first)
    assert paths.advance() is second
    finish(second)
    assert paths.advance() is third
    assert third.state is File.READING  # nothing comes after it
    assert paths.successor(third) is None
    assert paths.successor(first) is second


def test_the_newest_is_replaced_when_another_comes() -> None:
    paths, (first,) = lineage(1)
    paths.advance()
    states = [first.state]
    paths.add(tailer(1))
    assert [*states, first.state] == [File.READING, File.DRAINING]


def test_one_without_a_name_is_drained_although_nothing_comes_after_it() -> None:
    paths, (first,) = lineage(1)
    first.linked = False
    paths.advance()
    assert first.state is File.DRAINING


def test_one_that_is_found_late_comes_before_another() -> None:
    paths, (first, second) = lineage(2)
    late = tailer(2)
    assert paths.insert(late, second) == [late, second]
    assert paths.gens == [first, late, second]
    assert [one.generation for one in paths.gens] == [0, 1, 2]  # they are in this order after a restart, too
    assert paths.generation == 3


def test_one_that_has_its_name_back_comes_last_until_those_after_it_are_begun() -> None:
    paths, (first, second, third) = lineage(3)
    paths.advance()
    assert paths.let_be_newest(first) == [second, third, first]
    assert paths.gens == [second, third, first]
    assert [one.generation for one in paths.gens] == [0, 1, 2]
    assert first.state is File.READING  # nothing comes after it any more
    first.read = Position(3, b"")
    assert paths.let_be_newest(second) == []
    assert paths.gens == [second, third, first]


def test_generations_are_numbered_on() -> None:
    paths = Lineage(b"/a.log")
    assert paths.generation == 0
    paths.add(tailer(4))
    paths.add(tailer(2))
    assert paths.generation == 5


def test_what_is_finished_and_settled_is_put_away_in_order() -> None:
    paths, (first, second, third) = lineage(3)
    for one in (first, second):
        paths.advance()
        finish(one)
    first.track = Track(Position(0, b""))
    first.track.chunks = deque([None])  # type: ignore[list-item]  # something in flight
    assert paths.retire() == []
    assert paths.current is third
    first.track.forget()
    assert paths.retire() == [first, second]
    assert (paths.past, paths.gens) == ((first, second), [third])
    assert list(paths.members()) == [third, second, first]


def test_a_new_current_has_to_see_its_own_successor() -> None:
    paths, (first, *_) = lineage(3)
    paths.advance()
    paths.succeeded = True
    assert paths.advance() is None
    assert paths.succeeded
    finish(first)
    paths.advance()
    assert not paths.succeeded


def test_what_is_lost_stands_in_nobodys_way() -> None:
    paths, (first, second) = lineage(2)
    first.event(FileEvent.VANISHED)
    assert paths.current is second
    assert paths.retire() == [first]
