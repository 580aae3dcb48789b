"""``shipper run`` as a child process: configured from arguments, its log read and awaited line by line.

The log on stderr is ``2026-11-23T14:02:11.113Z INFO service.ready key=value …``; a value with spaces is quoted.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.harness.process import freeze, thaw
from tests.harness.wait import DEADLINE, eventually

_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARN|ERROR) ([a-z_]+\.[a-z_]+)(.*)")
_FIELD = re.compile(r'([\w.]+)=("(?:[^"\\]|\\.)*"|\S*)')

Table = Mapping[str, Any]

# Without the capabilities that let root read and write everything, a test of permissions means something to root too.
UNPRIVILEGED = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


class Event(NamedTuple):
    """One line of the daemon's log."""

    level: str
    name: str
    fields: dict[str, str]


def parse_event(line: str) -> Event | None:
    """Return the event that a line of the log tells, or None where it is no line of the log."""
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    fields = {}
    for key, value in _FIELD.findall(match[3]):
        fields[key] = value
        if value.startswith('"'):
            with contextlib.suppress(ValueError):
                fields[key] = str(json.loads(value))
    return Event(match[1], match[2], fields)


def toml(tables: Mapping[str, Table]) -> str:
    """Return tables as TOML, of which JSON's values are a part where they are not tables themselves."""
    return "".join(
        f"[{name}]\n" + "".join(f"{json.dumps(key)} = {_value(value)}\n" for key, value in table.items()) + "\n"
        for name, table in tables.items()
    )


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value)


class Daemon:
    """One run of the daemon, from its start to its end."""

    def __init__(self, config: Path, prefix: Sequence[str] = ()) -> None:
        self.events: list[Event] = []
        self.output: list[str] = []
        self._news = threading.Condition()
        self._silent = False  # its output has ended
        # setpriv: a daemon must not outlive a test run that was killed.
        command = ["setpriv", "--pdeathsig", "KILL", *prefix, sys.executable, "-m", "shipper", "run", "-c", str(config)]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "default"}
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
        )
        self._reader = threading.Thread(target=self._read, name="daemon-log", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self.process.poll() is None

    def wait_for(self, name: str, count: int = 1, timeout: float = DEADLINE, **fields: str) -> Event:
        """Return the ``count``-th event of this name that has these fields, as soon as it was told."""
        end = time.monotonic() + timeout
        with self._news:
            while True:
                found = self.told(name, **fields)
                if len(found) >= count:
                    return found[count - 1]
                if self._silent or not self._news.wait(max(0.0, end - time.monotonic())):
                    why = "the daemon ended" if self._silent else f"waited {timeout:.0f} s"
                    raise AssertionError(f"{why} without event {count} of {name} {fields}\n{self.log()}")

    def told(self, name: str, **fields: str) -> list[Event]:
        """Return the events of this name so far that have these fields."""
        return [e for e in self.events if e.name == name and fields.items() <= e.fields.items()]

    def log(self) -> str:
        """Return the last lines of what the daemon wrote."""
        return "\n".join(self.output[-400:])

    def open_paths(self) -> list[str]:
        """Return what the daemon has open to be read; of a file that is gone, ``PATH (deleted)``.

        Not what it only looks at (``O_PATH``): that is closed at once, and holds nothing.
        """
        found = []
        with contextlib.suppress(FileNotFoundError):  # it ended, or a descriptor was closed meanwhile
            for descriptor in os.listdir(f"/proc/{self.pid}/fd"):
                with contextlib.suppress(FileNotFoundError):
                    told = Path(f"/proc/{self.pid}/fdinfo/{descriptor}").read_text()
                    if int(told.split("flags:")[1].split()[0], 8) & os.O_PATH:
                        continue
                    found.append(os.readlink(f"/proc/{self.pid}/fd/{descriptor}"))
        return found

    def wait_open(self, path: Path) -> None:
        """Return as soon as the daemon holds the file open."""
        eventually(f"the daemon to open {path}", lambda: str(path) in self.open_paths())

    def peak_memory(self) -> int:
        """Return the most memory that the process has held at once, in bytes."""
        return self._status("VmHWM") * 1024

    def memory(self) -> int:
        """Return how much memory of its own the process holds, in bytes."""
        return self._status("RssAnon") * 1024

    def threads(self) -> int:
        """Return how many threads the process has."""
        return self._status("Threads")

    def _status(self, name: str) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        match = re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE)
        assert match is not None, status
        return int(match[1])

    def wait(self, timeout: float = DEADLINE) -> int:
        """Return the exit status when it has ended."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the daemon did not end within {timeout:.0f} s\n{self.log()}") from None
        self._reader.join()
        assert "Traceback (most recent call last)" not in "\n".join(self.output), self.log()
        return status

    def stop(self, timeout: float = DEADLINE) -> None:
        """Stop it as an init system does; it must end well."""
        self.process.terminate()
        status = self.wait(timeout)
        assert status == 0, f"the daemon ended with {status}\n{self.log()}"

    def kill(self) -> None:
        """End it as the out-of-memory killer does."""
        self.process.kill()
        self.wait()

    def pause(self) -> None:
        """Stop the process in its tracks."""
        freeze(self.pid)

    def resume(self) -> None:
        """Let a paused process go on."""
        thaw(self.pid)

    def reload(self) -> None:
        """Ask it to read its configuration again."""
        self.process.send_signal(signal.SIGHUP)

    def clean_up(self) -> None:
        """End it whatever state it is in."""
        if self.running:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for raw in self.process.stdout:
            line = raw.decode("utf-8", "backslashreplace").rstrip("\n")
            event = parse_event(line)
            with self._news:
                self.output.append(line)
                if event is not None:
                    self.events.append(event)
                self._news.notify_all()
        with self._news:
            self._silent = True
            self._news.notify_all()
