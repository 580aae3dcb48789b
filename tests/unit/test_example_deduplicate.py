"""The example of a consumer that drops what comes twice: each line once, whatever is sent again, and none lost."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

FILE = Path(__file__).parents[2] / "config" / "examples" / "deduplicate.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("deduplicate", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


EXAMPLE: Any = load()
Record = tuple[bytes, int, int, int]  # file id, offset, part, size


def new(records: list[Record]) -> list[Record]:
    seen = EXAMPLE.Seen()
    found = []
    for record in records:
        file_id, offset, part, size = record
        headers = {"shipper.file_id": file_id, "shipper.offset": b"%d" % offset}
        if part:
            headers["shipper.part"] = b"%d" % part
        if seen.is_new("t", 0, headers, size):
            found.append(record)
    return found


@st.composite
def files(draw: st.DrawFn) -> list[Record]:
    """Return the records of a file in order."""
    records, offset = [], 0
    for size, parts in draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=20)):
        sizes = [4] * parts + [max(size, 1)] if parts else [size]
        records += [(b"f", offset, n if parts else 0, length) for n, length in enumerate(sizes, 1)]
        offset += sum(sizes) + draw(st.sampled_from([1, 1, 1, 2]))
    return records


@given(files(), st.data())
def test_each_record_is_new_once_whatever_comes_again_or_late(records: list[Record], data: st.DataObject) -> None:
    left_out = data.draw(st.sets(st.sampled_from(records))) if records else set()
    sent = []
    for index, record in enumerate(records):
        if record in left_out:
            continue
        sent.append(record)
        if data.draw(st.integers(0, 4)) == 0:  # a kill: back to some line, and on from there
            back = data.draw(st.integers(0, index))
            sent += [one for one in records[back : index + 1] if one not in left_out]
    sent += data.draw(st.permutations(sorted(left_out)))  # the dead letters, sent again
    sent += data.draw(st.lists(st.sampled_from(sent))) if sent else []
    found = new(sent)
    assert sorted(found) == sorted(records)


def test_an_empty_line_that_is_missing_is_not_taken_for_a_line_end_of_two_bytes() -> None:
    first, empty, begun, rest, last = (
        (b"f", 0, 0, 11),
        (b"f", 12, 0, 0),
        (b"f", 13, 1, 4),
        (b"f", 13, 2, 1),
        (b"f", 19, 0, 0),
    )
    sent = [first, begun, last, empty, rest]
    assert new(sent) == sent
    assert new([*sent, *sent]) == sent


@pytest.mark.parametrize(("end", "most"), [(1, 1), (2, EXAMPLE.SURE)])
def test_nothing_is_kept_of_what_comes_in_order(end: int, most: int) -> None:
    seen = EXAMPLE.Seen()
    at = 0
    for n in range(1000):
        size = n % 7
        assert seen.is_new("t", 0, {"shipper.file_id": b"f", "shipper.offset": b"%d" % at}, size)
        at += size + end
    (file,) = seen.files.values()
    assert len(file.gaps) <= most


def test_files_and_partitions_are_told_apart() -> None:
    seen = EXAMPLE.Seen()
    for partition in (0, 1):
        for name in (b"f", b"g"):
            headers = {"shipper.file_id": name, "shipper.offset": b"0"}
            assert seen.is_new("t", partition, headers, 1)
            assert not seen.is_new("t", partition, headers, 1)


def test_a_record_without_headers_is_always_new() -> None:
    seen = EXAMPLE.Seen()
    assert seen.is_new("t", 0, {}, 1)
    assert seen.is_new("t", 0, {}, 1)
