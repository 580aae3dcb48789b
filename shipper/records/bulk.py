"""Many at once, without a step of Python for each: what is as most are, is done by C; the rest one by one. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


def mapped(fast: Callable[[Iterator[S]], Iterable[T]], slow: Callable[[S], T], items: list[S]) -> list[T]:
    """Return what ``fast``, a ``map``, makes of each of ``items``; and ``slow`` of each of which that raises an error.

    >>> mapped(lambda rest: map(int, rest), lambda text: -1, ["1", "two", "3"])
    [1, -1, 3]
    """
    out: list[T] = []
    rest = iter(items)
    while True:
        try:
            out.extend(fast(rest))  # what came before an error stays in it
        except (ValueError, TypeError, LookupError, RecursionError):
            out.append(slow(items[len(out)]))
        else:
            return out
