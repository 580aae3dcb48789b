"""How chunks shrink until the culprit is alone, and grow again."""

from hypothesis import given
from hypothesis import strategies as st

from shipper.source.pace import ENOUGH, Pace


def test_free_until_something_is_refused() -> None:
    pace = Pace()
    pace.taken()
    assert pace.limit == 0


def test_a_refused_chunk_is_narrowed_down_to_a_single_record() -> None:
    pace = Pace()
    sizes = [ENOUGH]
    while sizes[-1] > 1:
        pace.refused(sizes[-1])
        sizes.append(pace.limit)
    assert sizes == sorted(set(sizes), reverse=True)
    pace.refused(1)
    assert pace.limit == 1


def test_a_single_record_that_is_refused_limits_the_pace_too() -> None:
    pace = Pace()
    pace.refused(500)
    assert 0 < pace.limit < 500


def test_grows_to_be_free_again_once_the_single_record_was_found() -> None:
    pace = Pace()
    pace.refused(ENOUGH)
    pace.found()
    for _ in range(20):
        pace.taken()
    assert pace.limit == 0


@given(st.integers(2, ENOUGH))
def test_never_grows_to_what_was_refused_for_its_size(size: int) -> None:
    pace = Pace()
    pace.refused(size)
    for _ in range(40):
        pace.taken()
    assert 0 < pace.limit < size
