"""How many files are open: the limit holds, nothing that could get lost is closed, and EMFILE is not the end."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper.events import Events
from shipper.files import Files, open_reader
from shipper.filesource import descriptors
from shipper.filesource.descriptors import FEW, RESERVE, RISE_AFTER, Descriptors, limit_from_process
from shipper.lifecycle import FileEvent
from shipper.model import Checkpoint, FileId
from shipper.tailer import Tailer


class Held:
    """Descriptors of a limit, files to open, and what was told."""

    def __init__(self, root: Path, limit: int) -> None:
        self.root = root
        self.told: list[str] = []
        self.fault: OSError | None = None
        files = Files(self._fail)
        self.now = 1000.0
        events = Events(lambda level, name, fields: self.told.append(name))
        self.fds = Descriptors(limit, files, events, lambda: self.now)

    def _fail(self, op: str) -> None:
        if self.fault and op == "log.open":
            raise self.fault

    def tailer(self, name: str) -> Tailer:
        path = self.root / name
        path.write_bytes(b"one\n")
        found, raw = path.stat(), os.fsencode(path)
        return Tailer(Checkpoint(name, "s", raw, raw, FileId(found.st_dev, found.st_ino), 0, 0), 100, "t", b"")

    def read(self, name: str) -> Tailer:
        """Return a file that is open, and read to its end, all of it acknowledged."""
        tailer = self.tailer(name)
        tailer.event(FileEvent.TURN)
        assert self.fds.open(tailer)
        tailer.take()
        tailer.track.acked = tailer.read
        tailer.event(FileEvent.END)
        return tailer

    def backlog(self, name: str) -> Tailer:
        """Return a file that is open, and not read to its end."""
        tailer = self.tailer(name)
        tailer.event(FileEvent.TURN)
        assert self.fds.open(tailer)
        return tailer


def looks_at(monkeypatch: pytest.MonkeyPatch) -> list[Tailer]:
    """Return the files that are asked from now on whether they may be closed."""
    asked: list[Tailer] = []
    may_close = descriptors._may_close

    def ask(tailer: Tailer) -> bool:
        asked.append(tailer)
        return may_close(tailer)

    monkeypatch.setattr(descriptors, "_may_close", ask)
    return asked


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    one = Held(tmp_path, 3)
    yield one
    one.fds.close_all()
    assert len(one.fds) == 0


def test_the_one_not_read_for_longest_gives_way(held: Held) -> None:
    first, second, third = (held.read(name) for name in "abc")
    held.fds.touch(first)
    held.read("d")
    assert second.reader is None
    assert all(t.reader is not None for t in (first, third))
    assert len(held.fds) == 3
    assert not held.told


def test_a_long_queue_before_full_descriptors_does_not_look_at_all_of_them_for_each_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(tmp_path, 100)
    for number in range(100):
        held.backlog(f"waits {number}")
    asked = looks_at(monkeypatch)
    for number in range(100):
        tailer = held.tailer(f"turn {number}")
        tailer.event(FileEvent.TURN)
        assert held.fds.open(tailer, its_turn=True)
        tailer.take()
        held.fds.rested(tailer)
        assert tailer.reader is None
    assert len(asked) < 2000
    held.fds.close_all()


def test_as_many_give_way_as_can(tmp_path: Path) -> None:
    held = Held(tmp_path, 3 * FEW)
    idle = [held.read(f"idle {number}") for number in range(3 * FEW)]
    for number in range(2 * FEW):
        held.backlog(f"new {number}")
    assert [tailer.reader is None for tailer in idle] == [True] * 2 * FEW + [False] * FEW
    assert len(held.fds) == 3 * FEW
    held.fds.close_all()


def test_one_that_has_just_been_read_to_its_end_gives_way_without_a_look_at_the_others(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (held.read(name) for name in "abc")
    for tailer in (third, first, second):
        held.fds.rested(tailer)
    asked = looks_at(monkeypatch)
    held.fds.touch(third)
    held.read("d")
    assert asked == [first]
    assert first.reader is None


def test_what_has_no_name_or_is_unread_is_never_closed_for_another(held: Held) -> None:
    unread, deleted, idle = held.backlog("a"), held.read("b"), held.read("c")
    deleted.linked = False
    held.read("d")
    assert idle.reader is None
    held.backlog("e").linked = False  # takes the place of d
    with pytest.raises(OSError, match="as many files are open as may be") as raised:
        held.fds.open(held.tailer("f"))
    assert raised.value.errno == errno.EMFILE
    assert unread.reader is not None
    assert deleted.reader is not None
    assert held.told == ["descriptors.short"]


def test_one_whose_turn_it_is_may_be_open_beyond_the_limit_and_another_when_that_has_no_name(held: Held) -> None:
    for name in "abc":
        held.backlog(name).linked = False
    first, second = held.tailer("d"), held.tailer("e")
    for tailer in (first, second):
        tailer.event(FileEvent.TURN)
    assert held.fds.open(first, its_turn=True)
    with pytest.raises(OSError, match="as many files are open as may be"):
        held.fds.open(second, its_turn=True)
    os.unlink(first.path)
    assert held.fds.open(second, its_turn=True)
    held.fds.rested(second)
    assert len(held.fds) == 5
    for tailer in (second, first):
        tailer.take()
        held.fds.rested(tailer)
    assert second.reader is None
    assert first.reader is not None  # its writer may add to it


def test_what_is_deleted_while_it_is_open_for_a_moment_stays_open(held: Held) -> None:
    for name in "abc":
        held.backlog(name)
    first, second = held.tailer("d"), held.tailer("e")
    first.event(FileEvent.TURN)
    with held.fds.borrow(first), held.fds.borrow(second):
        os.unlink(first.path)
    assert first.reader is not None
    assert second.reader is None


def test_what_is_in_use_does_not_give_way_to_another(held: Held) -> None:
    used, borrowed, idle = (held.read(name) for name in "abc")
    with held.fds.in_use(used), held.fds.borrow(borrowed):
        with held.fds.in_use(used), held.fds.borrow(borrowed):
            held.read("d")
        assert idle.reader is None
        held.backlog("e")
        assert not held.fds.room()
        with held.fds.borrow(idle):
            assert all(tailer.reader is not None for tailer in (used, borrowed, idle))
        assert idle.reader is None
    held.read("f")
    assert used.reader is None
    held.read("g")
    assert borrowed.reader is None


def test_what_was_moved_away_is_closed_for_another_only_when_all_of_it_was_read(held: Held) -> None:
    moved, done = held.read("a"), held.read("b")
    held.backlog("c")
    with open(moved.path, "ab") as file:
        file.write(b"unseen\n")
    for tailer in (moved, done):
        os.rename(tailer.path, tailer.path + b".away")
    held.backlog("d")
    assert done.reader is None
    with pytest.raises(OSError, match="as many files are open as may be"):
        held.fds.open(held.tailer("e"), [moved])
    assert moved.reader is not None


def test_what_was_truncated_and_moved_away_is_not_closed_for_another(held: Held) -> None:
    moved = held.read("a")
    held.backlog("b")
    held.backlog("c")
    with open(moved.path, "wb") as file:
        file.write(b"two\n")  # as long as what was read
    os.rename(moved.path, moved.path + b".away")
    with pytest.raises(OSError, match="as many files are open as may be"):
        held.fds.open(held.tailer("d"), [moved])
    assert moved.reader is not None


def test_what_is_moved_away_while_it_is_looked_into_stays_open(held: Held) -> None:
    tailer = held.tailer("a")
    reader = open_reader(Files(), tailer.path, "")
    assert not held.fds.rescue(tailer, reader, tailer.path)
    os.rename(tailer.path, tailer.path + b".away")
    assert held.fds.rescue(tailer, reader, tailer.path)
    assert tailer.reader is reader


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_when_the_system_gives_no_more_those_that_are_open_take_turns(held: Held, number: int) -> None:
    first, _ = held.read("a"), held.read("b")
    held.fault = OSError(number, os.strerror(number))
    other = held.tailer("c")
    with pytest.raises(OSError, match=os.strerror(number)):
        held.fds.open(other)
    assert held.told == ["descriptors.short"]
    held.fault = None
    assert held.fds.open(other)
    assert first.reader is None
    assert len(held.fds) == 2


def test_a_limit_that_has_fallen_rises_again_to_what_it_was_and_no_higher(tmp_path: Path) -> None:
    held = Held(tmp_path, 20)
    for name in "abcdefghij":
        held.backlog(name)
    held.fault = OSError(errno.EMFILE, "too many")
    waiting = held.tailer("k")
    with pytest.raises(OSError, match="too many"):
        held.fds.open(waiting)
    assert held.fds.limit == 10
    held.fault = None
    with pytest.raises(OSError, match="as many files are open as may be"):
        held.fds.open(waiting)
    held.now += RISE_AFTER
    assert held.fds.open(waiting)
    assert held.fds.limit == 11
    limits = []
    for number in range(30):
        held.now += RISE_AFTER
        if held.fds.room():
            held.backlog(f"more {number}")
        limits.append(held.fds.limit)
    assert limits == sorted(limits)
    assert limits[-1] == 20
    assert len(held.fds) == 20
    held.fds.close_all()


def test_another_error_changes_nothing(held: Held) -> None:
    held.read("a")
    held.fault = PermissionError(errno.EACCES, "no")
    with pytest.raises(PermissionError):
        held.fds.open(held.tailer("b"))
    assert held.fds.limit == 3
    assert not held.told


def test_a_name_that_leads_to_another_file_is_not_open(held: Held) -> None:
    tailer = held.tailer("a")
    tailer.file_id = FileId(0, 0)
    assert not held.fds.open(tailer)
    assert len(held.fds) == 0


def test_a_file_that_fails_after_it_was_opened_leaks_nothing(tmp_path: Path) -> None:
    def fail(op: str) -> None:
        if op == "log.fstat":
            raise OSError(errno.ESTALE, "stale")

    fds = Descriptors(3, Files(fail), Events(lambda *line: None))
    with pytest.raises(OSError, match="stale"):
        fds.open(Held(tmp_path, 1).tailer("a"))
    assert len(fds) == 0


def test_touching_what_is_not_open_does_not_count_it(held: Held) -> None:
    held.fds.touch(held.tailer("a"))
    assert len(held.fds) == 0


@pytest.mark.parametrize(
    ("soft", "hard", "limit", "raised"),
    [
        (100, 4096, 4096 - RESERVE, (4096, 4096)),
        (4096, 4096, 4096 - RESERVE, None),
        (70, 70, 8, None),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, (1 << 20) - RESERVE, None),
    ],
)
def test_the_limit_follows_from_the_process(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, limit: int, raised: Any
) -> None:
    asked = []
    monkeypatch.setattr(resource, "getrlimit", lambda what: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda what, limits: asked.append(limits))
    assert limit_from_process() == limit
    assert asked == ([raised] if raised else [])


def test_a_limit_that_cannot_be_raised_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(what: int, limits: tuple[int, int]) -> None:
        raise ValueError("not allowed")

    monkeypatch.setattr(resource, "getrlimit", lambda what: (1000, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert limit_from_process() == 1000 - RESERVE
