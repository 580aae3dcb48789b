"""``parse`` and ``timestamp`` in the record stage: what a source's configuration makes of its lines."""

from __future__ import annotations

from typing import NamedTuple

from shipper.config import FileConfig, ParseConfig, TimestampConfig
from shipper.records import Naming, Shaped, Stage
from shipper.records.stage import UNPARSED

JSON = ParseConfig("json")


class File(NamedTuple):
    path: bytes = b"/logs/a.log"
    uid: str = "u"
    generation: int = 0
    topic: str = "t"
    key: bytes = b"k"


def shape(*lines: bytes, parse: ParseConfig | None = JSON, timestamp: TimestampConfig | None = None) -> Shaped:
    source = FileConfig(name="s", paths=("/logs/*.log",), topic="t", parse=parse, timestamp=timestamp)
    return Stage(source, Naming(source, "host"), "host").shape(
        File(), list(lines), lambda: range(len(lines)), sum(map(len, lines))
    )


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
