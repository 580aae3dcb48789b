"""Serves the application on a Unix socket in the state directory, on a thread of its own.

The socket is the daemon's user's alone (0600). One that a killed daemon left behind is replaced: whoever holds the
state directory's lock is the only one to listen there. Started and stopped by the main thread.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from pathlib import Path
from typing import Any

from waitress import wasyncore
from waitress.server import create_server

from shipper.admin.app import App
from shipper.events import Events

SOCKET = "status.sock"
QUIET = 300.0  # seconds between two rounds of the server's loop when nobody asks


class AdminServer:
    """One socket that is listened on."""

    def __init__(self, state_dir: Path, app: App, events: Events) -> None:
        """Begin to listen. Where that cannot be done it is told, and the daemon goes on without."""
        self._path = state_dir / SOCKET
        self._map: dict[int, Any] = {}
        self._thread: threading.Thread | None = None
        try:
            listener = _listen(state_dir)
        except OSError as error:
            events.status_unavailable(os.fsencode(self._path), error.strerror or str(error))
            return
        self._server: Any = create_server(
            app, map=self._map, sockets=[listener], threads=1, asyncore_loop_timeout=QUIET, ident=None
        )
        self._thread = threading.Thread(target=self._server.run, name="admin", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        if self._thread is None:
            return
        self._server.trigger.pull_trigger(self._end)  # the loop's own thread has to do it
        self._thread.join(5)
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _end(self) -> None:
        self._server.task_dispatcher.shutdown()
        wasyncore.close_all(self._map)


def _listen(state_dir: Path) -> socket.socket:
    """Return a socket that listens in the directory, whose path may be longer than a socket's address can be."""
    directory = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(SOCKET, dir_fd=directory)
        before = os.umask(0o177)
        try:
            one.bind(f"/proc/self/fd/{directory}/{SOCKET}")
        finally:
            os.umask(before)
        one.listen(16)
        one.settimeout(0)
    except BaseException:
        one.close()
        raise
    finally:
        os.close(directory)
    return one
