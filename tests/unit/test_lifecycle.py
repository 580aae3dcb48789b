"""Both state machines, walked over every pair of a state and an event."""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import product
from typing import TypeVar

import pytest

from shipper.errors import IllegalTransition
from shipper.lifecycle import FILE, SERVICE, File, FileEvent, Service, ServiceEvent, render, step

PAIRS = [*product(File, FileEvent)], [*product(Service, ServiceEvent)]


@pytest.mark.parametrize(("state", "event"), PAIRS[0])
def test_every_pair_of_a_file_leads_on_or_is_refused(state: File, event: FileEvent) -> None:
    if (state, event) in FILE:
        assert step(FILE, state, event) is FILE[state, event]
    else:
        with pytest.raises(IllegalTransition, match=f"File {state.value}: {event.value} cannot happen here"):
            step(FILE, state, event)


@pytest.mark.parametrize(("state", "event"), PAIRS[1])
def test_every_pair_of_the_service_leads_on_or_is_refused(state: Service, event: ServiceEvent) -> None:
    if (state, event) in SERVICE:
        assert step(SERVICE, state, event) is SERVICE[state, event]
    else:
        with pytest.raises(IllegalTransition, match=f"Service {state.value}: {event.value} cannot happen here"):
            step(SERVICE, state, event)


S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


def reachable(table: dict[tuple[S, E], S], start: S) -> set[S]:
    seen: set[S] = set()
    todo = {start}
    while todo:
        seen |= todo
        todo = {then for (state, _), then in table.items() if state in seen} - seen
    return seen


def test_every_state_can_be_reached() -> None:
    assert reachable(FILE, File.WAITING) == set(File)
    assert reachable(SERVICE, Service.STARTING) == set(Service)


@pytest.mark.parametrize("state", [s for s in File if s is not File.LOST])
def test_any_file_may_vanish_and_what_is_lost_may_return(state: File) -> None:
    assert step(FILE, state, FileEvent.VANISHED) is File.LOST
    assert step(FILE, File.LOST, FileEvent.RETURNED) is File.DRAINING


@pytest.mark.parametrize("state", [s for s in File if s is not File.LOST])
def test_only_a_draining_file_is_finished(state: File) -> None:
    done = FILE.get((state, FileEvent.DONE))
    assert (done is File.FINISHED) == (state in (File.DRAINING, File.FINISHED))


@pytest.mark.parametrize("state", File)
def test_a_rewind_is_possible_whatever_became_of_the_file_and_leaves_it_unfinished(state: File) -> None:
    assert step(FILE, state, FileEvent.REWOUND) is not File.FINISHED


def test_nothing_leads_back_to_waiting() -> None:
    assert {state for (state, _), then in FILE.items() if then is File.WAITING} == {File.WAITING}


@pytest.mark.parametrize("state", [s for s in Service if s is not Service.STOPPED])
def test_the_service_can_always_be_stopped(state: Service) -> None:
    assert step(SERVICE, state, ServiceEvent.STOP) is Service.DRAINING


def test_what_is_stopped_stays_stopped() -> None:
    assert not [event for event in ServiceEvent if (Service.STOPPED, event) in SERVICE]


def test_the_tables_can_be_shown() -> None:
    lines = render(FILE).splitlines()
    assert len(lines) == len(FILE)
    assert "draining + done -> finished" in lines
    assert all(re.fullmatch(r"\w+ \+ \w+ -> \w+", line) for line in render(SERVICE).splitlines())
