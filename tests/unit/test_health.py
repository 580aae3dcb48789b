"""A stall: brokers answer, and nothing is acknowledged; and what the status says first."""

from __future__ import annotations

import io
import re
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import KafkaError
from rich.console import Console

from shipper.admin import view
from shipper.health import STALLED_AFTER, STALLED_AGAIN
from shipper.refusals import LIFT, MAKE_ROOM
from tests.harness.wait import eventually
from tests.unit.rig import PumpRig, Status, append


def write(rig: PumpRig, *lines: str) -> None:
    append(rig.logs / "a.log", *lines)


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
        assert rig.told_of("delivery.stalled") == []
        rig.pass_time(4)
        (told,) = rig.told_of("delivery.stalled")
        assert (told["source"], told["topics"], told["records"]) == ("s", "t", 2)
        assert told["why"] == "the test says so"
        assert told["seconds"] >= STALLED_AFTER
        rig.pass_time(STALLED_AGAIN - 10, step=1.0)
        assert len(rig.told_of("delivery.stalled")) == 1
        rig.pass_time(20, step=1.0)
        assert len(rig.told_of("delivery.stalled")) == 2
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


def test_whatever_keeps_a_source_from_going_on_is_the_first_line(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        stalled(rig).pass_time(STALLED_AFTER + 31)
        assert first_line(rig) == "✗ s, for 41 s: stalled: the test says so → shipper check --connect"
        rig.sink.state = Status(up=False, reason="nobody answers")
        rig.pass_time(125)
        said = "nobody answers; 0 B wait on disk, nothing is lost → shipper check --connect"
        assert first_line(rig) == f"✗ brokers away for 2 min 5 s: {said}"
        rig.sink.state, rig.sink.up = Status(), True
        rig.pass_time(2)
        assert first_line(rig).startswith("shipper · ")


@pytest.mark.parametrize(("how", "remedy"), [("block", LIFT), ("deadletter", MAKE_ROOM)])
def test_a_record_that_blocks_is_the_first_line(tmp_path: Path, how: str, remedy: str) -> None:
    with PumpRig(tmp_path) as rig:
        kafka = msgspec.structs.replace(rig.config.kafka, on_reject=how)
        rig.config = msgspec.structs.replace(
            rig.config, kafka=kafka, shipper=msgspec.structs.replace(rig.config.shipper, deadletter_max=0)
        )
        write(rig, "bad")
        rig.start(up=False)
        rig.sink.on_poll = lambda: rig.sink.refuse(KafkaError.INVALID_RECORD)

        def blocked() -> bool:
            rig.pass_time(1)
            return "record.refused" in rig.names()

        eventually("the source to stop", blocked)
        rig.pass_time(119)
        assert re.match("✗ s, for (1 min 5. s|2 min.*): blocked: the record of 3 bytes in ", first_line(rig))
        assert first_line(rig).endswith(f"→ {remedy}")


def first_line(rig: PumpRig) -> str:
    """Return what `status` says first."""
    assert rig.pump is not None
    assert rig.pump.status(0) is None  # nobody goes round
    question, _ = rig.pump._questions[0]
    rig.beat()
    console = Console(file=io.StringIO(), width=1000, highlight=False)
    view.show(console, question.result(0), None)
    text = str(console.file.getvalue())  # type: ignore[attr-defined]
    return text.splitlines()[0].strip().replace("\N{NO-BREAK SPACE}", " ")


def test_a_source_that_is_idle_is_not_stalled(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        write(rig, "one")
        rig.start().pass_time(60, step=1.0)
        rig.sink.up = False
        write(rig, "two")
        rig.pass_time(STALLED_AFTER - 2)
        assert rig.told_of("delivery.stalled") == []


def test_it_is_not_told_while_brokers_are_away_nor_at_once_when_they_are_back(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        stalled(rig)
        rig.sink.state = Status(up=False, reason="nobody answers")
        rig.pass_time(60, step=1.0)
        rig.sink.state = Status()
        rig.pass_time(STALLED_AFTER - 2)
        assert rig.told_of("delivery.stalled") == []
        rig.pass_time(4)
        assert len(rig.told_of("delivery.stalled")) == 1


def test_it_is_not_told_while_a_source_waits_before_it_sends_again(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        stalled(rig)
        for _ in range(40):  # refused each time it is sent again: the pauses grow up to a minute
            rig.sink.refuse(KafkaError._MSG_TIMED_OUT)
            rig.pass_time(5, step=1.0)
        assert rig.told_of("delivery.stalled") == []
