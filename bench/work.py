"""Log files for the measurements: lines as a web server writes them, the same in each run."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from io import FileIO
from pathlib import Path


def line(number: int, chance: random.Random) -> bytes:
    """Return a line of about 145 bytes, with its end."""
    made = (
        f"10.0.{chance.randrange(256)}.{chance.randrange(256)} - - "
        f"[23/Nov/2026:05:{number // 60000 % 60:02d}:{number // 1000 % 60:02d} +0000] "
        f'"GET /api/v1/users/{chance.randrange(500)} HTTP/1.1" {chance.choice((200, 200, 200, 404, 500))} '
        f'{chance.randrange(20000)} "-" "Mozilla/5.0 (X11; Linux x86_64)" rt={chance.random():.3f} seq={number}\n'
    )
    return made.encode()


def write_logs(directory: Path, files: int, lines: int, *, short: bool = False) -> int:
    """Write ``lines`` lines over ``files`` files of a new directory; return their bytes. ``short``: of 10 bytes."""
    directory.mkdir(parents=True)
    chance = random.Random(1)
    for name in range(files):
        with open(directory / f"app{name:05d}.log", "wb") as log:
            for number in range(lines // files):
                log.write(b"%09d\n" % number if short else line(number, chance))
    return sum(path.stat().st_size for path in directory.iterdir())


class Writer:
    """Writes lines that tell when they were written, at a pace, in turn to each of some files; a thread."""

    def __init__(self, logs: Sequence[FileIO], rate: int, seconds: float) -> None:
        """``rate``: lines a second, all files together."""
        self.sent = 0
        self.done = threading.Event()
        self._logs, self._rate, self._seconds = logs, rate, seconds
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait for its end."""
        self._thread.join()

    def _run(self) -> None:
        due = time.monotonic()
        end = due + self._seconds
        while due < end:
            wait = due - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            stamped = b"%d a log line of an ordinary length, padded a little %s\n" % (time.time_ns(), b"x" * 60)
            self._logs[self.sent % len(self._logs)].write(stamped)
            self.sent += 1
            due += 1 / self._rate
        self.done.set()


def age(value: bytes) -> float | None:
    """Return how many milliseconds ago :class:`Writer` wrote this line; None where it is not one of its lines."""
    stamp, _, rest = value.partition(b" ")
    if not rest.startswith(b"a log line"):
        return None
    return (time.time_ns() - int(stamp)) / 1e6
