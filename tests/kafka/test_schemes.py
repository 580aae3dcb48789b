"""Promise 5 with writers that rotate their own logs, all schemes at once, under load."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.kafka import Broker
from tests.harness.rig import Rig
from tests.harness.schemes import SCHEMES, Scheme, Writers
from tests.harness.wait import let_pass


@pytest.fixture
def watched(distant_rig: Rig) -> Rig:
    distant_rig.source["paths"] = [f"{distant_rig.logs}/*/*-live.log", f"{distant_rig.logs}/cronolog/*.log"]
    return distant_rig


@pytest.fixture
def schemes(watched: Rig) -> list[Scheme]:
    return [scheme(name, watched.logs, watched.truth) for name, scheme in SCHEMES.items()]


@pytest.fixture
def writers(schemes: list[Scheme]) -> Iterator[Writers]:
    with Writers(schemes) as writers:
        yield writers


def rotate(writers: Writers, times: int, schemes: list[Scheme]) -> None:
    for _ in range(times):
        let_pass(1.1)  # names with seconds in them are others then
        writers.rotate(schemes)


def settle(rig: Rig, writers: Writers) -> None:
    writers.stop()
    rig.verify(end=lambda: rig.log("log4j2-min/~end-live.log"))


def test_while_it_runs(watched: Rig, schemes: list[Scheme], writers: Writers) -> None:
    watched.start()
    watched.records(1)
    rotate(writers, 4, schemes)
    settle(watched, writers)


def test_while_the_brokers_are_away(watched: Rig, schemes: list[Scheme], writers: Writers, broker: Broker) -> None:
    watched.kafka["max_in_flight"] = "1MiB"  # what is more is unread
    watched.start()
    watched.records(1)
    broker.proxy.cut()
    watched.daemon.wait_for("brokers.away")
    rotate(writers, 3, schemes)
    broker.proxy.heal()
    settle(watched, writers)


def test_while_it_is_stopped(watched: Rig, schemes: list[Scheme], writers: Writers) -> None:
    watched.start()
    watched.records(1)
    watched.daemon.stop()
    rotate(writers, 1, [scheme for scheme in schemes if scheme.offline])
    rotate(writers, 2, [scheme for scheme in schemes if scheme.offline and scheme.ordered])
    watched.start()
    rotate(writers, 1, schemes)
    settle(watched, writers)
