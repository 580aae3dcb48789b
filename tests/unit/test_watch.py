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
    Watch,
    WatchCallback,
    WatchDescriptor,
)

from shipper.discovery.watch import CONTENT, NOTHING, Drained, Inotify, Watcher
from shipper.events import Events

PATIENCE = 20


class Dir:
    """A directory that cares for names which end in ``.log``."""

    def __init__(self, path: Path) -> None:
        self.path = os.fsencode(path)

    def concerns(self, name: bytes) -> int:
        return CONTENT if name.endswith(b".log") else NOTHING

    def paths(self, name: bytes) -> tuple[bytes, ...]:
        return (self.path + b"/" + name,)


class Desk:
    """A watcher, what it logged, and a way to await what it tells."""

    def __init__(self, make: Callable[[], Inotify] = Inotify) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.events = Events(lambda level, name, fields: self.told.append((name, fields)))
        self.woken = threading.Event()
        self.watcher = Watcher(self.woken.set, self.events, make)
        self.all = Drained()

    def until(self, done: Callable[[Drained], bool]) -> Drained:
        """Gather what is told until ``done``."""
        while not done(self.all):
            assert self.woken.wait(PATIENCE), f"only {self.all}"
            self.woken.clear()
            drained = self.watcher.drain()
            for name in ("names", "modified", "changed", "lost"):
                getattr(self.all, name).update(getattr(drained, name))
            self.all.overflow |= drained.overflow
        return self.all


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    desk.watcher.start()
    yield desk
    desk.watcher.close()


def test_names_and_writes_are_told_and_others_are_not(tmp_path: Path, desk: Desk) -> None:
    there = Dir(tmp_path)
    (tmp_path / "b.log").touch()
    assert desk.watcher.watch(there, content=True)
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "b.log").write_text("x")
    (tmp_path / "c.log").touch()
    drained = desk.until(lambda all_: (there, b"c.log") in all_.names)
    assert (there, b"b.log") in drained.modified
    assert {name for _, name in drained.names | drained.modified} == {b"b.log", b"c.log"}


def test_writes_are_not_asked_for_without_content(tmp_path: Path, desk: Desk) -> None:
    there = Dir(tmp_path)
    (tmp_path / "a.log").touch()
    assert desk.watcher.watch(there, content=False)
    (tmp_path / "a.log").write_text("x")
    (tmp_path / "b.log").touch()
    assert not desk.until(lambda all_: (there, b"b.log") in all_.names).modified


def test_one_directory_under_two_paths_is_told_under_both(tmp_path: Path, desk: Desk) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real/a.log").touch()
    real, link = Dir(tmp_path / "real"), Dir(tmp_path / "link")
    assert desk.watcher.watch(real, content=True)
    handle = desk.watcher.watch(link, content=False)
    assert handle
    (tmp_path / "real/a.log").write_text("x")
    desk.until(lambda all_: {(real, b"a.log"), (link, b"a.log")} <= all_.modified)
    desk.watcher.unwatch(handle)
    (tmp_path / "real/b.log").touch()
    assert (link, b"b.log") not in desk.until(lambda all_: (real, b"b.log") in all_.names).names


@pytest.mark.parametrize("how", ["delete", "move"])
def test_a_directory_that_leaves_is_lost(tmp_path: Path, desk: Desk, how: str) -> None:
    (tmp_path / "x").mkdir()
    there = Dir(tmp_path / "x")
    handle = desk.watcher.watch(there, content=True)
    assert handle
    if how == "delete":
        (tmp_path / "x").rmdir()
    else:
        (tmp_path / "x").rename(tmp_path / "y")
    assert desk.until(lambda all_: there in all_.lost)
    desk.watcher.unwatch(handle)


def test_a_directory_that_is_not_there_cannot_be_watched(tmp_path: Path, desk: Desk) -> None:
    assert desk.watcher.watch(Dir(tmp_path / "nowhere"), content=True) is None
    (tmp_path / "file").touch()
    assert desk.watcher.watch(Dir(tmp_path / "file"), content=True) is None


def test_an_overflow_is_told_and_logged_once(tmp_path: Path, desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    assert desk.watcher.watch(Dir(tmp_path), content=True)
    inotify = desk.watcher._inotify
    assert inotify
    mask = InotifyConstants.IN_Q_OVERFLOW
    for _ in range(2):
        inotify.handle_event(InotifyEvent(WatchDescriptor(-1), mask, 0, b""))
    assert desk.watcher.drain().overflow
    assert [name for name, _ in desk.told] == ["watch.overflow"]
    assert desk.events.counters["watch.overflow", ""] == 2
    assert not caplog.records


class Refusing(Inotify):
    """An inotify whose kernel gives no watch."""

    asked = 0

    def add_callback(self, path: bytes, mask: Mask, callback: WatchCallback, id_: CallbackId) -> WatchDescriptor:
        self.asked += 1
        raise OSError(errno.ENOSPC, "inotify watch limit reached")


def test_the_limit_of_watches_is_told_once_with_its_sysctl(tmp_path: Path) -> None:
    desk = Desk(Refusing)
    desk.watcher.start()
    for name in ("a", "b", "c"):
        assert desk.watcher.watch(Dir(tmp_path / name), content=True) is None
    inotify = desk.watcher._inotify
    assert isinstance(inotify, Refusing)
    assert inotify.asked == 1
    desk.watcher.retry()
    assert desk.watcher.watch(Dir(tmp_path), content=True) is None
    assert inotify.asked == 2
    desk.watcher.close()
    assert [name for name, _ in desk.told] == ["watch.limit"]
    assert "fs.inotify.max_user_watches" in desk.told[0][1]["advice"]


def test_a_directory_without_permission_leaves_no_trace(tmp_path: Path) -> None:
    class Denied(Inotify):
        """As watchdog does where the kernel says EACCES."""

        def add_callback(self, path: bytes, mask: Mask, callback: WatchCallback, id_: CallbackId) -> WatchDescriptor:
            wd = WatchDescriptor(-1)
            self._watch_for_wd[wd] = Watch(wd, mask, path)
            self._watch_for_wd[wd].callbacks[id_] = callback
            return wd

    desk = Desk(Denied)
    desk.watcher.start()
    assert desk.watcher.watch(Dir(tmp_path), content=True) is None
    assert desk.watcher._inotify
    assert not desk.watcher._inotify._watch_for_wd
    desk.watcher.close()
    assert not desk.told


def test_a_stop_before_the_first_read_leaves_no_descriptor() -> None:
    before = len(os.listdir("/proc/self/fd"))
    inotify = Inotify()
    inotify.stop()
    inotify.start()
    inotify.join(PATIENCE)
    assert len(os.listdir("/proc/self/fd")) == before


def test_without_instances_nothing_is_watched_and_the_sysctl_is_named(tmp_path: Path) -> None:
    def make() -> Inotify:
        raise OSError(errno.EMFILE, "inotify instance limit reached")

    desk = Desk(make)
    desk.watcher.start()
    assert desk.watcher.watch(Dir(tmp_path), content=True) is None
    assert not desk.watcher.alive
    desk.watcher.close()
    assert [name for name, _ in desk.told] == ["watch.unavailable"]
    assert "fs.inotify.max_user_instances" in desk.told[0][1]["advice"]


def test_a_thread_that_fails_is_told_like_an_overflow(tmp_path: Path) -> None:
    class Failing(Inotify):
        def read_events(self, *, event_buffer_size: int = 0) -> list[InotifyEvent]:
            raise OSError(errno.EIO, "Input/output error")

    desk = Desk(Failing)
    desk.watcher.start()
    assert desk.until(lambda all_: all_.overflow)
    assert not desk.watcher.alive
    assert [name for name, _ in desk.told] == ["watch.unavailable", "watch.overflow"]


@pytest.mark.parametrize("busy", [False, True])
def test_closing_leaves_no_descriptor_and_no_thread(tmp_path: Path, busy: bool) -> None:
    before, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(20):
        desk = Desk()
        desk.watcher.start()
        assert desk.watcher.watch(Dir(tmp_path), content=True)
        if busy:
            (tmp_path / "a.log").write_text("x")
        desk.watcher.close()
        desk.watcher.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert threading.active_count() == threads
