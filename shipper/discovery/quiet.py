"""Directories that are written to so often that the kernel is asked to tell no more of each write. Pump thread only.

An event for each write would cost more than the write's line. Such a directory goes quiet for a while: its names are
still told of, and all its files are looked at in turn, each once in :data:`ROUND`, sooner where they are few; those
that grow all the time are looked at much more often by who reads them (``filesource/hot``). Where it has so many files
that looking costs more than to be told, it is left as it is. After :data:`QUIET_FOR` it is told of again, and may
prove to be as busy as before.

Invariant: no write is missed. A directory goes quiet, and loud again, between two looks: the kernel's mask is replaced
first, and then every file is taken for changed (docs/decisions/waking-up.md).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

from shipper.discovery.coverage import Covered
from shipper.discovery.scan import join
from shipper.discovery.watch import Directory
from shipper.model import Clock

WINDOW = 0.1  # seconds in which writes are counted
BUSY = 12  # of them in a window after which a directory goes quiet
QUIET_FOR = 10.0  # seconds, at least ...
A_FILE = 0.004  # ... and for each file so many: when that is over all of them are looked into
ROUND = 0.8  # seconds in which each file of a quiet directory is looked at once, at most ...
ROUND_LEAST = 0.1  # ... and at least ...
LOOK = 0.0005  # ... for each of its files so many
REST = ROUND - ROUND_LEAST  # seconds for which what has changed is not looked at here
MOST = 2500  # files that may be looked at in a round: more would cost more than a hundredth of a core ...
WORTH = 100  # ... and may be where as many events cost more: files for each write in a window
FRESH = 60.0  # seconds for which a directory that cannot go quiet is not tried again

State = tuple[int, int, int]  # inode, size, time of the last write


class Busy(Covered, Protocol):
    """A directory that may go quiet."""

    def contents(self) -> Iterable[bytes]:
        """Return the names of the files whose writes matter."""


class Looked(NamedTuple):
    """What a look has found, as paths: files that may be other than they were, ``rewritten`` those of the same size."""

    changed: set[bytes]
    rewritten: set[bytes]


class _Round:
    """One quiet directory: how its files were when they were looked at last, and which of them are next."""

    __slots__ = ("at", "began", "files", "names", "resting", "until")

    def __init__(self, names: list[bytes], until: float) -> None:
        self.until = until
        self.files: dict[bytes, State] = {}
        self.resting: dict[bytes, float] = {}  # what had changed, until it is looked at again
        self.names = names
        self.at = len(names)  # a round begins with the first look
        self.began = -math.inf


class Quiet:
    """Which directories are quiet. ``listen(directory, content)`` sets what the kernel tells; whether it could."""

    def __init__(self, listen: Callable[[Covered, bool], bool], clock: Clock) -> None:
        self._listen = listen
        self._clock = clock
        self._rounds: dict[Busy, _Round] = {}
        self._writes: dict[Directory, int] = {}
        self._since = -math.inf
        self._tried: dict[Directory, tuple[float, float]] = {}  # until when so many writes are needed to try again

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return bool(self._rounds)

    def heard(self, writes: Mapping[Directory, int]) -> set[bytes]:
        """Take note of how often the kernel told of writes; returns the paths of the directories that go quiet."""
        if not writes:
            return set()
        now = self._clock()
        if now - self._since > WINDOW:
            self._writes.clear()
            self._since = now
        paths: set[bytes] = set()
        for directory, count in writes.items():
            total = self._writes[directory] = self._writes.get(directory, 0) + count
            if total > BUSY and directory not in self._rounds:
                paths |= self._hush(directory, total, now)  # type: ignore[arg-type]  # all that are watched for writes may
        return paths

    def _hush(self, directory: Busy, writes: int, now: float) -> set[bytes]:
        until, enough = self._tried.get(directory, (-math.inf, 0.0))
        if now < until and writes < enough:
            return set()
        names = list(directory.contents())
        files = len(names) + sum(len(one.names) for one in self._rounds.values())
        if files > MOST and writes * WORTH < files:
            self._tried[directory] = now + FRESH, files / WORTH
            return set()
        if not self._listen(directory, False):  # noqa: FBT003 - as documented
            self._tried[directory] = now + FRESH, math.inf
            return set()
        self._rounds[directory] = _Round(names, now + max(QUIET_FOR, len(names) * A_FILE))
        return _paths(directory, names)

    def look(self) -> Looked:
        """Look at some of the files, so many that all have their turn in time."""
        now = self._clock()
        changed, rewritten = found = Looked(set(), set())
        for directory, one in list(self._rounds.items()):
            if now >= one.until:
                changed.update(self._end(directory))
                continue
            if one.at >= len(one.names):
                if now - one.began < _duration(one):
                    continue
                one.names, one.at, one.began = list(directory.contents()), 0, now
                one.files = {name: one.files[name] for name in one.names if name in one.files}
                one.resting = {name: until for name, until in one.resting.items() if now < until}
            upto = math.ceil(len(one.names) * min(1.0, (now - one.began) / _duration(one) + 0.02))
            for name in one.names[one.at : upto]:
                if name in one.resting:
                    continue  # it is hot now, or not worth more looks than any other
                state = _state(join(directory.path, name))
                before = one.files.get(name)
                if state is not None and before != state:
                    one.files[name] = state
                    one.resting[name] = now + REST
                    (rewritten if before and before[:2] == state[:2] else changed).update(directory.paths(name))
            one.at = max(one.at, upto)
        return found

    def _end(self, directory: Busy) -> set[bytes]:
        """Have the kernel tell of writes again; every file is taken for changed, for it may have been until now."""
        if not self._listen(directory, True):  # noqa: FBT003 - as documented
            self._rounds[directory].until = self._clock() + 1.0
            return set()
        del self._rounds[directory]
        return _paths(directory, directory.contents())

    def forget(self, directory: Directory) -> None:
        """Forget a directory whose watch has ended, or was set anew."""
        self._rounds.pop(directory, None)  # type: ignore[call-overload]
        self._writes.pop(directory, None)
        self._tried.pop(directory, None)


def _duration(one: _Round) -> float:
    return min(ROUND, max(ROUND_LEAST, len(one.names) * LOOK))


def _paths(directory: Busy, names: Iterable[bytes]) -> set[bytes]:
    return {path for name in names for path in directory.paths(name)}


def _state(path: bytes) -> State | None:
    try:
        found = os.stat(path)
    except OSError:
        return None  # an event tells what became of it
    return found.st_ino, found.st_size, found.st_mtime_ns
