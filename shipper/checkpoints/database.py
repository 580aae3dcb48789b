"""The SQLite file: its schema and migrations, how it is made, verified and set aside.

- Every write is one transaction, durable when its call returns (WAL, ``synchronous=FULL``).
- The file appears complete or not at all: it is built under another name and renamed. So a file that is there and is
  not a store of ours, an empty one included, is damaged, never one that was just begun.
- Each row carries a checksum (``rows``).
- A damaged store is renamed, never repaired (SQLite itself may move its WAL into it when it lets go of it). The new
  store notes where the old one went.

A ``Database`` belongs to one thread at a time.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from shipper import sqlite
from shipper.checkpoints.rows import DELETE, SELECT, checkpoint_of, insert, reseal, sealed, unsealed
from shipper.checkpoints.statedir import sync_directory
from shipper.errors import StateError
from shipper.model import Checkpoint, Edit, SourceState, show_path
from shipper.sqlite import Damaged, transaction

NAME = "checkpoints.sqlite3"
DAMAGED = ".damaged"  # what follows NAME where a store was set aside, and then its time
COMPANIONS = ("-wal", "-shm")  # the endings of the files that make up one SQLite database with its own

APPLICATION_ID = 0x73686970  # "ship"
MIGRATIONS: tuple[tuple[str, ...], ...] = (  # the step at index n makes version n + 1 (``user_version``) from n
    (
        "CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL, sum INTEGER NOT NULL) WITHOUT ROWID",
        # A source is in here once its first scan is recorded.
        "CREATE TABLE source (name TEXT NOT NULL PRIMARY KEY, sum INTEGER NOT NULL) WITHOUT ROWID",
        # Names are BLOBs, for they need not be UTF-8. file_id is "device:inode", for an inode may have 64 bits, and
        # SQLite's integers have 63.
        """
        CREATE TABLE checkpoint (
            source TEXT NOT NULL, uid TEXT NOT NULL, path BLOB NOT NULL, seen_as BLOB NOT NULL, file_id TEXT NOT NULL,
            generation INTEGER NOT NULL, offset INTEGER NOT NULL, head_len INTEGER NOT NULL, head BLOB NOT NULL,
            mark_at INTEGER NOT NULL, mark BLOB NOT NULL, size INTEGER NOT NULL, state TEXT NOT NULL,
            compression TEXT NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY (source, uid)
        ) WITHOUT ROWID
        """,
    ),
    (
        "ALTER TABLE checkpoint ADD COLUMN revision INTEGER NOT NULL DEFAULT 0",
        """
        UPDATE checkpoint SET sum = reseal(
            source, uid, path, seen_as, file_id, generation, offset, head_len, head, mark_at, mark, size, state,
            compression, revision, sum
        )
        """,
    ),
    (
        "ALTER TABLE checkpoint ADD COLUMN start INTEGER NOT NULL DEFAULT 0",
        "UPDATE checkpoint SET start = offset",  # where it really began was not kept: an audit judges what comes now
        """
        UPDATE checkpoint SET sum = reseal(
            source, uid, path, seen_as, file_id, generation, offset, head_len, head, mark_at, mark, size, state,
            compression, revision, start, sum
        )
        """,
    ),
    (
        """
        CREATE TABLE edit (
            number INTEGER NOT NULL, source TEXT NOT NULL, uid TEXT NOT NULL, becomes TEXT NOT NULL,
            sum INTEGER NOT NULL, PRIMARY KEY (number, source, uid)
        ) WITHOUT ROWID
        """,
    ),
    (
        "ALTER TABLE checkpoint ADD COLUMN cursor TEXT NOT NULL DEFAULT ''",
        """
        UPDATE checkpoint SET sum = reseal(
            source, uid, path, seen_as, file_id, generation, offset, head_len, head, mark_at, mark, size, state,
            compression, revision, start, cursor, sum
        )
        """,
    ),
)
PRAGMAS = (
    # The state directory's lock keeps others out anyway; this way the WAL's index is in our memory instead of a
    # shared mapping (-shm), whose pages a full disk could take away under us (SIGBUS).
    "locking_mode=EXCLUSIVE",
    "synchronous=FULL",  # in WAL mode NORMAL would not sync at a commit
    "wal_autocheckpoint=1000",  # pages: the WAL goes into the file at 4 MiB ...
    "journal_size_limit=4194304",  # ... and is cut back to that after a transaction that was larger
    "cell_size_check=ON",
    "trusted_schema=OFF",
)
# Keys in ``meta``.
SET_ASIDE = "set_aside"  # the name of the store that this one replaced
DELIVERY, EPOCH = "delivery", "epoch"  # how the daemon delivered when it last ran, and how often that had changed
EDITS = "edits"  # how many edits there were; those that concern checkpoints elsewhere are rows of ``edit``


class Database:
    """An open, verified store. The constructor raises Damaged, or StateError where it may well be sound."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._shown = show_path(os.fsencode(path))
        self._file = self._regular_file()
        with self._reading():
            self._connection = _connect(path)
        try:
            with self._reading():
                version = self._verify()
                self._pragma("journal_mode=WAL")  # only now: it would change a file that is not ours
            if version < len(MIGRATIONS):
                with self._writing(f"bring format {version} to {len(MIGRATIONS)}"):
                    _migrate(self._connection, version)
            with self._reading():
                self._verify_rows()
        except BaseException:
            self._connection.close()
            raise

    @classmethod
    def create(cls, path: Path, set_aside: str | None = None) -> Database:
        """Make an empty store. ``set_aside``: the name of the damaged one that it replaces."""
        new = path.with_name(path.name + ".new")
        shown = show_path(os.fsencode(path))
        try:
            sqlite.make_file(new, ("-journal", "-wal"))
            connection = _connect(new)
            try:
                connection.execute("PRAGMA journal_mode=WAL").fetchall()
                with transaction(connection):
                    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
                    _migrate(connection, 0)
                    if set_aside is not None:
                        connection.execute("INSERT INTO meta VALUES (?, ?, ?)", sealed((SET_ASIDE, set_aside)))
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # all of it into the file, durably
            finally:
                connection.close()
            os.rename(new, path)
            sync_directory(path.parent)
        except (OSError, sqlite3.Error) as error:
            raise StateError(f"cannot create the checkpoint store {shown}: {_reason(error)}") from error
        return cls(path)

    def load(self, source: str | None = None) -> dict[str, SourceState]:
        """Read everything, or all of one source; raises Damaged."""
        files: dict[str, list[Checkpoint]] = {}
        with self._reading(), _no_collector():
            scanned = self.scanned()
            rows = self._rows(SELECT) if source is None else self._rows(f"{SELECT} WHERE source = ?", (source,))
            for row in rows:
                checkpoint = checkpoint_of(row)
                files.setdefault(checkpoint.source, []).append(checkpoint)
        return {name: SourceState(name in scanned, files.get(name, [])) for name in sorted(scanned | files.keys())}

    def scanned(self) -> set[str]:
        """Return the sources whose first scan is recorded; raises Damaged."""
        with self._reading():
            return {name for (name,) in self._rows("SELECT name, sum FROM source")}

    def set_aside(self) -> str | None:
        """Return the name of the damaged store that this one replaced; raises Damaged."""
        with self._reading():
            return dict(self._rows("SELECT key, value, sum FROM meta")).get(SET_ASIDE)

    def delivery(self) -> tuple[str, int]:
        """Return how the daemon delivered when it last ran ("" where it never did), and its epoch; raises Damaged."""
        with self._reading():
            meta = dict(self._rows("SELECT key, value, sum FROM meta"))
        return meta.get(DELIVERY, ""), int(meta.get(EPOCH, "0"))

    def set_delivery(self, delivery: str, epoch: int) -> None:
        """Note how the daemon delivers from now on; raises StateError."""
        with self._writing("note kafka.delivery"):
            for pair in ((DELIVERY, delivery), (EPOCH, str(epoch))):
                self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", sealed(pair))

    def edits(self) -> tuple[int, list[Edit]]:
        """Return how many edits there were, and those to be done elsewhere too, in order; raises Damaged."""
        with self._reading():
            count = int(dict(self._rows("SELECT key, value, sum FROM meta")).get(EDITS, "0"))
            rows = self._rows("SELECT number, source, uid, becomes, sum FROM edit ORDER BY number, source, uid")
            return count, [Edit(*row) for row in rows]

    def set_edits(self, count: int) -> None:
        """Count the next edit from ``count``; raises StateError."""
        with self._writing("note how often checkpoints were edited"):
            self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", sealed((EDITS, str(count))))

    def edit(
        self,
        changed: Iterable[Checkpoint],
        removed: Iterable[tuple[str, str]],
        edits: Sequence[Edit],
        *,
        scanned: Iterable[str] = (),
        unscanned: Iterable[str] = (),
    ) -> None:
        """Do one edit in one transaction; raises StateError.

        ``edits`` are what is to be done elsewhere. Of the sources ``scanned`` the first scan is recorded from now on,
        of ``unscanned`` it is not.
        """
        with self._writing("edit checkpoints"):
            self._connection.executemany(DELETE, removed)
            insert(self._connection, changed)
            for source in unscanned:
                self._connection.execute("DELETE FROM source WHERE name = ?", (source,))
            for source in scanned:
                self._connection.execute("INSERT OR REPLACE INTO source VALUES (?, ?)", sealed((source,)))
            for edit in edits:
                self._connection.execute("INSERT INTO edit VALUES (?, ?, ?, ?, ?)", sealed(tuple(edit)))
                pair = (EDITS, str(edit.number))
                self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", sealed(pair))

    def save(
        self, changed: Iterable[Checkpoint], removed: Iterable[tuple[str, str]], whole: Iterable[str] = ()
    ) -> None:
        """Save and remove checkpoints in one transaction; raises StateError.

        ``changed`` are all that there are of the sources in ``whole``, whose first scan is thereby recorded.
        """
        with self._writing("save checkpoints"):
            for source in whole:
                self._connection.execute("DELETE FROM checkpoint WHERE source = ?", (source,))
                self._connection.execute("INSERT OR REPLACE INTO source VALUES (?, ?)", sealed((source,)))
            insert(self._connection, changed)
            self._connection.executemany(DELETE, removed)

    def record_first_scan(self, source: str, files: Sequence[Checkpoint]) -> None:
        """Save a source's first files, and that it has been scanned, in one transaction; raises StateError."""
        with self._writing(f'record the first scan of source "{source}"'):
            insert(self._connection, files)
            self._connection.execute("INSERT OR REPLACE INTO source VALUES (?, ?)", sealed((source,)))
        # Out of the WAL at once: what SQLite finds damaged in a WAL it leaves out without a word, and a forgotten
        # first scan would be made again, at the files' ends. A failure leaves it in the WAL, where it is durable too.
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @property
    def in_place(self) -> bool:
        """Whether the file under the store's name is the one that is open."""
        return sqlite.is_at(self.path, self._file)

    @property
    def device(self) -> int:
        """The file system that it is on."""
        return self._file[0]

    def close(self) -> None:
        """Close; whatever fails then has been durable before."""
        self._file = (0, 0)
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def _regular_file(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except OSError as error:
            raise StateError(f"cannot read the checkpoint store {self._shown}: {error.strerror}") from error
        if not stat.S_ISREG(found.st_mode):
            raise StateError(f"the checkpoint store {self._shown} is not a regular file; move it away")
        for ending in ("", *COMPANIONS):  # SQLite would open them read-only, and only the first save would tell
            file = self.path.with_name(self.path.name + ending)
            if file.exists() and not os.access(file, os.R_OK | os.W_OK, effective_ids=True):
                raise StateError(
                    f"{show_path(os.fsencode(file))}: not readable and writable by uid {os.geteuid()}; "
                    "give it to that user"
                )
        if found.st_size == 0:
            raise Damaged("it is empty")
        return found.st_dev, found.st_ino

    def _verify(self) -> int:
        application_id, version = (self._pragma("application_id"), self._pragma("user_version"))
        if application_id != APPLICATION_ID or version < 1:
            raise Damaged("it is not a checkpoint store")
        if version > len(MIGRATIONS):
            raise StateError(
                f"{self._shown} was written by a newer shipper: its format is {version}, and this version knows "
                f"{len(MIGRATIONS)}; run that version, or set another state_dir"
            )
        found = self._pragma("quick_check(1)")
        if found != "ok":
            raise Damaged(str(found))
        return int(version)

    def _verify_rows(self) -> None:
        self.set_aside()
        self.scanned()
        self.edits()
        for _ in self._rows(SELECT):
            pass

    def _rows(self, query: str, given: Sequence[str] = ()) -> Iterator[Any]:
        # The cursor is closed before the connection is: one that lived on would keep the connection alive, which then
        # removes the -wal by its name at some later time, when that is the WAL of the next store.
        with contextlib.closing(self._connection.execute(query, given)) as cursor:
            for row in cursor:
                yield unsealed(row)

    def _pragma(self, name: str) -> Any:
        return sqlite.pragma(self._connection, name)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if _is_damage(error):
                raise Damaged(_reason(error)) from error
            raise StateError(f"cannot read the checkpoint store {self._shown}: {_reason(error)}") from error

    @contextlib.contextmanager
    def _writing(self, doing: str) -> Iterator[None]:
        try:
            self._check_in_place()
            with transaction(self._connection):
                yield
        except (OSError, sqlite3.Error) as error:
            raise StateError(f"cannot {doing} in {self._shown}: {_reason(error)}") from error

    def _check_in_place(self) -> None:
        # SQLite would go on writing to a file that has no name any more.
        if not self.in_place:
            raise StateError(f"{self._shown} was removed or replaced while it was in use")


def set_aside(path: Path, stamp: str) -> str:
    """Rename a damaged store; returns its new name. Killed on the way, :func:`lost` finds what it did."""
    name = f"{path.name}{DAMAGED}-{stamp}"
    again = 1
    while os.path.lexists(path.with_name(name)):
        again += 1
        name = f"{path.name}{DAMAGED}-{stamp}-{again}"
    try:
        sqlite.rename(path, name, COMPANIONS)
        sync_directory(path.parent)
    except OSError as error:
        shown = show_path(os.fsencode(path))
        raise StateError(f"cannot set the damaged checkpoint store {shown} aside: {_reason(error)}") from error
    return name


def lost(path: Path) -> str | None:
    """Return, where there is no store at ``path``, the name of one that was set aside without a successor."""
    aside = (
        name
        for name in os.listdir(path.parent)
        if name.startswith(path.name + DAMAGED) and not name.endswith(COMPANIONS)
    )
    return max(aside, default=None)


def has_wal_only(path: Path) -> bool:
    """Whether the file is gone and its WAL is not: SQLite would take no notice of it."""
    return not os.path.lexists(path) and os.path.lexists(path.with_name(path.name + "-wal"))


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite.connect(path, PRAGMAS)
    connection.create_function("reseal", -1, reseal, deterministic=True)
    return connection


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    for step in MIGRATIONS[version:]:
        for statement in step:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version={len(MIGRATIONS)}")


def _is_damage(error: sqlite3.Error) -> bool:
    # SQLITE_ERROR, a fault in the SQL, can only be a table that is not as we made it. Errors of the module itself have
    # no code: text that is not UTF-8.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    return code in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_NOTADB)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_BUSY":
        return "another program has it open; close that (database is locked)"
    return f"{error} ({name})" if name else str(error)


@contextlib.contextmanager
def _no_collector() -> Iterator[None]:
    # Hundreds of thousands of objects that all stay: looking for garbage among them takes as long as making them.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
