"""What a checkpoint is as a row of the SQLite file, and how very many of them get there.

Each row carries a checksum: SQLite notices a broken tree, not a changed value in it. The thread of the database only.
"""

from __future__ import annotations

import sqlite3
import sys
import zlib
from collections.abc import Iterable
from itertools import chain
from operator import attrgetter
from typing import Any

from shipper.model import Checkpoint, FileState, Fingerprint, file_id_of
from shipper.sqlite import Damaged

COLUMNS = (
    "source, uid, path, seen_as, file_id, generation, offset, head_len, head, mark_at, mark, size, state, compression,"
    " revision, start, cursor, sum"
)
SELECT = f"SELECT {COLUMNS} FROM checkpoint"  # noqa: S608 - nothing from outside is in it
INSERT = f"INSERT OR REPLACE INTO checkpoint ({COLUMNS}) VALUES ({', '.join('?' * 18)})"  # noqa: S608
DELETE = "DELETE FROM checkpoint WHERE source = ? AND uid = ?"
MANY = 50  # rows that go with one call; their values are less than the 999 that every SQLite takes
INSERT_MANY = INSERT + f", ({', '.join('?' * 18)})" * (MANY - 1)


def insert(connection: sqlite3.Connection, checkpoints: Iterable[Checkpoint]) -> None:
    """Write checkpoints, in the order of the table.

    So those that are neighbours there change a page together. Many go with one call: for each, this thread lets others
    run and has to wait for its turn again, which with the pump at work takes longer than the writing.
    """
    ordered = sorted(checkpoints, key=attrgetter("uid"))
    ordered.sort(key=attrgetter("source"))
    whole = len(ordered) - len(ordered) % MANY
    for at in range(0, whole, MANY):
        connection.execute(INSERT_MANY, tuple(chain.from_iterable(map(row_of, ordered[at : at + MANY]))))
    connection.executemany(INSERT, map(row_of, ordered[whole:]))


def sealed(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row with its checksum behind it."""
    return (*row, zlib.crc32(ascii(row).encode()))  # ascii(), for what repr() escapes depends on Python's version


def unsealed(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row without its checksum; raises Damaged where that is another's."""
    bare = row[:-1]
    if row[-1] != zlib.crc32(ascii(bare).encode()):
        raise Damaged("a row does not match its checksum")
    return bare


def reseal(*row: Any) -> int:
    """Return the checksum of a row to which a format has added a column, its last one; the old checksum follows it.

    Where that is wrong it stays so, and the row is found to be damaged.
    """
    after, found = row[:-1], row[-1]
    return int(sealed(after)[-1] if sealed(after[:-1])[-1] == found else found)


def row_of(c: Checkpoint) -> tuple[Any, ...]:
    """Return a checkpoint as it is written."""
    return sealed(
        (
            *(c.source, c.uid, c.path, c.seen_as, f"{c.file_id.dev}:{c.file_id.ino}", c.generation, c.offset),
            *(*c.fingerprint, c.size, c.state.value, c.compression, c.revision, c.start, c.cursor),
        )
    )


def checkpoint_of(row: tuple[Any, ...]) -> Checkpoint:
    """Return a checkpoint of what was written, without its checksum."""
    source, uid, path, seen_as, file_id, generation, offset, *rest = row
    *fingerprint, size, state, packed, revision, start, cursor = rest
    dev, _, ino = file_id.partition(":")
    if seen_as == path:
        seen_as = path  # there may be very many rows, and what they give is kept
    if size == offset:
        size = offset
    return Checkpoint(
        uid=uid,
        source=sys.intern(source),
        path=path,
        seen_as=seen_as,
        file_id=file_id_of(int(dev), int(ino)),
        generation=generation,
        offset=offset,
        fingerprint=Fingerprint(*fingerprint),
        size=size,
        state=FileState(state),
        compression=packed,
        revision=revision,
        start=start,
        cursor=cursor,
    )
