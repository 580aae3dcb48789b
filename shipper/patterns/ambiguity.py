r"""In how many ways a backtracking engine may try one text: how its work grows with the text's length. Pure.

A pattern becomes an automaton whose states are its character classes (Glushkov's), with one state before them for a
search, which may begin anywhere. Two different ways around one state on the same text make the work grow exponentially;
a state that goes on on the same text as one before it makes it grow by one more power (Weber and Seidl 1991). What a
failure cannot follow, as a last ``\S+``, is never tried again and does not count. Where this is not exact it errs on
the side of more work.
"""

from __future__ import annotations

import functools
import importlib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

_parser: Any = importlib.import_module("re._parser")

ALL = (1 << 256) - 1
NEWLINE = 1 << 10
COPIES = 16  # up to so many repetitions are states of their own; more are taken for a loop
OPTIONAL = 3  # the same for how many of them may be there or not
MOST_STATES = 600
MOST_STEPS = 400_000

_CLEAN, _AT_END, _ASSERTED = range(3)  # what stands between a state and the pattern's end


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


NOTHING = Part((), (), (Empty(anchored=False, mask=ALL, end=_CLEAN),))
ASSERTED = Part((), (), (Empty(anchored=False, mask=ALL, end=_ASSERTED),))


class Growth(NamedTuple):
    """How the work grows: with the ``degree``-th power of the text's length (infinite: exponentially).

    ``factor``: about what bounded repetitions, as ``{1,64}``, multiply it by.
    """

    degree: float
    factor: float


class Facts(NamedTuple):
    """What else is to know of a pattern. ``needle``: bytes that are in whatever it matches.

    ``in_line``: it neither matches a line end nor asks where a text begins or ends: a text of many lines may be
    searched at once.
    """

    needle: bytes
    in_line: bool


@functools.lru_cache(maxsize=1024)
def growth(pattern: bytes, flags: int = 0, *, search: bool, newlines: bool) -> Growth:
    """Return how the work of ``pattern`` grows; raises ``re.error``, :class:`TooLarge`.

    ``search``: it may begin anywhere in the text. ``newlines``: the text may hold line ends.
    """
    states = _States(flags, newlines=newlines)
    whole = states.part(_parser.parse(pattern, flags), _flags_of(pattern, flags))
    loose = _Automaton(states, whole, search=search, bounded=True)
    if loose.exponential():
        return Growth(math.inf, 1.0)
    most = loose.degree()
    degree = most if not states.bounded else _Automaton(states, whole, search=search, bounded=False).degree()
    return Growth(float(degree), float(states.bounded) ** (most - degree))


@functools.lru_cache(maxsize=1024)
def facts(pattern: bytes, flags: int = 0) -> Facts:
    """Return what else is to know of ``pattern``; raises ``re.error``."""
    tree = _parser.parse(pattern, flags)
    all_flags = _flags_of(pattern, flags)
    states = _States(flags, newlines=True)
    try:
        states.part(tree, all_flags)
    except TooLarge:
        return Facts(b"", in_line=False)
    in_line = not states.anchored and not any(mask & NEWLINE for mask in states.masks)
    return Facts(max(_literals(tree, all_flags), key=len, default=b""), in_line)


def _flags_of(pattern: bytes, flags: int) -> int:
    return int(re.compile(pattern, flags).flags)


def _literals(tree: Any, flags: int) -> Iterator[bytes]:
    """Yield runs of bytes that are in whatever ``tree`` matches."""
    run = bytearray()
    for op, value in tree:
        name = str(op)
        if name == "LITERAL" and not (flags & re.IGNORECASE and bytes([value]).isalpha()):
            run.append(value)
            continue
        if name == "AT":
            continue
        yield bytes(run)
        run.clear()
        if name == "SUBPATTERN":
            yield from _literals(value[3], (flags | value[1]) & ~value[2])
        elif name == "ATOMIC_GROUP":
            yield from _literals(value, flags)
        elif name.endswith("_REPEAT") and value[0]:
            yield from _literals(value[2], flags)
    yield bytes(run)


class _States:
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
        return Part((First(state, anchored=False, mask=ALL),), (Last(state, ALL, _CLEAN),), ())

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
            return Part((), (), (Empty(anchored=True, mask=ALL, end=_ASSERTED),))
        if name in ("AT_END", "AT_END_STRING"):
            at_end = not (lines and self._newlines)
            return Part((), (), (Empty(anchored=False, mask=ALL, end=_AT_END if at_end else _ASSERTED),))
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


class _Automaton:
    """The states with what leads into them. ``bounded``: with the loops of bounded repetitions."""

    def __init__(self, states: _States, whole: Part, *, search: bool, bounded: bool) -> None:
        start = len(states.masks)
        self._edges: list[dict[int, int]] = []
        self._double: set[tuple[int, int]] = set()
        for state, ways in enumerate(states.follow):
            edges: dict[int, int] = {}
            for after, masks in ways.items():
                used = [mask for mask, loop in masks if bounded or not loop]
                for i, mask in enumerate(used):
                    edges[after] = edges.get(after, 0) | mask
                    if any(mask & other for other in used[:i]):
                        self._double.add((state, after))
            self._edges.append({after: mask for after, mask in edges.items() if mask})
        begins: dict[int, int] = {}
        for first in whole.first:
            mask = states.masks[first.state] & first.mask
            if mask and (not search or not first.anchored):
                begins[first.state] = begins.get(first.state, 0) | mask
        self._edges.append({**begins, start: states.alphabet} if search else begins)
        ends = {last.state: _CLEAN for last in whole.last}
        self._sure = {last.state for last in whole.last if last.end == _CLEAN and search}
        universal = {s for s in ends if self._edges[s].get(s, 0) == states.alphabet == states.masks[s]}
        self._sure |= {last.state for last in whole.last if last.end != _ASSERTED and last.state in universal}
        self._steps = 0
        self._anchored = {f.state for f in whole.first if f.anchored and states.masks[f.state]} if search else set()
        self._reachable = self._reach({start, *self._anchored})
        self._components = _components(len(self._edges), lambda s: self._edges[s])
        self._loops = [
            group
            for group in self._components
            if group[0] in self._reachable and (len(group) > 1 or group[0] in self._edges[group[0]])
        ]

    def _reach(self, states: set[int]) -> set[int]:
        seen, open_ = set(states), list(states)
        while open_:
            for after in self._edges[open_.pop()]:
                if after not in seen:
                    seen.add(after)
                    open_.append(after)
        return seen

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise TooLarge

    def exponential(self) -> bool:
        """Whether there are two ways around a state on the same text that a failure may follow."""
        for group in self._loops:
            inside = set(group) - self._sure
            if any((a, b) in self._double for a in inside for b in self._edges[a] if b in inside):
                return True
            if len(inside) > 1 and self._splits(inside):
                return True
        return False

    def _splits(self, inside: set[int]) -> bool:
        numbers: dict[tuple[int, int], int] = {}
        pairs: list[tuple[int, int]] = []
        edges: list[list[int]] = []

        def number(pair: tuple[int, int]) -> int:
            if pair not in numbers:
                numbers[pair] = len(pairs)
                pairs.append(pair)
            return numbers[pair]

        for state in inside:
            number((state, state))
        at = 0
        while at < len(pairs):
            one, other = pairs[at]
            out = []
            for a, x in self._edges[one].items():
                if a in inside:
                    for b, y in self._edges[other].items():
                        self._step()
                        if b in inside and x & y:
                            out.append(number((a, b)))
            edges.append(out)
            at += 1
        for group in _components(len(pairs), lambda i: edges[i]):
            members = [pairs[i] for i in group]
            if any(a == b for a, b in members) and any(a != b for a, b in members):
                return True
        return False

    def degree(self) -> int:
        """Return the power with which the work grows, where it does not grow exponentially."""
        of = {state: i for i, group in enumerate(self._components) for state in group}
        adds: dict[int, set[int]] = {}
        for first in self._loops:
            below = self._reach(set(first)) - set(first)
            for second in self._loops:
                if second[0] in below and any(
                    self._goes_on(p, q, set(first), set(second)) for p in first for q in second if q not in self._sure
                ):
                    adds.setdefault(of[first[0]], set()).add(of[second[0]])
        best: dict[int, int] = {}
        for i, group in enumerate(self._components):  # what comes after is before it
            after = {of[b] for a in group for b in self._edges[a]} - {i}
            best[i] = max(
                [0, *(best[j] for j in after), *(1 + best[j] for j in adds.get(i, ()))],
            )
        return 1 + max((best[of[s]] for s in self._reachable), default=0)

    def _goes_on(self, p: int, q: int, first: set[int], second: set[int]) -> bool:
        """Whether one text leads from ``p`` to ``p``, from ``p`` to ``q`` and from ``q`` to ``q``.

        Where a failure may follow ``p``, not by way of what none can follow.
        """
        never = set() if p in self._sure else self._sure
        seen = {(p, p, q)}
        open_ = [(p, p, q)]
        while open_:
            a, b, c = open_.pop()
            for a2, x in self._edges[a].items():
                if a2 not in first:
                    continue
                for c2, z in self._edges[c].items():
                    if c2 not in second or c2 in never or not x & z:
                        continue
                    for b2, y in self._edges[b].items():
                        self._step()
                        if b2 not in never and x & y & z:
                            found = (a2, b2, c2)
                            if found == (p, q, q):
                                return True
                            if found not in seen:
                                seen.add(found)
                                open_.append(found)
        return False


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


def _components(count: int, edges: Any) -> list[list[int]]:
    """Return the strongly connected components, each after those that it leads to (Tarjan)."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    on_stack: set[int] = set()
    stack: list[int] = []
    out: list[list[int]] = []
    for root in range(count):
        if root in index:
            continue
        work = [(root, iter(edges(root)))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            state, rest = work[-1]
            for after in rest:
                if after not in index:
                    index[after] = low[after] = len(index)
                    stack.append(after)
                    on_stack.add(after)
                    work.append((after, iter(edges(after))))
                    break
                if after in on_stack:
                    low[state] = min(low[state], index[after])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[state])
                if low[state] == index[state]:
                    group = []
                    while True:
                        one = stack.pop()
                        on_stack.discard(one)
                        group.append(one)
                        if one == state:
                            break
                    out.append(group)
    return out
