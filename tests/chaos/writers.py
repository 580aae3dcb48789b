"""Applications that write logs, and what rotates these: renamed, linked, copied and truncated, compressed, deleted.

A writer is honest: it never destroys bytes that nobody could have read. So it pauses between copy and truncation, adds
nothing to a file that is being compressed, and deletes or empties a file only when all of its lines have arrived.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from random import Random

from tests.chaos.actor import Actor, Journal
from tests.harness.writer import COMPRESS, Log, Truth

SMALL = 4096  # bytes of which no copy is made: of a smaller file the copy cannot be told for sure, and may come twice
LONGEST = 0.3  # seconds between two writes, at most

Naming = Callable[[Path, int], Path]  # (the log, which rotation of it): the rotated file's name


def numbered(path: Path, _: int) -> Path:
    """``app.log.1``, and older ones move on."""
    return path.with_name(f"{path.name}.1")


def dated(path: Path, number: int) -> Path:
    """``app.log-20260105``, another day each time."""
    return path.with_name(f"{path.name}-{date(2026, 1, 1) + timedelta(number):%Y%m%d}")


def stamped(path: Path, number: int) -> Path:
    """``app-2026-01-05-7.out``: before the extension, with an index, as Java's libraries do."""
    return path.with_name(f"{path.stem}-2026-01-05-{number}{path.suffix}")


@dataclass
class Generation:
    """A file that was rotated away, and the lines in it."""

    path: Path
    lines: list[bytes]
    content: bytearray


@dataclass
class Late:
    """A writer that has not noticed the rotation yet; what it still writes has an order of its own."""

    file: int  # descriptor
    log: Log
    generation: Generation


@dataclass(frozen=True)
class Habits:
    """How a log is written and rotated."""

    naming: Naming
    ways: tuple[str, ...]  # "rename", "link", "copy", "empty", "delete", "over"
    compression: str = ""  # "", "gz", "bz2", "xz", "zst"
    delay: bool = False  # compressed one rotation later
    create: bool = False  # an empty file is made at once
    held: bool = True  # the descriptor is kept between writes


@dataclass(frozen=True)
class Yard:
    """What the writers of one source of the daemon share."""

    logs: Path
    truth: Truth
    arrived: Container[bytes]
    journal: Journal
    over: threading.Event
    kept: int = 4  # rotated files of a log, before the oldest is deleted
    graves: list[int] | None = None  # descriptors of what was removed, where no inode is to be used again
    key: bytes | None = None  # of all records; by default each has its file's name
    contents: list[bytearray] = field(default_factory=list)  # of every file that there ever was

    def log(self, path: Path, source: str | None = None) -> Log:
        """Return a log, whose records have the right key."""
        log = Log(path, self.truth, source)
        if self.key is not None:
            self.truth.keys[log.source] = self.key
        return log

    def content(self) -> bytearray:
        """Return the content of a new file, to be added to."""
        self.contents.append(bytearray())
        return self.contents[-1]

    def remove(self, path: Path) -> None:
        """Remove a file."""
        self.bury(path)
        os.unlink(path)

    def bury(self, path: Path) -> None:
        """Keep the inode of a file that is about to go, where it is not to be used again."""
        if self.graves is not None:
            self.graves.append(os.open(path, os.O_RDONLY))


class Writer(Actor):
    """One application with its log."""

    def __init__(self, name: str, habits: Habits, dice: Random, yard: Yard) -> None:
        super().__init__(name, dice, yard.journal, yard.over)
        self.path = yard.logs / name
        self._yard = yard
        self._habits = habits
        self._log = yard.log(self.path)
        self._lines: list[bytes] = []  # of the file that has the name now
        self._content = yard.content()  # of that file
        self._alias = self.path.with_name(f"~{name}")  # a second name, which the daemon's glob matches
        self._rotated: list[Generation] = []  # newest first
        self._number = count()
        self._late: Late | None = None
        self._file = -1
        self._unended = False

    def prepare(self) -> None:
        """Leave what is there before the daemon's first scan: a log, and perhaps a rotated file, to be left alone."""
        self.write()
        if self.dice.random() < 0.5:
            self._rotated.append(Generation(self._free_name(), [], bytearray()))
            self._rotated[0].path.write_bytes(b"from before the first scan\n" * self.dice.choice((1, 100)))

    def act(self) -> None:
        """Write, and sometimes rotate."""
        self.write()
        self._end_alias()
        if self.dice.random() < 0.03 and self._lines[0] in self._yard.arrived:  # so it was found under its own name
            os.link(self.path, self._alias)
            self.tell("linked", f"{self.path.name} as {self._alias.name}, too")
        if self.dice.random() < 0.15:
            for _ in range(self.dice.choice((1, 1, 1, 1, 2, 3))):
                self._rotate()
                self._write(self.dice.choice((0, 1, 30)))
        self.pause(self.dice.choice((0.01, LONGEST, LONGEST, 5 * LONGEST)))

    def finish(self) -> None:
        """Write a last line, so that nothing waits for a successor, and let go."""
        self._write(1)
        self._end_late()
        self._end_alias()
        self._close()

    def write(self) -> None:
        """Write a few lines, or many, or half of one and soon the rest."""
        self._end_line()
        self._write(self.dice.choice((1, 1, 5, 30, 200, 1000)))
        if self.dice.random() < 0.1:
            (line,) = self._make(1)
            half = self.dice.randrange(1, len(line))
            self._put(line[:half])
            self.pause(LONGEST)
            self._put(line[half:] + b"\n")
        if self._late is not None and self.dice.random() < 0.4:
            lines = self._late.log.make(self.dice.choice((1, 1, 10)))
            self._late.generation.lines += lines
            data = b"".join(line + b"\n" for line in lines)
            self._late.generation.content += data
            os.write(self._late.file, data)
            self.tell("late", f"{len(lines)} lines for what is {self._late.generation.path.name} now")

    # --- the file ----------------------------------------------------------------------------------------------------

    def _make(self, number: int) -> list[bytes]:
        lines = self._log.make(number, self.dice.choice((10, 80, 400)))
        self._lines += lines
        return lines

    def _write(self, number: int) -> None:
        if number:
            self._put(b"".join(line + b"\n" for line in self._make(number)))

    def _put(self, data: bytes) -> None:
        if self._file < 0:
            self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._content += data
        assert os.write(self._file, data) == len(data)
        last = self._lines[-1].split()[1].decode()
        self.tell("wrote", f"{len(data)} bytes, up to line {last}, inode {os.fstat(self._file).st_ino}")
        if not self._habits.held and data.endswith(b"\n"):
            self._close()

    def _told(self) -> str:
        """Return which lines the file has."""
        first, last = (line.split()[1].decode() for line in (self._lines[0], self._lines[-1]))
        return f"lines {first}-{last}" + (", the last without its end" if self._unended else "")

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _end_line(self) -> None:
        if self._unended:
            self._put(b"\n")
            self._unended = False

    # --- rotation ----------------------------------------------------------------------------------------------------

    def _rotate(self) -> None:
        if not self._lines:
            return
        self._end_late()
        self._end_alias()
        way = self.dice.choice(self._habits.ways)
        if way == "copy" and len(self._content) < SMALL:
            return
        if way in ("empty", "delete", "over"):
            self._end_line()
            if not all(line in self._yard.arrived for line in self._lines):
                return
            self._discard(way)
            return
        if not self._unended and self.dice.random() < 0.15:
            self._put(self._make(1)[0])
            self._unended = True
        target = self._free_name()
        generation = self._copy(target) if way == "copy" else self._move(target, way)
        self._rotated.insert(0, generation)
        self._lines, self._unended = [], False
        self._content = self._yard.content()
        self._tidy()

    def _move(self, target: Path, way: str) -> Generation:
        if way == "rename":
            os.rename(self.path, target)
        else:
            os.link(self.path, target)
            self.pause(LONGEST)
            os.unlink(self.path)
        self.tell("renamed", f"{self.path.name} to {target.name}, {self._told()}, {_where(target)}")
        generation = Generation(target, self._lines, self._content)
        if self._file >= 0 and self.dice.random() < 0.3:
            if not self._unended:  # it has not noticed yet, and there is no successor: still in order
                self._put(b"".join(line + b"\n" for line in self._make(self.dice.choice((1, 20)))))
            elif self.dice.random() < 0.5:
                self._end_line()
        if self._file >= 0 and not self._unended and self.dice.random() < 0.3:
            log = self._yard.log(self.path, f"{self.name}+late{next(self._number)}")
            self._late = Late(self._file, log, generation)
            self._file = -1
        self._close()
        if self._habits.create:
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        return generation

    def _copy(self, target: Path) -> Generation:
        data = self.path.read_bytes()
        with open(target, "wb", buffering=0) as copy:
            for piece in self._pieces(data):
                copy.write(piece)
        self.pause(LONGEST)
        os.truncate(self.path, 0)
        self.tell("copied", f"{self.path.name} to {target.name}, {self._told()}, {_where(target)}")
        return Generation(target, self._lines, self._content)

    def _discard(self, way: str) -> None:
        self._content = self._yard.content()
        if way == "empty":
            os.truncate(self.path, 0)
        elif way == "delete":
            self._yard.remove(self.path)
            self._close()
        else:
            fresh = self.path.with_name(f".{self.path.name}.new")
            self._lines = []
            self._content += b"".join(line + b"\n" for line in self._make(20))
            fresh.write_bytes(self._content)
            self._yard.bury(self.path)
            os.replace(fresh, self.path)
            self._close()
            self.tell("replaced", self.path.name)
            return
        self.tell("emptied" if way == "empty" else "deleted", self.path.name)
        self._lines = []

    def _free_name(self) -> Path:
        """Return the next rotated file's name; numbered ones move on to make it free."""
        if self._habits.naming is numbered:
            for number, generation in reversed(list(enumerate(self._rotated, 1))):
                ending = generation.path.suffix if generation.path.suffix[1:] in COMPRESS else ""
                moved = self.path.with_name(f"{self.path.name}.{number + 1}{ending}")
                os.rename(generation.path, moved)
                generation.path = moved
        return self._habits.naming(self.path, next(self._number))

    def _tidy(self) -> None:
        """Compress what is to be compressed, delete what is no longer needed."""
        if self._habits.compression:
            for generation in self._rotated[1:] if self._habits.delay or self._late else self._rotated:
                if generation.path.suffix[1:] not in COMPRESS:
                    self._compress(generation)
        kept, arrived = self._yard.kept, self._yard.arrived
        while len(self._rotated) > kept and all(line in arrived for line in self._rotated[-1].lines):
            gone = self._rotated.pop()
            self.tell("removed", f"{gone.path.name}, {_where(gone.path)}")
            self._yard.remove(gone.path)

    def _compress(self, generation: Generation) -> None:
        packed = generation.path.with_name(f"{generation.path.name}.{self._habits.compression}")
        data = COMPRESS[self._habits.compression](generation.path.read_bytes())
        with open(packed, "wb", buffering=0) as file:
            for piece in self._pieces(data):
                file.write(piece)
                if self.dice.random() < 0.3:
                    self._write(self.dice.choice((1, 10)))  # its application goes on meanwhile
        was = _where(generation.path)
        self._yard.remove(generation.path)
        self.tell("packed", f"{generation.path.name} ({was}) as {packed.name}, {_where(packed)}")
        generation.path = packed

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield the data in one piece, or in a few with pauses between them."""
        step = len(data) // self.dice.choice((1, 1, 3)) + 1
        for at in range(0, len(data), step):
            if at:
                self.pause(LONGEST)
            yield data[at : at + step]

    def _end_alias(self) -> None:
        self._alias.unlink(missing_ok=True)

    def _end_late(self) -> None:
        if self._late is not None:
            os.close(self._late.file)
            self._late = None


class Comets(Actor):
    """Short-lived logs in directories that come and go: born, rotated, and removed once they have arrived."""

    def __init__(self, name: str, dice: Random, yard: Yard) -> None:
        super().__init__(name, dice, yard.journal, yard.over)
        self._yard = yard
        self._born = count()
        self._flying: dict[Log, int] = {}  # how often each was rotated
        self._contents: dict[Log, bytearray] = {}  # of the file that has the name now

    def act(self) -> None:
        """Let a log be born, or go on with one."""
        if len(self._flying) < 3 or self.dice.random() < 0.3:
            number = next(self._born)
            log = self._yard.log(self._yard.logs / "jobs" / f"{number % 5}" / f"job{number}.log")
            log.path.parent.mkdir(parents=True, exist_ok=True)
            self._flying[log] = 0
            self._contents[log] = self._yard.content()
            self.tell("born", log.path.name)
        else:
            log = self.dice.choice(list(self._flying))
        if self._flying[log] < 3:
            data = b"".join(line + b"\n" for line in log.make(self.dice.choice((1, 20, 300))))
            self._contents[log] += data
            log.write_raw(data)
            if self.dice.random() < 0.5:
                log.rotate()
                self._contents[log] = self._yard.content()
                self._flying[log] += 1
                self.tell("renamed", log.path.name)
        elif all(line in self._yard.arrived for line in self._yard.truth.lines[log.source]):
            self._remove(log)
        self.pause(1.0)

    def _remove(self, log: Log) -> None:
        for number in range(self._flying.pop(log), 0, -1):
            self._yard.remove(log.sibling(f".{number}"))
        if not any(log.path.parent.iterdir()):
            log.path.parent.rmdir()
        self.tell("removed", log.path.name)


def _where(path: Path) -> str:
    return f"inode {path.stat().st_ino}"


def writers(dice: Random, yards: Sequence[Yard]) -> list[Writer]:
    """Return one writer for each way of rotating, with habits and a yard that the dice choose."""
    named: list[tuple[str, Naming, tuple[str, ...]]] = [
        ("web.log", numbered, ("rename",)),
        ("api.log", dated, ("rename", "link")),
        ("audit.out", stamped, ("rename",)),
        ("db.log", numbered, ("copy",)),
        ("mail.log", dated, ("copy",)),
        ("cron.log", numbered, ("empty", "delete", "over", "rename")),
    ]
    found = []
    for name, naming, ways in named:
        habits = Habits(
            naming,
            ways,
            compression=dice.choice(("", "gz", "gz", "bz2", "xz", "zst")),
            delay=dice.random() < 0.5,
            create=dice.random() < 0.5,
            held=dice.random() < 0.7,
        )
        yard = dice.choice(yards)
        yard.journal.tell(name, "habits", f"{habits} in {yard.logs.name}")
        found.append(Writer(name, habits, Random(dice.random()), yard))
    return found
