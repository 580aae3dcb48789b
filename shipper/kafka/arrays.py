"""Records as librdkafka's functions take them: arrays of structures, filled a column at a time.

A column is one field of all structures. Filling it with a slice costs a few nanoseconds a record, where setting the
field of each costs a hundred. Nothing is copied: the arrays hold the addresses of values, keys and headers, which have
to live until librdkafka was called. Any thread.
"""

from __future__ import annotations

import ctypes
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from ctypes import sizeof
from itertools import groupby, repeat
from typing import Any, NamedTuple

from shipper.kafka import librdkafka as c
from shipper.model import Headers, Messages

WORD = sizeof(ctypes.c_void_p)


def _by_type(values: list[bytes]) -> Any:
    """Return where the bytes of each value are, as ctypes has it."""
    return memoryview((ctypes.c_char_p * len(values))(*values)).cast("B").cast("L")


_ITEMS = list.__basicsize__ - 2 * WORD  # of a list: where it says where its items are
_BEFORE = bytes.__basicsize__ - 1  # of an object, its bytes


def _by_list(values: list[bytes]) -> Any:
    """Return the same in a tenth of the time, where lists and bytes are what they are in CPython.

    A list has the addresses of its objects in a row. They are taken for one large number, and so is what is added to
    each of them: nothing is done for a single one.
    """
    size = len(values) * WORD
    objects = ctypes.string_at(ctypes.c_size_t.from_address(id(values) + _ITEMS).value, size)
    before = array("L", (_BEFORE,)) * len(values)
    found = int.from_bytes(objects, sys.byteorder) + int.from_bytes(before.tobytes(), sys.byteorder)
    return memoryview(found.to_bytes(size, sys.byteorder)).cast("L")


def _is_known() -> bool:
    if sys.implementation.name != "cpython":
        return False
    probe = [b"here", b"", b"and there"]
    if ctypes.c_size_t.from_address(id(probe) + _ITEMS - WORD).value != len(probe):
        return False  # it is not a list as we know it
    return bool(_by_list(probe) == _by_type(probe))


addresses: Callable[[list[bytes]], Any] = _by_list if _is_known() else _by_type


def sizes(values: list[bytes]) -> array[int]:
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
        """Set the word at ``offset`` of the first structures, as many as ``column`` has; of all most often."""
        step = self.stride // WORD
        self._view[offset // WORD : len(column) * step : step] = column

    def fill_long(self, offset: int, column: array[int]) -> None:
        """Set the eight bytes at ``offset`` of the first structures."""
        step = self.stride // 8
        self._view.cast("B").cast("q")[offset // 8 : len(column) * step : step] = column

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
        record.key, record.key_len = addresses([keys])[0], len(keys)
    made = Array(record, len(values))
    made.fill(c.Message.payload.offset, addresses(values))
    made.fill(c.Message.len.offset, sizes(values))
    if not isinstance(keys, bytes):
        made.fill(c.Message.key.offset, addresses(keys))
        made.fill(c.Message.key_len.offset, sizes(keys))
    if not isinstance(numbers, int):
        made.fill(c.Message.private.offset, array("L", numbers))
    return made


BLOCK = 128  # records whose arguments are there at once: they stay in the processor's cache
_RKT, _FLAGS, _OPAQUE, _VALUE, _KEY, _PARTITION = range(6)  # the arguments that each record has, in their row
_TIME = (_PARTITION + 1) * sizeof(c.Argument) + c.Argument.u.offset  # where a record's time is, if it has one
_FIRST, _SECOND = (c.Argument.u.offset + WORD * n for n in range(2))  # words of an argument's value


class Calls(NamedTuple):
    """The arguments of some records, a row of ``width`` for each.

    ``places`` are the rows' addresses, ``passed`` the same as ctypes passes them on.
    """

    places: Sequence[int]
    passed: Sequence[Any]
    width: int


def calls(
    handle: int,
    messages: Messages,
    headers: Sequence[Headers] | None,
    timestamps: Sequence[int] | None,
    number: int,
) -> Iterator[Calls]:
    """Yield the arguments of ``produceva`` for all records, in order; each lives until the next one is asked for.

    ``handle`` is the topic's, ``number`` what is reported.
    """
    for at, width in _widths(headers, len(messages)) if messages else ():
        rows = _Rows(handle, messages.cut(at), width, number, timed=timestamps is not None)
        if headers is not None:
            rows.headers(headers[at])
        if timestamps is not None:
            rows.times(timestamps[at])
        yield from rows.calls()


def _widths(headers: Sequence[Headers] | None, count: int) -> Iterator[tuple[slice, int]]:
    """Yield which records that stand together have as many headers, and how many."""
    if headers is None or headers.count(headers[0]) == count:
        yield slice(count), len(headers[0]) if headers is not None else 0
        return
    start = 0
    for width, group in groupby(map(len, headers)):
        end = start + sum(1 for _ in group)
        yield slice(start, end), width
        start = end


class _Rows:
    """The arguments of records with as many headers, of BLOCK records at a time. Holds what they point to."""

    def __init__(self, handle: int, messages: Messages, width: int, number: int, *, timed: bool) -> None:
        self._count = len(messages)
        self._held: list[list[bytes]] = []
        self._columns: list[tuple[int, Any]] = []  # where in a row, and what each record has there
        self._times = array("q")
        self._row = _row(handle, number, c.PARTITION_UA, width, timed=timed)
        self._width = len(self._row)
        self._first_header = self._width - width
        self._memory(_VALUE, _FIRST, messages.values)
        self._memory(_KEY, _FIRST, [messages.keys] if isinstance(messages.keys, bytes) else messages.keys)

    def times(self, times: Sequence[int]) -> None:
        """Give each its time."""
        self._times = array("q", times)

    def headers(self, headers: Sequence[Headers]) -> None:
        """Give each its headers."""
        if headers.count(headers[0]) == len(headers):
            headers = headers[:1]
        for index, column in enumerate(zip(*headers, strict=True), self._first_header):
            names = [name for name, _ in column]
            texts = [text for _, text in column]
            if names.count(names[0]) == len(names):
                names = names[:1]
            if texts.count(texts[0]) == len(texts):
                texts = texts[:1]
            ended = [name.encode() for name in names]  # with a zero behind it, as every bytes has
            self._spread(index, _FIRST, ended, addresses(ended))
            self._memory(index, _SECOND, texts)

    def calls(self) -> Iterator[Calls]:
        """Yield them."""
        made = Array(self._row, min(BLOCK, self._count))
        places, passed = made.places(), list(map(c.passed, made.places()))
        for begin in range(0, self._count, BLOCK):
            end = min(begin + BLOCK, self._count)
            for offset, column in self._columns:
                made.fill(offset, column[begin:end])
            if self._times:
                made.fill_long(_TIME, self._times[begin:end])
            yield Calls(places[: end - begin], passed[: end - begin], self._width)

    def _memory(self, argument: int, word: int, values: list[bytes]) -> None:
        """Set the address and the size of one argument: of each record, or of all alike."""
        self._spread(argument, word, values, addresses(values))
        self._spread(argument, word + WORD, values, sizes(values))

    def _spread(self, argument: int, word: int, values: list[bytes], column: Any) -> None:
        self._held.append(values)
        offset = argument * sizeof(c.Argument) + word
        if len(column) == 1:
            ctypes.c_size_t.from_buffer(self._row, offset).value = column[0]
        else:
            self._columns.append((offset, column))


def row(handle: int, key: bytes | None, value: bytes | None, number: int, partition: int) -> Any:
    """Return the arguments of ``produceva`` for one record, which may have no key, and no value."""
    made = _row(handle, number, partition, 0)
    for argument, said in ((_KEY, key), (_VALUE, value)):
        if said is not None:
            made[argument].u.memory.pointer, made[argument].u.memory.size = addresses([said])[0], len(said)
    return made


def _row(handle: int, number: int, partition: int, width: int, *, timed: bool = False) -> Any:
    """Return the arguments of a record with ``width`` headers, without what is its own."""
    kinds = (
        *(c.VTYPE_RKT, c.VTYPE_MSGFLAGS, c.VTYPE_OPAQUE, c.VTYPE_VALUE, c.VTYPE_KEY, c.VTYPE_PARTITION),
        *repeat(c.VTYPE_TIMESTAMP, timed),
        *repeat(c.VTYPE_HEADER, width),
    )
    row = (c.Argument * len(kinds))()
    for argument, kind in zip(row, kinds, strict=True):
        argument.vtype = kind
    row[_RKT].u.pointer = handle
    row[_PARTITION].u.i32 = partition
    row[_FLAGS].u.i = c.MSG_F_COPY
    row[_OPAQUE].u.pointer = number
    return row
