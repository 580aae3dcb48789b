"""Pairs of numbers, written aside in buckets and read back one bucket at a time: what does not fit into memory.

One temporary file without a name, so nothing is left behind however the program ends. One thread.
"""

from __future__ import annotations

import os
import tempfile
from array import array

from shipper.errors import StateError

LIMIT = 1 << 19  # pairs that are kept in memory: 16 bytes each
ITEM = 8  # bytes of a number


class Spill:
    """``adders[bucket]`` takes the two numbers of a pair, one after the other: called for every line, so a bare method.

    :meth:`added` must be told now and then how many pairs these were. Numbers are signed, of 64 bits.
    """

    def __init__(self, directory: str | None, buckets: int) -> None:
        self._buffers = [array("q") for _ in range(buckets)]
        self.adders = [buffer.append for buffer in self._buffers]
        self._directory = directory or tempfile.gettempdir()
        self._file = tempfile.TemporaryFile(prefix="shipper-audit-", dir=directory)  # noqa: SIM115 - closed by close()
        self._flushed: list[array[int]] = []  # of each flush: where each bucket begins, and the last one ends
        self._end = 0
        self._pending = 0

    def added(self, pairs: int) -> None:
        """Note that so many pairs were added since the last call."""
        self._pending += pairs
        if self._pending >= LIMIT:
            self.flush()

    def flush(self) -> None:
        """Write what is in memory."""
        places = array("q", [self._end])
        try:
            for buffer in self._buffers:
                if buffer:
                    self._file.write(buffer)
                    self._end += len(buffer) * ITEM
                    del buffer[:]
                places.append(self._end)
            self._file.flush()
        except OSError as error:
            raise StateError(
                f"cannot write to {self._directory}: {error.strerror}; an audit needs about 50 bytes there for each "
                "line: name another directory with --temp-dir"
            ) from error
        self._flushed.append(places)
        self._pending = 0

    def bucket(self, number: int) -> array[int]:
        """Return the pairs of a bucket as they were added: first, second, first, second and so on."""
        found = array("q")
        for places in self._flushed:
            begin, end = places[number], places[number + 1]
            if end > begin:
                found.frombytes(os.pread(self._file.fileno(), end - begin, begin))
        found.extend(self._buffers[number])
        return found

    @property
    def size(self) -> int:
        """How many bytes are on disk."""
        return self._end

    def close(self) -> None:
        """Give the room back."""
        self._file.close()
