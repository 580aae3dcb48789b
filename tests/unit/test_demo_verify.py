from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from shipper.demo.verify import Arrived, Contents, Sequences


def line(name: str, number: int) -> bytes:
    return f"{name} {number} text".encode()


def deliver(sequences: Sequences, name: str, *numbers: int) -> Sequences:
    for number in numbers:
        sequences.take(name.encode(), line(name, number))
    return sequences


def test_all_lines_in_order_are_good() -> None:
    sequences = Sequences(["a", "b"], line)
    deliver(sequences, "a", 0, 1)
    assert not sequences.complete({"a": 2, "b": 1})
    deliver(sequences, "b", 0)
    assert sequences.complete({"a": 2, "b": 1})
    verdict = sequences.verdict({"a": 2, "b": 1})
    assert verdict.good
    assert (verdict.written, verdict.delivered, verdict.keys, verdict.keys_in_order) == (3, 3, 2, 2)


def test_repeats_from_an_earlier_line_on_are_counted_and_are_no_fault() -> None:
    verdict = deliver(Sequences(["a"], line), "a", 0, 1, 2, 1, 2, 3).verdict({"a": 4})
    assert verdict.good
    assert verdict.repeated == 2
    assert verdict.delivered == 4


def test_a_missing_line_is_a_fault_even_when_later_ones_came() -> None:
    sequences = deliver(Sequences(["a"], line), "a", 0, 3, 4)
    verdict = sequences.verdict({"a": 5})
    assert not verdict.good
    assert verdict.missing == 2
    assert verdict.keys_in_order == 1
    assert sequences.missing({"a": 5}) == {"a": (2, 1)}
    assert not sequences.complete({"a": 5})


def test_lines_missing_at_the_end_are_told_from_the_first_on() -> None:
    sequences = deliver(Sequences(["a", "b"], line), "a", 0, 1)
    assert sequences.missing({"a": 5, "b": 2}) == {"a": (3, 2), "b": (2, 0)}
    assert sequences.verdict({"a": 5, "b": 2}).missing == 5


def test_a_line_that_comes_first_after_a_later_one_breaks_the_order_of_its_key() -> None:
    sequences = deliver(Sequences(["a", "b"], line), "a", 0, 2, 1)
    verdict = deliver(sequences, "b", 0).verdict({"a": 3, "b": 1})
    assert not verdict.good
    assert (verdict.missing, verdict.keys_in_order) == (0, 1)


def test_a_record_that_is_no_line_of_its_key_is_altered() -> None:
    for key, value in [
        (b"a", b"a 0 texT"),
        (b"a", b"a 0"),
        (b"a", b""),
        (b"a", b"b 0 text"),
        (b"b", b"a 0 text"),
        (b"c", b"c 0 text"),
        (b"\xff", b"a 0 text"),
        (b"a", b"a -1 text"),
    ]:
        sequences = Sequences(["a", "b"], line)
        sequences.take(key, value)
        verdict = deliver(sequences, "a", 0).verdict({"a": 1, "b": 0})
        assert (verdict.altered, verdict.delivered, verdict.good) == (1, 1, False), (key, value)


@given(st.lists(st.integers(0, 12), max_size=40))
def test_arrived_counts_as_a_plain_model_does(numbers: list[int]) -> None:
    arrived = Arrived()
    firsts = list(dict.fromkeys(numbers))
    for number in numbers:
        arrived.take(number)
    assert arrived.delivered == len(firsts)
    assert arrived.repeated == len(numbers) - len(firsts)
    assert arrived.disordered == sum(any(b > a for b in firsts[:i]) for i, a in enumerate(firsts))


@given(st.lists(st.sampled_from([b"", b"a", b"b", b"c"])), st.lists(st.sampled_from([b"", b"a", b"b", b"c", b"d"])))
def test_contents_are_a_multiset(expected: list[bytes], arriving: list[bytes]) -> None:
    contents = Contents()
    contents.expect(expected)
    for value in arriving:
        contents.take(value)
    assert contents.expected == len(expected)
    assert contents.missing == (Counter(expected) - Counter(arriving)).total()
    assert contents.other == (Counter(arriving) - Counter(expected)).total()
