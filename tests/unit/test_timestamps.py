"""Times that logs tell: each format, what is refused, the year that is not written, and that nothing raises."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.records.timestamps import AHEAD, EARLIEST, build
from shipper.timeformat import NAMED, FormatError, compile_format, zone_of

BERLIN = ZoneInfo("Europe/Berlin")
NOW = int(datetime(2026, 11, 24, 11, 9, 10, tzinfo=UTC).timestamp()) * 1000


def read(form: str, value: Any, zone: tzinfo | None = UTC, now: int = NOW) -> str | None:
    """Return the time in UTC, as ISO 8601 with milliseconds, without the zone."""
    found = build(form, zone)(value, now)
    return None if found is None else datetime.fromtimestamp(found / 1000, UTC).isoformat(timespec="milliseconds")[:-6]


@pytest.mark.parametrize(
    ("form", "value", "found"),
    [
        ("rfc3339", "2026-11-24T11:09:10Z", "2026-11-24T11:09:10.000"),
        ("rfc3339", "2026-11-24T11:09:10.123456789Z", "2026-11-24T11:09:10.123"),
        ("rfc3339", "2026-11-24T11:09:10.5+02:00", "2026-11-24T09:09:10.500"),
        ("rfc3339", "2026-11-24t11:09:10z", "2026-11-24T11:09:10.000"),
        ("rfc3339", "2026-06-30T23:59:60Z", "2026-06-30T23:59:59.000"),
        ("rfc3339", "2026-11-24 11:09:10,123", "2026-11-24T11:09:10.123"),
        ("rfc3339", "2026-11-24 11:09:10.123 UTC", "2026-11-24T11:09:10.123"),
        ("rfc3339", "2026-11-24 11:09:10.123 CET", "2026-11-24T11:09:10.123"),
        ("rfc3339", "2026-11-24 11:09:10 +0100", "2026-11-24T10:09:10.000"),
        ("rfc3339", "20261124T110910Z", "2026-11-24T11:09:10.000"),
        ("rfc3339", "yesterday", None),
        ("rfc3339", "2026-13-24T11:09:10Z", None),
        ("rfc3339", 1795518550, None),
        ("epoch", 1795518550, "2026-11-24T11:09:10.000"),
        ("epoch", 1795518550.1234, "2026-11-24T11:09:10.123"),
        ("epoch", "1795518550.1234", "2026-11-24T11:09:10.123"),
        ("epoch", True, None),
        ("epoch", float("nan"), None),
        ("epoch", float("inf"), None),
        ("epoch", "9" * 5000, None),
        ("epoch", None, None),
        ("epoch_ms", 1795518550123, "2026-11-24T11:09:10.123"),
        ("epoch_ms", "1795518550123", "2026-11-24T11:09:10.123"),
        ("epoch_us", 1795518550123456, "2026-11-24T11:09:10.123"),
        ("epoch_ns", "1795518550123456789", "2026-11-24T11:09:10.123"),
        ("syslog", "Nov 24 11:09:10", "2026-11-24T11:09:10.000"),
        ("syslog", "Nov  4 11:09:10", "2026-11-04T11:09:10.000"),
        ("syslog", "2026-11-24T11:09:10.5+01:00", "2026-11-24T10:09:10.500"),
        ("syslog", "Nop 24 11:09:10", None),
        ("syslog", "", None),
        ("%d/%b/%Y:%H:%M:%S %z", "24/Nov/2026:11:09:10 +0130", "2026-11-24T09:39:10.000"),
        ("%d/%b/%Y:%H:%M:%S %z", "24/Nov/2026:11:09:10 -01:30", "2026-11-24T12:39:10.000"),
        ("%Y-%m-%d %H:%M:%S.%f", "2026-11-24 11:09:10.1234567", "2026-11-24T11:09:10.123"),
        ("%Y-%m-%d %H:%M:%S.%f", "2026-11-24 11:09:10,5", "2026-11-24T11:09:10.500"),
        ("%Y-%m-%d %H:%M:%S.%f", "2026-11-24 11:09:10", "2026-11-24T11:09:10.000"),
        ("%F %T", "2026-11-24 11:09:60", "2026-11-24T11:09:59.000"),
        ("%F %T", "2026-11-24 11:09:61", None),
        ("%F %T", "2026-11-24 24:00:00", None),
        ("%F %T", "2026-02-30 11:09:10", None),
        ("%A, %d. %B %Y %I:%M %p", "Tuesday, 24. November 2026 11:09 PM", "2026-11-24T23:09:00.000"),
        ("%d %b %Y %I:%M %p", "24 Sept 2026 12:09 am", "2026-09-24T00:09:00.000"),
        ("%D %R", "11/24/26 11:09", "2026-11-24T11:09:00.000"),
        ("%Y-%j", "2026-328", "2026-11-24T00:00:00.000"),
        ("%Y-%j", "2026-366", None),
        ("%s", "1795518550", "2026-11-24T11:09:10.000"),
        ("%s.%f", "1795518550.25", "2026-11-24T11:09:10.250"),
        ("%F %T %Z", "2026-11-24 11:09:10 GMT", "2026-11-24T11:09:10.000"),
        ("100%% %F", "100% 2026-11-24", "2026-11-24T00:00:00.000"),
        ("%%T %F", "%T 2026-11-24", "2026-11-24T00:00:00.000"),
        ("%m%d %H:%M:%S.%f", "1124 11:09:10.123456", "2026-11-24T11:09:10.123"),
        ("%F %T", "2026-11-24 11:09:10 and more", None),
        ("%F %T", b"2026-11-24 11:09:10", None),
        ("%F %T", ["2026-11-24 11:09:10"], None),
    ],
)
def test_each_format(form: str, value: Any, found: str | None) -> None:
    assert read(form, value) == found


def test_a_time_before_1990_or_a_day_ahead_is_none() -> None:
    moment = build("epoch_ms", UTC)
    assert [moment(value, NOW) for value in (EARLIEST - 1, EARLIEST, 0, -1)] == [None, EARLIEST, None, None]
    assert [moment(NOW + ahead, NOW) for ahead in (AHEAD, AHEAD + 1)] == [NOW + AHEAD, None]
    assert read("rfc3339", "0001-01-01T00:00:00+14:00") is None


@pytest.mark.parametrize(
    ("now", "text", "year"),
    [
        ("2026-01-01T00:00:05", "Dec 31 23:59:59", 2025),
        ("2025-12-31T23:59:59", "Jan  1 00:00:01", 2026),
        ("2026-11-24T00:00:00", "Nov 24 00:00:00", 2026),
        ("2024-03-01T00:00:00", "Feb 29 12:00:00", 2024),
        ("2025-01-10T00:00:00", "Feb 29 12:00:00", 2024),
        ("2026-07-01T00:00:00", "Jan  2 00:00:00", 2026),
        ("2026-07-20T00:00:00", "Jan  2 00:00:00", 2026),  # next year's is nearer, and far ahead
    ],
)
def test_the_year_that_is_not_written_is_the_nearest(now: str, text: str, year: int) -> None:
    at = int(datetime.fromisoformat(now + "+00:00").timestamp()) * 1000
    found = read("syslog", text, now=at)
    assert found is not None
    assert int(found[:4]) == year


def test_a_day_that_no_near_year_has_is_none() -> None:
    assert read("syslog", "Feb 29 12:00:00") is None


def test_the_year_of_a_text_that_is_remembered_changes_with_the_time() -> None:
    moment = build("syslog", UTC)
    first = moment("Dec 31 23:00:00", int(datetime(2025, 12, 31, 23, tzinfo=UTC).timestamp()) * 1000)
    second = moment("Dec 31 23:00:00", int(datetime(2026, 12, 31, 23, tzinfo=UTC).timestamp()) * 1000)
    assert first is not None
    assert second is not None
    assert second - first == 365 * 86_400_000


def test_a_time_without_a_day_is_of_the_nearest() -> None:
    midnight = int(datetime(2026, 11, 24, 0, 0, 5, tzinfo=UTC).timestamp()) * 1000
    assert read("%H:%M:%S", "23:59:59", now=midnight) == "2026-11-23T23:59:59.000"
    assert read("%H:%M:%S", "00:00:01", now=midnight) == "2026-11-24T00:00:01.000"


# --- zones ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def _in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("form", "text"), [("rfc3339", "2026-11-24 11:09:10.5"), ("%F %T.%f", "2026-11-24 11:09:10.5")]
)
@pytest.mark.usefixtures("_in_new_york")
def test_a_time_that_says_no_zone(form: str, text: str) -> None:
    assert read(form, text, UTC) == "2026-11-24T11:09:10.500"
    assert read(form, text, BERLIN) == "2026-11-24T10:09:10.500"
    assert read(form, text.replace("11-24", "07-24"), BERLIN) == "2026-07-24T09:09:10.500"
    assert read(form, text, None) == "2026-11-24T16:09:10.500"
    assert read(form, text, timezone(timedelta(hours=5, minutes=30))) == "2026-11-24T05:39:10.500"


def test_the_names_of_zones() -> None:
    assert zone_of("local") is None
    assert zone_of("UTC") is UTC
    assert zone_of("Europe/Berlin") == BERLIN
    assert zone_of("-03:30") == timezone(-timedelta(hours=3, minutes=30))
    for name in ("Europe/Berln", "Europe", "../../etc/passwd", "/etc/localtime", "+25:00", "+2", "CEST"):
        with pytest.raises(FormatError, match="no time zone"):
            zone_of(name)


# --- what no format is ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ("iso", "is not a format"),
        ("%Q", '"%Q", which is not known'),
        ("%Y-%m-%", '"%", which is not known'),
        ("%Y %Y-%d", '"%Y" twice'),
        ("%F %Y", '"%Y" twice'),
        ("%Y-%m", "neither a day nor an hour"),
        ("%a %p", "neither a day nor an hour"),
    ],
)
def test_what_is_no_format(form: str, says: str) -> None:
    with pytest.raises(FormatError, match=says):
        compile_format(form)


texts = st.text() | st.from_regex(r"[0-9]{1,4}[-/: ][0-9]{1,4}[-/: ][0-9]{1,4}[T ][0-9:.,+Z-]{0,20}", fullmatch=True)
anything = texts | st.floats() | st.integers() | st.none() | st.booleans() | st.binary() | st.lists(st.text())


@pytest.mark.parametrize("form", [*NAMED, "%F %T%z", "%b %d %T", "%d.%m.%y %I:%M:%S,%f %p %Z", "%j", "%s", "%T"])
@settings(deadline=None)
@given(value=anything, zone=st.sampled_from([None, UTC, BERLIN]))
def test_no_value_makes_it_raise(form: str, value: Any, zone: tzinfo | None) -> None:
    found = build(form, zone)(value, NOW)
    assert found is None or EARLIEST <= found <= NOW + AHEAD


@settings(deadline=None)
@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2026, 11, 24)),  # noqa: DTZ001 - strftime writes no zone
    st.sampled_from(["%F %T.%f", "%d/%b/%Y:%H:%M:%S.%f", "%j %Y %I:%M:%S.%f %p"]),
)
def test_strptime_formats_read_what_is_written(when: datetime, form: str) -> None:
    assert read(form, when.strftime(form)) == when.isoformat(timespec="milliseconds")
