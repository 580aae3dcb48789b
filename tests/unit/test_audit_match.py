"""The judgement of an audit, held against a slow one that is plainly right; and what it says of small stories."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shipper.audit import match as judge
from shipper.audit.match import OFFSET_BITS, Bucket, Numbering, Segment, Verdict, match


@dataclass
class Ranges:
    """What ``match`` sorts by number, in memory."""

    pairs: dict[int, array[int]] = field(default_factory=dict)

    def put(self, pairs: Iterable[tuple[int, int]]) -> None:
        for number, place in pairs:
            self.pairs.setdefault(number >> judge.RANGE_BITS, array("q")).extend((number, place))

    def get(self, bucket: int) -> array[int]:
        return self.pairs.get(bucket, array("q"))


@dataclass
class Story:
    """``lanes``: of each lane its segments, (lines, sent); a line is its hash. ``records``: (partition, hash)."""

    lanes: list[list[tuple[list[int], bool]]]
    records: list[tuple[int, int]]
    letters: list[int] = field(default_factory=list)
    trimmed: frozenset[int] = frozenset()

    def lines(self) -> Iterator[tuple[int, int, int, bool]]:
        """Yield number, hash, lane and whether it was sent."""
        number = 0
        for lane, segments in enumerate(self.lanes):
            for lines, sent in segments:
                for line in lines:
                    yield number, line, lane, sent
                    number += 1

    def verdict(self, buckets: int = 4) -> Verdict:
        segments, number = [], 0
        for lane, several in enumerate(self.lanes):
            for lines, sent in several:
                segments.append(Segment(number, lane, sent))
                number += len(lines)
        places: Counter[int] = Counter()
        made = [Bucket(array("q"), array("q"), array("q")) for _ in range(buckets)]
        for n, line, _, _ in self.lines():
            made[line % buckets].lines.extend((line, n))
        for partition, line in self.records:
            made[line % buckets].records.extend((line, partition << OFFSET_BITS | places[partition]))
            places[partition] += 1
        for line in self.letters:
            made[line % buckets].letters.extend((line, 0))
        return match(lambda: made, Numbering(segments, number), self.trimmed, Ranges())


def plain(story: Story) -> dict[str, int]:
    """Judge slowly: what is said of every line by looking at all the others."""
    lines = list(story.lines())
    often = Counter(line for _, line, _, _ in lines)
    arrived = Counter(line for _, line in story.records)
    first: dict[int, tuple[int, int]] = {}
    for place, (partition, line) in enumerate(story.records):
        first.setdefault(line, (partition, place))
    starts = {}
    if story.trimmed:
        for lane in {lane for _, _, lane, _ in lines}:
            found = [(n, first[h][0]) for n, h, of, _ in lines if of == lane and often[h] == 1 and h in first]
            cut = [n for n, partition in found if partition in story.trimmed]
            starts[lane] = min(cut) if cut else (0 if found else len(lines))
    told: Counter[str] = Counter(missing=0, letters=0, unjudged=0, doubled=0, other=0, disordered=0)
    for h in often:
        mine = [(n, lane, sent) for n, line, lane, sent in lines if line == h]
        early = [n for n, lane, sent in mine if sent and n < starts.get(lane, 0)]
        due = [n for n, lane, sent in mine if sent and n >= starts.get(lane, 0)]
        absent = arrived[h] == 0 or len(mine) > 1
        told["unjudged"] += len(early) if absent else 0
        lacking = max(0, len(due) - arrived[h])
        told["letters"] += min(lacking, story.letters.count(h))
        told["missing"] += lacking - min(lacking, story.letters.count(h))
        told["doubled"] += max(0, arrived[h] - len(mine))
    told["other"] = sum(count for h, count in arrived.items() if h not in often)
    alone = [(n, lane, *first[h]) for n, h, lane, _ in lines if often[h] == 1 and h in first]
    for n, lane, partition, place in alone:
        later = [p for m, of, where, p in alone if m > n and of == lane and where == partition]
        told["disordered"] += any(p < place for p in later)
    return dict(told)


def summed(verdict: Verdict) -> dict[str, int]:
    names = ("missing", "letters", "unjudged", "doubled", "other", "disordered")
    return {name: sum(getattr(verdict, name).values()) for name in names}


hashes = st.integers(0, 30)
stretches = st.tuples(st.lists(hashes, max_size=8), st.booleans())
stories = st.builds(
    Story,
    lanes=st.lists(st.lists(stretches, min_size=1, max_size=3), max_size=3),
    records=st.lists(st.tuples(st.integers(0, 1), hashes), max_size=30),
    letters=st.lists(hashes, max_size=4),
    trimmed=st.sampled_from([frozenset(), frozenset({0}), frozenset({0, 1})]),
)


@given(stories, st.sampled_from([1, 2, 18]))
@example(Story([], []), 1)
def test_it_says_what_a_slow_judge_says(story: Story, bits: int) -> None:
    before, judge.RANGE_BITS = judge.RANGE_BITS, bits
    try:
        assert summed(story.verdict()) == plain(story)
    finally:
        judge.RANGE_BITS = before


def one_lane(lines: list[int], *records: int, trimmed: bool = False, letters: list[int] | None = None) -> Verdict:
    cut = frozenset({0}) if trimmed else frozenset[int]()
    return Story([[(lines, True)]], [(0, r) for r in records], letters or [], cut).verdict()


@pytest.mark.parametrize(
    ("records", "told"),
    [
        ((1, 2, 3, 4), {}),
        ((1, 2, 4), {"missing": 1}),
        ((1, 2, 3, 2, 3, 4), {"doubled": 2}),
        ((1, 3, 2, 4), {"disordered": 1}),  # 2 came after 3
        ((4, 1, 2, 3), {"disordered": 3}),
        ((1, 2, 3, 4, 9), {"other": 1}),
        ((), {"missing": 4}),
    ],
)
def test_what_is_planted_is_told(records: tuple[int, ...], told: dict[str, int]) -> None:
    assert {k: v for k, v in summed(one_lane([1, 2, 3, 4], *records)).items() if v} == told


def test_the_same_line_twice_must_arrive_twice() -> None:
    assert summed(one_lane([1, 2, 1], 1, 2))["missing"] == 1
    assert summed(one_lane([1, 2, 1], 1, 2, 1)) == summed(Verdict())
    assert summed(one_lane([1, 2, 1], 1, 2, 1, 1))["doubled"] == 1


def test_a_dead_letter_is_not_missing() -> None:
    told = summed(one_lane([1, 2, 3], 1, 3, letters=[2]))
    assert (told["missing"], told["letters"]) == (0, 1)


def test_nothing_is_judged_before_the_first_line_that_a_trimmed_topic_still_has() -> None:
    told = one_lane([1, 2, 3, 4, 5], 3, 5, trimmed=True)
    assert (summed(told)["unjudged"], summed(told)["missing"]) == (2, 1)
    assert told.examples == {0: [-3]}


def test_a_line_that_recurs_says_nothing_of_where_a_trimmed_topic_begins() -> None:
    told = summed(one_lane([7, 1, 7, 2, 7, 3], 7, 3, trimmed=True))
    assert (told["unjudged"], told["missing"]) == (5, 0)


def test_a_lane_of_which_a_trimmed_topic_has_nothing_is_not_judged_and_told() -> None:
    told = one_lane([1, 2], 8, 9, trimmed=True)
    assert (summed(told)["unjudged"], told.unfound) == (2, {0})


def test_a_trimmed_partition_says_nothing_of_lanes_in_others() -> None:
    story = Story([[([1, 2, 3], True)]], [(1, 3)], trimmed=frozenset({0}))
    assert summed(story.verdict())["missing"] == 2


def test_what_is_not_sent_yet_may_have_arrived_or_not() -> None:
    story = Story([[([1, 2], True), ([3, 4], False)]], [(0, 1), (0, 2), (0, 3)])
    assert summed(story.verdict()) == summed(Verdict())


def test_lanes_have_an_order_of_their_own() -> None:
    story = Story([[([1, 2], True)], [([3, 4], True)]], [(0, 3), (0, 1), (0, 4), (0, 2)])
    assert summed(story.verdict())["disordered"] == 0


def test_the_first_missing_lines_are_named() -> None:
    told = one_lane(list(range(20)), *range(3))
    assert sorted(-n for n in told.examples[0]) == [3, 4, 5, 6, 7]
