"""What a cursor of the journal says: which entry it is, and when that was written. Pure.

For the library a cursor is one word. But what is told of a gap, how long it is and whether there is one at all, stands
only in it: ``s=ID;i=SEQNUM;b=BOOT;m=MONOTONIC;t=REALTIME;x=HASH``, each number in hexadecimal. A cursor of another form
tells nothing, and is still good to go on from.
"""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """``stream``: within one of them the numbers of entries are consecutive. ``realtime``: microseconds since 1970."""

    stream: str
    number: int
    realtime: int


def parse(cursor: str) -> Place | None:
    """Return what a cursor says, ``None`` where it says nothing of that.

    >>> parse("s=fc8a;i=1f;b=0123;m=3e8;t=6445941624000;x=2091")
    Place(stream='fc8a', number=31, realtime=1764000000000000)
    """
    parts = dict(part.partition("=")[::2] for part in cursor.split(";"))
    try:
        return Place(parts["s"], int(parts["i"], 16), int(parts["t"], 16))
    except (KeyError, ValueError):
        return None


def order(cursor: str) -> tuple[str, int]:
    """Return the stream and the number alone, for that is asked of each entry; ("", 0) where it says nothing of them.

    >>> order("s=fc8a;i=1f;b=0123;m=3e8;t=6445941624000;x=2091")
    ('s=fc8a', 31)
    """
    try:
        stream, number, _ = cursor.split(";", 2)
        return stream, int(number[2:], 16)
    except ValueError:
        return "", 0


def between(before: str, after: str) -> int | None:
    """Return how many entries were written between two, ``None`` where nobody can tell.

    >>> between("s=a;i=1;t=1", "s=a;i=4;t=2"), between("s=a;i=1;t=1", "s=b;i=4;t=2")
    (2, None)
    """
    (stream, number), (other, after_it) = order(before), order(after)
    return max(0, after_it - number - 1) if stream and stream == other else None
