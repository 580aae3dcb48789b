"""Cutting lines: nothing is added, nothing is lost, whatever the bytes and wherever they are cut."""

from hypothesis import given
from hypothesis import strategies as st

from shipper.framing import cut, parts, starts

logs = st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"\0", b"\xff", b"word"])).map(b"".join)


def lines_of(data: bytes) -> tuple[list[bytes], bytes]:
    """Cut slowly and plainly."""
    *whole, rest = data.split(b"\n")
    return [line.removesuffix(b"\r") for line in whole], rest


@given(logs, logs)
def test_each_line_loses_exactly_its_end(before: bytes, data: bytes) -> None:
    lines, end = cut(before + data, len(before))
    expected, rest = lines_of(data)
    assert lines == expected
    assert (before + data)[end:] == rest


@given(logs, st.integers(min_value=0))
def test_where_the_reads_end_makes_no_difference(data: bytes, at: int) -> None:
    at %= len(data) + 1
    first, end = cut(data[:at], 0)
    second, last = cut(data, end)
    assert first + second == lines_of(data)[0]
    assert data[last:] == lines_of(data)[1]


@given(logs, logs)
def test_each_line_is_found_where_it_begins(before: bytes, data: bytes) -> None:
    both = before + data
    lines, end = cut(both, len(before))
    begins = list(starts(both, len(before), end)) if lines else []
    assert [both[len(before) + at :][: len(line)] for at, line in zip(begins, lines, strict=True)] == lines
    assert begins == sorted(set(begins))
    assert all(at == 0 or data[at - 1 : at] == b"\n" for at in begins)


def test_only_one_carriage_return_belongs_to_the_line_end() -> None:
    assert cut(b"a\r\r\n\rb\n\r\n", 0) == ([b"a\r", b"\rb", b""], 9)


def test_no_line_end_is_no_line() -> None:
    assert cut(b"one\ntwo", 4) == ([], 4)
    assert cut(b"", 0) == ([], 0)


@given(st.binary(), st.integers(1, 20))
def test_parts_are_the_line(line: bytes, size: int) -> None:
    cut_up = parts(line, size)
    assert b"".join(cut_up) == line
    assert all(0 < len(part) <= size for part in cut_up) or cut_up == [b""]
