"""What every SQLite file asks for."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper import sqlite


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "a"
    sqlite.make_file(path, ["-journal"])
    with contextlib.closing(sqlite.connect(path, ["synchronous=EXTRA"])) as made:
        made.execute("CREATE TABLE t (n INTEGER)")
        yield made


def test_a_transaction_is_all_or_nothing(connection: sqlite3.Connection) -> None:
    def insert(number: int, into: str) -> None:
        with sqlite.transaction(connection):
            connection.execute("INSERT INTO t VALUES (?)", (number,))
            connection.execute(f"INSERT INTO {into} VALUES (?)", (number,))

    insert(1, "t")
    with pytest.raises(sqlite3.OperationalError):
        insert(2, "nowhere")
    assert connection.execute("SELECT n FROM t").fetchall() == [(1,), (1,)]


def test_pragmas_are_in_force(connection: sqlite3.Connection) -> None:
    assert sqlite.pragma(connection, "synchronous") == 3


def test_what_is_not_there_is_not_made_by_opening_it(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        sqlite.connect(tmp_path / "a", [])
    assert os.listdir(tmp_path) == []


def test_a_file_is_made_anew_for_its_user_alone(tmp_path: Path) -> None:
    for name in ("a", "a-journal"):  # of a creation that was killed
        (tmp_path / name).write_bytes(b"half")
    sqlite.make_file(tmp_path / "a", ["-journal"])
    assert os.listdir(tmp_path) == ["a"]
    assert os.stat(tmp_path / "a").st_mode & 0o777 == 0o600
    assert os.stat(tmp_path / "a").st_size == 0


def test_what_has_lost_its_name_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    file = (os.stat(path).st_dev, os.stat(path).st_ino)
    assert sqlite.is_at(path, file)
    path.rename(tmp_path / "b")
    assert not sqlite.is_at(path, file)
    path.touch()
    assert not sqlite.is_at(path, file)


def test_a_file_is_renamed_with_those_of_its_companions_that_are_there(tmp_path: Path) -> None:
    for name in ("a", "a-wal"):
        (tmp_path / name).touch()
    sqlite.rename(tmp_path / "a", "b", ["-wal", "-shm"])
    assert sorted(os.listdir(tmp_path)) == ["b", "b-wal"]
