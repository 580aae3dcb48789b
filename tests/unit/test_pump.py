"""The rounds of the pump: what is read is sent, acknowledged, saved; what is not taken is sent again; and the end."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaError

from shipper.deadletters import Letter, Letters
from shipper.errors import StateError
from shipper.filesource.source import GLANCES
from shipper.ledger import ENOUGH, RECORD_OVERHEAD, SHARE, SMALL
from shipper.lifecycle import Service
from shipper.model import TopicState
from shipper.pump import PAUSED_BEAT, Pump
from shipper.tailer import MAX_LINES
from tests.harness.wait import DEADLINE
from tests.unit.rig import FakeSink, PumpRig, Status, append


def write(rig: PumpRig, *lines: str, name: str = "app.log") -> None:
    append(rig.logs / name, *lines)


def told(rig: PumpRig, name: str) -> dict[str, Any]:
    """Return the fields of the only event of this name."""
    (fields,) = rig.told_of(name)
    return fields


def test_what_is_acknowledged_is_saved_and_nothing_else(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        write(rig, "one", "two")
        rig.start(up=False)
        rig.pass_time(5)
        assert [checkpoint.offset for checkpoint in rig.saved()] == [0]
        rig.sink.up = True
        rig.pass_time(5)
        assert [checkpoint.offset for checkpoint in rig.saved()] == [8]
        assert rig.events.counters["records.read", "s"] == rig.events.counters["records.acked", "s"] == 2


def test_a_stop_drains_saves_and_only_then_closes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with PumpRig(tmp_path) as rig:
        write(rig, "one", "two")
        pump = rig.start(up=False).pump
        assert pump is not None
        did: list[str] = []

        def watch(owner: object, name: str, as_what: str) -> None:
            real = getattr(owner, name)

            def wrapped(*args: Any, **named: Any) -> Any:
                if as_what not in did:
                    did.append(as_what)
                return real(*args, **named)

            monkeypatch.setattr(owner, name, wrapped)

        watch(pump._discovery, "stop", "discovery off")
        watch(rig.sink, "poll", "delivering")
        watch(rig.store, "submit", "saving")
        watch(rig.store, "flush", "saved")
        watch(rig.sink, "close", "client closed")
        watch(pump._descriptors, "close_all", "files closed")
        rig.sink.up = True
        write(rig, "written after the stop")
        rig.stop()
        assert did == ["discovery off", "delivering", "saving", "saved", "client closed", "files closed"]
        assert rig.lines == ["one", "two"]
        assert (pump.left.delivered, pump.left.in_flight, pump.left.saved) == (2, 0, True)
        assert [checkpoint.offset for checkpoint in rig.saved()] == [8]
        assert pump.state is Service.STOPPED


def test_a_stop_does_not_wait_for_ever_and_tells_what_is_left(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        write(rig, "one", "two")
        pump = rig.start(up=False).pump
        assert pump is not None

        def time_passes() -> None:
            rig.now += 1.0

        rig.sink.on_poll = time_passes
        rig.stop()
        assert (pump.left.delivered, pump.left.in_flight) == (0, 2)
        assert [checkpoint.offset for checkpoint in rig.saved()] == [0]
        rig.start().stop()
        assert rig.lines == ["one", "two"]


def test_what_is_refused_during_the_stop_is_left(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        write(rig, "one", "two")
        pump = rig.start(up=False).pump
        assert pump is not None
        rig.sink.on_poll = rig.sink.refuse
        rig.stop()
        assert (pump.left.delivered, pump.left.in_flight) == (0, 2)


def test_a_client_that_gives_up_while_draining_ends_the_drain(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        write(rig, "one")
        pump = rig.start(up=False).pump
        assert pump is not None
        rig.sink.fatal = True
        rig.stop()
        assert pump.left.in_flight == 1
        assert len(rig.sinks) == 1


def test_a_clean_stop_and_start_sends_nothing_twice(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        write(rig, "one")
        rig.start().stop()
        write(rig, "two")
        rig.start().stop()
        assert rig.lines == ["one", "two"]


def test_how_many_were_delivered_does_not_depend_on_the_order_of_the_reports(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        write(rig, "one")
        pump = rig.start(up=False).pump
        assert pump is not None
        write(rig, "two", "three")
        rig.beat()
        first, *others = rig.sink.queue
        rig.sink.queue = others
        rig.sink.deliver()
        rig.beat()  # these wait for the first
        assert rig.source.delivery.delivered == 0
        rig.sink.queue = [first]
        rig.sink.deliver()
        rig.stop()
        assert pump.left.delivered == 3


def test_a_client_that_gives_up_is_replaced_and_everything_in_flight_is_sent_again(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        write(rig, "one", name="a.log")
        write(rig, "two", name="b.log")
        rig.start()
        rig.sink.up = False
        write(rig, "three", name="a.log")
        write(rig, "four", name="b.log")
        rig.beat()
        rig.sink.fatal = True
        rig.beat()
        old, new = rig.sinks
        assert old.closed
        assert sorted(new.arrived) == [b"four", b"three"]
        assert rig.pump is not None
        assert (rig.pump._ledger.records, rig.pump._ledger.in_flight) == (0, 0)
        assert "client.replaced" in rig.names()


def test_what_the_dying_client_still_reports_counts(tmp_path: Path) -> None:
    """Half of it arrives while the client is closed, the rest is given back: only that is sent again."""
    with PumpRig(tmp_path) as rig:
        write(rig, "one")
        rig.start(up=False)
        write(rig, "two")
        rig.beat()
        old = rig.sink
        close = old.close

        def report_and_close(timeout: float) -> None:
            rest = old.queue[1:]
            del old.queue[1:]
            old.deliver()
            old.queue = rest
            old.refuse()
            close(timeout)

        old.close = report_and_close  # type: ignore[method-assign]
        old.fatal = True
        rig.beat()
        assert rig.sinks[1].arrived == [b"two"]
        assert not rig.source.delivery.rewinding
        assert rig.pump is not None
        assert rig.pump._ledger.in_flight == 0


RETRIED = [KafkaError._PURGE_QUEUE, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED]


@pytest.mark.parametrize("code", [*RETRIED, KafkaError.MSG_SIZE_TOO_LARGE])
def test_what_is_not_taken_is_sent_again_in_order_before_anything_newer(tmp_path: Path, code: int) -> None:
    with PumpRig(tmp_path) as rig:
        write(rig, "one", "two")
        rig.start(up=False)
        rig.sink.on_poll = lambda: rig.sink.refuse(code)
        rig.beat(1)
        rig.sink.on_poll = lambda: None
        write(rig, "three")
        write(rig, "other", name="b.log")
        rig.beat()
        assert not rig.sink.queue  # nothing of the source is sent before
        rig.sink.up = True
        rig.pass_time(60)
        assert [line for line in rig.lines if line != "other"] == ["one", "two", "three"]
        assert "other" in rig.lines
        assert {c.offset for c in rig.saved()} == {14, 6}
        assert rig.sink.held == (["t", "t"] if code in RETRIED[1:] else ["t"] if code not in RETRIED else [])


def test_what_no_broker_has_acknowledged_is_sent_again(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        (rig.logs / "a.log").write_bytes(b"one\ntwo\n")
        rig.start(up=False)
        first, second = rig.sink.queue
        rig.sink.queue = []
        first.report.nack(None, "t", 1)
        second.report.ack(1)
        rig.sink.up = True
        rig.pass_time(10)
        assert rig.lines == ["one", "two"]
        assert [fields["reason"] for _, name, fields in rig.told if name == "record.not_taken"] == ["IMPLIED"]


def refuse_batches_with(rig: PumpRig, *bad: bytes) -> None:
    """Behave as brokers do: all of a batch is refused for one of its records."""

    def answer() -> None:
        queue, rig.sink.queue = rig.sink.queue, []
        refused = any(sent.value in bad for sent in queue)
        for sent in queue:
            if not refused:
                rig.sink.arrived.append(sent.value)
            sent.tell(KafkaError.INVALID_RECORD if refused else None)

    rig.sink.on_poll = answer


def rejecting(rig: PumpRig, how: str) -> None:
    kafka = msgspec.structs.replace(rig.config.kafka, on_reject=how)
    rig.config = msgspec.structs.replace(rig.config, kafka=kafka)


def dead(rig: PumpRig) -> list[tuple[bytes, int]]:
    """Return the dead letters: their bytes and offsets."""
    return [(letter.value, letter.offset) for letter in rig.letters()]


def test_a_record_that_is_never_taken_blocks_and_moves_no_offset(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        rejecting(rig, "block")
        write(rig, "good", "bad", "after")
        rig.start(up=False)
        refuse_batches_with(rig, b"bad")
        rig.pass_time(300)
        assert {c.offset for c in rig.saved()} == {5}
        assert rig.lines == ["good"]
        assert "record.refused" in rig.names()
        assert rig.pump is not None
        assert rig.pump._ledger.records == 0
        assert rig.source.why_idle.startswith("blocked: the record of 3 bytes in ")
        assert "app.log at offset 5 was refused" in rig.source.why_idle
        refuse_batches_with(rig)
        rig.pass_time(120)
        assert rig.lines == ["good", "bad", "after"]
        assert rig.source.why_idle == "idle: everything has been read"
        assert dead(rig) == []


def test_a_record_that_is_never_taken_is_kept_and_its_neighbours_arrive_once_in_order(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        lines = [f"line {number}" for number in range(100)]
        write(rig, *lines[:40], "bad", "bad", *lines[40:])
        rig.start(up=False)
        refuse_batches_with(rig, b"bad")
        rig.pass_until("the last line", lambda: lines[-1] in rig.lines)
        assert rig.lines == lines
        offset = len("".join(f"{line}\n" for line in lines[:40]))
        assert dead(rig) == [(b"bad", offset), (b"bad", offset + 4)]
        rig.pass_time(60)
        assert {c.offset for c in rig.saved()} == {(rig.logs / "app.log").stat().st_size}
        counters = rig.events.counters
        assert counters["records.acked", "s"] == len(lines)
        assert counters["record.deadlettered", "s"] == 2


def test_no_offset_passes_a_record_before_it_is_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with PumpRig(tmp_path) as rig:
        write(rig, "good", "bad", "after")
        may = threading.Event()
        add = Letters.add

        def slow(letters: Letters, letter: Letter, most: int) -> str:
            assert may.wait(DEADLINE)
            return add(letters, letter, most)

        monkeypatch.setattr(Letters, "add", slow)
        rig.start(up=False)
        refuse_batches_with(rig, b"bad")
        rig.pass_time(120)
        assert {c.offset for c in rig.saved()} == {5}
        assert rig.lines == ["good"]
        may.set()
        rig.pass_until("what comes after", lambda: rig.lines == ["good", "after"])


def test_what_may_be_too_large_is_sent_by_itself_and_nothing_follows_before_its_report(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        large = "x" * 200
        write(rig, "one", large, "two", large)
        rig.make_sink = lambda make=rig.make_sink: narrow(make())  # type: ignore[misc, method-assign]
        rig.start(up=False)
        assert [sent.value for sent in rig.sink.queue] == [b"one", large.encode()]
        rig.sink.deliver()
        rig.beat()
        assert [sent.value for sent in rig.sink.queue] == [b"two", large.encode()]


def narrow(sink: FakeSink) -> FakeSink:
    sink.most = 200
    return sink


@pytest.mark.parametrize("why", ["full", "failing"])
def test_what_cannot_be_kept_blocks_until_it_can(tmp_path: Path, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with PumpRig(tmp_path) as rig:
        problem = {"full": "", "failing": "no space left"}[why]
        add = Letters.add
        refusing = True

        def refuse(letters: Letters, letter: Letter, most: int) -> str:
            if refusing and problem:
                raise StateError(problem)
            return add(letters, letter, 0 if refusing else most)

        monkeypatch.setattr(Letters, "add", refuse)
        write(rig, "good", "bad", "after")
        rig.start(up=False)
        refuse_batches_with(rig, b"bad")
        rig.pass_until("the source to stop", lambda: "record.refused" in rig.names())
        assert (problem or "deadletter_max") in rig.source.why_idle
        assert rig.lines == ["good"]
        assert {c.offset for c in rig.saved()} == {5}
        refusing = False
        rig.pass_until("what comes after", lambda: rig.lines == ["good", "after"])
        assert dead(rig) == [(b"bad", 5)]


def test_the_files_are_the_buffer(tmp_path: Path) -> None:
    """I5: in flight stays below max_in_flight and one chunk; the rest waits on disk, and a stop still ends."""
    with PumpRig(tmp_path) as rig:
        rig.config = msgspec.structs.replace(
            rig.config, kafka=msgspec.structs.replace(rig.config.kafka, max_in_flight=1 << 20)
        )
        (rig.logs / "app.log").write_bytes(b"\n" * 20 * MAX_LINES)
        pump = rig.start(up=False).pump
        assert pump is not None
        rig.beat(20)
        chunk = MAX_LINES * (1 + len(b"app.log") + RECORD_OVERHEAD)
        assert 1 << 20 <= pump._ledger.in_flight < (1 << 20) + chunk
        assert pump._ledger.paused
        stopped = pump._ledger.in_flight
        rig.pass_time(5)
        assert pump._ledger.in_flight == stopped
        rig.sink.up = True
        rig.stop()
        assert pump.left.in_flight == 0
        assert pump.left.unread > 0
        rig.start().beat(100)
        assert len(rig.lines) == 20 * MAX_LINES


def test_a_missing_topic_holds_its_source_and_is_sent_to_when_it_comes(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        rig.start()
        rig.sink.topics["t"] = TopicState.MISSING
        write(rig, "one")
        rig.pass_time(30)
        assert rig.lines == []
        assert rig.source.why_idle == "topic t is missing"
        rig.sink.topics["t"] = TopicState.READY
        rig.beat()
        assert rig.lines == ["one"]


def test_a_long_line_is_sent_in_numbered_parts(tmp_path: Path) -> None:
    with PumpRig(tmp_path, max_line=1024) as rig:
        write(rig, "x" * 2500, "next")
        rig.start()
        assert [len(line) for line in rig.lines] == [1024, 1024, 452, 4]
        assert [dict(headers) for headers in rig.sink.headers] == [
            {"shipper.part": b"1"},
            {"shipper.part": b"2"},
            {"shipper.part": b"3", "shipper.parts": b"3"},
        ]


def test_the_status_is_told_when_it_is_asked_for(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        write(rig, "one")
        rig.start()
        rig.sink.up = False
        write(rig, "two", "three")
        rig.beat()
        assert "service.status" not in rig.names()
        assert rig.pump is not None
        rig.pump.report()
        rig.beat()
        status = told(rig, "service.status")
        assert (status["state"], status["brokers"], status["delivered"], status["in_flight"]) == ("running", 1, 1, 2)
        assert told(rig, "source.status")["state"] == "reading"


def test_it_is_ready_once_brokers_have_answered_and_degraded_while_they_have_not(tmp_path: Path) -> None:
    def make(sink: FakeSink) -> FakeSink:
        sink.state = Status(up=False, reason="nobody answers", brokers=0)
        return sink

    with PumpRig(tmp_path) as rig:
        real = rig.make_sink
        rig.make_sink = lambda: make(real())  # type: ignore[method-assign]
        rig.start().pass_time(9)
        assert rig.names("service.") == []
        rig.pass_time(2)
        assert told(rig, "service.degraded")["reason"] == "nobody answers"
        rig.sink.state = Status()
        rig.pass_time(10)
        assert rig.names("service.") == ["service.degraded", "service.ready"]


# On its own thread.


def test_it_ends_when_it_is_told_to_whatever_it_waits_for(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        write(rig, "one")
        pump = rig.make_pump()
        pump.start()
        pump.stop()
        pump.stop()
        assert pump.join(30)
        assert pump.error is None
        assert pump.state is Service.STOPPED
        assert rig.sink.closed


def boom(*_: object) -> None:
    raise RuntimeError("a bug")


def break_poll(rig: PumpRig) -> None:
    rig.sink.on_poll = boom


def break_close(rig: PumpRig) -> None:
    rig.sink.close = boom  # type: ignore[method-assign, assignment]


@pytest.mark.parametrize("break_it", [break_poll, break_close])
def test_an_error_in_the_thread_is_kept_for_the_main_thread(
    tmp_path: Path, break_it: Callable[[PumpRig], None]
) -> None:
    with PumpRig(tmp_path) as rig:
        make = rig.make_sink

        def make_broken() -> FakeSink:
            sink = make()
            break_it(rig)
            return sink

        rig.make_sink = make_broken  # type: ignore[method-assign]
        pump = rig.make_pump()
        pump.start()
        if break_it is break_close:
            pump.stop()
        assert pump.join(30)
        assert isinstance(pump.error, RuntimeError)
        pump._discovery.stop()
        pump._descriptors.close_all()


def test_a_client_that_cannot_be_made_is_an_error_that_is_kept(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        rig.make_sink = boom  # type: ignore[method-assign, assignment]
        pump = rig.make_pump()
        pump.start()
        assert pump.join(30)
        assert str(pump.error) == "a bug"


def test_a_source_without_files_says_so(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        assert rig.start().source.why_idle == "idle: no file matches paths"
        write(rig, "one")
        rig.pass_time(2)
        assert rig.source.why_idle == "idle: everything has been read"


def test_a_file_that_is_opened_in_its_turn_and_waits_for_its_topic_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        rig.limit_files(4)
        rig.start()
        rig.sink.topics["t"] = TopicState.MISSING
        for n in range(4 + GLANCES + 2):  # more than are looked into before the first turn
            (rig.logs / f"{n:03d}.log").write_bytes(b"%03d\n" % n)
        rig.beat(1)
        known = [bool(tailer.head_len) for tailer in rig.source.generations()]
        assert known == [True, False, *[True] * (4 + GLANCES)]


@pytest.mark.parametrize(("size", "waits"), [(SMALL // 2, 0.0), (SMALL, PAUSED_BEAT)])
def test_batches_that_are_not_full_wait_for_more_only_where_as_much_is_in_flight_as_may_be(
    tmp_path: Path, size: int, waits: float
) -> None:
    with PumpRig(tmp_path) as rig:
        kafka = msgspec.structs.replace(rig.config.kafka, max_in_flight=SHARE * ENOUGH)
        rig.config = msgspec.structs.replace(rig.config, kafka=kafka)
        rig.start(up=False)
        pump = rig.pump
        assert pump is not None
        most = SHARE * ENOUGH if waits else ENOUGH
        for n in range(most // size + 10):
            (rig.logs / f"{n}.log").write_bytes(b"%04d" % n + b"." * size + b"\n")
        pushed: list[float] = []
        while not pump._ledger.paused:
            rig.beat()
        assert most <= pump._ledger.in_flight < most + 2 * size

        def push(after: float = 0.0, spare: float = 0.0) -> float:
            pushed.append(after)
            return math.inf

        rig.sink.push = push  # type: ignore[method-assign]
        Pump._patience(pump)
        assert pushed == [waits]


def test_what_is_asked_for_while_a_round_begins_has_the_next_one_come_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PumpRig(tmp_path) as rig:
        pump = rig.start().pump
        assert pump is not None
        rig.pass_time(5)
        take_over = pump._reconfigure

        def just_before() -> None:
            take_over()
            pump.reload(rig.config)

        monkeypatch.setattr(pump, "_reconfigure", just_before)
        pump.wake()
        pump._beat()
        assert pump.reloading
        assert pump._woken.is_set()
