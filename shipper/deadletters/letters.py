"""The file of dead letters. Knows nothing of who sent them, nor of who sends them again.

- A letter is unique by the file generation, the offset in it and the part of the line: a kill between keeping it and
  saving the offset doubles none.
- The file appears complete or not at all, with the first letter. A damaged one is renamed, never repaired.
- Others may read it, and remove from it, while the daemon runs: each statement is short, and SQLite's own locks are
  enough. So there is no WAL, whose index would be a mapping that a full disk can take away.

:class:`Letters` belongs to one thread at a time.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipper import sqlite
from shipper.checkpoints.statedir import sync_directory
from shipper.errors import StateError
from shipper.model import show_path
from shipper.sqlite import Damaged, transaction

NAME = "deadletters.sqlite3"
APPLICATION_ID = 0x73686964  # "shid"
VERSION = 2
SCHEMA = """
    CREATE TABLE letter (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL, generation INTEGER NOT NULL, offset INTEGER NOT NULL,
        part INTEGER NOT NULL, source TEXT NOT NULL, path BLOB NOT NULL, topic TEXT NOT NULL, key BLOB NOT NULL,
        headers TEXT NOT NULL, reason TEXT NOT NULL, meaning TEXT NOT NULL, time REAL NOT NULL, value BLOB NOT NULL,
        timestamp INTEGER NOT NULL DEFAULT 0, UNIQUE (uid, generation, offset, part)
    )
"""
COLUMNS = "uid, generation, offset, part, source, path, topic, key, headers, reason, meaning, time, value, timestamp"
INSERT = f"INSERT OR IGNORE INTO letter ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
KNOWN = "SELECT 1 FROM letter WHERE uid = ? AND generation = ? AND offset = ? AND part = ?"
NEXT = f"SELECT seq, {COLUMNS} FROM letter WHERE seq > ? ORDER BY seq LIMIT 1"  # noqa: S608
NEWER = "ALTER TABLE letter ADD COLUMN timestamp INTEGER NOT NULL DEFAULT 0"  # what version 1 lacks
LOCK_TIMEOUT = 10.0  # seconds to wait for another program that has the file locked
OVERHEAD = 4096  # bytes a letter may need beside its value and key, at most
JOURNAL = "-journal"  # what SQLite adds to the name of the file that it rolls back by
# EXTRA: also the removal of the journal is durable, or a power cut could take a letter back.
PRAGMAS = ("journal_mode=DELETE", "synchronous=EXTRA", "cell_size_check=ON", "trusted_schema=OFF")


@dataclass(frozen=True, slots=True)
class Letter:
    """One record that was refused for good, and where it stands. ``part`` is 0 unless it is a part of a long line.

    Of an entry of the journal ``path`` is empty, and ``uid`` is its cursor.
    """

    uid: str
    generation: int
    offset: int
    part: int
    source: str
    path: bytes
    topic: str
    key: bytes
    headers: tuple[tuple[str, bytes], ...]
    reason: str  # the error's name
    meaning: str  # the same in plain words
    time: float  # seconds since 1970
    value: bytes
    timestamp: int = 0  # of the record, in milliseconds since 1970; 0: the time of sending

    @property
    def cursor(self) -> str:
        """Which entry of the journal it is, "" for a line of a file."""
        return "" if self.path else self.uid

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        return f"{show_path(self.path)} at offset {self.offset:,}" if self.path else f"the journal at {self.uid}"


class Letters:
    """An open file of dead letters. The constructor raises Damaged, or StateError where it may well be sound."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._shown = show_path(os.fsencode(path))
        with self._doing("open"):
            self._db = _connect(path)
        try:
            with self._doing("read"):
                self._verify()
        except BaseException:
            self._db.close()
            raise

    @classmethod
    def create(cls, path: Path) -> Letters:
        """Make an empty file."""
        new = path.with_name(path.name + ".new")
        try:
            sqlite.make_file(new, [JOURNAL])
            with contextlib.closing(_connect(new)) as db, transaction(db):
                db.execute(SCHEMA)
                db.execute(f"PRAGMA application_id={APPLICATION_ID}")
                db.execute(f"PRAGMA user_version={VERSION}")
            os.rename(new, path)
            sync_directory(path.parent)
        except (OSError, sqlite3.Error) as error:
            raise StateError(f"cannot create {show_path(os.fsencode(path))}: {reason(error)}") from error
        return cls(path)

    def check(self) -> None:
        """Read all of the file's structure; raises Damaged."""
        with self._doing("read"):
            found = self._pragma("quick_check(1)")
        if found != "ok":
            raise Damaged(str(found))

    def add(self, letter: Letter, most: int) -> str:
        """Keep a letter, unless the file would grow beyond ``most`` bytes; returns why not, or "". Durable then."""
        where = (letter.uid, letter.generation, letter.offset, letter.part)
        with self._doing("keep a dead letter in"):
            if not self.in_place:
                raise StateError(f"{self._shown} was removed or replaced while it was in use")
            if self._db.execute(KNOWN, where).fetchone() is not None:
                return ""
            if self.used() + len(letter.value) + len(letter.key) + OVERHEAD > most:
                return f"the dead letters have reached shipper.deadletter_max ({most:,} bytes)"
            with transaction(self._db):
                self._db.execute(
                    INSERT,
                    (
                        *(*where, letter.source, letter.path, letter.topic, letter.key),
                        json.dumps([(name, value.decode("latin-1")) for name, value in letter.headers]),
                        *(letter.reason, letter.meaning, letter.time, letter.value, letter.timestamp),
                    ),
                )
        return ""

    def __iter__(self) -> Iterator[tuple[int, Letter]]:
        """Yield the letters, oldest first, each with its number; the file is locked for one at a time only."""
        seq = 0
        while True:
            with self._doing("read"):
                row = self._db.execute(NEXT, (seq,)).fetchone()
            if row is None:
                return
            seq, uid, generation, offset, part, source, path, topic, key, headers, *rest = row
            named = tuple((name, text.encode("latin-1")) for name, text in json.loads(headers))
            place = (uid, generation, offset, part, source, path, topic, key)
            yield seq, Letter(*place, named, *rest)

    def remove(self, numbers: Sequence[int]) -> None:
        """Remove letters by their numbers; durable when it returns."""
        with self._doing("remove dead letters from"), transaction(self._db):
            self._db.executemany("DELETE FROM letter WHERE seq = ?", [(number,) for number in numbers])

    def __len__(self) -> int:
        with self._doing("read"):
            return int(self._db.execute("SELECT count(*) FROM letter").fetchone()[0])

    def rename(self, old: str, new: str) -> int:
        """Give the letters of source ``old`` to ``new``; returns how many. Durable then."""
        with self._doing("rename the source of dead letters in"), transaction(self._db):
            return self._db.execute("UPDATE letter SET source = ? WHERE source = ?", (new, old)).rowcount

    def used(self) -> int:
        """Return how many bytes of the file hold something."""
        with self._doing("read"):
            return int(self._pragma("page_size") * (self._pragma("page_count") - self._pragma("freelist_count")))

    def close(self) -> None:
        """Close; whatever fails then has been durable before."""
        with contextlib.suppress(sqlite3.Error):
            self._db.close()

    def _verify(self) -> None:
        found = os.stat(self.path)
        self._file = (found.st_dev, found.st_ino)
        if self._pragma("application_id") != APPLICATION_ID:
            raise Damaged("it is not a file of dead letters")
        version = self._pragma("user_version")
        if version > VERSION:
            raise StateError(
                f"{self._shown} was written by a newer shipper: its format is {version}, and this version knows "
                f"{VERSION}; run that version"
            )
        if version < VERSION:
            with transaction(self._db):
                if self._pragma("user_version") < VERSION:  # another program may have been faster
                    self._db.execute(NEWER)
                    self._db.execute(f"PRAGMA user_version={VERSION}")

    @property
    def in_place(self) -> bool:
        """Whether the file under its name is the one that is open: SQLite would write to one without a name too."""
        return sqlite.is_at(self.path, self._file)

    def _pragma(self, name: str) -> Any:
        return sqlite.pragma(self._db, name)

    @contextlib.contextmanager
    def _doing(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise Damaged(reason(error)) from error
            raise StateError(f"cannot {doing} {self._shown}: {reason(error)}") from error


def open_letters(state_dir: Path) -> Letters | None:
    """Open the dead letters of a state directory for a command; None where there never were any. Raises StateError."""
    path = state_dir / NAME
    try:
        os.stat(path)
    except FileNotFoundError:
        if state_dir.is_dir():
            return None
        raise StateError(
            f"state_dir {show_path(os.fsencode(state_dir))}: is no directory; is this the daemon's configuration?"
        ) from None
    except OSError as error:
        raise StateError(f"cannot read {show_path(os.fsencode(path))}: {error.strerror}") from error
    try:
        return Letters(path)
    except Damaged as damage:
        raise StateError(
            f"{show_path(os.fsencode(path))}: {damage}; the daemon sets it aside when it keeps the next letter"
        ) from damage


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite.connect(path, PRAGMAS, timeout=LOCK_TIMEOUT)


def reason(error: Exception) -> str:
    """Say why a file could not be used."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)
