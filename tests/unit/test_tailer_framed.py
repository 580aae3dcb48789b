"""A file that is cut by a framer: whatever it grows by, however it is read, the same events and sound positions."""

from __future__ import annotations

import gzip
import os
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.files import Files
from shipper.framing import Framer, encodings, partials
from shipper.framing import multiline as ml
from shipper.framing.framer import Group
from shipper.model import NO_FINGERPRINT, Checkpoint, FileId
from shipper.tailer import Batch, Tailer
from shipper.tailer import lines as tailer_lines

START = ml.begins_at(re.compile(rb"^\+").search)
MAX_LINE = 30


def joined(max_lines: int = 3, max_bytes: int = 20) -> ml.Multiline:
    return ml.Multiline(START, max_lines, max_bytes)


def tailer(
    path: Path,
    group: Group | None = None,
    encoding: str = "bytes",
    delimiter: str = "\n",
    *,
    max_line: int = MAX_LINE,
    splits: bool = True,
    compression: str = "",
    cp: Checkpoint | None = None,
) -> Tailer:
    stat = path.stat()
    name = os.fsencode(path)
    cp = cp or Checkpoint(
        "u", "s", name, name, FileId(stat.st_dev, stat.st_ino), 0, 0, NO_FINGERPRINT, 0, compression=compression
    )
    framer = Framer(encodings.build(encoding, delimiter), group, max_line)
    t = Tailer(cp, max_line, "topic", b"key", framer, splits=splits)
    assert t.open(Files())
    return t


def drain(t: Tailer, block: int = 256 << 10, *, whole: bool = False) -> list[Batch]:
    batches: list[Batch] = []
    while (batch := t.take(block, whole=whole)) is not None or not t.at_end:
        if batch is not None:
            batches.append(batch)
    return batches


def end(t: Tailer) -> list[Batch]:
    batches: list[Batch] = []
    while (batch := t.take_last()) is not None or not t.at_end:
        if batch is not None:
            batches.append(batch)
    return batches


def events(batches: list[Batch]) -> list[bytes]:
    """Return the events, parts put together."""
    found, parts = [], b""
    for batch in batches:
        for event in batch.lines:
            parts += event
            if batch.last:
                found.append(parts)
                parts = b""
    assert not parts
    return found


text = st.lists(
    st.sampled_from(["+a", "-b", "\n", "\n", "\n", "\r\n", "x" * 12, "y" * 40, "é", "日本語", "𝄞", "+"])
).map("".join)
SHAPES: dict[str, tuple[Group | None, str]] = {
    "multiline": (joined(), "bytes"),
    "utf-8": (None, "utf-8"),
    "utf-16": (None, "utf-16"),
    "multiline of utf-16": (joined(), "utf-16"),
    "multiline of gb18030": (joined(), "gb18030"),
    "latin-1": (None, "latin-1"),
    "shift_jis": (None, "shift_jis"),
}


@pytest.mark.parametrize("shape", SHAPES)
@settings(deadline=None, max_examples=60)
@given(
    data=text,
    cuts=st.lists(st.tuples(st.integers(0, 200), st.integers(1, 60), st.booleans()), max_size=5),
    whole=st.booleans(),
)
def test_any_growth_and_any_reads_give_the_same_events(
    shape: str, data: str, cuts: list[tuple[int, int, bool]], whole: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    group, encoding = SHAPES[shape]
    raw = data.encode("utf-8" if encoding == "bytes" else encoding, "replace")
    log = tmp_path_factory.mktemp("t") / "a.log"
    log.write_bytes(raw)
    once = tailer(log, group, encoding)
    expected = events(drain(once, whole=True) + end(once))
    once.close()
    log.write_bytes(b"")
    t = tailer(log, group, encoding)
    batches: list[Batch] = []
    written = 0
    for size, block, again in cuts:
        with log.open("ab") as file:
            file.write(raw[written : written + size])
        written = min(len(raw), written + size)
        new = drain(t, block, whole=whole)
        for batch in new:
            assert batch.end.offset <= written
            assert len(batch.offsets(0)) == len(batch.lines)
        batches += new
        if again and not t.part:  # as after a restart
            t.track.acked = t.read
            saved = t.checkpoint(1)
            t.close()
            t = tailer(log, group, encoding, cp=saved)
            assert t.verify()
    with log.open("ab") as file:
        file.write(raw[written:])
    batches += drain(t, whole=whole) + end(t)
    assert events(batches) == expected
    assert all(len(event) <= MAX_LINE for batch in batches for event in batch.lines)
    assert t.read.offset == len(raw) or not raw[t.read.offset :].strip(b"\xff\xfe")
    t.close()


def test_an_event_that_may_go_on_is_left_in_the_file(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"+a\n-b\n+c\n-d\n-")
    t = tailer(log, joined())
    assert events(drain(t)) == [b"+a\n-b"]
    assert (t.read.offset, t.may_go_on, t.partial) == (6, 6, 7)
    t.quiet_size = t.size
    batch = t.take_open()
    assert batch is not None
    assert batch.lines == [b"+c\n-d"]
    assert (t.read.offset, t.may_go_on) == (12, 0)
    assert events(end(t)) == [b"-"]
    t.close()


def test_an_event_that_has_just_gone_on_is_not_taken_as_it_stands(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"+a\n")
    t = tailer(log, joined())
    assert drain(t) == []
    t.quiet_size = t.size
    with log.open("ab") as file:
        file.write(b"-b\n")
    assert t.take_open() is None
    assert t.may_go_on == 6
    t.close()


def test_a_tiny_block_gives_one_event(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"+a\n-b\n+c\n+d\n+e\n")
    t = tailer(log, joined())
    batches = drain(t, 1)
    assert [batch.lines for batch in batches] == [[b"+a\n-b"], [b"+c"], [b"+d"]]
    t.close()


def test_of_a_block_that_is_shortened_the_rest_is_read_again(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes("+a\n-b\n+c\n+d\n+e\n".encode("utf-16"))
    t = tailer(log, joined(), "utf-16")
    batch = t.take()
    assert batch is not None
    assert batch.offsets(0) == [0, 14, 20]
    short = t.shorten(batch, 0, 2)
    assert short.lines == [b"+a\n-b", b"+c"]
    assert short.end.offset == t.read.offset == 20
    assert events(drain(t)) == [b"+d"]
    t.close()


def test_pieces_of_two_streams_stay_together_unless_one_line_is_asked_for(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"1 stdout P a\n2 stderr F x\n3 stdout F b\n4 stdout F c\n")
    t = tailer(log, partials.cri(1000), max_line=1000)
    batch = t.take()
    assert batch is not None
    assert batch.lines == [b"1 stdout F ab", b"2 stderr F x", b"4 stdout F c"]
    short = t.shorten(batch, 0, 1)
    assert short.lines == [b"1 stdout F ab", b"2 stderr F x"]
    assert short.end.offset == 39
    t.rewind()
    assert [batch.lines for batch in drain(t, 1)] == [
        *([b"1 stdout P a"], [b"2 stderr F x"], [b"3 stdout F b"], [b"4 stdout F c"])
    ]
    t.close()


def test_a_compressed_file_gives_its_last_event_too(tmp_path: Path) -> None:
    packed = tmp_path / "a.log.1.gz"
    packed.write_bytes(gzip.compress("+a\n-b\n+c\n-d\n-e".encode("utf-16")))
    t = tailer(packed, joined(), "utf-16", compression="gz")
    assert events(drain(t) + end(t)) == [b"+a\n-b", b"+c\n-d\n-e"]
    t.close()


@pytest.mark.parametrize("mark", ["\ufeff", ""])
@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_the_order_of_bytes_is_known_in_mid_file(codec: str, mark: str, tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    raw = f"{mark}one\nĊઊ\n".encode(codec)
    log.write_bytes(raw)
    t = tailer(log, encoding="utf-16")
    first = t.take(12)
    assert first is not None
    t.track.acked = first.end
    saved = t.checkpoint(1)
    t.close()
    again = tailer(log, encoding="utf-16", cp=saved)
    assert events([first]) + events(drain(again)) == [b"one", "Ċઊ".encode()]
    again.close()


@pytest.mark.parametrize("first", range(5))
def test_a_file_may_begin_with_less_than_tells_its_order(first: int, tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    raw = "\ufeffж\n".encode("utf-16-be")
    log.write_bytes(raw[:first])
    t = tailer(log, encoding="utf-16")
    assert drain(t) == []
    with log.open("ab") as file:
        file.write(raw[first:])
    assert events(drain(t)) == ["ж".encode()]
    t.close()


def test_a_delimiter_across_two_reads(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"one--" + b"x" * 40 + b"-")
    t = tailer(log, delimiter="--")
    assert events(drain(t, whole=True)) == [b"one"]
    with log.open("ab") as file:
        file.write(b"-two--")
    assert events(drain(t, whole=True)) == [b"x" * 40, b"two"]
    t.close()


# Long lines that are not split.


def test_the_beginning_of_a_long_line_stands_for_it(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"one\n" + b"x" * 100 + b"\r\ntwo\n" + b"y" * 31 + b"\n")
    t = tailer(log, splits=False)
    batches = drain(t)
    assert events(batches) == [b"one", b"x" * 30, b"two", b"y" * 30]
    assert [batch.full for batch in batches] == [0, 100, 0, 31]
    assert [batch.end.offset for batch in batches] == [4, 106, 110, 142]
    t.close()


def test_it_is_never_cut_inside_of_a_character(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes("".join(["日" * 11, "\n"]).encode() + b"x" * 29 + "é\n".encode() + b"\xa9" * 40 + b"\n")
    t = tailer(log, splits=False)
    assert events(drain(t)) == [("日" * 10).encode(), b"x" * 29, b"\xa9" * 30]
    t.close()


def test_a_long_line_without_an_end_waits_for_it(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"x" * 100)
    t = tailer(log, splits=False)
    assert drain(t) == []
    assert t.partial == 100
    (last,) = end(t)
    assert (last.lines, last.full, last.end.offset) == ([b"x" * 30], 100, 100)
    assert end(t) == []
    t.close()


def test_the_end_of_a_very_long_line_is_looked_for_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tailer_lines, "BLOCK", 64)
    monkeypatch.setattr(tailer_lines, "SEARCH", 256)
    log = tmp_path / "a.log"
    log.write_bytes(("x" * 1000 + "\nnext\n").encode("utf-16"))
    for splits in (False, True):
        t = tailer(log, encoding="utf-16", splits=splits)
        looks = 0
        while (batch := t.take(64, whole=True)) is None:
            assert not t.at_end
            looks += 1
        assert looks > 2
        assert batch.lines == [b"x" * 30]
        assert batch.full == (0 if splits else 2000)
        t.close()


@pytest.mark.parametrize("splits", [True, False])
@pytest.mark.parametrize("encoding", ["bytes", "utf-16"])
def test_a_line_without_an_end_costs_no_more_memory_than_max_line(tmp_path: Path, encoding: str, splits: bool) -> None:
    log = tmp_path / "app.log"
    size, max_line = 64 << 20, 64 << 10
    with log.open("wb") as file:
        file.truncate(size)  # holes: zeros without a line end
    t = tailer(log, encoding=encoding, max_line=max_line, splits=splits)
    tracemalloc.start()
    try:
        taken = sum(batch.size for batch in _each(t))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken > size - 3 * max_line if splits else not taken
    assert peak < 12 * max_line + 2 * tailer_lines.BLOCK
    t.close()


def _each(t: Tailer) -> Iterator[Batch]:
    while (batch := t.take()) is not None or not t.at_end:
        if batch is not None:
            yield batch
