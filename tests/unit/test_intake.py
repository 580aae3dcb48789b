"""Unknown files: looked at until something can be said of them, and never taken for what they are not."""

from __future__ import annotations

import errno
import gzip
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper.discovery import Discovery
from shipper.filesource.intake import Intake
from shipper.model import Seen
from tests.unit.rig import PumpRig


def rotated(rig: PumpRig, content: bytes = b"one\n") -> Path:
    """Start on a log, and rotate it; returns the path of the rotated file."""
    log = rig.logs / "app.log"
    log.write_bytes(content)
    rig.start()
    log.rename(rig.logs / "app.log.1")
    log.write_bytes(b"two\n")
    rig.pass_time(1)
    return rig.logs / "app.log.1"


def test_a_compressed_copy_is_recognised_once_it_is_complete(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        old = rotated(rig, b"one\n" * 1000)
        whole = gzip.compress(old.read_bytes())
        with (rig.logs / "app.log.1.gz").open("wb", buffering=0) as packed:
            for piece in (b"", whole[:10], whole[10:-4]):
                packed.write(piece)
                rig.pass_time(2)
                assert "file.copy" not in rig.names()
            packed.write(whole[-4:])
        rig.pass_time(2)
        old.unlink()
        rig.pass_time(10)
        assert rig.names("file.copy") == ["file.copy"]
        assert rig.lines == ["one"] * 1000 + ["two"]
        assert "file.lost" not in rig.names()


def test_a_compressed_file_whose_origin_is_nowhere_is_read(tmp_path: Path) -> None:
    """Born, rotated and compressed between two looks."""
    with PumpRig(tmp_path) as rig:
        rotated(rig)
        (rig.logs / "app.log.2.gz").write_bytes(gzip.compress(b"never seen before\n"))
        rig.pass_time(2)
        assert "never seen before" in rig.lines


def test_an_empty_sibling_is_looked_at_until_it_holds_something(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        rotated(rig)
        sibling = rig.logs / "app.log.2"
        sibling.touch()
        rig.pass_time(5)
        with sibling.open("wb") as writer:
            writer.write(b"at last\n")
        rig.pass_time(2)
        assert "at last" in rig.lines


@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE, errno.EIO])
def test_what_cannot_be_opened_is_tried_again(tmp_path: Path, number: int) -> None:
    with PumpRig(tmp_path) as rig:
        old = rotated(rig)
        rig.faults["log.open"] = OSError(number, os.strerror(number))
        old.rename(rig.logs / "app.log.2")
        (rig.logs / "app.log").rename(old)
        (rig.logs / "app.log").write_bytes(b"three\n")
        (rig.logs / "app.log.3").write_bytes(b"sibling\n")
        rig.pass_time(5)
        assert rig.lines == ["one", "two"]
        rig.faults.clear()
        rig.pass_time(40, step=1)
        assert sorted(rig.lines) == ["one", "sibling", "three", "two"]


def test_what_is_no_regular_file_is_no_file(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        old = rotated(rig)
        old.unlink()
        (rig.logs / "app.log").unlink()
        os.mkfifo(rig.logs / "app.log")
        (rig.logs / "app.log.1").mkdir()
        (rig.logs / "dead.log").symlink_to("nowhere")
        rig.pass_time(40, step=1)
        (rig.logs / "app.log").unlink()
        (rig.logs / "app.log").write_bytes(b"three\n")
        rig.pass_time(2)
        assert rig.lines == ["one", "two", "three"]


def test_a_copy_that_begins_to_differ_is_read_whole(tmp_path: Path) -> None:
    """What was a copy so far is written on by somebody: then it is a log of its own."""
    with PumpRig(tmp_path) as rig:
        old = rotated(rig, b"header\n")
        copy = rig.logs / "app.log.2"
        copy.write_bytes(old.read_bytes())
        rig.pass_time(2)
        assert rig.names("file.copy") == ["file.copy"]
        with copy.open("ab") as writer:
            writer.write(b"more\n")
        rig.pass_time(2)
        assert rig.lines == ["header", "two", "header", "more"]


def test_a_copy_that_is_found_while_it_is_still_empty_is_no_new_file(tmp_path: Path) -> None:
    with PumpRig(tmp_path, "*.log*") as rig:
        log, copy = rig.logs / "app.log", rig.logs / "app.log.1"
        log.write_bytes(b"one\ntwo\n")
        rig.start().beat()
        with copy.open("wb", buffering=0) as copying:
            rig.beat()
            copying.write(b"one\n")
            rig.beat()
            copying.write(b"two\n")
        os.truncate(log, 0)
        log.write_bytes(b"three\n")
        rig.beat()
        assert rig.lines == ["one", "two", "three"]


def test_a_file_that_moves_on_while_others_are_looked_at_is_not_overtaken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PumpRig(tmp_path) as rig:
        log, old, older, under_way = (rig.logs / name for name in ("app.log", "app.log.1", "app.log.2", "elsewhere"))
        opened, looked = Intake._open, Discovery.look

        def too_late(*args: Any) -> Any:
            if old.exists():
                old.rename(under_way)
            return opened(*args)

        def by_halves(*args: Any) -> Any:
            found = looked(*args)
            if under_way.exists():
                under_way.rename(older)
            return found

        monkeypatch.setattr(Intake, "_open", too_late)
        monkeypatch.setattr(Discovery, "look", by_halves)
        rig.start()
        old.write_bytes(b"one\n")
        log.write_bytes(b"two\n")
        rig.pass_time(1)
        assert rig.lines == ["one", "two"]


@pytest.mark.parametrize("watch", ["auto", "poll"])
@pytest.mark.parametrize("when", ["start", "running", "reload"])
def test_a_file_that_loses_one_of_its_names_before_it_is_opened_is_not_overtaken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watch: str, when: str
) -> None:
    with PumpRig(tmp_path, watch=watch) as rig:
        log, first, second = (rig.logs / name for name in ("app.log", "app.log-20260130", "app.log-20260131"))
        opened = Intake._open

        def too_late(intake: Intake, one: Seen) -> Any:
            if one.path == os.fsencode(log) and os.path.exists(second) and log.stat().st_nlink == 2:
                log.unlink()  # no event names the other name
                log.write_bytes(b"two\n")
            return opened(intake, one)

        log.write_bytes(b"zero\n")
        rig.start()
        if when == "start":
            rig.stop()
        elif when == "reload":
            rig.want(other={"watch": watch, "paths": (f"{rig.logs}/other.log",)})
        monkeypatch.setattr(Intake, "_open", too_late)
        log.rename(first)
        log.write_bytes(b"one\n")
        os.link(log, second)
        if when == "start":
            rig.start()
        elif when == "reload":
            rig.want(s={"watch": watch})
        rig.pass_time(3)
        assert rig.lines == ["zero", "one", "two"]


@pytest.mark.parametrize("seen", ["together", "one by one", "at the start"])
@pytest.mark.parametrize("gone", ["app.log.1", "app.log.2"])
def test_an_empty_sibling_that_loses_one_of_its_names_is_read_when_it_holds_something(
    tmp_path: Path, gone: str, seen: str
) -> None:
    with PumpRig(tmp_path) as rig:
        names = [rig.logs / "app.log.1", rig.logs / "app.log.2"]
        (rig.logs / "app.log").write_bytes(b"one\n")
        rig.start()
        if seen == "at the start":
            rig.stop()
        names[0].touch()
        if seen == "one by one":
            rig.beat()
        os.link(*names)
        if seen == "at the start":
            rig.start()
        rig.beat()
        (rig.logs / gone).unlink()
        rig.pass_time(2)
        next(name for name in names if name.exists()).write_bytes(b"late\n")
        rig.pass_time(10)
        assert rig.lines == ["one", "late"]


def test_a_generation_begins_although_names_never_come_to_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with PumpRig(tmp_path) as rig:
        names: Iterator[Path] = (rig.logs / f"other-{n}.log" for n in itertools.count())
        quiet = Discovery.quiet

        def make_one_more(discovery: Discovery) -> bool:
            next(names).touch()
            return quiet(discovery)

        monkeypatch.setattr(Discovery, "quiet", make_one_more)
        rig.start()
        (rig.logs / "app.log").write_bytes(b"one\n")
        rig.pass_time(5)
        assert rig.lines == ["one"]
