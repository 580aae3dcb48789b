import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    Mask,
    WatchCallback,
    WatchDescriptor,
)

from shipper.discovery import Discovery, Watched, coverage, tree
from shipper.discovery import scan as scan_module
from shipper.discovery import tree as tree_module
from shipper.discovery.watch import Inotify, Watcher
from shipper.events import Events
from shipper.model import FileId, Observation, Seen
from tests.unit.bench import StillInotify

PATIENCE = 20


class Desk:
    """A discovery with a clock of its own, and all it has told so far, by source."""

    def __init__(self, root: Path, *sources: Watched, make: Callable[[], Inotify] = Inotify) -> None:
        self.root = root
        self.now = 0.0
        self.told: list[str] = []
        events = Events(lambda level, name, fields: self.told.append(name))
        self.woken = threading.Event()
        self.watcher = Watcher(self.woken.set, events, make)
        self.discovery = Discovery(
            sources, self.woken.set, events, scan_interval=30, clock=lambda: self.now, watcher=self.watcher
        )
        self.seen: dict[str, dict[str, Seen]] = {source.name: {} for source in sources}
        self.gone: dict[str, set[str]] = {source.name: set() for source in sources}
        self.modified: set[str] = set()
        self.last: list[Observation] = []
        self.discovery.start()

    def name(self, path: bytes) -> str:
        return os.fsdecode(os.path.relpath(path, os.fsencode(self.root)))

    def collect(self) -> list[Observation]:
        self.last, modified = self.discovery.collect()
        self.modified |= {self.name(path) for path in modified}
        for one in self.last:
            now = {self.name(seen.path): seen for seen in one.seen}
            gone = {self.name(path) for path in one.gone}
            assert not now.keys() & gone
            self.seen[one.source] = {} if one.complete else self.seen[one.source]
            for name in gone:
                self.seen[one.source].pop(name, None)
            self.seen[one.source].update(now)
            self.gone[one.source] |= gone
            self.gone[one.source] -= now.keys()
        return self.last

    def later(self, seconds: float) -> list[Observation]:
        """Let time go by, and collect."""
        self.now += seconds
        return self.collect()

    def until(self, done: Callable[[], bool]) -> None:
        """Collect whenever woken, until ``done``."""
        self.collect()
        while not done():
            assert self.woken.wait(PATIENCE), f"only {self.seen}, {self.gone}, {self.modified}"
            self.woken.clear()
            self.collect()

    def until_seen(self, *names: str, source: str = "s") -> None:
        self.until(lambda: set(names) == set(self.seen[source]))
        assert not any(one.complete for one in self.last)


Open = Callable[..., Desk]


@pytest.fixture
def open_desk(tmp_path: Path) -> Iterator[Open]:
    """Open a desk for patterns in a directory of its own, and look for the first time."""
    desks: list[Desk] = []

    def open_(
        *patterns: str, exclude: tuple[str, ...] = (), watch: str = "auto", make: Callable[[], Inotify] = Inotify
    ) -> Desk:
        paths = tuple(os.fsencode(tmp_path / pattern) for pattern in patterns)
        desks.append(Desk(tmp_path, Watched("s", paths, tuple(map(os.fsencode, exclude)), watch), make=make))
        first = desks[-1].collect()
        assert [one.complete for one in first] == [True]
        return desks[-1]

    yield open_
    for desk in desks:
        desk.discovery.stop()


def write(path: Path, text: str = "x\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(text)


def test_a_file_comes_grows_and_goes(tmp_path: Path, open_desk: Open) -> None:
    desk = open_desk("*.log")
    write(tmp_path / "a.log")
    desk.until_seen("a.log")
    desk.modified.clear()
    write(tmp_path / "a.log")
    desk.until(lambda: desk.modified == {"a.log"})
    (tmp_path / "a.log").unlink()
    desk.until(lambda: desk.gone["s"] == {"a.log"})


def test_what_is_taken_from_the_kernel_to_see_whether_names_are_at_rest_is_collected_soon(
    tmp_path: Path, open_desk: Open
) -> None:
    write(tmp_path / "a.log")
    desk = open_desk("*.log", make=StillInotify)
    desk.collect()
    assert desk.discovery.quiet()
    assert not desk.woken.is_set()
    write(tmp_path / "a.log")
    assert desk.discovery.quiet()
    assert desk.woken.is_set()
    desk.collect()
    assert desk.modified == {"a.log"}


def test_what_concerns_nobody_is_not_told(tmp_path: Path, open_desk: Open) -> None:
    desk = open_desk("*.log")
    write(tmp_path / "a.txt")
    (tmp_path / "dir.log").mkdir()
    os.mkfifo(tmp_path / "fifo.log")
    write(tmp_path / "a.log")
    desk.until_seen("a.log")
    assert desk.modified <= {"a.log"}


def test_only_the_names_that_changed_are_looked_at(
    tmp_path: Path, open_desk: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(50):
        write(tmp_path / f"{i}.log")
    desk = open_desk("**/*.log")
    monkeypatch.setattr(tree, "Listing", lambda directory: pytest.fail(f"{directory!r} was listed"))
    write(tmp_path / "new.log")
    desk.until(lambda: "new.log" in desk.seen["s"])
    assert [seen.path for seen in desk.last[0].seen] == [os.fsencode(tmp_path / "new.log")]


def test_rotation_is_followed_by_file_id(tmp_path: Path, open_desk: Open) -> None:
    write(tmp_path / "app.log")
    desk = open_desk("app.log")
    first = desk.seen["s"]["app.log"].file_id
    (tmp_path / "app.log").rename(tmp_path / "app.log.1")
    write(tmp_path / "app.log")
    desk.until_seen("app.log", "app.log.1")
    assert desk.seen["s"]["app.log.1"].file_id == first
    assert desk.seen["s"]["app.log.1"].base == os.fsencode(tmp_path / "app.log")
    assert desk.seen["s"]["app.log"].file_id != first
    desk.modified.clear()
    write(tmp_path / "app.log.1")
    desk.until(lambda: "app.log.1" in desk.modified)


@pytest.mark.parametrize("complete", [True, False])
def test_a_rotation_in_the_middle_of_a_look_is_seen_whole(
    tmp_path: Path, open_desk: Open, monkeypatch: pytest.MonkeyPatch, *, complete: bool
) -> None:
    log, rotated = tmp_path / "app.log", tmp_path / "app.log.1"
    desk = open_desk("*.log")
    if not complete:
        desk.collect()
    write(log)
    first = log.stat().st_ino
    looked = tree.Tree._note

    def rotate_then_look(*args: Any, **kwargs: Any) -> None:
        if not rotated.exists():
            log.rename(rotated)
            write(log)
            args = (*args[:4], scan_module.look(os.fsencode(log)), *args[5:])  # the successor, of which nothing is told
        looked(*args, **kwargs)

    monkeypatch.setattr(tree.Tree, "_note", rotate_then_look)
    desk.until(lambda: bool(desk.seen["s"]))
    assert len(desk.last) == 1
    assert {desk.name(s.path): s.file_id.ino for s in desk.last[0].seen} == {
        "app.log": log.stat().st_ino,
        "app.log.1": first,
    }


def test_a_known_file_is_followed_to_an_excluded_name(tmp_path: Path, open_desk: Open) -> None:
    write(tmp_path / "app.log")
    desk = open_desk("*.log", exclude=("*.1",))
    first = desk.seen["s"]["app.log"].file_id
    (tmp_path / "app.log").rename(tmp_path / "app.log.1")
    desk.until_seen("app.log.1")
    assert desk.seen["s"]["app.log.1"].file_id == first
    assert not desk.seen["s"]["app.log.1"].adoptable


def test_one_file_of_two_sources_is_told_to_both(tmp_path: Path) -> None:
    one = Watched("one", (os.fsencode(tmp_path / "*.log"),), (), "auto")
    two = Watched("two", (os.fsencode(tmp_path / "**/a*"),), (), "auto")
    desk = Desk(tmp_path, one, two)
    desk.collect()
    write(tmp_path / "a.log")
    write(tmp_path / "b.log")
    desk.until(lambda: set(desk.seen["one"]) == {"a.log", "b.log"} and set(desk.seen["two"]) == {"a.log"})
    (tmp_path / "a.log").unlink()
    desk.until(lambda: desk.gone["one"] == {"a.log"} and desk.gone["two"] == {"a.log"})
    desk.discovery.stop()


def test_directories_may_come_later(tmp_path: Path, open_desk: Open) -> None:
    desk = open_desk("a/*/c/**/*.log")
    write(tmp_path / "a/b/c/1.log")
    desk.until_seen("a/b/c/1.log")
    write(tmp_path / "a/b/c/d/e/2.log")
    desk.until_seen("a/b/c/1.log", "a/b/c/d/e/2.log")
    write(tmp_path / "a/x/c/3.log")
    desk.until_seen("a/b/c/1.log", "a/b/c/d/e/2.log", "a/x/c/3.log")
    desk.modified.clear()
    write(tmp_path / "a/b/c/d/e/2.log")
    desk.until(lambda: "a/b/c/d/e/2.log" in desk.modified)


def test_directories_move_out_and_in_and_are_made_anew(tmp_path: Path, open_desk: Open) -> None:
    write(tmp_path / "a/x/1.log")
    write(tmp_path / "outside/y/2.log")
    desk = open_desk("a/**/*.log")
    (tmp_path / "a/x").rename(tmp_path / "a/z")
    desk.until_seen("a/z/1.log")
    assert "a/x/1.log" in desk.gone["s"]
    (tmp_path / "a/z").rename(tmp_path / "outside/z")
    (tmp_path / "outside/y").rename(tmp_path / "a/y")
    desk.until_seen("a/y/2.log")
    (tmp_path / "a").rename(tmp_path / "b")
    desk.until_seen()
    write(tmp_path / "a/3.log")
    desk.until_seen("a/3.log")
    (tmp_path / "a/3.log").unlink()
    (tmp_path / "a").rmdir()
    write(tmp_path / "a/4.log")
    desk.until_seen("a/4.log")
    desk.modified.clear()
    write(tmp_path / "a/4.log")
    desk.until(lambda: "a/4.log" in desk.modified)


def test_an_ancestor_of_the_fixed_part_may_be_replaced(tmp_path: Path, open_desk: Open) -> None:
    write(tmp_path / "v1/log/a.log")
    write(tmp_path / "v2/log/b.log")
    (tmp_path / "current").symlink_to("v1")
    desk = open_desk("current/log/*.log")
    assert set(desk.seen["s"]) == {"current/log/a.log"}
    (tmp_path / "next").symlink_to("v2")
    (tmp_path / "next").rename(tmp_path / "current")
    desk.until_seen("current/log/b.log")


def test_writes_behind_a_link_are_told_by_the_name_of_the_link(tmp_path: Path, open_desk: Open) -> None:
    write(tmp_path / "data/real")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/app.log").symlink_to("../data/real")
    desk = open_desk("logs/*.log")
    first = desk.seen["s"]["logs/app.log"].file_id
    write(tmp_path / "data/real")
    desk.until(lambda: desk.modified == {"logs/app.log"})
    (tmp_path / "data/real").rename(tmp_path / "data/real.1")
    write(tmp_path / "data/real")
    desk.until_seen("logs/app.log", "data/real.1")
    assert desk.seen["s"]["data/real.1"].file_id == first
    assert desk.seen["s"]["data/real.1"].base == os.fsencode(tmp_path / "logs/app.log")
    assert desk.seen["s"]["logs/app.log"].file_id != first


def test_a_link_may_lead_elsewhere_or_to_what_comes_later(tmp_path: Path, open_desk: Open) -> None:
    for name in ("logs", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "logs/app.log").symlink_to("../data/one")
    desk = open_desk("logs/*.log")
    write(tmp_path / "data/one")
    desk.until_seen("logs/app.log")
    write(tmp_path / "more/two")
    (tmp_path / "logs/new").symlink_to("../more/two")
    (tmp_path / "logs/new").rename(tmp_path / "logs/app.log")
    two = (tmp_path / "more/two").stat().st_ino
    desk.until(lambda: desk.seen["s"]["logs/app.log"].file_id.ino == two)
    desk.modified.clear()
    write(tmp_path / "more/two")
    desk.until(lambda: desk.modified == {"logs/app.log"})
    assert set(desk.discovery._tree.links.targets) == {os.fsencode((tmp_path / "more").resolve())}
    (tmp_path / "logs/app.log").unlink()
    desk.until_seen()
    assert not desk.discovery._tree.links.targets


def test_polling_finds_the_same(tmp_path: Path, open_desk: Open) -> None:
    write(tmp_path / "a/app.log")
    desk = open_desk("**/*.log", watch="poll")
    first = desk.seen["s"]["a/app.log"].file_id
    assert desk.discovery.next_due() == 1
    assert desk.later(1) == []
    write(tmp_path / "a/app.log")
    desk.later(1)
    assert desk.modified == {"a/app.log"}
    (tmp_path / "a/app.log").rename(tmp_path / "a/app.log.1")
    write(tmp_path / "a/b/new.log")
    desk.later(1)
    assert set(desk.seen["s"]) == {"a/app.log.1", "a/b/new.log"}
    assert desk.seen["s"]["a/app.log.1"].file_id == first
    assert desk.gone["s"] == {"a/app.log"}
    (tmp_path / "a").rename(tmp_path / ".hidden")
    desk.later(1)
    assert not desk.seen["s"]


@pytest.mark.parametrize("out_of_turn", [False, True])
def test_a_rotation_in_the_middle_of_a_poll_is_seen_whole(
    tmp_path: Path, open_desk: Open, monkeypatch: pytest.MonkeyPatch, *, out_of_turn: bool
) -> None:
    log, rotated = tmp_path / "app.log", tmp_path / "app.log.1"
    desk = open_desk("*.log", watch="poll")
    write(log)
    desk.later(1)
    first = log.stat().st_ino
    listed = scan_module.Listing

    def rotate_after_listing(directory: bytes, which: FileId) -> scan_module.Listing:
        entries = listed(directory, which)
        if directory == os.fsencode(tmp_path) and not rotated.exists():
            log.rename(rotated)  # in the listing its old name leads to its successor, and its new name is not there
            write(log)
        return entries

    monkeypatch.setattr(tree, "Listing", rotate_after_listing)
    if out_of_turn:
        seen = desk.discovery.look("s", os.fsencode(tmp_path)).seen
    else:
        desk.later(1)
        seen = desk.last[0].seen
    assert {desk.name(s.path): s.file_id.ino for s in seen} == {
        "app.log": log.stat().st_ino,
        "app.log.1": first,
    }


def test_network_file_systems_are_polled(tmp_path: Path, open_desk: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path.stat().st_dev
    monkeypatch.setattr(coverage, "network_devices", lambda: frozenset({device}))
    desk = open_desk("*.log")
    write(tmp_path / "a.log")
    assert not desk.collect()
    desk.later(1)
    assert set(desk.seen["s"]) == {"a.log"}


class Full(Inotify):
    """An inotify whose kernel gives no watch."""

    def add_callback(self, path: bytes, mask: Mask, callback: WatchCallback, id_: CallbackId) -> WatchDescriptor:
        raise OSError(errno.ENOSPC, "inotify watch limit reached")


def test_directories_beyond_the_limit_of_watches_are_polled(tmp_path: Path, open_desk: Open) -> None:
    desk = open_desk("**/*.log", make=Full)
    write(tmp_path / "a/a.log")
    desk.later(1)
    assert set(desk.seen["s"]) == {"a/a.log"}
    assert desk.told.count("watch.limit") == 1


def test_after_an_overflow_everything_is_scanned(tmp_path: Path, open_desk: Open) -> None:
    write(tmp_path / "a.log")
    desk = open_desk("**/*.log")
    inotify = desk.watcher._inotify
    assert inotify
    inotify.handle_event(InotifyEvent(WatchDescriptor(-1), InotifyConstants.IN_Q_OVERFLOW, 0, b""))
    write(tmp_path / "b/b.log")
    (one,) = desk.collect()
    assert one.complete
    assert set(desk.seen["s"]) == {"a.log", "b/b.log"}
    write(tmp_path / "b/c.log")  # the watches are new, and work
    desk.until(lambda: set(desk.seen["s"]) == {"a.log", "b/b.log", "b/c.log"})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change the length of the kernel's queue")
def test_a_real_overflow_loses_nothing(tmp_path: Path, open_desk: Open) -> None:
    limit = Path("/proc/sys/fs/inotify/max_queued_events")
    before = limit.read_text()
    try:
        limit.write_text("4")
        desk = open_desk("*.log")
    except OSError as error:
        pytest.skip(f"the length of the kernel's queue cannot be changed here: {error}")
    finally:
        limit.write_text(before)
    for i in range(500):
        write(tmp_path / f"{i}.log")
    desk.until(lambda: len(desk.seen["s"]) == 500)
    assert "watch.overflow" in desk.told


def test_the_slow_scan_sees_what_no_event_told(
    tmp_path: Path, open_desk: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.log")
    desk = open_desk("*.log")
    monkeypatch.setattr(Watcher, "take", lambda *_: None)
    write(tmp_path / "a.log")
    write(tmp_path / "b.log")
    assert desk.discovery.next_due() == 30
    assert not desk.later(29)
    (one,) = desk.later(1)
    assert one.complete
    assert set(desk.seen["s"]) == {"a.log", "b.log"}
    assert desk.modified == {"a.log"}


def test_between_scans_that_take_long_only_directories_that_changed_are_listed(
    tmp_path: Path, open_desk: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a/a.log")
    write(tmp_path / "b/b.log")
    desk = open_desk("*/*.log")
    monkeypatch.setattr(Watcher, "take", lambda *_: None)
    monkeypatch.setattr(tree_module, "FRESH", 0)
    listed: list[bytes] = []
    real = scan_module.Listing

    def listing(directory: bytes, which: FileId) -> scan_module.Listing:
        desk.now += 0.1
        listed.append(os.path.basename(directory))
        return real(directory, which)

    monkeypatch.setattr(tree_module, "Listing", listing)
    (one,) = desk.later(30)
    assert one.complete
    assert {b"a", b"b"} <= set(listed)
    listed.clear()
    write(tmp_path / "b/new.log")
    (tmp_path / "a").rename(tmp_path / "c")
    (one,) = desk.later(31)
    assert not one.complete
    assert b"a" not in listed
    assert set(desk.seen["s"]) == {"b/b.log", "b/new.log", "c/a.log"}
    listed.clear()
    desk.later(100)
    assert not listed
    (one,) = desk.later(100_000)
    assert one.complete


def test_a_directory_becomes_readable(tmp_path: Path, open_desk: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "x/a.log")
    real = scan_module.Listing

    def listing(directory: bytes, which: FileId) -> scan_module.Listing:
        if not (tmp_path / "x").stat().st_mode & 0o200:  # as root we may read all the same
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(directory, which)

    (tmp_path / "x").chmod(0o500)
    monkeypatch.setattr(tree, "Listing", listing)
    desk = open_desk("x/*.log")
    assert desk.last[0].unreadable == (os.fsencode(tmp_path / "x"),)
    (tmp_path / "x").chmod(0o700)
    desk.until_seen("x/a.log")


def test_a_file_whose_mode_changes_is_told_again(tmp_path: Path, open_desk: Open) -> None:
    write(tmp_path / "a.log")
    desk = open_desk("*.log")
    desk.seen["s"].clear()
    (tmp_path / "a.log").chmod(0o600)
    desk.until_seen("a.log")


def test_an_empty_collect_tells_nothing(open_desk: Open) -> None:
    desk = open_desk("*.log")
    assert desk.discovery.collect() == ([], set())


def test_a_directory_can_be_looked_at_out_of_turn(tmp_path: Path, open_desk: Open) -> None:
    write(tmp_path / "logs/app.log")
    write(tmp_path / "data/real")
    (tmp_path / "logs/link.log").symlink_to("../data/real")
    desk = open_desk("logs/*.log")
    write(tmp_path / "logs/app.log.1")
    write(tmp_path / "data/real.1")
    look = desk.discovery.look
    logs, data, nowhere = (os.fsencode(tmp_path.resolve() / name) for name in ("logs", "data", "nowhere"))
    assert [desk.name(seen.path) for seen in look("s", logs).seen] == [
        "logs/app.log",
        "logs/app.log.1",
        "logs/link.log",
    ]
    assert [(desk.name(seen.path), desk.name(seen.base)) for seen in look("s", data).seen] == [
        ("data/real.1", "logs/link.log")
    ]
    assert look("s", nowhere) == Observation("s")
    desk.until_seen("logs/app.log", "logs/app.log.1", "logs/link.log", "data/real.1")  # it took nothing away


def test_files_behind_a_closed_door_are_not_gone(
    tmp_path: Path, open_desk: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "x/y/a.log")
    desk = open_desk("x/y/*.log")
    real = scan_module.look

    def look(path: bytes) -> scan_module.Found | None:
        if path.startswith(os.fsencode(tmp_path / "x/y")):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path)

    monkeypatch.setattr(tree, "look", look)
    write(tmp_path / "x/y/b.log")
    desk.until(lambda: "directory.unreadable" in desk.told)
    assert not desk.gone["s"]
    monkeypatch.undo()
    desk.later(1)
    assert set(desk.seen["s"]) == {"x/y/a.log", "x/y/b.log"}
    assert not desk.discovery._coverage.polled


def watches(desk: Desk) -> list[int]:
    """Return how many callbacks each of the kernel's watches has."""
    assert desk.watcher._inotify is not None
    return sorted(len(watch.callbacks) for watch in desk.watcher._inotify._watch_for_wd.values())


def test_other_sources_are_found_from_now_on_and_nothing_is_missed_in_between(tmp_path: Path, open_desk: Open) -> None:
    write(tmp_path / "x/a.log")
    write(tmp_path / "y/b.log")
    desk = open_desk("x/*.log")
    before = watches(desk)
    s, t = (Watched(name, (os.fsencode(tmp_path / path),), (), "auto") for name, path in (("s", "x/*"), ("t", "y/*")))
    desk.seen["t"], desk.gone["t"] = {}, set()
    desk.discovery.change([t, s], 30)
    (tmp_path / "x/a.log").rename(tmp_path / "x/a.log.1")  # before anything is looked at
    write(tmp_path / "x/a.log")
    assert [one.complete for one in desk.collect()] == [True, True]
    assert (set(desk.seen["s"]), set(desk.seen["t"])) == ({"x/a.log", "x/a.log.1"}, {"y/b.log"})
    write(tmp_path / "y/c.log")
    desk.until(lambda: set(desk.seen["t"]) == {"y/b.log", "y/c.log"})
    desk.discovery.change([s], 30)
    desk.collect()
    assert watches(desk) == before


def test_many_changes_leave_no_watch_behind(tmp_path: Path, open_desk: Open) -> None:
    write(tmp_path / "x/a.log")
    (tmp_path / "links").mkdir()
    (tmp_path / "links/b.log").symlink_to(tmp_path / "x/a.log")
    desk = open_desk("x/*.log", "links/*.log")
    before = watches(desk)
    one, other = desk.discovery._sources, [Watched("s", (os.fsencode(tmp_path / "*/*.log"),), (), "auto")]
    for _ in range(20):
        desk.discovery.change(other, 30)
        desk.collect()
        desk.discovery.change(one, 30)
        desk.collect()
    assert watches(desk) == before
