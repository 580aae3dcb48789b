"""A journal as a stream of batches: its read position, what is put back, messages that are too long. Pump thread only.

A position counts the entries that were passed, and has the cursor of the last one as its mark: the number orders
positions, the cursor finds them again. Entries that were taken and not sent are kept and given again, so that the
journal is sought in only after a rewind.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from shipper.config import JournalConfig
from shipper.journal.entries import Entries, Entry
from shipper.ledger import Position, Track
from shipper.model import Checkpoint, FileId
from shipper.records import Given, Naming
from shipper.records.seams import ahead_of

BLOCK = 256 << 10  # bytes of one read
MOST = 1000  # entries of one read: a turn takes some milliseconds
WEIGHT = 64  # bytes that an entry counts at least


class Place(NamedTuple):
    """Where a read begins: the read position, and where in a long message it goes on."""

    read: Position
    at: int
    part: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What one read gave. ``silent``: how many entries it is that have no message and are not sent; then no other."""

    lines: list[bytes]
    given: Given
    end: Position
    size: int
    part: int = 0
    last: bool = True
    full: int = 0
    silent: int = 0
    replaced: int = 0
    ahead: bytes = b""

    def offsets(self, start: int) -> list[int]:
        """Return the number of each entry, of which the first one has the number ``start``."""
        return list(range(start, start + len(self.lines)))

    def begun(self, at: Position) -> Batch:
        """Return the same as the beginning of an entry that stays at its beginning, ``at``: more of it is to come."""
        return Batch(self.lines, self.given, at, 0, self.part, self.last, self.full, ahead=self.ahead)


class Journal:
    """One journal. ``entries`` is there while it is open."""

    path = b""
    generation = 0
    gone = False

    def __init__(self, config: JournalConfig, naming: Naming, checkpoint: Checkpoint) -> None:
        """Begin at a checkpoint, in the way that ``config`` asks for."""
        named = naming.of(b"")
        self.uid = checkpoint.uid
        self.source = checkpoint.source
        self.topic = named.topic
        self.key = named.key
        self.max_line = config.max_line
        self.part = 0
        self.record = 0
        self.entries: Entries | None = None
        self.at_end = False
        self.time = 0  # of the last entry that was taken, in milliseconds since 1970
        self._saved = checkpoint
        self._splits = config.on_long_line == "split"  # a message over max_line goes in parts; else it is only begun
        self._silent = config.value == "json"  # entries without a message are taken, too, with an empty one
        self._look_ahead = ahead_of(len(config.redact))  # bytes that must be known behind each part of a long message
        self._at = 0  # where in a long message it goes on ...
        self._long = ""  # ... which is that of this entry
        self.read = Position(checkpoint.offset, checkpoint.cursor.encode())
        self.track = Track(self.read, self)
        self._sought = False
        self._ahead: deque[Entry] = deque()  # read and not taken, or put back
        self._taken: list[Entry] = []  # by the last read

    @property
    def settled(self) -> bool:
        """Everything that was read is acknowledged."""
        return self.track.idle

    def checkpoint(self, revision: int, *, ahead: bool = False) -> Checkpoint:
        """Return what is to be saved of it now; ``ahead``: as if all that was sent had been acknowledged."""
        acked = self.track.ahead if ahead else self.track.acked
        saved = self._saved
        return Checkpoint(
            uid=saved.uid,
            source=saved.source,
            path=saved.path,
            seen_as=saved.seen_as,
            file_id=saved.file_id,
            generation=0,
            offset=acked.offset,
            revision=revision,
            cursor=acked.mark.decode(),
        )

    # --- reading -----------------------------------------------------------------------------------------------------

    def restart(self, checkpoint: Checkpoint) -> None:
        """Begin at ``checkpoint``; nothing was read yet."""
        self._saved = checkpoint
        self.read = self.track.acked = Position(checkpoint.offset, checkpoint.cursor.encode())

    def open(self, entries: Entries) -> None:
        """Go on in a journal that was opened just now."""
        self.entries = entries
        self._sought = self.at_end = False
        self._ahead.clear()
        self._taken = []

    def close(self) -> None:
        """Let go of it."""
        if self.entries is not None:
            self.entries.reader.close()
            self.entries = None

    @property
    def place(self) -> Place:
        """Where the next read begins."""
        return Place(self.read, self._at, self.part)

    def take(self, block: int = BLOCK, most: int = BLOCK) -> Batch | None:
        """Read the next entries; None where there are no more (``at_end`` is then true). Raises OSError.

        One with a message of more than ``most`` bytes is a batch of its own.
        """
        if self.part:
            entry = self._next()
            if entry is not None and entry.cursor == self._long:
                return self._take_long(entry)
            self.part = self._at = 0  # the rest of it is gone
            if entry is not None:
                self._ahead.appendleft(entry)
        taken: list[Entry] = []
        weight = 0
        limit = min(most, self.max_line)
        while weight < block and len(taken) < MOST:
            try:
                entry = self._next()
            except OSError:
                if not taken:
                    raise
                break  # it will be raised again
            if entry is None:
                break
            if taken and self._is_sent(entry) != self._is_sent(taken[0]):
                self._ahead.appendleft(entry)
                break
            if len(entry.message or b"") > limit:
                if taken:
                    self._ahead.appendleft(entry)
                    break
                if len(entry.message or b"") > self.max_line:
                    return self._take_long(entry)
                weight = block
            taken.append(entry)
            weight += max(WEIGHT, entry.size)
        return self._took(taken) if taken else None

    def put_back(self, place: Place) -> None:
        """Have what was taken last read again; nothing of it may have been sent that does not end at ``place``."""
        self._ahead.extendleft(reversed(self._taken))
        self._taken = []
        self.read, self._at, self.part = place
        self.at_end = False

    def shorten(self, batch: Batch, start: int, count: int) -> Batch:  # noqa: ARG002 - what was taken is known here
        """Return the first ``count`` events of ``batch``, which was taken last; the others are read again."""
        taken, rest = self._taken[:count], self._taken[count:]
        self._ahead.extendleft(reversed(rest))
        self.read = Position(start, b"")
        self.at_end = False
        return self._took(taken)

    def pass_over(self, position: Position) -> None:
        """Go on at ``position``, which is beyond the read position."""
        self._go(position)

    def rewind(self) -> None:
        """Go back to the acked position; nothing of it may be in flight."""
        self.track.forget()
        self._go(self.track.acked)

    def _go(self, position: Position) -> None:
        self.read = position
        self.part = self.record = self._at = 0
        self._ahead.clear()
        self._taken = []
        self._sought = self.at_end = False

    def _next(self) -> Entry | None:
        if self._ahead:
            return self._ahead.popleft()
        assert self.entries is not None
        if not self._sought:
            self.entries.seek(self.read.mark.decode())
            self._sought = True
        entry = self.entries.next()
        self.at_end = self.entries.at_end
        return entry

    def _is_sent(self, entry: Entry) -> bool:
        return self._silent or entry.message is not None

    def _took(self, taken: list[Entry]) -> Batch:
        self._taken = taken
        sent = taken if self._is_sent(taken[0]) else []
        self.read = Position(self.read.offset + len(taken), taken[-1].cursor.encode())
        self.time = taken[-1].time
        return Batch(
            [entry.message or b"" for entry in sent],
            Given([e.fields for e in sent], [e.time for e in sent], [e.cursor for e in sent]),
            self.read,
            sum(entry.size for entry in sent),
            silent=len(taken) - len(sent),
        )

    def _take_long(self, entry: Entry) -> Batch:
        """Take the next part of a message over ``max_line``, or what stands for it."""
        message = entry.message or b""
        given = Given([entry.fields], [entry.time], [entry.cursor])
        piece = message[self._at : self._at + self.max_line]
        rest = message[self._at + len(piece) : self._at + len(piece) + self._look_ahead]
        if not self._splits:
            batch = self._took([entry])
            return Batch([piece], given, batch.end, len(piece), full=len(message), ahead=rest)
        self._at += len(piece)
        self.part += 1
        part = self.part
        if self._at < len(message):
            self._ahead.appendleft(entry)
            self._taken = []
            self._long = entry.cursor
            return Batch([piece], given, self.read, len(piece), part, last=False, ahead=rest)
        self.part = self._at = 0
        batch = self._took([entry])
        return Batch([piece], given, batch.end, len(piece), part)


def begin(source: str, directory: str, cursor: str, uid: str) -> Checkpoint:
    """Return what is recorded of a journal that was never read: it is read from after ``cursor``, "" for its head."""
    return Checkpoint(
        uid=uid,
        source=source,
        path=b"",
        seen_as=directory.encode("utf-8", "surrogateescape"),
        file_id=FileId(0, 0),
        generation=0,
        offset=0,
        cursor=cursor,
    )
