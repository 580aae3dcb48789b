"""Programs that log: several files that grow at once and rotate, by rename and by copy-and-truncate.

A file's line number ``n`` is always the same bytes (:func:`line`), so that a consumer can tell from the counts alone
which lines there must be, and compare each byte for byte. Blocks are written as programs with a buffer write them: one
often ends in the middle of a line, and the next one goes on there.

One thread (:class:`Generator`) writes all files. Others may read ``written`` and ``generation`` at any time, which are
only ever added to; the rest is the thread's own until it has ended.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Literal, NamedTuple

TICK = 0.02
KEEP = 9  # rotated files; more than a daemon that was killed for a while can be behind

_HAPPENINGS = (
    "GET /index.html 200 1834",
    "POST /cart 201 77 user=4711",
    "order accepted total=118.20 currency=EUR",
    "cache miss key=session:9f3c took=12ms",
    "connection from 192.0.2.17 port 50412",
    "WARN slow query took=1532ms rows=20118",
    'payload {"id": 20118, "state": "shipped", "tags": ["a", "b"]}',
    "grüße, 你好, ça va",
    "",
)


class Stream(NamedTuple):
    """One file: its name, lines a second, how it is rotated and after how many lines."""

    name: str
    rate: float
    rotation: Literal["rename", "copy"]
    generation_lines: int


def streams(seconds: float) -> list[Stream]:
    """Return the demo's files; each is rotated a few times in ``seconds``, the busier ones more often."""
    return [
        Stream("web.log", 3000, "rename", int(3000 * seconds / 6)),
        Stream("orders.log", 1200, "copy", int(1200 * seconds / 5)),
        Stream("api.log", 1500, "copy", int(1500 * seconds / 4)),
        Stream("auth.log", 300, "rename", int(300 * seconds / 4)),
    ]


def line(name: str, number: int) -> bytes:
    """Return line ``number`` (from 0) of ``name``, without its line end."""
    return f"{name} {number} {_HAPPENINGS[number % len(_HAPPENINGS)]}".encode()


class GrowingFile:
    """One file of the demo. ``written`` counts the lines whose end is in the file, over all generations."""

    def __init__(self, directory: Path, stream: Stream) -> None:
        self.stream = stream
        self.written = 0
        self.generation = 0
        self._path = directory / stream.name
        self._first = 0  # number of the generation's first line
        self._begun = b""  # what was written of the line that has no end yet
        self._file = self._open()

    @property
    def filled(self) -> float:
        """How much of this generation is written, from 0 to 1."""
        return min(1.0, (self.written - self._first) / self.stream.generation_lines)

    def grow(self, lines: int, *, half: bool = False) -> None:
        """Add ``lines`` lines in one write; with ``half``, and the beginning of one more. Rotate when it is time."""
        if not lines:
            return
        name, end = self.stream.name, self.written + lines
        block = b"".join(line(name, number) + b"\n" for number in range(self.written, end))[len(self._begun) :]
        following = line(name, end)
        self._begun = following[: len(following) // 2] if half else b""
        self._write(block + self._begun)
        self.written = end
        if self.written - self._first >= self.stream.generation_lines:
            self.rotate()

    def rotate(self) -> None:
        """Start a new generation, as logrotate does; a line that was begun is finished first."""
        self.finish_line()
        for number in range(KEEP - 1, 0, -1):
            if self._rotated(number).exists():
                self._rotated(number).rename(self._rotated(number + 1))
        if self.stream.rotation == "rename":
            self._path.rename(self._rotated(1))
            self._file.close()
            self._file = self._open()
        else:
            # We are the only writer: nothing can be written between the copy and the truncation.
            shutil.copyfile(self._path, self._rotated(1))
            self._file.truncate(0)
        self._first = self.written
        self.generation += 1

    def finish_line(self) -> None:
        """Write the rest of a line that was begun."""
        if self._begun:
            self._write(line(self.stream.name, self.written)[len(self._begun) :] + b"\n")
            self._begun = b""
            self.written += 1

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()

    def _rotated(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _open(self) -> IO[bytes]:
        return self._path.open("ab")


class Generator:
    """The thread that writes the files, each at its rate, until :meth:`stop`."""

    def __init__(self, directory: Path, files: Sequence[Stream]) -> None:
        self.files = [GrowingFile(directory, stream) for stream in files]
        self._stopping = threading.Event()
        self._rotating = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="generator", daemon=True)

    @property
    def written(self) -> dict[str, int]:
        """How many complete lines each file has had."""
        return {file.stream.name: file.written for file in self.files}

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def rotate(self) -> None:
        """Have every file rotated at once, whatever it holds."""
        self._rotating.set()

    def check(self) -> None:
        """Raise what made the thread fail, such as a full disk."""
        if self._failure:
            raise self._failure

    def stop(self) -> None:
        """Finish the last lines; afterwards nothing is written any more."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self.check()

    def _run(self) -> None:
        try:
            self._write()
            for file in self.files:
                file.finish_line()
        except OSError as error:
            self._failure = error
        finally:
            for file in self.files:
                file.close()

    def _write(self) -> None:
        started = time.monotonic()
        tick = 0
        while not self._stopping.wait(TICK):
            tick += 1
            elapsed = time.monotonic() - started
            for index, file in enumerate(self.files):
                due = int(elapsed * file.stream.rate) - file.written
                file.grow(max(0, due), half=(tick + index) % 3 == 0)
                if self._rotating.is_set():
                    file.rotate()
            self._rotating.clear()
