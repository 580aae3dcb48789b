"""What an audit takes for the records of a file is what the tailer makes of it, however both happen to read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.audit import lines
from shipper.audit.lines import Cut, blocks
from shipper.files import Files
from shipper.model import Checkpoint
from shipper.tailer import Tailer

Unit = tuple[int, int, bytes]  # the offset of the line, the part's number, the bytes


def units(data: bytes, max_line: int, start: int = 0, end: int | None = None, *, ended: bool = True) -> list[Unit]:
    found: list[Unit] = []

    def read(size: int, offset: int) -> bytes:
        return data[offset : offset + size]

    for block in blocks(read, start, end, max_line, ended=ended):
        if block.part:
            (piece,) = block.lines
            found.append((block.offset, block.part, piece))
        else:
            found += [(at, 0, line) for at, line in zip(block.offsets(), block.lines, strict=True)]
    return found


def shipped(path: Path, max_line: int, block: int) -> list[Unit]:
    """Return what the tailer makes of a file that can no longer grow."""
    made = Files().fstat(fd := Files().open(bytes(path)))
    Files().close(fd)
    tailer = Tailer(Checkpoint("u", "s", bytes(path), bytes(path), made.file_id, 0, 0), max_line, "t", b"k")
    assert tailer.open(Files())
    found: list[Unit] = []
    try:
        while True:
            start = tailer.read.offset
            batch = tailer.take(block) or tailer.take_last()
            if batch is None:
                return found
            at = start
            for line in batch.lines:
                found.append((at, batch.part, line))
                at = path.read_bytes().find(b"\n", at) + 1
    finally:
        tailer.close()


contents = st.lists(
    st.one_of(
        st.sampled_from([b"\n", b"\r\n", b"\r", b"a", b"bc\n", b"\n\n"]), st.binary(max_size=5).map(lambda b: b * 9)
    )
).map(b"".join)


@given(contents, st.integers(2, 40), st.integers(1, 50), st.integers(1, 50))
def test_it_cuts_as_the_tailer_does(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, max_line: int, block: int, other: int
) -> None:
    path = tmp_path_factory.mktemp("lines") / "a.log"
    path.write_bytes(content)
    before, lines.BLOCK = lines.BLOCK, other
    try:
        assert units(content, max_line) == units(content, max_line, end=len(content)) == shipped(path, max_line, block)
    finally:
        lines.BLOCK = before


def test_a_stretch_ends_where_it_is_told_to() -> None:
    assert units(b"one\ntwo\nthree", 100, 4, 8) == [(4, 0, b"two")]
    assert units(b"one\ntwo\nthree", 100, 4, ended=False) == [(4, 0, b"two")]
    assert units(b"one\ntwo\nthree", 100, 4, 13) == [(4, 0, b"two"), (8, 0, b"three")]


def test_a_file_that_is_shorter_than_its_stretch_is_told() -> None:
    with pytest.raises(Cut):
        units(b"one\n", 100, 0, 5)


def test_a_line_in_parts_keeps_its_offset() -> None:
    assert units(b"x\nabcdef\r\ny\n", 4) == [(0, 0, b"x"), (2, 1, b"abcd"), (2, 2, b"ef"), (10, 0, b"y")]
