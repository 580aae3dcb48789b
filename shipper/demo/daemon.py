"""The real daemon as a child process. What it logs goes to a file, of which an error shows the end."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from shipper.errors import ShipperError

STOP_TIMEOUT = 40.0  # more than the daemon's own shutdown_timeout
LOG_LINES = 5


class DaemonFailed(ShipperError):
    """The daemon ended although nobody asked it to, or did not end well when asked."""


class Daemon:
    """``shipper run`` on ``config``; leaving the context ends it for sure."""

    def __init__(self, config: Path, log: Path) -> None:
        self._command = [sys.executable, "-m", "shipper", "run", "-c", str(config)]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    def start(self) -> None:
        """Start it (again); it must not be running, as a process that is forgotten would be left behind."""
        assert self._process is None, "the daemon is running"
        with self._log.open("ab") as log:
            # A group of its own: Ctrl-C in the terminal is for the demo, which then stops the daemon itself.
            self._process = subprocess.Popen(  # noqa: S603 -- the command is this program
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
            )

    @property
    def watches(self) -> bool:
        """Whether it has looked once at what is there; what comes from then on is new to it."""
        return b" source.scanned " in self._log.read_bytes()

    def kill(self) -> None:
        """End it with SIGKILL, and wait until it is gone."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def check(self) -> None:
        """Raise if it has ended by itself."""
        if self._process and (status := self._process.poll()) is not None:
            self._process = None
            raise DaemonFailed(f"the daemon ended with exit status {status}; its log ends with:\n{self._last_lines()}")

    def stop(self) -> None:
        """Stop it with SIGTERM and wait; its exit status must be 0."""
        if not self._process:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
            raise DaemonFailed(
                f"the daemon did not stop within {STOP_TIMEOUT:.0f} s of SIGTERM; its log ends with:\n"
                f"{self._last_lines()}"
            ) from None
        self._process = None
        if status:
            raise DaemonFailed(
                f"the daemon ended with exit status {status} when asked to stop; its log ends with:\n"
                f"{self._last_lines()}"
            )

    def _last_lines(self) -> str:
        lines = self._log.read_text("utf-8", "backslashreplace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-LOG_LINES:]) or "  (nothing)"
