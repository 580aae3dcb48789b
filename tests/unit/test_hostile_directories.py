"""A log directory whose owner wants what is not theirs: whatever they put there, and whenever, nothing of it is read.

``Racer`` stands in for the module ``os`` and is faster than the daemon before one of its calls; the tests let it be
before each of them in turn, so no moment between a look and what is made of it is left out.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shipper import files as files_module
from shipper import paths
from shipper.discovery import Watched, list_files, scan
from shipper.events import Events
from shipper.files import Files
from tests.unit.rig import PumpRig

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

APP = 4711
ALLOWED, FORBIDDEN = b"allowed\n", b"forbidden\n"
CALLS = ("open", "fstat", "lstat", "stat", "readlink", "scandir")


class Racer:
    """``os``, but that ``swap`` is called once, before the call number ``turn`` (from 0)."""

    def __init__(self, turn: int, swap: Callable[[], None]) -> None:
        self._turn = turn
        self._swap = swap
        self.calls = 0

    @property
    def swapped(self) -> bool:
        return self.calls > self._turn

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in CALLS:
            return real

        def call(*args: Any, **kwargs: Any) -> Any:
            if self.calls == self._turn:
                self._swap()
            self.calls += 1
            return real(*args, **kwargs)

        return call


class Grounds:
    """``logs/d/app.log`` is the application's; ``secret/app.log`` is root's and for root only."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.directory = root / "logs/d"
        self.log = self.directory / "app.log"
        self.directory.mkdir(parents=True)
        self.log.write_bytes(ALLOWED)
        (root / "secret").mkdir(mode=0o700)
        (root / "secret/app.log").write_bytes(FORBIDDEN)
        for path in (root / "logs", self.directory, self.log):
            os.chown(path, APP, APP)

    def link(self, path: Path, target: Path) -> None:
        path.symlink_to(target)
        os.chown(path, APP, APP, follow_symlinks=False)

    def log_becomes_a_link(self) -> None:
        self.log.rename(self.directory / "away")
        self.link(self.log, self.root / "secret/app.log")

    def directory_becomes_a_link(self) -> None:
        self.directory.rename(self.root / "logs/.away")
        self.link(self.directory, self.root / "secret")

    def log_becomes_a_pipe(self) -> None:
        self.log.rename(self.directory / "away")
        os.mkfifo(self.log)

    def log_becomes_a_device(self) -> None:
        self.log.rename(self.directory / "away")
        self.link(self.log, Path("/dev/zero"))


SWAPS = ["log_becomes_a_link", "directory_becomes_a_link", "log_becomes_a_pipe", "log_becomes_a_device"]


def read(path: bytes) -> bytes:
    """Open and read as the daemon does; b"" where that is refused."""
    try:
        fd = Files().open(path)
    except OSError:
        return b""
    try:
        return os.read(fd, 100)
    finally:
        os.close(fd)


@pytest.mark.parametrize("straight", [True, False])
@pytest.mark.parametrize("swap", SWAPS)
def test_whenever_a_link_takes_the_place_nothing_else_is_opened(
    tmp_path: Path, swap: str, monkeypatch: pytest.MonkeyPatch, *, straight: bool
) -> None:
    if not straight:  # as where there is a link above
        monkeypatch.setattr(paths, "_straight", lambda *_, **__: None)
    results = set()
    for turn in range(100):
        grounds = Grounds(tmp_path / str(turn))
        racer = Racer(turn, getattr(grounds, swap))
        with monkeypatch.context() as patch:
            for module in (paths, files_module):
                patch.setattr(module, "os", racer)
            results.add(read(os.fsencode(grounds.log)))
        if not racer.swapped:
            break
    assert turn >= (4 if straight else 10)
    assert results == {b"", ALLOWED}


@pytest.mark.parametrize("swap", ["log_becomes_a_link", "directory_becomes_a_link"])
def test_whenever_a_link_takes_the_place_a_scan_finds_nothing_else(
    tmp_path: Path, swap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for turn in range(200):
        grounds = Grounds(tmp_path / str(turn))
        secret = (grounds.root / "secret/app.log").stat().st_ino
        racer = Racer(turn, getattr(grounds, swap))
        with monkeypatch.context() as patch:
            for module in (paths, scan):
                patch.setattr(module, "os", racer)
            source = Watched("s", (os.fsencode(grounds.root / "logs/**/app.log"),), (), "auto")
            found = list_files(source, Events(lambda *_: None))
        assert secret not in {one.file_id.ino for one in found}
        if not racer.swapped:
            break
    assert turn > 20
    assert found


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[PumpRig]:
    with PumpRig(tmp_path) as rig:
        os.chown(rig.logs, APP, APP)
        yield rig


def own(path: Path, content: bytes = ALLOWED) -> None:
    path.write_bytes(content)
    os.chown(path, APP, APP)


def link(path: Path, target: Path | str) -> None:
    path.symlink_to(target)
    os.chown(path, APP, APP, follow_symlinks=False)


@pytest.mark.parametrize("op", ["log.open", "log.open.held"])
def test_the_daemon_reads_no_line_of_what_takes_a_logs_place(tmp_path: Path, rig: PumpRig, op: str) -> None:
    log, secret = rig.logs / "app.log", tmp_path / "secret"
    own(log)
    secret.write_bytes(FORBIDDEN)
    swapped: list[str] = []

    def swap(at: str) -> None:
        if at == op and not swapped:
            swapped.append(at)
            log.unlink()
            link(log, secret)

    rig.on_call = swap
    rig.start().pass_time(10)
    assert swapped
    assert set(rig.lines) <= {"allowed"}
    assert "link.refused" in rig.names()


def test_links_to_what_is_not_theirs_are_told_and_not_read(tmp_path: Path, rig: PumpRig) -> None:
    (tmp_path / "secret").mkdir()
    for name in ("app.log", "app.log.1", "gone.log.1"):
        (tmp_path / "secret" / name).write_bytes(FORBIDDEN)
    own(tmp_path / "secret/own.log")
    (tmp_path / "secret/own.log.1").write_bytes(FORBIDDEN)
    link(rig.logs / "a.log", tmp_path / "secret/app.log")
    link(rig.logs / "b.log", tmp_path / "secret/gone.log")  # to nothing: what is beside it is no rotation of it
    link(rig.logs / "c.log", tmp_path / "secret/own.log")  # to a file of their own, beside one that is not
    link(rig.logs / "d.log", "/etc/shadow")
    rig.start().pass_time(10)
    (tmp_path / "secret/gone.log").write_bytes(FORBIDDEN)
    (tmp_path / "secret/gone.log.1").rename(tmp_path / "secret/gone.log.2")
    (tmp_path / "secret/own.log.1").rename(tmp_path / "secret/own.log.2")
    rig.pass_time(40)
    assert rig.lines == ["allowed"]
    told = [fields for _, name, fields in rig.told if name == "link.refused"]
    assert {fields["path"] for fields in told} >= {str(rig.logs / "a.log")}
    assert len(told) <= 2  # one of each owner, however many links there are
    source = rig.config.sources["s"]
    rig.stop()
    rig.config = msgspec.structs.replace(
        rig.config, sources={"s": msgspec.structs.replace(source, follow_symlinks="always")}
    )
    rig.start().pass_time(10)
    assert "forbidden" in rig.lines


def test_what_is_no_file_is_left_alone(rig: PumpRig) -> None:
    os.mkfifo(rig.logs / "pipe.log")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(rig.logs / "socket.log"))
        os.mknod(rig.logs / "device.log", 0o20600, os.makedev(1, 5))  # as /dev/zero
        (rig.logs / "directory.log").mkdir()
        own(rig.logs / ("n" * 251 + ".log"))
        own(rig.logs / "a\nb\x1b[2J\u202e.log")
        rig.start().pass_time(5)
    assert rig.lines == ["allowed", "allowed"]
    assert all(str(fields).isprintable() for _, _, fields in rig.told)


def test_a_tree_without_end_is_read_as_far_as_a_path_reaches(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(40):
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
        os.close(os.open("app.log", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    told: list[str] = []
    events = Events(lambda _level, name, _fields: told.append(name))
    found = list_files(Watched("s", (os.fsencode(tmp_path / "**/app.log"),), (), "auto"), events)
    assert len(found) == (4095 - len(os.fsencode(tmp_path)) - len("/app.log")) // 201
    assert told.count("directory.unreadable") == 1
