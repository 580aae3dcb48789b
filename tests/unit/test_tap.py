"""Looking at records as they leave: what is seen, how little of it, and that nothing is left of it afterwards."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper.cli.tap import as_line, as_object
from shipper.config.rules import Redaction
from shipper.errors import StatusError
from shipper.events import Events
from shipper.model import Messages
from shipper.tap import (
    LEFT_ALONE,
    MOST_BYTES,
    MOST_RECORDS,
    MOST_TAPS,
    MOST_VALUE,
    Gathered,
    Record,
    Tapped,
    Taps,
    Wish,
)
from tests.unit.rig import FakeSink, PumpRig


class Bench:
    """Taps with a clock, and a source that sends through them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.told: list[str] = []
        events = Events(lambda level, name, fields: self.told.append(name))
        self.taps = Taps(events, lambda: self.now, lambda: 1000.0 + self.now)
        self.sink = FakeSink()

    def send(self, *values: bytes, key: bytes = b"k", source: str = "s", **given: Any) -> None:
        messages = Messages(list(values), key)
        self.taps.through(source, self.sink).send_each("t", messages, None, Chunk(), **given)

    def fetch(self, name: str = "one") -> Gathered:
        found = self.taps.fetch(name)
        assert found is not None
        return found


class Chunk:
    """Stands in for the ledger's."""

    def __init__(self) -> None:
        self.track = self
        self.owner = self
        self.path = b"/log/a\x1b.log"

    def ack(self, count: int, /) -> None:
        pass

    def nack(self, error: object, topic: str, count: int, /) -> None:
        pass


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_nobody_watches_and_nothing_is_between_a_source_and_its_sink(bench: Bench) -> None:
    assert bench.taps.through("s", bench.sink) is bench.sink
    bench.taps.open("one", Wish("s"))
    assert isinstance(bench.taps.through("s", bench.sink), Tapped)
    assert bench.taps.through("other", bench.sink) is bench.sink
    bench.taps.close("one")
    assert bench.taps.through("s", bench.sink) is bench.sink
    assert bench.told == ["tap.opened", "tap.closed"]


def test_what_is_shown_is_what_the_sink_gets(bench: Bench) -> None:
    bench.taps.open("one", Wish())
    bench.send(b"v", key=b"a", topics=["other"], timestamps=[5])
    tapped = bench.taps.through("s", bench.sink)
    tapped.send_each("u", Messages([b"w"], b""), [[("h", b"x")]], Chunk())
    tapped.send("v", Messages([b"y"], b"b"), Chunk())
    assert [sent.value for sent in bench.sink.queue] == [b"v", b"w", b"y"]
    first, second, third = bench.fetch().records
    assert first == Record(1000.0, "s", "/log/a\\x1b.log", "other", b"a", [], 5, b"v", 1)
    assert (second.topic, second.key, second.headers) == ("u", b"", [("h", b"x")])
    assert (third.topic, third.value) == ("v", b"y")
    assert bench.fetch() == Gathered([], 0, 0)


def test_chunks_that_are_sent_together_are_shown_each(bench: Bench) -> None:
    bench.taps.open("one", Wish("s"))
    tapped = bench.taps.through("s", bench.sink)
    messages = Messages([b"1", b"2", b"3"], [b"a", b"a", b"b"])
    tapped.send_few("t", messages, [(Chunk(), 2), (Chunk(), 1)])
    assert [sent.value for sent in bench.sink.queue] == [b"1", b"2", b"3"]
    assert [(one.key, one.value) for one in bench.fetch().records] == [(b"a", b"1"), (b"a", b"2"), (b"b", b"3")]


def test_it_is_a_sample_and_says_of_how_many(bench: Bench) -> None:
    bench.taps.open("one", Wish(rate=10))
    values = [b"%d" % number for number in range(1000)]
    bench.send(*values)
    bench.send(*values)
    found = bench.fetch()
    assert (len(found.records), found.passed) == (10, 2000)
    assert len({int(record.value) // 100 for record in found.records}) == 10  # from all over the chunk
    bench.now += 0.5
    bench.send(*values)
    assert len(bench.fetch().records) == 5
    bench.now += 100
    bench.send(b"few")
    assert [record.value for record in bench.fetch().records] == [b"few"]


def test_a_filter_holds_for_keys(bench: Bench) -> None:
    bench.taps.open("one", Wish(key="web*"))
    bench.send(b"a", key=b"web-1")
    bench.send(b"b", key=b"db-1")
    found = bench.fetch()
    assert ([record.value for record in found.records], found.passed) == ([b"a"], 2)


def test_what_nobody_fetches_is_dropped_and_counted(bench: Bench) -> None:
    bench.taps.open("one", Wish(rate=1000))
    for _ in range(4):
        bench.now += 1
        bench.send(*[b"x"] * 500)
    found = bench.fetch()
    assert (len(found.records), found.dropped, found.passed) == (MOST_RECORDS, 1000, 2000)
    for _ in range(4):
        bench.now += 1
        bench.send(*[b"x" * 100_000] * 200)
    found = bench.fetch()
    assert len(found.records) == MOST_BYTES // (MOST_VALUE + 1)
    assert found.dropped == 800 - len(found.records)
    assert {(len(record.value), record.size) for record in found.records} == {(MOST_VALUE, 100_000)}


def test_no_half_of_a_character_is_shown(bench: Bench) -> None:
    bench.taps.open("one", Wish())
    bench.send(b"x" + "ü".encode() * MOST_VALUE)
    bench.send(b"\xff" * 2 * MOST_VALUE)
    text, raw = bench.fetch().records
    assert text.value.decode() == "x" + "ü" * (MOST_VALUE // 2 - 1)
    assert len(raw.value) == MOST_VALUE


def test_several_look_at_once_each_for_itself(bench: Bench) -> None:
    bench.taps.open("one", Wish("s"))
    bench.taps.open("two", Wish())
    bench.send(b"a")
    bench.send(b"b", source="t")
    assert [r.value for r in bench.fetch("one").records] == [b"a"]
    assert [r.value for r in bench.fetch("two").records] == [b"a", b"b"]
    for number in range(2, MOST_TAPS):
        bench.taps.open(str(number), Wish())
    with pytest.raises(StatusError, match="as many as may be"):
        bench.taps.open("more", Wish())


def test_a_tap_whose_client_is_gone_is_closed(bench: Bench) -> None:
    bench.taps.open("one", Wish())
    version = bench.taps.look()
    bench.now += LEFT_ALONE
    assert bench.taps.look() == version
    bench.now += 0.1
    assert bench.taps.look() != version
    assert bench.taps.fetch("one") is None
    assert bench.told[-1] == "tap.closed"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[PumpRig]:
    redact = Redaction(pattern=r"\d{4}", replace="****")
    with PumpRig(tmp_path, redact=(redact,), key="{filename}") as one:
        yield one


def test_a_running_pump_is_tapped_and_only_meanwhile(rig: PumpRig) -> None:
    log = rig.logs / "app.log"
    log.write_text("before\n")
    pump = rig.start().pump
    assert pump is not None
    assert rig.source.sink is rig.sink
    pump._taps.open("one", Wish("s"))
    rig.beat()
    with log.open("a") as file:
        file.write("card 1234\n")
    rig.pass_time(1)
    found = pump._taps.fetch("one")
    assert found is not None
    (record,) = found.records
    assert (record.value, record.key, record.topic) == (b"card ****", b"app.log", "t")
    rig.want(s={"topic": "u"})  # over a reload
    with log.open("a") as file:
        file.write("after\n")
    rig.pass_time(1)
    found = pump._taps.fetch("one")
    assert found is not None
    assert [record.topic for record in found.records] == ["u"]
    rig.pass_time(LEFT_ALONE + 1)
    assert rig.source.sink is rig.sink
    assert rig.lines == ["before", "card ****", "after"]


def test_off_it_costs_no_call(rig: PumpRig) -> None:
    """Nothing of its module runs while lines are sent: only the look of each round, which is one comparison."""
    rig.start()
    (rig.logs / "app.log").write_text("line\n" * 1000)
    calls: set[str] = set()

    def trace(frame: Any, event: str, arg: object) -> None:
        if event == "call" and frame.f_code.co_filename.endswith("shipper/tap.py"):
            calls.add(frame.f_code.co_name)

    sys.setprofile(trace)
    try:
        rig.pass_time(1)
    finally:
        sys.setprofile(None)
    assert len(rig.lines) == 1000
    assert calls == {"look"}


RECORD = Record(0.0, "s", "/log/a", "t", b"k\x1b[31m", [("h", b"\x07")], 1606212550123, b"v\xff\x1b]0;x", 900)


def test_control_characters_are_escaped_in_each_form() -> None:
    line = as_line(RECORD, colour=False)
    assert line.isprintable()
    assert line.endswith(r"s  → t  k\x1b[31m  h=\x07  v\xff\x1b]0;x  … (900 bytes)")
    text = as_object(RECORD)
    assert text.isascii()
    assert text.isprintable()
    found = json.loads(text)
    assert found["value_base64"] == "dv8bXTA7eA=="
    assert found["timestamp"] == "2020-11-24T10:09:10.123Z"


def test_colours_are_for_a_terminal() -> None:
    assert "\x1b[36ms\x1b[0m" in as_line(RECORD, colour=True)
