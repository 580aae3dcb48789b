"""Whether a file that is not known by its id holds the bytes of one that is: a copy, a compressed or a restored one.

A fingerprint only ever verifies; two files with equal beginnings are not one file. Reads, but opens and changes
nothing. Pump thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from operator import attrgetter
from typing import NamedTuple

from shipper.files import HEAD, MARK, PackedReader, PlainReader, Reader, digest, matches
from shipper.model import Checkpoint, Fingerprint
from shipper.tailer import Tailer


class Verdict(Enum):
    """What an unknown file is."""

    NEW = "new"
    COPY = "copy"  # of a generation that can be read itself, or that holds nothing beyond what was read
    CONTINUES = "continues"  # a generation whose own bytes are gone: go on in this file
    UNSURE = "unsure"  # empty, or still being written; ask again when it has changed


class Answer(NamedTuple):
    """A verdict, and the generation that it is about."""

    verdict: Verdict
    of: Tailer | None = None


def length(reader: PlainReader | PackedReader) -> int:
    """Return the number of decompressed bytes; raises one of ``files.BROKEN`` for an incomplete compressed file."""
    return reader.length() if isinstance(reader, PackedReader) else reader.stat().size


def begins_as(reader: Reader, tailer: Tailer) -> bool:
    """Whether a file has the first bytes of a generation; reads no more than these. Raises one of ``files.BROKEN``."""
    known = tailer.head_len
    return known > 0 and digest(reader.read(known, 0)) == tailer.head


def identify(
    reader: Reader,
    size: int,
    tailers: Iterable[Tailer],
    left: Iterable[Checkpoint] = (),
    size_of: Callable[[Tailer], int] = attrgetter("size"),
) -> Answer:
    """Say what the file in ``reader``, of ``size`` decompressed bytes, is to the generations ``tailers``.

    An unfinished tailer whose bytes can be had under its own id must have been opened and verified by the caller; one
    without a reader counts as gone. ``left`` are files that are known and not read; ``size_of`` tells how large the
    file of a tailer is now that is not open.
    """
    if size == 0:
        return Answer(Verdict.UNSURE)
    for tailer in tailers:
        verdict = _judge(reader, size, tailer, size_of)
        if verdict is not None:
            return Answer(verdict, tailer)
    if any(_begins_with(reader, size, checkpoint.fingerprint) for checkpoint in left):
        return Answer(Verdict.COPY)
    return Answer(Verdict.NEW)


def _begins_with(reader: Reader, size: int, known: Fingerprint) -> bool:
    """Whether a file holds all that is known of one that is not read, and perhaps a late line.

    Not where that is so little that it may be no more than the header with which every log begins.
    """
    whole = max(known.head_len, known.mark_at)
    enough = size == whole or size >= whole >= HEAD
    return known.head_len > 0 and enough and matches(reader, known)


def _judge(reader: Reader, size: int, tailer: Tailer, size_of: Callable[[Tailer], int]) -> Verdict | None:
    if tailer.reader is not None and not tailer.detached:
        try:
            return _beside_own(reader, size, tailer, tailer.reader)
        except OSError:
            if not tailer.finished:
                raise
            # What is known of it is enough: nothing more of it is to be read.
    return _by_what_is_known(reader, size, tailer, size_of)


def _beside_own(reader: Reader, size: int, tailer: Tailer, own: Reader) -> Verdict | None:
    read = tailer.read.offset
    verdict = _beside(reader, size, tailer, own)
    if verdict is None and read and size == read and matches(reader, tailer.fingerprint(tailer.read)):
        return Verdict.COPY  # of what the own file was: it is written over just now, by a shredder perhaps
    return verdict


def _by_what_is_known(reader: Reader, size: int, tailer: Tailer, size_of: Callable[[Tailer], int]) -> Verdict | None:
    read = tailer.read.offset
    if read and size >= read:
        if not matches(reader, tailer.fingerprint(tailer.read)):
            return None
        if not tailer.finished or tailer.detached or tailer.away:
            return Verdict.CONTINUES
        # Its file is there, closed: what holds more than that is no copy of it.
        own = read if tailer.compression else max(read, size_of(tailer))
        return Verdict.COPY if size <= own else None
    if size < read:
        return Verdict.COPY if _begins_like(reader, size, tailer) else None
    # Nothing was read of it yet: only the head can tell.
    return Verdict.CONTINUES if size >= tailer.head_len and begins_as(reader, tailer) else None


def _begins_like(reader: Reader, size: int, tailer: Tailer) -> bool:
    """Whether a file is a copy that was made before the last of what was read had been written.

    Its head alone proves nothing: every generation may begin with the same header. So the bytes before the end of one
    of the last chunks have to be the same as well; without such a proof its lines are rather sent twice than lost.
    """
    mark = max((m for m in tailer.marks if m.offset <= size), default=None)
    if mark is None:
        return False
    low = max(0, mark.offset - MARK)
    if digest(reader.read(mark.offset - low, low)) != mark.mark:
        return False
    return size < tailer.head_len or digest(reader.read(tailer.head_len, 0)) == tailer.head


def _beside(reader: Reader, size: int, tailer: Tailer, own: Reader) -> Verdict | None:
    """Judge a file beside the generation's ``own``, which is open: it can be no copy if it holds more than that.

    It may begin with the same lines all the same, as a log does that has a header. Only where the own file has lost its
    name is one that is as long, or longer, what took its place: a synchronising or editing program writes a new file
    and renames it.
    """
    if tailer.compression:
        return Verdict.COPY if same_bytes(reader, own, size) else None
    stat = own.stat()
    known = tailer.fingerprint(tailer.read)
    in_place = size < stat.size or stat.links > 0
    # Last of all that its own file is still what it was: it may be written over just now, by another copy perhaps.
    if in_place and size <= stat.size and same_bytes(reader, own, size) and tailer.intact():
        return Verdict.COPY
    if size >= max(known.head_len, known.mark_at) and matches(reader, known) and not matches(own, known):
        return Verdict.COPY  # of what was truncated just now, which will be noticed when it is read
    replaced = not in_place and stat.size > 0 and same_bytes(reader, own, stat.size) and tailer.intact()
    return Verdict.CONTINUES if replaced else None


def same_bytes(a: Reader, b: Reader, size: int) -> bool:
    """Whether the head and the last bytes of the first ``size`` bytes are the same in both."""
    head = min(size, HEAD)
    low = max(0, size - MARK)
    return a.read(head, 0) == b.read(head, 0) and a.read(size - low, low) == b.read(size - low, low)
