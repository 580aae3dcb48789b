"""The questions to the operating system: what is this name, what is in this directory, where does this link lead.

Answers are values; "not there" is one of them, and every other failure is an ``OSError`` for the caller to report.
Any thread; nothing here opens a file, so a FIFO, a socket or a device can never block.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import NamedTuple

from shipper.model import FileId

ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})
MAX_HOPS = 40  # as in the kernel

NETWORK = frozenset(
    {"9p", "afs", "autofs", "beegfs", "ceph", "cifs", "coda", "fuse", "fuseblk", "gfs2", "glusterfs", "gpfs", "lustre"}
    | {"ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs"}
)


class Found(NamedTuple):
    """A name that is there, looked at through symbolic links."""

    file_id: FileId
    size: int
    mtime_ns: int
    regular: bool
    directory: bool
    link: bool


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
        found = os.lstat(path)
        if link := stat.S_ISLNK(found.st_mode):
            found = os.stat(path)
    except OSError as error:
        if error.errno in ABSENT:
            return None
        raise
    return _found(found, link=link)


def listing(directory: bytes) -> list[os.DirEntry[bytes]]:
    """Return what is in ``directory``, real entries before symbolic links, each in the order of the names."""
    with os.scandir(directory) as entries:
        return sorted(entries, key=lambda entry: (entry.is_symlink(), entry.name))


def look_at(entry: os.DirEntry[bytes]) -> Found | None:
    """Look at an entry of a listing; None where it has gone, or is a link that leads nowhere."""
    try:
        return _found(entry.stat(), link=entry.is_symlink())
    except OSError as error:
        if error.errno in ABSENT:
            return None
        raise


def is_directory(entry: os.DirEntry[bytes]) -> bool:
    """Whether an entry is a directory, or a link to one; mostly without a system call."""
    try:
        return entry.is_dir()
    except OSError:  # a link into a place that we may not search: entering it would fail in the same way
        return False


def hops(link: bytes) -> tuple[Hop, ...]:
    """Return the names that ``link`` leads to, one after the other; the last one need not exist."""
    found: list[Hop] = []
    while len(found) < MAX_HOPS:
        try:
            target = os.readlink(link)
        except OSError as error:
            if error.errno == errno.EINVAL or error.errno in ABSENT:  # no link any more: the end of the chain
                break
            raise
        directory, name = os.path.split(os.path.join(os.path.dirname(link), target))
        if name in (b"", b".", b".."):
            break
        found.append(Hop(os.path.realpath(directory), name))
        link = join(*found[-1])
    return tuple(found)


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


def _found(found: os.stat_result, *, link: bool) -> Found:
    mode = found.st_mode
    return Found(
        FileId(found.st_dev, found.st_ino),
        found.st_size,
        found.st_mtime_ns,
        regular=stat.S_ISREG(mode),
        directory=stat.S_ISDIR(mode),
        link=link,
    )
