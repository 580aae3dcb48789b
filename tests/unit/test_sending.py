"""What goes together as one chunk, and what waits or goes alone, where the record stage makes more of a line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError

from shipper.config import ParseConfig
from shipper.model import TopicState
from shipper.records import steps
from shipper.records.parsers.common import Parser
from shipper.records.record import Record, Tally
from shipper.records.steps import Steps
from tests.unit.rig import PumpRig
from tests.unit.test_pump import refuse_batches_with

With = Callable[..., None]


@pytest.fixture
def with_steps(monkeypatch: pytest.MonkeyPatch) -> With:
    """Have every source made with these steps; each is called with the tally."""

    def use(**make: Callable[[Tally], Any]) -> None:
        def build(source: object, wanted: object, tally: Tally) -> Steps:
            return Steps(**{name: one(tally) for name, one in make.items()})

        monkeypatch.setattr(steps, "build", build)

    return use


def only(word: bytes) -> Callable[[Tally], Any]:
    """Return a filter that drops what does not hold ``word``."""

    def make(tally: Tally) -> Any:
        def keep(events: list[bytes], offsets: object) -> list[int] | None:
            kept = [i for i, event in enumerate(events) if word in event]
            tally.dropped["include_lines"] += len(events) - len(kept)
            return kept

        return keep

    return make


def words(tally: Tally) -> Any:
    """Return a processor that makes a record of each word of a line, and none of an empty line."""

    def process(record: Record) -> list[Record]:
        return [Record(word) for word in record.message.split()]

    return process


def counted(rig: PumpRig) -> dict[str, int]:
    return {name: count for (name, _), count in rig.events.counters.items() if name.startswith("records.")}


def test_what_is_dropped_is_counted_and_passed_by_the_offset(tmp_path: Path, with_steps: With) -> None:
    with_steps(filter=only(b"e"))
    with PumpRig(tmp_path) as rig:
        (rig.logs / "app.log").write_bytes(b"one\ntwo\nthree\nno\nno\n")
        rig.start()
        assert rig.lines == ["one", "three"]
        assert counted(rig)["records.dropped"] == counted(rig)["records.dropped.include_lines"] == 3
        rig.stop()
        assert [saved.offset for saved in rig.saved()] == [20]


def test_a_file_of_which_all_is_dropped_is_read_to_its_end(tmp_path: Path, with_steps: With) -> None:
    with_steps(filter=only(b"never"))
    with PumpRig(tmp_path) as rig:
        (rig.logs / "app.log").write_bytes(b"one\ntwo\n")
        rig.start()
        rig.stop()
        assert rig.lines == []
        assert [saved.offset for saved in rig.saved()] == [8]


def test_offsets_are_those_of_the_lines_that_are_left(tmp_path: Path, with_steps: With) -> None:
    with_steps(filter=only(b"e"))
    with PumpRig(tmp_path, provenance="headers") as rig:
        (rig.logs / "app.log").write_bytes(b"one\ntwo\nthree\n")
        rig.start()
        assert [dict(one)["shipper.offset"] for one in rig.sink.headers] == [b"0", b"8"]


def test_several_records_of_a_line_are_told_apart(tmp_path: Path, with_steps: With) -> None:
    with_steps(process=words)
    with PumpRig(tmp_path, provenance="headers") as rig:
        (rig.logs / "app.log").write_bytes(b"a b\n\nc\n")
        rig.start()
        assert rig.lines == ["a", "b", "c"]
        said = [(one["shipper.offset"], one.get("shipper.record")) for one in map(dict, rig.sink.headers)]
        assert said == [(b"0", b"1"), (b"0", b"2"), (b"5", None)]
        assert counted(rig)["records.dropped.processor"] == 1


@pytest.mark.parametrize("bad", [b"a", b"bad", b"z"])
def test_several_records_of_a_line_are_narrowed_down_like_parts(tmp_path: Path, with_steps: With, bad: bytes) -> None:
    with_steps(process=words)
    with PumpRig(tmp_path) as rig:
        (rig.logs / "app.log").write_bytes(b"first\na bad z\nlast one\n")
        rig.start(up=False)
        refuse_batches_with(rig, bad)
        rig.pass_until("the last line", lambda: "one" in rig.lines)
        (letter,) = rig.letters()
        number = [b"a", b"bad", b"z"].index(bad) + 1
        assert (letter.offset, letter.part, letter.value) == (6, number, bad)
        arrived = Counter(rig.lines)
        assert set(arrived) == {"first", "a", "bad", "z", "last", "one"} - {bad.decode()}
        rig.stop()
        assert [saved.offset for saved in rig.saved()] == [23]


def test_a_record_that_is_made_too_large_goes_alone(tmp_path: Path, with_steps: With) -> None:
    def double(tally: Tally) -> Any:
        return lambda record: [Record(record.message * 20)]

    with_steps(process=double)
    with PumpRig(tmp_path) as rig:
        (rig.logs / "app.log").write_bytes(b"a\nb\n" + b"c" * 100 + b"\nd\n")
        rig.most = 1000
        rig.start(up=False)
        sizes = [len(sent.value) for sent in rig.sink.queue]
        assert sizes == [20, 20, 2000]  # what follows waits for what becomes of it
        refuse_batches_with(rig, b"c" * 2000)
        rig.pass_until("the last line", lambda: rig.lines == ["a" * 20, "b" * 20, "d" * 20])
        (letter,) = rig.letters()
        assert (letter.offset, letter.value) == (4, b"c" * 2000)  # as it was sent


def test_a_dead_letter_keeps_the_record_as_it_was_sent(tmp_path: Path, with_steps: With) -> None:
    def loud(tally: Tally) -> Any:
        return lambda record: [Record(record.message, headers=[("loud", b"1")], key=b"k", value=record.message.upper())]

    with_steps(process=loud)
    with PumpRig(tmp_path) as rig:
        (rig.logs / "app.log").write_bytes(b"good\nbad\n")
        rig.start(up=False)
        refuse_batches_with(rig, b"BAD")
        rig.pass_until("the letter", lambda: "records.deadlettered" not in counted(rig) and rig.names("record.dead"))
        (letter,) = rig.letters()
        assert (letter.key, letter.value, letter.headers) == (b"k", b"BAD", (("loud", b"1"),))


def test_a_last_line_of_several_records_is_narrowed_down_too(tmp_path: Path, with_steps: With) -> None:
    with_steps(process=words)
    with PumpRig(tmp_path) as rig:
        log = rig.logs / "app.log"
        log.write_bytes(b"first\na bad z")
        rig.start(up=False)
        refuse_batches_with(rig, b"bad")
        log.unlink()
        rig.pass_until("the last record", lambda: "z" in rig.lines and rig.source.files == 0)
        assert set(rig.lines) == {"first", "a", "z"}
        assert [letter.part for letter in rig.letters()] == [2]


# --- topics that records choose ---


def word_first(tally: Tally) -> Any:
    """Return a parser of lines such as ``shop it is sold``."""

    def parse(event: bytes) -> dict[str, Any] | None:
        first, space, _ = event.decode().partition(" ")
        return {"app": first} if space else None

    return Parser(parse)


@pytest.fixture
def by_app(tmp_path: Path, with_steps: With) -> Iterator[PumpRig]:
    """Lines of several applications in one file."""
    with_steps(parse=word_first)
    with PumpRig(tmp_path, topic="logs.{field.app}") as rig:
        yield rig


def test_each_record_goes_to_the_topic_of_its_field(by_app: PumpRig) -> None:
    (by_app.logs / "app.log").write_bytes(b"shop a\npay b\nshop c\n__x d\n../x e\nunparsed\n")
    by_app.start(up=False)
    assert [(sent.topic, sent.value) for sent in by_app.sink.queue] == [
        ("logs.shop", b"shop a"),
        ("logs.pay", b"pay b"),
        ("logs.shop", b"shop c"),
        ("logs.__x", b"__x d"),
        ("logs", b"../x e"),
        ("logs", b"unparsed"),
    ]
    assert counted(by_app)["records.topic_fallback"] == 2
    assert counted(by_app)["records.parse_error"] == 1
    assert by_app.sink.headers[-1] == [("shipper.parse_error", b"1")]


def test_a_record_waits_for_its_topic_and_those_behind_it_with_it(by_app: PumpRig) -> None:
    (by_app.logs / "app.log").write_bytes(b"shop a\npay b\nshop c\n")
    make = by_app.make_sink

    def unsure() -> object:
        made = make()
        made.topics["logs.pay"] = TopicState.UNKNOWN
        return made

    by_app.make_sink = unsure  # type: ignore[method-assign, assignment]
    by_app.start()
    by_app.pass_time(20)
    assert by_app.lines == ["shop a"]
    assert "logs.pay is unknown" in by_app.source.why_idle
    by_app.sink.topics.clear()
    by_app.beat()
    assert by_app.lines == ["shop a", "pay b", "shop c"]
    by_app.stop()
    assert [saved.offset for saved in by_app.saved()] == [20]


@pytest.mark.parametrize("state", [TopicState.MISSING, TopicState.DENIED])
def test_a_topic_that_is_not_there_holds_up_no_file_for_ever(by_app: PumpRig, state: TopicState) -> None:
    (by_app.logs / "app.log").write_bytes(b"shop a\nevil b\nshop c\n")
    make = by_app.make_sink

    def lacking() -> object:
        made = make()
        made.topics["logs.evil"] = state
        return made

    by_app.make_sink = lacking  # type: ignore[method-assign, assignment]
    by_app.start()
    assert by_app.lines == ["shop a"]  # it may just have been created
    by_app.pass_time(6)
    assert by_app.lines == ["shop a", "evil b", "shop c"]
    assert counted(by_app)["records.topic_missing"] == 1
    assert by_app.names("records.topic_missing") == ["records.topic_missing"]


def test_a_last_line_waits_for_its_topic_without_a_busy_loop(by_app: PumpRig) -> None:
    log = by_app.logs / "app.log"
    log.write_bytes(b"shop a\npay b")
    make = by_app.make_sink

    def unsure() -> object:
        made = make()
        made.topics["logs.pay"] = TopicState.UNKNOWN
        return made

    by_app.make_sink = unsure  # type: ignore[method-assign, assignment]
    by_app.start()
    log.unlink()
    by_app.pass_time(10)
    assert (by_app.lines, by_app.source.hungry) == (["shop a"], False)
    by_app.sink.topics.clear()
    by_app.pass_time(1)
    assert by_app.lines == ["shop a", "pay b"]


def test_an_error_of_a_topic_holds_the_topic_it_is_of(by_app: PumpRig) -> None:
    (by_app.logs / "app.log").write_bytes(b"pay b\n")
    by_app.start(up=False)
    by_app.sink.refuse(KafkaError.UNKNOWN_TOPIC_OR_PART)
    by_app.beat()
    assert by_app.sink.held == ["logs.pay"]


def test_a_dead_letter_says_which_topic_it_was_for(by_app: PumpRig) -> None:
    (by_app.logs / "app.log").write_bytes(b"shop a\npay bad\nshop c\n")
    by_app.start(up=False)
    refuse_batches_with(by_app, b"pay bad")
    by_app.pass_until("the last line", lambda: "shop c" in by_app.lines)
    (letter,) = by_app.letters()
    assert (letter.topic, letter.value) == ("logs.pay", b"pay bad")


# --- headers and values ---


def test_headers_of_templates(tmp_path: Path, with_steps: With) -> None:
    with_steps(parse=word_first)
    headers = {"from": "{filename}", "app": "{field.app}"}
    with PumpRig(tmp_path, headers=headers, provenance="headers") as rig:
        (rig.logs / "app.log").write_bytes(b"shop a\nunparsed\n")
        rig.start()
        first, second = map(dict, rig.sink.headers)
        assert (first["from"], first["app"], first["shipper.offset"]) == (b"app.log", b"shop", b"0")
        assert (second["from"], second.get("app"), second["shipper.parse_error"]) == (b"app.log", None, b"1")


def test_headers_that_need_no_parser(tmp_path: Path) -> None:
    with PumpRig(tmp_path, headers={"from": "{filename}"}) as rig:
        (rig.logs / "app.log").write_bytes(b"one\ntwo\n")
        rig.start()
        assert (rig.lines, rig.sink.headers) == (["one", "two"], [[("from", b"app.log")]] * 2)


def test_values_as_json(tmp_path: Path) -> None:
    with PumpRig(tmp_path, value="json", fields={"env": "prod"}, max_line=1024) as rig:
        (rig.logs / "app.log").write_bytes(b"one\r\ntw\xffo\n" + b"x" * 1500 + b"\n")
        rig.start()
        found = [json.loads(line) for line in rig.lines]
        assert [one["message"] for one in found] == ["one", "tw\ufffdo", "x" * 1024, "x" * 476]
        assert [one["log.offset"] for one in found] == [0, 5, 10, 10]
        assert {one["env"] for one in found} == {"prod"}
        assert counted(rig)["records.value_replaced"] == 1


def test_an_object_that_is_too_large_goes_alone(tmp_path: Path) -> None:
    with PumpRig(tmp_path, value="json") as rig:
        (rig.logs / "app.log").write_bytes(b"a\n" + b"\x01" * 700 + b"\nc\n")
        make = rig.make_sink

        def small() -> object:
            made = make()
            made.most = 2000
            return made

        rig.make_sink = small  # type: ignore[method-assign, assignment]
        rig.start(up=False)
        assert [json.loads(sent.value)["message"][0] for sent in rig.sink.queue] == ["a", "\x01"]


def test_times_go_with_their_records(tmp_path: Path, with_steps: With) -> None:
    def clock(tally: Tally) -> Any:
        return lambda fields: 1_000 if fields["app"] == "shop" else None

    with_steps(parse=word_first, timestamp=clock)
    with PumpRig(tmp_path) as rig:
        (rig.logs / "app.log").write_bytes(b"shop a\npay b\nunparsed\n")
        rig.start()
        assert rig.sink.timestamps == [1_000, 0, 0]


def test_a_dead_letter_keeps_its_time(tmp_path: Path, with_steps: With) -> None:
    with_steps(parse=word_first, timestamp=lambda tally: lambda fields: 1_000)
    with PumpRig(tmp_path) as rig:
        (rig.logs / "app.log").write_bytes(b"shop bad\n")
        rig.start(up=False)
        refuse_batches_with(rig, b"shop bad")
        rig.pass_until("the letter", lambda: rig.names("record.dead"))
        assert [letter.timestamp for letter in rig.letters()] == [1_000]


def test_a_file_name_that_makes_no_topic_is_told(tmp_path: Path) -> None:
    with PumpRig(tmp_path, topic="logs.{stem}") as rig:
        (rig.logs / "a b.log").write_bytes(b"one\n")
        (rig.logs / "app.log").write_bytes(b"two\n")
        rig.start(up=False)
        assert {(sent.topic, sent.value) for sent in rig.sink.queue} == {("logs", b"one"), ("logs.app", b"two")}
        ((_, _, told),) = [line for line in rig.told if line[1] == "topic.not_valid"]
        assert (told["topic"], told["path"]) == ("logs.a b", f"{rig.logs}/a b.log")


def test_no_dead_letter_is_made_of_the_wrong_one_of_events_that_no_position_can_part(tmp_path: Path) -> None:
    """They go together although one of them is too large: then it is not known which one was refused."""
    time = "2026-11-24T11:00:00.000000000Z"
    lines = [f"{time} stdout P who", f"{time} stderr F {'x' * 200}", f"{time} stdout F le"]
    with PumpRig(tmp_path, parse=ParseConfig("cri"), headers={"h": "1"}) as rig:
        (rig.logs / "app.log").write_text("".join(line + "\n" for line in lines))
        make = rig.make_sink

        def small() -> object:
            made = make()
            made.most = 150
            return made

        rig.make_sink = small  # type: ignore[method-assign, assignment]
        rig.start(up=False)
        large = f"{time} stderr F {'x' * 200}".encode()
        refuse_batches_with(rig, large)
        rig.pass_until("the dead letter", lambda: rig.names("record.dead"))
        rig.pass_time(5)
        assert [letter.value for letter in rig.letters()] == [large]
