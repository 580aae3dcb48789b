"""What an unknown file is to one that is known. A fingerprint only verifies: equal beginnings do not make one file."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.files import Files, PackedReader, PlainReader, fingerprint_at, open_reader
from shipper.filesource.identify import Verdict, identify, length
from shipper.lifecycle import FileEvent
from shipper.model import Checkpoint, FileId, FileState
from shipper.tailer import Tailer

CONTENT = b"".join(b"line %d of the log\n" % n for n in range(200))  # more than a head


CHUNK = 700  # bytes that are read at once: their ends are remembered


class Case:
    """A known file, and questions about others."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.opened: list[PlainReader | PackedReader] = []
        self.tailers: list[Tailer] = []

    def known(self, content: bytes, read: int | None = None) -> Tailer:
        """Return a generation whose file holds ``content``, read as far as ``read`` (default: to its end)."""
        path = self.root / f"known{len(self.tailers)}.log"
        path.write_bytes(content if read is None else content[:read])
        found, name = path.stat(), os.fsencode(path)
        tailer = Tailer(Checkpoint("u", "s", name, name, FileId(found.st_dev, found.st_ino), 0, 0), 1000, "t", b"")
        self.tailers.append(tailer)
        tailer.event(FileEvent.TURN)
        assert tailer.open(Files())
        while tailer.take(CHUNK) is not None:
            pass
        path.write_bytes(content)
        tailer.look(tailer.reader.stat()) if tailer.reader else None
        return tailer

    def gone(self, content: bytes, read: int | None = None) -> Tailer:
        """The same, whose file is gone."""
        tailer = self.known(content, read)
        Path(os.fsdecode(tailer.path)).unlink()
        tailer.close()
        tailer.detached = True
        return tailer

    def reader(self, content: bytes, *, packed: bool = False) -> PlainReader | PackedReader:
        """Return a reader of an unknown file that holds ``content``."""
        path = self.root / f"unknown{len(self.opened)}"
        path.write_bytes(gzip.compress(content) if packed else content)
        self.opened.append(open_reader(Files(), os.fsencode(path), "gz" if packed else ""))
        return self.opened[-1]

    def verdict(self, content: bytes, *tailers: Tailer, packed: bool = False) -> Verdict:
        """Ask what an unknown file with ``content`` is to ``tailers``."""
        reader = self.reader(content, packed=packed)
        assert length(reader) == len(content)
        answer = identify(reader, len(content), tailers)
        assert (answer.of is not None) == (answer.verdict in (Verdict.COPY, Verdict.CONTINUES))
        return answer.verdict


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    one = Case(tmp_path)
    yield one
    for closable in (*one.opened, *one.tailers):
        closable.close()


both = pytest.mark.parametrize("packed", [False, True])


def test_nothing_can_be_said_of_an_empty_file(case: Case) -> None:
    assert case.verdict(b"", case.known(CONTENT)) is Verdict.UNSURE


@both
def test_other_content_is_new(case: Case, packed: bool) -> None:
    for tailer in (case.known(CONTENT), case.gone(CONTENT), case.gone(CONTENT, read=0)):
        assert case.verdict(b"other\n" * 500, tailer, packed=packed) is Verdict.NEW


@both
@pytest.mark.parametrize("content", [CONTENT, CONTENT[:100], b"x\n"])
def test_the_same_bytes_as_a_file_that_is_there_are_a_copy(case: Case, content: bytes, packed: bool) -> None:
    assert case.verdict(content, case.known(content), packed=packed) is Verdict.COPY


@both
def test_a_copy_may_stop_short_of_what_was_read_or_go_beyond_it(case: Case, packed: bool) -> None:
    tailer = case.known(CONTENT, read=1900)
    for size in (100, 1800, 1900, 2500, len(CONTENT)):
        assert case.verdict(CONTENT[:size], tailer, packed=packed) is Verdict.COPY


@both
@pytest.mark.parametrize("content", [CONTENT, b"header\n"])
def test_what_holds_more_than_a_file_that_is_there_is_no_copy_of_it(case: Case, content: bytes, packed: bool) -> None:
    assert case.verdict(content + b"more\n", case.known(content), packed=packed) is Verdict.NEW


@both
def test_that_holds_for_a_finished_file_that_is_closed_too(case: Case, packed: bool) -> None:
    tailer = case.known(b"header\n")
    for event in (FileEvent.REPLACED, FileEvent.DONE):
        tailer.event(event)
    tailer.close()
    assert case.verdict(b"header\nmore\n", tailer, packed=packed) is Verdict.NEW
    assert case.verdict(b"header\n", tailer, packed=packed) is Verdict.COPY


def test_a_longer_file_goes_on_where_the_own_one_has_lost_its_name(case: Case) -> None:
    tailer = case.known(CONTENT, read=1900)
    Path(os.fsdecode(tailer.path)).unlink()
    assert case.verdict(CONTENT + b"more\n", tailer) is Verdict.CONTINUES
    assert case.verdict(CONTENT[:2500], tailer) is Verdict.COPY
    assert case.verdict(CONTENT[:-5] + b"other end\n" * 9, tailer) is Verdict.NEW


def test_a_copy_of_what_was_truncated_a_moment_ago_is_one(case: Case) -> None:
    tailer = case.known(CONTENT)
    os.truncate(tailer.path, 0)
    assert case.verdict(CONTENT + b"more\n", tailer) is Verdict.COPY


@pytest.mark.parametrize("written_since", [b"", b"another line\n" * 500])
@pytest.mark.parametrize("read", [0, 1900])
def test_so_it_is_where_little_was_read_or_more_was_written_since(case: Case, read: int, written_since: bytes) -> None:
    tailer = case.known(CONTENT, read=read)
    assert tailer.verify()
    Path(os.fsdecode(tailer.path)).write_bytes(written_since)
    assert case.verdict(CONTENT, tailer) is Verdict.COPY


@both
def test_a_generation_that_is_gone_goes_on_in_what_holds_its_bytes(case: Case, packed: bool) -> None:
    for read in (1900, len(CONTENT)):
        tailer = case.gone(CONTENT, read=read)
        assert case.verdict(CONTENT + b"more\n", tailer, packed=packed) is Verdict.CONTINUES


@both
def test_less_than_was_read_of_what_is_gone_holds_nothing_new(case: Case, packed: bool) -> None:
    tailer = case.gone(CONTENT)
    assert tailer.marks[-2].offset < len(CONTENT) - 20
    assert case.verdict(CONTENT[:-20], tailer, packed=packed) is Verdict.COPY


@both
def test_an_equal_head_does_not_make_a_shorter_file_a_copy(case: Case, packed: bool) -> None:
    header = b"# the same header in every generation\n" * 40
    tailer = case.gone(header + b"first\n" * 300)
    assert tailer.head_len < len(header)
    for size in (100, 250):
        assert case.verdict(header + b"other\n" * size, tailer, packed=packed) is Verdict.NEW


def test_without_a_proof_lines_are_rather_sent_twice(case: Case) -> None:
    tailer = case.gone(CONTENT)
    tailer.marks = ()  # as after a restart
    assert case.verdict(CONTENT[:1500], tailer) is Verdict.NEW


def test_a_head_that_differs_is_noticed_although_the_bytes_before_the_offset_are_the_same(case: Case) -> None:
    other = b"X" + CONTENT[1:]
    for tailer in (case.known(CONTENT), case.gone(CONTENT)):
        assert case.verdict(other, tailer) is Verdict.NEW


def test_the_first_that_fits_is_answered(case: Case) -> None:
    first, second = case.gone(CONTENT), case.gone(CONTENT)
    reader = case.reader(CONTENT + b"more\n")
    assert identify(reader, length(reader), [first, second]).of is first


def left(case: Case, content: bytes) -> Checkpoint:
    reader = case.reader(content)
    fingerprint = fingerprint_at(reader, len(content))
    return Checkpoint("l", "s", b"/a", b"/a.1", FileId(1, 1), 0, 0, fingerprint, len(content), FileState.LEFT)


@both
def test_a_copy_of_a_file_that_was_left_alone_is_left_alone(case: Case, packed: bool) -> None:
    for content, verdict in (
        (CONTENT, Verdict.COPY),
        (CONTENT + b"late\n", Verdict.COPY),
        (CONTENT[:-1], Verdict.NEW),
        (b"other\n", Verdict.NEW),
    ):
        reader = case.reader(content, packed=packed)
        answer = identify(reader, length(reader), [], [left(case, CONTENT)])
        assert answer == (verdict, None)


@both
def test_a_header_that_is_all_of_a_file_that_was_left_alone_makes_no_copy_of_others(case: Case, packed: bool) -> None:
    header = b"# a header\n"
    for content, verdict in ((header, Verdict.COPY), (header + b"a line\n", Verdict.NEW)):
        reader = case.reader(content, packed=packed)
        assert identify(reader, length(reader), [], [left(case, header)]).verdict is verdict


def test_what_is_copied_over_a_file_is_no_copy_of_it(case: Case) -> None:
    known = case.known(b"one\n")
    Path(os.fsdecode(known.path)).write_bytes(b"other\nmore\n")
    assert case.verdict(b"other\n", known) is Verdict.NEW
