from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from shipper.checks import matching
from shipper.demo import generated, machine
from shipper.demo.stage import MAX_LINE
from shipper.demo.verify import Contents, Verdict
from shipper.discovery import Watched
from shipper.errors import ShipperError
from shipper.events import Events
from shipper.model import Seen

GOOD = Verdict(written=148310, delivered=148310, missing=0, repeated=211, altered=0, keys=4, keys_in_order=4)
BAD = Verdict(written=148310, delivered=148300, missing=10, repeated=211, altered=2, keys=4, keys_in_order=3)


def expect(*globs: str) -> tuple[dict[bytes, int], int, Contents]:
    contents = Contents()
    return (*machine._expect(globs, contents), contents)


def take(contents: Contents, *values: bytes) -> Contents:
    for value in values:
        contents.take(value)
    return contents


def test_a_good_demo_says_so_and_what_to_do_next() -> None:
    summary = generated.Summary(GOOD, rotations=16, missing={})
    first, following = summary.as_text().splitlines()
    assert first == (
        "Verified with a consumer: 148,310 lines written, 148,310 delivered, 0 missing, 211 repeated after the kill, "
        "order kept for 4 of 4 keys."
    )
    assert following.startswith("Next: config/shipper.toml is a commented starting point;")
    assert json.loads(json.dumps(summary.as_json()))["good"] is True


def test_a_bad_demo_says_what_is_missing() -> None:
    summary = generated.Summary(BAD, rotations=16, missing={"web.log": (10, 1200)})
    assert not summary.good
    lines = summary.as_text().splitlines()
    assert "10 missing" in lines[0]
    assert lines[1:] == [
        "web.log: 10 missing, the first of them is line 1,200.",
        "2 records are not, byte for byte, a line of the file that their key names.",
    ]


def test_every_complete_line_of_the_machines_files_is_expected_once(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"one\r\n\ntwo\none\npartial")
    (tmp_path / "b.log").write_bytes(b"")
    (tmp_path / "c.log").symlink_to(tmp_path / "a.log")
    (tmp_path / "d.log.gz").write_bytes(b"compressed\n")
    (tmp_path / "a.log.1").write_bytes(b"rotated\n")
    files, unreadable, contents = expect(f"{tmp_path}/*.log", f"{tmp_path}/*.gz")
    assert unreadable == 0
    assert files == {os.fsencode(tmp_path / "a.log"): 4, os.fsencode(tmp_path / "b.log"): 0}
    assert contents.expected == 4
    take(contents, b"two", b"one", b"one", b"", b"rotated")
    assert (contents.missing, contents.other) == (0, 1)


def test_a_long_line_is_expected_in_the_parts_that_are_sent(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"x" * (MAX_LINE + 1) + b"\n")
    contents = expect(f"{tmp_path}/*.log")[2]
    assert take(contents, b"x" * MAX_LINE, b"x").missing == 0


def test_only_what_was_there_at_first_is_expected(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"one\ntwo\n")
    seen = matching(Watched("demo", (os.fsencode(path),), (), "auto"), Events(lambda *_: None))
    path.write_bytes(b"one\ntwo\nthree\n")
    assert list(machine.complete_lines(seen[0])) == [[b"one"], [b"two"]]


def test_files_that_cannot_be_read_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_bytes(b"line\n")

    def refuse(seen: Seen) -> list[list[bytes]]:
        if seen.path.endswith(b"a.log"):
            raise PermissionError(seen.path)
        return [[b"line"]]

    monkeypatch.setattr(machine, "complete_lines", refuse)
    files, unreadable, contents = expect(f"{tmp_path}/*.log")
    assert (list(files), unreadable, contents.expected) == ([os.fsencode(tmp_path / "b.log")], 1, 1)
    with pytest.raises(ShipperError, match="none of the 1 files that match can be read"):
        expect(f"{tmp_path}/a.log")


def test_nothing_that_matches_is_said(tmp_path: Path) -> None:
    with pytest.raises(ShipperError, match=r"no file matches .*/\*\.log; quote"):
        expect(f"{tmp_path}/*.log")


def test_the_summary_of_the_machines_files_says_what_is_lacking() -> None:
    summary = machine.Summary(
        files=2, unreadable=1, lines=1200, missing=3, other=7, cut_short=True, lacking={"/a.log": (997, 1000)}
    )
    assert not summary.good
    assert summary.as_text().splitlines() == [
        "Verified with a consumer: 1,200 lines were in 2 files, 1,197 delivered, 3 missing.",
        "/a.log: 997 of 1,000 delivered.",
        "7 records more arrived, of lines that were added since.",
        "The time was over before all had arrived: give it more with --seconds, or leave that out.",
        "1 file could not be read by this user: left out.",
    ]
    assert json.loads(json.dumps(summary.as_json()))["lacking"] == {"/a.log": {"delivered": 997, "lines": 1000}}
