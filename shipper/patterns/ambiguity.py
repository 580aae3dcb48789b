r"""In how many ways a backtracking engine may try one text: how its work grows with the text's length. Pure.

It is judged by the pattern's states (``states``), with one before them for a search, which may begin anywhere. Two
different ways around one state on the same text make the work grow exponentially; a state that goes on on the same text
as one before it makes it grow by one more power (Weber and Seidl 1991). What a failure cannot follow, as a last
``\S+``, is never tried again and does not count. Where this is not exact it errs on the side of more work.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

from shipper.patterns.states import ASSERTED_END, CLEAN, Part, States, TooLarge, parse

MOST_STEPS = 400_000


class Growth(NamedTuple):
    """How the work grows: with the ``degree``-th power of the text's length (infinite: exponentially).

    ``factor``: about what bounded repetitions, as ``{1,64}``, multiply it by.
    """

    degree: float
    factor: float


@functools.lru_cache(maxsize=1024)
def growth(pattern: bytes, flags: int = 0, *, search: bool, newlines: bool) -> Growth:
    """Return how the work of ``pattern`` grows; raises ``re.error``, :class:`TooLarge`.

    ``search``: it may begin anywhere in the text. ``newlines``: the text may hold line ends.
    """
    states = States(flags, newlines=newlines)
    whole = states.part(*parse(pattern, flags))
    loose = _Automaton(states, whole, search=search, bounded=True)
    if loose.exponential():
        return Growth(math.inf, 1.0)
    most = loose.degree()
    degree = most if not states.bounded else _Automaton(states, whole, search=search, bounded=False).degree()
    return Growth(float(degree), float(states.bounded) ** (most - degree))


class _Automaton:
    """The states with what leads into them. ``bounded``: with the loops of bounded repetitions."""

    def __init__(self, states: States, whole: Part, *, search: bool, bounded: bool) -> None:
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
        ends = {last.state: CLEAN for last in whole.last}
        self._sure = {last.state for last in whole.last if last.end == CLEAN and search}
        universal = {s for s in ends if self._edges[s].get(s, 0) == states.alphabet == states.masks[s]}
        self._sure |= {last.state for last in whole.last if last.end != ASSERTED_END and last.state in universal}
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
