"""Promise 5: renamed, copied and truncated, compressed, deleted, replaced, live or while stopped: each line once.

The lines of a log are one source over all its generations, so that a verdict also says whether a rotated generation
was finished before its successor (promise 2), and whether it kept the name under which it was first found.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.harness.kafka import Broker
from tests.harness.rig import Rig
from tests.harness.writer import COMPRESS, Log, compress

# What is more than may be in flight is unread.
UNREAD = {"count": 10_000, "size": 800}

# Rotated siblings outside the source's globs, and inside.
both_globs = pytest.mark.parametrize("glob", ["*.log", "*.log*"])
compressions = pytest.mark.parametrize(
    ("glob", "kind"), [("*.log", "gz"), ("*.log", "bz2"), ("*.log", "xz"), ("*.log", "zst"), ("*.log*", "gz")]
)


@pytest.fixture
def glob() -> str:
    return "*.log"


@pytest.fixture
def shipped(rig: Rig, glob: str) -> Log:
    """Return a log of which everything has been delivered, by a daemon that runs."""
    rig.source["paths"] = [f"{rig.logs}/{glob}"]
    log = rig.log()
    log.write(500)
    rig.start()
    rig.delivered()
    return log


@pytest.fixture
def left(shipped: Log, rig: Rig) -> Log:
    """Return a log of which everything has been delivered, by a daemon that was stopped then."""
    rig.daemon.stop()
    return shipped


@pytest.fixture
def blocked(distant_rig: Rig, broker: Broker) -> Log:
    """Return a log with unread lines: the daemon runs, the brokers are away."""
    distant_rig.kafka["max_in_flight"] = "1MiB"
    distant_rig.shipper["shutdown_timeout"] = "1s"
    log = distant_rig.log()
    log.write(100)
    distant_rig.start()
    distant_rig.delivered()
    broker.proxy.cut()
    log.write(**UNREAD)
    distant_rig.daemon.wait_for("brokers.away")
    distant_rig.daemon.wait_open(log.path)
    return log


# while it runs


@both_globs
def test_renamed(shipped: Log, rig: Rig) -> None:
    for count in (1, 2, 3):
        shipped.rotate()
        shipped.write(200)
        rig.delivered()
        rig.daemon.wait_for("file.rotated", count)
    rig.verify()


@both_globs
def test_copied_and_truncated(shipped: Log, rig: Rig) -> None:
    shipped.copytruncate()
    rig.daemon.wait_for("file.truncated")
    shipped.write(300)
    rig.delivered()
    shipped.copytruncate()
    shipped.write(1000)  # regrown to more than it had been
    rig.verify()


@compressions
def test_rotated_and_compressed(shipped: Log, rig: Rig, kind: str) -> None:
    for _ in range(3):
        compress(shipped.rotate(), kind)
        shipped.write(200)
        rig.delivered()
    rig.verify()


def test_compressed_one_rotation_later(shipped: Log, rig: Rig) -> None:
    for number in range(4):
        if number:
            compress(shipped.sibling(".1"))
        shipped.rotate()
        shipped.write(200)
        rig.delivered()
    rig.verify()


def test_renamed_to_names_with_a_date(shipped: Log, rig: Rig) -> None:
    for day in (21, 22, 23):
        os.rename(shipped.path, shipped.sibling(f"-202611{day}"))
        shipped.write(200)
    rig.verify()


def test_a_late_line_of_a_rotated_file_is_shipped(shipped: Log, rig: Rig) -> None:
    with shipped.hold() as held:
        shipped.rotate()
        shipped.write(100)
        rig.delivered()
        held.write(10)
        rig.delivered()
    rig.verify(order=False)


def test_replaced_under_its_inode(shipped: Log, rig: Rig) -> None:
    for count in (800, 20, 2000):
        shipped.replace(count)
        rig.delivered()
    rig.verify()


def test_replaced_by_a_rename_over_it(shipped: Log, rig: Rig) -> None:
    fresh = Log(rig.root / "fresh", rig.truth, shipped.source)
    for count in (800, 20):
        fresh.write(count)
        os.replace(fresh.path, shipped.path)
        rig.delivered()
    rig.verify()


def test_deleted_and_created_again(shipped: Log, rig: Rig) -> None:
    for count in (800, 20, 500):
        os.unlink(shipped.path)
        shipped.write(count)
        rig.delivered()
    rig.verify()


def test_the_same_beginning_in_every_generation(rig: Rig) -> None:
    header = b"#Version: 1.0\n" * 100
    log, other, expected = rig.log(), rig.log("other.log"), []

    def begin() -> None:
        body = log.make(1)[0]
        log.write_raw(header + body + b"\n")
        expected.extend([*header.splitlines(), body])
        rig.records(len(header.splitlines()) + len(expected))

    other.write_raw(header)
    rig.start()
    begin()
    log.rotate()
    begin()
    rig.daemon.stop()
    log.rotate()
    rig.start()
    begin()
    log.copytruncate()
    begin()
    rig.daemon.stop()
    rig.reader.read_to_end()
    assert rig.values(b"app.log") == expected
    assert rig.values(b"other.log") == header.splitlines()


# while the brokers are away


def test_renamed_with_unread_lines(blocked: Log, distant_rig: Rig, broker: Broker) -> None:
    for _ in range(3):
        blocked.rotate()
        blocked.write(**UNREAD)
    broker.proxy.heal()
    distant_rig.verify()


def test_renamed_and_deleted_with_unread_lines(blocked: Log, distant_rig: Rig, broker: Broker) -> None:
    for _ in range(3):
        os.unlink(blocked.rotate())  # held open by the daemon
        blocked.write(**UNREAD)
        distant_rig.daemon.wait_open(blocked.path)
    broker.proxy.heal()
    distant_rig.verify()


def test_compressed_with_unread_lines(blocked: Log, distant_rig: Rig, broker: Broker) -> None:
    compress(blocked.rotate())
    blocked.write(100)
    broker.proxy.heal()
    distant_rig.verify()


def test_copied_and_truncated_with_unread_lines(blocked: Log, distant_rig: Rig, broker: Broker) -> None:
    blocked.copytruncate()
    blocked.write(300)
    broker.proxy.heal()
    distant_rig.verify()


def test_copied_and_truncated_twice_with_unread_lines(blocked: Log, distant_rig: Rig, broker: Broker) -> None:
    blocked.copytruncate()
    blocked.write(**UNREAD)
    blocked.copytruncate()
    blocked.write(300)
    broker.proxy.heal()
    distant_rig.verify()


@pytest.mark.parametrize("how", ["rotate", "copytruncate"])
def test_killed_after_a_rotation_with_unread_lines(blocked: Log, distant_rig: Rig, broker: Broker, how: str) -> None:
    getattr(blocked, how)()
    blocked.write(**UNREAD)
    distant_rig.daemon.kill()
    broker.proxy.heal()
    distant_rig.start()
    distant_rig.verify(repeats=True)


@pytest.mark.parametrize("how", ["rotate", "copytruncate"])
def test_stopped_after_rotations_with_unread_lines(blocked: Log, distant_rig: Rig, broker: Broker, how: str) -> None:
    for _ in range(3):
        getattr(blocked, how)()
        blocked.write(**UNREAD)
    distant_rig.daemon.stop()
    broker.proxy.heal()
    distant_rig.start()
    distant_rig.verify(repeats=True)


def test_truncated_without_a_copy_is_told(blocked: Log, distant_rig: Rig, broker: Broker) -> None:
    distant_rig.truth.excuse()
    os.truncate(blocked.path, 0)
    blocked.write(50)
    broker.proxy.heal()
    distant_rig.delivered()
    distant_rig.daemon.wait_for("file.lost", path=str(blocked.path))
    distant_rig.verify(repeats=True)


# while it is stopped


@both_globs
def test_renamed_while_stopped(left: Log, rig: Rig) -> None:
    left.write(200)
    left.rotate()
    left.write(300)
    rig.start()
    rig.verify()


def test_renamed_while_stopped_and_not_written_again(left: Log, rig: Rig) -> None:
    left.write(200)
    left.rotate()
    rig.start()
    rig.verify()


def test_born_and_rotated_while_stopped(left: Log, rig: Rig) -> None:
    left.write(200)
    for _ in range(3):
        left.rotate()
        left.write(300)
    rig.start()
    rig.verify()


def test_born_and_rotated_to_names_with_a_date_while_stopped(left: Log, rig: Rig) -> None:
    left.write(200)
    for day in (21, 22, 23):
        os.rename(left.path, left.sibling(f"-202611{day}"))
        left.write(300)
    rig.start()
    rig.verify()


@compressions
def test_compressed_with_unread_lines_while_stopped(left: Log, rig: Rig, kind: str) -> None:
    left.write(200)
    compress(left.rotate(), kind)
    left.write(300)
    rig.start()
    rig.verify()


@both_globs
def test_compressed_when_read_while_stopped(left: Log, rig: Rig) -> None:
    compress(left.rotate())
    left.write(300)
    rig.start()
    rig.verify()


def test_rotated_while_it_ran_and_compressed_while_stopped(shipped: Log, rig: Rig) -> None:
    shipped.rotate()
    shipped.write(100)
    rig.delivered()
    rig.daemon.stop()
    compress(shipped.sibling(".1"))
    shipped.write(100)
    rig.start()
    rig.verify()


def test_born_rotated_and_compressed_while_stopped(left: Log, rig: Rig) -> None:
    left.write(200)
    for _ in range(3):
        compress(left.rotate())
        left.write(300)
    rig.start()
    rig.verify()


def test_a_compressed_file_is_read_when_it_is_complete(left: Log, rig: Rig) -> None:
    left.write(2000)
    packed = compress(left.rotate())
    left.write(100)
    whole = packed.read_bytes()
    packed.write_bytes(whole[: len(whole) // 2])
    rig.start()
    rig.log("other.log").write(1)
    assert not rig.reader.read_until(rig.truth.lines["other.log"])  # the daemon is at work
    with open(packed, "ab") as file:
        file.write(whole[len(whole) // 2 :])
    rig.verify(order=False)  # its successor need not wait for a file that may never be complete


@both_globs
@pytest.mark.parametrize("regrown", [50, 2000], ids=["to-less", "to-more"])
@pytest.mark.parametrize("unread", [0, 200], ids=["all-read", "unread"])
def test_copied_and_truncated_while_stopped(left: Log, rig: Rig, regrown: int, unread: int) -> None:
    left.write(unread)
    left.copytruncate()
    left.write(regrown)
    rig.start()
    rig.verify()


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "compressed"])
def test_copied_and_truncated_twice_while_stopped(left: Log, rig: Rig, packed: bool) -> None:
    left.write(200)
    for _ in range(2):
        copy = left.copytruncate()
        if packed:
            compress(copy)
        left.write(700)
    rig.start()
    rig.verify()


@pytest.mark.parametrize("count", [50, 2000], ids=["with-less", "with-more"])
def test_replaced_under_its_inode_while_stopped(left: Log, rig: Rig, count: int) -> None:
    left.replace(count)
    rig.start()
    rig.verify()


@pytest.mark.parametrize("count", [50, 2000], ids=["with-less", "with-more"])
def test_deleted_and_created_again_while_stopped(left: Log, rig: Rig, count: int) -> None:
    os.unlink(left.path)
    left.write(count)
    rig.start()
    rig.verify()


def test_truncated_while_it_ran_and_written_while_stopped(shipped: Log, rig: Rig) -> None:
    os.truncate(shipped.path, 0)
    rig.daemon.stop()
    shipped.write(300)
    rig.start()
    rig.verify()


def test_killed_again_and_again_while_rotating(rig: Rig) -> None:
    log = rig.log()
    log.write(200)
    rig.start()
    for round_ in range(6):
        log.write(300)
        log.rotate()
        log.write(300)
        if round_ % 2:
            log.rotate()
            log.write(1)
        rig.daemon.kill()
        log.rotate()
        log.write(200)
        rig.start()
    rig.verify(repeats=True)


# moved


def test_moved_inside_the_glob(shipped: Log, rig: Rig) -> None:
    moved = Log(shipped.path.with_name("moved.log"), rig.truth, shipped.source)
    os.rename(shipped.path, moved.path)
    moved.write(100)
    rig.verify(keys=False)


def test_moved_inside_the_glob_while_stopped(left: Log, rig: Rig) -> None:
    moved = Log(left.path.with_name("moved.log"), rig.truth, left.source)
    os.rename(left.path, moved.path)
    moved.write(100)
    rig.start()
    rig.verify(keys=False)


def test_moved_out_of_the_directory_and_written_there(shipped: Log, rig: Rig) -> None:
    elsewhere = rig.root / "elsewhere"
    elsewhere.mkdir()
    with shipped.hold() as held:
        os.rename(shipped.path, elsewhere / "app.log")
        held.write(100)
    rig.verify()


def test_a_moved_directory_keeps_its_files(rig: Rig) -> None:
    rig.source["paths"] = [f"{rig.logs}/**/*.log"]
    (rig.logs / "one").mkdir()
    log = rig.log("one/app.log")
    log.write(100)
    rig.start()
    rig.delivered()
    os.rename(rig.logs / "one", rig.logs / "two")
    moved = Log(Path(rig.logs / "two" / "app.log"), rig.truth, log.source)
    moved.write(100)
    rig.verify()


# the last line


@pytest.mark.parametrize("how", ["deleted", "rotated"])
def test_a_last_line_without_its_end(shipped: Log, rig: Rig, how: str) -> None:
    shipped.write_raw(shipped.make(1)[0])
    if how == "deleted":
        rig.daemon.wait_open(shipped.path)
        os.unlink(shipped.path)
    else:
        shipped.rotate()
    shipped.write(10)
    rig.verify()


def test_a_last_line_without_its_end_in_a_file_rotated_while_stopped(left: Log, rig: Rig) -> None:
    left.write_raw(left.make(1)[0])
    left.rotate()
    left.write(10)
    rig.start()
    rig.verify()


def test_a_line_that_is_completed_while_stopped(shipped: Log, rig: Rig) -> None:
    line = shipped.make(1)[0]
    shipped.write_raw(line[:4])
    rig.daemon.stop()
    shipped.write_raw(line[4:] + b"\n")
    rig.start()
    rig.verify()


# the first scan


def test_the_first_scan_leaves_rotated_siblings_alone(rig: Rig) -> None:
    log = rig.log()
    log.sibling(".1").write_bytes(b"from before\n")
    log.sibling(".2.gz").write_bytes(COMPRESS["gz"](b"from long before\n"))
    log.write(100)
    rig.start()
    rig.delivered()
    log.rotate()
    log.write(100)
    rig.delivered()
    rig.daemon.stop()
    compress(log.sibling(".2"))  # what was left alone is known by its content, too
    rig.start()
    rig.verify()
