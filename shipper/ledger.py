"""What is in flight, in order: the only place where an offset can become an acked offset. Pure; pump thread only.

A :class:`Track` holds the chunks of one file generation in the order in which they were read. Chunks resolve in any
order; the acked position is the end of the longest resolved prefix (I1). A chunk with a refused record does not
resolve: it stays until its source rewinds or the record is safe in the dead letters, and everything after it waits
(I2). A :class:`Chunk` is itself what the client reports its records to.

With transactions a report only says that the client's memory is free again: what resolves is the commit, all chunks at
once (:meth:`Ledger.confirm`) that were there when it was prepared (:meth:`Ledger.seal`).

The idea of resolving out of order and exposing the highest contiguous end is that of Jeffail's ``checkpoint``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import Any, NamedTuple

RECORD_OVERHEAD = 256  # bytes: what the client needs for a record besides its key and value (measured)
SMALL = 16384  # bytes of a chunk: of smaller ones ...
SHARE = 6  # ... as much may be in flight as this part of the marks, ...
ENOUGH = 1 << 20  # ... or so much


class Position(NamedTuple):
    """A place in a file: a line end, with the digest of the bytes just before it.

    In a journal: how many entries were passed, with the cursor of the last one.
    """

    offset: int
    mark: bytes


class Nack(NamedTuple):
    """So many records of a chunk that were not taken, as ``model.DeliveryReport`` was told of them."""

    chunk: Chunk
    error: Any
    topic: str
    records: int


class Alone(NamedTuple):
    """The only record of a chunk that is also the only one of its batch: what is said of the batch is said of it.

    ``offset`` is where its line begins; ``part`` counts from 1 for a part of a long line, or for one of several records
    of a line, and is 0 otherwise. ``timestamp``: milliseconds since 1970, or 0 for the time of sending. ``cursor``: of
    an entry of the journal, which says in all the world which one it is; "" for a line.
    """

    offset: int
    part: int
    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int
    cursor: str = ""


class Chunk:
    """The complete lines of one read, in flight; a ``model.DeliveryReport``."""

    __slots__ = ("_ledger", "alone", "booked", "end", "failed", "left", "records", "size", "track")

    def __init__(
        self,
        ledger: Ledger,
        track: Track,
        end: Position,
        records: int,
        size: int,
        alone: Alone | None,
    ) -> None:
        self._ledger = ledger
        self.track = track
        self.end = end
        self.records = records
        self.size = size
        self.left = records  # still to be reported
        self.failed = False
        self.booked = True  # its size is counted as in flight
        self.alone = alone

    def ack(self, count: int) -> None:
        """Take note that ``count`` of its records have arrived."""
        assert count <= self.left
        self.left -= count
        if not self.left:
            self._ledger.reported.append(self)

    def nack(self, error: Any, topic: str, count: int) -> None:
        """Take note that ``count`` of its records were not taken."""
        self.failed = True
        self._ledger.nacks.append(Nack(self, error, topic, count))
        self.ack(count)


class Track:
    """The chunks of one file generation, oldest first, and its acked position.

    ``resolved``: how many records that has moved over, of which nobody has taken note yet.
    """

    __slots__ = ("acked", "chunks", "owner", "resolved")

    def __init__(self, acked: Position, owner: Any = None) -> None:
        self.acked = acked
        self.owner = owner
        # One alone, as most often, in a tuple: it costs a fraction of a deque. None are the same object for all tracks.
        self.chunks: deque[Chunk] | tuple[Chunk, ...] = ()
        self.resolved = 0

    @property
    def idle(self) -> bool:
        """Nothing of it is in flight or waits behind a failure."""
        return not self.chunks

    @property
    def in_flight(self) -> bool:
        """Whether a delivery report is still to come."""
        return any(chunk.left for chunk in self.chunks)

    @property
    def ahead(self) -> Position:
        """Where the acked position will be when everything that was sent is acknowledged."""
        return self.chunks[-1].end if self.chunks else self.acked

    def settle(self) -> bool:
        """Move the acked position over the resolved prefix; returns whether it moved."""
        chunks = self.chunks
        moved = False
        while chunks and not chunks[0].left and not chunks[0].failed:
            chunk = chunks[0]
            self.acked = chunk.end
            self.resolved += chunk.records
            moved = True
            if isinstance(chunks, tuple):
                chunks = ()
            else:
                chunks.popleft()
        if not chunks:
            self.chunks = ()
        return moved

    def add(self, chunk: Chunk) -> None:
        """Take in a chunk, as the youngest."""
        if not self.chunks:
            self.chunks = (chunk,)
        elif isinstance(self.chunks, tuple):
            self.chunks = deque((*self.chunks, chunk))
        else:
            self.chunks.append(chunk)

    def confirm(self, last: Chunk) -> list[Chunk]:
        """Move the acked position over all chunks up to ``last``, whatever was reported of them; returns them."""
        chunks = list(self.chunks)
        count = chunks.index(last) + 1
        self.chunks = deque(chunks[count:]) or ()
        self.acked = last.end
        self.resolved += sum(chunk.records for chunk in chunks[:count])
        return chunks[:count]

    def forget(self) -> None:
        """Drop every chunk: the source rewinds to the acked position. Nothing may be in flight any more."""
        self.chunks = ()


class Ledger:
    """Books of all chunks in flight, with a high and a low mark in bytes.

    ``pause`` is called when what is in flight reaches ``high``, ``resume`` when it has fallen to ``low`` again. Of
    small chunks a part of that is enough: they come from many files, all of which would else be in flight at a start,
    while the first answer is awaited.
    ``transactional``: chunks resolve by :meth:`confirm` only.
    """

    def __init__(
        self,
        high: int,
        low: int,
        pause: Callable[[], None],
        resume: Callable[[], None],
        *,
        transactional: bool = False,
    ) -> None:
        if not 0 <= low <= high:
            raise ValueError(f"the marks are out of order: low {low}, high {high}")
        self.high = high
        self.low = low
        self._small_high = max(high // SHARE, min(high, ENOUGH))
        self._small_low = self._small_high * low // high if high else 0
        self.transactional = transactional
        self.in_flight = 0  # bytes that the client holds ...
        self._small = 0  # ... and those of small chunks among them
        self.records = 0  # not acknowledged, or not committed
        self.paused = False
        self.reported: list[Chunk] = []  # chunks whose last report has come, since the last settle
        self.nacks: list[Nack] = []
        self.open_bytes = 0  # of keys and values that no commit is on its way for
        self._tracks: dict[Track, None] = {}  # with chunks that wait for a commit
        self._sealed: dict[Track, Chunk] = {}  # the last chunks of each that the commit which is on its way confirms
        self._pause = pause
        self._resume = resume

    def track(self, track: Track, end: Position, records: int, size: int, alone: Alone | None = None) -> Chunk:
        """Open an entry for ``records`` records of ``size`` bytes that end at ``end``; they are reported to it.

        A chunk of no records is resolved at once.
        """
        chunk = Chunk(self, track, end, records, size, alone)
        track.add(chunk)
        if self.transactional:
            self._tracks[track] = None
            self.open_bytes += size - records * RECORD_OVERHEAD
        if not records:
            self.reported.append(chunk)
        self._enter(records, size, size if size < SMALL else 0)
        return chunk

    def track_few(self, entries: Iterable[tuple[Track, Position, int, int]]) -> list[tuple[Chunk, int]]:
        """Open an entry for each: a track, where the records end, how many, of how many bytes; none without records.

        Returns the entries, with how many records each has. Otherwise as :meth:`track`; not with transactions.
        """
        assert not self.transactional
        opened: list[tuple[Chunk, int]] = []
        total = weight = small = 0
        for track, end, records, size in entries:
            chunk = Chunk(self, track, end, records, size, None)
            if track.chunks:
                track.add(chunk)
            else:
                track.chunks = (chunk,)
            opened.append((chunk, records))
            total += records
            weight += size
            small += size if size < SMALL else 0
        self._enter(total, weight, small)
        return opened

    def settle(self) -> tuple[list[Track], list[Nack]]:
        """Close the entries whose reports are complete.

        Returns the tracks whose acked position moved, and the records that were not taken.
        """
        moved: list[Track] = []
        if self.reported:
            reported, self.reported = self.reported, []
            self._leave(reported)
            for chunk in () if self.transactional else reported:
                track = chunk.track
                if len(track.chunks) == 1 and track.chunks[0] is chunk and not chunk.failed:  # as nearly all are
                    track.acked = chunk.end
                    track.resolved += chunk.records
                    track.chunks = ()
                elif not track.settle():
                    continue
                moved.append(track)
        nacks, self.nacks = self.nacks, []
        return moved, nacks

    @property
    def full(self) -> bool:
        """Whether nothing is read because as much is in flight as may be, of chunks of any size."""
        return self.paused and self.in_flight > self.low

    @property
    def uncommitted(self) -> bool:
        """Whether chunks wait for a commit, if only chunks of no records."""
        return bool(self._tracks)

    def seal(self) -> None:
        """Note that a commit is on its way for every chunk: what is booked from now on is not confirmed by it."""
        self._sealed = {track: track.chunks[-1] for track in self._tracks}
        self._tracks = {}
        self.open_bytes = 0

    def unseal(self) -> None:
        """Note that this commit will not be."""
        self._tracks = dict.fromkeys(self._sealed) | self._tracks
        self._sealed = {}

    def confirm(self) -> list[Track]:
        """Resolve every chunk that was sealed: its transaction is committed. Returns the tracks that moved."""
        sealed, self._sealed = self._sealed, {}
        for track, last in sealed.items():
            self._drop(track.confirm(last))
        return list(sealed)

    def bury(self, chunk: Chunk) -> bool:
        """Resolve a chunk whose only record is safe in the dead letters, unless a rewind has forgotten it meanwhile.

        Returns whether it was there. Not with transactions: there the chunk has gone with the one that was aborted.
        """
        assert not self.transactional
        if chunk not in chunk.track.chunks:
            return False
        chunk.failed = False
        chunk.records = 0  # none of it was acknowledged
        chunk.track.settle()
        return True

    def void(self, track: Track) -> None:
        """Forget what is in flight of ``track``: the client that owed its reports is gone, or its transaction."""
        self._tracks.pop(track, None)
        self._sealed.pop(track, None)
        if not self._tracks:
            self.open_bytes = 0
        self._drop(track.chunks)
        track.forget()

    def _drop(self, chunks: Collection[Chunk]) -> None:
        """Have chunks count no more as in flight, nor as not committed."""
        self._leave(chunks)
        if self.transactional:
            self.records -= sum(chunk.records for chunk in chunks)

    def _enter(self, records: int, size: int, small: int) -> None:
        self.records += records
        self.in_flight += size
        self._small += small
        if not self.paused and (self.in_flight >= self.high or self._small >= self._small_high):
            self.paused = True
            self._pause()

    def _leave(self, chunks: Iterable[Chunk]) -> None:
        records = 0
        for chunk in chunks:
            if chunk.booked:
                chunk.booked = False
                records += chunk.records
                self.in_flight -= chunk.size
                if chunk.size < SMALL:
                    self._small -= chunk.size
        if not self.transactional:
            self.records -= records
        if self.paused and self.in_flight <= self.low and self._small <= self._small_low:
            self.paused = False
            self._resume()
