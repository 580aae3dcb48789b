"""How a file is now, by its name: what is said of it holds only where the name still leads to it."""

from __future__ import annotations

import os
from pathlib import Path

from shipper.filesource import looks
from shipper.model import Seen, file_id_of
from tests.unit.test_census import Case


def seen(path: Path) -> Seen:
    stat = path.stat()
    return Seen(
        os.fsencode(path), os.fsencode(path), file_id_of(stat.st_dev, stat.st_ino), stat.st_size, stat.st_mtime_ns, ()
    )


def test_a_file_is_looked_at_by_its_name(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("one\n")
    before = seen(log)
    assert looks.now(before) == before
    log.write_text("one\ntwo\n")
    now = looks.now(before)
    assert now is not None
    assert now.size == 8


def test_nothing_is_said_where_the_name_leads_to_another_file_or_to_none(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("one\n")
    before = seen(log)
    log.rename(tmp_path / "app.log.1")
    assert looks.now(before) is None
    log.write_text("another\n")
    assert looks.now(before) is None


def test_compressed_forms_are_found_beside_a_file(tmp_path: Path) -> None:
    log = tmp_path / "app.log.1"
    assert looks.compressed_beside(os.fsencode(log)) == []
    (tmp_path / "app.log.1.gz").write_bytes(b"")
    assert looks.compressed_beside(os.fsencode(log)) == [os.fsencode(log) + b".gz"]


def test_a_generation_is_held_against_its_file_as_that_is_now(tmp_path: Path) -> None:
    case = Case(tmp_path)
    tailer = case.census.new(case.seen("app.log", size=5))
    log = tmp_path / "app.log"

    def now() -> tuple[bool, bool, int]:
        return looks.has_changed(tailer), looks.has_shrunk(tailer), looks.size_now(tailer)

    assert now() == (True, True, 5)
    log.write_bytes(b"12345")
    assert now() == (False, False, 5)
    log.write_bytes(b"1234567")
    assert now() == (True, False, 7)
    log.unlink()
    assert now() == (False, False, 5)


def test_a_file_is_replaced_where_another_has_its_name_and_not_where_none_has(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"one\n")
    case = Case(tmp_path)
    tailer = case.census.new(seen(log))
    assert not looks.is_replaced(tailer)
    log.rename(tmp_path / "app.log.1")
    assert not looks.is_replaced(tailer)
    log.write_bytes(b"two\n")
    assert looks.is_replaced(tailer)
