"""Whether others could write what tells the daemon what to do: its configuration, its secrets, its code, its state.

Whoever can write one of these can make the daemon do as they like, with all that it may read. Only root and the user
that the daemon runs as may; a directory counts as much as the file in it, since it can be put in another's place there.
Looks, and changes nothing; any thread.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from shipper.model import show_path


def complaint(path: Path, found: os.stat_result | None = None) -> str:
    """Return who else could write the file ``path`` and what to do about it; "" where nobody could.

    ``found`` is what is known of it by an open descriptor. What is not there is nobody's.
    """
    try:
        if wrong := _wrong(path, found or os.stat(path), is_parent=False):
            return wrong
        for parent in _parents(path):
            if wrong := _wrong(parent, os.stat(parent), is_parent=True):
                return f"is in {show_path(os.fsencode(parent))}, which {wrong}"
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"
    return ""


def _parents(path: Path) -> Iterator[Path]:
    """Yield the directories that lead to ``path``, as it is written and where links on the way lead."""
    seen = set()
    for start in (Path(os.path.abspath(path)), Path(os.path.realpath(path))):
        for parent in start.parents:
            if parent not in seen:
                seen.add(parent)
                yield parent


def _wrong(path: Path, found: os.stat_result, *, is_parent: bool) -> str:
    shown = show_path(os.fsencode(path))
    if os.statvfs(path).f_flag & os.ST_RDONLY:  # as what Kubernetes makes of a ConfigMap, open to all as it is
        return ""
    trusted = {0, os.geteuid()}
    if found.st_uid not in trusted:
        to = " or ".join(user(uid) for uid in sorted(trusted))
        return f"belongs to {user(found.st_uid)}; chown it to {to}: chown {user(os.geteuid())} {shown}"
    if is_parent and found.st_mode & stat.S_ISVTX:
        return ""  # as /tmp: nobody can put anything in the place of what is there
    who = ""
    if found.st_mode & stat.S_IWOTH:
        who = "everybody"
    elif found.st_mode & stat.S_IWGRP and not _is_private(found.st_gid, found.st_uid):
        who = f"the group {group(found.st_gid)}"
    return f"{who} can write; chmod go-w {shown}" if who else ""


def _is_private(gid: int, uid: int) -> bool:
    """Whether a group is there for one user only, as many systems make one for each, with a umask to go with it."""
    try:
        of, owner = grp.getgrgid(gid), pwd.getpwuid(uid)
    except KeyError:
        return False
    return of.gr_name == owner.pw_name and set(of.gr_mem) <= {owner.pw_name}


def user(uid: int) -> str:
    """Return a user's name, or number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group(gid: int) -> str:
    """Return a group's name, or number where it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
