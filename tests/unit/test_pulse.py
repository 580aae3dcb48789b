"""The beat: on time, not more often than its computing allows, and only where something is to be looked at."""

from __future__ import annotations

import math
from typing import cast

import pytest

from shipper.discovery import Discovery
from shipper.filesource import FileSource
from shipper.pulse import BEAT, LONGEST, SHARE, SLACK, Pulse


class Rig:
    """A pulse with a clock and a thread's computing time, and a source that counts how often it is looked at."""

    def __init__(self) -> None:
        self.now = 100.0
        self.cpu = 0.0
        self.busy = True
        self.looks = 0
        self.on = False
        self.hot = self
        sources = {"s": cast("FileSource", self)}
        self.pulse = Pulse(cast("Discovery", self), sources, lambda: self.now, lambda: self.cpu)
        self.pulse.sync()

    def turn(self, *, on: bool) -> None:
        self.on = on

    def glance(self) -> set[bytes]:
        return set()

    def look(self) -> None:
        self.looks += 1

    def beat(self, computing: float = 0.0) -> int:
        """Do a round; returns how often it has looked until now."""
        self.pulse.beat(self.now)
        self.cpu += computing
        self.pulse.worked()
        return self.looks


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_it_looks_once_a_beat_and_is_not_late_for_the_next_one_where_it_was_a_little(rig: Rig) -> None:
    assert rig.beat() == 1
    rig.now += BEAT / 2
    assert rig.beat() == 1
    rig.now = 100.0 + BEAT * 1.5
    assert rig.beat() == 2
    assert rig.pulse.due == pytest.approx(100.0 + BEAT * 2)
    rig.now = rig.pulse.due - SLACK / 2  # who waits does so for whole milliseconds
    assert rig.beat() == 3


def test_beats_that_were_missed_are_not_made_up_for(rig: Rig) -> None:
    rig.beat()
    rig.now += BEAT * 10
    assert rig.beat() == 2
    assert rig.pulse.due == pytest.approx(rig.now + BEAT)


@pytest.mark.parametrize(
    ("computing", "beat"), [(BEAT / 2 / SHARE, BEAT), (BEAT * 2 / SHARE, BEAT * 2), (1.0, LONGEST)]
)
def test_it_gets_longer_with_what_is_computed(rig: Rig, computing: float, beat: float) -> None:
    rig.beat(computing)
    assert rig.pulse.due == pytest.approx(100.0 + beat)


def test_it_ends_with_the_last_directory_that_is_busy(rig: Rig) -> None:
    rig.beat()
    rig.busy = False
    rig.now += BEAT
    assert rig.beat() == 2
    assert not rig.on
    assert rig.pulse.due == math.inf
