"""A journal in memory, with a reader as the library's: for what no journal on disk does when a test wants it."""

from __future__ import annotations

import contextlib
import errno
import math
import os
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shipper.config import JournalConfig
from shipper.journal.reader import Change, Reader
from shipper.journal.selection import Term, selects

FIRST = 1_764_000_000_000_000
STREAM = "ab" * 16

Value = bytes | list[bytes]


@dataclass
class Entry:
    number: int
    fields: dict[str, Value]
    stream: str
    bad: bool = False

    @property
    def realtime(self) -> int:
        return FIRST + self.number * 1000

    @property
    def cursor(self) -> str:
        return f"s={self.stream};i={self.number:x};b={'01' * 16};m={self.number:x};t={self.realtime:x};x=0"


@dataclass
class FakeJournal:
    """``entries`` are those that are there. ``broken``: why it cannot be opened; ``failing``: why a read fails."""

    entries: list[Entry] = field(default_factory=list)
    broken: OSError | None = None
    failing: OSError | None = None
    stuck: bool = False  # a reader stays where it is
    opened: int = 0
    readers: list[FakeReader] = field(default_factory=list)
    _count: int = 0

    def write(self, entries: int | Iterable[Mapping[str, Value]], stream: str = STREAM) -> list[str]:
        """Write that many entries, or these; returns their messages."""
        given = entries if not isinstance(entries, int) else [self._plain(self._count + 1 + n) for n in range(entries)]
        messages = []
        for fields in given:
            self._count += 1
            self.entries.append(Entry(self._count, dict(fields), stream))
            found = fields.get("MESSAGE", b"")
            messages.append(found.decode("latin-1") if isinstance(found, bytes) else "")
        self.tell(Change.APPENDED)
        return messages

    def remove(self, entries: int) -> None:
        """Remove the oldest."""
        del self.entries[:entries]
        self.tell(Change.FILES)

    def tell(self, change: Change) -> None:
        """Let readers know that something has happened."""
        for reader in self.readers:
            reader.tell(change)

    def open(self, config: JournalConfig) -> Reader:
        """Open it, as ``reader.open_journal`` does."""
        if self.broken is not None:
            raise self.broken
        self.opened += 1
        reader = FakeReader(self)
        self.readers.append(reader)
        return reader

    @staticmethod
    def _plain(number: int) -> dict[str, Value]:
        return {"MESSAGE": b"line %d" % number, "_SYSTEMD_UNIT": b"app%d.service" % (number % 3), "PRIORITY": b"6"}


class FakeReader:
    reliable = True

    def __init__(self, journal: FakeJournal) -> None:
        self.journal = journal
        self.closed = False
        self._terms: tuple[Term, ...] = ()
        self._at: float = 0  # the number of the entry that it is at, or between two
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._change = Change.NOTHING

    def tell(self, change: Change) -> None:
        if not self.closed:
            self._change = change if change.value > self._change.value else self._change
            os.eventfd_write(self._fd, 1)

    def select(self, terms: Iterable[Term]) -> None:
        self._terms = tuple(terms)

    def next(self) -> bool:
        if self.journal.failing is not None:
            raise self.journal.failing
        if self.journal.stuck and self._at >= 1 and self._at == int(self._at):
            return True
        entries = self.journal.entries
        for entry in entries[bisect_right(entries, self._at, key=lambda e: e.number) :]:
            if self._selected(entry):
                self._at = entry.number
                return True
        return False

    def previous(self) -> bool:
        found = [e.number for e in self.journal.entries if e.number < self._at and self._selected(e)]
        if found:
            self._at = max(found)
        return bool(found)

    def seek_head(self) -> None:
        self._at = 0

    def seek_tail(self) -> None:
        self._at = math.inf

    def seek_cursor(self, cursor: str) -> None:
        try:
            self._at = int(cursor.split(";")[1].removeprefix("i="), 16) - 0.5
        except (IndexError, ValueError):
            raise OSError(errno.EINVAL, "Invalid argument") from None

    def seek_realtime(self, microseconds: int) -> None:
        self._at = min((e.number for e in self.journal.entries if e.realtime >= microseconds), default=math.inf) - 0.5

    def at(self, cursor: str) -> bool:
        return self._entry().cursor == cursor

    def cursor(self) -> str:
        return self._entry().cursor

    def realtime(self) -> int:
        return self._entry().realtime

    def monotonic(self) -> int:
        return self._entry().number

    def get(self, field: str) -> bytes | None:
        value = self._entry().fields.get(field)
        return value[0] if isinstance(value, list) else value

    def all(self) -> dict[str, Value]:
        return dict(self._entry().fields)

    def process(self) -> Change:
        change, self._change = self._change, Change.NOTHING
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._fd)
        return change

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        assert not self.closed
        self.closed = True
        self.journal.readers.remove(self)
        os.close(self._fd)

    def _entry(self) -> Entry:
        entries = self.journal.entries
        index = bisect_left(entries, self._at, key=lambda e: e.number)
        entry = entries[index] if index < len(entries) else None
        if entry is None or entry.number != self._at:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        if entry.bad:
            raise OSError(errno.EBADMSG, "Bad message")
        return entry

    def _selected(self, entry: Entry) -> bool:
        return selects(self._terms, entry.fields)
