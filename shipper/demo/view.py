"""What a person sees while the demo runs: a live table on a terminal, plain lines anywhere else.

Only the demo's main thread calls it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

BAR = 12
_EIGHTHS = " ▏▎▍▌▋▊▉█"
LIVE_EVERY = 0.25
PLAIN_EVERY = 5.0


class Row(NamedTuple):
    """One line of the table: a name, a cell for each further heading, and the bar's part from 0 to 1."""

    name: str
    cells: tuple[str, ...]
    filled: float


class View:
    """Draws ``title``, rows under ``headings`` (the last one is the bar's), and what happened, with its time."""

    def __init__(self, out: TextIO, title: str, headings: Sequence[str]) -> None:
        self._console = Console(file=out, highlight=False)
        self._title = title
        self._headings = headings
        self._happened: list[str] = []
        self._drawn = 0.0
        self._live = (
            Live(console=self._console, auto_refresh=False, transient=False) if self._console.is_terminal else None
        )

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        else:
            self._print(self._title)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def happened(self, what: str) -> None:
        """Tell something that happened now."""
        told = f"{time.strftime('%H:%M:%S')}  {what}"
        self._happened.append(told)
        if not self._live:
            self._print(told)

    def show(self, rows: Sequence[Row], status: str, *, last: bool = False) -> None:
        """Draw the rows and ``status``, unless that was done a moment ago."""
        now = time.monotonic()
        if now - self._drawn < (LIVE_EVERY if self._live else PLAIN_EVERY) and not last:
            return
        self._drawn = now
        if self._live:
            self._live.update(Group(*self._draw(rows, status)), refresh=True)
        else:
            self._print(f"{time.strftime('%H:%M:%S')}  {status}")

    def _draw(self, rows: Sequence[Row], status: str) -> list[Text | Table]:
        # Every cell on one line, so that the table does not jump: the names get what the numbers leave.
        first, *numbers, last = self._headings
        columns = [[heading, *(row.cells[i] for row in rows)] for i, heading in enumerate(numbers)]
        taken = sum(max(map(len, column)) + 2 for column in columns) + max(BAR, len(last)) + 4
        room = max(12, self._console.width - taken)
        table = Table(box=None, header_style="bold")
        table.add_column(first, no_wrap=True)
        for heading in numbers:
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column(last, no_wrap=True)
        for row in rows:
            name = row.name if len(row.name) <= room else "…" + row.name[1 - room :]  # a path's end tells more
            table.add_row(Text(name), *row.cells, Text(bar(row.filled), style="cyan"))
        return [Text(self._title), table, Text(f" {status}"), *(Text(f" {told}") for told in self._happened)]

    def _print(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)


def bar(filled: float) -> str:
    """Return a bar of ``BAR`` columns of which ``filled`` (0 to 1) is drawn."""
    eighths = round(max(0.0, min(1.0, filled)) * BAR * 8)
    return (_EIGHTHS[8] * (eighths // 8) + _EIGHTHS[eighths % 8]).strip().ljust(BAR)[:BAR]
