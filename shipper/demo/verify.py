"""Did every line arrive, and in order? Pure.

:class:`Sequences` judges generated lines: it knows what line ``n`` of each file must be. :class:`Contents` judges the
lines of files that somebody else wrote, by their content alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass
class Arrived:
    """What arrived of one file's lines, which are numbered from 0."""

    highest: int = -1
    repeated: int = 0
    disordered: int = 0  # lines whose first delivery came after that of a later line
    holes: set[int] = field(default_factory=set)

    @property
    def delivered(self) -> int:
        """How many different lines arrived."""
        return self.highest + 1 - len(self.holes)

    def take(self, number: int) -> None:
        """Note that line ``number`` arrived."""
        if number > self.highest:
            self.holes.update(range(self.highest + 1, number))
            self.highest = number
        elif number in self.holes:
            self.holes.remove(number)
            self.disordered += 1
        else:
            self.repeated += 1


@dataclass(frozen=True)
class Verdict:
    """The summary of a demo with generated files."""

    written: int
    delivered: int
    missing: int
    repeated: int
    altered: int
    keys: int
    keys_in_order: int

    @property
    def good(self) -> bool:
        """Whether everything that is promised was kept; a line that is repeated after a kill is no fault."""
        return not self.missing and not self.altered and self.keys_in_order == self.keys


class Sequences:
    """Takes records and judges them; ``line(name, number)`` is what must have been written."""

    def __init__(self, names: Iterable[str], line: Callable[[str, int], bytes]) -> None:
        self.files = {name: Arrived() for name in names}
        self._line = line
        self._altered = 0

    def take(self, key: bytes, value: bytes) -> None:
        """Take one record; its key must be the file's name."""
        name = key.decode("utf-8", "replace")
        try:
            number = int(value.split(b" ", 2)[1])
        except (IndexError, ValueError):
            number = -1
        if name in self.files and number >= 0 and value == self._line(name, number):
            self.files[name].take(number)
        else:
            self._altered += 1

    def complete(self, written: Mapping[str, int]) -> bool:
        """Whether every line that was written has arrived."""
        return all(self.files[name].delivered >= count for name, count in written.items())

    def missing(self, written: Mapping[str, int]) -> dict[str, tuple[int, int]]:
        """Return, of each file that lacks lines, how many these are and the number of the first."""
        lacking = {}
        for name, count in written.items():
            arrived = self.files[name]
            if arrived.delivered < count:
                lacking[name] = (count - arrived.delivered, min(arrived.holes, default=arrived.highest + 1))
        return lacking

    def verdict(self, written: Mapping[str, int]) -> Verdict:
        """Judge what arrived against what was written."""
        delivered = {name: self.files[name].delivered for name in written}
        return Verdict(
            written=sum(written.values()),
            delivered=sum(delivered.values()),
            missing=sum(max(0, count - delivered[name]) for name, count in written.items()),
            repeated=sum(arrived.repeated for arrived in self.files.values()),
            altered=self._altered,
            keys=len(written),
            keys_in_order=sum(not self.files[name].disordered for name in written),
        )


class Contents:
    """A multiset of lines that must arrive; only hashes are kept, as the lines may be many."""

    def __init__(self) -> None:
        self.expected = 0
        self.missing = 0
        self.other = 0  # records beyond: lines that were added since, or repeated
        self._awaited: Counter[int] = Counter()

    def expect(self, lines: Sequence[bytes]) -> None:
        """Add lines that must arrive."""
        self._awaited.update(map(hash, lines))
        self.expected += len(lines)
        self.missing += len(lines)

    def take(self, value: bytes) -> None:
        """Take one record."""
        digest = hash(value)
        left = self._awaited[digest]
        if not left:
            self.other += 1
            return
        self.missing -= 1
        if left == 1:
            del self._awaited[digest]
        else:
            self._awaited[digest] = left - 1
