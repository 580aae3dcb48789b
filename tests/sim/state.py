"""The state directory: the real checkpoint store and its real database, on a disk in memory and without a thread.

A commit is durable, as SQLite's promise goes; what was submitted and not committed is lost with the process.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

from shipper.checkpoints import CheckpointStore, database, rows
from shipper.checkpoints.database import Database
from shipper.deadletters import Letter, Result
from shipper.events import Events
from shipper.model import Checkpoint

T = TypeVar("T")
PATH = Path("/state") / database.NAME


def _connection() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.create_function("reseal", -1, rows.reseal, deterministic=True)
    return connection


def _empty() -> bytes:
    connection = _connection()
    connection.execute(f"PRAGMA application_id={database.APPLICATION_ID}")
    database._migrate(connection, 0)
    image = connection.serialize()
    connection.close()
    return image


class State:
    """What is durable of one daemon: its checkpoints and its dead letters."""

    template = b""

    def __init__(self) -> None:
        State.template = State.template or _empty()
        self.image = State.template
        self.letters: dict[tuple[str, int, int, int], Letter] = {}
        self.full = False  # nothing can be written


class MemoryDatabase(Database):
    """A database whose file is ``State.image``."""

    def __init__(self, state: State) -> None:
        self._state = state
        connection = _connection()
        connection.deserialize(state.image)
        with mock.patch.object(database, "_connect", return_value=connection):
            super().__init__(PATH)

    def _regular_file(self) -> tuple[int, int]:
        return 0, 0

    def _check_in_place(self) -> None:
        if self._state.full:
            raise sqlite3.OperationalError("database or disk is full")

    @contextlib.contextmanager
    def _writing(self, doing: str) -> Iterator[None]:
        with super()._writing(doing):
            yield
        self._state.image = self._connection.serialize()


class Store(CheckpointStore):
    """The store, whose work is done when :meth:`work` is called, and what its callers wait for at once.

    ``saved`` hears of every checkpoint that became durable, ``submitted`` of what is to become so.
    """

    def __init__(
        self,
        state: State,
        events: Events,
        clock: Callable[[], float],
        submitted: Callable[[Checkpoint], None],
        saved: Callable[[Checkpoint], None],
    ) -> None:
        self._submitted_to, self._saved_to = submitted, saved
        super().__init__(PATH, MemoryDatabase(state), -1, events, clock)

    def submit(
        self, changed: Iterable[Checkpoint], removed: Iterable[tuple[str, str]] = (), *, whole: str | None = None
    ) -> None:
        changed = list(changed)
        for one in changed:
            self._submitted_to(one)
        super().submit(changed, removed, whole=whole)

    def record_first_scan(self, source: str, files: Sequence[Checkpoint]) -> None:
        for one in files:
            self._submitted_to(one)
        super().record_first_scan(source, files)
        for one in files:
            self._saved_to(one)

    def work(self) -> None:
        """Do what the store's thread would do now."""
        if self._has_work():
            self._round()

    def flush(self, timeout: float) -> bool:
        self._hurry = self._unsaved
        self.work()
        return not self._unsaved

    def _in_place(self) -> Database:
        return self._database

    def _call(self, work: Callable[[], T]) -> T:
        return work()

    def _save(self, batch: dict[Any, Checkpoint | None], whole: set[str], upto: int) -> None:
        super()._save(batch, whole, upto)
        if self._failing is None:
            for one in batch.values():
                if one is not None:
                    self._saved_to(one)

    def close(self, timeout: float = 10.0) -> None:
        self.work()
        self._database.close()


class DeadLetters:
    """The dead letters, without a thread: durable when the result comes."""

    def __init__(self, state: State, wake: Callable[[], None]) -> None:
        self._state = state
        self._wake = wake
        self._todo: list[tuple[Letter, Any]] = []

    def limit_to(self, most: int) -> None:
        """Nothing is too large here."""

    def put(self, letter: Letter, token: Any) -> None:
        self._todo.append((letter, token))
        self._wake()

    def results(self) -> Iterator[Result]:
        todo, self._todo = self._todo, []
        for letter, token in todo:
            if self._state.full:
                yield Result(letter, token, "the disk is full")
                continue
            self._state.letters.setdefault((letter.uid, letter.generation, letter.offset, letter.part), letter)
            yield Result(letter, token, "")

    def close(self, timeout: float = 10.0) -> None:
        """Nothing is left to do."""
