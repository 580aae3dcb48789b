from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.demo.generator import KEEP, Generator, GrowingFile, Stream, line, streams


def stream(rotation: str = "rename", *, lines: int = 10) -> Stream:
    return Stream("web.log", 1000, "rename" if rotation == "rename" else "copy", lines)


def lines_of(directory: Path, name: str = "web.log") -> list[bytes]:
    """All lines on disk, oldest generation first; fails on a line without its end."""
    paths = [directory / f"{name}.{number}" for number in range(KEEP, 0, -1)] + [directory / name]
    content = b"".join(path.read_bytes() for path in paths if path.exists())
    assert content == b"" or content.endswith(b"\n")
    return content.split(b"\n")[:-1]


def expected(count: int, name: str = "web.log") -> list[bytes]:
    return [line(name, number) for number in range(count)]


def test_a_line_says_its_file_and_number_and_is_always_the_same() -> None:
    assert line("web.log", 17).startswith(b"web.log 17 ")
    assert line("web.log", 17) == line("web.log", 17)
    assert len({line("web.log", number) for number in range(1000)}) == 1000


@pytest.mark.parametrize("rotation", ["rename", "copy"])
def test_every_generation_together_holds_every_line_once(tmp_path: Path, rotation: str) -> None:
    file = GrowingFile(tmp_path, stream(rotation))
    for size in (3, 0, 7, 4, 25, 1):
        file.grow(size, half=True)
    file.finish_line()
    file.close()
    assert lines_of(tmp_path) == expected(file.written)
    assert file.generation == 2
    assert [len((tmp_path / name).read_bytes().splitlines()) for name in ("web.log.2", "web.log.1")] == [11, 30]


def test_copy_and_truncate_keeps_the_file_and_rename_makes_a_new_one(tmp_path: Path) -> None:
    for rotation, same in (("copy", True), ("rename", False)):
        directory = tmp_path / rotation
        directory.mkdir()
        file = GrowingFile(directory, stream(rotation))
        before = (directory / "web.log").stat().st_ino
        file.grow(10)
        file.close()
        assert ((directory / "web.log").stat().st_ino == before) is same
        assert ((directory / "web.log.1").stat().st_ino == before) is not same


def test_a_block_can_end_in_the_middle_of_a_line(tmp_path: Path) -> None:
    file = GrowingFile(tmp_path, stream(lines=100))
    file.grow(2, half=True)
    content = (tmp_path / "web.log").read_bytes()
    assert content.count(b"\n") == file.written == 2
    begun = content.rsplit(b"\n", 1)[1]
    assert begun
    assert line("web.log", 2).startswith(begun)
    file.grow(1)
    assert lines_of(tmp_path) == expected(3)
    file.close()


def test_only_so_many_generations_are_kept(tmp_path: Path) -> None:
    file = GrowingFile(tmp_path, stream(lines=1))
    for _ in range(KEEP + 3):
        file.grow(1)
    file.close()
    assert len(list(tmp_path.iterdir())) == KEEP + 1
    assert lines_of(tmp_path) == expected(KEEP + 3)[3:]


@given(st.floats(5, 600))
def test_every_file_is_rotated_a_few_times(seconds: float) -> None:
    for each in streams(seconds):
        assert 3 <= each.rate * 0.9 * seconds / each.generation_lines <= 9
    assert {each.rotation for each in streams(seconds)} == {"rename", "copy"}


def wait_until(generator: Generator, reached: Callable[[], bool]) -> None:
    """Counts are only ever added to, without telling anybody: look at them until they are there."""
    while not reached():
        generator.check()
        threading.Event().wait(0.01)


def test_the_thread_writes_all_files_until_it_is_stopped(tmp_path: Path) -> None:
    generator = Generator(tmp_path, [stream(lines=100), Stream("orders.log", 500, "copy", 50)])
    before = threading.active_count()
    generator.start()
    wait_until(generator, lambda: all(generator.written.values()))
    generator.rotate()
    wait_until(generator, lambda: all(file.generation for file in generator.files))
    generator.stop()
    assert threading.active_count() == before
    for file in generator.files:
        assert lines_of(tmp_path, file.stream.name) == expected(file.written, file.stream.name)


def test_what_makes_the_thread_fail_is_raised_where_it_is_asked(tmp_path: Path) -> None:
    generator = Generator(tmp_path, [stream(lines=1)])
    (tmp_path / "web.log").unlink()  # so that it cannot be renamed
    generator.start()
    with pytest.raises(FileNotFoundError):
        wait_until(generator, lambda: False)
    with pytest.raises(FileNotFoundError):
        generator.stop()
