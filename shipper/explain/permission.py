"""What may keep the daemon's user from a file: the first directory, or the file itself, that it may not read.

A command that root runs looks with the eyes of the daemon's user, who owns the state directory: what root may read says
nothing. One thread, and no other may run meanwhile: the user is the process's.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from shipper.model import show_path
from shipper.ownership import group, user


@contextlib.contextmanager
def as_owner(state_dir: Path) -> Iterator[None]:
    """Be the user who owns ``state_dir``, where root asks and there is one."""
    try:
        owner = os.stat(state_dir).st_uid
    except OSError:
        owner = 0
    if os.geteuid() != 0 or owner == 0:
        yield
        return
    group, groups = os.getegid(), os.getgroups()
    try:
        user = pwd.getpwuid(owner)
        theirs, all_of_them = user.pw_gid, os.getgrouplist(user.pw_name, user.pw_gid)
    except KeyError:  # a user without a name, as systemd makes them up
        theirs = os.stat(state_dir).st_gid
        all_of_them = [theirs]
    try:
        os.setgroups(all_of_them)
        os.setegid(theirs)
        os.seteuid(owner)
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def barrier(path: bytes) -> str:
    """Say what this user may not enter, list or read on the way to ``path``; "" where nothing is in the way.

    A link is followed: what counts is where it leads.
    """
    real = os.path.realpath(path)
    for one in dict.fromkeys([path, real]):
        parents = [one]
        while parents[-1] != os.path.dirname(parents[-1]):
            parents.append(os.path.dirname(parents[-1]))
        for directory in reversed(parents[1:]):
            if not os.access(directory, os.X_OK, effective_ids=True) and os.path.isdir(directory):
                return _refused(directory, "entered", stat.S_IXGRP)
        directory = parents[1] if len(parents) > 1 else one
        if one == path and os.path.isdir(directory) and not os.access(directory, os.R_OK, effective_ids=True):
            return _refused(directory, "listed", stat.S_IRGRP)
    if os.path.lexists(real) and not os.access(real, os.R_OK, effective_ids=True):
        return _refused(real, "read", stat.S_IRGRP)
    return ""


def user_name() -> str:
    """Return who this is, as a person says it."""
    uid = os.geteuid()
    try:
        return f'user "{pwd.getpwuid(uid).pw_name}" (uid {uid})'
    except KeyError:
        return f"uid {uid}"


def _refused(path: bytes, verb: str, needed: int) -> str:
    shown = show_path(path)
    found = os.stat(path)
    said = f"{shown} may not be {verb} by {user_name()}: {stat.filemode(found.st_mode)} {_names(found)}"
    if found.st_mode & needed:
        return f'{said}; group "{group(found.st_gid)}" may'
    return f"{said}; give that user read access, with its group's bits or with setfacl"


def _names(found: os.stat_result) -> str:
    return f"{user(found.st_uid)}:{group(found.st_gid)}"
