"""The checkpoint store: what is saved, kept through kills, damage and full disks, and who may hold it (I6, I8)."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import random
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper import sqlite
from shipper.checkpoints import CheckpointStore, database, rows, store
from shipper.errors import Exit, StateBusy, StateError
from shipper.events import Events
from shipper.model import Checkpoint, FileId, FileState, Fingerprint, SourceState

NAME = "checkpoints.sqlite3"
TIMEOUT = 20.0  # for what has to happen; never how long it takes


class Log:
    """The events that were told, which a test can await."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, dict[str, Any]]] = []
        self.more = threading.Condition()
        self.events = Events(self._write)

    def _write(self, level: str, name: str, fields: dict[str, Any]) -> None:
        with self.more:
            self.told.append((level, name, fields))
            self.more.notify_all()

    def wait(self, name: str) -> dict[str, Any]:
        with self.more:
            assert self.more.wait_for(lambda: name in self.names(), TIMEOUT), self.told
        return next(fields for _, told, fields in self.told if told == name)

    def names(self) -> Counter[str]:
        return Counter(name for _, name, _ in self.told)


class StillClock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def checkpoint(uid: str = "a", offset: int = 0, source: str = "nginx", **more: Any) -> Checkpoint:
    values: dict[str, Any] = {
        "uid": uid,
        "source": source,
        "path": b"/var/log/%s.log" % uid.encode(),
        "seen_as": b"/var/log/%s.log" % uid.encode(),
        "file_id": FileId(64512, 1 + len(uid)),
        "generation": 0,
        "offset": offset,
        "fingerprint": Fingerprint(8, b"head", offset, b"mark"),
        "size": 2 * offset + 7,
    }
    return Checkpoint(**(values | more))


def offsets(loaded: dict[str, SourceState]) -> dict[tuple[str, str], int]:
    return {(source, file.uid): file.offset for source, state in loaded.items() for file in state.files}


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@contextlib.contextmanager
def opened(state: Path, log: Log, clock: Callable[[], float] | None = None) -> Iterator[CheckpointStore]:
    opened = CheckpointStore.open(state, log.events, clock) if clock else CheckpointStore.open(state, log.events)
    try:
        yield opened
    finally:
        opened.close()


def filled(state: Path, files: int = 3) -> None:
    """Leave a store with one scanned source behind."""
    with opened(state, Log()) as s:
        s.record_first_scan("nginx", [checkpoint(f"f{i}", i) for i in range(files)])


# What is saved comes back.


def test_a_new_store_is_empty_and_private(state: Path, log: Log) -> None:
    with opened(state, log) as s:
        assert s.load() == {}
        assert s.set_aside is None
        assert not s.reread("nginx")
        s.submit([checkpoint()])
        assert s.flush(TIMEOUT)
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in state.iterdir()} == {0o600}
    assert sorted(file.name for file in state.iterdir()) == [NAME, "lock"]
    assert log.told == []


texts = st.text(st.characters(exclude_categories=["Cs"]))  # what TOML and our own ids can hold
numbers = st.integers(0, 2**63 - 1)
checkpoints = st.builds(
    Checkpoint,
    uid=texts,
    source=texts,
    path=st.binary(),
    seen_as=st.binary(),
    file_id=st.builds(FileId, st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)),
    generation=numbers,
    offset=numbers,
    fingerprint=st.builds(Fingerprint, numbers, st.binary(), numbers, st.binary()),
    size=numbers,
    state=st.sampled_from(FileState),
    compression=st.sampled_from(["", "gz", "bz2", "xz"]),
    revision=numbers,
    start=numbers,
)


@settings(max_examples=25, deadline=None)
@given(st.lists(checkpoints, unique_by=lambda c: (c.source, c.uid)), st.sets(texts, max_size=3))
def test_every_value_comes_back_as_it_was(files: list[Checkpoint], scanned: set[str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        state = Path(directory)
        with opened(state, Log()) as s:
            for source in scanned:
                s.record_first_scan(source, [file for file in files if file.source == source])
            s.submit(files)
        with opened(state, Log()) as s:
            loaded = s.load()
    assert {name for name, source in loaded.items() if source.scanned} == scanned
    assert {file for source in loaded.values() for file in source.files} == set(files)


def test_the_latest_submission_wins(state: Path, log: Log) -> None:
    with opened(state, log) as s:
        s.submit([checkpoint("a", 10), checkpoint("b", 5), checkpoint("a", 20), checkpoint("a", 1, source="api")])
        s.submit([checkpoint("a", 30)])
        assert s.flush(TIMEOUT)
        assert offsets(s.load()) == {("nginx", "a"): 30, ("nginx", "b"): 5, ("api", "a"): 1}
        s.submit([checkpoint("b", 6)], removed=[("nginx", "a"), ("nginx", "never there")])
        assert s.flush(TIMEOUT)
        assert offsets(s.load()) == {("nginx", "b"): 6, ("api", "a"): 1}
        s.submit([], removed=[("nginx", "b")])
        s.submit([checkpoint("b", 7)])
        assert s.flush(TIMEOUT)
        assert offsets(s.load()) == {("nginx", "b"): 7, ("api", "a"): 1}


def test_close_saves_what_is_pending(state: Path, log: Log) -> None:
    with opened(state, log, StillClock()) as s:
        s.submit([checkpoint("a", 1)])
        assert s.flush(TIMEOUT)
        s.submit([checkpoint("a", 2)])
    with pytest.raises(StateError, match="closed"):
        s.submit([checkpoint("a", 3)])
    with pytest.raises(StateError, match="closed"):
        s.load()
    s.close()
    with opened(state, log) as s:
        assert offsets(s.load()) == {("nginx", "a"): 2}


def test_a_first_scan_is_recorded_whole_even_when_nothing_was_found(state: Path, log: Log) -> None:
    with opened(state, log) as s:
        s.record_first_scan("empty", [])
        s.record_first_scan("nginx", [checkpoint("a", 7), checkpoint("b", 0, state=FileState.LEFT)])
        s.submit([checkpoint("x", 1, source="unscanned")])
    with opened(state, log) as s:
        loaded = s.load()
    assert {name: (source.scanned, len(source.files)) for name, source in loaded.items()} == {
        "empty": (True, 0),
        "nginx": (True, 2),
        "unscanned": (False, 1),
    }


def test_very_many_are_saved_in_whatever_order_they_come(state: Path, log: Log) -> None:
    first = [checkpoint(f"f{i}", i, source=source) for i in range(2 * rows.MANY + 7) for source in ("nginx", "api")]
    later = [replace(one, offset=one.offset + 1, revision=2) for one in reversed(first[:-9])]
    with opened(state, log) as s:
        s.record_first_scan("nginx", [one for one in first if one.source == "nginx"])
        s.submit(one for one in first if one.source == "api")
        assert s.flush(TIMEOUT)
        s.submit(later)
    with opened(state, log) as s:
        found = [one for source in s.load().values() for one in source.files]
    assert len(found) == len(first)
    assert set(found) == {*later, *first[-9:]}


def test_a_first_scan_is_in_the_file_itself_when_the_call_returns(state: Path, log: Log, tmp_path: Path) -> None:
    with opened(state, log) as s:
        s.record_first_scan("nginx", [checkpoint("a", 7)])
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / NAME).write_bytes((state / NAME).read_bytes())  # without its WAL
    with opened(tmp_path / "other", log) as s:
        assert s.load()["nginx"].scanned


def test_a_burst_is_saved_at_most_once_a_second(state: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    saves: list[set[tuple[str, int]]] = []
    save = database.Database.save

    def noted(
        self: database.Database, changed: list[Checkpoint], removed: list[tuple[str, str]], whole: set[str]
    ) -> None:
        saves.append({(c.uid, c.offset) for c in changed})
        save(self, changed, removed, whole)

    monkeypatch.setattr(database.Database, "save", noted)
    clock = StillClock()
    with opened(state, log, clock) as s:
        clock.now += 60
        s.submit([checkpoint("a", 0)])
        assert s.flush(TIMEOUT)
        for offset in range(1, 500):
            s.submit([checkpoint("a", offset), checkpoint("b", offset)])
        s.load()  # the thread has been awake, and nothing was due
        clock.now += store.INTERVAL - 0.01
        s.load()
        s.load()
        assert saves == [{("a", 0)}]
        clock.now += 0.01
        s.load()  # wakes it, which a real clock's second does
        s.load()
        assert saves == [{("a", 0)}, {("a", 499), ("b", 499)}]
    assert log.events.counters["checkpoints.saved", ""] == 3


def test_a_young_store_is_saved_sooner(state: Path, log: Log) -> None:
    clock = StillClock()
    with opened(state, log, clock) as s:
        saves: list[float] = []
        for offset in range(600):
            before = log.events.counters["checkpoints.saved", ""]
            s.submit([checkpoint("a", offset)])
            s.load()
            s.load()  # the thread has been awake
            if log.events.counters["checkpoints.saved", ""] > before:
                saves.append(clock.now - 1000)
            clock.now += 0.01
        waits = [later - earlier for earlier, later in itertools.pairwise(saves)]
        assert saves[0] == 0
        for at, wait in zip(saves, waits, strict=False):
            assert wait <= max(store.INTERVAL_FIRST, at / 3) + 0.02  # whoever kills it then lets it get on
        assert all(wait > store.INTERVAL - 0.02 for at, wait in zip(saves, waits, strict=False) if at > 3)
        assert len(saves) < 15


def test_what_was_submitted_is_saved_without_being_asked_for(state: Path, log: Log) -> None:
    """With the real clock: the thread must wake by itself when the second has passed."""
    saved = threading.Semaphore(0)
    count = log.events.checkpoints_saved

    def noted(files: int) -> None:
        count(files)
        saved.release()

    log.events.checkpoints_saved = noted  # type: ignore[method-assign]
    with opened(state, log) as s:
        s.submit([checkpoint("a", 1)])
        assert saved.acquire(timeout=TIMEOUT)
        s.submit([checkpoint("a", 2)])
        assert saved.acquire(timeout=TIMEOUT)
        assert offsets(s.load()) == {("nginx", "a"): 2}


def test_flush_waits_for_what_was_submitted_during_a_save(
    state: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, gate, saves = database.Database.save, threading.Event(), itertools.count()
    with opened(state, log, StillClock()) as s:

        def slow(
            self: database.Database, changed: list[Checkpoint], removed: list[tuple[str, str]], whole: set[str]
        ) -> None:
            if next(saves) == 0:
                s.submit([checkpoint("a", 2)])
            else:
                assert gate.wait(TIMEOUT)
            save(self, changed, removed, whole)

        monkeypatch.setattr(database.Database, "save", slow)
        s.submit([checkpoint("a", 1)])
        s.load()  # the first save is done
        assert not s.flush(0)
        gate.set()
        assert s.flush(TIMEOUT)


def test_flush_with_nothing_pending_is_true_at_once(state: Path, log: Log) -> None:
    with opened(state, log) as s:
        assert s.flush(0)
        s.submit([])
        assert s.flush(0)


# Who may hold the directory.


def test_a_second_daemon_is_refused_and_told_who_holds_it(state: Path, log: Log) -> None:
    with opened(state, log), pytest.raises(StateBusy) as busy:
        CheckpointStore.open(state, log.events)
    assert f"another daemon (pid {os.getpid()}) holds {state}" in str(busy.value)
    assert busy.value.exit_code == Exit.BUSY
    with opened(state, log):
        pass


def test_a_directory_that_cannot_be_used_is_one_sentence(tmp_path: Path, log: Log) -> None:
    file = tmp_path / "file"
    file.touch()
    for state_dir, says in {
        file: "is not a directory",
        file / "state": f"{file} is not a directory that exists",
        tmp_path / "no" / "such": f"{tmp_path / 'no'} is not a directory that exists",
        Path("/proc/shipper"): "/proc",
    }.items():
        with pytest.raises(StateError, match=rf"^state_dir {state_dir}: ") as error:
            CheckpointStore.open(state_dir, log.events)
        assert says in str(error.value)
        assert "\n" not in str(error.value)


def test_a_directory_without_permission_is_one_sentence(log: Log) -> None:
    with tempfile.TemporaryDirectory() as directory:
        theirs = Path(directory)
        owned = theirs / "owned"
        owned.mkdir(0o700)
        filled(theirs / "store")
        (theirs / "store").chmod(0o777)
        theirs.chmod(0o555)
        owned.chmod(0o500)
        (theirs / "store" / NAME).chmod(0o444)
        (theirs / "store" / "lock").chmod(0o666)
        with somebody_else():
            for state_dir, says in {
                owned: "not writable by uid",
                theirs / "new": f"{theirs} is not writable by uid",
                theirs / "store": "not readable and writable by uid",
            }.items():
                with pytest.raises(StateError, match=says) as error:
                    CheckpointStore.open(state_dir, log.events)
                assert str(state_dir) in str(error.value)
        theirs.chmod(0o755)


@contextlib.contextmanager
def somebody_else() -> Iterator[None]:
    """Be a user whom permissions hold back."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_store_that_another_program_has_open_is_not_taken_for_damaged(
    state: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(state)
    monkeypatch.setattr(sqlite, "connect", functools.partial(sqlite.connect, timeout=0))
    with contextlib.closing(sqlite3.connect(state / NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError, match="another program has it open"):
            CheckpointStore.open(state, log.events)
    with opened(state, log) as s:
        assert len(s.load()["nginx"].files) == 3
    assert log.told == []


def test_something_that_is_no_file_in_its_place_is_one_sentence(state: Path, log: Log) -> None:
    state.mkdir()
    (state / NAME).mkdir()
    with pytest.raises(StateError, match="not a regular file"):
        CheckpointStore.open(state, log.events)


# Versions.


def test_a_newer_store_is_left_alone(state: Path, log: Log) -> None:
    filled(state)
    newer = len(database.MIGRATIONS) + 1
    with contextlib.closing(sqlite3.connect(state / NAME)) as connection:
        connection.execute(f"PRAGMA user_version={newer}")
    with pytest.raises(StateError, match=f"newer shipper: its format is {newer}"):
        CheckpointStore.open(state, log.events)
    assert sorted(file.name for file in state.iterdir()) == [NAME, "lock"]


def test_an_older_store_is_migrated_in_one_transaction(state: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(state)
    steps = (*database.MIGRATIONS, ("CREATE TABLE later (x)", "CREATE TABLE later (x)"))  # the second one fails
    monkeypatch.setattr(database, "MIGRATIONS", steps)
    with pytest.raises(StateError, match="table later already exists"):
        CheckpointStore.open(state, log.events)
    monkeypatch.setattr(
        database, "MIGRATIONS", (*steps[:-1], ("CREATE TABLE later (x)", "INSERT INTO later VALUES (1)"))
    )
    for _ in range(2):
        with opened(state, log) as s:
            assert len(s.load()["nginx"].files) == 3
    with contextlib.closing(sqlite3.connect(state / NAME)) as connection:
        assert connection.execute("SELECT x FROM later").fetchall() == [(1,)]
        assert connection.execute("PRAGMA user_version").fetchone() == (len(steps),)
    assert log.told == []


def first_format(state: Path, *, damaged: bool = False) -> Checkpoint:
    """Leave a store as the first version made it, with one checkpoint."""
    saved = checkpoint("a", 10)
    row = rows.row_of(saved)[:-4]  # without revision, start, cursor and checksum
    state.mkdir(0o700)
    with contextlib.closing(sqlite3.connect(state / NAME)) as connection:
        for statement in database.MIGRATIONS[0]:
            connection.execute(statement)
        checksum = rows.sealed(row)[-1] + damaged
        connection.execute(f"INSERT INTO checkpoint VALUES ({', '.join('?' * 15)})", (*row, checksum))
        connection.execute("INSERT INTO source VALUES (?, ?)", rows.sealed(("nginx",)))
        connection.execute(f"PRAGMA application_id={database.APPLICATION_ID}")
        connection.execute("PRAGMA user_version=1")
        connection.commit()
    return saved


def test_a_store_of_the_first_format_goes_on(state: Path, log: Log) -> None:
    saved = first_format(state)
    for _ in range(2):
        with opened(state, log) as s:
            # What it had delivered of a file, and from where, was not kept: no audit judges what comes before.
            migrated = replace(saved, start=saved.offset)
            assert s.load() == {"nginx": SourceState(scanned=True, files=[migrated])}
            assert s.delivery() == ("", 0)
    assert log.told == []


def test_a_store_of_the_format_before_journals_goes_on(state: Path, log: Log) -> None:
    saved = replace(checkpoint("a", 10), revision=7, start=3)
    with opened(state, log) as s:
        s.record_first_scan("nginx", [saved])
    with contextlib.closing(sqlite3.connect(state / NAME)) as connection:
        connection.execute("ALTER TABLE checkpoint DROP COLUMN cursor")
        sealed = rows.sealed(rows.row_of(saved)[:-2])[-1]
        connection.execute("UPDATE checkpoint SET sum = ?", (sealed,))
        connection.execute("PRAGMA user_version=4")
        connection.commit()
    journal = replace(saved, uid="j", path=b"", cursor="s=1;i=2")
    with opened(state, log) as s:
        assert s.load()["nginx"].files == [saved]
        s.submit([journal])
    with opened(state, log) as s:
        assert s.load()["nginx"].files == [saved, journal]
    assert log.told == []


def test_damage_in_a_store_of_the_first_format_is_not_migrated_away(state: Path, log: Log) -> None:
    first_format(state, damaged=True)
    with opened(state, log) as s:
        assert s.load() == {}
        assert s.set_aside is not None


def test_how_the_daemon_delivered_is_kept(state: Path, log: Log) -> None:
    with opened(state, log) as s:
        assert s.delivery() == ("", 0)
        s.set_delivery("exactly_once", 3)
    with opened(state, log) as s:
        assert s.delivery() == ("exactly_once", 3)


# Damage: set aside, told, and nothing starts at the end (I8).


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def change_a_value(path: Path) -> None:
    """Change what one row says, in a way that SQLite cannot notice."""
    content = path.read_bytes()
    overwrite(path, content.index(b"/var/log/f1.log"), b"/var/log/fX.log")


def other_program(path: Path) -> None:
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE tracks (title)")


def without_tables(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE checkpoint")


def leave_only_the_wal(path: Path) -> None:
    path.rename(path.with_name(NAME + "-wal"))


DAMAGE: list[Callable[[Path], object]] = [
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(b"\0" * path.stat().st_size),
    lambda path: path.write_bytes(b'{"offsets": {}}'),
    lambda path: os.truncate(path, path.stat().st_size // 2),
    lambda path: overwrite(path, 0, os.urandom(100)),
    lambda path: overwrite(path, 4096, b"\xff" * 4096 * 2),
    change_a_value,
    other_program,
    without_tables,
    leave_only_the_wal,
]


@pytest.mark.parametrize("damage", DAMAGE, ids=range(len(DAMAGE)))
def test_a_damaged_store_is_set_aside_and_everything_is_read_again(
    state: Path, log: Log, damage: Callable[[Path], object]
) -> None:
    filled(state, 200)
    damage(state / NAME)
    damaged = {file.read_bytes() for file in state.iterdir() if file.name.startswith(NAME)}
    with opened(state, log) as s:
        aside = s.set_aside
        assert aside is not None
        assert aside.name.startswith(f"{NAME}.damaged-")
        assert {file.read_bytes() for file in state.iterdir() if file.name.startswith(aside.name)} == damaged
        assert s.load() == {}
        assert s.reread("nginx")
    (level, name, fields), *others = log.told
    assert (level, name, others) == ("error", "checkpoints.set_aside", [])
    assert str(fields["moved_to"]) == str(aside)
    assert "read again from its beginning" in fields["then"]
    with opened(state, log) as s:  # stopped before the first scan was recorded
        assert s.reread("nginx")
        s.record_first_scan("nginx", [checkpoint()])
        assert not s.reread("nginx")
        assert s.reread("api")
    with opened(state, log) as s:
        assert not s.reread("nginx")
        assert s.reread("api")
        assert s.set_aside == aside
    assert len(log.told) == 1


def test_the_wal_of_a_damaged_store_never_meets_the_next_one(state: Path, log: Log) -> None:
    killed_with_a_wal(state)
    assert (state / f"{NAME}-wal").stat().st_size
    overwrite(state / NAME, 0, b"not a database at all")
    with opened(state, log) as s:
        assert s.set_aside is not None
        s.record_first_scan("nginx", [checkpoint("new", 1)])
        s.submit([checkpoint("new", 2)])
        assert s.flush(TIMEOUT)
    with opened(state, log) as s:
        assert offsets(s.load()) == {("nginx", "new"): 2}


def test_an_empty_file_goes_aside_with_its_wal_untouched(state: Path, log: Log) -> None:
    killed_with_a_wal(state)
    wal = (state / f"{NAME}-wal").read_bytes()
    os.truncate(state / NAME, 0)
    with opened(state, log) as s:
        assert s.set_aside is not None
        assert s.set_aside.with_name(s.set_aside.name + "-wal").read_bytes() == wal
    assert log.wait("checkpoints.set_aside")["reason"] == "it is empty"


def test_what_only_the_wal_holds_after_a_kill_is_loaded(state: Path, log: Log) -> None:
    killed_with_a_wal(state)
    with opened(state, log) as s:
        assert offsets(s.load()) == {("nginx", "a"): 2}


def killed_with_a_wal(state: Path) -> None:
    """Leave a store as a SIGKILL does: its last save is in the WAL only."""
    program = """
import os, sys
from pathlib import Path
from shipper.checkpoints import CheckpointStore
from shipper.events import Events
from tests.unit.test_checkpoints import checkpoint
store = CheckpointStore.open(Path(sys.argv[1]), Events(print))
store.record_first_scan("nginx", [checkpoint("a", 1)])
store.submit([checkpoint("a", 2)])
assert store.flush(20)
os.kill(os.getpid(), 9)
"""
    killed = subprocess.run([sys.executable, "-c", program, state], cwd=Path(__file__).parents[2], check=False)
    assert killed.returncode == -9


def test_two_damaged_stores_of_one_second_are_both_kept(state: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    state.mkdir()
    for content in (b"first", b"second"):
        (state / NAME).write_bytes(content)
        (state / f"{NAME}-wal").write_bytes(content + b" wal")
        database.set_aside(state / NAME, "20260102T030405Z")
    damaged = f"{NAME}.damaged-20260102T030405Z"
    assert {file.name: file.read_bytes() for file in state.iterdir()} == {
        damaged: b"first",
        f"{damaged}-wal": b"first wal",
        f"{damaged}-2": b"second",
        f"{damaged}-2-wal": b"second wal",
    }
    with opened(state, log) as s:
        assert s.set_aside == state / f"{damaged}-2"
    assert log.names() == {"checkpoints.set_aside": 1}


class KilledError(BaseException):
    """Stands for a SIGKILL: nothing catches it, and nothing is put in order on the way out."""


def test_killed_at_any_step_of_setting_aside_nothing_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call that changes the directory is once the last one that happened, and once the first that did not."""
    survived = 0
    for last in range(100):
        state = tmp_path / str(last)
        filled(state)
        (state / NAME).write_bytes(b"")
        (state / f"{NAME}-wal").write_bytes(b"left over")
        with monkeypatch.context() as patched:
            steps = killing_after(last, patched)
            with contextlib.suppress(KilledError), opened(state, Log()) as s:
                assert s.reread("nginx")
                survived += 1
        for _ in range(2):
            with opened(state, Log()) as s:
                assert s.load() == {}
                assert s.reread("nginx"), steps
                assert s.set_aside is not None
                assert s.set_aside.exists() or s.set_aside.with_name(s.set_aside.name + "-wal").exists()
        if survived:
            break
    assert survived
    assert last > 5


def test_killed_at_any_step_of_the_first_start_it_starts_fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    survived = 0
    for last in range(100):
        state, log = tmp_path / str(last), Log()
        with monkeypatch.context() as patched:
            killing_after(last, patched)
            with contextlib.suppress(KilledError), opened(state, log):
                survived += 1
        with opened(state, log) as s:
            assert s.load() == {}
            assert not s.reread("nginx")
        assert log.told == []
        if survived:
            break
    assert survived
    assert last > 3


def killing_after(steps: int, patched: pytest.MonkeyPatch) -> list[str]:
    """Let so many calls that change the state directory happen, and none after them."""
    done: list[str] = []

    def limited(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **more: Any) -> Any:
            if len(done) == steps:
                raise KilledError
            done.append(name)
            return call(*args, **more)

        return step

    for owner, name in [(os, "rename"), (os, "fsync"), (os, "open"), (os, "mkdir"), (os, "unlink")]:
        patched.setattr(owner, name, limited(name, getattr(owner, name)))
    patched.setattr(sqlite3, "connect", limited("connect", sqlite3.connect))
    return done


def test_damage_that_load_meets_is_set_aside_too(state: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(state)
    load = database.Database.load
    met: list[bool] = []

    def damaged_once(self: database.Database, source: str | None = None) -> dict[str, SourceState]:
        if not met:
            met.append(True)
            raise sqlite.Damaged("database disk image is malformed")
        return load(self, source)

    monkeypatch.setattr(database.Database, "load", damaged_once)
    with opened(state, log) as s:
        assert not s.reread("nginx")
        assert s.load() == {}
        assert s.reread("nginx")
        assert s.set_aside is not None
        s.submit([checkpoint("a", 5)])
    assert log.names() == {"checkpoints.set_aside": 1}
    with opened(state, log) as s:
        assert offsets(s.load()) == {("nginx", "a"): 5}


# Saves that fail.


def limit_pages(s: CheckpointStore, pages: int) -> None:
    """Make SQLite find the disk full once the file has so many pages; 0 is no limit."""
    s._call(lambda: s._database._connection.execute(f"PRAGMA max_page_count={pages or 2**30}").fetchall())


def test_a_full_disk_is_told_and_nothing_submitted_is_lost(state: Path, log: Log) -> None:
    clock = StillClock()
    many = [checkpoint(f"f{i}", i) for i in range(500)]
    with opened(state, log, clock) as s:
        limit_pages(s, 1)
        s.submit(many)
        fields = log.wait("checkpoints.failing")
        assert str(state / NAME) in fields["reason"]
        assert "full" in fields["reason"]
        assert fields["unsaved"] == 500
        assert "sending goes on" in fields["then"]
        s.load()  # the thread is done with that
        assert not s.flush(0)
        with pytest.raises(StateError, match=r'cannot record the first scan of source "api" .* full'):
            s.record_first_scan("api", [checkpoint(f"f{i}", i, source="api") for i in range(500)])
        s.submit([checkpoint("f7", 1007)], removed=[("nginx", "f8")])
        limit_pages(s, 0)
        clock.now += 1000
        s.load()  # wakes it, which a real clock does
        assert s.flush(TIMEOUT)
        s.record_first_scan("api", [])
    assert log.names()["checkpoints.recovered"] == 1
    with opened(state, log) as s:
        expected = {("nginx", c.uid): c.offset for c in many} | {("nginx", "f7"): 1007}
        del expected["nginx", "f8"]
        assert offsets(s.load()) == expected


def test_what_is_submitted_during_a_save_that_fails_wins(
    state: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = database.Database.save
    with opened(state, log) as s:

        def fails_once(
            self: database.Database, changed: list[Checkpoint], removed: list[tuple[str, str]], whole: set[str]
        ) -> None:
            monkeypatch.setattr(database.Database, "save", save)
            s.submit([checkpoint("a", 2)], removed=[("nginx", "b")])
            raise StateError("no")

        monkeypatch.setattr(database.Database, "save", fails_once)
        s.submit([checkpoint("a", 1), checkpoint("b", 1), checkpoint("c", 1)])
        log.wait("checkpoints.failing")
        assert s.flush(TIMEOUT)
        assert offsets(s.load()) == {("nginx", "a"): 2, ("nginx", "c"): 1}


def test_load_is_not_behind_what_cannot_be_saved_at_present(state: Path, log: Log) -> None:
    with opened(state, log) as s:
        s.record_first_scan("nginx", [checkpoint("a", 1), checkpoint("b", 1)])
        limit_pages(s, 1)
        s.submit([checkpoint(f"f{i}") for i in range(500)])
        log.wait("checkpoints.failing")
        s.submit([checkpoint("a", 2), checkpoint("x", 3, source="api")], removed=[("nginx", "b")])
        loaded = s.load()
        assert {name: source.scanned for name, source in loaded.items()} == {"nginx": True, "api": False}
        there = offsets(loaded)
        assert (there["nginx", "a"], there["api", "x"], len(there)) == (2, 3, 502)
        limit_pages(s, 0)


def test_saves_that_fail_are_tried_again_ever_more_slowly(state: Path, log: Log) -> None:
    clock = StillClock()
    with opened(state, log, clock) as s:
        limit_pages(s, 1)
        s.submit([checkpoint(f"f{i}") for i in range(500)])
        failures: list[float] = []
        for _ in range(150):
            s._call(lambda: None)
            s._call(lambda: None)  # the first may have come with the save's turn, or before it
            if log.events.counters["checkpoints.failing", ""] > len(failures):
                failures.append(clock.now)
            clock.now += 1
        waits = [later - earlier for earlier, later in itertools.pairwise(failures)]
        assert waits == [1, 2, 4, 8, 16, 30, 30, 30]
        assert log.names()["checkpoints.failing"] < len(failures)  # one line a minute
        limit_pages(s, 0)


def test_what_cannot_be_saved_at_the_end_is_told(state: Path, log: Log) -> None:
    with opened(state, log, StillClock()) as s:
        limit_pages(s, 1)
        s.submit([checkpoint(f"f{i}") for i in range(500)])
    assert log.wait("checkpoints.unsaved")["unsaved"] == 500
    with opened(state, log) as s:
        assert s.load() == {}


def test_an_error_nobody_thought_of_does_not_end_the_thread(state: Path, log: Log) -> None:
    with opened(state, log, StillClock()) as s:
        s.submit([checkpoint("a", 2**70)])  # more than SQLite's integers hold
        assert "OverflowError" in log.wait("checkpoints.failing")["reason"]
        s.submit([checkpoint("a", 7)])
        assert s.flush(TIMEOUT)
        assert offsets(s.load()) == {("nginx", "a"): 7}


# Kills.

STEP, FILES = 17, 40


def numbered(uid: str, offset: int) -> Checkpoint:
    """Make a checkpoint all of whose values follow from its offset, so that a mixture of two is noticed."""
    mark = Fingerprint(offset % 1000, b"h%d" % offset, offset, b"m%d" % offset)
    return checkpoint(uid, offset, fingerprint=mark, seen_as=b"/%d" % offset, generation=offset // STEP)


CHILD = """
import sys
from pathlib import Path
from shipper.checkpoints import CheckpointStore
from shipper.events import Events
from tests.unit.test_checkpoints import FILES, STEP, numbered
store = CheckpointStore.open(Path(sys.argv[1]), Events(lambda *event: print("event", *event, flush=True)))
loaded = store.load()
if not loaded:
    store.record_first_scan("nginx", [numbered(f"f{i}", 0) for i in range(FILES)])
    print("scanned", flush=True)
round = max([file.offset for source in loaded.values() for file in source.files], default=0) // STEP
while True:
    round += 1
    print("submitting", round, flush=True)
    for part in range(4):
        store.submit(numbered(f"f{i}", round * STEP) for i in range(part, FILES, 4))
    if round % 3 == 0:
        store.submit([numbered(f"once{round}", 0)], removed=[("nginx", f"once{round - 3}")])
    if not store.flush(20):
        sys.exit("not flushed")
    print("confirmed", round, flush=True)
"""


def test_killed_at_any_moment_it_is_never_behind_what_was_confirmed(state: Path) -> None:
    chance = random.Random(20261123)
    scanned, confirmed, submitting = False, 0, 0
    for turn in range(12):
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, state],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        ) as child:
            assert child.stdout is not None
            said: list[str] = []
            if turn % 4 == 0:  # while it starts, and so, once, while it makes the store
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(chance.uniform(0.1, 0.4))
            else:
                said += itertools.islice(child.stdout, chance.randrange(1, 60))
            child.kill()
            for line in [*said, *child.stdout]:
                if not line.endswith("\n"):
                    break  # it was killed while it said that
                match line.split():
                    case ["scanned"]:
                        scanned = True
                    case ["submitting", number]:
                        submitting = int(number)
                    case ["confirmed", number]:
                        confirmed = int(number)
                    case other:
                        pytest.fail(f"the child said {other}")
        assert child.returncode == -9
        log = Log()
        with opened(state, log) as s:
            loaded = s.load()
        assert log.told == []
        assert not scanned or loaded["nginx"].scanned
        if loaded:
            rows = {file.uid: file for file in loaded["nginx"].files}
            for i in range(FILES):
                row = rows[f"f{i}"]
                assert row == numbered(row.uid, row.offset)
                assert confirmed * STEP <= row.offset <= submitting * STEP
            assert len(rows) <= FILES + 1  # what was removed stays removed
    assert confirmed > 12
