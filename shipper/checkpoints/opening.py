"""What is opened in a state directory: the store that is there, a new one, or one in the place of a damaged one.

And again, while the daemon runs, where the directory or the store was removed, replaced or mounted anew. Then

- a store that is there is taken for an earlier state of ours;
- where there is none it is made, and marked like one that replaces a damaged one (I8): until all of a source is in it
  again, a restart reads that source from its beginning;
- nothing is made on a file system that the store was not on: it is a bare mount point, and would be hidden again.

Of the thread that the store belongs to.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from shipper.checkpoints import database
from shipper.checkpoints.database import Database
from shipper.checkpoints.statedir import hold, is_held
from shipper.errors import StateBusy, StateError
from shipper.events import Events
from shipper.model import show_path
from shipper.sqlite import Damaged

REMOVED = "(removed while it was in use)"  # where the name of a store stands that was set aside


def open_store(path: Path, events: Events, missing: str | None = None) -> Database:
    """Open, verify, create or replace the store; ``missing``: why there should be one. Raises StateError."""
    if database.has_wal_only(path):
        return replace(path, "its -wal is there, and the file itself is not", events)
    if not os.path.lexists(path):
        replaced = database.lost(path)
        created = Database.create(path, replaced or missing)
        if replaced is not None:  # killed after setting it aside, or moved away by hand
            _tell_set_aside(path, replaced, "it was set aside earlier, and nothing is in its place", events)
        return created
    try:
        return Database(path)
    except Damaged as damage:
        return replace(path, str(damage), events)


def replace(path: Path, reason: str, events: Events) -> Database:
    """Set a damaged store aside and make another; raises StateError."""
    name = database.set_aside(path, datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"))
    _tell_set_aside(path, name, reason, events)
    return Database.create(path, name)


def again(path: Path, lock: int, before: Database, events: Events) -> tuple[int, Database]:
    """Hold the directory that is there now, and go on in it; returns the lock and the store, old or new.

    Raises StateBusy where another daemon has it, StateError where there is nothing to go on in. Then ``lock`` is held
    as before; ``before`` may be closed.
    """
    directory = path.parent
    is_there = os.path.lexists(path)
    if not is_there and _device(directory) != before.device:
        raise StateError(
            f"state_dir {show_path(os.fsencode(directory))}: another file system is there now, with no checkpoints in "
            "it; mount the right one again, or restart the daemon to begin anew"
        )
    held = _hold_again(directory, lock)
    if before.in_place:
        opened = before
    else:
        try:
            before.close()  # or SQLite would remove the -wal of the next one when it lets go of the old
            opened = open_store(path, events, REMOVED)
        except BaseException:
            if held != lock:
                os.close(held)
            raise
        reason = "there is another one now" if is_there else "it was removed while it was in use"
        events.checkpoints_renewed(os.fsencode(path), reason)
    if held != lock:
        os.close(lock)
    return held, opened


def _hold_again(directory: Path, lock: int) -> int:
    if is_held(directory, lock):
        return lock
    try:
        return hold(directory)
    except StateBusy:
        if is_held(directory, lock):  # mounted again this very moment, and it is ours
            return lock
        raise


def _device(directory: Path) -> int:
    """Return the file system that a directory is on, or would be made on."""
    for path in (directory, directory.parent):
        try:
            return os.stat(path).st_dev
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StateError(
                f"state_dir {show_path(os.fsencode(directory))}: cannot be used: {error.strerror}"
            ) from error
    raise StateError(
        f"state_dir {show_path(os.fsencode(directory))}: {show_path(os.fsencode(directory.parent))} is not a directory "
        "that exists; it was there before"
    )


def _tell_set_aside(path: Path, name: str, reason: str, events: Events) -> None:
    events.checkpoints_set_aside(os.fsencode(path), os.fsencode(path.with_name(name)), reason)
