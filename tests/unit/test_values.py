"""``value = "json"``: what a record's object holds, and that it is JSON whatever the line holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.config import FileConfig
from shipper.records.record import Fields, Tally
from shipper.records.values import ValuesOf

NOW = 1_795_519_181.155


def value(
    event: bytes, fields: Fields | None = None, timestamp: int = 0, **static: Any
) -> tuple[dict[str, Any], Tally]:
    source = FileConfig(name="web", paths=("/x",), topic="t", value="json", fields=static)
    tally = Tally()
    made = ValuesOf(source, "h1", tally, lambda: NOW)
    (found,) = made.encode("/logs/a\udcff.log", [event], [fields], [timestamp], [17])
    return json.loads(found), tally


def test_what_is_known_of_a_line() -> None:
    found, tally = value(b"hello", env="prod", level=3)
    assert found == {
        "@timestamp": "2026-11-24T11:19:41.155000Z",
        "message": "hello",
        "log.file.path": "/logs/a\ufffd.log",
        "log.offset": 17,
        "host.name": "h1",
        "env": "prod",
        "level": 3,
    }
    assert not tally.noted


def test_fields_stand_beside_it_and_never_above() -> None:
    fields = {"user": {"id": 7}, "message": "hi", "host.name": "evil", "log.offset": 0, "env": "dev", "@timestamp": "x"}
    found, _ = value(b"raw", fields, 1_000, env="prod")
    assert (found["user"], found["message"], found["@timestamp"]) == ({"id": 7}, "hi", "1970-01-01T00:00:01Z")
    assert (found["host.name"], found["log.offset"], found["env"]) == ("h1", 17, "prod")


@pytest.mark.parametrize(
    ("event", "message"), [(b"a\xffb", "a\ufffdb"), (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"), (b"caf\xc3", "caf\ufffd")]
)
def test_what_is_not_utf_8_is_replaced_and_counted(event: bytes, message: str) -> None:
    found, tally = value(event)
    assert found["message"] == message
    assert tally.noted["value_replaced"] == 1


def test_text_that_stands_for_bytes_is_replaced_wherever_it_is() -> None:
    found, tally = value(b"raw", {"a": ["\udcff", {"\udcfe": b"\xff"}]})
    assert found["a"] == ["\ufffd", {"\ufffd": "\ufffd"}]
    assert tally.noted["value_replaced"] == 1


@pytest.mark.parametrize("odd", [object(), {(1,): 2}, float("nan"), 1 << 80])
def test_what_cannot_be_written_costs_no_record(odd: Any) -> None:
    found, _ = value(b"raw", {"odd": odd})
    assert (found["message"], found["log.offset"]) == ("raw", 17)


def test_a_time_that_no_calendar_has_is_the_present() -> None:
    found, _ = value(b"raw", None, 1 << 62)
    assert found["@timestamp"] == "2026-11-24T11:19:41.155000Z"


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(), st.none() | st.dictionaries(st.text(st.characters()), trees, max_size=4), st.integers())
def test_every_value_is_json(event: bytes, fields: Fields | None, timestamp: int) -> None:
    found, _ = value(event, fields, timestamp)
    assert found["log.offset"] == 17
