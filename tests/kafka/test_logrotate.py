"""Promise 5 with the real ``logrotate``, in all of its modes at once, under load.

Each mode has a log of its own in a directory of its own, so that a verdict names the mode by the line's first word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from tests.harness.kafka import Broker
from tests.harness.logrotate import MISSING, MODES, Fleet, Mode
from tests.harness.rig import Rig
from tests.harness.wait import let_pass

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


def rotate(fleet: Fleet, times: int, modes: Sequence[Mode] = MODES) -> None:
    for _ in range(times):
        let_pass(1.1)  # names with seconds in them are others then
        fleet.rotate(modes)


@pytest.fixture
def watched(distant_rig: Rig) -> Rig:
    distant_rig.source["paths"] = [f"{distant_rig.logs}/*/*.log", f"{distant_rig.logs}/*/old/*.log*"]
    for mode in MODES:
        (distant_rig.logs / mode.name).mkdir()
    return distant_rig


@pytest.fixture
def fleet(watched: Rig) -> Iterator[Fleet]:
    logs = [watched.log(f"{mode.name}/{mode.name}.log", source=mode.name) for mode in MODES]
    with Fleet(watched.root, logs, MODES) as fleet:
        yield fleet


def settle(rig: Rig, fleet: Fleet) -> None:
    fleet.stop()
    rig.verify(end=lambda: rig.log("create/~end.log"))


def test_while_it_runs(watched: Rig, fleet: Fleet) -> None:
    watched.start()
    watched.records(1)
    rotate(fleet, 4)
    settle(watched, fleet)


def test_while_the_brokers_are_away(watched: Rig, fleet: Fleet, broker: Broker) -> None:
    watched.kafka["max_in_flight"] = "1MiB"  # what is more is unread
    watched.start()
    watched.records(1)
    broker.proxy.cut()
    watched.daemon.wait_for("brokers.away")
    rotate(fleet, 3)
    broker.proxy.heal()
    settle(watched, fleet)


def test_while_it_is_stopped(watched: Rig, fleet: Fleet) -> None:
    watched.start()
    watched.records(1)
    watched.daemon.stop()
    rotate(fleet, 1, [mode for mode in MODES if mode.offline])
    rotate(fleet, 2, [mode for mode in MODES if mode.offline and mode.twice])
    watched.start()
    rotate(fleet, 1)
    settle(watched, fleet)
