"""A stall: brokers answer, and nothing is acknowledged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError

from shipper.health import STALLED_AFTER, STALLED_AGAIN
from tests.unit.rig import PumpRig, Status


def stalls(rig: PumpRig) -> list[dict[str, Any]]:
    return [fields for _, name, fields in rig.told if name == "delivery.stalled"]


def write(rig: PumpRig, *lines: str) -> None:
    with (rig.logs / "a.log").open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def stalled(rig: PumpRig) -> PumpRig:
    """Let records be in flight that are not acknowledged."""
    write(rig, "one")
    rig.start()
    rig.sink.up = False
    write(rig, "two", "three")
    rig.beat()
    return rig


def test_a_stall_is_told_once_then_now_and_then_until_it_is_over(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        stalled(rig).pass_time(STALLED_AFTER - 2)
        assert stalls(rig) == []
        rig.pass_time(4)
        (told,) = stalls(rig)
        assert (told["source"], told["topics"], told["records"]) == ("s", "t", 2)
        assert told["why"] == "the test says so"
        assert told["seconds"] >= STALLED_AFTER
        rig.pass_time(STALLED_AGAIN - 10, step=1.0)
        assert len(stalls(rig)) == 1
        rig.pass_time(20, step=1.0)
        assert len(stalls(rig)) == 2
        assert "delivery.resumed" not in rig.names()
        rig.sink.up = True
        rig.pass_time(2)
        assert rig.names("delivery.") == ["delivery.stalled"] * 2 + ["delivery.resumed"]
        assert rig.lines == ["one", "two", "three"]


def test_the_status_says_it(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        stalled(rig).pass_time(STALLED_AFTER + 2)
        assert rig.pump is not None
        rig.pump.report()
        rig.beat()
        (status,) = (fields for _, name, fields in rig.told if name == "source.status")
        assert status["state"] == "stalled: the test says so"


def test_a_source_that_is_idle_is_not_stalled(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        write(rig, "one")
        rig.start().pass_time(60, step=1.0)
        rig.sink.up = False
        write(rig, "two")
        rig.pass_time(STALLED_AFTER - 2)
        assert stalls(rig) == []


def test_it_is_not_told_while_brokers_are_away_nor_at_once_when_they_are_back(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        stalled(rig)
        rig.sink.state = Status(up=False, reason="nobody answers")
        rig.pass_time(60, step=1.0)
        rig.sink.state = Status()
        rig.pass_time(STALLED_AFTER - 2)
        assert stalls(rig) == []
        rig.pass_time(4)
        assert len(stalls(rig)) == 1


def test_it_is_not_told_while_a_source_waits_before_it_sends_again(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        stalled(rig)
        for _ in range(40):  # refused each time it is sent again: the pauses grow up to a minute
            rig.sink.refuse(KafkaError._MSG_TIMED_OUT)
            rig.pass_time(5, step=1.0)
        assert stalls(rig) == []
