"""Checkpoints that a person changes: what the daemon then does, and what is refused."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from shipper.checkpoints import CheckpointStore, database
from shipper.checkpoints.database import Database
from shipper.checkpoints.edit import STEP, Editor
from shipper.config import FileConfig
from shipper.errors import EditError, StateBusy, StateError
from shipper.events import Events
from shipper.model import EDIT, Checkpoint, Edit, FileId, FileState
from tests.unit.rig import PumpRig

LINES = ["one", "two", "three"]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log whose lines have been delivered, with a rotated one that was there before."""
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.log.1").write_text("older\n")
    (logs / "a.log").write_text("".join(line + "\n" for line in LINES))
    assert run(tmp_path) == LINES
    return logs / "a.log"


def run(root: Path, source: str = "s") -> list[str]:
    """Let a daemon run until it has nothing more to do; returns what it sent."""
    with PumpRig(root) as rig:
        if source != "s":
            rig.config.sources[source] = FileConfig(
                name=source, paths=rig.config.of_files["s"].paths, topic="t", key="{filename}"
            )
            del rig.config.sources["s"]
        rig.start()
        rig.pass_time(2)
        rig.stop()
        return rig.lines


def path(log: Path) -> bytes:
    return str(log).encode()


def test_a_file_goes_on_where_a_person_says(tmp_path: Path, state: Path, log: Path) -> None:
    with Editor(state) as editor:
        old, new = editor.set("s", path(log), 4)
    assert (old.offset, new.offset, new.start) == (14, 4, 0)
    assert new.revision == old.revision + EDIT
    assert run(tmp_path) == ["two", "three"]
    log.write_text(log.read_text() + "four\nfive\n")
    with Editor(state) as editor:
        editor.set("s", path(log), 19)
    assert run(tmp_path) == ["five"]
    assert run(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_link_is_followed_for_who_names_it(tmp_path: Path, state: Path, log: Path) -> None:
    log.rename(tmp_path / "elsewhere")
    log.symlink_to(tmp_path / "elsewhere")
    os.chown(log, 4711, 4711, follow_symlinks=False)
    with Editor(state) as editor:
        assert editor.set("s", path(log), 4)[1].offset == 4


def test_a_finished_file_is_read_again_before_its_successor(tmp_path: Path, state: Path, log: Path) -> None:
    with PumpRig(tmp_path) as rig:
        rig.start()
        log.rename(log.with_name("a.log.0"))
        log.write_text("next\n")
        rig.pass_time(10)
        rig.stop()
        assert rig.lines == ["next"]
    with Editor(state) as editor:
        old, new = editor.set("s", path(log.with_name("a.log.0")), 8)
        assert (old.state, new.state) == (FileState.FINISHED, FileState.OPEN)
        editor.set("s", path(log), 0)
    assert run(tmp_path) == ["three", "next"]


def test_a_compressed_file_counts_its_decompressed_bytes(tmp_path: Path, state: Path, log: Path) -> None:
    packed = log.with_name("a.log.2.gz")
    log.rename(log.with_name("a.log.2"))
    assert run(tmp_path) == []
    packed.write_bytes(gzip.compress(log.with_name("a.log.2").read_bytes()))
    log.with_name("a.log.2").unlink()
    log.write_text("new\n")
    assert run(tmp_path) == ["new"]
    with Editor(state) as editor:
        with pytest.raises(EditError, match=r"has 14 bytes; 15 is behind its end"):
            editor.set("s", path(packed), 15)
        editor.set("s", path(packed), 8)
    assert run(tmp_path) == ["three"]


def test_what_cannot_be_set_is_refused_with_what_would_be_right(tmp_path: Path, state: Path, log: Path) -> None:
    log.write_text(log.read_text() + "x" * (2 * STEP) + "\n" + "half")
    moved = log.with_name("other")
    with Editor(state) as editor:
        with pytest.raises(EditError, match=r"5 is in the middle of a line; a line begins at 4 or 8"):
            editor.set("s", path(log), 5)
        with pytest.raises(EditError, match=rf"a line begins at 14 or {15 + 2 * STEP:,}"):
            editor.set("s", path(log), 14 + STEP + 7)
        with pytest.raises(EditError, match=rf"a line begins at {15 + 2 * STEP:,}$"):
            editor.set("s", path(log), 17 + 2 * STEP)
        with pytest.raises(EditError, match="is behind its end"):
            editor.set("s", path(log), 10_000_000)
        with pytest.raises(EditError, match='source "t" has no checkpoints; there are some of "s"'):
            editor.set("t", path(log), 0)
        with pytest.raises(EditError, match='source "s" has no checkpoint of /nowhere'):
            editor.set("s", b"/nowhere", 0)
        with pytest.raises(EditError, match="was there at the first scan and is not read; `checkpoints reset`"):
            editor.set("s", path(log.with_name("a.log.1")), 0)
        log.rename(moved)
        with pytest.raises(EditError, match="cannot be read: No such file"):
            editor.set("s", path(log), 0)
        log.write_text("another\n")
        with pytest.raises(EditError, match="is another file now"):
            editor.set("s", path(log), 0)
        log.unlink()
    moved.rename(log)
    assert run(tmp_path) == ["x" * (2 * STEP)]


def test_a_file_that_is_forgotten_is_read_whole_and_no_other(tmp_path: Path, state: Path, log: Path) -> None:
    log.with_name("b.log").write_text("b\n")
    assert run(tmp_path) == ["b"]
    with Editor(state) as editor:
        editor.remove([c for c in editor.states["s"].files if c.seen_as == path(log)])
    assert run(tmp_path) == LINES


def test_a_sibling_that_was_left_alone_is_read_once_it_is_forgotten(tmp_path: Path, state: Path, log: Path) -> None:
    with Editor(state) as editor:
        editor.remove([c for c in editor.states["s"].files if c.state is FileState.LEFT])
    assert run(tmp_path) == ["older"]


def test_a_source_that_is_forgotten_has_its_first_scan_again(tmp_path: Path, state: Path, log: Path) -> None:
    with Editor(state) as editor:
        editor.forget(["s", "unknown"])
    with Editor(state) as editor:
        assert editor.states == {}
    assert run(tmp_path) == LINES  # and not what was rotated before


def test_a_source_with_another_name_goes_on(tmp_path: Path, state: Path, log: Path) -> None:
    with Editor(state) as editor:
        assert editor.rename("s", "t") == 2
        with pytest.raises(EditError, match='source "s" has no checkpoints; there are some of "t"'):
            editor.rename("s", "u")
    log.write_text(log.read_text() + "four\n")
    assert run(tmp_path, source="t") == ["four"]


def test_checkpoints_are_never_given_to_a_source_that_has_some(tmp_path: Path, state: Path, log: Path) -> None:
    assert run(tmp_path, source="t") == LINES
    with Editor(state) as editor, pytest.raises(EditError, match='source "t" has checkpoints of its own'):
        editor.rename("s", "t")


def test_edits_are_kept_for_what_is_saved_elsewhere(state: Path, log: Path) -> None:
    with Editor(state) as editor:
        gone = editor.states["s"].files[:1]
        editor.remove(gone)
        editor.rename("s", "t")
    with Editor(state) as editor:
        editor.forget(["t"])
    store = CheckpointStore.open(state, Events(lambda *_: None))
    try:
        edits = [Edit(1, "s", gone[0].uid, ""), Edit(2, "s", "", "t"), Edit(3, "t", "", "")]
        assert store.edits() == (3, edits)
        store.set_edits(9)
        assert store.edits() == (9, edits)
    finally:
        store.close()


def test_an_edit_is_done_whole_or_not_at_all(state: Path, log: Path) -> None:
    opened = Database(state / database.NAME)
    try:
        before = opened.load()
        new = Checkpoint("u", "new", b"/a", b"/a", FileId(1, 1), 0, 0)
        twice = Edit(1, "s", "", "")
        with pytest.raises(StateError, match="cannot edit checkpoints"):
            opened.edit([new], [("s", before["s"].files[0].uid)], [twice, twice], scanned=["new"], unscanned=["s"])
        assert opened.load() == before
        assert opened.edits() == (0, [])
    finally:
        opened.close()


def test_nothing_is_edited_while_a_daemon_runs(tmp_path: Path, state: Path, log: Path) -> None:
    with PumpRig(tmp_path), pytest.raises(StateBusy, match="another daemon"):
        Editor(state)


def test_a_store_that_is_not_there_or_damaged_is_told(tmp_path: Path, state: Path, log: Path) -> None:
    with pytest.raises(StateError, match="is not there; has the daemon run"):
        Editor(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    (state / database.NAME).write_bytes(b"")
    for _ in range(2):  # and the lock is free again
        with pytest.raises(StateError, match=r"is damaged \(it is empty\); the daemon sets it aside"):
            Editor(state)
