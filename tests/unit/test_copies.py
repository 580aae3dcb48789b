"""A copy is left alone while the file itself can be read, and is all that there is when it cannot be any more."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

from tests.unit.rig import PumpRig


def test_killed_after_the_copy_was_left_alone_and_before_anything_was_acknowledged(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log, rotated, packed = (rig.logs / name for name in ("app.log", "app.log.1", "app.log.1.gz"))
        log.write_bytes(b"one\ntwo\n")
        rig.start(up=False)
        log.rename(rotated)
        log.write_bytes(b"three\n")
        rig.beat()
        packed.write_bytes(gzip.compress(b"one\ntwo\n"))
        rig.beat()
        rotated.unlink()  # held open
        rig.pass_time(2)
        assert "file.copy" in rig.names()
        rig.sink.on_poll = lambda: setattr(rig, "now", rig.now + 1.0)  # the deadline of its drain
        rig.stop()
        rig.start().pass_time(10)
        assert rig.lines == ["one", "two", "three"]
        assert "file.lost" not in rig.names()


def test_truncated_while_stopped_after_the_copy_was_left_alone_and_before_anything_was_acknowledged(
    tmp_path: Path,
) -> None:
    with PumpRig(tmp_path) as rig:
        log, copy = rig.logs / "app.log", rig.logs / "app.log.1"
        log.touch()
        rig.start(up=False)
        rig.pass_time(2)  # saved, as an empty file
        log.write_bytes(b"one\ntwo\n")
        rig.beat()
        copy.write_bytes(log.read_bytes())
        rig.pass_time(2)
        assert "file.copy" in rig.names()
        rig.sink.on_poll = lambda: setattr(rig, "now", rig.now + 1.0)  # the deadline of its drain
        rig.stop()
        os.truncate(log, 0)
        log.write_bytes(b"three\n")
        rig.start().pass_time(10)
        assert rig.lines == ["one", "two", "three"]
        assert "file.lost" not in rig.names()
