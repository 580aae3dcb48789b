"""How much is read in a turn: less after one that took long, more again when that is over."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shipper.source.stride import AIM, LEAST, LONG, Stride

MOST = 256 << 10


def test_it_becomes_as_small_as_the_work_asks_for() -> None:
    stride = Stride(MOST)
    stride.took(LONG, MOST)
    assert stride.limit == MOST
    stride.took(10 * AIM, MOST)
    assert stride.limit == MOST // 10
    stride.took(1000.0, 4096)
    assert stride.limit == LEAST


def test_it_grows_again_when_turns_are_short() -> None:
    stride = Stride(MOST)
    stride.took(100.0, MOST)
    for _ in range(20):
        stride.took(AIM / 2, stride.limit)
    assert stride.limit == MOST
    stride.took((AIM + LONG) / 2, MOST)
    assert stride.limit == MOST


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 1 << 40))))
def test_a_turn_is_never_nothing_and_never_more_than_allowed(turns: list[tuple[float, int]]) -> None:
    stride = Stride(MOST)
    for seconds, size in turns:
        stride.took(seconds, size)
        assert LEAST <= stride.limit <= MOST
