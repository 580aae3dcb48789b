"""Which client is in use, and what sources send through."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from shipper.events import Events
from shipper.outlet import REPLACE_BEAT, Outlet
from shipper.tap import Taps, Wish
from tests.unit.rig import FakeSink


class Case:
    """An outlet of two sources, whose clients are kept in the order in which they were made."""

    def __init__(self) -> None:
        self.now = 10.0
        self.made: list[FakeSink] = []
        self.paused: list[float] = []
        self.taps = Taps(Events(lambda *_: None), clock=lambda: self.now)
        self.sources: dict[str, Any] = {name: SimpleNamespace(name=name, sink=None) for name in ("a", "b")}
        self.outlet = Outlet(self._make, self.sources, self.taps, lambda: self.now, self.paused.append)

    def _make(self) -> FakeSink:
        self.made.append(FakeSink())
        return self.made[-1]


@pytest.fixture
def case() -> Case:
    return Case()


def test_every_source_sends_to_the_client_that_is_in_use(case: Case) -> None:
    assert case.outlet.open() is case.outlet.client is case.outlet.through("a")
    case.outlet.replace()
    assert case.outlet.client is case.made[1]
    assert [source.sink for source in case.sources.values()] == [case.made[1]] * 2


def test_clients_are_not_made_one_after_the_other_without_a_pause(case: Case) -> None:
    case.outlet.open()
    case.outlet.replace()
    assert case.paused == []
    case.now += REPLACE_BEAT / 2
    case.outlet.replace()
    assert case.paused == [REPLACE_BEAT]
    case.now += REPLACE_BEAT
    case.outlet.replace()
    assert len(case.paused) == 1


def test_a_source_that_somebody_looks_at_sends_through_the_tap(case: Case) -> None:
    client = case.outlet.open()
    case.outlet.look()
    assert case.sources["a"].sink is None  # nothing has changed
    case.taps.open("one", Wish("a"))
    case.outlet.look()
    assert case.sources["a"].sink is not client
    assert case.sources["b"].sink is client
    case.taps.close("one")
    case.outlet.look()
    assert case.sources["a"].sink is client


def test_what_was_never_opened_is_closed_too(case: Case) -> None:
    case.outlet.close()
    case.outlet.open()
    case.outlet.close()
    assert case.made[0].closed
