"""Parts a generation from its file where that holds other bytes than were read: truncated, replaced, or copied over.

What holds the other bytes is an unknown file then. Pump thread only.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Generator, Iterable

from shipper.discovery import rotation
from shipper.files import BROKEN, PlainReader, open_reader
from shipper.filesource import looks
from shipper.filesource.census import Census
from shipper.filesource.identify import begins_as
from shipper.filesource.lineage import DONE
from shipper.filesource.loose import Loose
from shipper.filesource.tools import Tools
from shipper.filesource.undecided import Undecided, Why
from shipper.lifecycle import File, FileEvent
from shipper.model import Seen
from shipper.tailer import Tailer


class Parting:
    """Parts one source's generations from files that are not theirs any more."""

    def __init__(
        self,
        census: Census,
        loose: Loose,
        undecided: Undecided,
        tools: Tools,
    ) -> None:
        self._census = census
        self._loose = loose
        self._undecided = undecided
        self._files = tools.files
        self._descriptors = tools.descriptors
        self._events = tools.events
        self._clock = tools.clock
        self.live = False  # what is there at the start has been taken in

    def release(self, tailer: Tailer) -> list[Seen]:
        """Part a generation from a file that holds other bytes; returns that file, which is unknown now.

        A rotated file that is written over when it has been compressed is being shredded: it is not believed to be a
        log before that is over, and never if it has no name then. Nobody shreds one that was empty.
        """
        census = self._census
        try:
            stat = tailer.reader.stat() if tailer.reader is not None else None
        except OSError:
            stat = None  # it cannot be read now, which is told when it is
        size, mtime = (stat.size, stat.mtime_ns) if stat else (0, 0)
        path, base = tailer.seen_as, tailer.path
        if tailer.state is not File.FINISHED:
            if not tailer.blank:
                self._events.file_truncated(census.source, path, tailer.generation, tailer.read.offset, tailer.unread)
            tailer.event(FileEvent.REPLACED)
            tailer.size = tailer.sure  # what was seen beyond that are the other bytes
        if isinstance(reader := self._descriptors.hand_over(tailer), PlainReader):
            self._loose.hold(tailer.file_id, reader)
            if census.by_name.get(path) is not tailer or tailer.away:
                self._loose.nameless.add(tailer.file_id)
        elif reader is not None:
            reader.close()
        census.unbind(tailer)
        compression = rotation.compression(path) if path != base else ""
        seen = Seen(path, base, tailer.file_id, size, mtime, rotation.rank(path, base), compression)
        if self.live and path != base and not tailer.blank and self._may_be_shredded(tailer):
            self._undecided.put(seen, Why.OVERWRITTEN, self._clock())
            return [seen] if stat is None or stat.links else []
        return [seen]

    def released(self, tailers: Iterable[Tailer]) -> list[Seen]:
        """Open generations and part those from their files that hold other bytes than were read; returns these."""
        released = []
        for tailer in list(tailers):
            if tailer.detached or tailer.state is File.LOST:
                continue
            try:
                with self._descriptors.borrow(tailer) as opened:
                    if opened and not tailer.verify():
                        released += self.release(tailer)
            except BROKEN:
                continue  # told when it is read
        return released

    def at_hand(self, tailers: Iterable[Tailer]) -> Generator[Tailer]:
        """Yield generations, each unfinished one open while it is judged: without its own bytes it counts as gone."""
        for tailer in tailers:
            if tailer.reader is not None or tailer.detached or tailer.state in DONE:
                yield tailer
                continue
            with contextlib.ExitStack() as stack:
                try:
                    if stack.enter_context(self._descriptors.borrow(tailer)) and not tailer.verify():
                        self._loose.part(*self.release(tailer))
                except BROKEN as error:
                    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
                        raise
                yield tailer

    def _may_be_shredded(self, tailer: Tailer) -> bool:
        """Whether other bytes in a rotated file may be a shredder's: its own are in a compressed file beside it.

        Where another file has its name now, that one's are in it, unless it is seen to begin as its own.
        """
        beside = not looks.is_replaced(tailer)
        for path in looks.compressed_beside(tailer.seen_as):
            try:
                with contextlib.closing(open_reader(self._files, path, rotation.compression(path))) as packed:
                    if begins_as(packed, tailer) or (beside and not tailer.head_len):
                        return True
            except FileNotFoundError:
                continue
            except BROKEN:
                if beside:
                    return True  # it cannot be told
        return False
