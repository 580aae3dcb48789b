"""What the service manager is told, and when."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from shipper.events import Events
from shipper.lifecycle import Service
from shipper.manager import EXTENSION, STATUS_BEAT, Manager
from tests.unit.rig import PumpRig, Status


class Pump:
    """Stands in for the pump."""

    def __init__(self) -> None:
        self.state = Service.STARTING
        self.rounds = 0
        self.standing = ""
        self.reloading = False
        self.asked = 0

    def ask(self) -> None:
        self.asked += 1


class Rig:
    """A manager that listens, a pump, and a clock."""

    def __init__(self, **environment: str) -> None:
        self.now = 100.0
        self.sent: list[str] = []
        self.told: list[str] = []
        self.pump = Pump()
        self.fails = False
        events = Events(lambda level, name, fields: self.told.append(name))
        self.manager = Manager(events, environment=environment, notify=self.notify, clock=lambda: self.now)

    def notify(self, message: str) -> None:
        if self.fails:
            raise ConnectionRefusedError("nobody listens")
        self.sent.append(message)

    def second(self, *, round_: bool = True) -> list[str]:
        """Let a second pass in which the pump went round, or did not; returns what was sent."""
        self.sent = []
        self.now += 1
        self.pump.rounds += round_
        self.manager.look(self.pump)
        return self.sent


WATCHED = {"WATCHDOG_USEC": "8000000"}


@pytest.mark.parametrize("state", [Service.RUNNING, Service.DEGRADED])
def test_it_is_ready_once_it_runs_with_brokers_or_without(state: Service) -> None:
    rig = Rig()
    assert "READY=1" not in rig.second()
    rig.pump.state = state
    assert "READY=1" in rig.second()
    assert "READY=1" not in rig.second()


def test_a_start_that_goes_on_is_given_time_and_one_that_hangs_is_not() -> None:
    rig = Rig()
    patience = f"EXTEND_TIMEOUT_USEC={int(EXTENSION * 1e6)}"
    assert patience in rig.second()
    assert patience in rig.second()
    assert patience not in rig.second(round_=False)


def test_the_watchdog_is_fed_twice_within_its_time() -> None:
    rig = Rig(**WATCHED)
    rig.pump.state = Service.RUNNING
    fed = ["WATCHDOG=1" in rig.second() for _ in range(8)]
    assert fed.count(True) >= 2
    assert not any(a == b == c == d is False for a, b, c, d in zip(fed, fed[1:], fed[2:], fed[3:], strict=False))


def test_the_watchdog_is_fed_while_brokers_are_away() -> None:
    rig = Rig(**WATCHED)
    rig.pump.state = Service.DEGRADED
    assert "WATCHDOG=1" in [message for _ in range(8) for message in rig.second()]


def test_the_watchdog_is_not_fed_when_the_pump_hangs() -> None:
    rig = Rig(**WATCHED)
    rig.pump.state = Service.RUNNING
    for _ in range(8):
        rig.second()
    assert "WATCHDOG=1" not in [message for _ in range(20) for message in rig.second(round_=False)][4:]
    assert "WATCHDOG=1" in [message for _ in range(4) for message in rig.second()]


def test_a_watchdog_of_another_process_is_not_fed() -> None:
    rig = Rig(**WATCHED, WATCHDOG_PID=str(os.getppid()))
    assert "WATCHDOG=1" not in [message for _ in range(20) for message in rig.second()]


def test_the_status_is_asked_for_now_and_then_and_told_when_it_changes() -> None:
    rig = Rig()
    rig.pump.standing = "all is well"
    assert "STATUS=all is well" in rig.second()
    assert not any(message.startswith("STATUS") for message in rig.second())
    rig.pump.standing = "app: blocked"
    assert "STATUS=app: blocked" in rig.second()
    asked = rig.pump.asked
    for _ in range(int(STATUS_BEAT) * 2):
        rig.second()
    assert rig.pump.asked == asked + 2


def test_a_reload_says_when_it_began_and_is_over_when_it_is_ready() -> None:
    rig = Rig()
    rig.pump.state = Service.RUNNING
    rig.second()
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    rig.manager.reloading()
    said = dict(line.split("=") for line in rig.sent[-1].split("\n"))
    assert said["RELOADING"] == "1"
    assert int(said["MONOTONIC_USEC"]) >= before
    rig.pump.reloading = True
    assert "READY=1" not in rig.second()
    rig.pump.reloading = False
    assert "READY=1" in rig.second()


def test_a_reload_that_is_refused_is_over_at_once() -> None:
    rig = Rig()
    rig.manager.reloading()
    rig.manager.kept()
    assert rig.sent[-1] == "READY=1"
    assert "READY=1" not in rig.second()


def test_a_stop_is_given_time_while_something_is_still_delivered() -> None:
    rig = Rig()
    rig.manager.stopping()
    assert rig.sent[0].startswith("STOPPING=1")
    rig.pump.rounds += 1
    rig.manager.draining(rig.pump)
    assert any(message.startswith("EXTEND_TIMEOUT_USEC=") for message in rig.sent)
    rig.sent = []
    rig.manager.draining(rig.pump)
    assert rig.sent == []


def test_a_manager_that_does_not_listen_is_told_of_and_stops_nothing() -> None:
    rig = Rig()
    rig.fails = True
    rig.pump.state = Service.RUNNING
    rig.second()
    assert rig.told == ["manager.unreachable"]


def test_without_a_manager_nothing_is_asked() -> None:
    pump = Pump()
    Manager(Events(lambda *told: None), environment={}).look(pump)
    assert pump.asked == 0


# What the pump says.


def words(rig: PumpRig) -> str:
    assert rig.pump is not None
    rig.pump.ask()
    rig.beat()
    return rig.pump.standing


def test_what_is_wrong_comes_first(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        (rig.logs / "a.log").write_text("one\ntwo\n")
        rig.start().pass_time(2)
        assert words(rig).endswith("lines/s from 1 files, 0 bytes to read")
        rig.sink.state = Status(up=False, reason="nobody answers")
        assert words(rig).startswith("brokers away: nobody answers; ")


def test_each_round_is_counted_also_when_there_is_nothing_to_do(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        pump = rig.start().pump
        assert pump is not None
        before = pump.rounds
        rig.beat()
        assert pump.rounds > before


@pytest.mark.parametrize(
    ("environment", "notify", "ready", "patience"),
    [
        ({}, False, False, STATUS_BEAT),
        ({}, True, False, 1.0),
        ({}, True, True, STATUS_BEAT),
        ({"WATCHDOG_USEC": "8000000"}, True, True, 1.0),
        ({"WATCHDOG_USEC": "60000000"}, True, True, STATUS_BEAT),
    ],
)
def test_an_idle_daemon_is_woken_no_oftener_than_somebody_asks_for(
    environment: dict[str, str], notify: bool, ready: bool, patience: float
) -> None:
    events = Events(lambda *_: None)
    manager = Manager(events, environment=environment, notify=(lambda _: None) if notify else None)
    if ready:
        manager.kept()
    assert manager.patience == patience
