"""Reads the checkpoints of a state directory that a daemon may hold: for commands that look and change nothing.

The daemon keeps its store locked against every other connection, so the file and its WAL are copied, and the copy is
opened. A copy counts only if the file was not written meanwhile and the WAL was only added to; then it is the store as
it was at some moment while it was being copied. Any thread.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from shipper.checkpoints import database
from shipper.checkpoints.database import Database
from shipper.errors import StateError
from shipper.model import SourceState, show_path
from shipper.sqlite import Damaged

TRIES = 50
PAUSE = 0.1  # seconds between two tries: the daemon saves once a second
WAL_HEADER = 32  # bytes; they change when the WAL begins anew


def exists(state_dir: Path) -> bool:
    """Whether there is a store to be read; True also where that cannot be told."""
    try:
        os.stat(state_dir / database.NAME)
    except FileNotFoundError:
        return False
    except OSError:  # who reads it will tell
        return True
    return True


def saved_at(state_dir: Path) -> float:
    """Return when something was saved last, in seconds since 1970; raises StateError."""
    path = state_dir / database.NAME
    times = []
    for file in (path, path.with_name(path.name + "-wal")):
        with contextlib.suppress(FileNotFoundError):
            times.append(os.stat(file).st_mtime)
    if not times:
        raise StateError(f"{show_path(os.fsencode(path))} is not there")
    return max(times)


def read(state_dir: Path) -> dict[str, SourceState]:
    """Return what is saved of each source; raises StateError, also where nothing was ever saved."""
    path = state_dir / database.NAME
    shown = show_path(os.fsencode(path))
    reason = ""
    with tempfile.TemporaryDirectory(prefix="shipper-") as directory:
        copy = Path(directory) / database.NAME
        for _ in range(TRIES):
            try:
                if _copied(path, copy):
                    return _load(copy)
            except FileNotFoundError:
                if not path.exists():
                    raise StateError(f"{shown} is not there; has the daemon run with this configuration?") from None
            except OSError as error:
                raise StateError(f"cannot read the checkpoint store {shown}: {error.strerror}") from error
            except Damaged as damage:
                reason = str(damage)
            time.sleep(PAUSE)
    raise StateError(f"cannot read the checkpoint store {shown}: {reason or 'it is being written all the time'}")


def _copied(path: Path, copy: Path) -> bool:
    """Copy the store; returns whether it is a copy of one moment."""
    wal, wal_copy = (file.with_name(file.name + "-wal") for file in (path, copy))
    for old in (copy, wal_copy):
        old.unlink(missing_ok=True)
    before = _state(path, wal)
    shutil.copyfile(path, copy)
    if wal.exists():
        shutil.copyfile(wal, wal_copy)
    return before == _state(path, wal)


def _state(path: Path, wal: Path) -> tuple[int, int, int, bytes]:
    """Return what changes when the file is written, or its WAL begins anew."""
    found = os.stat(path)
    try:
        with open(wal, "rb") as file:
            header = file.read(WAL_HEADER)
    except FileNotFoundError:
        header = b""
    return found.st_ino, found.st_size, found.st_mtime_ns, header


def _load(copy: Path) -> dict[str, SourceState]:
    opened = Database(copy)
    try:
        return opened.load()
    finally:
        opened.close()
