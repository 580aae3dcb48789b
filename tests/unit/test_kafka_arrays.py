"""Arrays of structures: each field of each record is where the library looks for it."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.kafka import arrays
from shipper.kafka import librdkafka as c
from shipper.kafka.arrays import Array, batch, row, rows
from shipper.model import Headers, Messages

VALUES = st.lists(st.binary(max_size=40), min_size=1, max_size=20)


def at(address: int, size: int) -> bytes:
    return ctypes.string_at(address, size)


@pytest.mark.parametrize("addresses", [arrays._by_id, arrays._by_type])
def test_values_are_found_where_they_are(addresses: object) -> None:
    values = [b"", b"one", b"with \0 in it", bytes(1000)]
    assert callable(addresses)
    assert [at(place, len(value)) for place, value in zip(addresses(values), values, strict=True)] == values


@given(VALUES, st.one_of(st.binary(max_size=9), st.none()), st.data())
def test_a_batch_holds_every_record(values: list[bytes], key: bytes | None, data: st.DataObject) -> None:
    keys = [data.draw(st.binary(max_size=9)) for _ in values] if key is None else key
    first = data.draw(st.integers(0, len(values)))
    messages = Messages(values, keys)
    numbers = [7] * first + [2**31] * (len(values) - first)
    made = batch(messages, numbers)
    found = [c.Message.from_address(place) for place in made.places()]
    assert [(at(one.key, one.key_len), at(one.payload, one.len)) for one in found] == list(messages)
    assert [one.private for one in found] == numbers
    assert batch(messages, 9).words(c.Message.private.offset) == [9] * len(values)
    assert {(one.partition, one.err) for one in found} == {(c.PARTITION_UA, 0)}
    found[0].err = -3
    assert (made.ints(c.Message.err.offset)[0], made.words(c.Message.private.offset)[-1]) == (-3, found[-1].private)


def read(address: int, count: int) -> tuple[dict[int, c.Value], list[tuple[bytes, bytes]]]:
    """Return the arguments of a record by their kind, but for its headers, and these."""
    arguments = [c.Argument.from_address(address + n * ctypes.sizeof(c.Argument)) for n in range(count)]
    headers = [one.u.header for one in arguments if one.vtype == c.VTYPE_HEADER]
    named = [(ctypes.string_at(one.name), at(one.value, one.size)) for one in headers]
    return {one.vtype: one.u for one in arguments if one.vtype != c.VTYPE_HEADER}, named


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=5)


@given(VALUES, st.data())
def test_the_arguments_of_a_call_are_those_of_its_record(values: list[bytes], data: st.DataObject) -> None:
    some = st.lists(st.tuples(NAMES, st.binary(max_size=9)), max_size=2)
    headers: Sequence[Headers] | None = data.draw(st.sampled_from([None, [data.draw(some) for _ in values]]))
    times = data.draw(st.sampled_from([None, [data.draw(st.integers(0, 2**60)) for _ in values]]))
    keys = [b"%d" % n for n in range(len(values))]
    for n, (address, count) in enumerate(rows(17, Messages(values, keys), headers, times, 23)):
        found, named = read(address, count)
        key, value = found[c.VTYPE_KEY].memory, found[c.VTYPE_VALUE].memory
        assert (at(key.pointer, key.size), at(value.pointer, value.size)) == (keys[n], values[n])
        assert (found[c.VTYPE_RKT].pointer, found[c.VTYPE_OPAQUE].pointer) == (17, 23)
        assert (found[c.VTYPE_PARTITION].i32, found[c.VTYPE_MSGFLAGS].i) == (c.PARTITION_UA, c.MSG_F_COPY)
        assert found[c.VTYPE_TIMESTAMP].i64 == (times[n] if times is not None else 0)
        assert named == [(name.encode(), text) for name, text in (headers[n] if headers is not None else ())]
    assert n + 1 == len(values)


@pytest.mark.parametrize(("key", "value"), [(b"k", b"v"), (b"", b""), (None, b"v"), (b"k", None)])
def test_a_single_record_may_have_no_key_or_no_value(key: bytes | None, value: bytes | None) -> None:
    made = row(17, key, value, 23, 4)
    found, _ = read(ctypes.addressof(made), len(made))
    for said, argument in ((key, found[c.VTYPE_KEY]), (value, found[c.VTYPE_VALUE])):
        pointer, size = argument.memory.pointer, argument.memory.size
        assert (None if not pointer else at(pointer, size)) == said
    assert found[c.VTYPE_PARTITION].i32 == 4


def test_an_array_is_one_piece_of_memory() -> None:
    made = Array(c.Message(partition=3), 5)
    assert [c.Message.from_address(place).partition for place in made.places()] == [3] * 5
    assert len(made.places()) == made.count == 5
