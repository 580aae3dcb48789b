from __future__ import annotations

import io
import re

import pytest

from shipper.demo.view import BAR, Row, View, bar

HEADINGS = ["file", "written", "delivered", "in flight", "rotations", "this generation"]
ROWS = [
    Row("web.log", ("1,161,204", "1,161,180", "24", "13"), 0.5),
    Row("/var/log/a/very/long/name/which/does/not/fit/in/eighty/columns/[bold].log", ("1", "1", "0", "0"), 1.0),
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"COLUMNS": "80", "LINES": "40", "TERM": "xterm-256color"}.items():
        monkeypatch.setenv(name, value)
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


def drawn(text: str) -> list[str]:
    """What is seen: without the terminal's control sequences."""
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "").split("\n")]


@pytest.mark.usefixtures("_eighty_columns")
def test_on_a_terminal_a_table_of_eighty_columns_is_drawn() -> None:
    out = Terminal()
    with View(out, "the title", HEADINGS) as view:
        view.happened("daemon killed")
        view.show(ROWS, "all is well", last=True)
        lines = drawn(out.getvalue())
    assert max(map(len, lines)) <= 80
    assert lines[0] == "the title"
    assert lines[1].split() == [*" ".join(HEADINGS).split()]
    assert lines[2].split() == ["web.log", "1,161,204", "1,161,180", "24", "13", "█" * (BAR // 2)]
    assert lines[3].split()[1:] == ["1", "1", "0", "0", "█" * BAR]
    assert lines[3].split()[0].startswith("…")
    assert lines[3].split()[0].endswith("/[bold].log")
    assert lines[4] == " all is well"
    assert lines[5].endswith("  daemon killed")
    assert "\x1b[36m" in out.getvalue()


@pytest.mark.usefixtures("_eighty_columns")
def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    with View(out, "the title", HEADINGS) as view:
        view.show(ROWS, "all is well", last=True)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", out.getvalue())


def test_elsewhere_it_writes_plain_lines() -> None:
    out = io.StringIO()
    with View(out, "the title", HEADINGS) as view:
        view.show(ROWS, "begun")
        view.show(ROWS, "this one comes too soon")
        view.happened("daemon killed")
        view.show(ROWS, "all is well " * 20, last=True)
    lines = out.getvalue().splitlines()
    assert [line.split("  ")[-1].strip() for line in lines] == [
        "the title",
        "begun",
        "daemon killed",
        ("all is well " * 20).strip(),
    ]
    assert "\x1b" not in out.getvalue()


@pytest.mark.parametrize(
    ("filled", "text"),
    [(0, ""), (1, "█" * 12), (0.5, "█" * 6), (0.52, "█" * 6 + "▎"), (7, "█" * 12), (-1, "")],
)
def test_the_bar_is_as_long_as_its_part(filled: float, text: str) -> None:
    assert bar(filled).rstrip() == text
    assert len(bar(filled)) == BAR
