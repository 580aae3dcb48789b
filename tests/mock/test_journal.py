"""The daemon reads a journal: kills, restarts, rotation, a vacuum and a damaged file, from outside."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.harness.daemon import UNPRIVILEGED
from tests.harness.journal import JournalFiles, needed
from tests.harness.rig import Rig


def test_kills_restarts_rotation_a_vacuum_and_damage(rig: Rig) -> None:
    needed()
    files = JournalFiles(rig.root / "journal")
    rig.source = {"type": "journald", "directory": str(files.directory), "topic": rig.topic, "key": "journal"}
    lines = files.write(4000)
    for _ in range(3):
        rig.start()
        rig.records(len(rig.reader.records) + 1)
        rig.daemon.kill()
        lines += files.write(500)
    files.path("broken").write_bytes(b"no journal" * 1000)
    os.utime(files.path("broken"), (0, 0))  # one that was written to just now may be about to be made
    rig.start()
    files.rotate("system@1")
    lines += files.write(500)
    rig.daemon.wait_for("journal.damaged", source="logs", path=str(files.path("broken")))
    assert not rig.reader.read_until(line.encode() for line in lines)
    rig.daemon.stop()

    files.rotate("system@2")
    files.write(10)
    files.rotate("system@3")
    newer = files.write(10)
    for name in ("system@1", "system@2", "system@3"):
        files.vacuum(name)
    rig.start().wait_for("journal.gap", source="logs")
    assert not rig.reader.read_until(line.encode() for line in newer)
    rig.daemon.stop()
    rig.reader.read_to_end()
    arrived = [record.value.decode() for record in sorted(rig.reader.records)]
    assert list(dict.fromkeys(arrived)) == lines + newer  # in order, each for the first time

    count = len(rig.reader.records)
    rig.start()
    (last,) = files.write(1)
    assert not rig.reader.read_until([last.encode()])
    rig.daemon.stop()
    rig.reader.read_to_end()
    assert [record.value.decode() for record in rig.reader.records[count:]] == [last]  # a clean stop doubles nothing


@pytest.mark.parametrize("denied", ["the files", "the directory"])
def test_a_user_who_may_read_nothing_of_the_journal_is_told_so_in_one_sentence(rig: Rig, denied: str) -> None:
    needed()
    files = JournalFiles(rig.root / "journal")
    rig.source = {"type": "journald", "directory": str(files.directory), "topic": rig.topic, "key": "journal"}
    (line,) = files.write(1)
    what = files.path() if denied == "the files" else files.directory
    mode = what.stat().st_mode
    what.chmod(0)
    daemon = rig.launch(UNPRIVILEGED)
    told = daemon.wait_for("journal.unreadable", source="logs")
    assert told.fields["reason"] == f"this user may not read any of it, as {what}: Permission denied"
    assert told.fields["then"].startswith("add the daemon's user to the group systemd-journal")
    ran = [*UNPRIVILEGED, sys.executable, "-m", "shipper", "check", "-c", str(rig.config)]
    checked = subprocess.run(ran, capture_output=True, text=True, timeout=60, check=False)
    assert f"{what} of the journal: not readable by this user; add them to the group systemd-journal" in checked.stderr
    daemon.wait_for("service.ready")
    assert [event.name for event in daemon.events if event.level in ("WARN", "ERROR")] == ["journal.unreadable"]
    what.chmod(mode)
    daemon.wait_for("journal.readable")
    assert not rig.reader.read_until([line.encode()])
    daemon.stop()
