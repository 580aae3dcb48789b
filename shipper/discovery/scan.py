"""The questions to the operating system: what is this name, what is in this directory, where does this link lead.

Answers are values; "not there" is one of them, and every other failure is an ``OSError`` for the caller to report.
Whoever can write a directory may put links in the way at any moment: every path is walked by descriptors (``paths``),
and what is found says whether it was reached by a link that is not to be trusted. Any thread; nothing here opens a
file, so a FIFO, a socket or a device can never block.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from typing import NamedTuple

from shipper import paths
from shipper.model import FileId, file_id_of
from shipper.paths import MAX_HOPS, Foreign

ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})

ENCODING = sys.getfilesystemencoding()
LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC

NETWORK = frozenset(
    {"9p", "afs", "autofs", "beegfs", "ceph", "cifs", "coda", "fuse", "fuseblk", "gfs2", "glusterfs", "gpfs", "lustre"}
    | {"ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs"}
)


class Found(NamedTuple):
    """A name that is there, looked at through symbolic links; ``foreign``: one that leads there is not trusted."""

    file_id: FileId
    size: int
    mtime_ns: int
    regular: bool
    directory: bool
    link: bool
    owner: int
    foreign: Foreign | None = None


class Hop(NamedTuple):
    """A name that a symbolic link leads to, in a directory without links in its path."""

    directory: bytes
    name: bytes


def join(directory: bytes, name: bytes) -> bytes:
    """Return the path of ``name`` in ``directory``, which may be ``/``."""
    return directory + name if directory == b"/" else directory + b"/" + name


def look(path: bytes) -> Found | None:
    """Look at ``path``; None where there is nothing, or a link that leads nowhere."""
    try:
        place = paths.walk(path)
    except OSError as error:
        if error.errno in ABSENT:
            return None
        if error.errno in (errno.EMFILE, errno.ENFILE):
            return _look_without(path, error)
        raise
    place.close()
    return _found(place.stat, place.link, place.foreign)


def _look_without(path: bytes, error: OSError) -> Found | None:
    """Look at ``path`` with no descriptor; what is behind a link must wait until there is one again.

    Files that are not looked at would never be opened, and none be closed for them. This may be fooled by who is fast
    enough; opening may not.
    """
    try:
        found = os.lstat(path)
    except OSError as gone:
        if gone.errno in ABSENT:
            return None
        raise
    if stat.S_ISLNK(found.st_mode) or os.path.realpath(path) != path:
        raise error
    return _found(found, False, None)  # noqa: FBT003 - no link


class Entry:
    """A name in a directory that is being listed."""

    __slots__ = ("_entry", "_listing", "link", "name")

    def __init__(self, entry: os.DirEntry[str], listing: Listing) -> None:
        self._entry = entry
        self._listing = listing
        self.name = entry.name.encode(ENCODING, "surrogateescape")  # listed by a descriptor, names are text
        self.link = entry.is_symlink()

    def is_directory(self) -> bool:
        """Whether it is a directory, or a link to one; mostly without a system call."""
        try:
            return self._entry.is_dir()
        except OSError:  # a link into a place that we may not search: entering it would fail in the same way
            return False

    def look(self) -> Found | None:
        """Look at it; None where it has gone, or is a link that leads nowhere."""
        listing = self._listing
        if self.link:
            return look(join(listing.path, self.name))
        try:
            found = self._entry.stat(follow_symlinks=False)
        except OSError as error:
            if error.errno in ABSENT:
                return None
            raise
        foreign = None
        if found.st_nlink > 1:
            foreign = paths.hard_link(listing.fd, join(listing.path, self.name), found)
        return _found(found, self.link, foreign)


class Listing:
    """What is in the directory ``path``, real entries before symbolic links, each in the order of the names.

    The directory is held open, and its entries may be looked at, until it is closed. It is empty where another
    directory has the path by now than ``file_id``. Raises OSError.
    """

    __slots__ = ("entries", "fd", "path")

    def __init__(self, path: bytes, file_id: FileId) -> None:
        self.path = path
        self.fd = os.open(path, LIST)  # whatever the way there is: what counts is where it leads
        self.entries: list[Entry] = []
        try:
            at = os.fstat(self.fd)
            if (at.st_dev, at.st_ino) == file_id:
                with os.scandir(self.fd) as entries:
                    self.entries = [Entry(entry, self) for entry in entries]
                self.entries.sort(key=_order)
        except BaseException:
            os.close(self.fd)
            raise

    def __enter__(self) -> Iterator[Entry]:
        return self._each()

    def _each(self) -> Iterator[Entry]:
        """Yield each entry and let go of it: it keeps what was seen of it, and there may be very many."""
        self.entries.reverse()
        while self.entries:
            yield self.entries.pop()

    def __exit__(self, *raised: object) -> None:
        os.close(self.fd)


def _order(entry: Entry) -> tuple[bool, bytes]:
    return entry.link, entry.name


def hops(link: bytes) -> tuple[tuple[Hop, ...], frozenset[int]]:
    """Return the names that ``link`` leads to, one after the other; the last one need not exist.

    Also whose the links on this way are, as far as they are not trusted; -1 where that does not matter any more: what
    is beside the last name is not to be believed to belong to anybody.
    """
    found: list[Hop] = []
    owners: set[int] = set()
    at = link
    while len(found) < MAX_HOPS:
        try:
            place = paths.walk(at, follow=False)
            try:
                if place.foreign is not None:
                    owners.add(-1)
                if not stat.S_ISLNK(place.stat.st_mode):  # the end of the chain
                    break
                owner, target = place.owner_and_target()
            finally:
                place.close()
        except OSError as error:
            if error.errno not in ABSENT:
                raise
            above = look(os.path.dirname(at))
            if above is not None and above.foreign is not None:
                owners.add(-1)
            break
        owners.add(owner)
        at = os.path.join(os.path.dirname(at), target)
        directory, name = os.path.split(at)
        if name in (b"", b".", b".."):
            break
        found.append(Hop(os.path.realpath(directory), name))
    return tuple(found), frozenset(owners - paths.trusted())


def network_devices(mountinfo: str = "/proc/self/mountinfo") -> frozenset[int]:
    """Return the devices (``st_dev``) of network and FUSE file systems: the kernel may not tell of changes there."""
    devices = set()
    try:
        with open(mountinfo, "rb") as lines:
            for line in lines:
                mount, _, what = line.partition(b" - ")
                kind = what.split(b" ", 1)[0].decode("ascii", "replace")
                if kind.partition(".")[0] in NETWORK:
                    major, minor = mount.split(b" ")[2].split(b":")
                    devices.add(os.makedev(int(major), int(minor)))
    except FileNotFoundError:  # no /proc here: nothing is known about mounts, and the slow scan sees all in the end
        return frozenset()
    return frozenset(devices)


def _found(found: os.stat_result, link: bool, foreign: Foreign | None) -> Found:  # noqa: FBT001 - called for every file
    mode = found.st_mode
    return Found(
        file_id_of(found.st_dev, found.st_ino),
        found.st_size,
        found.st_mtime_ns,
        stat.S_ISREG(mode),
        stat.S_ISDIR(mode),
        link,
        found.st_uid,
        foreign,
    )
