"""Walks to what a path leads to, and holds it by a descriptor that can do nothing but be looked at (``O_PATH``).

A directory that an application's user can write is hostile: whoever may write there may put a symbolic link in the
place of a file, or of a directory on the way, between any two calls. So no name is looked at twice. What a path leads
to is held, and the kernel asked where that is: at just this path, then there was no link. Otherwise the way is gone
again one component at a time, each opened by the descriptor of the one before it and without following: it is either
entered, or a link, which is held, too, while its owner is asked for and its target read.

A link is *foreign* when it is neither the daemon's own user's nor root's, nor belongs to the owner of what it leads to:
then somebody points at what is not theirs. So is a file with a second name that somebody else may have given it
(``link(2)``), where the kernel does not see to that (``fs.protected_hardlinks``). Whether foreign ones are followed is
for :class:`Trust` to say. Nothing here opens a file; any thread.
"""

from __future__ import annotations

import errno
import os
import pwd
import stat
from typing import NamedTuple

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
SEARCH = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC  # of one that may be searched and not read
NAME = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC

MAX_HOPS = 40  # as in the kernel
PATH_MAX = 4096


def _hard_links_guarded() -> bool:
    try:
        with open("/proc/sys/fs/protected_hardlinks", encoding="ascii") as file:
            return file.read().strip() == "1"
    except OSError:
        return False


HARD_LINKS_GUARDED = _hard_links_guarded()  # the kernel lets nobody link to what they may not write


def trusted() -> frozenset[int]:
    """Return whose links lead where the administrator wants."""
    return frozenset({0, os.geteuid()})


class Foreign(NamedTuple):
    """A name by which somebody points at what is not theirs. ``hard``: a second name of a file, no symbolic link."""

    path: bytes
    owner: int
    target_owner: int
    hard: bool = False

    def __str__(self) -> str:
        if self.hard:
            return f"a second name of a file of {user(self.target_owner)}'s, in a directory that others can write"
        return f"a link of {user(self.owner)}'s to what is {user(self.target_owner)}'s"


class Trust(NamedTuple):
    """Which links a source follows: its ``follow_symlinks``, and the directories that its patterns name literally."""

    follow: str = "same_owner"  # same_owner | always | never
    fixed: frozenset[bytes] = frozenset()

    def allows(self, place: Place) -> bool:
        """Whether what is at ``place`` may be read."""
        return self.follow == "always" or (
            place.foreign is None and (self.follow != "never" or self.fixed.issuperset(place.links))
        )

    def follows(self, path: bytes, *, link: bool, foreign: Foreign | None) -> bool:
        """Whether ``path`` may be followed, of which all but the last component may."""
        return self.follow == "always" or (
            foreign is None and (self.follow != "never" or not link or path in self.fixed)
        )


class Place:
    """Where a walk has ended: what is there is held by ``fd``, until it is closed.

    ``links`` are those of the path's own components that are links, as paths; ``link``: the last one is among them.
    """

    __slots__ = ("fd", "foreign", "link", "links", "stat")

    def __init__(
        self,
        fd: int,
        found: os.stat_result,
        links: tuple[bytes, ...] = (),
        foreign: Foreign | None = None,
        *,
        link: bool = False,
    ) -> None:
        self.fd = fd
        self.stat = found
        self.links = links
        self.foreign = foreign
        self.link = link

    def owner_and_target(self) -> tuple[int, bytes]:
        """Return these of the symbolic link that is here; -1 as the owner: it is nobody's whom one could trust."""
        # A hard link to somebody's link is not theirs: anybody may have made it.
        return self.stat.st_uid if self.stat.st_nlink < 2 else -1, os.readlink(b"", dir_fd=self.fd)

    def close(self) -> None:
        """Let go of it."""
        os.close(self.fd)


class _Way(NamedTuple):
    """A link that is being followed: it has led to its end when no more than ``left`` components are left."""

    left: int
    path: bytes
    owner: int


def walk(path: bytes, *, follow: bool = True) -> Place:
    """Walk to what the absolute ``path`` leads to; raises OSError. Without ``follow`` a last link is not followed."""
    return _straight(path, follow=follow) or _step_by_step(path, follow=follow)


def _straight(path: bytes, *, follow: bool) -> Place | None:
    """Go to ``path`` at once; None where there may be a link on the way, or something else is to be looked at."""
    fd = os.open(path, NAME)
    try:
        found = os.fstat(fd)
        plain = (not follow or not stat.S_ISLNK(found.st_mode)) and (HARD_LINKS_GUARDED or found.st_nlink < 2)
        if plain and os.readlink(b"/proc/self/fd/%d" % fd) == path:
            return Place(fd, found)
    except FileNotFoundError:  # no /proc here
        pass
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def _step_by_step(path: bytes, *, follow: bool) -> Place:
    """Go to ``path`` over each of its components."""
    whole = [name for name in path.split(b"/") if name not in (b"", b".")]
    left, ways, links = whole[::-1], list[_Way](), list[bytes]()
    foreign: Foreign | None = None
    hops, last = 0, False
    here = os.open(b"/", DIRECTORY)
    try:
        while left:
            name = left.pop()
            below = _enter(here, name) if left or name == b".." else None
            if below is not None:
                os.close(here)
                here = below
                if ways and ways[-1].left >= len(left):
                    foreign = _judge(ways, len(left), os.fstat(here).st_uid) or foreign
                continue
            place = Place(fd := os.open(name, NAME, dir_fd=here), os.fstat(fd))
            if not stat.S_ISLNK(place.stat.st_mode) or (not left and not follow and not ways):
                break
            try:
                owner, target = place.owner_and_target()
            finally:
                place.close()
            if (hops := hops + 1) > MAX_HOPS:
                raise _error(errno.ELOOP, path)
            if not ways:  # a component of the path itself
                links.append(b"/" + b"/".join(whole[: len(whole) - len(left)]))
                last = not left
            ways.append(_Way(len(left), links[-1], owner))
            left += [name for name in reversed(target.split(b"/")) if name not in (b"", b".")]
            if target.startswith(b"/"):
                os.close(here)
                here = os.open(b"/", DIRECTORY)
        else:
            place = Place(fd := os.open(b".", NAME, dir_fd=here), os.fstat(fd))
        try:
            if left:
                raise _error(errno.ENOTDIR, path)
            foreign = _judge(ways, 0, place.stat.st_uid) or foreign or hard_link(here, path, place.stat)
        except BaseException:
            place.close()
            raise
    finally:
        os.close(here)
    return Place(place.fd, place.stat, tuple(links), foreign, link=last)


def hard_link(directory: int, path: bytes, found: os.stat_result) -> Foreign | None:
    """Return what is wrong with a file that has a second name which somebody else may have given it."""
    if HARD_LINKS_GUARDED or found.st_nlink < 2 or not stat.S_ISREG(found.st_mode):
        return None
    at = os.fstat(directory)
    if at.st_uid in trusted() | {found.st_uid} and not at.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return None
    return Foreign(path, at.st_uid, found.st_uid, hard=True)


def user(uid: int) -> str:
    """Return the name of a user for people."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return "a link with several names" if uid < 0 else f"uid {uid}"


def _enter(here: int, name: bytes) -> int | None:
    """Open the directory ``name``; None where it is none, perhaps a link. Raises OSError."""
    try:
        return os.open(name, DIRECTORY, dir_fd=here)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            return None
        if error.errno != errno.EACCES:
            raise
    return os.open(name, SEARCH, dir_fd=here)


def _judge(ways: list[_Way], left: int, uid: int) -> Foreign | None:
    """Take those links off ``ways`` that have led to their end, which belongs to ``uid``; return a foreign one."""
    foreign = None
    while ways and ways[-1].left >= left:
        way = ways.pop()
        if way.owner != uid and way.owner not in trusted():
            foreign = Foreign(way.path, way.owner, uid)
    return foreign


def _error(code: int, path: bytes) -> OSError:
    return OSError(code, os.strerror(code), path)
