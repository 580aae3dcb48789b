r"""Which lines belong together: an event begins where a rule says so, and goes on up to the next one's beginning. Pure.

Rules judge each line by itself, so it makes no difference where the reads end, as long as each begins at an event's
first line. The last event of a block may go on, unless its last line closes it or it is as large as one may be.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import accumulate, pairwise
from operator import sub
from typing import NamedTuple

Search = Callable[[bytes], object]  # of a line; None: not found
Rule = Callable[[list[bytes]], list[int]]  # of some lines: which of them are the first of an event


class Groups(NamedTuple):
    """Complete events, the index of each one's first line, and how many lines they are in all.

    ``cuts``: which of the events a position may stand before; ``None``: each.
    """

    events: list[bytes]
    firsts: list[int]
    lines: int
    cuts: list[int] | None = None


PRESETS = {  # what a line looks like that goes on with the event before it; nothing here is tried twice
    "java": rb"^(?:[ \t]|Caused by: |Suppressed: |\.\.\. \d"
    rb"|(?:[\w$]++\.)++[\w$]++(?:(?<=Exception)|(?<=Error)|(?<=Throwable))(?:[:\s]|$))",
    "python": rb"^(?:[ \t]|$|Traceback \(most recent call last\):|During handling of the above exception, "
    rb"|The above exception was the direct cause of |(?:\w++\.)*+(?:\w++(?:(?<=Error)|(?<=Exception)|(?<=Warning)"
    rb"|(?<=Interrupt)|(?<=Exit)|(?<=Iteration)|(?<=ExceptionGroup))|(?<=\.)[A-Z]\w*+)(?:: |:?$))",
    "go": rb"^(?:[ \t]|$|goroutine \d+ |\[signal |created by |\.\.\.|exit status \d|\[recovered|r\w++ ++0x"
    rb"|[^\s=(]++(?:\(\*?[^\s()]*+\)[^\s(]*+)?\(.*\)$)",
    "node": rb"^(?:[ \t]|$|\}|Caused by: |Node\.js v\d|(?:Uncaught )?[\w$.]++(?<=Error)(?: \[\w++\])?(?::|$))",
}


def begins_at(search: Search) -> Rule:
    """Return the rule that an event begins with each line in which something is found."""
    return lambda lines: [i for i, found in enumerate(map(search, lines)) if found is not None]


def goes_on_at(search: Search) -> Rule:
    """Return the rule that an event begins with each line in which something is not found."""
    return lambda lines: [i for i, found in enumerate(map(search, lines)) if found is None]


def ends_at(search: Search) -> Rule:
    """Return the rule that an event begins after each line in which something is found."""
    return lambda lines: [i for i, found in enumerate(map(search, lines), 1) if found is not None]


def either(first: Rule, second: Rule) -> Rule:
    """Return the rule that an event begins where one of two rules says so."""
    return lambda lines: sorted({*first(lines), *second(lines)})


def preset(name: str) -> Rule:
    """Return the rule for the stack traces of a language."""
    return goes_on_at(re.compile(PRESETS[name]).search)


indented: Rule = goes_on_at(re.compile(rb"[ \t]").match)


class Multiline:
    """Joins lines to events of at most ``max_lines`` lines and ``max_bytes`` bytes, but for a line that is longer."""

    def __init__(self, rule: Rule, max_lines: int, max_bytes: int) -> None:
        self._rule = rule
        self._max_lines = max_lines
        self._max_bytes = max_bytes

    def group(self, lines: list[bytes], bare: list[bytes], *, done: bool) -> Groups:
        r"""Return the events of ``lines``, the first of which begins one; ``bare``: the same without any ``\r``.

        ``done``: nothing follows.
        """
        if not lines:
            return Groups([], [], 0)
        bounds = self._rule(bare)
        if not bounds or bounds[0]:
            bounds.insert(0, 0)
        count = len(lines)
        closed = bounds[-1] == count
        if not closed:
            bounds.append(count)
        if max(map(sub, bounds[1:], bounds)) > self._max_lines or self._has_large(lines, bounds):
            bounds = self._cut(lines, bounds)
        if not (closed or done or bounds[-1] - bounds[-2] == self._max_lines):
            bounds.pop()
        if len(bounds) - 1 == bounds[-1]:  # each is one line
            events = bare[: bounds[-1]]
        elif lines is bare:
            events = [b"\n".join(lines[i:j]) if j - i > 1 else lines[i] for i, j in pairwise(bounds)]
        else:
            events = [b"\n".join([*lines[i : j - 1], bare[j - 1]]) for i, j in pairwise(bounds)]
        last = bounds.pop()
        return Groups(events, bounds, last)

    def _has_large(self, lines: list[bytes], bounds: list[int]) -> bool:
        """Whether an event may have more than ``max_bytes``."""
        if sum(map(len, lines)) + len(lines) <= self._max_bytes:
            return False
        ends = list(accumulate(map(len, lines), initial=0))
        return any(ends[j] - ends[i] + j - i - 1 > self._max_bytes for i, j in pairwise(bounds))

    def _cut(self, lines: list[bytes], bounds: list[int]) -> list[int]:
        """Return the bounds with more of them, where an event is too large: each of its parts as large as may be."""
        cut = [0]
        for i, j in pairwise(bounds):
            size, first = 0, i
            for k in range(i, j):
                if k > first and (k - first == self._max_lines or size + len(lines[k]) > self._max_bytes):
                    cut.append(k)
                    size, first = 0, k
                size += len(lines[k]) + 1
            cut.append(j)
        return cut
