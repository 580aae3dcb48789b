"""Which lines have arrived: the join of what the files hold with what the topics hold. Pure, but for what it is given.

Every line (or part of a long one) that a file holds has a *number*; numbers grow along a *lane*: the generations of
one path in their order. Every line and every record has a *hash* that is the same for both where they are
the same: of its group (topic and key) and content or, with provenance, of file id, offset and content. A record has a
*place*: its partition and its Kafka offset. Equal hashes are in equal buckets, so one bucket can be judged at a time.

- The k-th line of a hash is answered by its k-th record. Lines without one are missing, records without one are doubled
  where there is such a line, and otherwise other records.
- Order is judged by lines whose hash no other line has: a line is out of order when it first arrived after a later line
  of its lane, in the same partition.
- Where the beginning of a partition has been deleted, a lane is judged from the first line on that is found there, by
  the same lines; one of which nothing is found is not judged at all.

Invariant: for every segment, delivered + missing + in dead letters + not judged = its lines that were sent.
"""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

OFFSET_BITS = 44  # of a place: the rest is the partition's number
RANGE_BITS = 18  # of a number: how many make one bucket of what is sorted by number
EXAMPLES = 5  # missing lines that are named, of each lane


class Segment(NamedTuple):
    """Consecutive numbers of one lane, up to the next segment's. ``sent``: a checkpoint says that they have arrived."""

    first: int
    lane: int
    sent: bool


class Bucket(NamedTuple):
    """Pairs as ``Spill.bucket`` returns them: of hash and number, hash and place, hash and anything."""

    lines: array[int]
    records: array[int]
    letters: array[int]


@dataclass
class Verdict:
    """What was found, by segment (its index); ``other`` by partition; ``examples`` by lane."""

    missing: Counter[int] = field(default_factory=Counter)
    letters: Counter[int] = field(default_factory=Counter)
    doubled: Counter[int] = field(default_factory=Counter)
    disordered: Counter[int] = field(default_factory=Counter)
    unjudged: Counter[int] = field(default_factory=Counter)
    other: Counter[int] = field(default_factory=Counter)
    examples: dict[int, list[int]] = field(default_factory=dict)  # numbers of missing lines, negative: a heap
    unfound: set[int] = field(default_factory=set)  # lanes of which nothing is in topics whose beginning was deleted


class Ranges(Protocol):
    """Pairs of number and place, by ranges of numbers."""

    def put(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Add pairs."""

    def get(self, bucket: int) -> array[int]:
        """Return the pairs whose numbers divided by 2 ** RANGE_BITS are ``bucket``."""


class Numbering:
    """The segments, and to which one a number belongs. ``end`` is the number after the last one."""

    def __init__(self, segments: Sequence[Segment], end: int) -> None:
        self.segments = segments
        self.end = end
        self._firsts = [segment.first for segment in segments]

    def of(self, number: int) -> int:
        """Return the index of the segment that ``number`` is in."""
        return bisect_right(self._firsts, number) - 1

    def size(self, index: int) -> int:
        """Return how many numbers a segment has."""
        following = self._firsts[index + 1] if index + 1 < len(self._firsts) else self.end
        return following - self._firsts[index]

    def lanes(self) -> Iterator[tuple[int, int, int]]:
        """Yield each lane that has numbers, from the last to the first: its number, its first and its end."""
        end = self.end
        for index in range(len(self.segments) - 1, -1, -1):
            first, lane, _ = self.segments[index]
            if index and self.segments[index - 1].lane == lane:
                continue
            if end > first:
                yield lane, first, end
            end = first


def match(
    buckets: Callable[[], Iterable[Bucket]], numbering: Numbering, trimmed: frozenset[int], ranges: Ranges
) -> Verdict:
    """Judge; ``trimmed`` are the partitions whose beginning was deleted. With them, ``buckets`` is called twice."""
    verdict = Verdict()
    starts: dict[int, int] = {}
    if trimmed:
        starts = _starts(buckets(), numbering, trimmed, verdict.unfound)
    for bucket in buckets():
        _judge(bucket, numbering, starts, verdict, ranges)
    _judge_order(numbering, ranges, verdict)
    return verdict


def _firsts(lines: array[int]) -> tuple[dict[int, int], dict[int, list[int]]]:
    """Return the number of each hash that only one line has, and the numbers of every other hash."""
    hashes, numbers = lines[::2], lines[1::2]
    unique = dict(zip(hashes, numbers, strict=True))
    many: dict[int, list[int]] = {}
    if len(unique) < len(hashes):
        many = {h: [] for h, count in Counter(hashes).items() if count > 1}
        for h, number in zip(hashes, numbers, strict=True):
            if h in many:
                many[h].append(number)
        for h in many:
            del unique[h]
    return unique, many


def _arrivals(records: array[int]) -> tuple[dict[int, int], Counter[int]]:
    """Return where each hash arrived first, and how often it did where that was more than once."""
    hashes, places = records[::2], records[1::2]
    hashes.reverse()
    places.reverse()
    first = dict(zip(hashes, places, strict=True))  # of equal hashes the last one stays, which is the first one here
    counts: Counter[int] = Counter()
    if len(first) < len(hashes):
        counts = Counter({h: count for h, count in Counter(hashes).items() if count > 1})
    return first, counts


def _starts(
    buckets: Iterable[Bucket], numbering: Numbering, trimmed: frozenset[int], unfound: set[int]
) -> dict[int, int]:
    """Return from which number on each lane can be judged."""
    found: dict[int, int] = {}
    whole: set[int] = set()  # lanes that are in a partition from which nothing was deleted
    for bucket in buckets:
        unique, _ = _firsts(bucket.lines)
        first, _ = _arrivals(bucket.records)
        for h in unique.keys() & first.keys():
            number = unique[h]
            lane = numbering.segments[numbering.of(number)].lane
            if first[h] >> OFFSET_BITS not in trimmed:
                whole.add(lane)
            elif number < found.get(lane, numbering.end):
                found[lane] = number
    starts: dict[int, int] = {}
    for lane, _, end in numbering.lanes():
        if lane in found:
            starts[lane] = found[lane]
        elif lane not in whole:
            starts[lane] = end
            unfound.add(lane)
    return starts


def _judge(bucket: Bucket, numbering: Numbering, starts: dict[int, int], verdict: Verdict, ranges: Ranges) -> None:
    """Judge the lines and records of one bucket."""
    unique, many = _firsts(bucket.lines)
    first, counts = _arrivals(bucket.records)
    letters = Counter(bucket.letters[::2])
    of, segments = numbering.of, numbering.segments

    def lacking(number: int, h: int) -> None:
        """Take note of a line that has no record."""
        index = of(number)
        _, lane, sent = segments[index]
        if not sent:
            return
        if number < starts.get(lane, 0):
            verdict.unjudged[index] += 1
        elif letters[h]:
            letters[h] -= 1
            verdict.letters[index] += 1
        else:
            verdict.missing[index] += 1
            examples = verdict.examples.setdefault(lane, [])
            if len(examples) < EXAMPLES:
                heapq.heappush(examples, -number)
            elif -number > examples[0]:
                heapq.heapreplace(examples, -number)

    for h in unique.keys() - first.keys():
        lacking(unique[h], h)
    found = unique.keys() & first.keys()
    ranges.put((unique[h], first[h]) for h in found)
    for h, numbers in many.items():
        arrived = counts.get(h, 1) if h in first else 0
        judged = []
        for number in numbers:
            index = of(number)
            _, lane, sent = segments[index]
            if sent and number < starts.get(lane, 0):
                verdict.unjudged[index] += 1
            elif sent:
                judged.append(number)
        for number in judged[arrived:]:
            lacking(number, h)
        if arrived > len(numbers):
            verdict.doubled[of(numbers[-1])] += arrived - len(numbers)
    for h, count in counts.items():
        if h in unique:
            verdict.doubled[of(unique[h])] += count - 1
    for h in first.keys() - unique.keys() - many.keys():
        verdict.other[first[h] >> OFFSET_BITS] += counts.get(h, 1)


def _judge_order(numbering: Numbering, ranges: Ranges, verdict: Verdict) -> None:
    """Count the lines that arrived after a later one of their lane: from the last line to the first."""
    span = 1 << RANGE_BITS
    at, slots = -1, array("q")
    for _, first, end in numbering.lanes():
        lowest: dict[int, int] = {}  # by partition, of the lines that come later
        for bucket in range((end - 1) // span, first // span - 1, -1):
            if bucket != at:
                at, slots = bucket, array("q", [-1]) * span
                pairs = ranges.get(bucket)
                base = bucket * span
                for number, place in zip(pairs[::2], pairs[1::2], strict=True):
                    slots[number - base] = place
            low, high = max(first - bucket * span, 0), min(end - bucket * span, span)
            _judge_range(slots[low:high], low + bucket * span, lowest, numbering, verdict)


def _judge_range(places: array[int], base: int, lowest: dict[int, int], numbering: Numbering, verdict: Verdict) -> None:
    """Judge consecutive numbers of one lane from ``base`` on, of which those with a negative place are left out."""
    known = [place for place in places if place >= 0]
    if not known:
        return
    partition = known[0] >> OFFSET_BITS
    in_order = known[-1] >> OFFSET_BITS == partition and known == sorted(known)
    if in_order and known[-1] < lowest.get(partition, known[-1] + 1):
        lowest[partition] = known[0]
        return
    for index in range(len(places) - 1, -1, -1):
        if (place := places[index]) < 0:
            continue
        partition = place >> OFFSET_BITS
        if place > lowest.get(partition, place):
            verdict.disordered[numbering.of(base + index)] += 1
        else:
            lowest[partition] = place
