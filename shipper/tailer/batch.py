"""What one read gave. Values; any thread."""

from __future__ import annotations

from typing import NamedTuple

from shipper.framing import Cut, starts
from shipper.ledger import Position


class Batch(NamedTuple):
    """What one read gave: complete lines, or one part of a line that is longer than ``max_line``.

    ``part`` counts from 1 for a part of a long line, 0 otherwise; ``last`` is False for a part that is not the end of
    its line, whose ``end`` then is the line's beginning. ``size`` is the bytes of the lines and their ends, which stand
    in ``block`` from ``at`` on. ``cut`` is how a framer has cut it, where it is more than a cut at line ends.
    ``full``: of a long line that is shortened, the bytes of the file that are its own; 0 otherwise. ``replaced``: lines
    that held bytes which are not of the encoding. ``ahead``: what follows a part, or a beginning, in its line,
    as far as the framer wants to know.
    """

    lines: list[bytes]
    end: Position
    size: int
    part: int = 0
    last: bool = True
    block: bytes = b""
    at: int = 0
    cut: Cut | None = None
    full: int = 0
    replaced: int = 0
    ahead: bytes = b""

    @property
    def given(self) -> None:
        """Of a line nothing is known besides."""
        return

    def offsets(self, start: int) -> list[int]:
        """Return where each of the lines begins, of which the first one begins at ``start``."""
        if len(self.lines) == 1:
            return [start]
        if self.cut is not None:
            return [start + distance for distance in self.cut.begins()[: len(self.lines)]]
        return [start + distance for distance in starts(self.block, self.at, self.at + self.size)]

    def begun(self, at: Position) -> Batch:
        """Return the same as the beginning of an event that stays at its beginning, ``at``: more of it is to come."""
        return self._replace(end=at, size=0)
