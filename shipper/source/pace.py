"""How much of a source may be in flight after a batch was refused. Pure; pump thread only.

Brokers refuse whole batches: for one record that they will not take, or because the batch is larger than the topic
allows although none of its records is. So what was refused is sent again in ever smaller chunks, one at a time, until
they are taken or a single record is refused that was alone in its batch. Then the chunks grow again, as far as a chunk
of several records was not refused for its size.
"""

from __future__ import annotations

SHRINK, GROW = 4, 2
ENOUGH = 256 << 10  # bytes; a chunk of this size is as large as any: the pace is free again


class Pace:
    """The size of the next chunk in bytes, while it is limited."""

    __slots__ = ("_ceiling", "limit")

    def __init__(self) -> None:
        self.limit = 0  # 0: free, any number of chunks may be in flight; else one at a time, of at most so many bytes
        self._ceiling = 0

    def refused(self, size: int) -> None:
        """Take note that a chunk of ``size`` bytes was refused, and it cannot be said for which of its records."""
        self._ceiling = min(self._ceiling or size, size)
        self.limit = max(1, min(self.limit or ENOUGH, size) // SHRINK)

    def found(self) -> None:
        """Take note that a record was refused that was alone: it was this record, not the size of the batch."""
        self._ceiling = 0

    def taken(self) -> None:
        """Take note that a chunk was acknowledged."""
        if not self.limit:
            return
        self.limit *= GROW
        if self._ceiling:
            self.limit = min(self.limit, max(1, self._ceiling * 3 // 4))
        elif self.limit >= ENOUGH:
            self.limit = 0
