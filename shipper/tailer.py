"""Reads one generation of one file: blocks of complete lines, each read verified against what was read before.

Every read begins before the read offset and compares these bytes with the mark that was taken when they were read, so
that a file which was truncated and has grown again, or was replaced under the same inode, is noticed *with* the data
and never after it. The tailer knows nothing of other files, of Kafka or of the clock. Pump thread only.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

from shipper import files as osfiles
from shipper.files import HEAD, MARK, Files, PackedReader, PlainReader, Reader, Stat, digest
from shipper.framing import cut, starts
from shipper.ledger import Position, Track
from shipper.lifecycle import FILE, File, FileEvent, step
from shipper.model import Checkpoint, FileId, FileState, Fingerprint

BLOCK = 256 << 10  # bytes of one read: large enough to amortise the calls, small enough to be fair (measured)
MARKS = 8  # ends of chunks that are remembered
MAX_LINES = 8192  # of one chunk: a block of empty lines would otherwise weigh 64 MB in the client


class ContentChanged(Exception):
    """The bytes before the read offset are not those that were read: truncated, or another file."""


class Batch(NamedTuple):
    """What one read gave: complete lines, or one part of a line that is longer than ``max_line``.

    ``part`` counts from 1 for a part of a long line, 0 otherwise; ``last`` is False for a part that is not the end of
    its line, whose ``end`` then is the line's beginning. ``size`` is the bytes of the lines and their ends, which stand
    in ``block`` from ``at`` on.
    """

    lines: list[bytes]
    end: Position
    size: int
    part: int = 0
    last: bool = True
    block: bytes = b""
    at: int = 0

    def offsets(self, start: int) -> list[int]:
        """Return where each of the lines begins, of which the first one begins at ``start``."""
        if len(self.lines) == 1:
            return [start]
        return [start + distance for distance in starts(self.block, self.at, self.at + self.size)]


class Place(NamedTuple):
    """Where a read begins: the read offset, and where in a long line it goes on."""

    read: Position
    next: int
    part: int


class Tailer:
    """One generation of one file."""

    __slots__ = (
        "at_end",
        "away",
        "compression",
        "detached",
        "file_id",
        "generation",
        "grew_at",
        "head",
        "head_len",
        "key",
        "late",
        "linked",
        "marks",
        "max_line",
        "missing_since",
        "next",
        "part",
        "path",
        "quiet_size",
        "read",
        "reader",
        "record",
        "retry_at",
        "retry_delay",
        "searched",
        "seen_as",
        "size",
        "source",
        "start",
        "state",
        "sure",
        "topic",
        "track",
        "uid",
        "warned",
    )

    def __init__(self, checkpoint: Checkpoint, max_line: int, topic: str, key: bytes) -> None:
        cp = checkpoint
        self.uid = cp.uid
        self.source = cp.source
        self.path = cp.path  # under which it was first found: the key comes from it
        self.seen_as: bytes = cp.seen_as
        self.file_id = cp.file_id
        self.generation = cp.generation
        self.compression = cp.compression
        self.start = cp.start
        self.size = cp.size
        self.sure = cp.size  # what of that is known to be bytes of this generation
        self.state = File.FINISHED if cp.state is FileState.FINISHED else File.WAITING
        mark = cp.fingerprint.mark or osfiles.EMPTY_MARK
        self.track = Track(Position(cp.offset, mark), self)
        self.read = Position(cp.offset, mark)
        self.marks: list[Position] = []  # the last few: by them a copy is known that is shorter than what was read
        self.head_len = cp.fingerprint.head_len
        self.head = cp.fingerprint.head
        self.max_line = max_line
        self.topic = topic
        self.key = key
        self.reader: PlainReader | PackedReader | None = None
        self.next = cp.offset  # where the next read goes on: beyond the read offset inside a long line
        self.part = 0
        self.record = 0  # how many records of the line at the read offset were sent, while they go one by one
        self.searched = 0  # there is no line end between ``next`` and here
        self.at_end = False
        self.grew_at = 0.0  # when bytes were last seen that had not been there before
        self.quiet_size = -1  # its size when it was last seen to have grown
        self.linked = True  # it has a name
        self.away = False  # it was not there when its name was looked for last
        self.detached = False  # its file id leads to other bytes now
        self.late = False  # it has grown after it was finished
        self.missing_since = 0.0
        self.retry_at = 0.0
        self.retry_delay = 0.0
        self.warned = False

    # --- state -------------------------------------------------------------------------------------------------------

    def event(self, event: FileEvent) -> None:
        """Step the state machine."""
        self.state = step(FILE, self.state, event)

    @property
    def partial(self) -> int:
        """Bytes of the unended last line, as far as a read has seen them."""
        return max(0, self.size - self.read.offset) if self.at_end and not self.compression else 0

    @property
    def unread(self) -> int:
        """Bytes known to be there that were not read."""
        return 0 if self.compression else max(0, self.size - self.read.offset)

    @property
    def lost(self) -> int:
        """Bytes known to have been there that were not read, if nothing can be read of it any more."""
        return 0 if self.compression else max(0, self.sure - self.read.offset)

    @property
    def finished(self) -> bool:
        """It was read to its end, and what still comes is late."""
        return self.state is File.FINISHED

    @property
    def settled(self) -> bool:
        """Everything that was read is acknowledged."""
        return self.track.idle

    def fingerprint(self, position: Position) -> Fingerprint:
        """Return what verifies this generation at ``position``."""
        return Fingerprint(self.head_len, self.head, position.offset, position.mark)

    def checkpoint(self, revision: int, *, ahead: bool = False) -> Checkpoint:
        """Return what is to be saved of it now; ``ahead``: as if all that was sent had been acknowledged."""
        acked = self.track.ahead if ahead else self.track.acked
        # Not what was aborted and waits to be read again: nothing of it is in flight, and it is not acknowledged.
        settled = (ahead or self.track.idle) and acked.offset == self.read.offset
        finished = settled and self.state in (File.FINISHED, File.LOST)
        return Checkpoint(
            uid=self.uid,
            source=self.source,
            path=self.path,
            seen_as=self.seen_as,
            file_id=self.file_id,
            generation=self.generation,
            offset=acked.offset,
            fingerprint=self.fingerprint(acked),
            size=self.size,
            state=FileState.FINISHED if finished else FileState.OPEN,
            compression=self.compression,
            revision=revision,
            start=self.start,
        )

    # --- the descriptor ----------------------------------------------------------------------------------------------

    def open(self, files: Files) -> bool:
        """Open the file under the name where it was last seen; raises OSError.

        Returns False where that name leads to another file now.
        """
        reader = osfiles.open_reader(files, self.seen_as, self.compression)
        try:
            stat = reader.stat()
            if stat.file_id != self.file_id:
                reader.close()
                return False
            if not self.compression:
                self.learn(reader)
        except OSError:
            reader.close()
            raise
        self.reader = reader
        self.look(stat)
        return True

    def adopt(self, reader: PlainReader | PackedReader, seen_as: bytes, file_id: FileId, compression: str) -> None:
        """Go on reading from another file that holds the same bytes: a copy, a compressed or a restored one."""
        self.close()
        self.reader = reader
        self.seen_as = seen_as
        self.file_id = file_id
        self.compression = compression
        self.detached = False
        self.linked = True
        self.away = False
        self.look(reader.stat())
        self.sure = self.size
        self.searched = 0
        self.at_end = False

    def close(self) -> None:
        """Let go of the descriptor."""
        if self.reader is not None:
            self.reader.close()
            self.reader = None

    def look(self, stat: Stat) -> None:
        """Take note of what the operating system says of the file."""
        self.size = stat.size
        self.linked = stat.links > 0

    # --- reading -----------------------------------------------------------------------------------------------------

    def verify(self) -> bool:
        """Whether the open file still holds what was read of it."""
        assert self.reader is not None
        if not osfiles.matches(self.reader, self.fingerprint(self.read)):
            return False
        self.learn(self.reader)
        self.sure = self.size
        return True

    def learn(self, reader: Reader) -> None:
        """Take note of the first bytes, if only to know them again.

        A file may be truncated before it is its turn to be read, or its id be given to another after a restart.
        """
        if self.head_len < HEAD:
            head = reader.read(HEAD, 0)
            if len(head) > self.head_len and (not self.head_len or digest(head[: self.head_len]) == self.head):
                self.head_len, self.head = len(head), digest(head)

    def unlearn(self) -> None:
        """Forget the first bytes of a file of which nothing was read: they are another's, perhaps."""
        self.head_len, self.head = 0, b""

    def take(self, block: int = BLOCK, most: int = sys.maxsize, *, whole: bool = False) -> Batch | None:
        """Read the next lines; None where there is no further complete line (``at_end`` is then true).

        A line of more than ``most`` bytes is a batch of its own. ``whole``: no part of a line over ``max_line`` is
        taken before the line's end is there.

        Raises ContentChanged, OSError, and one of ``files.BROKEN`` for a damaged compressed file.
        """
        if self.part:
            return self._take_part()
        data, start = self._fetch(self.next, block)
        count = data.count(b"\n", start)
        if not count:
            if self.at_end and len(data) - start <= self.max_line + 1:  # it may still end with \r\n
                return None
            if whole and not self._has_end():
                self.at_end = True
                return None
            return self._take_part()
        if count > MAX_LINES:
            # Cut the block where about so many lines end, rather than weigh the client down with tiny records.
            fair = data.rfind(b"\n", start, start + (len(data) - start) * MAX_LINES // count) + 1
            if fair > start:
                data = data[:fair]
                self.at_end = False
        lines, end = cut(data, start)
        most = min(most, self.max_line)
        if most < block and max(map(len, lines)) > most:
            return self._take_until_long(data, start, lines, most)
        return self._took(data, start, end, lines)

    def take_last(self) -> Batch | None:
        """Read the unended last line of a file that can no longer grow, as it is; None where there is none."""
        return self._take_part(ended=True)

    def rewind(self) -> None:
        """Go back to the acked position; nothing of it may be in flight."""
        self.track.forget()
        self.read = self.track.acked
        self.next = self.read.offset
        self.part = 0
        self.record = 0
        self.searched = 0
        self.at_end = False

    @property
    def place(self) -> Place:
        """Where the next read begins."""
        return Place(self.read, self.next, self.part)

    def put_back(self, place: Place) -> None:
        """Have what was taken last read again; nothing of it may have been sent that does not end at ``place``."""
        self.read, self.next, self.part = place
        self.searched = 0
        self.at_end = False

    def shorten(self, batch: Batch, start: int, count: int) -> Batch:
        """Return the first ``count`` lines of ``batch``, which was taken last and began at ``start``.

        The others are read again.
        """
        size = batch.offsets(start)[count] - start
        if self.marks and self.marks[-1] == batch.end:
            self.marks.pop()
        self.next = start
        self.searched = 0
        self.at_end = False
        return self._took(batch.block, batch.at, batch.at + size, batch.lines[:count])

    def _has_end(self) -> bool:
        """Whether there is a line end beyond ``next``; what was searched once is not searched again."""
        assert self.reader is not None
        at = max(self.next, self.searched)
        while data := self.reader.read(BLOCK, at):
            if b"\n" in data:
                return True
            at += len(data)
        self.searched = at
        return False

    def _fetch(self, at: int, size: int) -> tuple[bytes, int]:
        """Return the bytes up to ``at + size`` and the index of ``at`` in them; verifies those before the read offset.

        Sets ``at_end``.
        """
        assert self.reader is not None
        read = self.read.offset
        low = 0 if self.head_len < HEAD else max(0, read - MARK)
        if at > read:
            low_data = self.reader.read(read - low, low)
            data, start = self.reader.read(size, at), 0
        else:
            data = self.reader.read(read - low + size, low)
            low_data, start = data[: read - low], read - low
        if len(low_data) < read - low or (read and digest(low_data[-MARK:]) != self.read.mark):
            raise ContentChanged
        self.at_end = len(data) - start < size
        if low == 0 and self.head_len:
            known = low_data if at > read else data
            if len(known) < self.head_len:  # a small block, or a file that is shorter than it was
                known = self.reader.read(self.head_len, 0)
            if digest(known[: self.head_len]) != self.head:
                raise ContentChanged
        if low == 0 and at <= read and len(data) > self.head_len:
            self.head_len = min(HEAD, len(data))
            self.head = digest(data[: self.head_len])
        top = at + len(data) - start
        if top > self.size and not self.compression:
            self.size = top
        self.sure = self.size
        return data, start

    def _took(self, data: bytes, start: int, end: int, lines: list[bytes]) -> Batch:
        offset = self.next + end - start
        window = data[max(0, end - MARK) : end]
        if len(window) < MARK and offset > len(window):  # a tiny remainder of a long line
            window = self._window(offset)
        position = Position(offset, digest(window))
        self.read = position
        self.marks.append(position)
        if len(self.marks) > MARKS:
            del self.marks[0]
        self.next = offset
        self.part = 0
        return Batch(lines, position, end - start, block=data, at=start)

    def _window(self, offset: int) -> bytes:
        assert self.reader is not None
        low = max(0, offset - MARK)
        return self.reader.read(offset - low, low)

    def _take_until_long(self, data: bytes, start: int, lines: list[bytes], most: int) -> Batch | None:
        """Take what comes before the first line over ``most``, or else that line or, over ``max_line``, a part."""
        end = start
        before: list[bytes] = []
        for line in lines:
            if len(line) > most:
                break
            before.append(line)
            end = data.index(b"\n", end) + 1
        self.at_end = False
        return self._took(data, start, end, before) if before else self._take_part()

    def _take_part(self, *, ended: bool = False) -> Batch | None:
        """Take the next line, or the next part of a line over ``max_line``, which then stays at its beginning.

        With ``ended``, the end of the file ends the line.
        """
        data, start = self._fetch(self.next, self.max_line + 2)
        stop = data.find(b"\n", start)
        ended = ended and self.at_end and stop < 0
        if stop < 0 and self.at_end and (not ended or len(data) == start):
            return None
        line = data[start:stop] if stop >= 0 else data[start:]
        if stop >= 0 and line.endswith(b"\r"):
            line = line[:-1]
        if len(line) <= self.max_line and (stop >= 0 or ended):
            if 0 <= stop < len(data) - 1:
                self.at_end = False  # more follows than this one line
            part = self.part + 1 if self.part else 0
            return self._took(data, start, stop + 1 if stop >= 0 else len(data), [line])._replace(part=part)
        self.part += 1
        self.next += self.max_line
        self.at_end = False
        return Batch([line[: self.max_line]], self.read, self.max_line, self.part, last=False)
