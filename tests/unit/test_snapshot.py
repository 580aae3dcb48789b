"""A look at the checkpoints beside the daemon that holds them: as they were at one moment, and without a trace."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from shipper.checkpoints import CheckpointStore, database, snapshot
from shipper.errors import StateError
from shipper.events import Events
from shipper.model import Checkpoint, FileId

TIMEOUT = 20.0


def checkpoint(uid: str, offset: int = 0) -> Checkpoint:
    path = b"/var/log/" + uid.encode()
    return Checkpoint(uid, "nginx", path, path, FileId(1, 2), 0, offset, revision=offset, start=1)


def opened(state: Path) -> CheckpointStore:
    return CheckpointStore.open(state, Events(lambda *_: None))


def test_what_a_running_daemon_has_saved_is_read(tmp_path: Path) -> None:
    store = opened(tmp_path)
    try:
        store.record_first_scan("nginx", [checkpoint("a"), checkpoint("b")])
        store.submit([checkpoint("a", 7)])
        assert store.flush(TIMEOUT)
        assert (tmp_path / (database.NAME + "-wal")).stat().st_size
        before = sorted((file.name, file.read_bytes()) for file in tmp_path.iterdir())
        found = snapshot.read(tmp_path)
        assert before == sorted((file.name, file.read_bytes()) for file in tmp_path.iterdir())
    finally:
        store.close()
    assert found["nginx"].scanned
    assert set(found["nginx"].files) == {checkpoint("a", 7), checkpoint("b")}
    assert snapshot.read(tmp_path) == found


def test_every_look_is_at_one_moment(tmp_path: Path) -> None:
    """All checkpoints of one save have the same offset; they are large enough to make the WAL begin anew."""
    store = opened(tmp_path)
    stop = threading.Event()
    names = [f"{n}-{'x' * 2000}" for n in range(200)]

    def write() -> None:
        offset = 0
        while not stop.is_set():
            offset += 1
            store.submit([checkpoint(name, offset) for name in names])
            assert store.flush(TIMEOUT)

    store.record_first_scan("nginx", [checkpoint(name) for name in names])
    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = [{file.offset for file in snapshot.read(tmp_path)["nginx"].files} for _ in range(10)]
    finally:
        stop.set()
        writer.join()
        store.close()
    assert [len(offsets) for offsets in seen] == [1] * 10
    assert [min(offsets) for offsets in seen] == sorted(min(offsets) for offsets in seen)


def test_a_directory_without_a_store_is_told(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"checkpoints\.sqlite3 is not there; has the daemon run"):
        snapshot.read(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_store_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "PAUSE", 0.0)
    (tmp_path / database.NAME).write_bytes(b"no database at all" * 100)
    with pytest.raises(StateError, match="cannot read the checkpoint store"):
        snapshot.read(tmp_path)
