"""Reads one generation of one file: blocks of complete lines, or events, or parts of a line that is too long.

The tailer knows nothing of other files, of Kafka or of the clock. Pump thread only.
"""

from __future__ import annotations

import sys

from shipper import files as osfiles
from shipper.files import HEAD, MARK, digest
from shipper.framing import Framer, Text, cut
from shipper.model import Checkpoint
from shipper.paths import Trust
from shipper.tailer.batch import Batch
from shipper.tailer.reading import APART, Reading

BLOCK = 256 << 10  # bytes of one read: large enough to amortise the calls, small enough to be fair (measured)
MAX_LINES = 8192  # of one chunk: a block of empty lines would otherwise weigh 64 MB in the client
REPLACED = "\ufffd".encode()
SOME = 64 << 10  # bytes that a file has grown by at most, where it is read past all that may be otherwise
SEARCH = 16 << 20  # bytes that are searched for the end of a long line at a time


class Tailer(Reading):
    """One generation of one file, and its lines."""

    __slots__ = ("dense", "framer", "max_line", "ordered", "splits")

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
        """Begin at a checkpoint. ``splits``: a line over ``max_line`` goes in parts; else it is only begun."""
        Reading.__init__(self, checkpoint, topic, key, trust)  # not super(): at a start there may be very many
        self.max_line = max_line
        self.framer = framer or Framer.plain(max_line)
        self.ordered = not self.framer.needs_head  # the framer knows the order of the file's bytes
        self.splits = splits
        self.dense = 0  # bytes to read at a time where lines are so short that a block would hold too many

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
        read = self.read
        offset, mark = read
        if size - offset > SOME or self.dense or not self.framer.raw:
            return None
        assert self.reader is not None
        low = 0 if self.head_len < HEAD or offset < HEAD else offset - MARK
        data, start = self.reader.read(size - low, low), offset - low
        if len(data) < size - low:
            return None
        if self.tail is not None and self.tail[0] is read:
            same = data.startswith(self.tail[1])
        else:
            same = digest(data[max(0, start - MARK) : start]) == mark
            same = same and (low > 0 or not self.head_len or digest(data[: self.head_len]) == self.head)
        if not same:
            return None
        lines, end = cut(data, start)
        if end < len(data) or len(lines) > MAX_LINES:
            return None
        if (size - offset > most or size - offset > self.max_line) and max(map(len, lines)) > min(most, self.max_line):
            return None
        if not low:
            self.head_len, self.head = min(HEAD, size), digest(data[:HEAD])
        self.size = self.sure = size
        self.at_end = True
        self.stat = None
        window = data[-MARK:]
        self._move(size, window, APART)
        self.tail = (self.read, window) if low else None
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

    def _took(self, data: bytes, start: int, end: int, lines: list[bytes]) -> Batch:
        offset = self.next + end - start
        window = data[max(0, end - MARK) : end]
        if len(window) < MARK and offset > len(window):  # a tiny remainder of a long line
            window = self._window(offset)
        return Batch(lines, self._move(offset, window), end - start, block=data, at=start)

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

    def _ahead(self, raw: bytes, taken: int) -> bytes:
        """Return what follows the first ``taken`` bytes of a line, as far as the framer wants to know."""
        return self.framer.text.line(raw[taken : taken + self.framer.ahead])[0] if self.framer.ahead else b""

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
