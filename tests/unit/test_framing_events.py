"""Events: nothing is lost or made up, and wherever reads and appends end, the same bytes give the same events."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.framing import Framer, partials
from shipper.framing import encodings as enc
from shipper.framing import multiline as ml
from shipper.framing.framer import Group

MAX = 40


def framer(group: Group | None = None, encoding: str = "bytes", delimiter: str = "\n") -> Framer:
    return Framer(enc.build(encoding, delimiter), group, 10 * MAX)


def multiline(rule: ml.Rule, max_lines: int = 4, max_bytes: int = MAX) -> ml.Multiline:
    return ml.Multiline(rule, max_lines, max_bytes)


def at_once(framer: Framer, data: bytes) -> list[bytes]:
    """Return the events of a file that is read when it is complete."""
    cut = framer.of(data[:4]).cut(data, 0, done=True, ended=True)
    assert cut.end == len(data) or not data[cut.end :].strip(b"\xff\xfe\xef\xbb\xbf\0")
    return cut.events


def in_steps(framer: Framer, data: bytes, ends: list[int]) -> list[bytes]:
    """Return the events of a file that is read while it grows: what is complete of it at each of these sizes."""
    events: list[bytes] = []
    at = 0
    for end in [*sorted(end % (len(data) + 1) for end in ends), len(data)]:
        cut = framer.of(data[: min(end, 4)]).cut(data[:end], at, at)
        assert at <= cut.end <= cut.lines_end <= end
        begins = cut.begins()
        assert len(begins) == len(cut.events)
        assert begins == sorted(set(begins))
        assert not begins or begins[0] == 0
        events += cut.events
        at = cut.end
    return events + framer.of(data[:4]).cut(data, at, at, done=True, ended=True).events


def begun_again(framer: Framer, data: bytes) -> list[bytes]:
    """Return the events of a file that is read anew from where each one begins."""
    events: list[bytes] = []
    at = 0
    while at < len(data):
        cut = framer.of(data[:4]).cut(data, at, at, done=True, ended=True)
        if not cut.events:
            break
        count = cut.whole(1)
        events += cut.events[:count]
        at += cut.begins()[count] if len(cut.events) > count else cut.end - at
    return events


WORDS = ["+", "-", " a", "\tb", "end", "é", "€uro", "日本", "𝄞", "x" * 15, "y" * 50, "\r", "\ufeff"]
text = st.lists(st.sampled_from([*WORDS, *["\n"] * 8, *["\r\n"] * 2])).map("".join)
ends = st.lists(st.integers(min_value=0), max_size=6)
noise = st.lists(
    st.sampled_from(
        [b"\n", b"\r\n", b"\n\0", b"\0\n", b"\xff", b"\xd8\0", b"\0\xd8", b"a", b"a\0", b"\x81", b"\xe3", b"+"]
    )
).map(b"".join)

RULES: dict[str, ml.Rule] = {
    "start": ml.begins_at(re.compile(rb"^\+").search),
    "continue": ml.goes_on_at(re.compile(rb"^-").search),
    "end": ml.ends_at(re.compile(rb"end$").search),
    "both": ml.either(ml.begins_at(re.compile(rb"^\+").search), ml.ends_at(re.compile(rb"end$").search)),
    "indented": ml.indented,
    **{name: ml.preset(name) for name in ml.PRESETS},
}
ENCODINGS = [
    "bytes",
    "utf-8",
    "utf-16",
    "utf-16-be",
    "utf-16-le",
    "utf-32",
    "latin-1",
    "cp1252",
    "shift_jis",
    "gb18030",
]
ENCODINGS += ["cp037", "euc_jp", "big5", "iso2022_jp", "utf-7"]


@pytest.mark.parametrize("rule", RULES)
@settings(deadline=None)
@given(data=text, ends=ends)
def test_where_reads_end_makes_no_difference_to_events_of_several_lines(rule: str, data: str, ends: list[int]) -> None:
    framing = framer(multiline(RULES[rule]))
    raw = data.encode()
    events = at_once(framing, raw)
    assert in_steps(framing, raw, ends) == events
    assert begun_again(framing, raw) == events
    assert all(event.count(b"\n") < 4 for event in events)
    assert all(len(event) <= MAX for event in events if b"\n" in event)
    assert b"".join(events).replace(b"\n", b"").replace(b"\r", b"") == raw.replace(b"\n", b"").replace(b"\r", b"")


@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(deadline=None)
@given(data=st.one_of(text, noise), ends=ends, rule=st.sampled_from([None, "start", "end"]))
def test_where_reads_end_makes_no_difference_to_decoding(
    encoding: str, data: str | bytes, ends: list[int], rule: str | None
) -> None:
    framing = framer(multiline(RULES[rule]) if rule else None, encoding)
    raw = data if isinstance(data, bytes) else data.encode("utf-8" if encoding == "bytes" else encoding, "replace")
    events = at_once(framing, raw)
    assert in_steps(framing, raw, ends) == events
    assert begun_again(framing, raw) == events
    if encoding != "bytes":
        assert "\ud800" not in "".join(event.decode() for event in events)  # all of it is UTF-8


@pytest.mark.parametrize("encoding", [name for name in ENCODINGS if name not in ("bytes", "iso2022_jp", "utf-7")])
@settings(deadline=None)
@given(data=text)
def test_what_was_written_in_an_encoding_is_read_in_utf_8(encoding: str, data: str) -> None:
    raw = data.encode(encoding, "replace")
    kept = raw.decode(encoding)
    expected = [line.removesuffix("\r").encode() for line in kept.split("\n")[:-1]]
    framing = framer(encoding=encoding).of(raw[:4])
    cut = framing.cut(raw, 0)
    if expected and encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        expected[0] = expected[0].removeprefix(b"\xef\xbb\xbf")
    assert cut.events == expected
    assert cut.replaced == 0


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "\0", "\r", "\n", "ab", "aab", "|"])).map("".join), ends)
def test_where_reads_end_makes_no_difference_to_a_delimiter(data: str, ends: list[int]) -> None:
    for delimiter in ("\0", "aa", "|\n", "\r\n"):
        framing = framer(delimiter=delimiter)
        expected = data.encode().split(delimiter.encode())
        if not expected[-1]:
            expected.pop()
        assert in_steps(framing, data.encode(), ends) == expected
    wide = framer(encoding="utf-16", delimiter="|\n")
    raw = data.encode("utf-16")
    assert in_steps(wide, raw, ends) == at_once(wide, raw)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_the_mark_at_the_beginning_is_no_text(encoding: str) -> None:
    raw = "\ufeffone\ntwo\n".encode(encoding)
    raw = raw[len("\ufeff".encode(encoding)) // 2 :] if encoding in ("utf-16", "utf-32") else raw
    framing = framer(encoding=encoding).of(raw[:4])
    cut = framing.cut(raw, 0)
    assert cut.events == [b"one", b"two"]
    assert cut.begins()[0] == 0
    again = framing.cut(raw, cut.begins()[1], cut.begins()[1])
    assert again.events == [b"two"]


def test_bytes_keep_their_mark() -> None:
    assert framer().cut(b"\xef\xbb\xbfone\n", 0).events == [b"\xef\xbb\xbfone"]


@pytest.mark.parametrize(
    ("head", "codec"), [(b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"", "utf-16-le")]
)
def test_the_order_of_bytes_is_known_from_the_first_ones(head: bytes, codec: str) -> None:
    raw = head + "Ċઊ\nж\n".encode(codec)  # characters that have the bytes of a line end in them
    assert framer(encoding="utf-16").of(raw[:4]).cut(raw, 0).events == ["Ċઊ".encode(), "ж".encode()]


def test_without_a_mark_the_zeros_tell_the_order() -> None:
    raw = "one\n".encode("utf-16-be")
    assert framer(encoding="utf-16").of(raw[:4]).cut(raw, 0).events == [b"one"]


@pytest.mark.parametrize(
    ("encoding", "raw", "line"),
    [
        ("utf-8", b"a\xffb\n", "a\ufffdb"),
        ("shift_jis", b"a\x81\nok\n", "a\ufffd"),
        ("utf-16-le", b"a\0\0\xd8b\0\n\0", "a\ufffdb"),
        ("utf-32-le", b"a\0\0\0\xff\xff\xff\xff\n\0\0\0", "a\ufffd"),
    ],
)
def test_what_is_not_of_the_encoding_is_replaced_and_counted(encoding: str, raw: bytes, line: str) -> None:
    cut = framer(encoding=encoding).cut(raw, 0)
    assert cut.events[0].decode() == line
    assert cut.replaced == 1
    assert cut.end == len(raw)


@settings(deadline=None)
@given(st.sampled_from(ENCODINGS), st.one_of(text.map(str.encode), noise, st.binary()), st.integers(12, 30))
def test_pieces_of_a_long_line_have_their_size_and_come_to_its_end(encoding: str, raw: bytes, size: int) -> None:
    reader = enc.build(encoding).of(raw[:4])
    values = []
    while raw:
        value, taken = reader.piece(raw, size)
        assert len(value) <= size
        assert 0 < taken <= len(raw)
        raw = raw[taken:]
        values.append(value)
    if encoding != "bytes":
        assert all(value.decode() or not value for value in values)


def test_a_character_is_never_cut() -> None:
    reader = enc.build("utf-8")
    assert reader.piece("aé日本".encode(), 5) == ("aé".encode(), 3)


@pytest.mark.parametrize(
    ("encoding", "delimiter", "says"),
    [
        ("utf-8", "\n", ""),
        ("UTF-16", "\r\n\r\n", ""),
        ("windows-1252", "|", ""),
        ("gb18030", "\0", ""),
        ("gb18030", "|", "inside of other"),
        ("latin-1", "€", "has no bytes"),
        ("klingon", "\n", "is no encoding"),
        ("rot13", "\n", "is no encoding"),
        ("hz", "\n", "line by line"),
        ("iso2022_kr", "\n", "line by line"),
        ("unicode_escape", "\n", "line by line"),
        ("idna", "\n", "line by line"),
    ],
)
def test_what_cannot_be_read_is_told(encoding: str, delimiter: str, says: str) -> None:
    told = enc.trouble(encoding, delimiter)
    assert says in told
    assert bool(says) == bool(told)


# Stack traces.

JAVA = """\
2026-11-24 10:00:00 ERROR Worker - cannot work
java.lang.IllegalStateException: no work
\tat org.example.Worker.work(Worker.java:17)
\t... 3 common frames omitted
Caused by: java.io.IOException: disk
\tat org.example.Disk.read(Disk.java:3)
\tSuppressed: java.lang.Error: two
2026-11-24 10:00:01 INFO Worker - java.lang is a package
"""
PYTHON = """\
2026-11-24 10:00:00 ERROR cannot work
Traceback (most recent call last):
  File "/app/a.py", line 3, in work
    disk.read()
KeyError: 'a'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/a.py", line 5, in work
    raise mine.Trouble("b") from None
mine.Trouble: b
2026-11-24 10:00:01 INFO KeyError: is a class
"""
GO = """\
panic: runtime error: index out of range [5] with length 3

goroutine 1 [running]:
main.(*Worker).work(0xc000012345, 0x5)
\t/app/main.go:17 +0x1d
main.main()
\t/app/main.go:5 +0x2a
created by main.start in goroutine 7
\t/app/main.go:9
exit status 2
2026/11/24 10:00:01 goroutine (7) is done
"""
NODE = """\
cannot work
TypeError: work is not a function
    at Object.<anonymous> (/app/a.js:3:1)
    at node:internal/main/run_main_module:22:47 {
  code: 'ERR'
}
works: the Error: is gone
"""


@pytest.mark.parametrize(("name", "log"), [("java", JAVA), ("python", PYTHON), ("go", GO), ("node", NODE)])
def test_a_stack_trace_is_one_event_with_the_line_before_it(name: str, log: str) -> None:
    events = at_once(framer(multiline(ml.preset(name), 500, 9999)), log.encode())
    *first, last = log.rstrip("\n").split("\n")
    assert [event.decode() for event in events] == ["\n".join(first), last]


@pytest.mark.parametrize("name", ml.PRESETS)
@pytest.mark.parametrize(
    "line",
    [
        *(
            word * 100_000
            for word in (b"(", b"()", b"a.", b"Error", b"Exception.", b"a(", b"(*", b" 0x", b"r", b"$", b"[")
        ),
        b"a" + b"(" * 100_000 + b"x",
        b"(*" + b"a" * 100_000,
    ],
)
def test_no_line_can_make_a_preset_explode(name: str, line: bytes) -> None:
    assert len(at_once(framer(multiline(ml.preset(name), 500, 1 << 20)), line + b"\nnext\n")) in (1, 2)


def test_an_event_that_may_go_on_is_left_alone() -> None:
    cut = framer(multiline(RULES["start"])).cut(b"+a\n-b\n+c\n-d\n-e", 0)
    assert (cut.events, cut.end, cut.lines_end) == ([b"+a\n-b"], 6, 12)
    assert framer(multiline(RULES["start"])).cut(b"+a\n-b\n+c\n-d\n-e", 6, 6, done=True).events == [b"+c\n-d"]


def test_an_end_closes_its_event() -> None:
    cut = framer(multiline(RULES["end"])).cut(b"a\r\nend\r\nb\r\n", 0)
    assert (cut.events, cut.end) == ([b"a\r\nend"], 8)


def test_an_event_of_as_many_lines_as_may_be_waits_for_nothing() -> None:
    cut = framer(multiline(RULES["start"], max_lines=2)).cut(b"+a\n-b\n-c\n", 0)
    assert (cut.events, cut.end, cut.lines_end) == ([b"+a\n-b"], 6, 9)


# Containers.

CRI = b"2026-11-24T10:00:00.1Z "
cri_lines = st.lists(
    st.tuples(
        st.sampled_from([b"stdout", b"stderr"]),
        st.sampled_from([b"P", b"F", b"F", b"P:x"]),
        st.sampled_from([b"", b"a", b"b c", b"d" * 20]),
    )
)


@settings(deadline=None)
@given(cri_lines, ends)
def test_where_reads_end_makes_no_difference_to_pieces(
    lines: list[tuple[bytes, bytes, bytes]], ends: list[int]
) -> None:
    raw = b"".join(CRI + b" ".join(line) + b"\n" for line in lines)
    for most in (100, 10_000):
        framing = framer(partials.cri(most))
        events = at_once(framing, raw)
        assert in_steps(framing, raw, ends) == events
        assert begun_again(framing, raw) == events
    for stream in (b"stdout", b"stderr"):
        joined = b"".join(content for name, _, content in lines if name == stream)
        mine = [event.split(b" ", 3) for event in events if event.split(b" ")[1] == stream]
        assert b"".join(content for _, _, _, content in mine) == joined
        assert [flag[:1] for _, _, flag, _ in mine[:-1]] == [b"F"] * len(mine[:-1])


def test_pieces_of_two_streams_are_joined_each_with_its_own() -> None:
    raw = b"1 stdout P a\n2 stderr P x\n3 stdout F b\n4 stderr F y\n5 stdout F c\nother\n6 stdout P d\n"
    cut = framer(partials.cri(1000)).cut(raw, 0)
    assert cut.events == [b"1 stdout F ab", b"2 stderr F xy", b"5 stdout F c", b"other"]
    assert cut.begins() == [0, 13, 52, 65]
    assert [cut.whole(most) for most in (1, 2, 3, 4)] == [2, 2, 3, 4]
    assert raw[cut.end :] == b"6 stdout P d\n"
    assert framer(partials.cri(1000)).cut(raw, cut.end, cut.end, done=True).events == [b"6 stdout P d"]


def test_pieces_of_docker_are_joined_with_what_stands_beside_them() -> None:
    def line(log: str, stream: str = "stdout") -> bytes:
        return json.dumps({"log": log, "stream": stream, "time": "t"}, separators=(",", ":")).encode() + b"\n"

    raw = (
        line("a")
        + line("x\n", "stderr")
        + line('b"é\\n')
        + line("c\n")
        + b'{"no": "docker"}\n'
        + line("d\n")
        + b"\xff\n"
    )
    cut = framer(partials.docker(1000)).cut(raw, 0)
    joined = {"log": 'ab"é\\nc\n', "stream": "stdout", "time": "t"}
    assert json.loads(cut.events[0]) == joined
    assert cut.events[1:] == [line("x\n", "stderr")[:-1], b'{"no": "docker"}', line("d\n")[:-1], b"\xff"]
    assert cut.end == len(raw)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([b'{"log":"a","stream":"o"}', b'{"log":"b\\n","stream":"o"}', b"{", b"1", b"[" * 3000])),
    ends,
)
def test_where_reads_end_makes_no_difference_to_pieces_of_docker(lines: list[bytes], ends: list[int]) -> None:
    raw = b"".join(line + b"\n" for line in lines)
    framing = framer(partials.docker(60))
    assert in_steps(framing, raw, ends) == at_once(framing, raw)


Make = Callable[[int], partials.Partials]


@pytest.mark.parametrize("make", [partials.cri, partials.docker])
@settings(deadline=None)
@given(raw=st.binary())
def test_no_bytes_are_too_odd(make: Make, raw: bytes) -> None:
    assert b"\n".join(at_once(framer(make(1000)), raw)).replace(b"\r", b"") == raw.removesuffix(b"\n").replace(
        b"\r", b""
    )
