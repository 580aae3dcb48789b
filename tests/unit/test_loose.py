"""Open files of no generation: which are given away, and the order in which unknown files are judged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.discovery.rotation import rank
from shipper.files import Files, PlainReader
from shipper.filesource.loose import Loose
from shipper.model import FileId, Seen
from tests.unit.test_census import Case


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    made = Case(tmp_path)
    yield made
    made.descriptors.close_all()


def one(name: str, inode: int) -> Seen:
    path = b"/log/" + name.encode()
    return Seen(path, b"/log/app.log", FileId(1, inode), 5, 0, rank(path, b"/log/app.log"))


def reader(path: Path) -> PlainReader:
    path.touch()
    return PlainReader(Files(), os.open(path, os.O_RDONLY))


def names(files: list[Seen]) -> list[str]:
    return [os.path.basename(seen.path).decode() for seen in files]


def test_rotated_files_come_before_the_one_of_their_path_and_the_oldest_first(case: Case) -> None:
    waiting = [one("app.log", 1), one("app.log.1", 2), one("app.log.2", 3)]
    assert names(Loose(case.census).in_order(waiting)) == ["app.log.2", "app.log.1", "app.log"]


def test_what_is_only_there_because_it_is_open_comes_first_but_after_its_elders(case: Case, tmp_path: Path) -> None:
    loose = Loose(case.census)
    loose.keep(one("app.log", 9), reader(tmp_path / "kept"), {FileId(1, 3)})
    waiting = [one("app.log.1", 2), one("app.log.2", 3)]
    unknown = loose.without_name({seen.file_id: seen for seen in waiting})
    assert names(loose.in_order([*unknown, *waiting])) == ["app.log.2", "app.log", "app.log.1"]
    loose.nameless.clear()
    assert names(loose.in_order([*unknown, *waiting])) == ["app.log.2", "app.log.1", "app.log"]
    loose.close()
    assert FileId(1, 9) not in loose


def test_what_has_lost_its_name_is_younger_than_what_was_rotated_before_and_older_than_what_was_since(
    case: Case, tmp_path: Path
) -> None:
    loose = Loose(case.census)
    loose.hold(FileId(1, 9), reader(tmp_path / "held"))
    before = [one("app.log", 9), one("app.log.1", 1), one("app.log.3", 3)]
    # The third was deleted, and the next file got its inode; the first is gone, and after it another was rotated.
    now = [one("app.log", 3), one("app.log.1", 4), one("app.log.2", 1)]
    gone = loose.gone(before, {seen.file_id: seen for seen in now})
    assert list(gone) == [FileId(1, 9)]
    order = [seen.file_id.ino for seen in loose.in_order([*now, *gone.values()])]
    assert order == [1, 9, 4, 3]
    loose.close()


def test_what_is_open_is_given_away_once_and_the_rest_closed(case: Case, tmp_path: Path) -> None:
    loose = Loose(case.census)
    held = reader(tmp_path / "held")
    loose.hold(FileId(1, 2), held)
    loose.part(one("app.log.1", 2))
    assert list(loose.hand_over()) == [(one("app.log.1", 2), held)]
    assert list(loose.hand_over()) == []
    assert loose.take(FileId(1, 2)) is None
    loose.hold(FileId(1, 2), held)
    loose.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        held.stat()
