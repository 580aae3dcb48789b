"""The beat: on time, not more often than its computing allows, and only where something is to be looked at."""

from __future__ import annotations

import math
from typing import cast

import pytest

from shipper.discovery import Discovery
from shipper.discovery.quiet import Looked
from shipper.filesource import FileSource
from shipper.pulse import BEAT, LONGEST, SHARE, SLACK, Pulse


class Rig:
    """A pulse with a clock and a thread's computing time, and a source that counts how often it is looked at."""

    def __init__(self) -> None:
        self.now = 100.0
        self.cpu = 0.0
        self.busy = True
        self.left: list[int] = []  # what each look was told
        self.on = False
        self.found = Looked(set(), set())
        self.told: list[tuple[set[bytes], bool]] = []  # what may have changed, and whether it most likely has grown
        self.hot = self
        sources = {"s": cast("FileSource", self)}
        self.pulse = Pulse(cast("Discovery", self), sources, lambda: self.now, lambda: self.cpu)
        self.pulse.sync()

    def turn(self, *, on: bool) -> None:
        self.on = on

    def glance(self) -> Looked:
        return self.found

    def modified(self, paths: set[bytes], *, grown: bool = False) -> None:
        self.told.append((paths, grown))

    def look(self, left: int) -> None:
        self.left.append(left)

    def beat(self, computing: float = 0.0) -> int:
        """Let the pump go round; returns how often it has looked until now."""
        self.pulse.beat(self.now)
        self.cpu += computing
        self.pulse.worked()
        return len(self.left)


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
    ("computing", "beats", "beat"),
    [(BEAT / 2 / SHARE, 1, BEAT), (BEAT * 1.5 / SHARE, 1, BEAT * 1.5), (BEAT * 2.5 / SHARE, 2, BEAT * 1.25)],
)
def test_a_round_gets_longer_with_what_is_computed_and_each_look_is_at_a_part(
    rig: Rig, computing: float, beats: int, beat: float
) -> None:
    rig.beat(computing)
    for left in range(beats, 0, -1):
        rig.now = rig.pulse.due
        rig.beat(computing / beats)
        assert rig.left[-1] == left
        assert rig.pulse.due == pytest.approx(rig.now + beat)
    rig.now = rig.pulse.due
    rig.beat()
    assert rig.left[-1] == beats  # as all of them together have taken


def test_no_round_is_longer_than_may_be_waited_for(rig: Rig) -> None:
    rig.beat(1.0)
    began = rig.now = rig.pulse.due
    rig.beat()
    while rig.left[-1] > 1:
        rig.now = rig.pulse.due
        rig.beat()
    assert rig.pulse.due - began == pytest.approx(LONGEST)


def test_only_looks_and_what_follows_them_count(rig: Rig) -> None:
    rig.beat(BEAT / 2 / SHARE)
    rig.now += BEAT / 2
    rig.beat(1.0)  # it was woken for something else
    for _ in range(2):
        rig.now = rig.pulse.due
        rig.beat()
        assert rig.pulse.due == pytest.approx(rig.now + BEAT)


def test_it_ends_with_the_last_directory_that_is_busy(rig: Rig) -> None:
    rig.beat()
    rig.busy = False
    rig.now += BEAT
    assert rig.beat() == 2
    assert not rig.on
    assert rig.pulse.due == math.inf
    assert rig.left == [1, 1]  # the last look is at all of them


def test_what_was_written_anew_is_told_apart_from_what_has_grown(rig: Rig) -> None:
    rig.beat()
    assert not rig.told
    rig.found = Looked({b"/a"}, {b"/b"})
    rig.now = rig.pulse.due
    rig.beat()
    assert rig.told == [({b"/a"}, True), ({b"/b"}, False)]
