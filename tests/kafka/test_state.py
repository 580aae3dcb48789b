"""What is remembered: the first scan, the offsets, and what happens when the store is damaged or cannot be written."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.harness.kafka import Broker
from tests.harness.rig import Rig
from tests.harness.wait import eventually


def stores(state: Path) -> list[Path]:
    """Return the SQLite files in the state directory."""
    return [path for path in state.rglob("*") if path.is_file() and path.read_bytes()[:15] == b"SQLite format 3"]


def excused(rig: Rig, name: str, count: int) -> None:
    """Write lines that need not arrive, and must not."""
    (rig.logs / name).write_bytes(b"".join(b"never %d\n" % number for number in range(count)))


@pytest.mark.parametrize("start_at", ["beginning", "end"])
@pytest.mark.parametrize("how", ["overwritten", "emptied", "cut short"])
def test_a_damaged_store_is_set_aside_and_everything_is_read_again(rig: Rig, how: str, start_at: str) -> None:
    rig.source["start_at"] = start_at
    rig.start()
    log = rig.log()
    log.write(500)
    rig.delivered()
    rig.daemon.stop()
    found = stores(rig.state)
    assert found
    for path in found:
        whole = path.read_bytes()
        path.write_bytes({"overwritten": b"\xa5" * len(whole), "emptied": b"", "cut short": whole[:5000]}[how])
    damaged = {path.read_bytes() for path in found}
    first = len(rig.reader.records)
    daemon = rig.start()
    rig.records(first + 500)
    assert any(event.level == "ERROR" for event in daemon.events), daemon.log()
    if how != "emptied":
        kept = {path.read_bytes() for path in rig.state.rglob("*") if path.is_file()}
        assert damaged <= kept, "the damaged store was not kept"
    log.write(10)
    rig.verify(repeats=True)


def test_start_at_the_end(rig: Rig) -> None:
    rig.source["start_at"] = "end"
    excused(rig, "app.log", 100)
    log = rig.log()
    rig.start()
    log.write(50)
    rig.log("new.log").write(50)
    rig.delivered()
    rig.daemon.stop()
    rig.log("born-while-stopped.log").write(50)
    log.write(50)
    rig.start()
    rig.verify()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_the_first_scan_counts_even_if_nothing_could_be_sent(distant_rig: Rig, broker: Broker, how: str) -> None:
    distant_rig.source["start_at"] = "end"
    excused(distant_rig, "app.log", 100)
    log = distant_rig.log()
    broker.proxy.cut()
    daemon = distant_rig.start()
    getattr(daemon, how)()
    log.write(50)
    distant_rig.log("new.log").write(50)
    broker.proxy.heal()
    distant_rig.start()
    distant_rig.verify()


def test_files_of_the_first_scan_that_are_old_are_left_alone(rig: Rig) -> None:
    rig.source["ignore_older"] = "1h"
    excused(rig, "old.log", 100)
    long_ago = time.time() - 7200
    os.utime(rig.logs / "old.log", (long_ago, long_ago))
    rig.log("young.log").write(100)
    rig.start()
    rig.delivered()
    late = rig.log("late.log")
    late.write(100)
    os.utime(late.path, (long_ago, long_ago))  # after the first scan no clock decides
    rig.delivered()
    rig.daemon.stop()
    later = rig.log("later.log")
    later.write(100)
    os.utime(later.path, (long_ago, long_ago))
    rig.start()
    rig.verify()


def test_what_is_added_to_a_file_that_was_left_as_too_old_is_shipped(rig: Rig) -> None:
    rig.source["ignore_older"] = "1h"
    excused(rig, "app.log", 100)
    long_ago = time.time() - 7200
    os.utime(rig.logs / "app.log", (long_ago, long_ago))
    rig.start()
    rig.log().write(50)
    rig.verify()


def test_a_full_disk_under_the_state_directory_loses_nothing(rig: Rig) -> None:
    log = rig.log()
    log.write(100)
    rig.start()
    rig.delivered()
    rig.daemon.stop()
    # No file may grow beyond this: to the store, the disk is full.
    daemon = rig.start(["prlimit", "--fsize=100:100"])
    log.write(100)
    rig.delivered()
    eventually(
        "the daemon to say that it cannot save",
        lambda: any(e.level in ("WARN", "ERROR") and e.name.startswith("checkpoint") for e in daemon.events),
    )
    daemon.kill()
    log.write(100)
    rig.start()
    rig.verify(repeats=True)


def test_a_source_that_is_added_later_has_a_first_scan_of_its_own(rig: Rig) -> None:
    rig.log().write(100)
    rig.start()
    rig.delivered()
    rig.daemon.stop()
    more = rig.root / "more"
    more.mkdir()
    (more / "more.log").write_bytes(b"never\n")
    rig.more_sources["more"] = {
        "paths": [f"{more}/*.log"],
        "topic": rig.topic,
        "key": "{filename}",
        "start_at": "end",
    }
    rig.start().wait_for("source.scanned", source="more")
    with open(more / "more.log", "ab") as file:
        file.write(b"shipped\n")
    rig.records(101)
    rig.daemon.stop()
    rig.reader.read_to_end()
    assert rig.values(b"more.log") == [b"shipped"]


def test_offsets_go_on_over_many_short_runs(rig: Rig) -> None:
    log = rig.log()
    for _ in range(6):
        log.write(7)
        rig.start()
        rig.delivered()
        rig.daemon.stop()
    rig.verify()
