"""What a source knows of its files: one name for each (I7), one place for each, and what of it is to be saved."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shipper.config import FileConfig
from shipper.discovery.rotation import rank
from shipper.events import Events
from shipper.files import Files
from shipper.filesource.census import KEEP_PAST, Census
from shipper.filesource.descriptors import Descriptors
from shipper.filesource.left import FORGET_AFTER
from shipper.ledger import Position
from shipper.lifecycle import File, FileEvent
from shipper.model import Checkpoint, FileId, FileState, Observation, Seen, new_uid
from shipper.records import Naming
from shipper.source.schedule import Schedule
from shipper.tailer import Tailer
from tests.unit.test_lineage import finish


class Case:
    """A census, and names in a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.told: list[str] = []
        events = Events(lambda level, name, fields: self.told.append(name))
        config = FileConfig(name="s", paths=("/x",), topic="t")
        self.descriptors = Descriptors(10, Files(), events)
        self.schedule: Schedule[Tailer] = Schedule()
        self.census = Census(config, Naming(config, "h"), self.descriptors, self.schedule, events)

    def seen(
        self, name: str, inode: int | None = None, *, base: str = "", size: int = 5, adoptable: bool = True
    ) -> Seen:
        """Return a name as discovery would; with ``inode``, of a file that is only thought up."""
        path = self.root / name
        file_id = FileId(1, inode or 0)
        if inode is None:
            path.touch()
            file_id = FileId(path.stat().st_dev, path.stat().st_ino)
        base_path = os.fsencode(self.root / (base or name))
        return Seen(
            os.fsencode(path), base_path, file_id, size, 0, rank(os.fsencode(path), base_path), adoptable=adoptable
        )

    def checkpoint(self, name: str, inode: int, generation: int = 0, state: FileState = FileState.OPEN) -> Checkpoint:
        path = os.fsencode(self.root / "app.log")
        seen_as = os.fsencode(self.root / name)
        return Checkpoint(f"u{inode}{generation}", "s", path, seen_as, FileId(1, inode), generation, 3, state=state)

    def saved(self) -> dict[str, Checkpoint]:
        return {c.uid: c for c in self.census.changes()[0]}


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    one = Case(tmp_path)
    yield one
    one.descriptors.close_all()


# Names.


def test_of_two_names_the_one_that_is_known_counts(case: Case) -> None:
    two = case.seen("b.log", 7), case.seen("a.log", 7)
    case.census.new(two[0])
    for order in (two, two[::-1]):
        assert case.census.choose(order)[FileId(1, 7)].path == two[0].path


def test_of_two_unknown_names_the_one_that_a_glob_matches_counts(case: Case) -> None:
    rotated, matched, hidden = (
        case.seen("app.log.1", 7, base="app.log"),
        case.seen("other.log", 7),
        case.seen("app.log.2", 7, base="app.log", adoptable=False),
    )
    for order in ([rotated, matched, hidden], [hidden, matched, rotated]):
        assert case.census.choose(order)[FileId(1, 7)] is matched
    assert case.census.choose([hidden, rotated])[FileId(1, 7)] is rotated


def test_another_name_of_a_file_that_keeps_its_own_is_no_rotation(case: Case) -> None:
    one = case.seen("app.log")
    tailer = case.census.new(one)
    os.link(case.root / "app.log", case.root / "copy.log")
    case.census.sighted(tailer, one._replace(path=os.fsencode(case.root / "copy.log")))
    assert tailer.seen_as == one.path
    (case.root / "app.log").unlink()
    case.census.sighted(tailer, one._replace(path=os.fsencode(case.root / "copy.log")))
    assert tailer.seen_as == os.fsencode(case.root / "copy.log")
    assert case.told.count("file.rotated") == 1


def test_names_that_move_on_all_at_once_lose_nobody(case: Case) -> None:
    first = case.census.new(case.seen("app.log", 1))
    case.census.sighted(first, case.seen("app.log.1", 1, base="app.log"))
    second = case.census.new(case.seen("app.log", 2))
    moves = [(first, case.seen("app.log.2", 1, base="app.log")), (second, case.seen("app.log.1", 2, base="app.log"))]
    for order in (moves, moves[::-1]):
        for tailer, one in order:
            case.census.sighted(tailer, one)
        assert case.census.by_name == {moves[0][1].path: first, moves[1][1].path: second}


def test_suspects_are_those_whose_names_are_gone_or_lead_elsewhere(case: Case) -> None:
    gone, taken, there, away = (case.census.new(case.seen(f"{n}.log", i)) for i, n in enumerate("gtba", start=1))
    seen = Observation("s", [case.seen("t.log", 9), case.seen("b.log", 3)], gone={gone.seen_as})
    assert set(case.census.suspects(seen, case.census.choose(seen.seen))) == {gone, taken}
    seen.complete = True
    assert set(case.census.suspects(seen, case.census.choose(seen.seen))) == {gone, taken, away}
    seen.unreadable = (os.fsencode(case.root),)
    assert set(case.census.suspects(seen, case.census.choose(seen.seen))) == {gone, taken}
    seen.seen.append(case.seen("moved.log", 2))
    assert set(case.census.suspects(seen, case.census.choose(seen.seen))) == {gone}
    assert there.linked


# Generations.


def test_a_rotated_file_found_late_is_numbered_before_the_file_that_has_the_name(case: Case) -> None:
    first = case.census.new(case.seen("app.log", 1))
    case.census.sighted(first, case.seen("app.log.2", 1, base="app.log"))
    last = case.census.new(case.seen("app.log", 3))
    between = case.census.new(case.seen("app.log.1", 2, base="app.log"))
    lineage = case.census.lineages[os.fsencode(case.root / "app.log")]
    assert lineage.gens == [first, between, last]
    assert [t.generation for t in lineage.gens] == [0, 1, 2]
    assert lineage.generation == 3
    assert {c.generation for c in case.saved().values()} == {0, 1, 2}


def test_after_what_was_deleted_comes_what_is_found(case: Case) -> None:
    """It has the name no more, so what has a rotated name is not older."""
    first = case.census.new(case.seen("app.log", 1))
    case.census.unname(first)
    second = case.census.new(case.seen("app.log.1", 2, base="app.log"))
    assert case.census.lineages[first.path].gens == [first, second]


@pytest.mark.parametrize(("written", "younger"), [(1, False), (2, True), (3, True)])
def test_what_has_lost_the_paths_name_is_younger_where_it_was_written_to_since(
    case: Case, written: int, *, younger: bool
) -> None:
    log = case.root / "app.log"
    first = case.census.new(case.seen("app.log"))
    os.utime(log, ns=(written, written))
    assert case.descriptors.open(first)
    log.unlink()
    case.census.unname(first)
    copied = case.census.new(case.seen("app.log.1", 2, base="app.log")._replace(mtime_ns=2))
    assert case.census.lineages[first.path].gens == ([copied, first] if younger else [first, copied])


def test_what_has_a_name_now_is_younger_than_what_has_lost_it(case: Case) -> None:
    first = case.census.new(case.seen("app.log", 1))
    case.census.sighted(first, case.seen("app.log.1", 1, base="app.log"))
    lost = case.census.new(case.seen("app.log.1", 2, base="app.log"), nameless=True)
    assert case.census.lineages[first.path].gens == [lost, first]


def test_a_name_that_is_no_rotation_tells_no_age(case: Case) -> None:
    first = case.census.new(case.seen("app.log", 1))
    case.census.sighted(first, case.seen("app.log.1", 1, base="app.log"))
    other = case.census.new(case.seen("app.log.again", 2, base="app.log"))
    assert case.census.lineages[first.path].gens == [first, other]


@pytest.mark.parametrize("same", [True, False])
def test_what_goes_on_under_the_paths_name_is_younger_than_what_was_begun_in_the_same_file(
    case: Case, *, same: bool
) -> None:
    first, second = (case.census.new(case.seen("app.log", inode)) for inode in (1, 2))
    second.read = Position(3, b"m")
    case.census.unbind(second)
    first.file_id = second.file_id if same else FileId(1, 3)
    case.census.let_be_newest(first)
    assert case.census.lineages[first.path].gens == ([second, first] if same else [first, second])


def test_what_was_saved_as_empty_and_rotated_is_known_to_have_been_empty(case: Case) -> None:
    saved = [replace(case.checkpoint(name, inode), offset=0) for name, inode in (("app.log", 1), ("app.log.1", 2))]
    case.census.restore(saved)
    assert [case.census.by_id[FileId(1, inode)].blank for inode in (1, 2)] == [False, True]


def test_what_was_saved_is_restored_in_order(case: Case) -> None:
    saved = [
        case.checkpoint("app.log", 3, 2),
        case.checkpoint("app.log.2", 1, 0, FileState.FINISHED),
        case.checkpoint("app.log.1", 2, 1),
        case.checkpoint("app.log.3.gz", 8, 0, FileState.LEFT),
    ]
    case.census.restore(saved)
    (lineage,) = case.census.lineages.values()
    assert [t.uid for t in lineage.past] == ["u10"]
    assert [(t.uid, t.state) for t in lineage.gens] == [("u21", File.DRAINING), ("u32", File.WAITING)]
    assert lineage.generation == 3
    assert list(case.census.left) == [FileId(1, 8)]
    assert not case.census.has_changes


def test_an_inode_that_was_used_again_belongs_to_the_newer_generation(case: Case) -> None:
    case.census.restore([case.checkpoint("app.log", 1, 1), case.checkpoint("app.log.1", 1, 0)])
    older, newer = case.census.lineages[os.fsencode(case.root / "app.log")].gens
    assert case.census.by_id == {FileId(1, 1): newer}
    assert older.detached
    assert not newer.detached


def test_unbinding_forgets_only_its_own(case: Case) -> None:
    old = case.census.new(case.seen("app.log", 1))
    new = case.census.new(case.seen("app.log", 2))
    case.census.unbind(old)
    assert case.census.by_id == {FileId(1, 2): new}
    assert case.census.by_name == {new.seen_as: new}
    assert old.detached


def test_uids_are_never_the_same() -> None:
    assert len({new_uid() for _ in range(1000)}) == 1000


# What is saved.


def test_a_change_is_told_once_with_what_it_is_then(case: Case) -> None:
    tailer = case.census.new(case.seen("app.log", 1))
    tailer.track.acked = Position(7, b"mark")
    changes = [case.census.has_changes]
    assert [c.offset for c in case.saved().values()] == [7]
    assert [*changes, case.census.has_changes] == [True, False]
    case.census.changed(tailer)
    case.census.changed(tailer)
    assert len(case.saved()) == 1


def test_what_is_dropped_is_removed_and_not_saved(case: Case) -> None:
    tailer = case.census.new(case.seen("app.log", 1))
    case.census.drop(tailer.uid)
    assert case.census.changes() == ([], [("s", tailer.uid)])
    assert case.census.changes() == ([], [])


# Files that are gone.


def gone_past(case: Case, count: int) -> list[Tailer]:
    tailers = []
    for inode in range(1, count + 1):
        tailer = case.census.new(case.seen("app.log", inode))
        tailer.event(FileEvent.TURN)
        tailers.append(tailer)
    lineage = case.census.lineages[tailers[0].path]
    for tailer in tailers:
        finish(tailer)
        case.census.unbind(tailer)
        case.census.gone(tailer, 0.0)
    case.census.retire(lineage)
    case.census.changes()
    return tailers


def forget(case: Case, now: float, *seen: Seen) -> list[str]:
    observation = Observation("s", list(seen), complete=True)
    case.census.forget_vanished(observation, case.census.choose(seen), now)
    return [uid for _, uid in case.census.changes()[1]]


def test_a_finished_file_is_forgotten_once_it_has_been_gone_for_long(case: Case) -> None:
    (tailer,) = gone_past(case, 1)
    assert forget(case, FORGET_AFTER - 1) == []
    assert forget(case, FORGET_AFTER) == [tailer.uid]
    assert not case.census.lineages


def test_it_is_kept_while_something_may_be_its_compressed_copy_but_not_without_end(case: Case) -> None:
    tailers = gone_past(case, KEEP_PAST + 3)
    sibling = case.seen("app.log.1.gz", 999, base="app.log")
    assert sorted(forget(case, 10 * FORGET_AFTER, sibling)) == sorted(t.uid for t in tailers[:3])


def test_what_is_still_in_flight_is_not_forgotten(case: Case) -> None:
    (tailer,) = gone_past(case, 1)
    tailer.track.chunks = deque([None])  # type: ignore[list-item]  # something in flight
    assert forget(case, 10 * FORGET_AFTER) == []
    tailer.track.forget()
    assert forget(case, 10 * FORGET_AFTER) == [tailer.uid]


def test_what_was_unread_of_a_lost_file_is_counted_once(case: Case) -> None:
    tailer = case.census.new(case.seen("app.log", 1, size=100))
    case.census.unbind(tailer)
    case.census.lose(tailer, "gone", 0.0)
    assert tailer.state is File.LOST
    assert case.told.count("file.lost") == 1
    case.census.lose(tailer, "gone", 0.0)
    assert case.told.count("file.lost") == 1
    assert tailer.checkpoint(1).state is FileState.FINISHED
