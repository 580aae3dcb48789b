"""Log files with unique lines, what happens to log files, and the truth that delivery is held against.

A line is ``<source> <number> <filling>``: unique, so that a consumer can tell what is lost, repeated or out of order.
A ``source`` here is one sequence of lines whose order counts; by default it is named like the file.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import random
import shutil
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd.compress,
}


class Truth:
    """Every line that was written, by source and in order, and the key that its records must have."""

    def __init__(self) -> None:
        self.lines: defaultdict[str, list[bytes]] = defaultdict(list)
        self.keys: dict[str, bytes] = {}
        self.excused: set[bytes] = set()  # may arrive, need not

    def wanted(self) -> set[bytes]:
        """Return the lines that must arrive."""
        return {line for lines in self.lines.values() for line in lines} - self.excused

    def excuse(self) -> None:
        """Let all that has been written so far be missing."""
        self.excused = self.wanted() | self.excused


class Log:
    """One log file as its application sees it, whatever happens to it. One thread at a time."""

    def __init__(self, path: Path, truth: Truth, source: str | None = None) -> None:
        self.path = path
        self.source = source or os.fsencode(path.name).decode("utf-8", "backslashreplace").replace("\n", "\\n")
        self._truth = truth
        truth.keys.setdefault(self.source, os.fsencode(path.name))

    def make(self, count: int, size: int = 80) -> list[bytes]:
        """Return ``count`` new lines without their line ends, which the truth now holds."""
        known = self._truth.lines[self.source]
        dice = random.Random(f"{self.source} {len(known)}")
        made = [
            f"{self.source} {number} ".encode() + b"x" * dice.randrange(1, size)
            for number in range(len(known), len(known) + count)
        ]
        known.extend(made)
        return made

    def made(self, line: bytes) -> bytes:
        """Enter a line of the caller's own into the truth."""
        self._truth.lines[self.source].append(line)
        return line

    def write(self, count: int, size: int = 80) -> None:
        """Append lines, with one call of write, as a logger would."""
        self.write_raw(b"".join(line + b"\n" for line in self.make(count, size)))

    def write_raw(self, data: bytes) -> None:
        """Append bytes."""
        with open(self.path, "ab", buffering=0) as file:
            file.write(data)

    def hold(self) -> Held:
        """Open the file as a writer that keeps its descriptor."""
        return Held(self)

    def sibling(self, suffix: str) -> Path:
        """Return the path of a rotated sibling: ``app.log`` and ``.1`` make ``app.log.1``."""
        return self.path.with_name(self.path.name + suffix)

    def shift(self) -> None:
        """Make ``.1`` free: ``.2`` becomes ``.3``, then ``.1`` becomes ``.2``, whatever ending they have after that."""
        rotated = {}
        for path in self.path.parent.iterdir():
            number, _, ending = path.name.removeprefix(f"{self.path.name}.").partition(".")
            if path.name.startswith(f"{self.path.name}.") and number.isdigit():
                rotated[int(number)] = (path, ending)
        for old, (path, ending) in sorted(rotated.items(), reverse=True):
            os.rename(path, self.sibling(f".{old + 1}" + (f".{ending}" if ending else "")))

    def rotate(self) -> Path:
        """Rename to ``.1``; the file itself is gone until it is written again."""
        self.shift()
        os.rename(self.path, self.sibling(".1"))
        return self.sibling(".1")

    def copytruncate(self) -> Path:
        """Copy to ``.1`` and truncate."""
        self.shift()
        shutil.copyfile(self.path, self.sibling(".1"))
        os.truncate(self.path, 0)
        return self.sibling(".1")

    def replace(self, count: int, size: int = 80) -> None:
        """Truncate and write new lines in one go, under the same inode."""
        lines = b"".join(line + b"\n" for line in self.make(count, size))
        with open(self.path, "r+b", buffering=0) as file:
            file.truncate(0)
            file.write(lines)


class Held:
    """A writer that keeps its descriptor, over renames too; a context manager."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._file = open(log.path, "ab", buffering=0)  # noqa: SIM115 (closed by __exit__)

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the descriptor."""
        self._file.close()

    def write(self, count: int, size: int = 80) -> None:
        """Append lines."""
        self.write_raw(b"".join(line + b"\n" for line in self._log.make(count, size)))

    def write_raw(self, data: bytes) -> None:
        """Append bytes."""
        self._file.write(data)


def compress(path: Path, kind: str = "gz") -> Path:
    """Compress as logrotate does: write beside it, then remove the plain file."""
    packed = path.with_name(f"{path.name}.{kind}")
    packed.write_bytes(COMPRESS[kind](path.read_bytes()))
    os.unlink(path)
    return packed


class Load:
    """Writes to logs from a thread for as long as its ``with`` block lasts."""

    def __init__(self, logs: Sequence[Log], lines: int, every: float) -> None:
        self._logs, self._lines, self._every = logs, lines, every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._every):
            for log in self._logs:
                log.write(self._lines)
