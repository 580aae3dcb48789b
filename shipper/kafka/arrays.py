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


BLOCK = 128  # records whose arguments are made at once: they stay in the processor's cache
_RKT, _PARTITION, _FLAGS, _OPAQUE, _VALUE, _KEY, _TIME, _HEADERS = range(8)  # the arguments of a record, in their row
_FIRST, _SECOND = (c.Argument.u.offset + WORD * n for n in range(2))  # words of an argument's value


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
    for begin in range(0, len(messages), BLOCK):
        block = slice(begin, begin + BLOCK)
        some = messages.cut(block)
        named = headers[block] if headers is not None else [[]] * len(some)
        start = 0
        for width, group in groupby(map(len, named)):
            at = slice(start, start + sum(1 for _ in group))
            start = at.stop
            made = _Rows(_row(handle, number, c.PARTITION_UA, width), some.cut(at))
            for n in range(width):
                made.header(n, [one[n] for one in named[at]])
            if timestamps is not None:
                made.times(timestamps[begin + at.start : begin + at.stop])
            for place in made.array.places():
                yield place, _HEADERS + width


class _Rows:
    """The arguments of some records, each a row of as many. Holds what they point to."""

    def __init__(self, row: Any, messages: Messages) -> None:
        self._held: list[list[bytes]] = [messages.values]
        self.array = Array(row, len(messages))
        self._column(_VALUE, _FIRST, messages.values)
        self._column(_KEY, _FIRST, [messages.keys] if isinstance(messages.keys, bytes) else messages.keys)

    def times(self, times: Sequence[int]) -> None:
        """Give each its time."""
        self.array.fill_long(_TIME * sizeof(c.Argument) + _FIRST, times)

    def header(self, index: int, column: list[tuple[str, bytes]]) -> None:
        """Give each its header at ``index``."""
        if column.count(column[0]) == len(column):
            column = column[:1]
        names = [name.encode() for name in dict.fromkeys(name for name, _ in column)]
        if len(names) > 1:
            names = [name.encode() for name, _ in column]
        argument = _HEADERS + index
        self._fill(argument * sizeof(c.Argument) + _FIRST, addresses(names))
        self._column(argument, _SECOND, [text for _, text in column])
        self._held.append(names)

    def _column(self, argument: int, word: int, values: list[bytes]) -> None:
        """Set the address and the size of one argument: of each row, or of all alike."""
        offset = argument * sizeof(c.Argument) + word
        self._fill(offset, addresses(values))
        self._fill(offset + WORD, sizes(values))
        self._held.append(values)

    def _fill(self, offset: int, column: Any) -> None:
        self.array.fill(offset, column if len(column) == self.array.count else array("L", column) * self.array.count)


def row(handle: int, key: bytes | None, value: bytes | None, number: int, partition: int) -> Any:
    """Return the arguments of ``produceva`` for one record, which may have no key, and no value."""
    made = _row(handle, number, partition, 0)
    for argument, said in ((_KEY, key), (_VALUE, value)):
        if said is not None:
            made[argument].u.memory.pointer, made[argument].u.memory.size = addresses((said,))[0], len(said)
    return made


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
