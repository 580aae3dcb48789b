"""Writers that rotate their own logs, all at once: Python's real handlers, and what log4j2, logback, lumberjack,
newsyslog and cronolog do to files, step by step.

A rotation has three steps: what somebody else does while the writer goes on, what the writer does itself between two
lines, and what follows in the background while it goes on. Each scheme has a directory of its own; its log is
``NAME-live.log``, so that a pattern can name the logs and not what becomes of them.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler, TimedRotatingFileHandler, WatchedFileHandler
from pathlib import Path

from tests.harness.writer import COMPRESS, Log, Truth, compress

_KEEP = 50  # rotated files; more than any test makes


class Scheme(ABC):
    """A writer that opens its log itself and rotates by renaming it; the file is held open in between."""

    offline = True  # can be followed while the daemon is stopped
    ordered = True  # the same, in order, for logs that are born and rotated meanwhile

    def __init__(self, name: str, logs: Path, truth: Truth) -> None:
        self.name = name
        self.directory = logs / name
        self.directory.mkdir()
        self.path = self.directory / f"{name}-live.log"
        self.log = Log(self.path, truth, source=name)
        self._truth = truth
        self.rotations = 0
        self.open()

    def open(self) -> None:
        self._file = open(self.path, "ab", buffering=0)  # noqa: SIM115 (closed by close)

    def close(self) -> None:
        self._file.close()

    def write(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            self._file.write(line + b"\n")

    def before(self) -> None:  # noqa: B027 - most do nothing then
        """Do what another process does while the writer goes on."""

    @abstractmethod
    def rotate(self) -> None:
        """Do what the writer does between two lines."""

    def after(self) -> None:  # noqa: B027 - most do nothing then
        """Do what follows while the writer goes on."""

    def named(self, stamp: str, ending: str = ".log") -> Path:
        """Return ``NAME-live`` and what comes after it."""
        return self.directory / f"{self.name}-live{stamp}{ending}"


# Python


class Renaming(Scheme):
    """One that renames its log and begins a new one."""

    def rotate(self) -> None:
        self.close()
        self.rename()
        self.open()

    @abstractmethod
    def rename(self) -> None:
        """Give the log another name."""


class PythonSize(Scheme):
    """``RotatingFileHandler``: ``.1`` is the newest; it rotates by itself once it has been told the size."""

    def open(self) -> None:
        self._handler: logging.FileHandler = RotatingFileHandler(self.path, backupCount=_KEEP)

    def close(self) -> None:
        self._handler.close()

    def write(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            self._handler.handle(logging.LogRecord("x", logging.INFO, "", 0, line.decode(), None, None))

    def rotate(self) -> None:
        assert isinstance(self._handler, RotatingFileHandler)
        self._handler.maxBytes = 6000
        self._handler.doRollover()


class PythonGzip(PythonSize):
    """The same with the ``namer`` and ``rotator`` of Python's cookbook, which compress in place of renaming."""

    def open(self) -> None:
        super().open()
        assert isinstance(self._handler, RotatingFileHandler)
        self._handler.namer = lambda name: f"{name}.gz"
        self._handler.rotator = self._pack

    def rotate(self) -> None:
        assert isinstance(self._handler, RotatingFileHandler)
        self._handler.doRollover()

    @staticmethod
    def _pack(source: str, to: str) -> None:
        Path(to).write_bytes(COMPRESS["gz"](Path(source).read_bytes()))
        os.remove(source)


class PythonTime(PythonSize):
    """``TimedRotatingFileHandler``: once it was told to, it rotates by itself every second."""

    def open(self) -> None:
        self._handler = TimedRotatingFileHandler(self.path, when="S", backupCount=_KEEP)
        self._handler.rolloverAt = 1 << 40
        self._begun = False

    def rotate(self) -> None:
        if not self._begun:
            assert isinstance(self._handler, TimedRotatingFileHandler)
            self._handler.rolloverAt = int(time.time())
            self._begun = True


class PythonWatched(PythonSize):
    """``WatchedFileHandler``: somebody else renames, and it opens the log again at its next line."""

    def open(self) -> None:
        self._handler = WatchedFileHandler(self.path)

    def before(self) -> None:
        self.log.rotate()

    def rotate(self) -> None:
        pass


# log4j2 and logback


class Shifting(Renaming):
    """log4j2's ``fileIndex="min"``: ``-1`` is the newest, the others are shifted up first."""

    between = "-"

    def rename(self) -> None:
        for number in range(self.rotations, 0, -1):
            os.rename(self._numbered(number), self._numbered(number + 1))
        os.rename(self.path, self._numbered(1))

    def _numbered(self, number: int) -> Path:
        return self.named(f"{self.between}{number}")


class FixedWindow(Shifting):
    """logback's ``FixedWindowRollingPolicy``: the same, as ``app.1.log``."""

    between = "."


class CountingUp(Renaming):
    """log4j2's ``fileIndex="nomax"``: ``-1`` is the oldest. Read by its name alone, it would be the newest."""

    ordered = False

    def rename(self) -> None:
        os.rename(self.path, self.named(f"-{self.rotations + 1}"))


class WindowFull(Renaming):
    """log4j2's ``fileIndex="max"`` with two to keep: the oldest is deleted, the other shifted down."""

    offline = False

    def rename(self) -> None:
        if self.rotations >= 2:
            os.remove(self.named("-1"))
            os.rename(self.named("-2"), self.named("-1"))
        os.rename(self.path, self.named(f"-{min(self.rotations + 1, 2)}"))


class Packing(Renaming):
    """One that compresses in the background what it has renamed."""

    def rename(self) -> None:
        self.plain, self.packed = self.names()
        os.rename(self.path, self.plain)

    @abstractmethod
    def names(self) -> tuple[Path, Path]:
        """Return what the log is renamed to, and what that is compressed to."""

    def after(self) -> None:
        self.packed.write_bytes(COMPRESS["gz"](self.plain.read_bytes()))
        os.remove(self.plain)


class Dated(Packing):
    """log4j2 with ``app-%d{yyyy-MM-dd}-%i.log.gz``."""

    def names(self) -> tuple[Path, Path]:
        plain = self.named(f"-{datetime.now(UTC):%Y-%m-%d}-{self.rotations + 1}")
        return plain, plain.with_name(f"{plain.name}.gz")


class Archive(Dated):
    """The same, in a directory below that no pattern names: what is rotated unseen is not found."""

    offline = False

    def named(self, stamp: str, ending: str = ".log") -> Path:
        (self.directory / "archive").mkdir(exist_ok=True)
        return self.directory / "archive" / super().named(stamp, ending).name


class SizeAndTime(Packing):
    """logback's ``SizeAndTimeBasedRollingPolicy``: it compresses from a name that is nobody's."""

    def names(self) -> tuple[Path, Path]:
        packed = self.named(f".{datetime.now(UTC):%Y-%m-%d}.{self.rotations}", ".log.gz")
        return self.path.with_name(f"{self.path.name}{time.monotonic_ns()}.tmp"), packed


# lumberjack, newsyslog, cronolog


class Lumberjack(Renaming):
    """Go's lumberjack: the moment to the millisecond, before the extension."""

    def rename(self) -> None:
        os.rename(self.path, self._backup())

    def _backup(self) -> Path:
        return self.named(f"-{datetime.now(UTC):%Y-%m-%dT%H-%M-%S.%f}"[:-3])


class LumberjackGzip(Packing, Lumberjack):
    """The same with ``Compress``."""

    def names(self) -> tuple[Path, Path]:
        plain = self._backup()
        return plain, plain.with_name(f"{plain.name}.gz")


class LumberjackOne(LumberjackGzip):
    """The same with ``MaxBackups: 1``: it deletes the others in the background."""

    offline = False

    def after(self) -> None:
        super().after()
        for old in sorted(self.directory.glob("*.gz"))[:-1]:
            old.unlink()


class Newsyslog(Renaming):
    """newsyslog: ``.0`` is the newest; the writer goes on in the renamed file until it gets a signal."""

    def before(self) -> None:
        for number in range(self.rotations - 1, -1, -1):
            os.rename(self.log.sibling(f".{number}.gz"), self.log.sibling(f".{number + 1}.gz"))
        os.rename(self.path, self.log.sibling(".0"))
        self.path.touch()

    def rename(self) -> None:
        pass

    def after(self) -> None:
        compress(self.log.sibling(".0"))


class Cronolog(Renaming):
    """cronolog, as a pattern names its dated files: each is a log of its own, with its own key; none is renamed."""

    def open(self) -> None:
        path = self.directory / f"access-{datetime.now(UTC):%Y%m%d-%H%M%S}.log"
        self.log = Log(path, self._truth)
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 (closed by close)

    def rename(self) -> None:
        pass


SCHEMES: dict[str, type[Scheme]] = {
    "python-size": PythonSize,
    "python-gzip": PythonGzip,
    "python-time": PythonTime,
    "python-watched": PythonWatched,
    "log4j2-min": Shifting,
    "log4j2-nomax": CountingUp,
    "log4j2-max": WindowFull,
    "log4j2-dated": Dated,
    "log4j2-archive": Archive,
    "logback-size-and-time": SizeAndTime,
    "logback-fixed-window": FixedWindow,
    "lumberjack": Lumberjack,
    "lumberjack-gzip": LumberjackGzip,
    "lumberjack-one": LumberjackOne,
    "newsyslog": Newsyslog,
    "cronolog": Cronolog,
}


class Writers:
    """All the writers, in one thread. A context manager: they write meanwhile."""

    def __init__(self, schemes: Sequence[Scheme]) -> None:
        self._schemes = list(schemes)
        self._lock = threading.Lock()  # held while lines are written
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write, name="writers")

    def __enter__(self) -> Writers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Write no more."""
        self._over.set()
        self._thread.join()
        while self._schemes:
            self._schemes.pop().close()

    def rotate(self, schemes: Iterable[Scheme]) -> None:
        """Rotate each log once."""
        for scheme in schemes:
            scheme.before()
            with self._lock:
                scheme.rotate()
            scheme.after()
            scheme.rotations += 1

    def _write(self) -> None:
        while not self._over.wait(0.02):
            with self._lock:
                for scheme in self._schemes:
                    scheme.write(scheme.log.make(5))
