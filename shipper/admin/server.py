"""Serves an application on a socket, on a thread of its own; waitress does the work.

The Unix socket in the state directory is the daemon's user's alone (0600). One that a killed daemon left behind is
replaced: whoever holds the state directory's lock is the only one to listen there. Main thread only.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from waitress import wasyncore
from waitress.server import create_server

from shipper.admin.app import App, Asked
from shipper.admin.guard import Guard
from shipper.admin.history import History
from shipper.config import AdminConfig
from shipper.config.checks import host_and_port
from shipper.events import Events
from shipper.status import ConfigStatus
from shipper.tap import Taps

SOCKET = "status.sock"
QUIET = 300.0  # seconds between two rounds of a server's loop when nobody asks
MOST_REQUEST = 16 << 10  # bytes: nobody has anything to send

logging.getLogger("waitress").addHandler(logging.NullHandler())  # it would write to stderr, in a form of its own
logging.getLogger("waitress").propagate = False


class Server:
    """Whoever listens on one socket."""

    def __init__(self, name: str, listener: socket.socket, app: Any) -> None:
        self._map: dict[int, Any] = {}
        self._server: Any = create_server(
            app,
            map=self._map,
            sockets=[listener],
            threads=1,
            asyncore_loop_timeout=QUIET,
            asyncore_use_poll=True,  # select() knows of no descriptor beyond 1023, and there are many log files
            ident=None,
            max_request_body_size=MOST_REQUEST,
            max_request_header_size=MOST_REQUEST,
        )
        self._thread = threading.Thread(target=self._server.run, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._server.trigger.pull_trigger(self._end)  # the loop's own thread has to do it
        self._thread.join(5)

    def _end(self) -> None:
        self._server.task_dispatcher.shutdown()
        wasyncore.close_all(self._map)


class Admin:
    """All that the daemon can be asked by. Where it cannot listen that is told, and it goes on without."""

    def __init__(
        self,
        state_dir: Path,
        pump: Callable[[], Asked],
        in_force: Callable[[], ConfigStatus],
        taps: Taps,
        events: Events,
    ) -> None:
        self._pump = pump
        self._in_force = in_force
        self._events = events
        self._path = state_dir / SOCKET
        self._config = AdminConfig()
        self._port: Server | None = None
        self._history: History | None = None
        listener = self._try(self._path, lambda: _listen_in(state_dir))
        self._unix = (
            Server("admin", listener, App(pump, in_force, events.counters, taps=taps)) if listener is not None else None
        )
        self._socket = _which(self._path)

    def configure(self, config: AdminConfig) -> None:
        """Listen on the port of ``config``, and on no other one any more."""
        if config == self._config and (self._port is not None or not config.listen):
            return
        self._close_port()
        self._config = config
        if not config.listen:
            return
        listener = self._try(Path(config.listen), lambda: _listen_on(config.listen))
        if listener is None:
            return
        importlib.import_module("shipper.admin.metrics")  # now: the first who asks is not to wait for it
        history = self._history = History(self._pump)
        app = App(self._pump, self._in_force, self._events.counters, lambda: history.samples)
        self._port = Server("admin-port", listener, Guard(app, host_and_port(config.listen)[0], config.token))
        self._events.admin_listening(config.listen)

    def close(self) -> None:
        """Listen no more."""
        self._close_port()
        if self._unix is not None:
            self._unix.close()
            with contextlib.suppress(OSError):
                if _which(self._path) == self._socket:  # else it is another daemon's, which has taken over the place
                    self._path.unlink()

    def _close_port(self) -> None:
        if self._port is not None:
            self._port.close()
        if self._history is not None:
            self._history.close()
        self._port = self._history = None

    def _try(self, where: Path, listen: Callable[[], socket.socket]) -> socket.socket | None:
        try:
            return listen()
        except OSError as error:
            self._events.status_unavailable(os.fsencode(where), error.strerror or str(error))
            return None


def _which(path: Path) -> tuple[int, int] | None:
    """Return the device and inode that a path leads to; None where there is nothing."""
    with contextlib.suppress(OSError):
        found = path.lstat()
        return found.st_dev, found.st_ino
    return None


def _listen_on(address: str) -> socket.socket:
    """Return a socket that listens on ``HOST:PORT``."""
    host, port = host_and_port(address)
    family, kind, protocol, _, where = socket.getaddrinfo(
        host, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    one = socket.socket(family, kind, protocol)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(where)
        one.listen(16)
        one.settimeout(0)
    except BaseException:
        one.close()
        raise
    return one


def _listen_in(state_dir: Path) -> socket.socket:
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
