"""How many log files may be open at once, over all sources, and which one gives way. Pump thread only.

Unread files are held open as far as the limit allows: an open descriptor is the only thing that keeps a deleted file's
bytes. One that was read to its end and still has its name gives way first, the one not read for longest before others;
never one that is in use.

Where the system gives no more, the limit falls to what is open, and rises again step by step.
"""

from __future__ import annotations

import errno
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from shipper.events import Events
from shipper.files import Files, PackedReader, PlainReader, leads_to, open_reader
from shipper.lifecycle import File
from shipper.model import Clock
from shipper.tailer import Tailer

RISE_AFTER = 10.0  # seconds after which a limit that has fallen is raised by a step ...
RISE = 1 / 8  # ... of this part of it, and of one file at least
FEW = 64  # of those that can give way are noted at once
SELDOM = 8  # where there are fewer, all are looked at again only after a part of their number of further questions
RESERVE = 64  # descriptors for all that is not a log file: sockets, the store, inotify, the standard streams


def limit_from_process() -> int:
    """Raise the process's soft limit to its hard one and return how many log files may be open under it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (ValueError, OSError):
            pass  # some systems refuse an unlimited soft limit; the soft one then stands
    if soft == resource.RLIM_INFINITY:
        soft = 1 << 20
    return max(8, soft - RESERVE)


def limit_of(configured: int) -> int:
    """Return how many log files may be open where ``max_open_files`` says so; 0: as many as the process may."""
    return configured or limit_from_process()


class Descriptors:
    """The open log files, the least recently read first."""

    def __init__(
        self, limit: int, files: Files, events: Events, clock: Clock = time.monotonic, *, deleted: int = 0
    ) -> None:
        self.limit = limit
        self.deleted_most = deleted
        self._most = limit
        self._rise_at = 0.0
        self._clock = clock
        self._files = files
        self._events = events
        self._open: dict[Tailer, None] = {}
        self._spare: dict[Tailer, None] = {}  # some of them that can give way, perhaps
        self._skip = 0  # questions to be answered without a look at all of them
        self._beyond: dict[Tailer, None] = {}  # opened when as many were open as may be
        self._used: list[Tailer] = []  # by whoever asks for another just now

    def __len__(self) -> int:
        return len(self._open)

    def unlinked(self) -> Iterator[tuple[Tailer, int]]:
        """Yield the open files that have no name any more and their sizes, the least recently read first.

        The operating system is asked: what is known of a file is as old as the last look at it, and nobody looks at
        one without a name while nothing is read.
        """
        for tailer in self._open:
            try:
                stat = tailer.reader.stat() if tailer.reader is not None else None
            except OSError:
                continue  # that one is left as it is
            if stat is not None and stat.links == 0:
                yield tailer, stat.size

    def deleted(self) -> Iterator[Tailer]:
        """Yield the open files that have no name any more, the least recently read first."""
        return (tailer for tailer in self._open if not tailer.linked)

    def limit_to(self, limit: int, deleted: int = 0) -> None:
        """Hold ``limit`` files open at most; those that are needed beyond it are let go of when they have been read.

        ``deleted``: bytes of files that have no name any more, 0 for any number.
        """
        self.limit = self._most = limit
        self.deleted_most = deleted
        for tailer in [tailer for tailer in self._open if _may_close(tailer)][: max(0, len(self._open) - limit)]:
            self.close(tailer)

    def open(self, tailer: Tailer, behind: Sequence[Tailer] = (), *, its_turn: bool = False) -> bool:
        """Open ``tailer``'s file, making room first; False where its name leads to another file now.

        Where no other file can give way, one of those does that wait for it, ``behind`` it, the last of them first:
        after a rewind they may be all that is open. If none can, as they are deleted, a file whose turn it is may be
        open beyond the limit, for they may all be waiting for it; one at a time that has a name. It is read at once, so
        its first bytes are not looked at before. Raises OSError; with EMFILE where that is of no use either.
        """
        beyond = not self.room() and not self._yield(behind)
        if beyond and (not its_turn or any(map(_has_name, self._beyond))):
            raise OSError(errno.EMFILE, "as many files are open as may be")
        opened = self._open_now(tailer, learns=not its_turn)
        if beyond and opened:
            self._beyond[tailer] = None
        return opened

    @contextmanager
    def borrow(self, tailer: Tailer) -> Iterator[bool]:
        """Have ``tailer``'s file open for a moment, beyond the limit if need be; False where its name leads elsewhere.

        It stays open where it has lost its name meanwhile. Raises OSError; with EMFILE where the system gives no more.
        """
        beyond = tailer.reader is None and not self.room()
        try:
            with self.in_use(tailer):
                yield tailer.reader is not None or self._open_now(tailer)
        finally:
            if beyond and _has_name(tailer):
                self.close(tailer)

    @contextmanager
    def in_use(self, tailer: Tailer) -> Iterator[None]:
        """Let ``tailer``'s file, which is to be gone on with, not give way to any that are looked into meanwhile."""
        self._used.append(tailer)
        try:
            yield
        finally:
            self._used.remove(tailer)

    def _open_now(self, tailer: Tailer, *, learns: bool = True) -> bool:
        try:
            opened = tailer.open(self._files, learns=learns)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE) and len(self._open):
                self.limit = max(1, len(self._open))
                self._rise_at = self._clock() + RISE_AFTER
                self._events.descriptors_short(self.limit)
            raise
        if opened:
            self._open[tailer] = None
        return opened

    def glance(self, tailer: Tailer) -> None:
        """Learn the first bytes of a file, not a compressed one, that cannot be kept open; raises OSError."""
        reader = open_reader(self._files.trusting(tailer.trust), tailer.seen_as, "")
        rescued = False
        try:
            if reader.stat().file_id == tailer.file_id:
                tailer.learn(reader)
                rescued = self.rescue(tailer, reader, tailer.seen_as)
        finally:
            if not rescued:
                reader.close()

    def rescue(self, tailer: Tailer, reader: PlainReader | PackedReader, name: bytes) -> bool:
        """Keep ``tailer``'s file open if it lost ``name`` while it was looked into: there may be no other way to it."""
        if leads_to(name, tailer.file_id):
            return False
        tailer.adopt(reader, tailer.seen_as, tailer.file_id, tailer.compression)
        self.adopted(tailer)
        return True

    def room(self) -> bool:
        """Make room for one more; False where all that are open are needed."""
        if len(self._open) >= self.limit < self._most and self._clock() >= self._rise_at:
            self.limit = min(self._most, self.limit + max(1, int(self.limit * RISE)))
            self._rise_at = self._clock() + RISE_AFTER
        if len(self._open) < self.limit:
            return True
        idle = self._idle()
        if idle is None:
            self._events.descriptors_short(self.limit)
            return False
        self.close(idle)
        return True

    def _idle(self) -> Tailer | None:
        """Return one that may be closed; for a while only one read since, where a look at all found few or none.

        A hundred thousand files may wait for their turn, and many thousand be open: who asks for each of the former
        must not look at all of the latter.
        """
        while True:
            while self._spare:
                tailer = next(iter(self._spare))
                del self._spare[tailer]
                if self._can_give_way(tailer):
                    return tailer
            if self._skip:
                self._skip -= 1
                return None
            self._spare = dict.fromkeys(islice(filter(self._can_give_way, self._open), FEW))
            self._skip = len(self._open) // SELDOM if len(self._spare) < FEW else 0
            if not self._spare:
                return None

    def _can_give_way(self, tailer: Tailer) -> bool:
        return tailer not in self._used and _may_close(tailer)

    def _yield(self, behind: Sequence[Tailer]) -> bool:
        last = next((t for t in reversed(behind) if t.reader is not None and _has_name(t)), None)
        if last is not None:
            self.close(last)
        return last is not None

    def rested(self, tailer: Tailer) -> None:
        """Take note that ``tailer`` was read to its end: it can give way, at once if it is beyond the limit."""
        if self._beyond and tailer in self._beyond:
            if _may_close(tailer):
                self.close(tailer)
        elif len(self._open) >= self.limit and tailer in self._open:
            self._spare[tailer] = None

    def adopted(self, tailer: Tailer) -> None:
        """Take note that ``tailer`` has been given an open file."""
        self._open[tailer] = None

    def hand_over(self, tailer: Tailer) -> PlainReader | PackedReader | None:
        """Take ``tailer``'s open file from it, for another to go on with."""
        self._forget(tailer)
        reader = tailer.reader
        tailer.reader = tailer.stat = None  # how that file is says nothing of the next one
        return reader

    @property
    def full(self) -> bool:
        """Whether as many files are open as may be."""
        return len(self._open) >= self.limit

    def touch(self, tailer: Tailer) -> None:
        """Take note that ``tailer`` was read just now."""
        if tailer in self._open:
            del self._open[tailer]
            self._open[tailer] = None
            self._spare.pop(tailer, None)

    def close(self, tailer: Tailer) -> None:
        """Close ``tailer``'s file."""
        self._forget(tailer)
        tailer.close()

    def _forget(self, tailer: Tailer) -> None:
        self._open.pop(tailer, None)
        self._spare.pop(tailer, None)
        self._beyond.pop(tailer, None)

    def close_all(self) -> None:
        """Close every file."""
        for tailer in list(self._open):
            self.close(tailer)


def _has_name(tailer: Tailer) -> bool:
    """Whether a file would be found again if it were closed."""
    return tailer.linked and leads_to(tailer.seen_as, tailer.file_id)


def _may_close(tailer: Tailer) -> bool:
    """Whether nothing can be missed by closing it: read to its end, or to be found again under its name."""
    if not tailer.linked or tailer.reader is None:
        return False
    if tailer.state not in (File.IDLE, File.FINISHED, File.WAITING) and not tailer.at_end:
        return False
    if _has_name(tailer):
        return True
    stat = tailer.reader.stat()
    if not stat.links:
        return False  # deleted just now, it may hold what nobody has seen yet
    # It was moved away, and may have been truncated before that: what is in it now is nowhere else.
    done = tailer.at_end if tailer.compression else stat.size <= tailer.read.offset and _intact(tailer)
    return done and tailer.settled


def _intact(tailer: Tailer) -> bool:
    try:
        return tailer.intact()
    except OSError:
        return False  # told when it is read
