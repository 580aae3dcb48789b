"""What the kernel tells of watched directories (inotify), kept until the pump asks for it.

The inotify thread only adds to sets and wakes; everything else is done by the thread that calls :meth:`Watcher.drain`.
:meth:`Watcher.catch_up` is a barrier: after it, a drain misses nothing that happened before.
Names that concern nobody are dropped at once. What is kept is bounded by the number of distinct names: how often a
file was written does not matter. After a read that found something the thread pauses for :data:`BEAT`, so that busy
writers cost a few hundred wake-ups a second and not one for each write; the first event is never held back.

Invariant: a directory for which :meth:`Watcher.watch` returned a handle is told of until ``unwatch``, or else stands
in ``Drained.lost``, or ``Drained.overflow`` is set.
"""

from __future__ import annotations

import errno
import os
import select
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from watchdog.observers.inotify_c import (
    DEFAULT_EVENT_BUFFER_SIZE,
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
    inotify_add_watch,
    inotify_rm_watch,
)

from shipper.events import Events
from shipper.model import FileId

IN_MODIFY = InotifyConstants.IN_MODIFY
BEAT = 0.005

_NAMES = (
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_ATTRIB
)
_END = InotifyConstants.IN_DELETE_SELF | InotifyConstants.IN_MOVE_SELF | InotifyConstants.IN_UNMOUNT
# MASK_ADD: one directory may be watched under two paths, and the second call must not narrow what the first one asked.
_MASK = _NAMES | _END | InotifyConstants.IN_ONLYDIR | InotifyConstants.IN_MASK_ADD

NOTHING, CONTENT, WAY = 0, 1, 2  # what a name may be for us, as bits: a file that concerns a source, a way to one


class Directory(Protocol):
    """A directory to watch. ``concerns`` is called by the inotify thread."""

    path: bytes

    def concerns(self, name: bytes) -> int:
        """Return what ``name`` may be: ``CONTENT`` and ``WAY``, or ``NOTHING``."""

    def paths(self, name: bytes) -> tuple[bytes, ...]:
        """Return the paths by which sources know the file ``name``."""


class Handle(NamedTuple):
    """A watch that was set."""

    wd: WatchDescriptor
    id: CallbackId


@dataclass(slots=True)
class Drained:
    """What happened since the last time. ``lost``: directories whose watch has ended, or that have moved."""

    names: set[tuple[Directory, bytes]] = field(default_factory=set)  # created, moved, deleted, or their mode changed
    modified: set[tuple[Directory, bytes]] = field(default_factory=set)
    changed: set[Directory] = field(default_factory=set)  # the mode of the directory itself
    lost: set[Directory] = field(default_factory=set)
    overflow: bool = False
    writes: dict[Directory, int] = field(default_factory=dict)  # how often the kernel told of them

    def __bool__(self) -> bool:
        return bool(self.names or self.modified or self.changed or self.lost or self.overflow)


class Inotify(InotifyFD):
    """watchdog's inotify thread, with an instance of its own, that reports by batches and pauses between them.

    Another thread may take the kernel's events in its place (:meth:`catch_up`): whoever reads some holds ``_turn``
    until they have been handled, so that nobody can find the queue empty while events of it are still on their way.
    """

    def __init__(self) -> None:
        super().__init__()
        self.name = "inotify"
        self._turn = threading.Lock()
        self._reading = False  # this thread has the turn
        self._queue = select.poll()
        self._queue.register(self._inotify_fd, select.POLLIN)
        self.on_batch: Callable[[], None] = lambda: None
        self.on_overflow: Callable[[], None] = lambda: None
        self.on_failure: Callable[[OSError], None] = lambda _error: None

    def run(self) -> None:
        """Read events until stopped."""
        try:
            while self.should_keep_running():
                try:
                    for event in self.read_events():
                        self.handle_event(event)
                finally:
                    self._yield_turn()
                self.on_batch()
                self.stopped_event.wait(BEAT)
        except OSError as error:
            self.on_failure(error)
        with self._lock:
            if self._is_reading:  # close() left this to a read that is not coming
                self._is_reading = False
                self._close_resources()

    def catch_up(self) -> None:
        """Handle every event that the kernel has queued until now, on the calling thread."""
        with self._turn:
            while self._queue.poll(0):
                read = os.read(self._inotify_fd, DEFAULT_EVENT_BUFFER_SIZE)
                for wd, mask, cookie, name in self._parse_event_buffer(read):
                    self.handle_event(InotifyEvent(wd, mask, cookie, name))

    def replace_mask(self, path: bytes, file_id: tuple[int, int], mask: Mask, wd: WatchDescriptor) -> bool:
        """Set what the kernel tells of a directory that has one callback; False where that cannot be done.

        Nothing is lost between the old mask and the new one: the watch stays, with all that is queued of it. It is
        set by a descriptor of the very directory, for its path may lead to another one at any moment.
        """
        try:
            fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            found = os.fstat(fd)
            if (found.st_dev, found.st_ino) != file_id:
                return False
            with self._lock:
                watch = self._watch_for_wd.get(wd)
                if watch is None or self._closed or (len(watch.callbacks) != 1 and not mask & IN_MODIFY):
                    return False
                got = inotify_add_watch(self._inotify_fd, b"/proc/self/fd/%d" % fd, mask)
                if got in self._watch_for_wd and got != wd:  # another directory's, which has got this inode
                    inotify_add_watch(self._inotify_fd, b"/proc/self/fd/%d" % fd, Mask(_MASK | IN_MODIFY))
                elif got not in (wd, -1):
                    inotify_rm_watch(self._inotify_fd, got)
                return got == wd
        finally:
            os.close(fd)

    def _check_inotify_fd(self) -> bool:
        """Wait for events, and take the turn before they are read; False when the thread is to end."""
        self._yield_turn()  # the read was interrupted
        while super()._check_inotify_fd():
            self._turn.acquire()
            if self._queue.poll(0):
                self._reading = True
                return True
            self._turn.release()  # another thread was faster
        return False

    def _yield_turn(self) -> None:
        if self._reading:
            self._reading = False
            self._turn.release()

    def handle_event(self, event: InotifyEvent) -> None:
        """Take one event; an overflow is ours alone to tell of (watchdog would log it)."""
        if event.is_queue_overflow:
            self.on_overflow()
        else:
            super().handle_event(event)


class Watcher:
    """Sets watches and keeps what they tell. Methods are for the pump thread; ``wake`` is called by the inotify thread.

    Where inotify cannot be had at all, every :meth:`watch` returns None.
    """

    def __init__(self, wake: Callable[[], None], events: Events, make: Callable[[], Inotify] = Inotify) -> None:
        self._wake = wake
        self._events = events
        self._make = make
        self._lock = threading.Lock()
        self._drained = Drained()
        self._inotify: Inotify | None = None
        self._last_id = 0
        self._full = False  # the kernel's limit was met since retry()

    def start(self) -> None:
        """Start the inotify thread."""
        try:
            self._inotify = self._make()
        except OSError as error:
            limit = "fs.inotify.max_user_instances" if error.errno == errno.EMFILE else ""
            self._events.watch_unavailable(error.strerror or str(error), limit)
            return
        self._inotify.on_batch = self._batch
        self._inotify.on_overflow = self._overflow
        self._inotify.on_failure = self._failed
        self._inotify.start()

    @property
    def alive(self) -> bool:
        """Whether handles mean anything: inotify was there, and still is."""
        return self._inotify is not None

    def retry(self) -> None:
        """Ask the kernel again for watches that it refused."""
        self._full = False

    def watch(self, directory: Directory, *, content: bool) -> Handle | None:
        """Watch ``directory``; with ``content``, writes to its files too. None: it cannot be watched, so poll it."""
        inotify = self._inotify
        if inotify is None or self._full:
            return None
        self._last_id += 1
        id_ = CallbackId(self._last_id)
        mask = Mask(_MASK | (InotifyConstants.IN_MODIFY if content else 0))
        try:
            wd = inotify.add_callback(directory.path, mask, _Callback(self, directory), id_)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                self._full = True
                self._events.watch_limit(directory.path)
            return None  # not there any more, or unreadable: whoever lists it next tells
        if wd == -1:  # no permission: watchdog swallows this one, and keeps a callback that can never be called
            inotify.remove_callbacks([(wd, id_)])
            return None
        return Handle(wd, id_)

    def listen(self, directory: Directory, handle: Handle, file_id: FileId, *, content: bool) -> bool:
        """Have the kernel tell of writes to the files of a watched directory from now on, or not; whether it does.

        ``file_id`` is the directory's: its path may lead elsewhere by now. Not where another has the same watch.
        """
        inotify = self._inotify
        if inotify is None:
            return False
        mask = Mask(_NAMES | _END | InotifyConstants.IN_ONLYDIR | (InotifyConstants.IN_MODIFY if content else 0))
        return inotify.replace_mask(directory.path, (file_id.dev, file_id.ino), mask, handle.wd)

    def unwatch(self, handle: Handle) -> None:
        """End a watch; also right for one that has ended by itself."""
        if (inotify := self._inotify) is not None:
            inotify.remove_callbacks([(handle.wd, handle.id)])

    def drain(self) -> Drained:
        """Return what has come since the last call."""
        with self._lock:
            drained, self._drained = self._drained, Drained()
        return drained

    @property
    def pending(self) -> bool:
        """Whether the next drain tells of anything."""
        with self._lock:
            return bool(self._drained)

    @property
    def names_pending(self) -> bool:
        """Whether the next drain tells of names, or of more than can be told."""
        with self._lock:
            drained = self._drained
            return bool(drained.names or drained.changed or drained.lost or drained.overflow)

    def catch_up(self) -> None:
        """Take in what the kernel has queued until now: the next drain misses nothing that happened before."""
        if (inotify := self._inotify) is not None:
            inotify.catch_up()

    def close(self) -> None:
        """End the thread and give the descriptors back."""
        if (inotify := self._inotify) is not None:
            self._inotify = None
            inotify.stop()
            inotify.join(1.0)

    # The inotify thread from here on.

    def take(self, directory: Directory, event: InotifyEvent) -> None:
        """Note one event."""
        mask, name = event.mask, event.name
        if mask & _END:
            self.lose(directory)
        elif not name:
            with self._lock:
                self._drained.changed.add(directory)
        elif mask & InotifyConstants.IN_MODIFY:
            if directory.concerns(name) & CONTENT:
                with self._lock:
                    drained = self._drained
                    drained.modified.add((directory, name))
                    drained.writes[directory] = drained.writes.get(directory, 0) + 1
        elif directory.concerns(name):
            with self._lock:
                self._drained.names.add((directory, name))

    def lose(self, directory: Directory) -> None:
        """Note that a watch has ended, or that its directory is now elsewhere."""
        with self._lock:
            self._drained.lost.add(directory)

    def _batch(self) -> None:
        if self._drained:  # the pump may have taken it just now; then it is awake
            self._wake()

    def _overflow(self) -> None:
        self._events.watch_overflow()
        with self._lock:
            self._drained.overflow = True

    def _failed(self, error: OSError) -> None:
        self._events.watch_unavailable(error.strerror or str(error), "")
        self._inotify = None
        self._overflow()
        self._wake()


class _Callback:
    """Ties a watch to its directory, for watchdog."""

    __slots__ = ("_directory", "_watcher")

    def __init__(self, watcher: Watcher, directory: Directory) -> None:
        self._watcher = watcher
        self._directory = directory

    def on_event(self, event: InotifyEvent) -> None:
        self._watcher.take(self._directory, event)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:  # noqa: ARG002 (watchdog's signature)
        self._watcher.lose(self._directory)

    def on_queue_overflow(self) -> None:
        """Never called: Inotify.handle_event takes overflows."""
