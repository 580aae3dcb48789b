"""A source's own function from record to records: found, held to what can be sent, and never a reason to fail."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from shipper.errors import ConfigError
from shipper.records import Record
from shipper.records.processors import MOST, guarded, load
from tests.unit.rig import PumpRig
from tests.unit.test_sending import counted

EXAMPLES = Path(__file__).parents[2] / "config" / "examples"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Write a module "own_processor" where it can be imported."""
    directory = tmp_path / "modules"
    directory.mkdir()
    monkeypatch.syspath_prepend(str(directory))
    monkeypatch.delitem(sys.modules, "own_processor", raising=False)

    def write(text: str) -> None:
        (directory / "own_processor.py").write_text("from shipper.records import Record\n" + text)

    return write


def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    orders: Any = load("processor:orders")
    assert len((EXAMPLES / "processor.py").read_text().split("def orders")[1].splitlines()) <= 20
    assert orders(Record(b"x")) == Record(b"x")
    assert orders(Record(b"x", {"path": "/health"})) is None
    one, two = orders(Record(b"x", {"user": "ann", "items": [1, 2]}))
    assert (one.fields, two.fields) == ({"user": "***", "item": 1}, {"user": "***", "item": 2})
    assert one.headers == [("kind", b"order")]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("no_such_module:fn", "", "no_such_module:fn: cannot be imported: ModuleNotFoundError: "),
        ("own_processor:fn", "", "own_processor:fn: cannot be imported: AttributeError: "),
        ("own_processor:fn", "1 / 0", "own_processor:fn: cannot be imported: ZeroDivisionError: "),
        ("own_processor:fn", "raise SystemExit", "own_processor:fn: cannot be imported: SystemExit: "),
        ("own_processor:fn", "fn = 7", "own_processor:fn: is not a function"),
        ("no-such-entry-point", "", "no-such-entry-point: no installed package has an entry point of this name"),
    ],
)
def test_what_cannot_be_had(module: Callable[[str], None], name: str, text: str, problem: str) -> None:
    module(text)
    with pytest.raises(ConfigError) as error:
        load(name)
    (found,) = error.value.problems
    assert found.startswith(problem)


def test_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mask", "builtins:repr", "shipper.processors")
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [point])
    assert load("mask") is repr


@pytest.mark.parametrize(
    "made",
    [
        b"bytes",
        Record("text"),  # type: ignore[arg-type]
        Record(b"x", timestamp=-1),
        Record(b"x", timestamp=1 << 60),
        Record(b"x", key="text"),  # type: ignore[arg-type]
        Record(b"x", headers=[("a", "text")]),  # type: ignore[list-item]
        Record(b"x", headers=[("\ud800", b"")]),
        Record(b"x", headers=["odd"]),  # type: ignore[list-item]
        [Record(b"x")] * (MOST + 1),
        7,
    ],
)
def test_what_cannot_be_sent(made: Any) -> None:
    told: list[str] = []
    assert guarded(lambda _: made, told.append)(Record(b"x")) is None
    assert len(told) == 1


def test_a_processor_in_the_daemon(tmp_path: Path, module: Callable[[str], None]) -> None:
    module("""
def fn(record):
    if record.message == b"drop": return None
    if record.message == b"fail": record.message = b"?"; raise SystemExit("no")
    if record.message == b"two":
        one = Record(b"2", topic="logs.other", key=b"k", timestamp=1000)
        return [one, one]
    record.value = record.path.encode() + b"@%d" % record.offset
    return record
""")
    with PumpRig(tmp_path, processor="own_processor:fn", provenance="headers") as rig:
        (rig.logs / "app.log").write_bytes(b"drop\nfail\ntwo\nlast\n")
        rig.start(up=False)
        sent = [(one.topic, one.key, one.value) for one in rig.sink.queue]
        assert sent == [
            ("t", b"app.log", b"fail"),
            ("logs.other", b"k", b"2"),
            ("logs.other", b"k", b"2"),
            ("t", b"app.log", f"{rig.logs}/app.log@14".encode()),
        ]
        headers = [dict(one) for one in rig.sink.headers]
        assert [one.get("shipper.parse_error") for one in headers] == [b"1", None, None, None]
        assert [one.get("shipper.record") for one in headers] == [None, b"1", b"2", None]
        assert [one["shipper.offset"] for one in headers] == [b"5", b"10", b"10", b"14"]
        assert rig.sink.timestamps == [0, 1000, 1000, 0]
        assert counted(rig)["records.processor_error"] == counted(rig)["records.dropped.processor"] == 1
        ((_, _, fields),) = [line for line in rig.told if line[1] == "records.processor_error"]
        assert fields["why"] == "SystemExit: no"


def test_a_topic_of_a_processor_may_not_be_internal(tmp_path: Path, module: Callable[[str], None]) -> None:
    module("def fn(record): return Record(record.message, topic='__consumer_offsets')")
    with PumpRig(tmp_path, processor="own_processor:fn") as rig:
        (rig.logs / "app.log").write_bytes(b"one\n")
        rig.start()
        assert counted(rig)["records.topic_fallback"] == 1
        assert rig.lines == ["one"]
