"""What an audit found, of each file and each source. Values only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass
class Tally:
    """Lines, and what became of them; of a line in parts each part counts."""

    lines: int = 0
    delivered: int = 0
    missing: int = 0
    doubled: int = 0
    out_of_order: int = 0
    dead_letters: int = 0
    not_yet_sent: int = 0
    not_judged: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Return the sums."""
        return Tally(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))


class Missing(NamedTuple):
    """A line that is missing; ``part`` is 0 unless only a part of it is."""

    path: bytes
    offset: int
    part: int
    beginning: bytes


@dataclass
class FileReport:
    """One generation: ``path`` is where it was first found, ``seen_as`` where it is now; ``why`` it is not judged."""

    path: bytes
    seen_as: bytes
    generation: int
    uid: str
    tally: Tally = field(default_factory=Tally)
    missing: list[Missing] = field(default_factory=list)
    why: str = ""


@dataclass
class SourceReport:
    """One source. ``gone``: generations whose bytes are nowhere; ``left``: files left alone at the first scan.

    ``left_out``: lines that are not there and that ``rate_limit`` may have dropped.
    """

    name: str
    files: list[FileReport] = field(default_factory=list)
    gone: int = 0
    left: int = 0
    left_out: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def tally(self) -> Tally:
        """The sums over its files."""
        return sum((file.tally for file in self.files), Tally())


@dataclass
class Report:
    """What was found. ``others``: records of our keys that no file holds, by topic. ``spilled``: bytes on disk."""

    sources: list[SourceReport] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    records: int = 0
    spilled: int = 0

    def failed(self, *, strict: bool) -> bool:
        """Whether something is missing; with ``strict`` also: doubled, out of order, or not to be read."""
        tally = self.tally
        unread = any(file.why for source in self.sources for file in source.files)
        return bool(tally.missing or (strict and (tally.doubled or tally.out_of_order or unread)))

    @property
    def tally(self) -> Tally:
        """The sums over all sources."""
        return sum((source.tally for source in self.sources), Tally())
