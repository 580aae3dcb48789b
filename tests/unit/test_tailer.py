"""One generation: what is read, where the position stands, and how a changed file is noticed."""

import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.files import BROKEN, EMPTY_MARK, MARK, Files, digest
from shipper.ledger import Ledger
from shipper.model import NO_FINGERPRINT, Checkpoint, FileId
from shipper.tailer import MAX_LINES, Batch, ContentChanged, Tailer


def tailer(path: Path, *, max_line: int = 900 << 10, compression: str = "", cp: Checkpoint | None = None) -> Tailer:
    stat = path.stat()
    name = os.fsencode(path)
    cp = cp or Checkpoint(
        "u", "s", name, name, FileId(stat.st_dev, stat.st_ino), 0, 0, NO_FINGERPRINT, 0, compression=compression
    )
    t = Tailer(cp, max_line, "topic", b"key")
    assert t.open(Files())
    return t


def drain(t: Tailer, block: int = 256 << 10) -> list[Batch]:
    batches = []
    while (batch := t.take(block)) is not None:
        batches.append(batch)
    return batches


def lines(batches: list[Batch]) -> list[bytes]:
    return [line for batch in batches for line in batch.lines]


def test_complete_lines_are_taken_and_a_partial_one_waits(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"one\r\n\ntwo\nthr")
    t = tailer(log)
    assert lines(drain(t)) == [b"one", b"", b"two"]
    assert t.read.offset == 10
    assert t.at_end
    assert t.partial == 3
    with log.open("ab") as f:
        f.write(b"ee\nfour\n")
    assert lines(drain(t)) == [b"three", b"four"]
    t.close()


def test_last_line_of_a_file_that_cannot_grow_is_sent_as_it_is(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"one\ntwo\r")
    t = tailer(log)
    drain(t)
    batch = t.take_last()
    assert batch is not None
    assert batch.lines == [b"two\r"]
    assert t.read.offset == 8
    assert t.take_last() is None
    t.close()


@pytest.mark.parametrize("after", [b"", b"x", b"other content\n" * 500, b"one\ntwX\nmore\n"])
def test_truncation_is_noticed_with_the_data_however_long_the_file_has_grown(tmp_path: Path, after: bytes) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"one\ntwo\n")
    t = tailer(log)
    drain(t)
    os.truncate(log, 0)
    with log.open("ab") as f:
        f.write(after)
    with pytest.raises(ContentChanged):
        t.take()
    t.close()


def test_a_changed_head_is_noticed_by_a_read_that_is_shorter_than_it(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"one\ntwo\n" + b"x" * 300 + b"\n")
    t = tailer(log)
    drain(t)
    t.rewind()
    log.write_bytes(b"eins\nzwei\ndrei\n")
    with pytest.raises(ContentChanged):
        t.take(6)
    t.close()


def test_a_changed_head_is_noticed_although_the_bytes_before_the_offset_are_the_same(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"A" * 100 + b"\n" + b"x" * 600 + b"\n")
    t = tailer(log)
    drain(t)
    log.write_bytes(b"B" * 100 + b"\n" + b"x" * 600 + b"\n" + b"more\n")
    with pytest.raises(ContentChanged):
        t.take()
    t.close()


def test_resumes_from_a_checkpoint_and_verifies_it(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"".join(b"line %d\n" % i for i in range(1000)))
    t = tailer(log)
    first = t.take(4096)
    assert first is not None
    t.track.acked = first.end
    saved = t.checkpoint(1)
    t.close()
    again = tailer(log, cp=saved)
    assert again.verify()
    assert lines(drain(again))[0] == b"line %d" % len(first.lines)
    again.close()
    log.write_bytes(b"".join(b"LINE %d\n" % i for i in range(1000)))
    other = tailer(log, cp=saved)
    assert not other.verify()
    with pytest.raises(ContentChanged):
        other.take()
    other.close()


def test_rewind_goes_back_to_the_acked_position(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"one\ntwo\n")
    t = tailer(log)
    drain(t)
    t.rewind()
    assert t.read.offset == 0
    assert lines(drain(t)) == [b"one", b"two"]
    t.close()


def test_blocks_of_tiny_lines_are_cut_into_chunks_of_bounded_weight(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"\n" * 100_000)
    t = tailer(log)
    batches = drain(t)
    assert sum(len(b.lines) for b in batches) == 100_000
    assert max(len(b.lines) for b in batches) <= MAX_LINES
    assert t.read.offset == 100_000
    t.close()


def test_a_long_line_is_split_and_the_position_waits_at_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"short\n" + b"a" * 25 + b"\nnext\n")
    t = tailer(log, max_line=10)
    batches = drain(t)
    assert lines(batches) == [b"short", b"a" * 10, b"a" * 10, b"a" * 5, b"next"]
    assert [b.part for b in batches] == [0, 1, 2, 3, 0]
    assert [b.end.offset for b in batches] == [6, 6, 6, 32, 37]
    t.close()


def test_a_long_line_that_has_not_ended_is_shipped_in_parts_and_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"a" * 25)
    t = tailer(log, max_line=10)
    assert lines(drain(t)) == [b"a" * 10, b"a" * 10]  # the rest may be the last part
    assert t.read.offset == 0
    with log.open("ab") as f:
        f.write(b"b" * 4 + b"\r\n")
    assert lines(drain(t)) == [b"a" * 5 + b"bbbb"]
    assert t.read.offset == 31
    t.close()


def test_the_end_of_a_long_line_is_not_the_end_of_the_file(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"x" * 25 + b"\n\n\n")
    t = tailer(log, max_line=10)
    batches = [t.take(), t.take(), t.take()]
    assert [b.lines for b in batches if b] == [[b"x" * 10], [b"x" * 10], [b"x" * 5]]
    ends = [t.at_end]
    assert lines(drain(t)) == [b"", b""]
    assert [*ends, t.at_end] == [False, True]
    t.close()


def test_a_compressed_file_is_resumed_at_the_decompressed_offset(tmp_path: Path) -> None:
    content = b"".join(b"line %d\n" % i for i in range(50_000))
    packed = tmp_path / "a.log.1.gz"
    packed.write_bytes(gzip.compress(content))
    t = tailer(packed, compression="gz")
    first = t.take()
    assert first is not None
    t.track.acked = first.end
    again = tailer(packed, cp=t.checkpoint(1))
    assert lines([first]) + lines(drain(again)) == content.split(b"\n")[:-1]
    t.close()
    again.close()


def test_a_compressed_file_cut_short_raises(tmp_path: Path) -> None:
    packed = tmp_path / "a.log.1.gz"
    packed.write_bytes(gzip.compress(os.urandom(100_000))[:50_000])
    t = tailer(packed, compression="gz")
    with pytest.raises(BROKEN):
        drain(t)
    t.close()


content = st.lists(st.sampled_from([b"", b"a", b"\r", b"bcd" * 5, b"x" * 40, b"\n", b"\r\n", b"\n\n"])).map(b"".join)


@given(content, st.integers(1, 50), st.integers(5, 60))
def test_parts_and_lines_put_together_are_the_file(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, block: int, max_line: int
) -> None:
    log = tmp_path_factory.mktemp("t") / "a.log"
    log.write_bytes(data)
    t = tailer(log, max_line=max_line)
    seen: list[bytes] = []
    joined = b""
    batches = drain(t, block)
    while (last := t.take_last()) is not None:
        batches.append(last)
    for batch in batches:
        for line in batch.lines:
            assert len(line) <= max_line
            joined += line
            if batch.last:
                seen.append(joined)
                joined = b""
    whole = data.replace(b"\r\n", b"\n").split(b"\n") if data else []
    assert seen == (whole[:-1] if data.endswith(b"\n") or not data else whole)
    assert t.read.offset == len(data)
    t.close()


def test_an_empty_file_has_the_mark_of_nothing(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"")
    t = tailer(log)
    assert t.take() is None
    assert t.read.mark == EMPTY_MARK
    t.close()


def test_no_part_of_a_long_line_is_taken_before_its_end_is_there(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"short\n" + b"x" * 25)
    t = tailer(log, max_line=10)
    first = t.take(whole=True)
    assert first is not None
    assert first.lines == [b"short"]
    assert t.take(whole=True) is None
    with log.open("ab") as file:
        file.write(b"y" * 10)
    assert t.take(whole=True) is None
    with log.open("ab") as file:
        file.write(b"z\n")
    parts = [t.take(whole=True) for _ in range(4)]
    assert [b.lines for b in parts if b] == [[b"x" * 10], [b"x" * 10], [b"x" * 5 + b"y" * 5], [b"y" * 5 + b"z"]]
    assert t.take(whole=True) is None
    t.close()


def test_what_is_saved_ahead_is_what_was_sent(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"one\ntwo\n")
    t = tailer(log)
    batch = t.take()
    assert batch is not None
    Ledger(1, 0, lambda: None, lambda: None, transactional=True).track(t.track, batch.end, 2, 8)
    now, ahead = t.checkpoint(4), t.checkpoint(5, ahead=True)
    assert (now.offset, now.revision) == (0, 4)
    assert (ahead.offset, ahead.revision, ahead.fingerprint) == (8, 5, t.fingerprint(batch.end))
    t.close()


def grown(path: Path, more: bytes) -> int:
    with path.open("ab") as file:
        file.write(more)
    return path.stat().st_size


@pytest.mark.parametrize("times", [0, 1, 2])
def test_each_line_that_comes_by_itself_is_verified_with_the_bytes_before_it(tmp_path: Path, times: int) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"x" * 99 + b"\n" * 1901)
    t = tailer(log)
    drain(t)
    for n in range(times):
        assert t.take_all(grown(log, b"line %d\n" % n), 1000) == [b"line %d" % n]
    content = bytearray(log.read_bytes())
    content[-2] ^= 1
    log.write_bytes(content)
    before = t.place
    assert t.take_all(grown(log, b"more\n"), 1000) is None
    assert t.place == before
    with pytest.raises(ContentChanged):
        t.take()
    t.close()


def test_the_ends_that_are_remembered_of_lines_that_come_by_themselves_are_apart(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"x" * 1999 + b"\n")
    t = tailer(log)
    drain(t)
    for _ in range(200):
        assert t.take_all(grown(log, b"y" * 99 + b"\n"), 1000) == [b"y" * 99]
    offsets = [mark.offset for mark in t.marks]
    assert offsets == [2000, 6100, 10200, 14300, 18400]
    assert [mark.mark for mark in t.marks] == [digest(log.read_bytes()[at - MARK : at]) for at in offsets]
    t.close()
