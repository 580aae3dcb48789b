"""A file system in memory: inodes with numbers that are given again, names, links, and writes that a power cut takes.

:class:`Disk` is what the kernel knows. Writers and the daemon work on the same one; every change of a name or of bytes
is told to ``kernel.Inotify`` as Linux does. Paths are bytes, absolute, and in normal form.
"""

from __future__ import annotations

import errno
import heapq
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from watchdog.observers.inotify_c import InotifyConstants as In

FIRST_INODE = 11
DEVICE = 2049


@dataclass(eq=False, slots=True)
class Inode:
    """A file or a directory."""

    number: int
    kind: int  # S_IFREG or S_IFDIR
    data: bytes = b""
    durable: bytes = b""  # what a power cut leaves of it
    mtime: int = 0
    links: int = 0
    opens: int = 0
    names: dict[bytes, Inode] = field(default_factory=dict)
    denied: bool = False  # it may not be read
    broken: bool = False  # its device gives an error where it is read


def error(code: int, path: bytes) -> OSError:
    """Return the error that the operating system would raise."""
    return OSError(code, os.strerror(code), path)


class Disk:
    """All files. ``tell(directory, mask, name)`` hears what happens."""

    def __init__(self) -> None:
        self.device = DEVICE
        self.now: Callable[[], int] = lambda: 0  # the time of a write, in nanoseconds
        self.reuses = True  # numbers of inodes that are gone are given to new ones, the lowest first
        self.tell: Callable[[Inode, int, bytes], None] = lambda _directory, _mask, _name: None
        self.fds: dict[int, Inode] = {}
        self._free: list[int] = []
        self._next = FIRST_INODE
        self._next_fd = 3
        self.root = self._make(stat.S_IFDIR)
        self.root.links = 1

    # --- what writers do ---------------------------------------------------------------------------------------------

    def mkdir(self, path: bytes) -> None:
        """Make a directory."""
        self._add(path, self._make(stat.S_IFDIR))

    def create(self, path: bytes) -> Inode:
        """Make an empty file."""
        return self._add(path, self._make(stat.S_IFREG))

    def link(self, old: bytes, new: bytes) -> None:
        """Give a file another name."""
        self._add(new, self.find(old))

    def write(self, path: bytes, data: bytes, *, synced: bool = True) -> None:
        """Append to a file."""
        inode = self.find(path)
        inode.data += data
        if synced:
            inode.durable = inode.data
        self._written(path, inode)

    def deny(self, path: bytes, *, denied: bool) -> None:
        """Let a file not be read, or be read again."""
        inode = self.find(path)
        if inode.denied != denied:
            inode.denied = denied
            directory, name = self._parent(path)
            self.tell(directory, In.IN_ATTRIB, name)

    def truncate(self, path: bytes, size: int = 0) -> None:
        """Cut a file short."""
        inode = self.find(path)
        inode.data = inode.data[:size]
        inode.durable = inode.durable[:size]
        self._written(path, inode)

    def overwrite(self, path: bytes, data: bytes) -> None:
        """Give a file other bytes, as a program does that opens it anew."""
        self.truncate(path)
        self.write(path, data)

    def unlink(self, path: bytes) -> None:
        """Remove a name."""
        directory, name = self._parent(path)
        inode = directory.names.pop(name, None)
        if inode is None:
            raise error(errno.ENOENT, path)
        self.tell(directory, In.IN_DELETE, name)
        inode.links -= 1
        self.let_go(inode)

    def rename(self, old: bytes, new: bytes) -> None:
        """Rename a file, over another one perhaps."""
        source, old_name = self._parent(old)
        target, new_name = self._parent(new)
        inode = source.names.get(old_name)
        if inode is None:
            raise error(errno.ENOENT, old)
        there = target.names.get(new_name)
        if there is inode:
            return  # two names of one file: nothing happens
        del source.names[old_name]
        target.names[new_name] = inode
        self.tell(source, In.IN_MOVED_FROM, old_name)
        self.tell(target, In.IN_MOVED_TO, new_name)
        if there is not None:
            there.links -= 1
            self.let_go(there)

    def power_cut(self) -> None:
        """Lose every write that was not synced, and every descriptor."""
        self.close_all()
        for inode in self.files():
            inode.data = inode.durable

    def sync(self) -> None:
        """Make everything durable, as the kernel does after a while."""
        for inode in self.files():
            inode.durable = inode.data

    def close_all(self) -> None:
        """Close every descriptor: the daemon's process has ended."""
        for fd in list(self.fds):
            self.close(fd)

    # --- what both ask -----------------------------------------------------------------------------------------------

    def files(self) -> Iterator[Inode]:
        """Yield every regular file that is there, also those without a name, each as often as it has names."""
        stack = [self.root]
        while stack:
            for inode in stack.pop().names.values():
                if inode.kind == stat.S_IFDIR:
                    stack.append(inode)
                elif inode.kind == stat.S_IFREG:
                    yield inode
        yield from (inode for inode in self.fds.values() if not inode.links)

    def find(self, path: bytes) -> Inode:
        """Return what a path leads to; raises OSError."""
        inode = self.root
        for name in path.split(b"/")[1:]:
            if not name:
                continue
            if inode.kind != stat.S_IFDIR:
                raise error(errno.ENOTDIR, path)
            below = inode.names.get(name)
            if below is None:
                raise error(errno.ENOENT, path)
            inode = below
        return inode

    def stat(self, inode: Inode) -> os.stat_result:
        """Return what ``stat(2)`` says."""
        seconds = inode.mtime // 1_000_000_000
        return os.stat_result(
            (
                inode.kind | 0o644,
                inode.number,
                self.device,
                inode.links,
                0,
                0,
                len(inode.data),
                seconds,
                seconds,
                seconds,
            ),
            {"st_mtime_ns": inode.mtime, "st_mtime": inode.mtime / 1e9, "st_ctime_ns": inode.mtime},
        )

    def open(self, inode: Inode) -> int:
        """Open a file."""
        fd = self._next_fd
        self._next_fd += 1
        self.fds[fd] = inode
        inode.opens += 1
        return fd

    def close(self, fd: int) -> None:
        """Close a descriptor; raises OSError."""
        inode = self.fds.pop(fd, None)
        if inode is None:
            raise error(errno.EBADF, b"")
        inode.opens -= 1
        self.let_go(inode)

    def opened(self, fd: int) -> Inode:
        """Return what a descriptor leads to; raises OSError."""
        if (inode := self.fds.get(fd)) is None:
            raise error(errno.EBADF, b"")
        return inode

    # --- inodes ------------------------------------------------------------------------------------------------------

    def _make(self, kind: int) -> Inode:
        if self._free and self.reuses:
            number = heapq.heappop(self._free)
        else:
            number = self._next
            self._next += 1
        return Inode(number, kind, mtime=self.now())

    def let_go(self, inode: Inode) -> None:
        """Give the number of a file away that has neither a name nor a descriptor any more."""
        if not inode.links and not inode.opens:
            heapq.heappush(self._free, inode.number)

    def _add(self, path: bytes, inode: Inode) -> Inode:
        directory, name = self._parent(path)
        if name in directory.names:
            raise error(errno.EEXIST, path)
        directory.names[name] = inode
        inode.links += 1
        self.tell(directory, In.IN_CREATE, name)
        return inode

    def _parent(self, path: bytes) -> tuple[Inode, bytes]:
        directory, _, name = path.rpartition(b"/")
        return self.find(directory), name

    def _written(self, path: bytes, inode: Inode) -> None:
        inode.mtime = self.now()
        directory, name = self._parent(path)
        self.tell(directory, In.IN_MODIFY, name)
