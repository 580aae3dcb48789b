from __future__ import annotations

import json
import logging
import os
import pty
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.events import Events
from shipper.events.telling import BURST, SUBJECTS
from shipper.logs import LogWriter, listening
from shipper.logs.lines import json_line, text_line, text_value

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


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, Callable[[], list[str]]]]:
    """A stream of which systemd says that it leads to the journal: where to write, and what was written."""
    read, write = os.pipe()
    found = os.fstat(write)
    monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
    os.set_blocking(read, False)
    yield write, lambda: os.read(read, 100_000).decode().splitlines()
    os.close(read)
    os.close(write)


def test_in_the_journal_an_event_has_its_fields(
    stream: tuple[int, Callable[[], list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, ...]] = []
    monkeypatch.setattr("systemd.journal.sendv", lambda *entry: sent.append(entry))
    log = LogWriter(stream[0])
    log("warning", "file.lost", {"source": "a b", "path": "/x\x1b\n", "bytes": 3, "files": ["a", "b"]})
    assert sent == [
        (
            'MESSAGE=file.lost source="a b" path="/x\\x1b\\n" bytes=3 files=a,b',
            "SHIPPER_SOURCE=a b",
            "SHIPPER_PATH=/x\\x1b\\n",
            "SHIPPER_BYTES=3",
            "SHIPPER_FILES=a,b",
            "PRIORITY=4",
            "SYSLOG_IDENTIFIER=shipper",
            "SHIPPER_EVENT=file.lost",
        )
    ]
    log.configure("info", "json")  # as it was asked for
    log("error", "x.y", {})
    (line,) = stream[1]()
    assert line.startswith('<3>{"time":')
    assert len(sent) == 1


def test_a_journal_that_takes_nothing_is_told_later(
    stream: tuple[int, Callable[[], list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    def refuse(*entry: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("systemd.journal.sendv", refuse)
    log = LogWriter(stream[0])
    log("info", "a.a", {})
    log._send = lambda *entry: sent.append(entry[0])
    log("info", "b.b", {})
    assert sent == ["MESSAGE=b.b log_lines_lost=1"]


def test_without_the_library_lines_for_the_journal_have_their_priority(
    stream: tuple[int, Callable[[], list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "systemd.journal", None)
    log = LogWriter(stream[0], now=lambda: MOMENT)
    log.configure("debug", "auto")
    for level in ("debug", "info", "warning", "error"):
        log(level, "x.y", {"a": 1})
    log.configure("debug", "text")
    log("warning", "x.y", {})
    assert stream[1]() == ["<7>x.y a=1", "<6>x.y a=1", "<4>x.y a=1", "<3>x.y a=1", f"<4>{WHEN} WARN x.y"]


def test_another_stream_than_that_of_the_journal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    assert written(lambda log: log("info", "x.y", {})) == f"{WHEN} INFO x.y\n"


def test_the_journals_socket_gets_the_entry() -> None:
    """As the library sends it, with a socket of ours in the journal's place, in a mount namespace."""
    script = """
import os, socket, sys
os.makedirs("/run/systemd/journal")
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.bind("/run/systemd/journal/socket")
from shipper.logs import LogWriter
found = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{found.st_dev}:{found.st_ino}"
LogWriter()("error", "x.y", {"path": "/größe"})
sys.stdout.buffer.write(journal.recv(10000))
"""
    enter = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "-"]
    here = Path(__file__).parents[2]
    done = subprocess.run([*enter, sys.executable, "-c", script], capture_output=True, cwd=here, timeout=60)
    if done.returncode and b"unshare" in done.stderr:
        pytest.skip("no namespaces here")
    lines = set(done.stdout.decode().splitlines())
    assert lines >= {"MESSAGE=x.y path=/größe", "PRIORITY=3", "SHIPPER_EVENT=x.y", "SHIPPER_PATH=/größe"}, done.stderr


def test_what_libraries_say_is_told_as_an_event() -> None:
    told: list[tuple[str, str, dict[str, Any]]] = []
    with warnings.catch_warnings(), listening(Events(lambda *event: told.append(event))):
        warnings.simplefilter("always")
        logging.getLogger("some.library").error("gone %s", "wrong")
        logging.getLogger("some.library").error("gone %s", "wrong")
        logging.getLogger("some.library").info("nothing")
        wrong = logging.LogRecord("other", logging.WARNING, "", 0, "%d", ("no number",), None)
        logging.getLogger().handlers[-1].emit(wrong)
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)
    logging.getLogger("some.library").error("heard by nobody of ours")
    assert [(level, name, fields["library"]) for level, name, fields in told] == [
        ("error", "library.said", "some.library"),
        ("warning", "library.said", "other"),
        ("warning", "library.said", "py.warnings"),
    ]
    assert "gone wrong" in told[0][2]["text"]
    assert "old ways" in told[2][2]["text"]


def test_no_event_floods_whatever_it_is_about() -> None:
    told: list[dict[str, Any]] = []
    now = 0.0
    events = Events(lambda _level, _name, fields: told.append(fields), clock=lambda: now)
    for number in range(BURST + 500):
        events.file_unreadable("s", b"/%d" % number, "no")
    assert len(told) == BURST
    now = 61.0
    events.file_unreadable("s", b"/x", "no")
    assert told[-1]["held_back"] == 500
    assert events.counters["file.unreadable", "s"] == BURST + 501
    for number in range(SUBJECTS + 500):
        events.directory_unreadable(b"/%d" % number, "no")
    assert len(events._quiet) == SUBJECTS


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
