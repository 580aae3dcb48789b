"""Dead letters: records that nobody takes, kept on this machine until somebody decides what to do with them.

:class:`Letters` is the SQLite file, :class:`DeadLetters` the thread of the daemon that writes it.

- A letter is durable when its result says so, and only then may an offset pass it (I2).
- A letter is unique by the file generation, the offset in it and the part of the line: a kill between keeping it and
  saving the offset doubles none.
- The file appears complete or not at all, with the first letter. A damaged one is renamed, never repaired.
- Others may read it, and remove from it, while the daemon runs: each statement is short, and SQLite's own locks are
  enough. So there is no WAL, whose index would be a mapping that a full disk can take away.

Knows nothing of Kafka. ``DeadLetters``: ``put`` and ``results`` by one thread, the file belongs to the thread
"dead-letters". ``Letters`` belongs to one thread at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from shipper.checkpoints import database
from shipper.checkpoints.statedir import sync_directory
from shipper.errors import StateBusy, StateError
from shipper.events import Events
from shipper.model import show_path

NAME = "deadletters.sqlite3"
LOCK = "deadletters.lock"  # held by whoever sends them again
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


class Result(NamedTuple):
    """What became of a letter: kept where ``problem`` is "". ``token`` is what came with it."""

    letter: Letter
    token: Any
    problem: str


class Damaged(Exception):
    """The file is there and is no file of dead letters. Says why."""


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
            for ending in ("", "-journal"):  # of a creation that was killed
                new.with_name(new.name + ending).unlink(missing_ok=True)
            os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # SQLite itself would ask the umask
            with contextlib.closing(_connect(new)) as db, _transaction(db):
                db.execute(SCHEMA)
                db.execute(f"PRAGMA application_id={APPLICATION_ID}")
                db.execute(f"PRAGMA user_version={VERSION}")
            os.rename(new, path)
            sync_directory(path.parent)
        except (OSError, sqlite3.Error) as error:
            raise StateError(f"cannot create {show_path(os.fsencode(path))}: {_reason(error)}") from error
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
            with _transaction(self._db):
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
        with self._doing("remove dead letters from"), _transaction(self._db):
            self._db.executemany("DELETE FROM letter WHERE seq = ?", [(number,) for number in numbers])

    def __len__(self) -> int:
        with self._doing("read"):
            return int(self._db.execute("SELECT count(*) FROM letter").fetchone()[0])

    def rename(self, old: str, new: str) -> int:
        """Give the letters of source ``old`` to ``new``; returns how many. Durable then."""
        with self._doing("rename the source of dead letters in"), _transaction(self._db):
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
            with _transaction(self._db):
                if self._pragma("user_version") < VERSION:  # another program may have been faster
                    self._db.execute(NEWER)
                    self._db.execute(f"PRAGMA user_version={VERSION}")

    @property
    def in_place(self) -> bool:
        """Whether the file under its name is the one that is open: SQLite would write to one without a name too."""
        try:
            found = os.stat(self.path)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._file

    def _pragma(self, name: str) -> Any:
        return self._db.execute(f"PRAGMA {name}").fetchone()[0]

    @contextlib.contextmanager
    def _doing(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise Damaged(_reason(error)) from error
            raise StateError(f"cannot {doing} {self._shown}: {_reason(error)}") from error


class DeadLetters:
    """Keeps letters on a thread of its own, so that a slow disk holds up nothing but the source of the letter.

    ``wake`` is called when there is a result. Nothing is touched on the disk before the first letter.
    """

    def __init__(self, state_dir: Path, most: int, events: Events, wake: Callable[[], None]) -> None:
        self._path = state_dir / NAME
        self._device = os.stat(state_dir).st_dev  # the directory is held: it is there
        self._most = most
        self._events = events
        self._wake = wake
        self._changed = threading.Condition()
        self._todo: deque[tuple[Letter, Any]] = deque()
        self._results: deque[Result] = deque()
        self._closing = False
        self._letters: Letters | None = None
        self._thread: threading.Thread | None = None

    def limit_to(self, most: int) -> None:
        """Let the file have ``most`` bytes from now on."""
        self._most = most

    def put(self, letter: Letter, token: Any) -> None:
        """Have a letter kept; never blocks. Its result will come with ``token``."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="dead-letters", daemon=True)
            self._thread.start()
        with self._changed:
            self._todo.append((letter, token))
            self._changed.notify()

    def results(self) -> Iterator[Result]:
        """Take what has become of letters since the last call."""
        while self._results:
            yield self._results.popleft()

    def close(self, timeout: float = 10.0) -> None:
        """Keep what was put, and let go of the file."""
        if self._thread is None:
            return
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout)

    # The thread "dead-letters", from here on.

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._todo or self._closing)
                if not self._todo:
                    break
                letter, token = self._todo.popleft()
            try:
                problem = self._keep(letter)
            except Exception as error:  # whatever it is: a thread that ended here would keep no more and say nothing
                problem = str(error) if isinstance(error, StateError) else f"{type(error).__name__}: {error}"
            self._results.append(Result(letter, token, problem))
            self._wake()
        if self._letters is not None:
            self._letters.close()

    def _keep(self, letter: Letter) -> str:
        if self._letters is not None and not self._letters.in_place:  # taken away: go on in what is there now
            self._letters.close()
            self._letters = None
            self._events.deadletters_removed(os.fsencode(self._path))
        try:
            if self._letters is None:
                self._letters = self._open()
            return self._letters.add(letter, self._most)
        except Damaged as damage:
            if self._letters is not None:
                self._letters.close()
            self._letters = self._replace(str(damage))
            return self._letters.add(letter, self._most)

    def _open(self) -> Letters:
        if not os.path.lexists(self._path):
            self._check_directory()
            return Letters.create(self._path)
        opened = Letters(self._path)
        try:
            opened.check()
        except BaseException:
            opened.close()
            raise
        return opened

    def _check_directory(self) -> None:
        """Make sure that no letter is kept on a bare mount point, to be hidden when the directory is mounted again."""
        directory = self._path.parent
        try:
            device = os.stat(directory).st_dev
        except OSError as error:
            raise StateError(f"state_dir {show_path(os.fsencode(directory))}: {error.strerror}") from error
        if device != self._device and not os.path.lexists(directory / database.NAME):
            raise StateError(
                f"state_dir {show_path(os.fsencode(directory))}: another file system is there now; mount the right one "
                "again"
            )

    def _replace(self, reason: str) -> Letters:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        moved = self._path.with_name(f"{self._path.name}.damaged-{stamp}")
        try:
            for ending in ("", "-journal"):
                with contextlib.suppress(FileNotFoundError):
                    os.rename(self._path.with_name(self._path.name + ending), moved.with_name(moved.name + ending))
            sync_directory(self._path.parent)
        except OSError as error:
            shown = show_path(os.fsencode(self._path))
            raise StateError(f"cannot set the damaged file {shown} aside: {_reason(error)}") from error
        self._events.deadletters_set_aside(os.fsencode(self._path), os.fsencode(moved), reason)
        return Letters.create(self._path)


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


@contextlib.contextmanager
def only_sender(state_dir: Path) -> Iterator[None]:
    """Make sure that nobody else sends the letters of ``state_dir`` again meanwhile; raises StateBusy."""
    path = state_dir / LOCK
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateError(f"cannot open {show_path(os.fsencode(path))}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateBusy("the dead letters are being sent again by another program; wait for its end") from None
        yield
    finally:
        os.close(lock)


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(
        path.absolute().as_uri() + "?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=LOCK_TIMEOUT,
    )
    try:
        # EXTRA: also the removal of the journal is durable, or a power cut could take a letter back.
        for pragma in ("journal_mode=DELETE", "synchronous=EXTRA", "cell_size_check=ON", "trusted_schema=OFF"):
            db.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        db.close()
        raise
    return db


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite rolls back by itself after some errors
            db.execute("ROLLBACK")
        raise


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)
