"""What every SQLite file of ours asks for: how it is opened, written to and set aside. It knows no table.

SQLite goes on writing to a file that has lost its name, and leaves it to each program what a broken file is: that is
said here once. What is opened belongs to one thread at a time.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any


class Damaged(Exception):
    """The file is there and cannot be believed. Says why."""


def connect(path: Path, pragmas: Iterable[str], *, timeout: float = 5.0) -> sqlite3.Connection:
    """Open the file, which is there; another program that has it locked is waited for, for ``timeout`` seconds."""
    # autocommit: the module would begin transactions of its own where it thinks fit
    connection = sqlite3.connect(
        path.absolute().as_uri() + "?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=timeout,
    )
    try:
        for one in pragmas:
            connection.execute(f"PRAGMA {one}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def pragma(connection: sqlite3.Connection, name: str) -> Any:
    """Return what a pragma says."""
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Do all of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite rolls back by itself after some errors
            connection.execute("ROLLBACK")
        raise


def is_at(path: Path, file: tuple[int, int]) -> bool:
    """Whether ``file``, a device and an inode, is what is under a name."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == file


def make_file(path: Path, companions: Iterable[str]) -> None:
    """Make an empty file for this user alone, and remove what a creation that was killed has left of it."""
    for ending in ("", *companions):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # SQLite itself would ask the umask


def rename(path: Path, name: str, companions: Iterable[str]) -> None:
    """Give a file another name. Itself first: without its journal it would open, as it was some time ago."""
    for ending in ("", *companions):
        with contextlib.suppress(FileNotFoundError):
            os.rename(path.with_name(path.name + ending), path.with_name(name + ending))
