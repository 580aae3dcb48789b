"""Busy directories go quiet: no write is missed, whatever happens while the kernel does not tell of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.discovery import Discovery, Watched, quiet
from shipper.discovery.quiet import A_FILE, BUSY, MOST, QUIET_FOR, ROUND, ROUND_LEAST, WORTH, Quiet
from shipper.discovery.watch import Handle
from shipper.events import Events
from shipper.model import FileId

PATIENCE = 10.0


class Dir:
    """A directory with some names, each of which is known by its path."""

    def __init__(self, path: Path, names: int = 1) -> None:
        self.path = os.fsencode(path)
        self.file_id = FileId(1, 1)
        self.handle: Handle | None = None
        self.names = [b"%d.log" % n for n in range(names)]

    def concerns(self, name: bytes) -> int:
        return 1

    def paths(self, name: bytes) -> tuple[bytes, ...]:
        return (self.path + b"/" + name,)

    def contents(self) -> list[bytes]:
        return self.names


class Rig:
    """A Quiet with a clock, and what the kernel was asked to tell."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[bool] = []
        self.able = True
        self.quiet = Quiet(self._listen, lambda: self.now)

    def _listen(self, directory: object, content: bool) -> bool:
        self.asked.append(content)
        return self.able

    def busy(self) -> bool:
        return self.quiet.any

    def round(self) -> set[bytes]:
        """Look at everything once."""
        changed = set()
        for _ in range(20):
            self.now += ROUND / 10
            changed |= self.look()
        return changed

    def look(self) -> set[bytes]:
        """Look once; returns all that is not as it was."""
        changed, rewritten = self.quiet.look()
        return changed | rewritten


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_what_is_written_to_often_goes_quiet_and_is_all_taken_for_changed(rig: Rig, tmp_path: Path) -> None:
    there = Dir(tmp_path, 3)
    assert rig.quiet.heard({there: BUSY}) == set()
    rig.now += 1.0  # another window
    assert rig.quiet.heard({there: BUSY}) == set()
    assert not rig.busy()
    assert rig.quiet.heard({there: 1}) == {path for name in there.names for path in there.paths(name)}
    assert rig.busy()
    assert rig.asked == [False]


def test_a_file_is_told_once_for_each_time_that_it_has_changed(rig: Rig, tmp_path: Path) -> None:
    there = Dir(tmp_path, 2)
    (tmp_path / "0.log").write_text("x")
    rig.quiet.heard({there: BUSY + 1})
    path = there.paths(b"0.log")[0]
    assert rig.round() == {path}
    assert rig.round() == set()
    (tmp_path / "0.log").write_text("xy")
    assert rig.round() == {path}
    (tmp_path / "1.log").write_text("")
    assert rig.round() == set(there.paths(b"1.log"))


def test_what_was_written_anew_and_is_as_large_as_before_is_told_as_that(rig: Rig, tmp_path: Path) -> None:
    there = Dir(tmp_path)
    log, path = tmp_path / "0.log", there.paths(b"0.log")[0]
    log.write_text("x")
    rig.quiet.heard({there: BUSY + 1})
    assert rig.quiet.look().changed == {path}
    rig.now += 2 * ROUND
    log.write_text("y")
    os.utime(log, ns=(0, 0))
    assert rig.quiet.look() == (set(), {path})
    rig.now += 2 * ROUND
    (tmp_path / "other").write_text("z")
    (tmp_path / "other").rename(log)
    assert rig.quiet.look() == ({path}, set())


def test_a_few_files_have_their_turn_sooner_than_many(rig: Rig, tmp_path: Path) -> None:
    few, many = Dir(tmp_path, 2), Dir(tmp_path, MOST - 2)
    rig.quiet.heard({few: BUSY + 1, many: BUSY + 1})
    rig.look()
    (tmp_path / "1.log").write_text("x")
    (tmp_path / f"{MOST - 3}.log").write_text("x")
    rig.now += ROUND_LEAST
    assert few.paths(b"1.log")[0] in rig.look()
    rig.now += ROUND / 2
    assert rig.look() == set()
    rig.now += ROUND / 2
    assert rig.look() == set(many.paths(b"%d.log" % (MOST - 3)))


def test_after_a_while_the_kernel_tells_again_and_all_is_taken_for_changed(rig: Rig, tmp_path: Path) -> None:
    there = Dir(tmp_path, 2)
    rig.quiet.heard({there: BUSY + 1})
    rig.now += QUIET_FOR
    rig.able = False
    assert rig.look() == set()
    assert rig.busy()  # as long as the kernel does not tell, somebody has to look
    rig.able = True
    rig.now += QUIET_FOR
    assert rig.look() == {path for name in there.names for path in there.paths(name)}
    assert not rig.busy()
    assert rig.asked == [False, True, True]


def test_a_directory_of_too_many_files_is_told_of_as_before(rig: Rig, tmp_path: Path) -> None:
    there = Dir(tmp_path, MOST + 1)
    assert rig.quiet.heard({there: BUSY + 1}) == set()
    assert not rig.busy()
    assert not rig.asked


def test_the_files_of_all_that_go_quiet_count_together(rig: Rig, tmp_path: Path) -> None:
    one, other = Dir(tmp_path, MOST - 10), Dir(tmp_path, 11)
    rig.quiet.heard({one: BUSY + 1, other: BUSY + 1})
    assert rig.asked == [False]


def test_one_of_very_many_files_goes_quiet_where_looking_at_them_costs_less_than_its_writes(
    rig: Rig, tmp_path: Path
) -> None:
    there = Dir(tmp_path, MOST + WORTH)
    enough = (MOST + WORTH) // WORTH
    assert rig.quiet.heard({there: enough - 1}) == set()
    assert not rig.busy()
    assert len(rig.quiet.heard({there: 1})) == MOST + WORTH  # within the same window
    assert rig.busy()
    rig.now += (MOST + WORTH) * A_FILE - 0.1
    rig.look()
    assert rig.busy()
    rig.now += 0.1
    rig.look()
    assert not rig.busy()


def test_one_whose_mask_cannot_be_replaced_is_not_quiet(rig: Rig, tmp_path: Path) -> None:
    rig.able = False
    there = Dir(tmp_path)
    assert rig.quiet.heard({there: BUSY + 1}) == set()
    rig.quiet.heard({there: BUSY + 1})
    assert not rig.busy()
    assert rig.asked == [False]


def test_a_watch_that_has_ended_is_forgotten(rig: Rig, tmp_path: Path) -> None:
    there = Dir(tmp_path)
    rig.quiet.heard({there: BUSY + 1})
    rig.quiet.forget(there)
    assert not rig.busy()


class Desk:
    """A discovery of one directory, with the kernel's own events."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = 0.0
        self.woken = threading.Event()
        events = Events(lambda *_: None)
        paths = (os.fsencode(root / "*.log"), os.fsencode(root / "links/*.log"))
        self.discovery = Discovery(
            [Watched("s", paths, (), "auto")], self.woken.set, events, scan_interval=30, clock=lambda: self.now
        )
        self.discovery.start()
        self.discovery.collect()

    def until_busy(self, path: Path) -> None:
        """Write until the directory is quiet."""
        with path.open("ab", buffering=0) as file:
            while not self.discovery.busy:
                file.write(b"x")
                assert self.woken.wait(PATIENCE)
                self.woken.clear()
                self.discovery.collect()

    def glance(self, seconds: float = 2 * ROUND) -> set[str]:
        """Look for some time; returns what has changed."""
        found: set[bytes] = set()
        until = self.now + seconds
        while self.now < until:
            self.now += ROUND / 10
            found |= self.discovery.glance().changed
        return {os.fsdecode(os.path.relpath(path, os.fsencode(self.root))) for path in found}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "a.log").touch()
    (tmp_path / "b.log").touch()
    (tmp_path / "links").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/c.txt").touch()
    (tmp_path / "links/c.log").symlink_to("../elsewhere/c.txt")
    desk = Desk(tmp_path)
    yield desk
    desk.discovery.stop()


def test_in_a_quiet_directory_only_names_wake_and_writes_are_found(desk: Desk, tmp_path: Path) -> None:
    desk.until_busy(tmp_path / "a.log")
    desk.glance()
    desk.woken.clear()
    (tmp_path / "b.log").write_text("x")
    (tmp_path / "new.log").touch()  # what the kernel tells comes in order: of the write it has told nothing
    assert desk.woken.wait(PATIENCE)
    found = desk.discovery.collect()
    assert not found.modified
    assert [one.path for one in found.observations[0].seen] == [os.fsencode(tmp_path / "new.log")]
    assert "b.log" in desk.glance()
    (tmp_path / "new.log").write_text("x")
    assert desk.glance() == {"new.log"}


def test_a_write_of_the_moment_when_the_mask_is_replaced_is_found(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "b.log").write_text("x")
    desk.until_busy(tmp_path / "a.log")
    desk.glance()
    (tmp_path / "b.log").write_text("xy")
    assert "b.log" in desk.glance(QUIET_FOR)
    while desk.discovery.busy:
        desk.glance()
    desk.woken.clear()
    (tmp_path / "b.log").write_text("xyz")
    assert desk.woken.wait(PATIENCE)
    assert os.fsencode(tmp_path / "b.log") in desk.discovery.collect().modified


def test_the_directory_that_a_link_leads_to_goes_quiet_too(desk: Desk, tmp_path: Path) -> None:
    desk.until_busy(tmp_path / "elsewhere/c.txt")
    desk.glance()
    with (tmp_path / "elsewhere/c.txt").open("a") as file:
        file.write("more")
    assert desk.glance() == {"links/c.log"}


def test_a_directory_that_was_replaced_is_not_taken_for_the_quiet_one(desk: Desk, tmp_path: Path) -> None:
    watcher = desk.discovery._watcher
    node = desk.discovery._tree.nodes[os.fsencode(tmp_path / "links")]
    assert node.handle is not None
    (tmp_path / "links").rename(tmp_path / "old")
    (tmp_path / "links").mkdir()
    assert not watcher.listen(node, node.handle, node.file_id, content=False)
    (tmp_path / "links").rmdir()
    assert not watcher.listen(node, node.handle, node.file_id, content=False)
    assert quiet.QUIET_FOR > quiet.ROUND
