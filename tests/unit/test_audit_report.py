"""What a person reads of an audit: problems first, in words, and harmless whatever a log holds."""

from __future__ import annotations

import json

from shipper.audit.findings import FileReport, Missing, Report, SourceReport, Tally
from shipper.audit.report import as_json, as_text


def report(*files: FileReport, gone: int = 0, left: int = 0) -> Report:
    return Report(sources=[SourceReport("nginx", list(files), gone, left)])


def file(path: bytes = b"/var/log/a.log", why: str = "", **tally: int) -> FileReport:
    return FileReport(path, path, 0, "9f2c", Tally(**tally), why=why)


def test_all_is_well() -> None:
    text = as_text(report(file(lines=48210, delivered=48210)), files=False)
    assert text.splitlines() == [
        "Nothing is missing: 48,210 lines delivered; none doubled, none out of order.",
        "",
        "source   lines  delivered  missing",
        "nginx   48,210     48,210        0",
    ]


def test_what_is_missing_comes_first_with_its_place() -> None:
    lost = file(lines=30, delivered=18, missing=12)
    lost.missing = [Missing(b"/var/log/a\n.log", 4211, 2, b"\x1b[2Jline")]
    first, second, third, fourth, *_ = as_text(report(lost), files=False).splitlines()
    assert first == "nginx: 12 lines missing"
    assert second == "  /var/log/a\\n.log at 4,211, part 2: \\x1b[2Jline"
    assert third == "  and 11 more"
    assert fourth == "12 of 30 lines missing; none doubled, none out of order."


def test_nothing_judged_is_not_called_well() -> None:
    text = as_text(report(file(lines=7, not_yet_sent=7)), files=False)
    assert text.startswith("Nothing could be judged: no line is known to have been sent.\n")


def test_a_row_for_each_file_and_what_was_not_judged() -> None:
    text = as_text(report(file(lines=3, not_judged=3, why="Permission denied"), gone=2, left=1), files=True)
    assert "  /var/log/a.log" in text
    assert text.splitlines()[-3:] == [
        "nginx: /var/log/a.log: not judged: Permission denied",
        "nginx: 1 file left alone at the first scan, not judged",
        "nginx: 2 files gone from the disk, not judged",
    ]


def test_json_has_everything() -> None:
    lost = file(lines=2, delivered=1, missing=1)
    lost.missing = [Missing(b"/a", 5, 0, b"\xff")]
    found = json.loads(as_json(report(lost)))
    assert found["total"]["missing"] == found["sources"]["nginx"]["missing"] == 1
    assert found["sources"]["nginx"]["files"][0]["missing_lines"] == [
        {"path": "/a", "offset": 5, "part": 0, "begins": "\\xff"}
    ]


def test_what_fails() -> None:
    well = report(file(lines=1, delivered=1))
    doubled = report(file(lines=1, delivered=1, doubled=1))
    disordered = report(file(lines=1, delivered=1, out_of_order=1))
    unread = report(file(why="Permission denied"))
    lost = report(file(lines=1, missing=1))
    assert [one.failed(strict=False) for one in (well, doubled, disordered, unread, lost)] == [False] * 4 + [True]
    assert [one.failed(strict=True) for one in (well, doubled, disordered, unread, lost)] == [False] + [True] * 4
