"""Which files of a journal the library does not read, and why: it says nothing of them by itself. Pump thread only.

Each file is tried once, and those that were found bad again whenever files have come or gone. What is damaged inside of
a file shows only when it is read.
"""

from __future__ import annotations

import errno
import glob
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from shipper.config import JournalConfig

ROOTS = ("/var/log/journal", "/run/log/journal")
ENDINGS = (".journal", ".journal~")
YOUNG = 5.0  # seconds after which a file that was written to is judged
MACHINE_ID = "/etc/machine-id"


@dataclass(slots=True)
class Found:
    """What one look has found: how many files are read, and those that are not, with the reason."""

    readable: int = 0
    young: int = 0  # not read, and written to just now: being made, perhaps
    denied: dict[str, str] = field(default_factory=dict)  # this user may not; directories among them
    damaged: dict[str, str] = field(default_factory=dict)


class Survey:
    """The files of one source. ``trial`` says why the library does not read a file, ``None`` where it does."""

    def __init__(
        self, config: JournalConfig, trial: Callable[[str], OSError | None], wall: Callable[[], float] = time.time
    ) -> None:
        self._wall = wall
        self._directories = tuple(directories(config))
        self._trial = trial
        self._good: set[tuple[str, int]] = set()

    def look(self) -> Found:
        """Look at the files that are there now."""
        found = Found()
        good: set[tuple[str, int]] = set()
        for path, inode in self._files(found):
            if (path, inode) not in self._good and (error := self._trial(path)) is not None:
                if error.errno in (errno.EACCES, errno.EPERM):
                    found.denied[path] = error.strerror or str(error)
                elif error.errno == errno.ENOENT:
                    pass  # removed meanwhile
                elif self._is_young(path):
                    found.young += 1
                else:
                    found.damaged[path] = error.strerror or str(error)
                continue
            good.add((path, inode))
        self._good = good
        found.readable = len(good)
        return found

    def _is_young(self, path: str) -> bool:
        try:
            return abs(self._wall() - os.stat(path).st_mtime) < YOUNG
        except OSError:
            return True

    def _files(self, found: Found) -> Iterator[tuple[str, int]]:
        for pattern in self._directories:
            for directory in glob.iglob(pattern):
                try:
                    with os.scandir(directory) as entries:
                        yield from ((e.path, e.inode()) for e in entries if e.name.endswith(ENDINGS))
                except PermissionError as error:
                    found.denied[directory] = error.strerror or str(error)
                except OSError:
                    continue  # gone meanwhile, or no directory


def directories(config: JournalConfig) -> Iterator[str]:
    """Yield patterns of the directories that the source's journal is in."""
    if config.directory:
        plain = glob.escape(config.directory)
        yield plain
        yield f"{plain}/*"
        return
    name = glob.escape(_machine_id())
    for root in ROOTS:
        if config.namespace == "*":
            yield f"{root}/{name}"
            yield f"{root}/{name}.*"
            continue
        namespace = config.namespace.removeprefix("+")
        if namespace:
            yield f"{root}/{name}.{glob.escape(namespace)}"
        if not namespace or config.namespace.startswith("+"):
            yield f"{root}/{name}"


def _machine_id() -> str:
    try:
        with open(MACHINE_ID, encoding="ascii") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError):
        return "*"
