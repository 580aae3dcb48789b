from __future__ import annotations

import json
import os
import pty
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.events import Events
from shipper.logs import LogWriter, json_line, text_line, text_value

MOMENT = 1795442531.113  # 2026-11-23T14:02:11.113Z
WHEN = "2026-11-23T14:02:11.113Z"


def written(use: Callable[[LogWriter], object]) -> str:
    read, write = os.pipe()
    with os.fdopen(read) as out:
        use(LogWriter(write, now=lambda: MOMENT))
        os.close(write)
        return out.read()


def test_a_line_is_time_level_event_and_fields() -> None:
    fields = {"source": "nginx", "path": "/var/log/x", "generation": 3}
    assert written(lambda log: log("info", "file.rotated", fields)) == (
        f"{WHEN} INFO file.rotated source=nginx path=/var/log/x generation=3\n"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("", '""'),
        ("two words", '"two words"'),
        ('say "hi"', r'"say \"hi\""'),
        ("a=b", '"a=b"'),
        ("two\nlines", r'"two\nlines"'),
        ("\x1b[31mred", r'"\x1b[31mred"'),
        ("\x9b31m", r'"\x9b31m"'),
        ("\u202egol.exe", r'"\u202egol.exe"'),
        ("\udcff", r'"\udcff"'),
        (r"shown\x1bpath", r"shown\x1bpath"),
        (r"back\slash and space", r'"back\\slash and space"'),
        ("größe", "größe"),
        (True, "true"),
        (None, "null"),
        (12431, "12431"),
        (0.1 + 0.2, "0.3"),
        (48211123.5, "48211123.5"),
        (float("inf"), "inf"),
        (("a", "b"), "a,b"),
        (Path("/var/log"), "/var/log"),
    ],
)
def test_values_are_written_as_logfmt(value: Any, text: str) -> None:
    assert text_value(value) == text


@given(st.text())
def test_no_text_breaks_a_line_or_reaches_the_terminal_as_control(value: str) -> None:
    line = text_line(WHEN, "info", "x.y", {"a": value, "b": 1})
    assert line.isprintable()
    assert line.endswith(" b=1")
    line.encode()


@given(st.dictionaries(st.text(max_size=5), st.text() | st.integers() | st.booleans() | st.none()))
def test_json_gives_every_field_back(fields: dict[str, Any]) -> None:
    fields = {f"f{key}": value for key, value in fields.items()}
    line = json_line(WHEN, "warning", "x.y", fields)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == {"time": WHEN, "level": "warning", "event": "x.y", **fields}


def test_json_takes_what_json_has_no_word_for() -> None:
    line = json_line(WHEN, "info", "x.y", {"path": Path("/x"), "rate": float("nan")})
    assert json.loads(line) == {"time": WHEN, "level": "info", "event": "x.y", "path": "/x", "rate": "nan"}


def test_levels_below_the_configured_one_are_not_written() -> None:
    def use(log: LogWriter) -> None:
        log.configure("warning", "auto")
        for level in ("debug", "info", "warning", "error"):
            log(level, "x.y", {})

    assert [line.split()[1] for line in written(use).splitlines()] == ["WARN", "ERROR"]


def test_format_and_level_can_change_while_in_use() -> None:
    def use(log: LogWriter) -> None:
        log("info", "a.b", {"n": 1})
        log.configure("debug", "json")
        log("debug", "a.b", {"n": 2})

    text, last = written(use).splitlines()
    assert text == f"{WHEN} INFO a.b n=1"
    assert json.loads(last) == {"time": WHEN, "level": "debug", "event": "a.b", "n": 2}


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_only_the_level_is_coloured_and_only_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, no_color: str, *, coloured: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    ours, theirs = pty.openpty()
    try:
        LogWriter(theirs, now=lambda: MOMENT)("warning", "x.y", {"a": 1})
        line = os.read(ours, 1000).decode().rstrip()
    finally:
        os.close(ours)
        os.close(theirs)
    assert line == f"{WHEN} {chr(27)}[33mWARN{chr(27)}[0m x.y a=1" if coloured else f"{WHEN} WARN x.y a=1"


def test_lines_of_threads_do_not_mix() -> None:
    def use(log: LogWriter) -> None:
        def many(c: str) -> None:
            for _ in range(50):
                log("info", "x.y", {"c": c * 100})

        threads = [threading.Thread(target=many, args=(c,)) for c in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    lines = written(use).splitlines()
    assert sorted(lines) == sorted(f"{WHEN} INFO x.y c={c * 100}" for c in "abcd" for _ in range(50))


def test_a_line_that_cannot_be_written_is_counted_and_told_later(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    with os.fdopen(read) as out:
        log = LogWriter(write, now=lambda: MOMENT)
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", _no_space)
            log("info", "a.a", {})
            log("info", "b.b", {})
        log("info", "c.c", {"n": 1})
        log("info", "d.d", {})
        os.close(write)
        assert out.read() == f"{WHEN} INFO c.c n=1 log_lines_lost=2\n{WHEN} INFO d.d\n"


def _no_space(fd: int, data: bytes) -> int:
    raise OSError(28, "No space left on device")


def test_it_is_what_events_write_to() -> None:
    assert written(lambda log: Events(log).emit("info", "file.found", path=b"/var/log/\xff.log")) == (
        f"{WHEN} INFO file.found path=/var/log/\\xff.log\n"
    )


def test_a_reason_that_is_not_known_is_not_told() -> None:
    told: list[dict[str, Any]] = []
    events = Events(lambda _level, _name, fields: told.append(fields))
    events.records_noted("s", "parse_error", 1)
    events.records_noted("s", "processor_error", 1, "ValueError: no")
    assert "why" not in told[0]
    assert told[1]["why"] == "ValueError: no"
