"""The seam to the operating system: nothing blocks, everything can fail, and compressed files read like plain ones."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.files import (
    BROKEN,
    HEAD,
    MARK,
    Files,
    NotRegularError,
    PackedReader,
    PlainReader,
    fingerprint_at,
    matches,
    open_reader,
)
from shipper.model import NO_FINGERPRINT, FileId
from tests.harness.writer import COMPRESS


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def make_directory(path: Path) -> None:
    path.mkdir()


def make_link_to_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_link_to_terminal(path: Path) -> None:
    path.symlink_to("/dev/ptmx")


@pytest.mark.parametrize("make", [make_fifo, make_socket, make_directory, make_link_to_device, make_link_to_terminal])
def test_only_regular_files_are_opened_and_nothing_blocks(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "x.log")
    with pytest.raises(OSError) as raised:  # noqa: PT011 - which of them is asked below
        Files().open(os.fsencode(tmp_path / "x.log"))
    # A socket cannot be opened at all, which is as good.
    assert isinstance(raised.value, NotRegularError) or raised.value.errno == errno.ENXIO


def test_a_link_to_a_regular_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"one")
    (tmp_path / "link").symlink_to("real")
    reader = open_reader(Files(), os.fsencode(tmp_path / "link"), "")
    assert reader.read(10, 0) == b"one"
    reader.close()


def test_a_descriptor_is_not_inherited(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    fd = Files().open(os.fsencode(tmp_path / "a"))
    assert not os.get_inheritable(fd)
    os.close(fd)


OPS = ["log.open", "log.fstat", "log.read", "log.unmounted", "log.close"]


@pytest.mark.parametrize("failing", OPS)
def test_each_call_can_be_made_to_fail_alone(tmp_path: Path, failing: str) -> None:
    called = []
    error = OSError(errno.EIO, "made to fail")

    def fault(op: str) -> None:
        called.append(op)
        if op == failing:
            raise error

    log = os.fsencode(tmp_path / "a.log")
    (tmp_path / "a.log").write_bytes(b"one")
    files, fd = Files(fault), os.open(log, os.O_RDONLY)
    calls: dict[str, Callable[[], object]] = {
        "log.open": lambda: os.close(files.open(log)),
        "log.fstat": lambda: files.fstat(fd),
        "log.read": lambda: files.pread(fd, 10, 0),
        "log.unmounted": lambda: files.unmounted(log, FileId(0, 0)),
        "log.close": lambda: files.close(fd),
    }
    for op in OPS:
        if op == failing:
            with pytest.raises(OSError, match="made to fail") as raised:
                calls[op]()
            assert raised.value is error
        else:
            calls[op]()
    assert [op for op in called if op in OPS] == OPS
    if failing == "log.close":
        os.close(fd)


def test_what_is_known_of_an_open_file(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"one")
    os.link(log, tmp_path / "b.log")
    fd = os.open(log, os.O_RDONLY)
    known, real = Files().fstat(fd), log.stat()
    os.close(fd)
    assert known.file_id == FileId(real.st_dev, real.st_ino)
    assert (known.size, known.mtime_ns, known.links) == (3, real.st_mtime_ns, 2)
    assert stat.S_ISREG(real.st_mode)


def test_a_read_in_pieces_is_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    fd = os.open(tmp_path / "a", os.O_RDONLY)
    whole = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, at: whole(fd, min(size, 3), at))
    assert Files().pread(fd, 8, 1) == b"12345678"
    assert Files().pread(fd, 80, 8) == b"89"
    assert Files().pread(fd, 8, 10) == b""
    os.close(fd)


def test_a_read_does_not_mix_what_was_there_before_and_after_a_truncation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "a"
    log.write_bytes(b"old line\n")
    fd = os.open(log, os.O_RDONLY)
    whole = os.pread

    def pread(fd: int, size: int, at: int) -> bytes:
        data = whole(fd, size, at)
        if log.read_bytes() == b"old line\n":
            with open(log, "r+b") as file:
                file.truncate()
                file.write(b"a new and longer line\n")
        return data

    monkeypatch.setattr(os, "pread", pread)
    assert Files().pread(fd, 100, 0) == b"old line\n"
    os.close(fd)


def test_a_directory_that_is_away_or_elsewhere_says_nothing_of_its_files(tmp_path: Path) -> None:
    here = FileId(tmp_path.stat().st_dev, 1)
    files = Files()
    assert not files.unmounted(os.fsencode(tmp_path / "gone.log"), here)
    assert files.unmounted(os.fsencode(tmp_path / "none" / "gone.log"), here)
    assert files.unmounted(os.fsencode(tmp_path / "gone.log"), FileId(here.dev + 1, 1))


# Compressed files.


def packed(path: Path, content: bytes, compression: str) -> PackedReader:
    path.write_bytes(COMPRESS[compression](content))
    reader = open_reader(Files(), os.fsencode(path), compression)
    assert isinstance(reader, PackedReader)
    return reader


@pytest.mark.parametrize("compression", COMPRESS)
@given(st.lists(st.tuples(st.integers(0, 12_000), st.integers(0, 3000)), max_size=12))
def test_a_packed_file_reads_like_the_plain_one_wherever_it_is_read(
    tmp_path_factory: pytest.TempPathFactory, compression: str, reads: list[tuple[int, int]]
) -> None:
    content = b"".join(b"%d," % n for n in range(2000))
    reader = packed(tmp_path_factory.mktemp("packed") / "a", content, compression)
    for offset, size in reads:
        assert reader.read(size, offset) == content[offset : offset + size]
    assert reader.length() == len(content)
    for offset, size in reads:  # also after its length was asked for
        assert reader.read(size, offset) == content[offset : offset + size]
    reader.close()


def test_stepping_back_a_little_does_not_begin_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = packed(tmp_path / "a", bytes(range(256)) * 40, "gz")
    reader.read(5000, 0)

    seek, sought = reader._stream.seek, []

    def watched(at: int, whence: int = 0) -> int:
        if whence != os.SEEK_CUR:  # tell() is a seek too
            sought.append(at)
        return seek(at, whence)

    monkeypatch.setattr(reader._stream, "seek", watched)
    content = bytes(range(256)) * 40
    assert reader.read(3000, 4700) == content[4700:7700]
    assert reader.read(100, 4700) == content[4700:4800]
    assert not sought
    assert reader.read(100, 10) == content[10:110]
    assert sought == [10]
    reader.close()


@pytest.mark.parametrize("compression", COMPRESS)
def test_a_packed_file_that_is_cut_short_or_damaged_says_so(tmp_path: Path, compression: str) -> None:
    whole = COMPRESS[compression](os.urandom(5000))
    for name, content in (("short", whole[:-20]), ("damaged", b"no such format, not at all")):
        (tmp_path / name).write_bytes(content)
        reader = open_reader(Files(), os.fsencode(tmp_path / name), compression)
        assert isinstance(reader, PackedReader)
        with pytest.raises(BROKEN):
            reader.length()
        with pytest.raises(BROKEN):
            reader.read(10_000, 0)
        reader.close()


@pytest.mark.parametrize("compression", COMPRESS)
def test_a_packed_file_of_several_members_is_one_file(tmp_path: Path, compression: str) -> None:
    """Appended to by a logger, or made by a compressor that works on several cores."""
    pack = COMPRESS[compression]
    (tmp_path / "a").write_bytes(pack(b"one\n") + pack(b"") + pack(b"two\n"))
    reader = open_reader(Files(), os.fsencode(tmp_path / "a"), compression)
    assert isinstance(reader, PackedReader)
    assert reader.length() == 8
    assert reader.read(100, 2) == b"e\ntwo\n"
    reader.close()
    (tmp_path / "a").write_bytes(pack(b"one\n") + pack(b"two\n")[:-4])
    reader = open_reader(Files(), os.fsencode(tmp_path / "a"), compression)
    assert isinstance(reader, PackedReader)
    with pytest.raises(BROKEN):
        reader.length()
    reader.close()


@pytest.mark.parametrize("compression", COMPRESS)
def test_a_packed_file_can_be_read_again_after_an_error(tmp_path: Path, compression: str) -> None:
    whole = COMPRESS[compression](b"one\ntwo\n")
    (tmp_path / "a").write_bytes(whole[: len(whole) // 2])
    reader = open_reader(Files(), os.fsencode(tmp_path / "a"), compression)
    with pytest.raises(BROKEN):
        reader.read(100, 0)
    (tmp_path / "a").write_bytes(whole)
    assert reader.read(100, 0) == b"one\ntwo\n"
    reader.close()


def test_the_size_of_a_packed_file_is_the_one_on_disk(tmp_path: Path) -> None:
    reader = packed(tmp_path / "a", b"x" * 10_000, "gz")
    assert reader.stat().size == (tmp_path / "a").stat().st_size
    reader.close()


def test_a_compression_without_a_reader_leaves_no_descriptor_open(tmp_path: Path) -> None:
    (tmp_path / "a.lzo").touch()
    with pytest.raises(KeyError):
        open_reader(Files(), os.fsencode(tmp_path / "a.lzo"), "lzo")


# Fingerprints.


def plain(path: Path) -> PlainReader:
    reader = open_reader(Files(), os.fsencode(path), "")
    assert isinstance(reader, PlainReader)
    return reader


def fingerprint_holds(path: Path, before: bytes, after: bytes, offset: int) -> bool:
    path.write_bytes(before)
    reader = plain(path)
    fingerprint = fingerprint_at(reader, offset)
    path.write_bytes(after)
    holds = matches(reader, fingerprint)
    reader.close()
    return holds


@given(st.binary(max_size=3 * HEAD), st.data())
def test_a_fingerprint_knows_its_file_however_it_has_grown(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("print") / "a"
    offset = data.draw(st.integers(0, len(content)))
    assert fingerprint_holds(path, content, content + data.draw(st.binary(max_size=50)), offset)


@pytest.mark.parametrize("offset", [0, 1, HEAD, 3 * HEAD])
def test_one_other_byte_in_the_head_or_before_the_offset_is_noticed(tmp_path: Path, offset: int) -> None:
    content = bytes(3 * HEAD)
    places = {0, HEAD - 1, *([offset - 1, max(0, offset - MARK)] if offset else [])}
    for place in places:
        other = content[:place] + b"x" + content[place + 1 :]
        assert not fingerprint_holds(tmp_path / "a", content, other, offset), place


@pytest.mark.parametrize("offset", [1, HEAD, 3 * HEAD])
def test_a_file_that_is_shorter_than_the_offset_is_another(tmp_path: Path, offset: int) -> None:
    content = b"x" * 3 * HEAD
    assert not fingerprint_holds(tmp_path / "a", content, content[: offset - 1], offset)


def test_what_has_no_fingerprint_is_never_recognised(tmp_path: Path) -> None:
    for content in (b"", b"something"):
        (tmp_path / "a").write_bytes(content)
        reader = plain(tmp_path / "a")
        assert not matches(reader, NO_FINGERPRINT)
        reader.close()
