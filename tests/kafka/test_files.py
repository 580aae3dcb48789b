"""Which files are shipped, under which names, and what a line is."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.daemon import UNPRIVILEGED
from tests.harness.rig import Rig
from tests.harness.wait import eventually
from tests.harness.writer import Log

# names


@pytest.mark.parametrize(
    "name",
    [b"caf\xe9 \xff.log", b"two\nlines.log", b"-n 'quoted\" $HOME.log", "日本.log".encode(), b"[a]*?.log"],
    ids=["not-utf8", "newline", "shell", "unicode", "glob-characters"],
)
def test_a_name_of_any_bytes(rig: Rig, name: bytes) -> None:
    log = rig.log(name)
    log.write(100)
    rig.start()
    rig.delivered()
    rig.daemon.stop()
    log.write(100)
    log.rotate()
    rig.start()
    log.write(100)
    rig.verify()


def test_a_hard_link_is_the_same_file(rig: Rig) -> None:
    log = rig.log("a.log")
    log.write(100)
    os.link(log.path, rig.logs / "b.log")
    rig.start()
    rig.delivered()
    os.link(log.path, rig.logs / "c.log")
    log.write(100)
    rig.verify(keys=False)


def test_a_symbolic_link_is_the_same_file(rig: Rig) -> None:
    log = rig.log("a.log")
    log.write(100)
    (rig.logs / "b.log").symlink_to(log.path)
    rig.start()
    rig.delivered()
    (rig.logs / "c.log").symlink_to("a.log")
    log.write(100)
    rig.verify(keys=False)


@pytest.mark.parametrize("live", [True, False], ids=["live", "while-stopped"])
def test_a_symbolic_link_that_is_pointed_elsewhere(rig: Rig, live: bool) -> None:
    data, link = rig.root / "data", rig.logs / "current.log"
    data.mkdir()
    first, second = (Log(data / name, rig.truth, "current.log") for name in ("first", "second"))
    rig.truth.keys["current.log"] = b"current.log"
    first.write(200)
    link.symlink_to(first.path)
    rig.start()
    rig.delivered()
    if not live:
        rig.daemon.stop()
    second.write(300)
    new = rig.root / "new"
    new.symlink_to(second.path)
    os.replace(new, link)
    if not live:
        rig.start()
    rig.delivered()
    second.write(100)
    rig.verify()


def test_a_link_to_a_file_outside_is_followed_while_it_grows(rig: Rig) -> None:
    data = rig.root / "data"
    data.mkdir()
    log = Log(data / "app", rig.truth, "app.log")
    rig.truth.keys["app.log"] = b"app.log"
    log.write(10)
    (rig.logs / "app.log").symlink_to(log.path)
    rig.start()
    for _ in range(5):
        log.write(50)
        rig.delivered()
    rig.verify()


def test_a_dangling_link_is_read_once_its_target_is_there(rig: Rig) -> None:
    target = rig.root / "later"
    (rig.logs / "app.log").symlink_to(target)
    rig.shipper["scan_interval"] = "1s"  # nothing watches the directory of a target that is not there
    rig.start()
    log = Log(target, rig.truth, "app.log")
    rig.truth.keys["app.log"] = b"app.log"
    log.write(100)
    rig.verify()


def test_what_is_no_regular_file_is_left_alone(rig: Rig) -> None:
    os.mkfifo(rig.logs / "fifo.log")
    (rig.logs / "directory.log").mkdir()
    (rig.logs / "null.log").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as sock:
        here = os.getcwd()
        os.chdir(rig.logs)  # the path of a socket is limited to 107 bytes
        try:
            sock.bind("socket.log")
        finally:
            os.chdir(here)
        log = rig.log()
        log.write(100)
        rig.start()
        os.mkfifo(rig.logs / "later.log")
        log.write(100)
        rig.verify()


def test_an_unreadable_file_is_read_once_it_can_be(rig: Rig) -> None:
    rig.shipper["scan_interval"] = "1s"
    secret, other = rig.log("secret.log"), rig.log("other.log")
    secret.write(100)
    secret.path.chmod(0)
    other.write(100)
    rig.start(UNPRIVILEGED)
    assert not rig.reader.read_until(rig.truth.lines["other.log"])
    secret.path.chmod(0o600)
    rig.verify()


# which


def test_directories_that_come_later(rig: Rig) -> None:
    rig.source["paths"] = [f"{rig.logs}/**/*.log"]
    rig.start()
    for number in range(5):
        deep = f"{number}/a/b/c"
        (rig.logs / deep).mkdir(parents=True)
        rig.log(f"{deep}/app{number}.log").write(50)
        rig.log(f"{number}/top{number}.log").write(50)
    rig.delivered()
    for number in range(5):
        rig.log(f"{number}/a/b/c/app{number}.log").write(50)
    rig.verify()


def test_a_directory_that_is_moved_in(rig: Rig) -> None:
    rig.source["paths"] = [f"{rig.logs}/**/*.log"]
    rig.start()
    outside = rig.root / "outside"
    (outside / "deep").mkdir(parents=True)
    Log(outside / "deep" / "app.log", rig.truth).write(100)
    os.rename(outside, rig.logs / "inside")
    rig.delivered()
    rig.log("inside/deep/app.log").write(100)
    rig.verify()


def test_a_directory_that_is_not_there_yet(rig: Rig) -> None:
    rig.source["paths"] = [f"{rig.root}/later/*/*.log"]
    rig.start()
    (rig.root / "later" / "one").mkdir(parents=True)
    log = Log(rig.root / "later" / "one" / "app.log", rig.truth)
    log.write(100)
    rig.verify(end=lambda: Log(rig.root / "later" / "one" / "~end.log", rig.truth))


def test_what_is_excluded_is_left_alone(rig: Rig) -> None:
    rig.source["exclude"] = ["*.debug.log", "**/private/**"]
    rig.source["paths"] = [f"{rig.logs}/**/*.log"]
    (rig.logs / "private").mkdir()
    (rig.logs / "a.debug.log").write_bytes(b"never a\n")
    (rig.logs / "private" / "b.log").write_bytes(b"never b\n")
    rig.log().write(10)
    rig.start()
    (rig.logs / "c.debug.log").write_bytes(b"never c\n")
    (rig.logs / "private" / "d.log").write_bytes(b"never d\n")
    rig.verify()


def test_a_file_of_two_sources_is_shipped_once_by_each(rig: Rig) -> None:
    rig.more_sources["again"] = {"paths": [f"{rig.logs}/app.log"], "topic": rig.topic, "key": "{source}"}
    log = rig.log()
    lines = log.make(100)
    log.write_raw(b"".join(line + b"\n" for line in lines))
    rig.start()
    rig.records(200)
    rig.daemon.stop()
    rig.reader.read_to_end()
    assert rig.values(b"app.log") == lines
    assert rig.values(b"again") == lines


def test_a_polled_source(rig: Rig) -> None:
    rig.source["watch"] = "poll"
    rig.shipper["scan_interval"] = "1s"
    log = rig.log()
    log.write(100)
    rig.start()
    log.write(100)
    rig.log("new.log").write(100)
    rig.delivered()
    log.rotate()
    log.write(100)
    rig.verify()


# many


def test_events_that_overflow_the_kernels_queue(rig: Rig) -> None:
    log = rig.log()
    log.write(10)
    daemon = rig.start()
    rig.delivered()
    queue = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    daemon.pause()
    for _ in range(queue // 2 + 1000):  # a creation and a deletion each
        os.close(os.open(rig.logs / "junk", os.O_CREAT | os.O_WRONLY))
        os.unlink(rig.logs / "junk")
    for number in range(50):
        rig.log(f"new{number}.log").write(10)
    log.write(10)
    log.rotate()
    log.write(10)
    daemon.resume()
    rig.verify()


def test_a_storm_of_files_that_come_and_go(rig: Rig) -> None:
    rig.start()
    log = rig.log()
    for number in range(2000):
        passing = rig.logs / f"passing{number}.tmp"
        passing.write_bytes(b"never\n")
        os.rename(passing, rig.logs / "passing.tmp")
        if number % 20 == 0:
            log.write(5)
            rig.log(f"f{number}.log").write(5)
    rig.verify()


@pytest.mark.parametrize("limit", ["max_open_files", "RLIMIT_NOFILE"])
def test_more_files_than_may_be_open(rig: Rig, limit: str) -> None:
    prefix = ["prlimit", "--nofile=120:120"] if limit == "RLIMIT_NOFILE" else []
    if not prefix:
        rig.shipper["max_open_files"] = 20
    logs = [rig.log(f"f{number:03}.log") for number in range(300)]
    for log in logs[:200]:
        log.write(5)
    daemon = rig.start(prefix)
    for _ in range(3):
        for log in logs:
            log.write(5)
        rig.delivered()
    for log in logs[::10]:
        log.rotate()
        log.write(5)
    rig.delivered()
    if not prefix:
        held = [path for path in daemon.open_paths() if path.startswith(f"{rig.logs}/")]
        assert len(held) <= 20
    rig.verify()


def test_a_deleted_file_that_was_read_is_closed(rig: Rig) -> None:
    log = rig.log()
    log.write(100)
    daemon = rig.start()
    rig.delivered()
    os.unlink(log.path)
    eventually("the deleted file to be closed", lambda: not any("(deleted)" in p for p in logs_held(daemon.open_paths)))
    rig.verify()


def logs_held(open_paths: Callable[[], list[str]]) -> list[str]:
    return [path for path in open_paths() if ".log" in path]


@pytest.mark.parametrize("partitions", [1])
def test_a_long_backlog_does_not_starve_a_small_file(rig: Rig) -> None:
    big, small = rig.log("big.log"), rig.log("small.log")
    for _ in range(20):
        big.write(10_000, size=200)
    small.write(10)
    rig.start()
    rig.verify()
    where = {record.value: record.kafka_offset for record in rig.reader.records}
    assert where[rig.truth.lines["small.log"][-1]] < where[rig.truth.lines["big.log"][-1]]


# lines


def test_empty_lines_and_line_ends_of_both_kinds(rig: Rig) -> None:
    log = rig.log()
    log.write_raw(b"one\n\n\r\ntwo\r\n\n a\rb \r\r\n\n")
    rig.log("empty.log").write_raw(b"\n\n\n")
    rig.start()
    rig.records(10)
    rig.daemon.stop()
    log.write_raw(b"\n\nlast\n")
    rig.start()
    rig.records(13)
    rig.daemon.stop()
    rig.reader.read_to_end()
    assert rig.values(b"app.log") == [b"one", b"", b"", b"two", b"", b" a\rb \r", b"", b"", b"", b"last"]
    assert rig.values(b"empty.log") == [b"", b"", b""]


@pytest.mark.parametrize("length", [900 * 1024, 900 * 1024 + 1, 5_000_000])
def test_a_line_that_is_too_long_is_split_and_nothing_is_lost(rig: Rig, length: int) -> None:
    log = rig.log()
    line = bytes(97 + (number // 1000) % 26 for number in range(length))
    log.write_raw(b"before\n" + line + b"\nafter\n")
    rig.start()
    assert not rig.reader.read_until([b"after"])
    rig.daemon.stop()
    log.write_raw(b"more\n")
    rig.start()
    assert not rig.reader.read_until([b"more"])
    rig.daemon.stop()
    rig.reader.read_to_end()
    first, *parts, after, more = rig.values(b"app.log")
    assert (first, after, more) == (b"before", b"after", b"more")
    assert b"".join(parts) == line
    assert len(parts) == -(-length // (900 * 1024))
