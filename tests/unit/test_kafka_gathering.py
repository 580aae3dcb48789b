"""Records of one partition stand together, and those of one key in their order, whatever is known of the keys."""

from __future__ import annotations

from itertools import groupby
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.kafka import gathering
from shipper.kafka.gathering import KEYS, LEARN, LONGEST, PAUSE, Gathering


@given(
    st.lists(st.lists(st.sampled_from([b"", b"a", b"b", b"c", b"d", b"x" * 200]), min_size=30), max_size=5),
    st.integers(0, 4),
    st.integers(0, 6),
)
def test_each_key_and_each_partition_keeps_its_order(chunks: list[list[bytes]], partitions: int, learn: int) -> None:
    found = Gathering("consistent")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gathering, "LEARN", learn)
        patch.setattr(gathering, "KEYS", 2)
        for keys in chunks:
            order = found.order(keys, partitions)
            if order is None:
                continue
            assert sorted(order) == list(range(len(keys)))
            for partition in range(partitions):
                places = [i for i in order if crc32(keys[i]) % partitions == partition]
                assert places == sorted(places)


def test_records_of_a_partition_stand_together() -> None:
    found = Gathering("murmur2")
    keys = [b"user%d" % (n * 7919 % 1000) for n in range(2000)]
    order = found.order(keys, 4)
    assert order is not None
    places = found._places(keys, 4)
    assert places is not None
    assert len(list(groupby(places))) > 1000
    assert len(list(groupby(places[i] for i in order))) == 4


@pytest.mark.parametrize(
    ("partitioner", "expected"),
    [
        ("murmur2_random", 0xD067CF64 & 0x7FFFFFFF),
        (" Murmur2 ", 0xD067CF64 & 0x7FFFFFFF),
        ("consistent", crc32(b"kafka")),
    ],
)
def test_it_knows_where_the_client_sends_a_key(partitioner: str, expected: int) -> None:
    keys = [b"kafka"] * 100
    found = Gathering(partitioner)
    assert found._places(keys, 12) == [expected % 12] * 100


def test_without_a_partition_for_each_key_there_is_nothing_to_gather() -> None:
    keys = [b"a", b"b"] * 100
    assert Gathering("random").order(keys, 4) is None
    for partitions in (0, 1, 100):
        assert Gathering("murmur2").order(keys, partitions) is None
    for partitioner in ("consistent", "consistent_random", "murmur2", "murmur2_random", "fnv1a", "fnv1a_random"):
        assert Gathering(partitioner).order(keys, 4) is not None


def test_keys_that_are_new_each_time_are_looked_at_ever_less_often() -> None:
    found = Gathering("murmur2")
    chunks = [[b"%d" % n for n in range(start, start + 4 * LEARN)] for start in range(0, 400 * LEARN, 4 * LEARN)]
    looked = 0
    for keys in chunks:
        before = sum(map(len, found._known.values()))
        assert found.order(keys, 4) is None
        after = sum(map(len, found._known.values()))
        looked += after != before
        assert after <= KEYS
    assert looked <= len(chunks) / PAUSE + 8
    for _ in range(PAUSE):  # at the latest
        found.order([b"a", b"b"] * 100, 4)
    assert found.order([b"a", b"b"] * 100, 4) is not None


def test_new_keys_take_the_place_of_old_ones() -> None:
    found = Gathering("murmur2")
    for start in range(0, KEYS, LEARN):
        assert found.order([b"%d" % n for n in range(start, start + LEARN)] * 2, 4) is not None
    assert len(found._known[4]) == KEYS
    new = [b"new%d" % (n % 50) for n in range(1000)]
    assert found.order(new, 4) is not None
    assert set(found._known[4]) == set(new)


def test_long_keys_are_not_kept() -> None:
    found = Gathering("murmur2")
    keys = [b"short"] * 60 + [bytes([n]) * (LONGEST + 1) for n in range(40)]
    assert found.order(keys, 4) is not None
    assert list(found._known[4]) == [b"short"]
