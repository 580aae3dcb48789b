"""One source of files against stories that happen to logs: what arrives, in which order, and what is saved."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from shipper.filesource.source import LOOKS
from shipper.model import FileId, FileState, TopicState
from tests.sim.brokers import NO_TOPIC, PURGED, REFUSED
from tests.unit.bench import Bench
from tests.unit.rig import append

Make = Callable[..., Bench]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Return a bench over ``tmp_path``; its daemon is not started."""
    benches: list[Bench] = []

    def make_(*globs: str, **settings: Any) -> Bench:
        benches.append(Bench(tmp_path, *globs, **settings))
        return benches[-1]

    yield make_
    for bench in benches:
        bench.close()


@pytest.fixture
def bench(make: Make) -> Bench:
    """A daemon that has looked once, and found nothing."""
    bench = make()
    bench.start()
    bench.tell()
    return bench


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "a.log"


def sibling(path: Path, ending: str) -> Path:
    return path.with_name(f"{path.name}.{ending}")


def rotate(path: Path) -> None:
    """Rename ``path`` to ``.1``, and those to ``.2`` and ``.3``."""
    for older, newer in (("3", "2"), ("2", "1")):
        if sibling(path, newer).exists():
            sibling(path, newer).rename(sibling(path, older))
    path.rename(sibling(path, "1"))


def copy_and_truncate(path: Path, ending: str = "1") -> None:
    sibling(path, ending).write_bytes(path.read_bytes())
    os.truncate(path, 0)


def pack(path: Path) -> None:
    sibling(path, "gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def restart(bench: Bench) -> None:
    bench.stop()
    bench.start()


# --- rotation by renaming ---


@pytest.mark.parametrize("reads", [True, False])
def test_generations_that_rotate_while_brokers_are_away_arrive_in_order(bench: Bench, log: Path, reads: bool) -> None:
    if reads:
        bench.brokers.up = False  # what is written is read, and waits in the client
    else:
        bench.brokers.topic = TopicState.MISSING
    for generation in "abc":
        append(log, f"{generation}1", f"{generation}2")
        bench.tell()
        if generation != "c":
            rotate(log)
    bench.calm()
    assert bench.lines == ["a1", "a2", "b1", "b2", "c1", "c2"]


def test_rotations_that_are_noticed_together_arrive_in_order(bench: Bench, log: Path) -> None:
    for generation in "abc":
        append(log, generation)
        rotate(log)
    bench.calm()
    assert bench.lines == ["a", "b", "c"]


def test_a_file_that_is_rotated_while_it_is_empty_does_not_hold_up_its_successors(bench: Bench, log: Path) -> None:
    append(log, "a")
    bench.calm()
    for _ in range(2):
        rotate(log)
        log.touch()
        bench.calm()
    append(log, "b")
    bench.calm()
    assert bench.lines == ["a", "b"]


def test_what_was_rotated_while_the_daemon_was_down_is_finished_first(bench: Bench, log: Path) -> None:
    append(log, "a1")
    bench.calm()
    bench.stop()
    append(log, "a2")
    rotate(log)
    append(log, "b")
    rotate(log)
    append(log, "c")
    bench.start()
    bench.calm()
    assert bench.lines == ["a1", "a2", "b", "c"]


def test_an_unknown_sibling_comes_before_the_file_that_has_the_name(bench: Bench, log: Path) -> None:
    bench.stop()
    append(log, "a")
    rotate(log)
    append(log, "b")
    bench.start()
    bench.calm()
    assert bench.lines == ["a", "b"]
    assert {key for key, _ in bench.brokers.arrived} == {b"a.log"}


def test_a_late_line_of_a_finished_file_is_shipped_and_counted(bench: Bench, log: Path) -> None:
    append(log, "a")
    bench.calm()
    rotate(log)
    append(log, "b")
    bench.calm()
    append(sibling(log, "1"), "late")
    bench.calm()
    assert bench.lines == ["a", "b", "late"]
    assert len(bench.told.named("file.late")) == 1


def test_after_a_restart_what_has_grown_is_read_before_the_others_are_verified(bench: Bench) -> None:
    first, second, third = (bench.root / f"{name}.log" for name in "abc")
    for log in (first, second, third):
        append(log, f"this is {log.name}")
    bench.calm()
    bench.stop()
    with open(first, "r+b") as same:
        same.write(b"THIS")
    append(third, "more")
    bench.start()
    bench.calm()
    assert bench.lines[3:] == ["more", "THIS is a.log"]


def test_a_scan_after_a_restart_makes_no_second_path_and_id_of_a_known_file(bench: Bench, log: Path) -> None:
    append(log, "a")
    bench.tell()
    bench.stop()
    append(log.with_name("b.log"), "b")
    bench.start()
    known, new = bench.discovery.collect().observations[0].seen
    (tailer,) = bench.source.generations()
    assert known.path is tailer.seen_as
    assert known.file_id is tailer.file_id
    assert new.path == os.fsencode(log.with_name("b.log"))


def test_after_a_restart_a_few_files_are_verified_in_a_round(bench: Bench) -> None:
    for number in range(2 * LOOKS):
        append(bench.root / f"{number}.log", f"this is {number}")
    bench.calm()
    bench.stop()
    bench.start()
    verified: list[int] = []
    while not verified or verified[-1] < 2 * LOOKS:
        bench.beat()
        verified.append(len(bench.pump._descriptors))
    assert max(after - before for before, after in pairwise([0, *verified])) <= LOOKS


# --- rotation by copying, truncation, replacement ---


def test_copy_and_truncate_of_what_was_read(bench: Bench, log: Path) -> None:
    append(log, "a")
    bench.calm()
    copy_and_truncate(log)
    bench.calm()
    append(log, "b")
    bench.calm()
    assert bench.lines == ["a", "b"]


def test_copy_and_truncate_of_what_was_not_read(bench: Bench, log: Path) -> None:
    append(log, "a1")
    bench.calm()
    append(log, "a2")
    copy_and_truncate(log)
    append(log, "b")
    bench.calm()
    assert bench.lines == ["a1", "a2", "b"]


def test_copy_and_truncate_of_a_file_of_which_nothing_was_read(bench: Bench, log: Path) -> None:
    bench.brokers.up = False
    append(log, "a")
    bench.tell()
    copy_and_truncate(log)
    append(log, "b, longer")
    bench.tell()
    bench.calm()
    assert bench.lines == ["a", "b, longer"]


def test_copy_and_truncate_while_the_daemon_is_down(bench: Bench, log: Path) -> None:
    append(log, "a1")
    bench.calm()
    bench.stop()
    append(log, "a2")
    copy_and_truncate(log)
    append(log, "b1", "b2, longer than what was read")
    bench.start()
    bench.calm()
    assert bench.lines == ["a1", "a2", "b1", "b2, longer than what was read"]


def test_copy_and_truncate_while_down_of_a_file_whose_offset_was_never_saved(bench: Bench, log: Path) -> None:
    bench.brokers.up = False
    append(log, "a")
    bench.tell()
    bench.kill()
    copy_and_truncate(log)
    bench.start()
    bench.calm()
    append(log, "b")
    bench.calm()
    assert bench.lines == ["a", "b"]


def test_a_copy_that_is_shorter_than_what_was_read_is_not_read(bench: Bench, log: Path) -> None:
    append(log, "a1")
    bench.calm()
    sibling(log, "1").write_bytes(log.read_bytes())
    append(log, "a2")
    bench.work()
    bench.source.modified({os.fsencode(log)})  # it is read again before the copy is seen
    bench.work()
    assert bench.lines == ["a1", "a2"]
    os.truncate(log, 0)
    append(log, "b")
    bench.calm()
    assert bench.lines == ["a1", "a2", "b"]


def test_the_same_copy_is_written_again_and_again(bench: Bench, log: Path) -> None:
    for generation in "abc":
        append(log, f"{generation}1")
        bench.calm()
        append(log, f"{generation}2, which only the copy has")
        copy_and_truncate(log)
        bench.calm()
    assert bench.lines == [f"{g}{rest}" for g in "abc" for rest in ("1", "2, which only the copy has")]


@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.parametrize("then", ["b", "b, which is longer than before"])
def test_a_file_that_is_replaced_under_the_same_inode(bench: Bench, log: Path, stopped: bool, then: str) -> None:
    append(log, "a1", "a2")
    bench.calm()
    if stopped:
        bench.stop()
    log.write_text(f"{then}\n")
    if stopped:
        bench.start()
    bench.calm()
    assert bench.lines == ["a1", "a2", then]
    assert bench.offsets()["a.log"] == len(then) + 1


@pytest.mark.parametrize("stopped", [False, True])
def test_a_file_that_is_restored_under_another_inode_goes_on(bench: Bench, log: Path, stopped: bool) -> None:
    append(log, "a", "b")
    bench.calm()
    if stopped:
        bench.stop()
    shutil.copy(log, sibling(log, "tmp"))
    sibling(log, "tmp").rename(log)
    if stopped:
        bench.start()
    bench.calm()
    append(log, "c")
    bench.calm()
    assert bench.lines == ["a", "b", "c"]


def test_a_restored_file_that_grows_while_its_original_is_still_open(bench: Bench, log: Path) -> None:
    append(log, "a")
    bench.calm()
    shutil.copy(log, sibling(log, "tmp"))
    sibling(log, "tmp").rename(log)
    bench.tell()
    append(log, "b")
    bench.calm()
    assert bench.lines == ["a", "b"]


def test_what_was_truncated_without_a_copy_is_told(bench: Bench, log: Path) -> None:
    bench.brokers.topic = TopicState.MISSING
    append(log, "a")
    bench.tell()
    os.truncate(log, 0)
    bench.tell()
    bench.calm()
    append(log, "b")
    bench.calm()
    assert bench.lines == ["b"]
    assert [fields["bytes"] for fields in bench.told.named("file.lost")] == [2]


def test_a_deleted_file_is_read_to_its_end(bench: Bench, log: Path) -> None:
    bench.brokers.up = False
    append(log, "a1", "a2")
    bench.tell()
    log.unlink()
    bench.pass_time(700)
    append(log, "b")
    bench.calm()
    assert bench.lines == ["a1", "a2", "b"]
    assert len(bench.pump._descriptors) == 1


def test_a_deleted_file_that_is_in_flight_is_kept_until_it_is_acknowledged(bench: Bench, log: Path) -> None:
    held_back(bench, log, "a")
    log.unlink()
    bench.pass_time(60)
    bench.client.fatal = True
    bench.calm()
    assert bench.lines == ["a"]


def test_a_restored_file_is_not_late(bench: Bench, log: Path) -> None:
    append(log, "a")
    bench.calm()
    shutil.copy(log, sibling(log, "tmp"))
    sibling(log, "tmp").rename(log)
    bench.calm()
    append(log, "b")
    bench.calm()
    assert bench.lines == ["a", "b"]
    assert not bench.told.named("file.late")


def test_a_restored_file_that_rests_for_long_is_not_sent_again(bench: Bench, log: Path) -> None:
    append(log, "a")
    bench.calm()
    shutil.copy(log, sibling(log, "tmp"))
    sibling(log, "tmp").rename(log)
    bench.pass_time(1500)
    append(log, "b")
    bench.calm()
    assert bench.lines == ["a", "b"]


def test_what_replaced_the_bytes_of_a_file_is_read_although_the_file_is_deleted(bench: Bench, log: Path) -> None:
    append(log, "a")
    bench.calm()
    bench.brokers.topic = TopicState.MISSING
    log.write_text("b, longer\n")
    bench.tell()
    log.unlink()
    bench.tell()
    bench.calm()
    assert bench.lines == ["a", "b, longer"]


def test_the_same_copy_is_written_again_where_only_a_scan_tells(bench: Bench, log: Path) -> None:
    append(log, "a")
    bench.tell()
    copy_and_truncate(log)
    append(log, "b, longer")
    bench.calm()
    bench.lose_events()
    copy_and_truncate(log)
    append(log, "c, longer than that")
    bench.calm()
    assert bench.lines == ["a", "b, longer", "c, longer than that"]


# --- compression ---


def test_a_file_that_is_compressed_while_it_is_held(bench: Bench, log: Path) -> None:
    bench.brokers.up = False
    append(log, "a")
    bench.tell()
    rotate(log)
    append(log, "b")
    bench.tell()
    pack(sibling(log, "1"))
    bench.tell()
    bench.calm()
    assert bench.lines == ["a", "b"]


def test_a_file_that_is_compressed_while_the_daemon_is_down_goes_on_in_the_middle(bench: Bench, log: Path) -> None:
    append(log, "a1")
    bench.calm()
    bench.stop()
    append(log, "a2")
    rotate(log)
    pack(sibling(log, "1"))
    append(log, "b")
    bench.start()
    bench.calm()
    assert bench.lines == ["a1", "a2", "b"]


def test_a_finished_file_that_is_compressed_is_not_read_again(bench: Bench, log: Path) -> None:
    append(log, "a")
    bench.calm()
    rotate(log)
    append(log, "b")
    bench.calm()
    restart(bench)
    bench.calm()
    pack(sibling(log, "1"))
    bench.calm()
    restart(bench)
    bench.calm()
    assert bench.lines == ["a", "b"]


def test_a_compressed_file_is_read_when_it_is_complete(bench: Bench, log: Path) -> None:
    append(log, "b")
    bench.calm()
    packed = sibling(log, "1.gz")
    data = gzip.compress(b"a\n" * 1000)
    packed.write_bytes(data[:-10])
    bench.calm()
    assert bench.lines == ["b"]
    with packed.open("ab") as file:
        file.write(data[-10:])
    bench.calm()
    assert bench.lines == ["b"] + ["a"] * 1000


# --- the first scan ---


def test_siblings_that_were_there_first_are_left_alone_also_when_compressed(make: Make, log: Path) -> None:
    append(sibling(log, "1"), "old")
    append(log, "a")
    bench = make()
    bench.start()
    bench.calm()
    pack(sibling(log, "1"))
    bench.calm()
    restart(bench)
    bench.calm()
    assert bench.lines == ["a"]
    assert {one.state for one in bench.store.saved.values()} == {FileState.OPEN, FileState.COPY, FileState.LEFT}


def test_start_at_end_counts_for_the_first_scan_only(make: Make, log: Path) -> None:
    append(log, "old")
    with log.open("a") as file:
        file.write("begun ")
    bench = make(start_at="end")
    bench.start()
    bench.calm()
    append(log, "before")
    append(log.with_name("b.log"), "new")
    bench.calm()
    assert sorted(bench.lines) == ["begun before", "new"]


def test_files_that_were_not_written_for_long_are_left_alone(make: Make, log: Path) -> None:
    append(log, "old")
    os.utime(log, (0, 0))
    append(log.with_name("b.log"), "fresh")
    bench = make(ignore_older=3600.0)
    bench.start()
    bench.calm()
    append(log, "a")
    bench.calm()
    assert bench.lines == ["fresh", "a"]


def test_nothing_is_sent_before_the_first_scan_could_be_saved(make: Make, log: Path) -> None:
    append(log, "a")
    bench = make()
    bench.store.refuses = True
    bench.start()
    bench.pass_time(60)
    assert bench.lines == []
    assert bench.told.named("source.scan_unsaved")
    bench.calm()
    assert bench.lines == ["a"]


def test_after_a_damaged_store_everything_is_read_from_its_beginning(make: Make, log: Path) -> None:
    append(log, "a")
    bench = make(start_at="end")
    bench.store.set_aside = True
    bench.start()
    bench.calm()
    assert bench.lines == ["a"]


# --- last lines without an end ---


@pytest.mark.parametrize("how", ["deleted", "rotated"])
def test_the_last_line_of_a_file_that_cannot_grow_is_sent_as_it_is_after_a_while(
    bench: Bench, log: Path, how: str
) -> None:
    log.write_text("a\nhalf")
    bench.tell()
    if how == "deleted":
        log.unlink()
    else:
        rotate(log)
        append(log, "b")
    bench.pass_time(4)
    assert bench.lines == ["a"]
    bench.calm()
    assert bench.lines == (["a", "half"] if how == "deleted" else ["a", "half", "b"])


def test_a_last_line_that_is_finished_in_time_is_one_line(bench: Bench, log: Path) -> None:
    log.write_text("a\nhalf")
    bench.tell()
    rotate(log)
    append(log, "b")
    bench.pass_time(4)
    append(sibling(log, "1"), " and half")
    bench.calm()
    assert bench.lines == ["a", "half and half", "b"]


def test_a_last_line_of_a_file_that_may_grow_waits(bench: Bench, log: Path) -> None:
    log.write_text("a\nhalf")
    bench.calm()
    assert bench.lines == ["a"]
    assert bench.offsets() == {"a.log": 2}


# --- what the brokers say ---


def test_after_a_failure_all_is_sent_again_in_order_over_two_generations(bench: Bench, log: Path) -> None:
    append(log, "a1", "a2")
    bench.tell()
    bench.brokers.up = False
    append(log, "a3")
    rotate(log)
    append(log, "b")
    bench.tell()
    assert bench.lines == ["a1", "a2"]
    bench.client.fail(PURGED)
    bench.calm()
    assert bench.lines == ["a1", "a2", "a3", "b"]


def test_a_refused_record_blocks_what_is_behind_it(bench: Bench, log: Path) -> None:
    held_back(bench, log, "a", "b", "c")
    bench.client.fail(REFUSED, 1)
    bench.client.deliver()
    bench.brokers.up = False
    bench.pass_time(60)
    assert bench.lines == ["b", "c"]
    assert bench.offsets() == {"a.log": 0}
    bench.calm()
    assert bench.lines[2:] == ["a", "b", "c"]
    assert bench.offsets() == {"a.log": 6}


def test_a_topic_that_goes_is_waited_for(bench: Bench, log: Path) -> None:
    held_back(bench, log, "a")
    bench.brokers.topic = TopicState.MISSING
    bench.client.fail(NO_TOPIC)
    bench.brokers.up = True
    bench.pass_time(60)
    assert bench.lines == []
    bench.calm()
    assert bench.lines == ["a"]


def test_a_client_that_is_finished_is_replaced_and_all_is_sent_again(bench: Bench, log: Path) -> None:
    held_back(bench, log, "a", "b")
    bench.client.land(1)
    bench.client.fatal = True
    bench.calm()
    assert bench.lines == ["a", "a", "b"]
    assert bench.offsets() == {"a.log": 4}


def test_a_clean_stop_sends_nothing_again(bench: Bench, log: Path) -> None:
    append(log, "a")
    bench.tell()
    restart(bench)
    append(log, "b")
    bench.tell()
    restart(bench)
    bench.calm()
    assert bench.lines == ["a", "b"]


def held_back(bench: Bench, log: Path, *lines: str) -> None:
    """Have lines in flight, without an answer of the brokers."""
    log.touch()
    bench.calm()
    bench.brokers.up = False
    append(log, *lines)
    bench.tell()
    assert [sent.value.decode() for sent in bench.client.queue] == list(lines)


# --- files that are hard to read ---


def test_more_files_than_may_be_open(make: Make, tmp_path: Path) -> None:
    names = [f"{n}.log" for n in range(10)]
    for name in names:
        append(tmp_path / name, f"{name} a")
    bench = make(limit=2)
    bench.start()
    bench.calm()
    for name in names:
        append(tmp_path / name, f"{name} b")
    bench.calm()
    assert sorted(bench.lines) == sorted(f"{name} {line}" for name in names for line in "ab")
    assert len(bench.pump._descriptors) <= 2


def test_a_file_that_cannot_be_read_is_told_once_and_tried_again(bench: Bench, log: Path) -> None:
    bench.faults["log.open"] = PermissionError(errno.EACCES, "Permission denied")
    append(log, "a")
    bench.pass_time(120)
    assert bench.lines == []
    assert len(bench.told.named("file.unreadable")) == 1
    bench.faults.clear()
    bench.calm()
    assert bench.lines == ["a"]


def test_a_device_number_that_changed_changes_nothing(bench: Bench, log: Path) -> None:
    append(log, "a")
    bench.calm()
    bench.stop()
    for uid, one in bench.store.saved.items():
        bench.store.saved[uid] = replace(one, file_id=FileId(one.file_id.dev + 1, one.file_id.ino))
    append(log, "b")
    bench.start()
    bench.calm()
    assert bench.lines == ["a", "b"]


def test_a_file_with_two_names_is_read_once(bench: Bench, log: Path) -> None:
    append(log, "a")
    os.link(log, log.with_name("b.log"))
    bench.calm()
    append(log, "b")
    bench.calm()
    log.unlink()
    bench.calm()
    append(log.with_name("b.log"), "c")
    bench.calm()
    assert bench.lines == ["a", "b", "c"]


def test_checkpoints_do_not_grow_with_the_number_of_rotations(bench: Bench, log: Path) -> None:
    for number in range(200):
        append(log, str(number))
        bench.tell()
        rotate(log)
        bench.tell()
    append(log, "last")
    bench.pass_time(1500)
    assert bench.lines == [*map(str, range(200)), "last"]
    assert len(bench.store.saved) <= 80
