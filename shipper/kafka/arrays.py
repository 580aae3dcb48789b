"""Records as librdkafka's functions take them: arrays of structures, filled a column at a time.

A column is one field of all structures. Filling it with a slice costs a few nanoseconds a record, where setting the
field of each costs a hundred. Nothing is copied: the arrays hold the addresses of values, keys and headers, which have
to live until librdkafka was called. Any thread.
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from ctypes import sizeof
from itertools import groupby, repeat
from typing import Any

from shipper.kafka import librdkafka as c
from shipper.model import Headers, Messages

WORD = sizeof(ctypes.c_void_p)


def _by_type(values: Sequence[bytes]) -> Any:
    """Return where the bytes of each value are, as ctypes has it."""
    return memoryview((ctypes.c_char_p * len(values))(*values)).cast("B").cast("L")


_BEFORE = bytes.__basicsize__ - 1  # of an object, its bytes


def _by_id(values: Sequence[bytes]) -> Any:
    """Return the same in half of the time, where objects are found at their ids, as CPython has it."""
    return array("L", map(_BEFORE.__add__, map(id, values)))


_PROBE = [b"here"]
addresses: Callable[[Sequence[bytes]], Any] = _by_id if _by_id(_PROBE)[0] == _by_type(_PROBE)[0] else _by_type


def sizes(values: Sequence[bytes]) -> array[int]:
    """Return how long each value is."""
    return array("L", map(len, values))


class Array:
    """So many copies of one structure, in a row, from ``address`` on; they live as long as this does."""

    def __init__(self, structure: Any, count: int) -> None:
        self.count = count
        self.stride = sizeof(structure)
        self._words = array("L", bytes(structure)) * count
        self._view = memoryview(self._words)
        self.address = self._words.buffer_info()[0]

    def fill(self, offset: int, column: Any) -> None:
        """Set the word at ``offset`` of each structure."""
        self._view[offset // WORD :: self.stride // WORD] = column

    def fill_long(self, offset: int, column: Iterable[int]) -> None:
        """Set the eight bytes at ``offset`` of each structure."""
        self._view.cast("B").cast("q")[offset // 8 :: self.stride // 8] = array("q", column)

    def words(self, offset: int) -> list[int]:
        """Return the word at ``offset`` of each structure."""
        return self._view[offset // WORD :: self.stride // WORD].tolist()

    def ints(self, offset: int) -> list[int]:
        """Return the ``int`` at ``offset`` of each structure."""
        return self._view.cast("B").cast("i")[offset // 4 :: self.stride // 4].tolist()

    def places(self) -> range:
        """Return the address of each structure."""
        return range(self.address, self.address + self.count * self.stride, self.stride)


def batch(messages: Messages, numbers: int | Sequence[int]) -> Array:
    """Return records for ``produce_batch``; ``numbers``: what is reported, for all of them or of each."""
    values, keys = messages.values, messages.keys
    record = c.Message(partition=c.PARTITION_UA)
    if isinstance(numbers, int):
        record.private = numbers
    if isinstance(keys, bytes):
        record.key, record.key_len = addresses((keys,))[0], len(keys)
    made = Array(record, len(values))
    made.fill(c.Message.payload.offset, addresses(values))
    made.fill(c.Message.len.offset, sizes(values))
    if not isinstance(keys, bytes):
        made.fill(c.Message.key.offset, addresses(keys))
        made.fill(c.Message.key_len.offset, sizes(keys))
    if not isinstance(numbers, int):
        made.fill(c.Message.private.offset, array("L", numbers))
    return made


_RKT, _PARTITION, _FLAGS, _OPAQUE, _VALUE, _KEY, _TIME, _HEADERS = range(8)  # the arguments of a record, in their row
_FIRST, _SECOND, _THIRD = (c.Argument.u.offset + WORD * n for n in range(3))  # words of an argument's value


def rows(
    handle: int,
    messages: Messages,
    headers: Sequence[Headers] | None,
    timestamps: Sequence[int] | None,
    number: int,
) -> Iterator[tuple[int, int]]:
    """Yield the arguments of ``produceva`` for each record, in order: their address, and how many they are.

    ``handle`` is the topic's, ``number`` what is reported. What was yielded lives until the next one is asked for.
    """
    values, keys = messages.values, messages.all_keys
    start = 0
    for width, group in groupby(map(len, headers) if headers is not None else repeat(0, len(values))):
        at = slice(start, start + sum(1 for _ in group))
        made = Array(_row(handle, number, c.PARTITION_UA, width), at.stop - start)
        _column(made, _VALUE, _FIRST, values[at])
        _column(made, _KEY, _FIRST, keys[at])
        if timestamps is not None:
            made.fill_long(_TIME * sizeof(c.Argument) + _FIRST, timestamps[at])
        held = []  # the names as bytes
        for n in range(width):
            names, texts = zip(*(one[n] for one in headers[at]), strict=True) if headers is not None else ((), ())
            held.append(list(map(str.encode, names)))
            made.fill((_HEADERS + n) * sizeof(c.Argument) + _FIRST, addresses(held[n]))
            _column(made, _HEADERS + n, _SECOND, texts)
        for place in made.places():
            yield place, _HEADERS + width
        start = at.stop


def row(handle: int, key: bytes | None, value: bytes | None, number: int, partition: int) -> Any:
    """Return the arguments of ``produceva`` for one record, which may have no key, and no value."""
    made = _row(handle, number, partition, 0)
    for argument, said in ((_KEY, key), (_VALUE, value)):
        if said is not None:
            made[argument].u.memory.pointer, made[argument].u.memory.size = addresses((said,))[0], len(said)
    return made


def _column(made: Array, argument: int, word: int, values: Sequence[bytes]) -> None:
    """Set the address and the size of one argument of each row."""
    made.fill(argument * sizeof(c.Argument) + word, addresses(values))
    made.fill(argument * sizeof(c.Argument) + word + WORD, sizes(values))


def _row(handle: int, number: int, partition: int, width: int) -> Any:
    """Return the arguments of a record with ``width`` headers, without what is its own."""
    row = (c.Argument * (_HEADERS + width))()
    kinds = (
        *(c.VTYPE_RKT, c.VTYPE_PARTITION, c.VTYPE_MSGFLAGS, c.VTYPE_OPAQUE, c.VTYPE_VALUE, c.VTYPE_KEY),
        *(c.VTYPE_TIMESTAMP, *repeat(c.VTYPE_HEADER, width)),
    )
    for argument, kind in zip(row, kinds, strict=True):
        argument.vtype = kind
    row[_RKT].u.pointer = handle
    row[_PARTITION].u.i32 = partition
    row[_FLAGS].u.i = c.MSG_F_COPY
    row[_OPAQUE].u.pointer = number
    return row
