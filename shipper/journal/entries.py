"""Reads entry after entry, over damaged ones and over what was vacuumed away. No clock, no Kafka; pump thread only.

Where it is, is a cursor; after a rewind, a restart or an error it goes there again. It never begins anew at the head
because a cursor is not there any more: the library then finds the first entry after it, by number or by time.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from shipper.journal.cursor import between, order
from shipper.journal.reader import Change, Reader
from shipper.journal.selection import Term

BAD_IN_A_ROW = 256  # entries that cannot be read, after which others have their turn
CAUGHT_UP = 1000  # entries after the end within which a new file may hold older ones
MESSAGE = "MESSAGE"


class Entry(NamedTuple):
    """One entry. ``message`` is ``None`` where it has none; ``time``: milliseconds since 1970; ``size``: its bytes."""

    message: bytes | None
    fields: dict[str, Any]
    time: int
    cursor: str
    size: int


class Gap(NamedTuple):
    """Entries that were gone before they were read: after ``before`` comes ``after``; ``entries``: so many at most.

    None where that cannot be told.
    """

    before: str
    after: str
    entries: int | None


class Entries:
    """The entries of one journal that a source selects.

    ``wanted``: fields that are asked for, ``None`` for all. ``on_gap`` and ``on_damage`` are told what was met with:
    the latter how many entries, and why. ``whole``: no entry is left out by what is selected, so that their numbers
    tell which are missing.
    """

    def __init__(
        self,
        reader: Reader,
        terms: Sequence[Term],
        wanted: Iterable[str] | None,
        on_gap: Callable[[Gap], None],
        on_damage: Callable[[int, str], None],
        *,
        whole: bool,
    ) -> None:
        self.reader = reader
        self._terms = terms
        self._wanted = None if wanted is None else tuple(name for name in wanted if name.isupper() and name.isascii())
        self._on_gap = on_gap
        self._on_damage = on_damage
        self._whole = whole and not terms
        self._last = ""  # the cursor of the last entry
        self._place = ("", 0)  # what it says
        self._since_end = CAUGHT_UP  # entries since there was nothing more to read
        self._here = False  # the reader is at an entry that was not given yet
        self._vacant = False  # neither the last entry nor any after it was there when it was sought
        self.at_end = False

    # --- where to begin ----------------------------------------------------------------------------------------------

    def end(self) -> str:
        """Return the cursor of the last entry of all, "" where there is none."""
        self.reader.select(())
        self.reader.seek_tail()
        return self.reader.cursor() if self.reader.previous() else ""

    def since(self, microseconds: int) -> str:
        """Return the cursor of the last entry before a time, "" where there is none."""
        self.reader.select(())
        self.reader.seek_realtime(microseconds)
        if not self.reader.next():
            return self.end()
        return self.reader.cursor() if self.reader.previous() else ""

    def seek(self, cursor: str) -> None:
        """Go on after the entry at ``cursor``, at the beginning where it is ""; raises OSError."""
        self._last, self._place = cursor, order(cursor)
        self._here = self._vacant = False
        reader = self.reader
        reader.select(())
        if not cursor:
            reader.seek_head()
            reader.select(self._terms)
            return
        reader.seek_cursor(cursor)
        if not reader.next():
            self._vacant = True  # what comes later tells whether it follows
            return
        if self._is_beyond(cursor) and (after := self._cursor()):
            gap = Gap(cursor, after, between(cursor, after))
            if gap.entries != 0:  # else it was the last entry of what was removed
                self._on_gap(gap)
                self._last, self._place = "", ("", 0)  # and are not told as missing, too
        if self._terms:
            reader.select(self._terms)
        reader.seek_cursor(cursor)
        self._here = reader.next() and self._is_beyond(cursor)

    def _is_beyond(self, cursor: str) -> bool:
        """Whether the first entry from ``cursor`` on, which it is at, is another one."""
        try:
            return not self.reader.at(cursor)
        except OSError:  # it is damaged: that which was sent, or one that is to be passed over
            return False

    def _cursor(self) -> str:
        try:
            return self.reader.cursor()
        except OSError:
            return ""

    # --- reading -----------------------------------------------------------------------------------------------------

    def next(self) -> Entry | None:
        """Return the next entry; ``None`` at the end (``at_end`` is then true), or where many were bad.

        Raises OSError where it cannot go on.
        """
        if self._vacant:
            self.seek(self._last)
            if self._vacant:
                self.at_end = True
                self._since_end = 0
                return None
        reader = self.reader
        self.at_end = False
        stays = 0
        for _ in range(BAD_IN_A_ROW):
            if self._here:
                self._here = False
            elif not reader.next():
                self.at_end = True
                self._since_end = 0
                return None
            try:
                cursor = reader.cursor()
                if cursor == self._last:
                    stays += 1
                    continue
                entry = self._entry(cursor)
            except OSError as error:
                self._on_damage(1, error.strerror or str(error))
                continue
            if self._whole and (missing := self._missing(cursor)):
                # A file that has come just now may hold them. With much to read it is not asked for: what the library
                # hears of then it also lets go of, files that were removed and are not read to their end.
                if self._since_end < CAUGHT_UP and reader.process() is not Change.NOTHING:
                    self.seek(self._last)
                    continue
                self._on_damage(missing, "entries are not where they should be")
            self._since_end += 1
            self._last = cursor
            self._place = order(cursor) if self._whole else ("", 0)
            return entry
        if stays == BAD_IN_A_ROW:
            raise OSError(errno.EBADMSG, "the library gives the same entry again and again")
        return None

    def _missing(self, cursor: str) -> int:
        """Return how many entries there should have been before this one."""
        stream, number = order(cursor)
        before, last = self._place
        return max(0, number - last - 1) if stream == before and stream else 0

    def _entry(self, cursor: str) -> Entry:
        reader = self.reader
        time = reader.realtime()
        if self._wanted is None:
            return self._of_all(cursor, time)
        message = reader.get(MESSAGE)
        fields: dict[str, Any] = {}
        for name in self._wanted:
            if (value := reader.get(name)) is not None:
                fields[name] = text(value)
        return Entry(message, fields, time // 1000, cursor, len(message or b""))

    def _of_all(self, cursor: str, time: int) -> Entry:
        found = self.reader.all()
        message = found.pop(MESSAGE, None)
        if isinstance(message, list):  # who writes several means them to be fields
            found[MESSAGE], message = message, message[0]
        size = 0
        try:  # nearly always all of them are text, each there once
            fields: dict[str, Any] = {name: value.decode() for name, value in found.items()}  # type: ignore[union-attr]
            size = sum(map(len, found.values()))
        except (UnicodeDecodeError, AttributeError):
            fields = {}
            for name, value in found.items():
                several = value if isinstance(value, list) else [value]
                fields[name] = [text(one) for one in several] if isinstance(value, list) else text(value)
                size += sum(map(len, several))
        fields["__CURSOR"] = cursor
        fields["__REALTIME_TIMESTAMP"] = str(time)
        fields["__MONOTONIC_TIMESTAMP"] = str(self.reader.monotonic())
        return Entry(message, fields, time // 1000, cursor, size + len(message or b""))


def text(value: bytes) -> str | bytes:
    """Return a field's value as text, if it is."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value
