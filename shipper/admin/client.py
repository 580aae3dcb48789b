"""Asks a running daemon over its Unix socket. Any process that may use the socket."""

from __future__ import annotations

import http.client
import os
import secrets
import socket
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from shipper.admin.app import PATIENCE
from shipper.admin.server import SOCKET
from shipper.errors import StatusError
from shipper.model import show_path
from shipper.status import Status
from shipper.tap import Gathered

TIMEOUT = PATIENCE + 5.0  # seconds


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket in a directory, whose path may be longer than a socket's address can be."""

    def __init__(self, state_dir: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._state_dir = state_dir

    def connect(self) -> None:
        directory = os.open(self._state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(TIMEOUT)
            self.sock.connect(f"/proc/self/fd/{directory}/{SOCKET}")
        finally:
            os.close(directory)


def ask(state_dir: Path) -> Status:
    """Return how the daemon stands that holds ``state_dir``; raises StatusError where none answers, and says why."""
    body = ask_json(state_dir)
    try:
        return msgspec.json.decode(body, type=Status)
    except msgspec.DecodeError as error:
        shown = show_path(os.fsencode(state_dir))
        raise StatusError(f"the daemon of {shown} is of another version than this program: {error}") from None


def ask_json(state_dir: Path) -> bytes:
    """Return the same as the daemon wrote it: one JSON object."""
    connection = _Connection(state_dir)
    try:
        return _get(connection, state_dir, "/status")
    finally:
        connection.close()


def tap(state_dir: Path, source: str, key: str, rate: int) -> Generator[Gathered]:
    """Open a tap, and yield what it has gathered each time that is asked for; raises StatusError.

    The first answer says how the sources stand. A tap that was closed meanwhile, by a daemon that was started anew
    or because nobody had asked for long, is opened again.
    """
    wish = urlencode({"id": secrets.token_hex(8), "source": source, "key": key, "rate": rate})
    connection = _Connection(state_dir)
    try:
        while True:
            yield msgspec.json.decode(_get(connection, state_dir, f"/tap?{wish}"), type=Gathered)
    finally:
        connection.close()


def _get(connection: _Connection, state_dir: Path, what: str) -> bytes:
    shown = show_path(os.fsencode(state_dir))
    try:
        connection.request("GET", what)
        response = connection.getresponse()
        body = response.read()
    except PermissionError:
        raise StatusError(
            f"this user may not ask the daemon of {shown}; run it as the daemon's user, or as root"
        ) from None
    except (FileNotFoundError, ConnectionRefusedError):
        raise StatusError(
            f"no daemon runs with state_dir {shown}; is it started, and is this its configuration?"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise StatusError(f"the daemon of {shown} does not answer: {error or type(error).__name__}") from None
    if response.status != http.HTTPStatus.OK:
        raise StatusError(f"the daemon of {shown} says: {body.decode('utf-8', 'replace').strip()}")
    return body
