"""The real ``logrotate``, in all of its modes at once: one directory and one log for each mode.

A mode is what a stanza of logrotate's configuration says. All logs are written all the time, from one thread, while
logrotate runs; only where it copies and truncates does the writer pause meanwhile, as the lines between copy and
truncation are in neither file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.harness.writer import Held, Log

NEEDED = ("logrotate", "gzip", "bzip2", "xz", "zstd")
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
MISSING = [tool for tool in NEEDED if shutil.which(tool, path=_PATH) is None]
LOGROTATE = shutil.which("logrotate", path=_PATH)


class Mode(NamedTuple):
    """One way to rotate; ``name`` is that of its directory and its log."""

    name: str
    directives: str
    gap: bool = False  # what is written while it runs may be lost by the tool: between a copy and what follows it
    held: bool = False  # the writer keeps its descriptor until the postrotate script tells it to open the log again
    offline: bool = True  # can be followed while the daemon is stopped
    twice: bool = True  # the same, for a log that is born and rotated meanwhile, under its own key


def _packed(command: str, ending: str) -> str:
    return f"compress\ncompresscmd {shutil.which(command)}\nuncompresscmd {shutil.which(command)}\ncompressext {ending}"


MODES = [
    Mode("create", "create"),
    Mode("nocreate", "nocreate"),
    Mode("held", "create", held=True),
    Mode("copy", "copy", gap=True),
    Mode("copytruncate", "copytruncate", gap=True),
    Mode("copytruncate-compress", "copytruncate\ncompress", gap=True),
    Mode("copytruncate-delaycompress", "copytruncate\ncompress\ndelaycompress", gap=True),
    Mode("gzip", "compress\ncreate", gap=True),
    Mode("gzip-held", "compress\ncreate", held=True),
    Mode("xz", _packed("xz", ".xz"), held=True),
    Mode("bzip2", _packed("bzip2", ".bz2"), held=True),
    Mode("zstd", _packed("zstd", ".zst") + "\ncompressoptions -q", held=True),
    Mode("delaycompress", "compress\ndelaycompress\ncreate"),
    Mode("dateext", "dateext\ndateformat -%Y%m%d-%s"),
    Mode("dateext-time", "dateext\ndateformat -%Y%m%d%H%M%S\ncompress", held=True),
    Mode("dateext-delaycompress", "dateext\ndateformat .%Y-%m-%dT%H-%M-%S\ncompress\ndelaycompress"),
    Mode("dateyesterday", "dateext\ndateyesterday\ndateformat -%Y%m%d-%H%M%S"),
    Mode(
        "day-first", "dateext\ndateformat -%d%m%Y-%H%M%S", twice=False
    ),  # its names do not sort: only the id leads there
    Mode("extension", "extension .log", twice=False),
    Mode("extension-dateext", "extension .log\ndateext\ndateformat -%Y%m%d-%s\ncompress", held=True, twice=False),
    Mode("olddir", "createolddir\nolddir elsewhere/{name}", offline=False),
    Mode("olddir-watched", "createolddir\nolddir {logs}/old", twice=False),
    Mode("renamecopy", "renamecopy", held=True),
    Mode("renamecopy-compress", "renamecopy\ncompress", held=True),
    Mode("shred", "compress\nshred", held=True),
    Mode("none-kept", "rotate 0", offline=False),
    Mode("one-kept", "rotate 1\ncreate", twice=False),
    Mode("start-0", "start 0\ncompress\ndelaycompress"),
]


class Fleet:
    """The logs of many modes, the writer of them all, and logrotate. A context manager: the writer runs meanwhile."""

    def __init__(self, root: Path, logs: Sequence[Log], modes: Iterable[Mode]) -> None:
        self._root = root
        self._modes = list(modes)
        self._logs = dict(zip(self._modes, logs, strict=True))
        self._held: dict[Mode, Held] = {}
        self._paused: set[Mode] = set()
        self._lock = threading.Lock()  # held while a round is written
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write, name="fleet")
        (root / "elsewhere").mkdir()

    def __enter__(self) -> Fleet:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Write no more."""
        self._over.set()
        self._thread.join()
        while self._held:
            self._held.popitem()[1].close()

    def rotate(self, modes: Iterable[Mode]) -> None:
        """Let logrotate rotate the logs of ``modes``; raises if it fails."""
        chosen = list(modes)
        config = self._root / "logrotate.conf"
        config.write_text("\n".join(self._stanza(mode) for mode in chosen))
        config.chmod(0o600)
        assert LOGROTATE is not None
        with self._pause({mode for mode in chosen if mode.gap}):
            command = [LOGROTATE, "--force", "--state", str(self._root / "logrotate.state"), str(config)]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        told = [line for line in done.stdout.splitlines() if "already exists, renaming to" not in line]
        assert (done.returncode, told) == (0, []), done.stdout

    def _stanza(self, mode: Mode) -> str:
        log = self._logs[mode].path
        directives = mode.directives.format(name=mode.name, logs=log.parent).replace(
            "olddir elsewhere", f"olddir {self._root}/elsewhere"
        )
        keep = "" if "rotate " in directives else "rotate 20\n"
        again = self._again(mode)
        script = (
            f"postrotate\ntouch {again}\nwhile [ -e {again} ]; do sleep 0.01; done\nendscript\n" if mode.held else ""
        )
        return f"{log} {{\n{keep}{directives}\n{script}}}\n"

    def _again(self, mode: Mode) -> Path:
        return self._root / f"{mode.name}.reopen"

    @contextmanager
    def _pause(self, modes: set[Mode]) -> Iterator[None]:
        with self._lock:
            self._paused |= modes
        yield
        with self._lock:
            self._paused -= modes

    def _write(self) -> None:
        while not self._over.wait(0.02):
            with self._lock:
                for mode, log in self._logs.items():
                    if mode in self._paused:
                        continue
                    if mode.held:
                        self._write_held(mode, log)
                    else:
                        log.write(5)

    def _write_held(self, mode: Mode, log: Log) -> None:
        again = self._again(mode)
        if mode not in self._held or again.exists():
            if mode in self._held:
                self._held.pop(mode).close()
            self._held[mode] = log.hold()
            again.unlink(missing_ok=True)
        self._held[mode].write(5)
