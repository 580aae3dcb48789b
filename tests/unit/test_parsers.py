"""Each parser: what it makes of its format, what it refuses, and that no bytes at all make it raise."""

from __future__ import annotations

import json as stdlib
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shipper.config import ParseConfig
from shipper.config.formats import ENVELOPES, PARSERS
from shipper.records import parsers
from shipper.records.bound import text_of, to_bytes
from shipper.records.parsers import FORMATS, build

CSV = ParseConfig("csv", columns=("a", "b", "c"))
REGEX = ParseConfig("regex", pattern=r"(?P<level>[A-Z]+): (?:\[(?P<user>\w+)\] )?(?P<message>.*)")
CONFIGS = {name: ParseConfig(name) for name in PARSERS} | {"csv": CSV, "regex": REGEX}
CONFIGS |= {f"{name} of json": ParseConfig(name, message="json") for name in ENVELOPES}


def test_every_format_of_the_configuration_has_its_parser() -> None:
    assert sorted(FORMATS) == sorted(PARSERS)


def parse(config: ParseConfig | str, line: bytes, *wanted: str) -> dict[str, Any] | None:
    config = ParseConfig(config) if isinstance(config, str) else config
    return build(config, frozenset(wanted) if wanted else None)(line)


# --- no bytes make one raise ------------------------------------------------------------------------------------------

ODD = b'<34>1 {}[]":=, \\\x00\xff\xef\xbb\xbf\xed\xa0\x80/-.+*#@\t\r\n2026-11-24T11:09:10Z Nov 24 stdout F INFO'
lines = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from([ODD[i : i + 1] for i in range(len(ODD))]), max_size=80).map(b"".join),
    st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists).map(
        lambda value: stdlib.dumps({"log": value, "a": value, "message": value}).encode()
    ),
)


def survives(name: str, line: bytes, wanted: frozenset[str] | None) -> None:
    found = build(CONFIGS[name], wanted)(line)
    assert found is None or isinstance(found, dict)
    for key, value in (found or {}).items():
        key.encode("utf-8", "surrogateescape")
        if isinstance(value, str):
            value.encode("utf-8", "surrogateescape")  # a key can be made of it


@pytest.mark.parametrize("name", CONFIGS)
@settings(deadline=None)
@given(line=lines, wanted=st.none() | st.sets(st.sampled_from(["a", "a.b", "message", "time", "level"])).map(frozenset))
@example(line=b"", wanted=None)
@example(line=b'{"a":"\xff\\ud800"}', wanted=None)
@example(line=b'{"a":"\xff\\uDC80"}', wanted=None)
@example(line=b'{"a":"\xff", "b":NaN}', wanted=None)
@example(line=b'{"a":"\xff", "b":' + b"9" * 5000 + b"}", wanted=None)
@example(line=b'{"a":1e999}', wanted=None)
@example(line=b'a="\\ud800 \\U00110000 \\xff"', wanted=None)
@example(line=b"<999>Nov 24 11:09:10 h app: x", wanted=None)
def test_no_bytes_make_a_parser_raise(name: str, line: bytes, wanted: frozenset[str] | None) -> None:
    survives(name, line, wanted)


HOSTILE = {
    "depth": b'{"a":' * 100_000,
    "depth beside": b'{"x":' * 100_000,
    "depth and no UTF-8": b'{"x":"\xff","y":' + b"[" * 100_000,
    "spaces": b" " * 200_000,
    "quotes": b'"' * 200_000,
    "backslashes": b'a="' + b"\\" * 200_000,
    "brackets": b"[" * 200_000,
    "colons": b"a:" * 100_000,
    "words": b"a " * 100_000,
    "pairs": b"a=" * 100_000,
    "access": b"1.2.3.4 - " + b"x [" * 60_000,
    "client": b"2026/11/24 11:09:10 [error] 1#1: x" + b", client: a b" * 15_000,
    "structured": b"<34>1 - - - - - " + b'[a b="c"]' * 20_000 + b"x",
    "thread": b"2026-11-24 11:09:10 " + b"[a" * 60_000,
    "hosts": b"Nov 24 11:09:10 " + b"h:" * 60_000,
    "commas": b'"a",' * 50_000,
}


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("line", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.timeout(20)  # what is quadratic takes many minutes
def test_no_line_takes_longer_than_it_is_long(name: str, line: bytes) -> None:
    survives(name, line, None)
    survives(name, line, frozenset({"a"}))


# --- many at once -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONFIGS)
@settings(deadline=None, max_examples=50)
@given(events=st.lists(lines, max_size=8), wanted=st.none() | st.just(frozenset({"a"})))
@example(events=[b'{"a":', b"1}", b'{"a":1},{"a":2}', b"", b'{"a":1}{"a":2}', b'["a",', b'"b"]'], wanted=None)
@example(events=[b'{"a":"x"}', b'{"a":7}', b"{}", b'{"a":null}', b'{"a":{}}', b'{"b":1}'], wanted=frozenset({"a"}))
@example(events=[b'{"a":1}', b'{"a":"\xff"}', b"{" * 2000, b'{"a":2}', b"x", b"y"], wanted=frozenset({"a"}))
def test_many_events_give_what_each_of_them_gives(
    name: str, events: list[bytes], wanted: frozenset[str] | None
) -> None:
    parser = build(CONFIGS[name], wanted)
    assert parser.many(events) == [parser(event) for event in events]
    for field, column in parser.columns.items():
        whole = build(CONFIGS[name], None)
        assert column(events) == [
            None if fields is None else to_bytes(text_of(fields.get(field)) or "") for fields in map(whole, events)
        ]


def test_what_can_be_had_without_other_fields_is_a_column() -> None:
    assert set(build(REGEX, frozenset({"user"})).columns) == {"level", "user", "message"}
    assert set(build(ParseConfig("json"), frozenset({"user", "user.id"})).columns) == {"user"}
    assert not build(ParseConfig("json"), None).columns
    assert not build(ParseConfig("nginx"), None).columns


# --- json -------------------------------------------------------------------------------------------------------------


def test_json_gives_only_what_is_wanted() -> None:
    line = b'{"user": {"id": 7, "name": "x"}, "log.level": "info", "@timestamp": "t", "other": [1, 2]}'
    assert parse("json", line, "user.id") == {"user": {"id": 7, "name": "x"}}
    assert parse("json", line, "log.level", "@timestamp") == {"log.level": "info", "@timestamp": "t"}
    assert parse("json", line, "nowhere") == {}
    assert build(ParseConfig("json"), frozenset())(line) == {}
    assert parse("json", line) == stdlib.loads(line)


@pytest.mark.parametrize(
    "line", [b"", b"null", b"7", b'"text"', b"[]", b'{"a": 1', b'{"a": 1} x', b"a=1", b'{"a": NaN}']
)
@pytest.mark.parametrize("wanted", [(), ("a",)])
def test_what_is_no_json_object(line: bytes, wanted: tuple[str, ...]) -> None:
    assert parse("json", line, *wanted) is None


@pytest.mark.parametrize("wanted", [(), ("user",)])
def test_json_that_is_not_utf_8_keeps_its_bytes(wanted: tuple[str, ...]) -> None:
    found = parse("json", b'{"user": "J\xfcrgen"}', *wanted)
    assert found == {"user": "J\udcfcrgen"}
    assert found["user"].encode("utf-8", "surrogateescape") == b"J\xfcrgen"
    assert parse("json", b'{"other": "\xfc", "user": "x"}', *wanted) == {"user": "x"} | (
        {} if wanted else {"other": "\udcfc"}
    )


def test_an_escape_in_json_makes_no_byte() -> None:
    for escape in (b"\\udcfc", b"\\uDCFC", b"\\ud800"):
        assert parse("json", b'{"a": "' + escape + b'"}') is None
        assert parse("json", b'{"a": "' + escape + b'\xff"}') is None


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(), values, max_size=4))
def test_json_is_what_the_standard_library_says(value: dict[str, Any]) -> None:
    assert parse("json", stdlib.dumps(value, ensure_ascii=False).encode()) == value


# --- logfmt -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (b"a=1 b=2", {"a": "1", "b": "2"}),
        (b'  a=  b="x y"\tc', {"a": "", "b": "x y", "c": True}),
        (b'a="" b=""', {"a": "", "b": ""}),
        (rb'm="say \"hi\"\n\t\\ \u00e4\x21 \U0001f600 \q"', {"m": 'say "hi"\n\t\\ ä! \U0001f600 q'}),
        (rb'm="\ud83d\ude00"', {"m": r"\ud83d\ude00"}),
        (b"a.b=c@d url=http://x/?q=1&r=2", {"a.b": "c@d", "url": "http://x/?q=1&r=2"}),
        (b"name=J\xfcrgen", {"name": "J\udcfcrgen"}),
        (b"a=1 a=2", {"a": "2"}),
        (b"just some words", None),
        (b"", None),
        (b'a="no end', None),
        (b'a=b"c" d=1', None),
        (b"=x", None),
        (b'{"a": "b=c"}', None),
    ],
)
def test_logfmt(line: bytes, fields: dict[str, Any] | None) -> None:
    assert parse("logfmt", line) == fields


def test_logfmt_gives_only_what_is_wanted() -> None:
    assert parse("logfmt", b"a=1 b=2 c", "b", "c", "d") == {"b": "2", "c": True}
    assert parse("logfmt", b"a=1 b=2 c", "d") == {}


# --- regex ------------------------------------------------------------------------------------------------------------


def test_the_groups_of_a_regex_are_the_fields() -> None:
    assert parse(REGEX, b"x WARN: [eva] up") == {"level": "WARN", "user": "eva", "message": "up"}
    assert parse(REGEX, b"WARN: up") == {"level": "WARN", "message": "up"}
    assert parse(REGEX, b"WARN: up", "user") == {}
    assert parse(REGEX, b"WARN: [eva] up", "user") == {"user": "eva"}
    assert parse(REGEX, b"WARN: [eva] up", "user", "level") == {"user": "eva", "level": "WARN"}
    assert parse(REGEX, b"warn") is None
    assert parse(REGEX, b"warn", "user") is None
    assert parse(REGEX, b"A: \xff") == {"level": "A", "message": "\udcff"}


# --- csv --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "row"),
    [
        (b"1,2,3", ["1", "2", "3"]),
        (b",,", ["", "", ""]),
        (b'"x, ""y""",2,""', ['x, "y"', "2", ""]),
        (b'1,"2",3', ["1", "2", "3"]),
        (b'1,a "b" c,3', ["1", 'a "b" c', "3"]),
        (b"1,2", None),
        (b"1,2,3,4", None),
        (b'"1",2', None),
        (b'"1",2,3,4', None),
        (b'"1,2,3', None),
        (b'"1"x,2,3', None),
        (b"", None),
    ],
)
def test_csv(line: bytes, row: list[str] | None) -> None:
    assert parse(CSV, line) == (row and dict(zip("abc", row, strict=True)))


def test_csv_of_other_kinds() -> None:
    assert parse(ParseConfig("csv", columns=("a", "b"), delimiter="\t"), b'x\t"y\t"', "b") == {"b": "y\t"}
    assert parse(ParseConfig("csv", columns=("a", "b"), quote=""), b'"x,y"') == {"a": '"x', "b": 'y"'}
    assert parse(ParseConfig("csv", columns=("a", "b"), delimiter="|", quote="'"), b"'a|''b'|c") == {
        "a": "a|'b",
        "b": "c",
    }
    assert parse(ParseConfig("csv", columns=("a",)), b"") == {"a": ""}


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8")), min_size=3, max_size=3))
def test_csv_reads_what_is_written(row: list[str]) -> None:
    line = ",".join('"' + column.replace('"', '""') + '"' for column in row).encode()
    assert parse(CSV, line) == dict(zip("abc", row, strict=True))


# --- containers -------------------------------------------------------------------------------------------------------


def test_cri() -> None:
    whole = {"time": "2026-11-24T11:09:10.123456789+01:00", "stream": "stderr", "tag": "F", "message": "a  b "}
    assert parse("cri", b"2026-11-24T11:09:10.123456789+01:00 stderr F a  b ") == whole
    assert parse("cri", b"2026-11-24T11:09:10Z stdout P ") == {
        "time": "2026-11-24T11:09:10Z",
        "stream": "stdout",
        "tag": "P",
        "message": "",
    }
    for line in (b"2026-11-24T11:09:10Z stdout F", b"2026-11-24T11:09:10Z other F x", b"x stdout F x", b"a b c d"):
        assert parse("cri", line) is None


def test_docker() -> None:
    line = rb'{"log":"a \"b\"\n","stream":"stdout","attrs":{"x":"y"},"time":"2026-11-24T11:09:10.1Z"}'
    assert parse("docker", line) == {
        "time": "2026-11-24T11:09:10.1Z",
        "stream": "stdout",
        "attrs": {"x": "y"},
        "message": 'a "b"',
    }
    assert parse("docker", rb'{"log":"a\n\n"}') == {"message": "a\n"}
    for line in (b'{"stream":"stdout"}', b'{"log":1}', b"[]", b"x", b'{"log":"x"'):
        assert parse("docker", line) is None


# --- syslog -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (
            b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed",
            {"time": "Oct 11 22:14:15", "host": "mymachine", "app": "su", "message": "'su root' failed"}
            | {"facility": "auth", "severity": "crit"},
        ),
        (
            b"Nov  4 11:09:10 h postfix/smtpd[12]: connect: x",
            {"time": "Nov  4 11:09:10", "host": "h", "app": "postfix/smtpd", "pid": "12", "message": "connect: x"},
        ),
        (
            b"2026-11-24T11:09:10.123456+01:00 h kernel: [    0.1] x",
            {"time": "2026-11-24T11:09:10.123456+01:00", "host": "h", "app": "kernel", "message": "[    0.1] x"},
        ),
        (b"Nov 24 11:09:10 h app:", {"time": "Nov 24 11:09:10", "host": "h", "app": "app", "message": ""}),
        (
            b"Nov 24 11:09:10 h last message repeated 2 times",
            {"time": "Nov 24 11:09:10", "host": "h", "message": "last message repeated 2 times"},
        ),
        (b"<192>Nov 24 11:09:10 h app: x", None),
        (b"Nov 24 11:09:10", None),
        (b"hello world", None),
    ],
)
def test_syslog_3164(line: bytes, fields: dict[str, Any] | None) -> None:
    assert parse("syslog3164", line) == fields
    assert parse("syslog", line) == fields


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (
            b"<34>1 2003-10-11T22:14:15.003Z m.example.com su - ID47 - \xef\xbb\xbf'su root' failed",
            {"time": "2003-10-11T22:14:15.003Z", "host": "m.example.com", "app": "su", "msgid": "ID47"}
            | {"message": "'su root' failed", "facility": "auth", "severity": "crit"},
        ),
        (
            rb'<165>1 - - evntslog 8 - [a@1 iut="3" s="x \"y\" \] \\ \n"][b] x',
            {"app": "evntslog", "pid": "8", "message": "x", "facility": "local4", "severity": "notice"}
            | {"data": {"a@1": {"iut": "3", "s": 'x "y" ] \\ \\n'}, "b": {}}},
        ),
        (b"<0>1 - - - - - -", {"message": "", "facility": "kern", "severity": "emerg"}),
        (b"<192>1 - - - - - -", None),
        (b"<0>2 - - - - - -", None),
        (b"<0>1 - - - - - [a", None),
        (b'<0>1 - - - - - [a b="c]', None),
    ],
)
def test_syslog_5424(line: bytes, fields: dict[str, Any] | None) -> None:
    assert parse("syslog5424", line) == fields
    if fields:
        assert parse("syslog", line) == fields
        assert parse("syslog3164", line) is None


# --- built-in formats -------------------------------------------------------------------------------------------------

ACCESS = b'192.0.2.7 - eva [24/Nov/2026:11:09:10 +0100] "GET /a?b=c HTTP/1.1" 200 512'


def test_access_logs() -> None:
    request = {"request": "GET /a?b=c HTTP/1.1", "method": "GET", "path": "/a?b=c", "protocol": "HTTP/1.1"}
    common = {"client": "192.0.2.7", "user": "eva", "time": "24/Nov/2026:11:09:10 +0100", "status": 200, "size": 512}
    for name in ("nginx", "apache"):
        assert parse(name, ACCESS) == common | request
        assert parse(name, ACCESS + b' "-" "curl/8 \\"x\\""') == common | request | {"agent": 'curl/8 \\"x\\"'}
        assert parse(name, ACCESS + b' "https://x/" "-" "192.0.2.9" 0.01') == common | request | {
            "referer": "https://x/"
        }
        assert parse(name, ACCESS.replace(b"eva", b"-"), "user", "status") == {"status": 200}
        odd = parse(name, rb'::1 - - [t] "\x16\x03\x01" 400 -')
        assert odd == {"client": "::1", "time": "t", "request": r"\x16\x03\x01", "status": 400}
        assert parse(name, ACCESS[:-5]) is None
    assert parse("apache", b"www.example.com:443 " + ACCESS) == common | request | {"vhost": "www.example.com:443"}


@pytest.mark.parametrize(
    ("name", "line", "fields"),
    [
        ("log4j", b"2026-11-24 11:09:10,123 INFO  [main] com.x.Y:12 - up", "INFO main com.x.Y 12 up"),
        ("log4j", b"2026-11-24T11:09:10.123Z [main] WARN com.x.Y - up - x", "WARN main com.x.Y None up - x"),
        (
            "log4j",
            b"[2026-11-24 11:09:10,123] INFO [Broker id=1] Up (kafka.Server)",
            "INFO Broker id=1 None None Up (kafka.Server)",
        ),
        ("log4j", b"[2026-11-24 11:09:10,123] INFO Up: x (kafka.Server)", "INFO None Up None x (kafka.Server)"),
        ("python", b"2026-11-24 11:09:10,123 - a.b - INFO - up - x", "INFO None a.b None up - x"),
        ("python", b"2026-11-24 11:09:10,123 INFO a.b: up", "INFO None a.b None up"),
        ("python", b"[2026-11-24 11:09:10 +0100] [7] up", None),
        ("python", b"2026-11-24 11:09:10,123 [ERROR] up", "ERROR None None None up"),
        ("python", b"ERROR:a.b:up:x", "ERROR None a.b None up:x"),
        ("spring", b"2026-11-24T11:09:10.123+01:00  INFO 7 --- [app] [  main] c.x.Y   : up", "INFO main c.x.Y None up"),
        ("spring", b"2026-11-24 11:09:10.123  INFO 7 --- [nio-1] c.x.Y : ", "INFO nio-1 c.x.Y None "),
    ],
)
def test_application_logs(name: str, line: bytes, fields: str | None) -> None:
    found = parse(name, line)
    names = ("level", "thread", "logger", "line", "message")
    assert (found and " ".join(str(found.get(one)) for one in names)) == fields


@pytest.mark.parametrize("name", sorted(set(PARSERS) - {"json", "regex", "logfmt"}))
def test_a_stack_trace_is_no_line_of_it(name: str) -> None:
    assert parse(CONFIGS[name], b"\tat com.x.Y.main(Y.java:12)") is None


def test_the_time_of_a_format_is_known() -> None:
    assert parsers.time_format(ParseConfig("nginx"), "time") == "%d/%b/%Y:%H:%M:%S %z"
    assert parsers.time_format(ParseConfig("syslog"), "time") == "syslog"
    assert parsers.time_format(ParseConfig("json"), "time") == "rfc3339"
    assert parsers.time_format(ParseConfig("nginx"), "referer") == "rfc3339"


# --- what a message itself is -----------------------------------------------------------------------------------------

CRI_LINE = b"2026-11-24T11:09:10.1Z stderr F "


def test_a_message_s_own_fields_stand_beside_those_of_its_envelope() -> None:
    config = ParseConfig("cri", message="json")
    line = CRI_LINE + b'{"level": "warn", "message": "low", "time": 7, "user": {"id": 3}}'
    assert parse(config, line) == {
        "time": "2026-11-24T11:09:10.1Z",
        "stream": "stderr",
        "tag": "F",
        "level": "warn",
        "message": "low",
        "user": {"id": 3},
    }
    assert (parse(config, line, "user.id") or {})["user"] == {"id": 3}


@pytest.mark.parametrize("message", [b"plain text", b"", b"[1]", b'{"a": \xff'])
def test_a_message_of_no_format_stays_a_text(message: bytes) -> None:
    plain = parse("cri", CRI_LINE + message)
    assert plain is not None
    assert parse(ParseConfig("cri", message="json"), CRI_LINE + message) == plain


def test_a_message_may_be_of_any_format() -> None:
    syslog = b"<34>Nov 24 11:09:10 web app[7]: "
    regex = ParseConfig("syslog", message="regex", pattern=r"user=(?P<user>\S+)")
    assert parse(regex, syslog + b"login user=ann ok") == {
        **(parse("syslog", syslog + b"login user=ann ok") or {}),
        "user": "ann",
    }
    docker = stdlib.dumps({"log": "level=info msg=up\n", "stream": "stdout", "time": "t"}).encode()
    found = parse(ParseConfig("docker", message="logfmt"), docker, "level", "msg")
    assert (found or {})["level"] == "info"
    assert parse(ParseConfig("docker", message="logfmt"), b"no docker") is None
