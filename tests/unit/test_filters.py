"""Which lines are kept, and what is counted of the others."""

import re
from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from shipper.patterns import Expression
from shipper.records.filters import Filters


def filtered(events: Sequence[bytes], **rules: object) -> tuple[list[bytes], dict[str, int]]:
    dropped: Counter[str] = Counter()
    given_ = {"include": (), "exclude": (), "sample": 1.0} | rules
    keep = Filters(**given_, dropped=dropped)  # type: ignore[arg-type]
    index = keep(events, lambda: range(0, 100 * len(events), 100))
    return list(events) if index is None else [events[i] for i in index], dict(dropped)


def ex(*texts: str) -> tuple[Expression, ...]:
    return tuple(map(Expression, texts))


def test_one_of_the_patterns_is_enough() -> None:
    events = [b"ERROR a", b"info b", b"WARN c", b"\xff ERROR"]
    assert filtered(events, include=ex("ERROR", "^WARN")) == (
        [b"ERROR a", b"WARN c", b"\xff ERROR"],
        {"include_lines": 1},
    )
    assert filtered(events, exclude=ex("ERROR", "^WARN")) == ([b"info b"], {"exclude_lines": 3})


def test_what_is_left_out_is_counted_by_the_rule_that_did_it() -> None:
    events = [b"a", b"ab", b"b", b""]
    assert filtered(events, include=ex("a"), exclude=ex("b")) == ([b"a"], {"include_lines": 2, "exclude_lines": 1})


def test_all_may_be_kept_or_none() -> None:
    assert filtered([b"a"], include=ex("a")) == ([b"a"], {})
    assert filtered([b"a"], include=ex("b")) == ([], {"include_lines": 1})
    assert filtered([], include=ex("b"), sample=0.5) == ([], {})


def test_a_line_that_is_too_long_for_a_pattern_is_kept() -> None:
    long = b"a" * 5000
    assert filtered([long, b"x"], include=ex(r"\w+@")) == ([long], {"include_lines": 1})
    assert filtered([long + b"@", b"x@"], exclude=ex(r"\w+@")) == ([long + b"@"], {"exclude_lines": 1})


def test_a_sample_is_about_as_large_as_it_is_to_be() -> None:
    for sample in (0.01, 0.1, 0.5):
        kept, dropped = filtered([b"heartbeat"] * 20_000, sample=sample)
        assert abs(len(kept) - 20_000 * sample) < 20_000 * sample * 0.25
        assert dropped == {"sample": 20_000 - len(kept)}


@given(st.lists(st.binary(max_size=5), max_size=30), st.integers(0, 30))
def test_a_sample_is_the_same_however_it_is_read(events: list[bytes], at: int) -> None:
    at = min(at, len(events))
    offsets = list(range(0, 7 * len(events), 7))
    keep = Filters((), (), 0.5, Counter())
    whole = keep(events, lambda: offsets)
    first, rest = keep(events[:at], lambda: offsets[:at]), keep(events[at:], lambda: offsets[at:])
    first = list(range(at)) if first is None else first
    rest = list(range(len(events) - at)) if rest is None else rest
    assert (list(range(len(events))) if whole is None else whole) == first + [at + i for i in rest]


PATTERNS = st.lists(st.sampled_from(["ab", "^a", "b$", "a|c", "[0-9]", "xyz", "a\nb", ""]), max_size=3)
TEXTS = st.lists(st.text("abc1\nx", max_size=6).map(str.encode), max_size=8)


@given(TEXTS, PATTERNS, PATTERNS)
def test_what_is_kept_is_what_each_line_by_itself_says(
    events: list[bytes], include: list[str], exclude: list[str]
) -> None:
    def has(event: bytes, patterns: list[str]) -> bool:
        return any(re.search(pattern.encode(), event) for pattern in patterns)

    wanted = [e for e in events if (not include or has(e, include)) and not has(e, exclude)]
    kept, dropped = filtered(events, include=ex(*include), exclude=ex(*exclude))
    assert kept == wanted
    assert sum(dropped.values()) == len(events) - len(wanted)
