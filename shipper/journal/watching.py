"""Wakes the pump when something has happened to a journal. One thread, "journald", for all sources that read one.

It begins with the first of them.

A journal's descriptor stays readable until its source has taken note (``process`` of the reader), which may be a while
when there is no room in flight. So each wakes only once, until :meth:`Watching.again`. All methods but the thread's own
are called by the pump thread; the thread touches nothing but descriptors and flags.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Callable

ONCE = select.EPOLLIN | select.EPOLLONESHOT


class Watching:
    """Watches any number of descriptors. ``wake`` is called on its thread, after the flag of the descriptor was set."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._flags: dict[int, threading.Event] = {}
        self._thread: threading.Thread | None = None

    def _start(self) -> None:
        self._poll = select.epoll()
        self._stop = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll.register(self._stop, select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, name="journald", daemon=True)
        self._thread.start()

    def add(self, fd: int) -> threading.Event:
        """Watch a descriptor; returns the flag that is set when something has happened."""
        if self._thread is None:
            self._start()
        flag = self._flags[fd] = threading.Event()
        self._poll.register(fd, ONCE)
        return flag

    def again(self, fd: int) -> None:
        """Wake again when something happens."""
        self._flags[fd].clear()
        self._poll.modify(fd, ONCE)

    def remove(self, fd: int) -> None:
        """Watch it no more; to be called before it is closed."""
        del self._flags[fd]
        with contextlib.suppress(OSError):
            self._poll.unregister(fd)

    def close(self) -> None:
        """End the thread."""
        if self._thread is None:
            return
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        self._poll.close()
        os.close(self._stop)

    def _run(self) -> None:
        while True:
            for fd, _ in self._poll.poll():
                if fd == self._stop:
                    return
                flag = self._flags.get(fd)
                if flag is not None:
                    flag.set()
                    self._wake()
