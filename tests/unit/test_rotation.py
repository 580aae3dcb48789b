from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.discovery.rotation import compression, readings


def bases(name: bytes) -> list[bytes]:
    return [reading.base for reading in readings(name)]


def rank(name: bytes, base: bytes) -> tuple[int, ...]:
    return next(reading.rank for reading in readings(name) if reading.base == base)


@pytest.mark.parametrize(
    "name",
    [
        "app.log.1",
        "app.log.0",
        "app.log.2.gz",
        "app.log.2.bz2",
        "app.log.2.xz",
        "app.log.2.zst",
        "app.log.gz",
        "app.log.old",
        "app.log-20261123",
        "app.log_20261123",
        "app.log-20261123-1400.gz",
        "app.log-2026112314",
        "app.log-20261123.1",
        "app.log.20261123-140211.gz",
        "app.log.2026-11",
        "app.log.2026-11-23",
        "app.log.2026-11-23_14",
        "app.log.2026-11-23.1",
        "app.log.2026.11.23",
        "app.log.1700000000",
        "app.log.1700000000123",
        "app.log-20261123-1700000000",
        "app-2026-11-23.log",
        "app-2026-11-23T14-44-33.555.log.gz",
        "app.2026-11-23_14-00-00_123456.log",
        "app-2026-11-23-1.log.gz",
        "app-1.log",
        "app.1.log",
        "app.log-2026112314.backup",
    ],
)
def test_the_names_of_known_schemes_lead_to_the_base(name: str) -> None:
    assert b"app.log" in bases(name.encode())


@pytest.mark.parametrize(
    "name",
    [
        "app.log",
        "app",
        "app.log.bak",
        "app.log.backup",
        "app.log-20261123.backup",
        "app.log.tmp",
        "app.log.1.part",
        "app.log.",
        ".1",
        "app.log.20261323x",
        "app.log-1.2.3.4",
        "app.log.123456789",
        "1.log",
        "app.log~",
        "other.log.1",
    ],
)
def test_other_names_do_not(name: str) -> None:
    assert b"app.log" not in bases(name.encode())


def test_the_longest_base_comes_first() -> None:
    assert bases(b"app-2026-11-23.log.gz")[:2] == [b"app-2026-11-23.log", b"app-2026-11.log"]
    assert bases(b"app.log.2026-11-23.1")[0] == b"app.log.2026-11-23"


def test_a_base_need_not_be_text() -> None:
    assert bases(b"\xff\n.log.1") == [b"\xff\n.log"]


def test_compression_is_what_the_ending_says() -> None:
    assert [compression(name) for name in (b"a.1", b"a.1.gz", b"a.bz2", b"a.xz", b"a.zst")] == [
        "",
        "gz",
        "bz2",
        "xz",
        "zst",
    ]


SCHEMES: dict[str, Callable[[str, str, datetime, int], str]] = {
    "logrotate, dateext": lambda stem, end, when, _: f"{stem}{end}-{when:%Y%m%d}",
    "logrotate, hourly": lambda stem, end, when, _: f"{stem}{end}-{when:%Y%m%d%H}",
    "logrotate, with seconds": lambda stem, end, when, _: f"{stem}{end}-{when:%Y%m%d}-{int(when.timestamp())}",
    "logrotate, dateext and extension": lambda stem, end, when, _: f"{stem}-{when:%Y%m%d}{end}",
    "Python, daily": lambda stem, end, when, _: f"{stem}{end}.{when:%Y-%m-%d}",
    "Python, hourly": lambda stem, end, when, _: f"{stem}{end}.{when:%Y-%m-%d_%H}",
    "Python, by the second": lambda stem, end, when, _: f"{stem}{end}.{when:%Y-%m-%d_%H-%M-%S}",
    "log4j, hourly": lambda stem, end, when, _: f"{stem}{end}.{when:%Y-%m-%d-%H}",
    "logback, date and index": lambda stem, end, when, i: f"{stem}-{when:%Y-%m-%d}.{i}{end}",
    "log4j2, date and index": lambda stem, end, when, i: f"{stem}-{when:%Y-%m-%d}-{i}{end}",
    "lumberjack": lambda stem, end, when, _: f"{stem}-{when:%Y-%m-%dT%H-%M-%S}.000{end}",
    "kubelet": lambda stem, end, when, _: f"{stem}{end}.{when:%Y%m%d-%H%M%S}",
    "rotatelogs": lambda stem, end, when, _: f"{stem}{end}.{int(when.timestamp())}",
}
STEMS = st.text("abz", min_size=1, max_size=4)
ENDINGS = st.sampled_from([".log", ".txt", ".json"])
COMPRESSED = st.sampled_from(["", ".gz", ".bz2", ".xz", ".zst"])


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
@given(
    STEMS,
    ENDINGS,
    COMPRESSED,
    st.datetimes(datetime(2002, 1, 1), datetime(2031, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(1, 400),
)
def test_dates_lead_to_the_base_and_sort_forwards(
    scheme: Callable[[str, str, datetime, int], str], stem: str, end: str, packed: str, when: datetime, days: int
) -> None:
    base, later = (stem + end).encode(), when + timedelta(days=days)
    older, newer = (scheme(stem, end, moment, 1) + packed for moment in (when, later))
    assert rank(older.encode(), base) < rank(newer.encode(), base)


@given(
    STEMS, ENDINGS, COMPRESSED, st.integers(0, 99999), st.integers(1, 99), st.sampled_from(["{b}.{n}", "{s}-{n}{e}"])
)
def test_numbers_lead_to_the_base_and_sort_backwards(
    stem: str, end: str, packed: str, number: int, more: int, form: str
) -> None:
    older, newer = (
        form.format(b=stem + end, s=stem, e=end, n=n).encode() + packed.encode() for n in (number + more, number)
    )
    assert rank(older, (stem + end).encode()) < rank(newer, (stem + end).encode())


@given(st.integers(0, 500), st.integers(1, 500))
def test_an_index_after_a_date_sorts_forwards(index: int, more: int) -> None:
    older, newer = (f"app.log.2026-11-23.{i}".encode() for i in (index, index + more))
    assert rank(b"app.log.2026-11-23", b"app.log") < rank(older, b"app.log") < rank(newer, b"app.log")


def test_what_multilog_makes_of_its_current_file_sorts_by_its_moment() -> None:
    names = [b"@4000000065800000000000ff.s", b"@400000006580000010000000.u", b"@400000006580000100000000.s"]
    assert [bases(name) for name in names] == [[b"current"]] * 3
    assert sorted(names, key=lambda name: rank(name, b"current")) == names
    assert bases(b"@400000006580.s") == []


@given(st.binary(max_size=30))
def test_any_name_can_be_read(name: bytes) -> None:
    for base, key in readings(name):
        assert 0 < len(base) < len(name)
        assert key
