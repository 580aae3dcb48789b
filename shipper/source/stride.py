"""How much of a source is read in one turn, so that the others have theirs. Pure; pump thread only.

Lines may be made to be slow for the patterns of their source: a tenth of a second each, at worst. What counts is the
computing time of the thread, not the time of day: a slow disk makes no turn smaller.
"""

from __future__ import annotations

LONG, AIM = 0.1, 0.05  # seconds of computing in one turn: where it becomes smaller, and what it should take then
LEAST = 512  # bytes; a turn takes one line at least
GROW = 2


class Stride:
    """The size of the next read in bytes, of at most ``most``."""

    __slots__ = ("_most", "limit")

    def __init__(self, most: int) -> None:
        self._most = most
        self.limit = most

    def took(self, seconds: float, size: int) -> None:
        """Take note that a turn took so many seconds for ``size`` bytes."""
        if seconds > LONG:
            self.limit = min(self._most, max(LEAST, int(size * AIM / seconds)))
        elif seconds < AIM and self.limit < self._most:
            self.limit = min(self._most, self.limit * GROW)
