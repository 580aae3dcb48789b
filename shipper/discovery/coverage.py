"""Sees to it that every directory that matters is either watched or polled. Pump thread only."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Protocol

from shipper.discovery.scan import network_devices
from shipper.discovery.watch import Directory, Handle, Watcher
from shipper.model import FileId


class Covered(Directory, Protocol):
    """A directory that may have a watch."""

    file_id: FileId
    handle: Handle | None


class Coverage:
    """``polled`` are the directories that are kept but not watched.

    Their file system is remote, their source says so, the kernel gives no watch, or they could not be read. Without
    a watcher nothing is kept: that is for a single scan.
    """

    def __init__(self, watcher: Watcher | None) -> None:
        self.polled: dict[Covered, None] = {}  # a set that keeps its order
        self._watched: dict[Covered, None] = {}
        self.released: Callable[[Covered], None] = lambda _directory: None  # told of each watch that ends
        self._watcher = watcher
        self._remote: frozenset[int] = frozenset()
        self._doubt = False

    def renew(self, *, doubt: bool) -> None:
        """Begin a full scan: learn the mounts again, ask the kernel again for what it refused.

        With ``doubt`` every watch is set anew: that one has ended may have been among the events that were dropped,
        and the directory's successor may have its inode number.
        """
        self._doubt = doubt
        if self._watcher is not None:
            with contextlib.suppress(OSError):  # no descriptor is left, say: then they are as they were
                self._remote = network_devices()
            self._watcher.retry()

    def trust(self) -> None:
        """End a full scan."""
        self._doubt = False

    def keep(self, directory: Covered, *, content: bool, poll: bool = False) -> None:
        """Watch ``directory`` from now on (with ``content``, writes to its files too), or poll it."""
        if self._watcher is None:
            return
        remote = poll or directory.file_id.dev in self._remote
        if remote or self._doubt:
            self.release(directory)
        if not remote and (directory.handle is None or not self._watcher.alive):
            self.released(directory)
            directory.handle = self._watcher.watch(directory, content=content)
        if directory.handle is None:
            self.polled[directory] = None
            self._watched.pop(directory, None)
        else:
            self.polled.pop(directory, None)
            self._watched[directory] = None

    def listen(self, directory: Covered, content: bool) -> bool:  # noqa: FBT001 - as Quiet wants it
        """Have the kernel tell of writes in a watched directory, or not; returns whether it does as it was told."""
        if self._watcher is None or directory.handle is None:
            return False
        return self._watcher.listen(directory, directory.handle, directory.file_id, content=content)

    def try_again(self, directory: Covered) -> None:
        """Poll ``directory`` until it has been listed again, watched or not: what happened there could not be seen."""
        self.polled[directory] = None

    def release(self, directory: Covered) -> None:
        """Neither watch nor poll ``directory`` any more."""
        self.polled.pop(directory, None)
        self._watched.pop(directory, None)
        self.released(directory)
        if directory.handle is not None and self._watcher is not None:
            self._watcher.unwatch(directory.handle)
            directory.handle = None

    def release_all(self) -> None:
        """Neither watch nor poll anything any more."""
        for directory in [*self._watched, *self.polled]:
            self.release(directory)
