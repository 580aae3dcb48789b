"""The seam to systemd's library: one open journal, as far as we use it. One thread.

Its names are those of the library, which the binding for Python hands through. Of the binding we use what its own
``Reader.get_next`` is made of: with all its converters an entry takes 13 microseconds, with the fields that are wanted
less than 3 (bench/RESULTS.md).
"""

from __future__ import annotations

import errno
import importlib.util
from collections.abc import Iterable
from enum import Enum
from typing import Any, Protocol

from shipper.config import Config, JournalConfig
from shipper.errors import ConfigError
from shipper.journal.selection import Term

ALL_NAMESPACES, WITH_DEFAULT = 1 << 5, 1 << 6  # flags of sd_journal_open_namespace(3), which the binding does not name


class Change(Enum):
    """What has happened to a journal."""

    NOTHING = 0
    APPENDED = 1  # entries have come
    FILES = 2  # files have come or gone


class Reader(Protocol):
    """An open journal. Anything may raise OSError: what the library says of a damaged file."""

    def select(self, terms: Iterable[Term]) -> None:
        """See only entries that have all of ``terms``; none: see all."""

    def next(self) -> bool:
        """Go to the next entry; False at the end."""

    def previous(self) -> bool:
        """Go to the entry before; False at the beginning."""

    def seek_head(self) -> None:
        """Go before the first entry."""

    def seek_tail(self) -> None:
        """Go behind the last entry."""

    def seek_cursor(self, cursor: str) -> None:
        """Go before the entry at ``cursor``, or the first one after it; raises OSError for what is no cursor."""

    def seek_realtime(self, microseconds: int) -> None:
        """Go before the first entry that is not older."""

    def at(self, cursor: str) -> bool:
        """Whether the entry that it is at is the one at ``cursor``."""

    def cursor(self) -> str:
        """Return that of the entry."""

    def realtime(self) -> int:
        """Return when it was written, in microseconds since 1970."""

    def monotonic(self) -> int:
        """Return the same in microseconds since the boot."""

    def get(self, field: str) -> bytes | None:
        """Return the first value of a field; ``None`` where there is none."""

    def all(self) -> dict[str, bytes | list[bytes]]:
        """Return all fields."""

    def process(self) -> Change:
        """Take note of what has happened to the journal."""

    def fileno(self) -> int:
        """Return what becomes readable when something has happened."""

    @property
    def reliable(self) -> bool:
        """Whether it does so for all that happens: not on a network file system."""

    def close(self) -> None:
        """Let go of it."""


def check_library(config: Config) -> None:
    """Raise ConfigError where a source reads the journal and the library is not there."""
    names = [name for name, source in config.sources.items() if isinstance(source, JournalConfig)]
    if not names or importlib.util.find_spec("systemd") is not None:
        return
    needs = 'type = "journald" needs systemd-python; install it: pip install "shipper[systemd]"'
    raise ConfigError([f"sources.{name}: {needs}" for name in names])


def open_journal(config: JournalConfig) -> Reader:
    """Open the journal that ``config`` describes; raises OSError."""
    if config.directory:
        return _Systemd(path=config.directory)
    if config.namespace == "*":
        return _Systemd(flags=ALL_NAMESPACES)
    if config.namespace:
        flags = WITH_DEFAULT if config.namespace.startswith("+") else 0
        return _Systemd(flags=flags, namespace=config.namespace.removeprefix("+"))
    return _Systemd()


def try_file(path: str) -> OSError | None:
    """Return why the library does not read one file of a journal, ``None`` where it does."""
    try:
        _Systemd(files=[path]).close()
    except OSError as error:
        return error
    return None


class _Systemd:
    """The library's."""

    def __init__(self, **how: Any) -> None:
        from systemd import journal

        self._of = _of = journal.Reader(**how)
        _of.data_threshold = 0  # else the library shortens what is long and compressed
        self._changes = {journal.APPEND: Change.APPENDED, journal.INVALIDATE: Change.FILES}
        self.next = _of._next  # noqa: SLF001 - what get_next is made of
        self.cursor = _of._get_cursor  # noqa: SLF001
        self.realtime = _of._get_realtime  # noqa: SLF001
        self.all = _of._get_all  # noqa: SLF001
        self._get = _of._get  # noqa: SLF001
        self.seek_head = _of.seek_head
        self.seek_tail = _of.seek_tail
        self.at = _of.test_cursor
        self.close = _of.close
        self._fd = _of.fileno()  # from now on it is told what happens

    def select(self, terms: Iterable[Term]) -> None:
        self._of.flush_matches()
        for n, term in enumerate(terms):
            if n:
                self._of.add_conjunction()
            for m, alternative in enumerate(term):
                if m:
                    self._of.add_disjunction()
                for match in alternative:
                    self._of.add_match(match)

    def previous(self) -> bool:
        return bool(self._of._previous())  # noqa: SLF001

    def seek_cursor(self, cursor: str) -> None:
        try:
            self._of.seek_cursor(cursor)
        except ValueError as wrong:
            raise OSError(errno.EINVAL, str(wrong)) from None

    def seek_realtime(self, microseconds: int) -> None:
        self._of.seek_realtime(microseconds)

    def monotonic(self) -> int:
        return int(self._of._get_monotonic()[0])  # noqa: SLF001

    def get(self, field: str) -> bytes | None:
        try:
            return bytes(self._get(field))
        except KeyError:
            return None

    def process(self) -> Change:
        return self._changes.get(self._of.process(), Change.NOTHING)

    def fileno(self) -> int:
        return int(self._fd)

    @property
    def reliable(self) -> bool:
        return bool(self._of.reliable_fd())
