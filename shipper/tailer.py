"""Reads one generation of one file: blocks of complete lines, each read verified against what was read before.

Every read begins before the read offset and compares these bytes with the mark that was taken when they were read, so
that a file which was truncated and has grown again, or was replaced under the same inode, is noticed *with* the data
and never after it. The tailer knows nothing of other files, of Kafka or of the clock. Pump thread only.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from shipper import files as osfiles
from shipper.files import HEAD, MARK, Files, PackedReader, PlainReader, Reader, Stat, digest
from shipper.framing import Cut, Framer, Text, cut, starts
from shipper.ledger import Position, Track
from shipper.lifecycle import FILE, File, FileEvent, step
from shipper.model import Checkpoint, FileId, FileState, Fingerprint
from shipper.paths import Trust

BLOCK = 256 << 10  # bytes of one read: large enough to amortise the calls, small enough to be fair (measured)
MARKS = 8  # ends of chunks that are remembered
MAX_LINES = 8192  # of one chunk: a block of empty lines would otherwise weigh 64 MB in the client
REPLACED = "\ufffd".encode()
SOME = 64 << 10  # bytes that a file has grown by at most, where it is read past all that may be otherwise
GLANCE = 4096  # bytes that are asked for where none are known to be there
SEARCH = 16 << 20  # bytes that are searched for the end of a long line at a time


class ContentChanged(Exception):
    """The bytes before the read offset are not those that were read: truncated, or another file."""


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


class Place(NamedTuple):
    """Where a read begins: the read offset, and where in a long line it goes on."""

    read: Position
    next: int
    part: int


class Tailer:
    """One generation of one file."""

    __slots__ = (
        "__weakref__",
        "at_end",
        "away",
        "compression",
        "dense",
        "detached",
        "file_id",
        "framer",
        "fresh",
        "generation",
        "grew_at",
        "head",
        "head_len",
        "key",
        "late",
        "linked",
        "marks",
        "max_line",
        "may_go_on",
        "next",
        "ordered",
        "part",
        "path",
        "quiet_size",
        "read",
        "reader",
        "record",
        "retry_delay",
        "searched",
        "seen_as",
        "seen_empty",
        "size",
        "source",
        "splits",
        "start",
        "stat",
        "state",
        "sure",
        "topic",
        "track",
        "trust",
        "uid",
        "unseen",
        "warned",
    )

    def __init__(
        self,
        checkpoint: Checkpoint,
        max_line: int,
        topic: str,
        key: bytes,
        framer: Framer | None = None,
        *,
        splits: bool = True,
        trust: Trust = osfiles.TRUST,
    ) -> None:
        """Begin at a checkpoint. ``splits``: a line over ``max_line`` goes in parts; else it is only begun.

        ``trust`` says which links its name may be, or be reached by.
        """
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
        self.read = Position(cp.offset, mark)
        self.track = Track(self.read, self)
        self.fresh: Any = None  # since when its lines wait, once that is of interest to who reads it
        self.marks: tuple[Position, ...] = ()  # the last few: by them a copy is known that is shorter
        self.head_len = cp.fingerprint.head_len
        self.head = cp.fingerprint.head
        self.max_line = max_line
        self.framer = framer or Framer.plain(max_line)
        self.ordered = not self.framer.needs_head  # the framer knows the order of the file's bytes
        self.splits = splits
        self.trust = trust
        self.topic = topic
        self.key = key
        self.reader: PlainReader | PackedReader | None = None
        self.dense = 0  # bytes to read at a time where lines are so short that a block would hold too many
        self.stat: Stat | None = None  # how the file was just before it was read last
        self.next = cp.offset  # where the next read goes on: beyond the read offset inside a long line
        self.part = 0
        self.record = 0  # how many records of the line at the read offset were sent, while they go one by one
        self.searched = 0  # there is no line end between ``next`` and here
        self.at_end = False
        self.may_go_on = 0  # bytes at the end, in complete lines, of an event that more lines may belong to
        self.grew_at = 0.0  # when bytes were last seen that had not been there before
        self.quiet_size = -1  # its size when it was last seen to have grown
        self.linked = True  # it has a name
        self.away = False  # it was not there when its name was looked for last
        self.detached = False  # its file id leads to other bytes now
        self.seen_empty = False  # under a rotated name
        self.late = False  # it has grown after it was finished
        self.unseen = False  # it was taken for new without a look at its bytes
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
    def gone(self) -> bool:
        """Nothing more of it can be read."""
        return self.state is File.LOST

    @property
    def blank(self) -> bool:
        """It was rotated without a byte, and none was read of it: what comes into it is another's, perhaps."""
        return self.seen_empty and not self.read.offset

    @property
    def settled(self) -> bool:
        """Everything that was read is acknowledged."""
        return self.track.idle and self.track.acked.offset >= self.read.offset  # else it waits to be read again

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
            size=self.sure,  # the next process cannot know that what was seen beyond it may be another file's
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
        reader = osfiles.open_reader(files.trusting(self.trust), self.seen_as, self.compression)
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

    # --- reading -----------------------------------------------------------------------------------------------------

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
            return self._take_long()
        if not self.framer.raw:
            return self._take_framed(block, most, whole=whole)
        data, start = self._fetch(self.next, min(block, self.dense or block))
        lines, end = cut(data, start)
        if not lines:
            if self.at_end and len(data) - start <= self.max_line + 1:  # it may still end with \r\n
                return None
            return self._take_long(whole=whole)
        if len(lines) > MAX_LINES:
            # Cut the block where about so many lines end, rather than weigh the client down with tiny records.
            fair = data.rfind(b"\n", start, start + (len(data) - start) * MAX_LINES // len(lines)) + 1
            if fair > start:
                data = data[:fair]
                self.at_end = False
                lines, end = cut(data, start)
                self.dense = (end - start) * 5 // 4
        elif len(lines) < MAX_LINES // 2:
            self.dense = 0
        most = min(most, self.max_line)
        if most < block and max(map(len, lines)) > most:
            return self._take_until_long(data, start, lines, most)
        return self._took(data, start, end, lines)

    def take_all(self, size: int, most: int) -> list[bytes] | None:
        """Read the lines of a file that has grown to ``size``, where all that came are some whole lines.

        None where it may be otherwise, or a line is longer than ``most``: nothing has changed then, and :meth:`take`
        says what it is. Raises OSError.
        """
        offset, mark = self.read
        if size - offset > SOME or self.dense or not self.framer.raw:
            return None
        assert self.reader is not None
        low = 0 if self.head_len < HEAD or offset < HEAD else offset - MARK
        data, start = self.reader.read(size - low, low), offset - low
        if len(data) < size - low or digest(data[max(0, start - MARK) : start]) != mark:
            return None
        if not low and self.head_len and digest(data[: self.head_len]) != self.head:
            return None
        lines, end = cut(data, start)
        if end < len(data) or len(lines) > MAX_LINES or max(map(len, lines)) > min(most, self.max_line):
            return None
        if not low:
            self.head_len, self.head = min(HEAD, size), digest(data[:HEAD])
        self.size = self.sure = size
        self.at_end = True
        self.stat = None
        self._move(size, data[-MARK:])
        return lines

    def take_last(self) -> Batch | None:
        """Read what is left of a file that can no longer grow, as it is; None where there is nothing.

        That is the unended last line, and what it may belong to.
        """
        if self.part or self.framer.raw:
            return self._take_long(ended=True)
        return self._take_framed(BLOCK, done=True, ended=True)

    def take_open(self) -> Batch | None:
        """Read an event that more lines may belong to, as it stands."""
        return self._take_framed(BLOCK, done=True)

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

    def shorten(self, batch: Batch, start: int, count: int) -> Batch:
        """Return the first ``count`` lines of ``batch``, which was taken last and began at ``start``.

        The others are read again. There are more of them where no position may stand behind so few.
        """
        if batch.cut is not None:
            count = batch.cut.whole(count)
            if count >= len(batch.lines):
                return batch
        size = batch.offsets(start)[count] - start
        if self.marks and self.marks[-1] == batch.end:
            self.marks = self.marks[:-1]
        self.next = start
        self.searched = 0
        self.may_go_on = 0
        self.at_end = False
        return self._took(batch.block, batch.at, batch.at + size, batch.lines[:count])._replace(cut=batch.cut)

    def _take_framed(
        self, block: int, most: int = sys.maxsize, *, whole: bool = False, done: bool = False, ended: bool = False
    ) -> Batch | None:
        """Take the next events, as :meth:`take`; ``done``: the last event of the file does not go on.

        ``ended``: and its last line has no end. A block that is too small for one event gives only that.
        """
        self.may_go_on = 0
        framer = self._framer()
        size = block
        while True:
            data, start = self._fetch(self.next, size)
            last = self.at_end
            # What has come just now may go on.
            closed = done and last and (ended or self.size <= self.quiet_size or bool(self.compression))
            found = framer.cut(data, start, self.next, done=closed, ended=ended and last)
            if found.events:
                break
            if last and len(data) - found.lines_end <= framer.window:
                self.may_go_on = found.lines_end - found.end
                return None
            if size >= framer.reach or last:
                if found.lines_end <= start:
                    return self._take_long(whole=whole, ended=ended)
                found = framer.cut(data, start, self.next, done=True)  # what comes next is too long to belong to it
                break
            size = min(size * 4, framer.reach)
        events = found.events
        keep = min(len(events), MAX_LINES)
        if size > block < BLOCK:
            keep = 1
            if found.whole(1) > 1 and block == 1:  # one line is asked for
                return self._take_long(whole=whole, ended=ended)
        most = min(most, self.max_line)
        if max(map(len, events)) > most:
            first = next(i for i, event in enumerate(events) if len(event) > most)
            if not first and len(events[0]) > self.max_line:
                return self._take_long(whole=whole, ended=ended)
            keep = min(keep, first or 1)
        keep = found.whole(keep)
        end = found.end
        if keep < len(events):
            end = start + found.begins()[keep]
            events = events[:keep]
            found = found._replace(replaced=sum(REPLACED in event for event in events) if found.replaced else 0)
            self.at_end = False
        elif self.at_end:
            self.may_go_on = found.lines_end - end
        return self._took(data, start, end, events)._replace(cut=found, replaced=found.replaced)

    def _framer(self) -> Framer:
        """Return the framer, which has seen how the file begins where it wants to."""
        if not self.ordered:
            assert self.reader is not None
            head = self.reader.read(self.framer.needs_head, 0)
            framer = self.framer.of(head)
            if len(head) < self.framer.needs_head:
                return framer  # more of it may tell more
            self.framer, self.ordered = framer, True
        return self.framer

    def _find_end(self) -> tuple[int, int] | None:
        """Return where the long line at ``next`` ends, and where its line end does; what was searched is not again.

        None where there is no end: up to the end of the file (``at_end``), or as far as is looked at a time.
        """
        assert self.reader is not None
        text = self._framer().text
        at = max(self.next, self.searched)
        for _ in range(SEARCH // BLOCK):
            data = self.reader.read(BLOCK, at)
            found = text.find(data, 0)
            if found >= 0:
                return at + found, at + found + len(text.delimiter)
            self.at_end = len(data) < BLOCK
            if self.at_end:
                if not self.compression:
                    self.size = max(self.size, at + len(data))  # else it counts as grown since, and is read at once
                break
            at += BLOCK - len(text.delimiter) + text.unit
        self.searched = at
        return None

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
        if low == 0 and at <= read and len(data) > self.head_len:
            self.head_len = min(HEAD, len(data))
            self.head = digest(data[: self.head_len])
        top = at + got
        if top > self.size and not self.compression:
            self.size = top
        self.sure = self.size
        return data, start

    def _took(self, data: bytes, start: int, end: int, lines: list[bytes]) -> Batch:
        offset = self.next + end - start
        window = data[max(0, end - MARK) : end]
        if len(window) < MARK and offset > len(window):  # a tiny remainder of a long line
            window = self._window(offset)
        return Batch(lines, self._move(offset, window), end - start, block=data, at=start)

    def _move(self, offset: int, window: bytes) -> Position:
        """Note that all before ``offset`` was taken; ``window`` is the bytes just before it."""
        if offset == self.size:
            offset = self.size  # one number for both: most files are read to their end, and there may be very many
        position = Position(offset, digest(window))
        self.read = position
        self.marks = (*self.marks[1 - MARKS :], position)
        self.next = offset
        self.part = 0
        return position

    def _window(self, offset: int) -> bytes:
        """Read the bytes just before ``offset``, which is behind the read offset; raises ContentChanged."""
        assert self.reader is not None
        low = max(0, offset - MARK)
        window = self.reader.read(offset - low, low)
        # Whether it was changed since what is taken was read. Of a compressed file that would be decompressed again.
        if len(window) < offset - low or not (self.compression or self.intact()):
            raise ContentChanged
        return window

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
        return self._took(data, start, end, before) if before else self._take_long()

    def _take_long(self, *, whole: bool = False, ended: bool = False) -> Batch | None:
        """Take the next line, or the next part of a line over ``max_line``, which then stays at its beginning.

        With ``ended``, the end of the file ends the line. Where long lines are not split, what fits stands for it.
        """
        if whole and self.splits and not ended and not self.part and self._find_end() is None:
            return None
        framer = self._framer()
        text = framer.text
        data, start = self._fetch(self.next, framer.window + framer.ahead)
        begin = framer.skip(data, start, self.next)
        stop = text.find(data, begin)
        is_last = ended and self.at_end and stop < 0
        if stop < 0 and self.at_end and (not is_last or len(data) == begin):
            return None
        raw = data[begin:stop] if stop >= 0 else data[begin:]
        end = stop + len(text.delimiter) if stop >= 0 else len(data)
        if stop >= 0 or is_last:
            line, replaced = text.line(raw)
            if stop >= 0 and text.crlf and line.endswith(b"\r"):
                line = line[:-1]
            if len(line) <= self.max_line:
                if end < len(data):
                    self.at_end = False  # more follows than this one line
                part = self.part + 1 if self.part else 0
                return self._took(data, start, end, [line])._replace(part=part, replaced=int(replaced))
        if not self.splits:
            shift = self.next - start
            found = (stop + shift, end + shift) if stop >= 0 else None
            return self._take_beginning(text, raw, begin + shift, found, ended=ended)
        value, taken = text.piece(raw, self.max_line)
        ahead = self._ahead(raw, taken)
        self.part += 1
        self.next += begin - start + taken
        self.at_end = False
        return Batch([value], self.read, taken, self.part, last=False, ahead=ahead)

    def _ahead(self, raw: bytes, taken: int) -> bytes:
        """Return what follows the first ``taken`` bytes of a line, as far as the framer wants to know."""
        return self.framer.text.line(raw[taken : taken + self.framer.ahead])[0] if self.framer.ahead else b""

    def _take_beginning(
        self, text: Text, raw: bytes, begin: int, found: tuple[int, int] | None, *, ended: bool
    ) -> Batch | None:
        """Take a whole line, for which its beginning stands, when its end is there.

        It begins with ``raw`` at ``begin``; ``found``: where it ends, and where its line end does, if that is known.
        """
        assert self.reader is not None
        if found is None:
            self.at_end = False
            found = self._find_end()
        if found is None:
            if not (ended and self.at_end):
                return None
            size = self.searched + len(self.reader.read(BLOCK, self.searched))
            found = size, size
        stop, offset = found
        full = stop - begin
        if offset > stop and text.crlf and self.reader.read(len(text.cr), stop - len(text.cr)) == text.cr:
            full -= len(text.cr)
        position = self._move(offset, self._window(offset))
        self.at_end = False
        value, taken = text.beginning(raw, self.max_line)
        return Batch([value], position, len(value), full=full, ahead=self._ahead(raw, taken))
