"""The daemon under a service manager: a socket that listens to what systemd would be told."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.rig import Rig

pytest.importorskip("systemd.daemon", reason="systemd-python is not installed (make test installs it where it can)")

WATCHDOG = 4_000_000  # microseconds


class Listener:
    """Takes messages as they come."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(60)

    def until(self, wanted: str) -> list[str]:
        """Return the lines that come, up to one that begins with ``wanted``."""
        lines: list[str] = []
        while not any(line.startswith(wanted) for line in lines):
            lines += self._socket.recv(65536).decode().split("\n")
        return lines

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    one = Listener(tmp_path / "notify")
    yield one
    one.close()


def prefix(listener: Listener) -> list[str]:
    return ["env", f"NOTIFY_SOCKET={listener.path}", f"WATCHDOG_USEC={WATCHDOG}"]


def test_a_start_a_reload_and_a_stop(rig: Rig, listener: Listener) -> None:
    rig.log().write(100)
    daemon = rig.start(prefix=prefix(listener))
    listener.until("READY=1")
    status = listener.until("STATUS=")[-1]
    assert status.endswith("bytes to read")
    listener.until("WATCHDOG=1")
    daemon.process.send_signal(signal.SIGHUP)
    assert any(line.startswith("MONOTONIC_USEC=") for line in listener.until("RELOADING=1"))
    listener.until("READY=1")
    rig.delivered()
    daemon.process.send_signal(signal.SIGTERM)
    listener.until("STOPPING=1")
    assert daemon.wait() == 0
