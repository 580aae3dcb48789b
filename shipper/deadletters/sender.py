"""Only one program at a time sends dead letters again. Any thread."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from shipper.errors import StateBusy, StateError
from shipper.model import show_path

LOCK = "deadletters.lock"  # held by whoever sends them again


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
