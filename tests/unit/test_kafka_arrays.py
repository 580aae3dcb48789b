"""Arrays of structures: each field of each record is where the library looks for it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.kafka import arrays
from shipper.kafka import librdkafka as c
from shipper.kafka.arrays import BLOCK, Array, batch, calls, row
from shipper.model import Headers, Messages

VALUES = st.lists(st.binary(max_size=40), min_size=1, max_size=20)


def at(address: int, size: int) -> bytes:
    return ctypes.string_at(address, size)


@pytest.mark.parametrize("addresses", [arrays._by_list, arrays._by_type])
def test_values_are_found_where_they_are(addresses: Callable[[list[bytes]], Any]) -> None:
    values = [b"", b"one", b"with \0 in it", bytes(1000)]
    for some in (values, values * 100, values[:1], []):
        assert [at(place, len(value)) for place, value in zip(addresses(some), some, strict=True)] == some
    values.append(b"later")  # the list has moved its items, or has room for more of them
    assert [at(place, len(value)) for place, value in zip(addresses(values), values, strict=True)] == values


def test_here_the_fast_way_is_taken() -> None:
    assert arrays.addresses is arrays._by_list


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
    alike = data.draw(st.sampled_from([None, [data.draw(some)] * len(values)]))
    headers: Sequence[Headers] | None = data.draw(st.sampled_from([alike, [data.draw(some) for _ in values]]))
    times = data.draw(st.sampled_from([None, [data.draw(st.integers(0, 2**60)) for _ in values]]))
    check_calls(Messages(values, b"all"), headers, times)
    check_calls(Messages(values, [b"%d" % n for n in range(len(values))]), headers, times)


@pytest.mark.parametrize("count", [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5])
def test_many_calls_are_made_in_blocks(count: int) -> None:
    numbers = [b"%d" % n for n in range(count)]
    own: list[Headers] = [[("same", b"x"), (f"of {n % 3}", number)] for n, number in enumerate(numbers)]
    check_calls(Messages(numbers, b"key"), own, list(range(count)))
    check_calls(Messages(numbers, numbers), [[("same", b"x")]] * count, None)
    mixed: list[Headers] = [[("h", b"x")] * (n // BLOCK) for n in range(count)]
    check_calls(Messages(numbers, numbers), mixed, None)


def test_where_there_is_no_record_there_is_no_call() -> None:
    check_calls(Messages([], b"key"), [], None)
    check_calls(Messages([], []), None, [])


def check_calls(messages: Messages, headers: Sequence[Headers] | None, times: list[int] | None) -> None:
    n = 0
    for block in calls(17, messages, headers, times, 23):
        assert len(block.passed) == len(block.places)
        for address in block.places:
            found, named = read(address, block.width)
            key, value = found[c.VTYPE_KEY].memory, found[c.VTYPE_VALUE].memory
            assert (at(key.pointer, key.size), at(value.pointer, value.size)) == (messages.key(n), messages.values[n])
            assert (found[c.VTYPE_RKT].pointer, found[c.VTYPE_OPAQUE].pointer) == (17, 23)
            assert (found[c.VTYPE_PARTITION].i32, found[c.VTYPE_MSGFLAGS].i) == (c.PARTITION_UA, c.MSG_F_COPY)
            assert (c.VTYPE_TIMESTAMP in found) == (times is not None)
            if times is not None:
                assert found[c.VTYPE_TIMESTAMP].i64 == times[n]
            assert named == [(name.encode(), text) for name, text in (headers[n] if headers is not None else ())]
            n += 1
    assert n == len(messages)


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
