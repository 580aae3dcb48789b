"""Paths by their last component."""

from __future__ import annotations

from shipper.filesource.namesakes import FEW, Namesakes


def test_paths_are_found_by_their_name_until_there_are_many() -> None:
    known = Namesakes([b"/first/first.log"])
    assert known.of(b"first.log") == (b"/first/first.log",)
    assert known.of(b"app.log") == ()
    paths = [b"/%d/app.log" % number for number in range(FEW + 1)]
    for count, path in enumerate(paths[:FEW], start=1):
        known.add(path)
        known.add(path)
        assert known.of(b"app.log") == tuple(paths[:count])
    known.add(b"/0/other.log")
    assert known.of(b"other.log") == (b"/0/other.log",)
    known.add(paths[FEW])
    assert known.of(b"app.log") == ()
    for left in range(FEW, -1, -1):
        known.drop(paths[left])
        assert known.of(b"app.log") == tuple(paths[:left])
    known.drop(b"/0/other.log")
    known.drop(b"/0/other.log")
    assert known.of(b"other.log") == ()
