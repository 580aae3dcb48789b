"""What a stretch of a file would be as records: whole lines or events, or parts of a line over ``max_line``.

:func:`blocks` makes the cuts of a tailer of plain lines, fast. :func:`batches` has a tailer make them, for all else. A
stretch is read once, from its beginning, which is the beginning of a line and of an event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from shipper.files import MARK, Reader, Stat, digest
from shipper.framing import parts
from shipper.model import Checkpoint, Fingerprint
from shipper.tailer import Batch, ContentChanged, Tailer

BLOCK = 1 << 20  # bytes of one read


class Cut(Exception):
    """The file is shorter than the stretch."""


class Block(NamedTuple):
    r"""Lines that follow each other, or one part of a long line (``part`` counts from 1, and is 0 otherwise).

    ``offset`` is where the first of these lines begins. ``ends``: bytes of each line's end, where all have the same;
    0 where they must be looked at one by one, and ``raw`` has the lines as they stand in the file, with any ``\r``.
    """

    offset: int
    lines: list[bytes]
    raw: list[bytes]
    part: int = 0

    def offsets(self) -> Iterator[int]:
        """Yield where each of the lines begins."""
        at = self.offset
        for line in self.raw:
            yield at
            at += len(line) + 1


def blocks(
    read: Callable[[int, int], bytes], start: int, end: int | None, max_line: int, *, ended: bool
) -> Iterator[Block]:
    """Yield what stands between two offsets; ``read(size, offset)`` gives the bytes. Raises :class:`Cut`.

    With no ``end``, it is all that there is.

    What follows the last line end counts as a line only if ``ended``: then it was sent as it is.
    """
    position, rest = start, b""
    at = start  # where ``rest`` begins, or the line does of which it is a part
    part = 0
    while end is None or position < end:
        data = read(BLOCK if end is None else min(BLOCK, end - position), position)
        if not data and end is None:
            break
        if not data:
            raise Cut
        position += len(data)
        has_cr = b"\r" in data or rest.endswith(b"\r")
        raw = (rest + data).split(b"\n")
        rest = raw.pop()
        if part and raw:
            for piece in parts(_bare(raw[0]), max_line):
                part += 1
                yield Block(at, [piece], [], part)
            at += (part - 1) * max_line + len(piece) + (len(raw[0]) - len(_bare(raw[0]))) + 1
            del raw[0]
            part = 0
        if raw:
            yield from _whole(raw, [_bare(line) for line in raw] if has_cr else raw, at, max_line)
            at += sum(map(len, raw)) + len(raw)
        while len(rest) > max_line + 1:  # one more may be the \r of its end
            part += 1
            yield Block(at, [rest[:max_line]], [], part)
            rest = rest[max_line:]
    if ended and (rest or part):
        if part or len(rest) > max_line:
            for piece in parts(rest, max_line):
                part += 1
                yield Block(at, [piece], [], part)
        else:
            yield Block(at, [rest], [rest])


class _Until:
    """A file as if it ended at an offset."""

    def __init__(self, reader: Reader, end: int | None) -> None:
        self._reader = reader
        self._end = end

    def read(self, size: int, offset: int) -> bytes:
        """Return up to ``size`` bytes at ``offset``."""
        if self._end is not None:
            size = max(0, min(size, self._end - offset))
        return self._reader.read(size, offset) if size else b""

    def stat(self) -> Stat:
        """Return what the operating system says of the whole file."""
        return self._reader.stat()

    def close(self) -> None:
        """Leave the file open: it is not ours."""


def batches(tailer: Tailer, start: int, end: int | None) -> Iterator[tuple[Batch, int]]:
    """Yield what the open ``tailer`` would read between two offsets, and where each batch begins.

    As :func:`blocks`; what follows the last line end, or an event that may go on, was sent as it is. Raises
    :class:`Cut`, and as reading does.
    """
    assert tailer.reader is not None
    reader = _Until(tailer.reader, end)
    mark = digest(reader.read(min(start, MARK), max(0, start - MARK)))
    saved = Checkpoint(
        tailer.uid,
        tailer.source,
        tailer.path,
        tailer.seen_as,
        tailer.file_id,
        tailer.generation,
        start,
        Fingerprint(0, b"", start, mark),
        compression=tailer.compression,
    )
    mine = Tailer(saved, tailer.max_line, tailer.topic, tailer.key, tailer.framer, splits=tailer.splits)
    mine.reader = reader  # type: ignore[assignment] # no more is asked of it
    try:
        while True:
            at = mine.read.offset
            batch = mine.take()
            if batch is None and mine.at_end:
                batch = mine.take_last()
                if batch is None and mine.at_end:
                    break
            if batch is not None:
                yield batch, at
    except ContentChanged:
        raise Cut from None
    if end is not None and mine.read.offset < end:
        raise Cut


def _whole(raw: list[bytes], lines: list[bytes], at: int, max_line: int) -> Iterator[Block]:
    """Yield complete lines; one that is too long in parts. ``lines`` are those of ``raw`` without their ends."""
    if max(map(len, lines)) <= max_line:
        yield Block(at, lines, raw)
        return
    for line, bare in zip(raw, lines, strict=True):
        if len(bare) <= max_line:
            yield Block(at, [bare], [line])
        else:
            for part, piece in enumerate(parts(bare, max_line), 1):
                yield Block(at, [piece], [], part)
        at += len(line) + 1


def _bare(line: bytes) -> bytes:
    return line[:-1] if line.endswith(b"\r") else line
