"""The daemon while its host fails it: directories full, removed, unmounted and mounted again, descriptors exhausted."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipper.admin.client import ask
from shipper.errors import StatusError
from tests.harness.rig import Rig
from tests.harness.wait import eventually

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")

SOCKETS = shutil.ignore_patterns("*.sock")  # nobody can copy them


class Mounts:
    """File systems in memory, each mounted where and as often as a test wants it."""

    def __init__(self) -> None:
        self._mounted: list[Path] = []

    def mount(self, where: Path, size: str = "16m") -> None:
        """Mount a new, empty one."""
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "shipper-test", where], check=True)
        self._mounted.append(where)

    def bind(self, what: Path, where: Path) -> None:
        """Mount a directory under another name too."""
        subprocess.run(["mount", "--bind", what, where], check=True)
        self._mounted.append(where)

    def unmount(self, where: Path) -> None:
        """Unmount what was mounted last there, though files in it may be open."""
        subprocess.run(["umount", "--lazy", where], check=True)
        self._mounted.remove(where)

    def close(self) -> None:
        while self._mounted:
            self.unmount(self._mounted[-1])


@pytest.fixture
def mounts() -> Iterator[Mounts]:
    made = Mounts()
    yield made
    made.close()


def fill(directory: Path) -> Path:
    """Fill a file system to its last block; returns the file that does it."""
    filler = directory / "filler"
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    return filler


# The state directory.


def test_a_state_directory_that_was_removed_is_made_anew(rig: Rig) -> None:
    rig.source["start_at"] = "end"  # what is not remembered is never sent
    (rig.logs / "idle.log").touch()
    daemon = rig.start()
    rig.log("idle.log").write(50)
    rig.log("app.log").write(100)
    rig.delivered()
    shutil.rmtree(rig.state)
    rig.log("app.log").write(100)
    daemon.wait_for("checkpoints.renewed")
    rig.delivered()
    eventually("a store", lambda: (rig.state / "checkpoints.sqlite3").exists())
    rig.verify()  # a clean stop and start sends nothing twice: all of it is in the new store


def test_a_kill_after_a_state_directory_was_removed_loses_nothing(rig: Rig) -> None:
    rig.source["start_at"] = "end"
    daemon = rig.start()
    log = rig.log()
    log.write(100)
    rig.delivered()
    shutil.rmtree(rig.state)
    log.write(100)
    daemon.wait_for("checkpoints.renewed")
    daemon.kill()
    log.write(100)
    rig.start()
    rig.verify(repeats=True)


def test_a_second_daemon_in_a_removed_directory_ends_the_first(rig: Rig) -> None:
    first = rig.start()
    log = rig.log()
    log.write(100)
    rig.delivered()
    first.pause()  # else it may have the lock of the new one before the second
    rig.state.rename(rig.root / "elsewhere")
    shutil.copytree(rig.root / "elsewhere", rig.state, ignore=SOCKETS)
    second = rig.start()
    first.resume()
    assert first.wait() == 75
    assert f"another daemon (pid {second.pid}) holds" in first.log()
    log.write(100)
    rig.verify(repeats=True)  # both were at work for a while


@root_only
@pytest.mark.parametrize("comes_back", ["the same", "a copy"])
def test_a_state_directory_that_is_unmounted_is_waited_for(rig: Rig, mounts: Mounts, comes_back: str) -> None:
    kept = rig.root / "kept"
    kept.mkdir()
    mounts.mount(kept)
    mounts.bind(kept, rig.state)
    daemon = rig.start()
    log = rig.log()
    log.write(100)
    rig.delivered()
    mounts.unmount(rig.state)
    log.write(100)
    told = daemon.wait_for("checkpoints.failing")
    assert "another file system is there now" in told.fields["reason"]
    rig.delivered()  # it goes on
    assert list(rig.state.iterdir()) == []
    if comes_back == "a copy":
        other = rig.root / "other"
        other.mkdir()
        mounts.mount(other)
        shutil.copytree(kept, other, dirs_exist_ok=True, ignore=SOCKETS)
        mounts.bind(other, rig.state)
        daemon.wait_for("checkpoints.renewed")
    else:
        mounts.bind(kept, rig.state)
    daemon.wait_for("checkpoints.recovered")
    rig.verify()


@root_only
def test_a_full_state_directory_holds_up_nothing_but_saves(rig: Rig, mounts: Mounts) -> None:
    mounts.mount(rig.state, size="256k")
    rig.log().write(100)
    daemon = rig.start()
    rig.delivered()
    filler = fill(rig.state)
    for number in range(300):  # more than what there is room for in the WAL as it is
        rig.log(f"{number}.log").write(2)
    told = daemon.wait_for("checkpoints.failing")
    assert "full" in told.fields["reason"]
    rig.delivered()
    filler.unlink()
    daemon.wait_for("checkpoints.recovered")
    rig.verify()


@root_only
def test_nothing_is_sent_before_a_first_scan_can_be_saved(rig: Rig, mounts: Mounts) -> None:
    mounts.mount(rig.state, size="1m")
    rig.start().stop()  # there is a store, with no file in it
    rig.source["paths"] = [f"{rig.logs}/*.txt"]
    more = {**rig.source, "paths": [f"{rig.root}/more/*.log"]}
    (rig.root / "more").mkdir()
    for number in range(300):
        (rig.root / "more" / f"{number}.log").write_bytes(b"more %d\n" % number)
    rig.more_sources["more"] = more
    filler = fill(rig.state)
    daemon = rig.launch()
    told = daemon.wait_for("source.scan_unsaved", source="more")
    assert "full" in told.fields["reason"]
    assert "until the scan is saved" in told.fields["then"]
    rig.reader.read_to_end()
    assert rig.reader.records == []
    filler.unlink()
    daemon.wait_for("source.scanned", source="more")
    assert len(rig.records(300)) == 300
    daemon.stop()


# The logs' directory.


@root_only
@pytest.mark.parametrize("stopped", [False, True])
def test_logs_that_are_unmounted_and_mounted_again_are_not_sent_again(rig: Rig, mounts: Mounts, stopped: bool) -> None:
    """Under another device number, with other inodes: as a network file system, or a disk after a reboot."""
    rig.shipper["scan_interval"] = "1s"  # a mount is no event
    kept = rig.root / "kept"
    kept.mkdir()
    mounts.mount(kept)
    mounts.bind(kept, rig.logs)
    daemon = rig.start()
    logs = [rig.log(f"{name}.log") for name in "abc"]
    for log in logs:
        log.write(100)
    rig.delivered()
    if stopped:
        daemon.stop()
    mounts.unmount(rig.logs)
    for log in logs[1:]:  # while it is away, something is written to it
        hidden = rig.log(log.path.name)
        hidden.path = kept / log.path.name
        hidden.write(10)
    if stopped:
        daemon = rig.start()
    other = rig.root / "other"
    other.mkdir()
    mounts.mount(other)
    for name in sorted(os.listdir(kept)):  # the same names and contents, on another device
        shutil.copy2(kept / name, other / name)
    mounts.bind(other, rig.logs)
    for log in logs[:2]:
        log.write(10)
    rig.verify()
    assert not daemon.told("file.lost"), daemon.log()


@root_only
def test_a_mount_that_comes_after_the_start_finds_its_checkpoints(rig: Rig, mounts: Mounts) -> None:
    rig.shipper["scan_interval"] = "1s"  # a mount is no event
    kept = rig.root / "kept"
    kept.mkdir()
    mounts.mount(kept)
    mounts.bind(kept, rig.logs)
    rig.log().write(100)
    rig.start()
    rig.delivered()
    rig.daemon.stop()
    mounts.unmount(rig.logs)
    rig.start()
    rig.daemon.stop()
    daemon = rig.start()
    mounts.bind(kept, rig.logs)
    rig.log().write(10)
    rig.verify()
    assert not daemon.told("file.lost")


# Descriptors.


def test_with_few_descriptors_every_file_is_read(rig: Rig) -> None:
    logs = [rig.log(f"{number}.log") for number in range(400)]
    for log in logs:
        log.write(3)
    daemon = rig.start(["prlimit", "--nofile=90:90"])
    rig.delivered()
    for log in logs:
        log.write(2)
    rig.delivered()
    assert not daemon.told("file.lost"), daemon.log()
    assert not daemon.told("file.unreadable"), daemon.log()
    rig.verify()


def test_no_descriptor_left_is_no_file_deleted(rig: Rig) -> None:
    """Not for a new file, a renamed one, a directory to be scanned: all of it is noticed when there are some again."""
    rig.shipper["scan_interval"] = "1s"
    logs = [rig.log(f"{number}.log") for number in range(40)]
    for log in logs:
        log.write(3)
    daemon = rig.start()
    rig.delivered()

    def limit(most: int) -> None:
        subprocess.run(["prlimit", "--pid", str(daemon.pid), f"--nofile={most}:"], check=True)

    limit(10)  # fewer than are open
    for log in logs[:10]:
        log.rotate()
    for log in logs:
        log.write(2)
    (rig.logs / "later.log").touch()
    rig.log("later.log").write(5)
    daemon.wait_for("descriptors.short")
    limit(1000)
    rig.delivered()
    assert not daemon.told("file.lost"), daemon.log()
    rig.verify()


# Deleted files.


def test_deleted_files_are_held_open_while_brokers_are_away_up_to_the_cap(rig: Rig) -> None:
    """Of what is beyond it, the oldest gives way, and is told as lost; what is kept arrives later."""
    rig.shipper["deleted_max"] = "13KiB"  # two of the files below, and not three
    bootstrap, rig.kafka["bootstrap_servers"] = rig.kafka["bootstrap_servers"], "127.0.0.1:1"
    daemon = rig.start()

    def held(count: int) -> Callable[[], bool]:
        def asked() -> bool:
            with contextlib.suppress(StatusError):  # it does not answer yet
                return ask(rig.state).open_files + len(daemon.told("file.lost")) == count
            return False

        return asked

    for number in range(5):
        if number == 3:
            rig.truth.excuse()  # the first three are beyond the cap when all are there
        log = rig.log(f"{number}.log")
        log.write(100, size=100)
        eventually("it to be held, and not only looked into", held(number + 1))
        log.path.unlink()
    for lost in (daemon.wait_for("file.lost", count) for count in (1, 2, 3)):
        assert lost.level == "ERROR"
        assert "more than shipper.deleted_max of deleted files was held open" in lost.fields["why"]
    assert len([path for path in daemon.open_paths() if path.endswith(".log (deleted)")]) == 2
    rig.kafka["bootstrap_servers"] = bootstrap
    rig.configure()
    daemon.reload()
    rig.verify()
    assert {record.key for record in rig.reader.records} == {b"3.log", b"4.log", b"~end1.log"}
    assert len(daemon.told("file.lost")) == 3
