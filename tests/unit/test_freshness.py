"""Since when lines wait: never said to be later than it is, and no later than need be."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.filesource.freshness import Freshness
from shipper.model import TopicState
from tests.unit.rig import PumpRig


def test_nothing_waits_when_all_is_acknowledged() -> None:
    one = Freshness(10.0)
    assert one.since(0) == 10.0
    one.ended(11.0, 100, 0)
    assert one.since(99) == 10.0
    assert one.since(100) is None


def test_what_comes_after_a_rest_waits_since_then() -> None:
    one = Freshness(0.0)
    one.ended(1.0, 100, 100)
    one.begin(5000.0, 100)
    assert one.since(100) == 5000.0


def test_a_file_that_never_rests_is_as_late_as_its_acknowledgements() -> None:
    one = Freshness(0.0)
    for second in range(1, 1000):
        one.begin(float(second), (second - 2) * 100)  # two seconds' worth is in flight all the time
        one.ended(float(second), second * 100, (second - 2) * 100)
    since = one.since(997 * 100)
    assert since is not None
    assert 990.0 <= since <= 997.0


def test_a_file_that_is_read_again_after_a_refusal_is_no_fresher_for_it() -> None:
    one = Freshness(0.0)
    one.ended(1.0, 100, 100)
    one.begin(10.0, 100)
    one.ended(11.0, 200, 100)
    for again in (20.0, 30.0):
        one.begin(again, 100)
        one.ended(again + 1, 200, 100)
    assert one.since(100) == 10.0


def test_a_source_that_waits_says_for_how_long(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log = rig.logs / "app.log"
        log.write_text("one\n")
        pump = rig.start().pump
        assert pump is not None
        rig.pass_time(1000)

        def lag() -> float | None:
            status = pump._health.status(rig.sink.status(), rig.now, "h", 1, pump._descriptors, 10)
            assert status.sources[0].lag == max((file.lag for file in status.files), default=0.0)
            return status.sources[0].lag

        assert lag() == 0.0
        rig.sink.topics["t"] = TopicState.MISSING
        with log.open("a") as file:
            file.write("two\n")
        rig.beat()
        rig.pass_time(60)
        assert lag() == pytest.approx(60, abs=1)
        rig.sink.topics["t"] = TopicState.READY
        rig.sink.up = False
        rig.pass_time(60)
        assert lag() == pytest.approx(120, abs=2)
        rig.sink.up = True
        rig.pass_time(2)
        assert lag() == 0.0
