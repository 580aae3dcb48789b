"""The file of dead letters: durable, each letter once, bounded, shared with a reader, and never mistaken for empty."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper import replay
from shipper.deadletters import NAME, DeadLetters, Letter, Letters, Result, only_sender, open_letters
from shipper.errors import StateBusy, StateError
from shipper.events import Events
from tests.harness.letters import letters_in
from tests.harness.wait import eventually

PLENTY = 1 << 30
LETTER = Letter("u", 0, 10, 0, "s", b"/a.log", "t", b"k", (), "MSG_SIZE_TOO_LARGE", "too large", 1.5, b"value")


class Log(list[tuple[str, str, dict[str, Any]]]):
    def __call__(self, level: str, name: str, fields: dict[str, Any]) -> None:
        self.append((level, name, fields))


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def kept(tmp_path: Path, log: Log) -> Iterator[DeadLetters]:
    made = DeadLetters(tmp_path, PLENTY, Events(log), lambda: None)
    yield made
    made.close()


def put(store: DeadLetters, letter: Letter) -> Result:
    found: list[Result] = []
    store.put(letter, "token")

    def arrived() -> bool:
        found.extend(store.results())
        return bool(found)

    eventually("a result", arrived)
    return found[0]


def at(offset: int, value: bytes = b"value") -> Letter:
    return dataclasses.replace(LETTER, offset=offset, value=value)


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(
    st.builds(
        Letter,
        uid=text,
        generation=st.integers(0, 1 << 40),
        offset=st.integers(0, 1 << 60),
        part=st.integers(0, 1 << 20),
        source=text,
        path=st.binary(),
        topic=text,
        key=st.binary(),
        headers=st.lists(st.tuples(text, st.binary())).map(tuple),
        reason=text,
        meaning=text,
        time=st.floats(0, 4e9),
        value=st.binary(),
    )
)
def test_a_letter_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, letter: Letter) -> None:
    letters = Letters.create(tmp_path_factory.mktemp("state") / NAME)
    assert letters.add(letter, PLENTY) == ""
    assert [found for _, found in letters] == [letter]
    letters.close()


def test_nothing_is_made_before_the_first_letter(tmp_path: Path, kept: DeadLetters) -> None:
    assert open_letters(tmp_path) is None
    assert os.listdir(tmp_path) == []
    assert put(kept, LETTER) == Result(LETTER, "token", "")
    assert letters_in(tmp_path) == [LETTER]
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


def test_the_same_place_is_kept_once(tmp_path: Path, kept: DeadLetters) -> None:
    for letter in (LETTER, LETTER, dataclasses.replace(LETTER, value=b"other", time=2.5)):
        assert put(kept, letter).problem == ""
    assert letters_in(tmp_path) == [LETTER]
    put(kept, dataclasses.replace(LETTER, uid="other"))
    put(kept, dataclasses.replace(LETTER, generation=7))
    put(kept, dataclasses.replace(LETTER, offset=7))
    put(kept, dataclasses.replace(LETTER, part=7))
    assert len(letters_in(tmp_path)) == 5


def test_a_kill_after_the_result_takes_no_letter(tmp_path: Path) -> None:
    program = f"""
import os, sys, pathlib
from shipper.deadletters import *
from tests.unit.test_deadletters import at
letters = Letters.create(pathlib.Path({str(tmp_path / NAME)!r}))
for number in range(10):
    letters.add(at(number), 1 << 30)
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    assert letters_in(tmp_path) == [at(number) for number in range(10)]


def test_a_creation_that_was_killed_leaves_no_file_and_is_made_again(tmp_path: Path, kept: DeadLetters) -> None:
    (tmp_path / f"{NAME}.new").write_bytes(b"half")
    assert open_letters(tmp_path) is None
    assert put(kept, LETTER).problem == ""
    assert letters_in(tmp_path) == [LETTER]


def test_the_file_does_not_grow_beyond_its_cap_and_takes_letters_again_when_some_are_removed(tmp_path: Path) -> None:
    letters = Letters.create(tmp_path / NAME)
    most = 1 << 20
    number = 0
    while not (problem := letters.add(at(number, b"x" * 100_000), most)):
        number += 1
    assert "shipper.deadletter_max (1,048,576 bytes)" in problem
    assert (tmp_path / NAME).stat().st_size <= most
    assert number >= 8
    assert letters.add(at(0, b"x" * 100_000), most) == ""  # it is there already
    letters.remove([seq for seq, _ in letters][:3])
    assert letters.add(at(number, b"x" * 100_000), most) == ""
    assert len(letters) == number - 2
    letters.close()


def test_numbers_are_never_used_again(tmp_path: Path) -> None:
    """A replay removes by number: what the daemon adds meanwhile must not be meant."""
    letters = Letters.create(tmp_path / NAME)
    letters.add(at(1), PLENTY)
    numbers = [number for number, _ in letters]
    letters.remove(numbers)
    letters.add(at(2), PLENTY)
    letters.remove(numbers)
    assert [letter for _, letter in letters] == [at(2)]
    letters.close()


def test_others_read_and_remove_while_it_is_in_use(tmp_path: Path, kept: DeadLetters) -> None:
    for number in range(3):
        put(kept, at(number))
    other = open_letters(tmp_path)
    assert other is not None
    reading = iter(other)
    first, letter = next(reading)
    assert letter == at(0)
    assert put(kept, at(3)).problem == ""
    other.remove([first])
    assert [letter.offset for _, letter in reading] == [1, 2, 3]
    other.close()
    assert put(kept, at(0)).problem == ""
    assert [letter.offset for letter in letters_in(tmp_path)] == [1, 2, 3, 0]


@pytest.mark.parametrize("how", [b"", b"\xa5" * 8192, b"SQLite format 3\0" + b"\xa5" * 8176])
def test_a_damaged_file_is_set_aside_and_told(tmp_path: Path, kept: DeadLetters, log: Log, how: bytes) -> None:
    (tmp_path / NAME).write_bytes(how)
    with pytest.raises(StateError):
        open_letters(tmp_path)
    assert put(kept, LETTER).problem == ""
    assert letters_in(tmp_path) == [LETTER]
    ((level, name, fields),) = log
    assert (level, name) == ("error", "deadletters.set_aside")
    assert Path(fields["moved_to"]).read_bytes() == how


def test_another_database_is_not_written_to(tmp_path: Path, kept: DeadLetters, log: Log) -> None:
    other = sqlite3.connect(tmp_path / NAME)
    other.execute("CREATE TABLE t (x)")
    other.close()
    with pytest.raises(StateError, match="not a file of dead letters"):
        open_letters(tmp_path)
    assert put(kept, LETTER).problem == ""
    assert [name for _, name, _ in log] == ["deadletters.set_aside"]


def test_an_older_format_is_gone_on_in(tmp_path: Path, kept: DeadLetters) -> None:
    put(kept, LETTER)
    kept.close()
    other = sqlite3.connect(tmp_path / NAME)
    other.executescript("ALTER TABLE letter DROP COLUMN timestamp; PRAGMA user_version=1;")
    other.close()
    again = DeadLetters(tmp_path, PLENTY, Events(Log()), lambda: None)
    later = dataclasses.replace(at(99), timestamp=1_000)
    assert put(again, later).problem == ""
    again.close()
    letters = open_letters(tmp_path)
    assert letters is not None
    assert [letter for _, letter in letters] == [LETTER, later]
    letters.close()


def test_a_newer_format_is_left_alone(tmp_path: Path, kept: DeadLetters) -> None:
    put(kept, LETTER)
    kept.close()
    other = sqlite3.connect(tmp_path / NAME)
    other.execute("PRAGMA user_version=9")
    other.close()
    again = DeadLetters(tmp_path, PLENTY, Events(Log()), lambda: None)
    assert "written by a newer shipper" in put(again, at(99)).problem
    again.close()


def test_a_file_that_was_removed_under_it_is_told_and_begun_anew(tmp_path: Path, kept: DeadLetters, log: Log) -> None:
    put(kept, LETTER)
    (tmp_path / NAME).unlink()
    assert put(kept, at(99)).problem == ""
    assert [name for _, name, _ in log] == ["deadletters.removed"]
    assert letters_in(tmp_path) == [at(99)]


def test_a_file_that_came_back_is_gone_on_in(tmp_path: Path, kept: DeadLetters) -> None:
    state, away = tmp_path / "state", tmp_path / "away"
    state.mkdir()
    kept = DeadLetters(state, PLENTY, Events(Log()), lambda: None)
    put(kept, LETTER)
    state.rename(away)
    assert "state_dir" in put(kept, at(99)).problem
    shutil.copytree(away, state)
    assert put(kept, at(99)).problem == ""
    kept.close()
    assert letters_in(state) == [LETTER, at(99)]


def test_nothing_is_kept_on_a_bare_mount_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = DeadLetters(tmp_path, PLENTY, Events(Log()), lambda: None)
    monkeypatch.setattr(kept, "_device", -1)
    assert "another file system" in put(kept, LETTER).problem
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "checkpoints.sqlite3").touch()  # a state directory that was moved
    assert put(kept, LETTER).problem == ""
    kept.close()


def test_a_full_disk_is_a_problem_that_passes(tmp_path: Path, kept: DeadLetters) -> None:
    (tmp_path / f"{NAME}.new").mkdir()  # it cannot be made
    assert "cannot create" in put(kept, LETTER).problem
    (tmp_path / f"{NAME}.new").rmdir()
    assert put(kept, LETTER).problem == ""


def test_one_sender_at_a_time(tmp_path: Path) -> None:
    with only_sender(tmp_path), pytest.raises(StateBusy, match="sent again by another"), only_sender(tmp_path):
        pass
    with only_sender(tmp_path):
        pass


def test_a_state_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="is no directory"):
        open_letters(tmp_path / "typo")


def test_what_a_person_sees_is_escaped() -> None:
    letter = dataclasses.replace(LETTER, path=b"/a\x1b[31m\xff.log", part=2)
    shown = replay.as_text(7, letter)
    assert "\x1b" not in shown
    assert "at offset 10, part 2 of its line" in shown
    assert "5 bytes for topic t: too large" in shown
    assert json.loads(replay.as_json(7, letter))["path"] == "/a\\x1b[31m\\xff.log"
    letter = dataclasses.replace(LETTER, headers=(("h", "\x7f\x9b31m\u202e".encode()),))
    assert replay.as_json(7, letter).isprintable()
    assert json.loads(replay.as_json(7, letter))["headers"] == {"h": "\x7f\x9b31m\u202e"}
