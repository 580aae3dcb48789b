"""The operating system as the daemon calls it: a stand-in for the module ``os``, and for inotify.

:func:`booted` puts :class:`Os` in the place of ``os`` in every module of the daemon that works on log files. It has
what they call and nothing else, so that no call can get past it. Before each call ``interrupt`` is called: that is
where a writer may be faster than the daemon.
"""

from __future__ import annotations

import contextlib
import errno
import io
import itertools
import os
import posixpath
import stat
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

from watchdog.observers.inotify_c import InotifyConstants as In

from shipper import files as files_module
from shipper import model, paths, pulse
from shipper.discovery import coverage, links, quiet, scan, tree
from shipper.filesource import around, intake, looks, search
from tests.sim.disk import Disk, Inode, error

# Those that import os and ask it about logs.
MODULES = (files_module, paths, scan, tree, quiet, around, intake, looks, search)
BUSY, BEAT = 0, 0.2
PURE = ("join", "split", "basename", "dirname", "samestat")
PROC = b"/proc/self/fd/"
HELD = 1 << 30  # descriptors from here on hold a directory or a name, and are no open files


class Event(NamedTuple):
    """What the kernel tells of a directory."""

    mask: int
    name: bytes


class Entry:
    """A name in a directory listing. As in ``os.DirEntry`` the kind is known at once, all else is asked when needed."""

    __slots__ = ("_inode", "_os", "_path", "name")

    def __init__(self, os_: Os, path: bytes, name: bytes, inode: Inode) -> None:
        self._os = os_
        self._inode = inode
        self._path = path
        self.name = os.fsdecode(name)  # as a listing by a descriptor has it

    def is_symlink(self) -> bool:
        return False

    def is_dir(self) -> bool:
        return self._inode.kind == stat.S_IFDIR

    def stat(self, *, follow_symlinks: bool) -> os.stat_result:
        assert not follow_symlinks
        return self._os.lstat(self._path)


class Held(NamedTuple):
    """What a descriptor holds that is no open file: a directory, or a name that is looked at."""

    inode: Inode
    path: bytes


class RawFile(io.RawIOBase):
    """An open file, for the decompressors."""

    def __init__(self, inode: Inode) -> None:
        self._inode = inode
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, len(self._inode.data))[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._inode.broken:
            raise error(errno.EIO, b"")
        data = self._inode.data[self._at : self._at + len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class Path:
    """``os.path``, as far as it is used."""

    def __init__(self, os_: Os) -> None:
        self._os = os_
        for name in PURE:
            setattr(self, name, getattr(posixpath, name))

    def islink(self, path: bytes) -> bool:
        try:
            return stat.S_ISLNK(self._os.lstat(path).st_mode)
        except OSError:
            return False

    def exists(self, path: bytes) -> bool:
        try:
            self._os.stat(path)
        except OSError:
            return False
        return True

    def realpath(self, path: bytes) -> bytes:
        self._os.interrupt()
        return path or b"/"


class Os:
    """The calls that the daemon makes on log files."""

    O_RDONLY, O_NONBLOCK, O_NOCTTY, O_CLOEXEC = os.O_RDONLY, os.O_NONBLOCK, os.O_NOCTTY, os.O_CLOEXEC
    SEEK_END = os.SEEK_END
    DirEntry = Entry
    strerror = staticmethod(os.strerror)
    geteuid = staticmethod(os.geteuid)
    fsencode = staticmethod(os.fsencode)
    fsdecode = staticmethod(os.fsdecode)
    makedev = staticmethod(os.makedev)
    stat_result = os.stat_result

    def __init__(self, disk: Disk, interrupt: Callable[[], None]) -> None:
        self.disk = disk
        self.interrupt = interrupt
        self.limit = 1 << 30  # descriptors that may be open
        self._held: dict[int, Held] = {}
        self._holds = itertools.count()
        self.path = Path(self)

    def open(self, path: bytes, flags: int, *, dir_fd: int = 0) -> int:
        """Open what is held, for reading; or hold what a path leads to, or a directory that is listed or entered."""
        if flags & os.O_PATH or path.startswith(PROC):
            self.interrupt()
        if path.startswith(PROC):
            inode = self._held[int(path.removeprefix(PROC))].inode
            if inode.denied:
                raise error(errno.EACCES, path)
            if len(self.disk.fds) >= self.limit:
                raise error(errno.EMFILE, path)
            return self.disk.open(inode)
        assert flags & (os.O_PATH | os.O_DIRECTORY), "nothing is opened for reading by its name"
        whole = os.path.normpath(self._held[dir_fd].path + b"/" + path) if dir_fd else path
        inode = self.disk.find(whole)
        if flags & os.O_DIRECTORY and inode.kind != stat.S_IFDIR:
            raise error(errno.ENOTDIR, path)
        real = b"/".join((os.path.dirname(whole).rstrip(b"/"), os.path.basename(whole)))
        fd = HELD + next(self._holds)
        self._held[fd] = Held(inode, real)
        inode.opens += 1
        return fd

    def ended(self) -> None:
        """Let go of what the daemon held: its process has ended."""
        for fd in list(self._held):
            self.close(fd)

    def dup(self, fd: int) -> int:
        return self.disk.open(self.disk.opened(fd))

    def fdopen(self, fd: int, mode: str) -> io.BufferedReader:
        inode = self.disk.opened(fd)
        self.disk.close(fd)  # the descriptor that is kept beside it is enough
        return io.BufferedReader(RawFile(inode))

    def close(self, fd: int) -> None:
        if fd < HELD:
            self.disk.close(fd)
        else:
            inode = self._held.pop(fd).inode
            inode.opens -= 1
            self.disk.let_go(inode)

    def fstat(self, fd: int) -> os.stat_result:
        if fd >= HELD:
            return self.disk.stat(self._held[fd].inode)
        self.interrupt()
        return self.disk.stat(self.disk.opened(fd))

    def lseek(self, fd: int, offset: int, whence: int) -> int:
        assert (offset, whence) == (0, os.SEEK_END), "nobody asks for anything but a size"
        return self.fstat(fd).st_size

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        self.interrupt()
        inode = self.disk.opened(fd)
        if inode.broken:
            raise error(errno.EIO, b"")
        return inode.data[offset : offset + size]

    def stat(self, path: bytes) -> os.stat_result:
        self.interrupt()
        return self.disk.stat(self.disk.find(path))

    def lstat(self, path: bytes) -> os.stat_result:
        self.interrupt()
        return self.disk.stat(self.disk.find(path))

    def readlink(self, path: bytes) -> bytes:
        """Return the path of what is held: there are no symbolic links."""
        return self._held[int(path.removeprefix(PROC))].path

    @contextlib.contextmanager
    def scandir(self, fd: int) -> Iterator[list[Entry]]:
        self.interrupt()
        base, directory = self._held[fd].path.rstrip(b"/") + b"/", self._held[fd].inode
        yield [Entry(self, base + name, name, found) for name, found in directory.names.items()]


class Inotify:
    """The kernel's queue of events, in the place of ``discovery.watch.Inotify``; read when discovery catches up."""

    def __init__(self, os_: Os) -> None:
        self._os = os_
        self._watches: dict[Inode, tuple[int, int, dict[int, Any]]] = {}  # wd, mask, callbacks by id
        self._last = 0
        self.queue: list[tuple[Inode, Event]] = []
        self.on_batch: Callable[[], None] = lambda: None
        self.on_overflow: Callable[[], None] = lambda: None
        self.on_failure: Callable[[OSError], None] = lambda _error: None

    def tell(self, directory: Inode, mask: int, name: bytes) -> None:
        """Queue an event, if it is watched for; one that is the same as the last is merged with it."""
        watch = self._watches.get(directory)
        if watch is None or not watch[1] & mask:
            return
        told = (directory, Event(mask, name))
        if not self.queue or self.queue[-1] != told:
            self.queue.append(told)

    def lose(self) -> None:
        """Lose what is queued, as the kernel does when its queue is full, and tell only that."""
        self.queue.clear()
        self.on_overflow()

    def start(self) -> None:
        """Start nothing: no thread reads."""

    def stop(self) -> None:
        self._watches.clear()
        self.queue.clear()

    def join(self, timeout: float | None = None) -> None:
        """Wait for nothing."""

    def catch_up(self) -> None:
        """Hand over all that is queued."""
        self._os.interrupt()
        while self.queue:
            directory, event = self.queue.pop(0)
            if (watch := self._watches.get(directory)) is not None:
                for callback in list(watch[2].values()):
                    callback.on_event(event)

    def add_callback(self, path: bytes, mask: int, callback: Any, id_: int) -> int:
        self._os.interrupt()
        inode = self._os.disk.find(path)
        if inode.kind != stat.S_IFDIR:
            raise error(errno.ENOTDIR, path)
        wd, old, callbacks = self._watches.get(inode, (0, 0, {}))
        if not wd:
            self._last += 1
            wd = self._last
        callbacks[id_] = callback
        self._watches[inode] = (wd, old | mask & ~(In.IN_ONLYDIR | In.IN_MASK_ADD), callbacks)
        return wd

    def replace_mask(self, path: bytes, file_id: tuple[int, int], mask: int, wd: int) -> bool:
        self._os.interrupt()
        try:
            inode = self._os.disk.find(path)
        except OSError:
            return False
        known, _, callbacks = self._watches.get(inode, (0, 0, {}))
        if known != wd or (len(callbacks) != 1 and not mask & In.IN_MODIFY):
            return False
        self._watches[inode] = (wd, mask & ~In.IN_ONLYDIR, callbacks)
        return True

    def remove_callbacks(self, handles: list[tuple[int, int]]) -> None:
        for wd, id_ in handles:
            for inode, (found, _, callbacks) in list(self._watches.items()):
                if found == wd:
                    callbacks.pop(id_, None)
                    if not callbacks:
                        del self._watches[inode]


@contextlib.contextmanager
def booted(os_: Os, uids: Callable[[], str]) -> Iterator[None]:
    """Let the daemon work on ``os_`` instead of this machine, and take the names of generations from ``uids``."""
    assert "os" not in vars(links)
    with contextlib.ExitStack() as stack:
        for module in MODULES:
            stack.enter_context(mock.patch.object(module, "os", os_))
        stack.enter_context(mock.patch.object(coverage, "network_devices", frozenset))
        # One write makes a directory busy, and beats are as far apart as the steps in which time passes.
        stack.enter_context(mock.patch.object(quiet, "BUSY", BUSY))
        stack.enter_context(mock.patch.object(pulse, "BEAT", BEAT))
        stack.enter_context(mock.patch.object(pulse, "LONGEST", BEAT))
        stack.enter_context(mock.patch.object(model, "urandom", lambda size: bytes.fromhex(uids())[:size]))
        yield
