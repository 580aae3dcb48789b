"""``parse`` and ``timestamp`` in the record stage: what a source's configuration makes of its lines."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.config import FileConfig, ParseConfig, TimestampConfig
from shipper.records import Naming, Shaped, Stage
from shipper.records.shaped import HEADER_OVERHEAD
from shipper.records.stage import UNPARSED

JSON = ParseConfig("json")


class File(NamedTuple):
    path: bytes = b"/logs/a.log"
    uid: str = "u"
    generation: int = 0
    topic: str = "t"
    key: bytes = b"k"


def shape(*lines: bytes, parse: ParseConfig | None = JSON, **more: Any) -> Shaped:
    source = FileConfig(name="s", paths=("/logs/*.log",), topic="t", parse=parse, **more)
    read = 0  # bytes: in another encoding they may be fewer than those of the records, which count
    return Stage(source, Naming(source, "host"), "host").shape(File(), list(lines), lambda: range(len(lines)), read)


def test_a_line_that_does_not_parse_is_sent_as_it_is() -> None:
    shaped = shape(b'{"a": 1}', b"\xff no JSON", b"{}")
    assert shaped.messages.values == [b'{"a": 1}', b"\xff no JSON", b"{}"]
    assert shaped.headers == [[], [UNPARSED], []]
    assert shaped.noted == {"parse_error": 1}
    assert shape(b'{"a": 1}').headers is None


def test_a_field_tells_the_time() -> None:
    lines = (b'{"at": {"time": 1606216150.5}}', b'{"at": {"time": 5}}', b"{}", b"x")
    shaped = shape(*lines, timestamp=TimestampConfig("at.time", "epoch"))
    assert shaped.timestamps == [1606216150500, 0, 0, 0]
    assert shaped.noted["timestamp_error"] == 2
    assert shaped.noted["parse_error"] == 1


def test_the_format_of_a_time_is_that_of_the_parser() -> None:
    line = b'::1 - - [24/Nov/2020:11:09:10 +0100] "GET / HTTP/1.1" 200 5'
    shaped = shape(line, parse=ParseConfig("nginx"), timestamp=TimestampConfig("time"))
    assert shaped.timestamps == [1606212550000]
    shaped = shape(b"2020-11-24T11:09:10Z stdout F x", parse=ParseConfig("cri"), timestamp=TimestampConfig("time"))
    assert shaped.timestamps == [1606216150000]


def test_a_byte_order_mark_before_the_first_line_is_nothing_to_a_parser() -> None:
    mark = b"\xef\xbb\xbf"
    shaped = shape(mark + b'{"a": 1}', b'{"a": 2}', mark + b"{}")
    assert shaped.messages.values[0] == mark + b'{"a": 1}'
    assert shaped.headers == [[], [], [UNPARSED]]


# --- the way of most lines, and that of any ---------------------------------------------------------------------------

WORDS = ParseConfig("regex", pattern=r"^(?P<user>[a-z\xff]*)(?:=(?P<n>[0-9]+))?$")
UNUSUAL = st.one_of(
    st.sampled_from([b"", b"{}", b'{"user": ""}', b'{"user": "a"', b'{"user": "\xff"}', b'{"user": "\\ud800"}']),
    st.sampled_from([b"\xef\xbb\xbf{}", b"eva", b"eva=7", b"\xff\xff", b"no user", b"=1", b"s:/logs/a.log"]),
    st.sampled_from(["a", "", "\u00e4", 7, True, 0.5, None, {"id": 1}, [1], "h:/logs/a.log"]).map(
        lambda value: json.dumps({"time": "t", "user": value}).encode()
    ),
)
USUAL = st.integers(0, 99).map(lambda n: b'{"user": "u%d"}' % n)


@pytest.mark.parametrize("parse", [JSON, WORDS, ParseConfig("logfmt")])
@given(lines=st.lists(UNUSUAL | USUAL, min_size=1, max_size=12))
def test_both_ways_make_the_same_records(parse: ParseConfig, lines: list[bytes]) -> None:
    usual = shape(*lines, parse=parse, key="{field.user}")
    general = shape(*lines, parse=parse, key="{field.user|field.nowhere}")  # is asked of each line
    with_fields = shape(*lines, parse=parse, key="{field.user}", headers={"h": "{field.nowhere}"})
    for other in (general, with_fields):
        assert list(other.messages) == list(usual.messages)
        assert other.noted == usual.noted
    assert general == usual
    assert (with_fields.headers or [[]] * len(lines)) == (usual.headers or [[]] * len(lines))
    alone = [shape(line, parse=parse, key="{field.user}") for line in lines]
    if not any(line.startswith(b"\xef\xbb\xbf") for line in lines[1:]):  # it is something only at the beginning
        assert [message for one in alone for message in one.messages] == list(usual.messages)
        assert usual.sizes() == [size for one in alone for size in one.sizes()]
        assert usual.size == sum(one.size for one in alone)


def test_what_all_records_weigh() -> None:
    lines = (b'{"user": "a"}', b'{"user": "bcd"}', b"unparsed")
    text = sum(map(len, lines))
    shaped = shape(*lines, key="{field.user}", key_fallback="none")
    assert shaped.sizes() == [13 + 1, 15 + 3, 8 + 4 + len("shipper.parse_error1") + 8]
    assert shaped.size == sum(shaped.sizes()) + HEADER_OVERHEAD
    shaped = shape(*lines, parse=None, key="k", headers={"h": "value"})
    assert shaped.sizes() == [len(line) + 1 + 6 + 8 for line in lines]
    assert shaped.size == sum(shaped.sizes()) + 3 * HEADER_OVERHEAD
    assert shaped.one(1).size == 15 + 1 + 6 + 8 + HEADER_OVERHEAD
    shaped = shape(*lines, provenance="headers", key="k", headers={"h": "value"}, parse=None)
    assert (
        sum(shaped.sizes()) + 3 * 4 * HEADER_OVERHEAD <= shaped.size <= text + 3 * (1 + 14 + 128 + 4 * HEADER_OVERHEAD)
    )
