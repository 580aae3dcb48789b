"""Which configuration is in force, and how what is on disk stands against it. The main thread changes it; any asks.

A configuration is refused as a whole, and the one before it stays in force: whoever looks must see that.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from shipper.config import Config, drop_ins
from shipper.model import Clock, show_path
from shipper.status import ConfigStatus


class Stamp(NamedTuple):
    """By this a file is known to be the one that was read."""

    path: str
    ino: int
    size: int
    mtime_ns: int


def stamps(paths: Sequence[str | Path]) -> tuple[Stamp, ...]:
    """Return the stamps of those of ``paths`` that are there."""
    found = []
    for path in paths:
        with suppress(OSError, ValueError):
            stat = os.stat(path)
            found.append(Stamp(os.fspath(path), stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return tuple(found)


class InForce:
    """The configuration in force, since when, and what is wrong with the one that was read last, if anything is.

    ``config`` was read just now; the files are believed to be as they were then.
    """

    def __init__(self, config: Config, wall: Clock = time.time) -> None:
        self._wall = wall
        self._refused_at = 0.0
        self._problems: tuple[str, ...] = ()
        self.accept(config)

    def accept(self, config: Config) -> None:
        """Let ``config``, which was read just now, be in force."""
        self.config = config
        self._since = self._wall()
        self._problems = ()
        self._files = self._on_disk()
        self._named = self._named_by(config)

    def refuse(self, problems: Sequence[str]) -> None:
        """Note what is wrong with what was read just now."""
        self._refused_at = self._wall()
        self._problems = tuple(problems)

    def renewed(self, config: Config) -> bool:
        """Whether files that ``[kafka]`` names, such as certificates, are not those that they were."""
        return self._named_by(config) != self._named

    def status(self) -> ConfigStatus:
        """Return how it stands."""
        return ConfigStatus(
            files=[show_path(os.fsencode(path)) for path in self.config.files],
            now=self._wall(),
            since=self._since,
            differs=self._on_disk() != self._files,
            refused_at=self._refused_at if self._problems else 0.0,
            problems=list(self._problems),
        )

    def _on_disk(self) -> tuple[Stamp, ...]:
        if not self.config.files:
            return ()
        first = self.config.files[0]
        try:
            return stamps([first, *drop_ins(first)])
        except OSError:
            return stamps([first])

    @staticmethod
    def _named_by(config: Config) -> tuple[Stamp, ...]:
        tls = config.kafka.tls
        named = [*config.kafka.properties.values(), *((tls.ca, tls.certificate, tls.key) if tls is not None else ())]
        return stamps([value for value in named if value.startswith("/")])
