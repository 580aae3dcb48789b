r"""From a pattern to its states: an automaton whose states are its character classes (Glushkov's). Pure.

Where this is not exact it errs on the side of more ways.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

_parser: Any = importlib.import_module("re._parser")

ALL = (1 << 256) - 1
NEWLINE = 1 << 10
COPIES = 16  # up to so many repetitions are states of their own; more are taken for a loop
OPTIONAL = 3  # the same for how many of them may be there or not
MOST_STATES = 600

CLEAN, AT_END, ASSERTED_END = range(3)  # what stands between a state and the pattern's end


class TooLarge(Exception):
    """The pattern has too many states to be judged."""


class First(NamedTuple):
    """A state that a part may begin with; ``anchored``: only where the text begins."""

    state: int
    anchored: bool
    mask: int


class Last(NamedTuple):
    """A state that a part may end with; ``mask``: bytes that may follow, ``end``: what is asked for behind it."""

    state: int
    mask: int
    end: int


class Empty(NamedTuple):
    """One way in which a part may match nothing."""

    anchored: bool
    mask: int
    end: int


class Part(NamedTuple):
    """A part of the pattern."""

    first: tuple[First, ...]
    last: tuple[Last, ...]
    empty: tuple[Empty, ...]


NOTHING = Part((), (), (Empty(anchored=False, mask=ALL, end=CLEAN),))
ASSERTED = Part((), (), (Empty(anchored=False, mask=ALL, end=ASSERTED_END),))


def parse(pattern: bytes, flags: int) -> tuple[Any, int]:
    """Return the parts of ``pattern`` as Python's own parser gives them, and all of its flags; raises ``re.error``."""
    return _parser.parse(pattern, flags), int(re.compile(pattern, flags).flags)


class States:
    """The states of a pattern: ``masks`` says which bytes each takes, ``follow`` which comes after which.

    ``bounded``: the most repetitions of those that were taken for a loop, 0 for none.
    """

    def __init__(self, flags: int, *, newlines: bool) -> None:
        self._flags = flags
        self._newlines = newlines
        self.alphabet = ALL if newlines else ALL & ~NEWLINE
        self.masks: list[int] = []
        self.follow: list[dict[int, list[tuple[int, bool]]]] = []  # each way: its bytes, whether it is a bounded loop's
        self.bounded = 0
        self.anchored = False

    def part(self, tree: Any, flags: int) -> Part:
        """Add a sequence."""
        return self._sequence(self._item(str(op), value, flags) for op, value in tree)

    def _sequence(self, parts: Iterable[Part]) -> Part:
        whole = NOTHING
        for part in parts:
            self._connect(whole, part)
            first = [*whole.first, *_behind(whole.empty, part.first)]
            last = [*part.last, *_before(whole.last, part.empty)]
            empty = [
                Empty(a.anchored or b.anchored, a.mask & b.mask, max(a.end, b.end))
                for a in whole.empty
                for b in part.empty
            ]
            whole = Part(_twice(first), _twice(last), _twice(empty))
        return whole

    def _connect(self, before: Part, after: Part, *, bounded: bool = False) -> None:
        for last in before.last:
            ways = self.follow[last.state]
            for first in after.first:
                mask = self.masks[first.state] & last.mask & first.mask
                if mask and not first.anchored:
                    known = ways.setdefault(first.state, [])
                    if len(known) < 4:
                        known.append((mask, bounded))

    def _leaf(self, mask: int) -> Part:
        if len(self.masks) >= MOST_STATES:
            raise TooLarge
        self.masks.append(mask & self.alphabet)
        self.follow.append({})
        state = len(self.masks) - 1
        return Part((First(state, anchored=False, mask=ALL),), (Last(state, ALL, CLEAN),), ())

    def _item(self, name: str, value: Any, flags: int) -> Part:
        match name:
            case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN" | "CATEGORY" | "RANGE":
                return self._leaf(_mask(name, value, flags))
            case "SUBPATTERN":
                return self.part(value[3], (flags | value[1]) & ~value[2])
            case "ATOMIC_GROUP":
                return self.part(value, flags)
            case "BRANCH":
                return _either([self.part(one, flags) for one in value[1]])
            case "GROUPREF_EXISTS":
                return _either([self.part(one, flags) if one is not None else NOTHING for one in value[1:]])
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                return self._repeat(value[0], value[1], value[2], flags, possessive=name == "POSSESSIVE_REPEAT")
            case "AT":
                return self._anchor(str(value), flags)
            case "ASSERT" | "ASSERT_NOT":
                if value[0] < 0:  # has a fixed length
                    self.part(value[1], flags)
                    return ASSERTED
                inner = self.part(value[1], flags)
                return Part(inner.first, (), ASSERTED.empty)
            case "GROUPREF":
                return self._loop(self._leaf(ALL), least=0)
            case _:  # FAILURE, and what later Pythons may have
                return ASSERTED

    def _anchor(self, name: str, flags: int) -> Part:
        lines = bool(flags & re.MULTILINE)
        self.anchored = self.anchored or name not in ("AT_BOUNDARY", "AT_NON_BOUNDARY")
        if name == "AT_BEGINNING_STRING" or (name == "AT_BEGINNING" and not (lines and self._newlines)):
            return Part((), (), (Empty(anchored=True, mask=ALL, end=ASSERTED_END),))
        if name in ("AT_END", "AT_END_STRING"):
            at_end = not (lines and self._newlines)
            return Part((), (), (Empty(anchored=False, mask=ALL, end=AT_END if at_end else ASSERTED_END),))
        return ASSERTED

    def _repeat(self, least: int, most: int, tree: Any, flags: int, *, possessive: bool) -> Part:
        unbounded = most == _parser.MAXREPEAT
        copies = 0 if unbounded and least == 1 else min(least, COPIES)
        parts = [self.part(tree, flags) for _ in range(copies)]
        if unbounded or most > COPIES or most - least > OPTIONAL:
            if not unbounded:
                self.bounded = max(self.bounded, most)
            parts.append(self._loop(self.part(tree, flags), least=least - copies, bounded=not unbounded))
        else:
            parts += [_either([self.part(tree, flags), NOTHING]) for _ in range(int(most) - len(parts))]
        if least > OPTIONAL and parts[0].empty:  # which of them match nothing is open, as in (a?){30}
            self._connect(parts[0], parts[0])
            self._connect(parts[0], parts[0])
        whole = self._sequence(parts)
        if possessive and len(tree) == 1 and str(tree[0][0]) in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
            rest = ALL & ~_mask(str(tree[0][0]), tree[0][1], flags) if unbounded else ALL
            last = tuple(Last(one.state, one.mask & rest, one.end) for one in whole.last)
            empty = tuple(Empty(one.anchored, one.mask & rest, one.end) for one in whole.empty)
            return Part(whole.first, last, empty)
        return whole

    def _loop(self, body: Part, *, least: int, bounded: bool = False) -> Part:
        self._connect(body, body, bounded=bounded)
        return body if least else Part(body.first, body.last, _twice([*body.empty, *NOTHING.empty]))


def _twice(ways: Sequence[Any]) -> tuple[Any, ...]:
    """Keep each way twice at most: more do not make it worse."""
    counts: dict[Any, int] = {}
    out = []
    for way in ways:
        counts[way] = counts.get(way, 0) + 1
        if counts[way] <= 2:
            out.append(way)
    return tuple(out)


def _behind(empty: Sequence[Empty], first: Sequence[First]) -> Iterator[First]:
    for way in empty:
        for one in first:
            yield First(one.state, one.anchored or way.anchored, one.mask & way.mask)


def _before(last: Sequence[Last], empty: Sequence[Empty]) -> Iterator[Last]:
    for way in empty:
        for one in last:
            if not way.anchored:
                yield Last(one.state, one.mask & way.mask, max(one.end, way.end))


def _either(parts: Sequence[Part]) -> Part:
    return Part(
        _twice([one for part in parts for one in part.first]),
        _twice([one for part in parts for one in part.last]),
        _twice([one for part in parts for one in part.empty]),
    )


@functools.cache
def _category(name: str) -> int:
    letter = {"DIGIT": "d", "SPACE": "s", "WORD": "w"}[name.rpartition("_")[2]]
    letter = letter.upper() if "_NOT_" in name else letter
    return sum(1 << i for i in range(256) if re.match(b"\\" + letter.encode(), bytes([i])))


def _mask(name: str, value: Any, flags: int) -> int:
    match name:
        case "ANY":
            return ALL if flags & re.DOTALL else ALL & ~NEWLINE
        case "LITERAL":
            return _folded(1 << value, flags)
        case "NOT_LITERAL":
            return ALL & ~_folded(1 << value, flags)
        case "RANGE":
            low, high = value
            return _folded((1 << high + 1) - (1 << low), flags)
        case "CATEGORY":
            return _category(str(value))
    negated = False
    mask = 0
    for op, inner in value:
        if str(op) == "NEGATE":
            negated = True
        else:
            mask |= _mask(str(op), inner, flags)
    return ALL & ~mask if negated else mask


def _folded(mask: int, flags: int) -> int:
    if flags & re.IGNORECASE:
        letters = (1 << 26) - 1
        upper, lower = mask >> 65 & letters, mask >> 97 & letters
        mask |= upper << 97 | lower << 65
    return mask
