"""A first scan that cannot be saved: nothing is sent before it can be, and then what is there is what counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.checkpoints.database import Database
from shipper.errors import StateError
from shipper.source import UNSAVED
from tests.unit.rig import PumpRig


def test_what_came_meanwhile_is_sent_as_soon_as_the_scan_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Database, source: str, files: object) -> None:
        raise StateError("the disk is full")

    with PumpRig(tmp_path) as rig, monkeypatch.context() as patched:
        (rig.logs / "old.log").write_bytes(b"old\n")
        patched.setattr(Database, "record_first_scan", full)
        rig.start()
        rig.pass_time(100)
        (rig.logs / "gone.log").write_bytes(b"gone\n")
        (rig.logs / "new.log").write_bytes(b"new\n")
        rig.pass_time(5)
        (rig.logs / "gone.log").unlink()
        rig.pass_time(5)
        assert rig.lines == []
        assert rig.source.why_idle == "waits until its first scan can be saved"
        assert rig.source.problem == UNSAVED
        assert set(rig.names("source.")) == {"source.scan_unsaved"}
        patched.undo()
        rig.pass_time(3)
        assert sorted(rig.lines) == ["new", "old"]
        assert rig.source.problem != UNSAVED
        rig.stop()
