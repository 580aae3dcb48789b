"""The state directory: made if it is missing, and held by one daemon at a time.

The lock is a ``flock`` on the file ``lock``, which the kernel drops when its holder dies, however it dies. The file
stays for ever: removing it would let two daemons hold two files of that name. Its content, the holder's pid, is only
for the message. Any thread.
"""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

from shipper.errors import StateBusy, StateError
from shipper.model import show_path
from shipper.ownership import complaint

LOCK = "lock"


def hold(state_dir: Path) -> int:
    """Make sure of the directory and lock it; closing the descriptor that is returned lets go of it."""
    shown = show_path(os.fsencode(state_dir))
    try:
        _make(state_dir, shown)
        lock = os.open(state_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateError(f"state_dir {shown}: cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        pid = b"%d\n" % os.getpid()
        os.pwrite(lock, pid, 0)  # over the old one: where the disk is full, no new block is needed
        os.ftruncate(lock, len(pid))
    except BlockingIOError as error:
        holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
        os.close(lock)
        who = f"another daemon (pid {holder})" if holder else "another daemon"
        raise StateBusy(f"{who} holds {shown}; stop it, or set another state_dir") from error
    except OSError as error:
        os.close(lock)
        raise StateError(f"state_dir {shown}: cannot be locked by one daemon: {error.strerror}") from error
    return lock


def close_to_others(state_dir: Path) -> str:
    """Let nobody else read what is in the directory, and return who else could write there; "" where nobody could.

    What the daemon makes is its own user's alone; what a backup or a person has put there may not be.
    """
    try:
        with os.scandir(state_dir) as entries:
            for entry in entries:
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(found.st_mode) and found.st_mode & 0o077 and found.st_uid == os.geteuid():
                    os.chmod(entry.path, stat.S_IMODE(found.st_mode) & ~0o077)
    except OSError as error:
        return f"cannot be closed to others: {error.strerror}"
    return complaint(state_dir)


def is_held(state_dir: Path, lock: int) -> bool:
    """Whether ``lock`` is still what is under the directory's name: not removed, and not hidden by a mount."""
    try:
        return os.path.samestat(os.stat(state_dir / LOCK), os.fstat(lock))
    except OSError:
        return False


def sync_directory(path: Path) -> None:
    """Make names that were created, renamed or removed in a directory durable."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _make(state_dir: Path, shown: str) -> None:
    # Only the last part is made: a mistyped path should be told, not built.
    parent = state_dir.parent
    if not os.path.lexists(state_dir):
        if not parent.is_dir():
            raise StateError(
                f"state_dir {shown}: {show_path(os.fsencode(parent))} is not a directory that exists; "
                "create it, or set another state_dir"
            )
        if not os.access(parent, os.W_OK | os.X_OK, effective_ids=True):
            raise StateError(
                f"state_dir {shown}: does not exist, and {show_path(os.fsencode(parent))} is not writable by "
                f"uid {os.geteuid()}; create it for that user, or set another state_dir"
            )
        state_dir.mkdir(mode=0o700)
        sync_directory(parent)
    elif not state_dir.is_dir():
        raise StateError(f"state_dir {shown}: is not a directory; set state_dir to one")
    if not os.access(state_dir, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
        raise StateError(
            f"state_dir {shown}: not writable by uid {os.geteuid()}; give it to that user, or set another state_dir"
        )
