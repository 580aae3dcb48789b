"""Since when lines of a file wait: how old the oldest line is at most that is not acknowledged. Pure; pump thread only.

Each time that a file has been read to its end is remembered, with the offset; when everything before that offset is
acknowledged, no line that is older than that time waits any more. Of what was there before the file was first looked at
it is known only since when it was looked at.
"""

from __future__ import annotations

Mark = tuple[int, float]  # an offset, and when everything before it had been read and nothing else was there


class Freshness:
    """One generation. ``behind``: it was not read to its end since it grew."""

    __slots__ = ("_newest", "_next", "_until", "behind")

    def __init__(self, now: float, read: int | None = None) -> None:
        """Begin where there may be something to read, or where all was read at once, up to ``read``."""
        self.behind = read is None
        self._until = now  # what waits is not older
        self._next: Mark | None = None if read is None else (read, now)  # by which that moves on ...
        self._newest = self._next  # ... and the last one of all

    def begin(self, now: float, acked: int) -> None:
        """Take note that there may be something to read."""
        self.behind = True
        if self._newest is not None and acked >= self._newest[0]:
            self._until = now
            self._next = None

    def ended(self, now: float, read: int, acked: int) -> None:
        """Take note that it has been read to its end, at ``read``."""
        self.behind = False
        self._move(acked)
        self._newest = (read, now)
        if self._next is None:
            self._next = self._newest

    def since(self, acked: int) -> float | None:
        """Return since when the oldest line waits, at most; None where none does."""
        self._move(acked)
        if not self.behind and self._newest is not None and acked >= self._newest[0]:
            return None
        return self._until

    def _move(self, acked: int) -> None:
        if self._next is None or self._newest is None or acked < self._next[0]:
            return
        done = acked >= self._newest[0]
        self._until = self._newest[1] if done else self._next[1]
        self._next = None if done or self._next is self._newest else self._newest
