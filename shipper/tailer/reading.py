"""The bytes of one generation, each read verified against what was read before; and where the next read begins.

Every read begins before the read offset and compares these bytes with the mark that was taken when they were read, so
that a file which was truncated and has grown again, or was replaced under the same inode, is noticed *with* the data
and never after it. Knows nothing of lines. Pump thread only.
"""

from __future__ import annotations

from typing import NamedTuple

from shipper import files as osfiles
from shipper.files import HEAD, MARK, Files, PackedReader, PlainReader, Reader, Stat, digest
from shipper.ledger import Position
from shipper.model import Checkpoint, FileId
from shipper.paths import Trust
from shipper.tailer.generation import Generation

MARKS = 8  # ends of chunks that are remembered ...
APART = 4096  # ... of a file that grows all the time only so far from each other: they would be of this moment only
GLANCE = 4096  # bytes that are asked for where none are known to be there


class ContentChanged(Exception):
    """The bytes before the read offset are not those that were read: truncated, or another file."""


class Place(NamedTuple):
    """Where a read begins: the read offset, and where in a long line it goes on."""

    read: Position
    next: int
    part: int


class Reading(Generation):
    """One generation of one file, and its bytes. ``trust`` says which links its name may be, or be reached by."""

    __slots__ = (
        "at_end",
        "marks",
        "may_go_on",
        "next",
        "part",
        "reader",
        "record",
        "searched",
        "stat",
        "tail",
        "trust",
    )

    def __init__(self, checkpoint: Checkpoint, topic: str, key: bytes, trust: Trust) -> None:
        Generation.__init__(self, checkpoint, topic, key)  # not super(), as in Tailer
        self.trust = trust
        self.reader: PlainReader | PackedReader | None = None
        self.stat: Stat | None = None  # how the file was just before it was read last
        self.marks: tuple[Position, ...] = ()  # the last few: by them a copy is known that is shorter
        self.tail: tuple[Position, bytes] | None = None  # the bytes before that position, while it grows all the time
        self.next = checkpoint.offset  # where the next read goes on: beyond the read offset inside a long line
        self.part = 0
        self.record = 0  # how many records of the line at the read offset were sent, while they go one by one
        self.searched = 0  # there is no line end between ``next`` and here
        self.at_end = False
        self.may_go_on = 0  # bytes at the end, in complete lines, of an event that more lines may belong to

    @property
    def partial(self) -> int:
        """Bytes of the unended last line, as far as a read has seen them."""
        return max(0, self.size - self.read.offset) if self.at_end and not self.compression else 0

    # --- the descriptor ----------------------------------------------------------------------------------------------

    def open(self, files: Files, *, learns: bool = True) -> bool:
        """Open the file under the name where it was last seen; raises OSError.

        Returns False where that name leads to another file now. ``learns``: its first bytes, which a read does too.
        """
        reader = osfiles.open_reader(files.trusting(self.trust), self.seen_as, self.compression)
        try:
            stat = reader.stat()
            if stat.file_id != self.file_id:
                reader.close()
                return False
            if learns and not self.compression:
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
        self.detached = self.seen_empty = False
        self.linked = True
        self.away = False
        self.look(reader.stat())
        self.sure = max(self.size, self.read.offset)  # it may have been truncated just now
        self.searched = 0
        self.at_end = False

    def close(self) -> None:
        """Let go of the descriptor."""
        if self.reader is not None:
            self.reader.close()
            self.reader = self.stat = None

    def look(self, stat: Stat) -> None:
        """Take note of what the operating system says of the file."""
        self.size = stat.size
        self.linked = stat.links > 0

    # --- what it holds -----------------------------------------------------------------------------------------------

    def verify(self) -> bool:
        """Whether the open file still holds what was read of it, and still nothing where it was rotated empty."""
        if not self.intact():
            return False
        assert self.reader is not None
        self.learn(self.reader)
        self.sure = self.size
        return True

    def intact(self) -> bool:
        """Answer as :meth:`verify`, and take no note of anything."""
        assert self.reader is not None
        if self.blank and self.reader.stat().size:
            return False
        return osfiles.matches(self.reader, self.fingerprint(self.read))

    def learn(self, reader: Reader) -> None:
        """Take note of the first bytes, if only to know them again.

        A file may be truncated before it is its turn to be read, or its id be given to another after a restart.
        """
        if self.head_len < HEAD:
            head = reader.read(HEAD, 0)
            if len(head) > self.head_len and (not self.head_len or digest(head[: self.head_len]) == self.head):
                self.head_len, self.head = len(head), digest(head)

    def _fetch(self, at: int, size: int) -> tuple[bytes, int]:
        """Return the bytes up to ``at + size`` and the index of ``at`` in them; verifies those before the read offset.

        Sets ``at_end``: as the file was just before, for no more is read than it had then.
        """
        assert self.reader is not None
        read = self.read.offset
        ask = size
        if not self.compression:
            stat = self.stat = self.reader.stat()
            ask = min(size, stat.size - at)
            if ask <= 0:  # nothing new, or a file system that does not know the size
                self.stat, ask = None, min(size, GLANCE)
        low = 0 if self.head_len < HEAD or read < HEAD else read - MARK  # the first bytes may go beyond the offset
        if at > read:
            low_data = self.reader.read(read - low, low)
            data, start = self.reader.read(ask, at), 0
        else:
            data = self.reader.read(read - low + ask, low)
            low_data, start = data[: read - low], read - low
        if len(low_data) < read - low or (read and digest(low_data[-MARK:]) != self.read.mark):
            raise ContentChanged
        got = len(data) - start
        self.at_end = got < ask or (self.stat is not None and at + got >= self.stat.size)
        if low == 0 and self.head_len:
            known = low_data if at > read else data
            if len(known) < self.head_len:  # a small block, or a file that is shorter than it was
                known = self.reader.read(self.head_len, 0)
            if digest(known[: self.head_len]) != self.head:
                raise ContentChanged
        if low == 0 and at <= read and self.head_len < min(HEAD, len(data)):
            self.head_len = min(HEAD, len(data))
            self.head = digest(data[: self.head_len])
        top = at + got
        if top > self.size and not self.compression:
            self.size = top
        self.sure = self.size
        return data, start

    def _window(self, offset: int) -> bytes:
        """Read the bytes just before ``offset``, which is behind the read offset; raises ContentChanged."""
        assert self.reader is not None
        low = max(0, offset - MARK)
        window = self.reader.read(offset - low, low)
        # Whether it was changed since what is taken was read. Of a compressed file that would be decompressed again.
        if len(window) < offset - low or not (self.compression or self.intact()):
            raise ContentChanged
        return window

    # --- the position ------------------------------------------------------------------------------------------------

    def rewind(self) -> None:
        """Go back to the acked position; nothing of it may be in flight."""
        self.track.forget()
        self.read = self.track.acked
        self.next = self.read.offset
        self.part = 0
        self.record = 0
        self.searched = 0
        self.may_go_on = 0
        self.at_end = False

    def pass_over(self, position: Position) -> None:
        """Go on at ``position``, which is beyond the read offset; what stands before it is taken care of."""
        while self.marks and self.marks[-1].offset > position.offset:
            self.marks = self.marks[:-1]
        self.read = position
        self.next = position.offset
        self.part = 0
        self.may_go_on = 0
        self.at_end = False

    @property
    def place(self) -> Place:
        """Where the next read begins."""
        return Place(self.read, self.next, self.part)

    def put_back(self, place: Place) -> None:
        """Have what was taken last read again; nothing of it may have been sent that does not end at ``place``."""
        self.read, self.next, self.part = place
        self.searched = 0
        self.may_go_on = 0
        self.at_end = False

    def _move(self, offset: int, window: bytes, apart: int = 0) -> Position:
        """Note that all before ``offset`` was taken; ``window`` is the bytes just before it.

        It is not remembered where it is not ``apart`` from the last one that is.
        """
        if offset == self.size:
            offset = self.size  # one number for both: most files are read to their end, and there may be very many
        position = Position(offset, digest(window))
        self.read = position
        marks = self.marks
        if not apart or offset >= marks[-1].offset + apart:
            self.marks = (*marks[1 - MARKS :], position)
        self.next = offset
        self.part = 0
        return position
