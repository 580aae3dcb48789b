"""A state directory that is taken away under a running daemon: the store goes on in what is there now."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from shipper.checkpoints import CheckpointStore, opening, statedir, store
from shipper.errors import StateBusy, StateError
from shipper.model import Checkpoint
from tests.unit.rig import PumpRig
from tests.unit.test_checkpoints import NAME, TIMEOUT, Log, StillClock, checkpoint, offsets, opened


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


ALL = [checkpoint("a", 7), checkpoint("b", 8)]


def on_another_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_device", lambda path: -1)


def retry(s: CheckpointStore, clock: StillClock, seconds: float = store.LOOK) -> None:
    """Let the time come for the next look, or the next try."""
    clock.now += seconds
    s.load()  # wakes it, which a real clock does
    s.load()


@pytest.mark.parametrize("how", ["directory", "files", "store", "main file"])
def test_what_was_removed_is_made_anew_and_holds_everything_again(state: Path, log: Log, how: str) -> None:
    clock = StillClock()
    with opened(state, log, clock) as s:
        s.record_first_scan("nginx", ALL)
        s.set_delivery("exactly_once", 3)
        if how == "directory":
            shutil.rmtree(state)
        else:
            for file in state.iterdir():
                if file.name == NAME or how == "files" or (how == "store" and file.name != "lock"):
                    file.unlink()
        s.submit([checkpoint("a", 17)])
        assert "removed" in log.wait("checkpoints.renewed")["reason"]
        s.load()
        assert s.renewals == 1
        s.submit([checkpoint("a", 17), checkpoint("b", 8)], whole="nginx")
        assert s.flush(TIMEOUT)
        with pytest.raises(StateBusy):
            statedir.hold(state)
    with opened(state, log) as s:
        assert s.load()["nginx"].scanned
        assert offsets(s.load()) == {("nginx", "a"): 17, ("nginx", "b"): 8}
        assert s.delivery() == ("exactly_once", 3)


def test_killed_before_everything_is_in_it_again_all_is_read_again(state: Path, log: Log) -> None:
    with opened(state, log, StillClock()) as s:
        s.record_first_scan("nginx", ALL)
        shutil.rmtree(state)
        s.submit([checkpoint("a", 17)])
        log.wait("checkpoints.renewed")
        s.load()
        copy = state.with_name("as at the kill")
        shutil.copytree(state, copy)
    with opened(copy, log) as s:
        assert s.load() == {}
        assert s.reread("nginx")


def test_a_directory_that_comes_back_is_taken_up_where_it_is(
    state: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = StillClock()
    away = state.with_name("away")
    with opened(state, log, clock) as s:
        s.record_first_scan("nginx", [*ALL, checkpoint("stale", 1)])
        state.rename(away)
        on_another_file_system(monkeypatch)
        state.mkdir()  # a mount point, bare
        s.submit([checkpoint("a", 17)])
        fields = log.wait("checkpoints.failing")
        assert "another file system" in fields["reason"]
        assert not s.flush(0)
        with pytest.raises(StateError, match="another file system"):
            s.record_first_scan("api", [])
        assert list(state.iterdir()) == []
        state.rmdir()
        away.rename(state)  # the very same
        retry(s, clock)
        assert s.flush(TIMEOUT)
        assert s.renewals == 0
        assert log.names()["checkpoints.recovered"] == 1
        shutil.copytree(state, away)
        shutil.rmtree(state)
        away.rename(state)  # a copy
        s.submit([checkpoint("a", 18)])
        s.flush(TIMEOUT)
        assert s.renewals == 1
        assert log.wait("checkpoints.renewed")["reason"] == "there is another one now"
        s.submit([checkpoint("a", 18), checkpoint("b", 8)], whole="nginx")
        assert s.flush(TIMEOUT)
        s.record_first_scan("api", [])
    with opened(state, log) as s:
        assert offsets(s.load()) == {("nginx", "a"): 18, ("nginx", "b"): 8}
        assert s.load()["api"].scanned


def test_it_is_noticed_although_there_is_nothing_to_save(state: Path, log: Log) -> None:
    clock = StillClock()
    with opened(state, log, clock) as s:
        s.record_first_scan("nginx", ALL)
        parent, hidden = state.parent, state.parent.with_name("hidden")
        parent.rename(hidden)
        retry(s, clock)
        assert "not a directory that exists" in log.wait("checkpoints.failing")["reason"]
        retry(s, clock)
        hidden.rename(parent)
        retry(s, clock)
        assert log.names()["checkpoints.recovered"] == 1
        assert s.renewals == 0


def test_only_the_lock_was_removed(state: Path, log: Log) -> None:
    clock = StillClock()
    with opened(state, log, clock) as s:
        s.record_first_scan("nginx", ALL)
        (state / "lock").unlink()
        retry(s, clock)
        assert s.renewals == 0
        with pytest.raises(StateBusy):
            statedir.hold(state)


def lock_of_another(state: Path) -> int:
    """Take the lock as another process does."""
    other = os.open(state / "other", os.O_RDWR | os.O_CREAT)
    os.write(other, b"4711\n")
    fcntl.flock(other, fcntl.LOCK_EX)
    (state / "other").rename(state / "lock")
    return other


def test_another_daemon_that_took_it_meanwhile_ends_this_one(state: Path, log: Log) -> None:
    clock = StillClock()
    with opened(state, log, clock) as s:
        s.record_first_scan("nginx", ALL)
        other = lock_of_another(state)
        retry(s, clock)
        assert s.taken is not None
        assert "pid 4711" in str(s.taken)
        os.close(other)
    assert log.names()["checkpoints.unsaved"] == 0


def test_a_store_that_was_not_in_place_at_the_end_is_not_made_anew(state: Path, log: Log) -> None:
    with opened(state, log, StillClock()) as s:
        s.record_first_scan("nginx", ALL)
        s.submit([checkpoint("a", 9)])
        assert s.flush(TIMEOUT)
        shutil.rmtree(state)
        s.submit([checkpoint("a", 10)])  # not due yet
    assert log.wait("checkpoints.unsaved")["unsaved"] == 1
    assert not state.exists()


# The pump says what is in it.


def wait_saved(rig: PumpRig, want: Callable[[list[Checkpoint]], bool]) -> list[Checkpoint]:
    """Go on until the store holds what is wanted."""
    for _ in range(200):
        rig.pass_time(0.2)
        rig.store.flush(1.0)
        try:
            if want(found := rig.saved()):
                return found
        except (KeyError, StateError):
            continue
    raise AssertionError(rig.told[-5:])


def test_the_pump_saves_all_that_it_knows_again(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        (rig.logs / "idle.log").write_bytes(b"old\n")
        (rig.logs / "app.log").write_bytes(b"one\n")
        rig.start()
        rig.sink.deliver()
        wait_saved(rig, lambda found: [c.offset for c in found] == [4, 4])
        shutil.rmtree(tmp_path / "state")
        (rig.logs / "app.log").write_bytes(b"one\ntwo\n")
        rig.pass_time(0.5)
        rig.sink.deliver()
        found = wait_saved(rig, lambda found: {c.offset for c in found} == {4, 8})
        assert {c.path.rpartition(b"/")[2]: c.offset for c in found} == {b"idle.log": 4, b"app.log": 8}
        assert rig.names("checkpoints.renewed") == ["checkpoints.renewed"]
        assert rig.store.load()["s"].scanned
        rig.stop()
        rig.start()
        rig.pass_time(1)
        assert rig.lines == ["old", "one", "two"] or rig.lines == ["one", "old", "two"]
        rig.stop()


def test_the_pump_ends_when_another_daemon_has_the_directory(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        (rig.logs / "app.log").write_bytes(b"one\n")
        rig.start()
        rig.sink.deliver()
        rig.pass_time(0.2)
        other = lock_of_another(tmp_path / "state")
        rig.store.submit([checkpoint(source="s")])
        rig.store.flush(1.0)
        with pytest.raises(StateBusy, match="4711"):
            rig.beat()
        os.close(other)
