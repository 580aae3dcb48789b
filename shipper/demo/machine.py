"""The demo with the machine's own files: what they hold now is shipped, and each line is looked for by its content."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TextIO

from shipper import framing
from shipper.checks import matching
from shipper.demo.stage import BEAT, MAX_LINE, PATIENCE, Stage
from shipper.demo.verify import Contents
from shipper.demo.view import Row, View
from shipper.discovery import Watched
from shipper.errors import ShipperError
from shipper.events import Events
from shipper.logs import LogWriter
from shipper.model import Seen, counted, show_path

EXCLUDE = ["*.gz", "*.bz2", "*.xz", "*.zst"]  # their lines are not in the file as they are
MOST_ROWS = 12


@dataclass(frozen=True)
class Summary:
    """What the demo found out; ``cut_short``: the time was over before every line had arrived."""

    files: int
    unreadable: int
    lines: int
    missing: int
    other: int
    cut_short: bool
    lacking: dict[str, tuple[int, int]]  # of each file of whose lines too few came: how many of them, of how many

    @property
    def good(self) -> bool:
        """Whether every line arrived."""
        return not self.missing

    def as_json(self) -> dict[str, Any]:
        """Return the summary for programs."""
        lacking = {path: {"delivered": came, "lines": lines} for path, (came, lines) in self.lacking.items()}
        return {**asdict(self), "lacking": lacking, "delivered": self.lines - self.missing, "good": self.good}

    def as_text(self) -> str:
        """Return the summary for people."""
        text = (
            f"Verified with a consumer: {self.lines:,} lines were in {self.files:,} files, "
            f"{self.lines - self.missing:,} delivered, {self.missing:,} missing."
        )
        for path, (delivered, lines) in list(self.lacking.items())[:MOST_ROWS]:
            text += f"\n{path}: {delivered:,} of {lines:,} delivered."
        if self.other:
            text += f"\n{self.other:,} records more arrived, of lines that were added since."
        if self.cut_short:
            text += "\nThe time was over before all had arrived: give it more with --seconds, or leave that out."
        if self.unreadable:
            text += f"\n{counted(self.unreadable, 'file')} could not be read by this user: left out."
        return text


def run(paths: Sequence[str], seconds: float | None, out: TextIO) -> Summary:
    """Ship what matches ``paths``, drawing on ``out``; ends when all has arrived, or after ``seconds``."""
    globs = [os.path.abspath(path) for path in paths]
    contents = Contents()
    with Stage() as stage:
        files, unreadable = _expect(globs, contents)
        stage.configure(globs, key="{path}", exclude=EXCLUDE)
        title = (
            f"shipper demo · embedded broker {stage.broker.bootstrap}\n"
            f"{len(files):,} files of this machine with {contents.expected:,} lines · ends when all have arrived"
        )
        with View(out, title, ["file", "lines", "delivered", "part"]) as view:
            delivered, cut_short = _play(seconds, stage, files, contents, view)
    lacking = {show_path(path): (delivered[path], lines) for path, lines in files.items() if delivered[path] < lines}
    return Summary(len(files), unreadable, contents.expected, contents.missing, contents.other, cut_short, lacking)


def _play(
    seconds: float | None, stage: Stage, files: Mapping[bytes, int], contents: Contents, view: View
) -> tuple[Counter[bytes], bool]:
    """Ship until all has arrived or nothing comes any more.

    Returns how many records came of each key, and whether the time was over before all had arrived.
    """
    delivered: Counter[bytes] = Counter()

    def take(key: bytes, value: bytes) -> None:
        contents.take(value)
        delivered[key] += 1

    started = time.monotonic()
    reader = stage.read(take)
    stage.daemon.start()
    cut_short = False
    while contents.missing and not cut_short and time.monotonic() - reader.news_at < PATIENCE:
        stage.check()
        view.show(_rows(files, delivered), _status(contents))
        time.sleep(BEAT)
        cut_short = seconds is not None and time.monotonic() - started > seconds
    stage.daemon.stop()
    reader.finish()
    if reader.overrun:
        raise ShipperError(
            f"the embedded broker dropped {reader.overrun:,} records before they were read, as it keeps only the last "
            "5 MB of a partition: this machine is too busy now; name fewer files"
        )
    view.show(_rows(files, delivered), _status(contents), last=True)
    return delivered, cut_short and bool(contents.missing)


def _expect(globs: Sequence[str], contents: Contents) -> tuple[dict[bytes, int], int]:
    """Note every complete line of what matches now; returns the lines of each file, and how many are unreadable."""
    watched = Watched("demo", tuple(map(os.fsencode, globs)), tuple(map(os.fsencode, EXCLUDE)), "auto")
    found = matching(watched, Events(LogWriter(level="error")))  # the daemon will warn of what it cannot list
    by_id = {seen.file_id: seen for seen in reversed(found)}
    if not by_id:
        raise ShipperError(f"no file matches {' '.join(globs)}; quote a pattern so that the shell does not expand it")
    files: dict[bytes, int] = {}
    unreadable = 0
    for seen in sorted(by_id.values()):
        before = contents.expected
        try:
            for lines in complete_lines(seen):
                contents.expect(lines)
        except OSError:
            unreadable += 1
        else:
            files[seen.path] = contents.expected - before
    if not files:
        raise ShipperError(f"none of the {unreadable:,} files that match can be read by this user")
    return files, unreadable


def complete_lines(seen: Seen) -> Iterator[list[bytes]]:
    """Yield the records of each line that has an end within the first ``seen.size`` bytes."""
    left = seen.size
    with open(seen.path, "rb") as file:
        for line in file:
            left -= len(line)
            if left < 0 or not line.endswith(b"\n"):
                return
            yield framing.parts(line[:-1].removesuffix(b"\r"), MAX_LINE)


def _rows(files: Mapping[bytes, int], delivered: Counter[bytes]) -> list[Row]:
    """Return a row for each of the largest files."""
    largest = sorted(files.items(), key=lambda item: item[1], reverse=True)[:MOST_ROWS]
    return [
        Row(show_path(path), (f"{lines:,}", f"{delivered[path]:,}"), delivered[path] / lines if lines else 1.0)
        for path, lines in largest
    ]


def _status(contents: Contents) -> str:
    return (
        f"{contents.expected:,} lines, {contents.expected - contents.missing:,} delivered, {contents.missing:,} to go"
    )
