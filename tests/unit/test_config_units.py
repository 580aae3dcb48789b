from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.config.units import UnitError, format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30.0),
        ("5m", 300.0),
        ("500ms", 0.5),
        ("1h30m", 5400.0),
        ("1h 30m", 5400.0),
        ("5 s", 5.0),
        ("0s", 0.0),
        ("1.5h", 5400.0),
        ("2d", 172800.0),
        ("0.5ms", 0.0005),
        ("1d2h3m4s5ms", 93784.005),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("30 parsecs", 'is not a duration; write "30s", "5m" or "500ms"'),
        ("30", 'has no unit; write "30s", "30m" or "30ms"'),
        ("", 'is not a duration; write "30s", "5m" or "500ms"'),
        ("-5s", 'is not a duration; write "30s", "5m" or "500ms"'),
        ("5s5m", 'is not a duration; write "30s", "5m" or "500ms"'),
        ("5s5s", 'is not a duration; write "30s", "5m" or "500ms"'),
        ("5s ", 'is not a duration; write "30s", "5m" or "500ms"'),
        ("٣s", 'is not a duration; write "30s", "5m" or "500ms"'),
        ("9" * 400 + "s", 'is not a duration; write "30s", "5m" or "500ms"'),
    ],
)
def test_what_is_no_duration(text: str, message: str) -> None:
    with pytest.raises(UnitError) as error:
        parse_duration(text)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (0.005, "5ms"),
        (90.0, "1m30s"),
        (5400.0, "1h30m"),
        (1.5, "1s500ms"),
        (0.0005, "0.5ms"),
        (100.0, "1m40s"),
    ],
)
def test_durations_are_written_short(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64MiB", 64 << 20),
        ("900KiB", 900 << 10),
        ("10MB", 10_000_000),
        ("10 kB", 10_000),
        ("10KB", 10_000),
        ("1.5GiB", 3 << 29),
        ("512B", 512),
        ("0B", 0),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("64M", 'is not a size; write "64MiB", or "64MB" for powers of 1000'),
        ("64mib", 'is not a size; write "64MiB", or "64MB" for powers of 1000'),
        ("64", 'has no unit; write "64B" or "64KiB"'),
        ("lots", 'is not a size; write "64MiB" or "900KiB"'),
        ("-1MiB", 'is not a size; write "64MiB" or "900KiB"'),
        ("0.3B", 'is not a whole number of bytes; write "0B"'),
    ],
)
def test_what_is_no_size(text: str, message: str) -> None:
    with pytest.raises(UnitError) as error:
        parse_size(text)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0B"), (24 << 20, "24MiB"), (900 << 10, "900KiB"), (10_000_000, "10MB"), (1000, "1kB"), (1001, "1001B")],
)
def test_sizes_are_written_short(size: int, text: str) -> None:
    assert format_size(size) == text


_NUMBERS = st.integers(0, 10**6) | st.decimals(0, 10**6, places=6)


@given(st.builds("{}{}".format, _NUMBERS.map(str), st.sampled_from(["d", "h", "m", "s", "ms"])))
def test_a_duration_survives_being_written(text: str) -> None:
    assert parse_duration(format_duration(parse_duration(text))) == parse_duration(text)


@given(st.integers(0, 10**12 - 1))
def test_a_size_survives_being_written(size: int) -> None:
    assert parse_size(format_size(size)) == size


@given(st.text() | st.text(alphabet="0123456789.dhms KMGTiBkb"))
def test_any_text_parses_or_says_why(text: str) -> None:
    for parse in (parse_duration, parse_size):
        with suppress(UnitError):
            assert parse(text) >= 0
