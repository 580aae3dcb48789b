r"""Redacts a line that comes in parts as if it were whole: what stands across a seam leaves in no part. Pure.

Each part is looked at with what follows it (``ahead``), and with what has been kept of the line before it: from a place
at which no rule was in the middle of something, a *rest*. What takes the place of a secret belongs to the part in which
the secret begins. The parts of a line put together are the redacted line, as long as nothing that a rule looks at takes
more than ``REACH`` bytes; of what is longer the rest holds the beginning and the end, which most patterns take for it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from shipper.records.secrets import ESCAPE, ESCAPES, Edit, Found, Rule

REACH = 8 << 10  # bytes that a secret may have to be found across a seam
CONTEXT = 256  # bytes before a rest that a pattern may look back at


def ahead_of(rules: int) -> int:
    """Return how many bytes of the line behind a part must be known: each rule may change what the next one sees."""
    return REACH * (rules + 1) if rules else 0


class Rest(NamedTuple):
    """What is kept of a line before a part. ``contexts``: what stood before it, as each step saw it."""

    text: bytes = b""
    contexts: tuple[bytes, ...] = ()


class Part(NamedTuple):
    """A redacted part, what is kept for the next one, and how often each rule has found something that begins in it."""

    value: bytes
    rest: Rest
    counts: Counter[str]


class _Pass:
    """One step over a text: what was found in it, and where places of the text are in what became of it."""

    __slots__ = ("_begins", "edits", "found", "out", "rule", "text")

    def __init__(self, rule: Rule, context: bytes, text: bytes) -> None:
        self.rule = rule
        self.text = text
        base, seen = len(context), context + text
        matches = rule.find(seen, base) if rule.may_find(seen) else ()
        self.found = [
            Found(start - base, end - base, [Edit(low - base, high - base, new) for low, high, new in edits])
            for start, end, edits in matches
        ]
        self._begins = [one.start for one in self.found]
        self.edits = [edit for one in self.found for edit in one.edits]
        out: list[bytes] = []
        at = 0
        for low, high, new in self.edits:
            out += (text[at:low], new)
            at = high
        self.out = b"".join((*out, text[at:])) if out else text

    def crossing(self, at: int) -> int:
        """Return where what crosses ``at`` begins, or ``at``."""
        index = bisect_left(self._begins, at) - 1
        return self.found[index].start if index >= 0 and self.found[index].end > at else at

    def forward(self, at: int) -> int:
        """Return where ``at`` is afterwards: behind what has replaced something around it."""
        shift = 0
        for low, high, new in self.edits:
            if low >= at:
                break
            if high > at:
                return low + shift + len(new)
            shift += len(new) - (high - low)
        return at + shift

    def back(self, at: int) -> int:
        """Return where what stands at ``at`` afterwards was before: of what was replaced, its beginning."""
        shift = 0
        for low, high, new in self.edits:
            if low + shift >= at:
                break
            if low + shift + len(new) > at:
                return low
            shift += len(new) - (high - low)
        return at - shift


def redact(rules: Sequence[Rule], rest: Rest, text: bytes, ahead: bytes) -> Part:
    """Return one part, ``text``, of a line; ``rest`` is of the part before it, ``ahead`` what follows in the line."""
    start, end = len(rest.text), len(rest.text) + len(text)
    whole = now = rest.text + text + ahead
    steps = [*rules, ESCAPES, *rules]  # as Redactor.event has it
    contexts = rest.contexts or (b"",) * len(steps)
    passes: list[_Pass] = []
    for rule, context in zip(steps, contexts, strict=True):
        if rule is ESCAPES and ESCAPE not in now:
            break
        passes.append(_Pass(rule, context, now))
        now = passes[-1].out
    count = len(rules)
    used = len(passes) if len(passes) > count and now != passes[count].out else count
    counts: Counter[str] = Counter()
    value = b""
    low, high = start, end
    for number, one in enumerate(passes, 1):
        if one.rule is not ESCAPES and (found := sum(low <= edit.start < high for edit in one.edits)):
            counts[one.rule.name] += found
        low, high = one.forward(low), one.forward(high)
        if number == used:
            value = one.out[low:high]
    at = _quiet(passes, end)
    kept = whole[at:end]
    if len(kept) > REACH:
        kept = kept[: REACH // 2] + kept[-REACH // 2 :]
    after: list[bytes] = []
    for number, context in enumerate(contexts):
        before = passes[number].text if number < len(passes) else now
        after.append((context + before[:at])[-CONTEXT:])
        if number < len(passes):
            at = passes[number].forward(at)
    return Part(value, Rest(kept, tuple(after)), counts)


def _quiet(passes: Sequence[_Pass], at: int) -> int:
    """Return the last place up to ``at`` at which no step is in the middle of something."""
    number = 0
    place = at
    while number < len(passes):
        begin = passes[number].crossing(place)
        if begin == place:
            place = passes[number].forward(place)
            number += 1
            continue
        for one in reversed(passes[:number]):
            begin = one.back(begin)
        at = place = begin
        number = 0
    return at
