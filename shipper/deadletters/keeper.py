"""The thread of the daemon that keeps dead letters: a slow disk holds up nothing but the source of the letter.

A letter is durable when its result says so, and only then may an offset pass it (I2). ``put`` and ``results`` are
called by one thread; the file belongs to the thread "dead-letters".
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from shipper import sqlite
from shipper.checkpoints import database
from shipper.checkpoints.statedir import sync_directory
from shipper.deadletters.letters import JOURNAL, NAME, Letter, Letters, reason
from shipper.errors import StateError
from shipper.events import Events
from shipper.model import show_path
from shipper.sqlite import Damaged


class Result(NamedTuple):
    """What became of a letter: kept where ``problem`` is "". ``token`` is what came with it."""

    letter: Letter
    token: Any
    problem: str


class DeadLetters:
    """Keeps letters; ``wake`` is called when there is a result. Before the first one nothing is touched on the disk."""

    def __init__(self, state_dir: Path, most: int, events: Events, wake: Callable[[], None]) -> None:
        self._path = state_dir / NAME
        self._device = os.stat(state_dir).st_dev  # the directory is held: it is there
        self._most = most
        self._events = events
        self._wake = wake
        self._changed = threading.Condition()
        self._todo: deque[tuple[Letter, Any]] = deque()
        self._results: deque[Result] = deque()
        self._closing = False
        self._letters: Letters | None = None
        self._thread: threading.Thread | None = None

    def limit_to(self, most: int) -> None:
        """Let the file have ``most`` bytes from now on."""
        self._most = most

    def put(self, letter: Letter, token: Any) -> None:
        """Have a letter kept; never blocks. Its result will come with ``token``."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="dead-letters", daemon=True)
            self._thread.start()
        with self._changed:
            self._todo.append((letter, token))
            self._changed.notify()

    def results(self) -> Iterator[Result]:
        """Take what has become of letters since the last call."""
        while self._results:
            yield self._results.popleft()

    def close(self, timeout: float = 10.0) -> None:
        """Keep what was put, and let go of the file."""
        if self._thread is None:
            return
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout)

    # The thread "dead-letters", from here on.

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._todo or self._closing)
                if not self._todo:
                    break
                letter, token = self._todo.popleft()
            try:
                problem = self._keep(letter)
            except Exception as error:  # whatever it is: a thread that ended here would keep no more and say nothing
                problem = str(error) if isinstance(error, StateError) else f"{type(error).__name__}: {error}"
            self._results.append(Result(letter, token, problem))
            self._wake()
        if self._letters is not None:
            self._letters.close()

    def _keep(self, letter: Letter) -> str:
        if self._letters is not None and not self._letters.in_place:  # taken away: go on in what is there now
            self._letters.close()
            self._letters = None
            self._events.deadletters_removed(os.fsencode(self._path))
        try:
            if self._letters is None:
                self._letters = self._open()
            return self._letters.add(letter, self._most)
        except Damaged as damage:
            if self._letters is not None:
                self._letters.close()
            self._letters = self._replace(str(damage))
            return self._letters.add(letter, self._most)

    def _open(self) -> Letters:
        if not os.path.lexists(self._path):
            self._check_directory()
            return Letters.create(self._path)
        opened = Letters(self._path)
        try:
            opened.check()
        except BaseException:
            opened.close()
            raise
        return opened

    def _check_directory(self) -> None:
        """Make sure that no letter is kept on a bare mount point, to be hidden when the directory is mounted again."""
        directory = self._path.parent
        try:
            device = os.stat(directory).st_dev
        except OSError as error:
            raise StateError(f"state_dir {show_path(os.fsencode(directory))}: {error.strerror}") from error
        if device != self._device and not os.path.lexists(directory / database.NAME):
            raise StateError(
                f"state_dir {show_path(os.fsencode(directory))}: another file system is there now; mount the right one "
                "again"
            )

    def _replace(self, damage: str) -> Letters:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        moved = self._path.with_name(f"{self._path.name}.damaged-{stamp}")
        try:
            sqlite.rename(self._path, moved.name, [JOURNAL])
            sync_directory(self._path.parent)
        except OSError as error:
            shown = show_path(os.fsencode(self._path))
            raise StateError(f"cannot set the damaged file {shown} aside: {reason(error)}") from error
        self._events.deadletters_set_aside(os.fsencode(self._path), os.fsencode(moved), damage)
        return Letters.create(self._path)
