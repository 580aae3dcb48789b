"""What is taken out, and that nothing of it is left: in events, in decoded fields, across a whole read."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper import patterns
from shipper.config import rules
from shipper.config.rules import Redaction
from shipper.records.redaction import Redactor
from shipper.records.secrets import PRESETS, luhn

CARDS = [
    "4111111111111111",
    "4111 1111 1111 1111",
    "4111-1111-1111-1111",
    "378282246310005",
    "3782 822463 10005",
    "5555555555554444",
    "6011111111111117",
    "30569309025904",
    "4222222222222",
    "6304 0000 0000 0000 000",
]
SECRETS = {
    "credit_card": [*CARDS, "12 4111 1111 1111 1111", "23 4111 1111 1111 1111", "2024-4111-1111-1111-1111"],
    "email": ["a@b.de", "first.last+tag@sub.example.co.uk", "user%40example.com", "jürgen@müller.de"],
    "ipv4": ["10.0.0.1", "255.255.255.255", "192.168.001.010", "..8.8.8.8", "10.0.0.1.443"],
    "bearer_token": ["Bearer abc.def-ghi_jkl", "authorization: bearer  eyJhbGciOi.J9~x=="],
    "aws_key": ["AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"],
}
HIDDEN = {
    "credit_card": ["1111", "8224", "5555", "6011", "0569", "2222", "0000"],
    "email": ["@", "%40", "user", "jürgen"],
    "ipv4": ["10.0", "255", "192", "8.8"],
    "bearer_token": ["abc", "eyJ"],
    "aws_key": ["AKIA", "wJal"],
}
KEPT = {
    "credit_card": [
        "4111111111111112",
        "1732441234567890",
        "20241124110831123",
        "0" * 16,
        "41111111111111111111111",
        "7" * 16,
    ],
    "email": ["user@localhost", "@home", "a @ b.de", "3 %40"],
    "ipv4": ["1.2.3", "256.1.1.1", "1.2.3.4000", "12:30:45.123"],
    "bearer_token": ["the bearer,", "Bearer: «", "forbearer x"],
    "aws_key": ["AKIA", "AKIAlower0000000000", "secret_key = short"],
}


def redactor(*rules: Redaction) -> tuple[Redactor, Counter[str]]:
    counts: Counter[str] = Counter()
    return Redactor(rules, counts), counts


def test_the_presets_are_those_of_the_configuration() -> None:
    assert tuple(PRESETS) == rules.PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_fit_for_a_text_of_any_length(name: str) -> None:
    assert patterns.check(PRESETS[name].pattern, linear=True) is None
    assert patterns.compile(PRESETS[name].pattern).in_line


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in SECRETS.items() for text in texts])
def test_a_preset_finds(name: str, text: str) -> None:
    hide, counts = redactor(Redaction(preset=name))
    clean = hide.event(f"before {text} after".encode()).decode()
    assert not any(part in clean for part in HIDDEN[name]), clean
    assert "****" in clean
    assert (clean.startswith("before "), clean.endswith(" after")) == (True, True)
    assert counts == {f"redacted.{name}": 1}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in KEPT.items() for text in texts])
def test_a_preset_leaves(name: str, text: str) -> None:
    hide, counts = redactor(Redaction(preset=name))
    assert hide.event(f"before {text} after".encode()).decode() == f"before {text} after"
    assert not counts


def test_several_cards_of_one_run_are_found() -> None:
    hide, counts = redactor(Redaction(preset="credit_card", replace="X"))
    assert hide.event(b"4111 1111 1111 1111 5555 5555 5555 4444 123") == b"X X 123"
    assert counts == {"redacted.credit_card": 2}


@given(st.integers(10**14, 10**15 - 1), st.sampled_from("23456"))
def test_the_check_digit_is_that_of_luhn(body: int, first: str) -> None:
    digits = f"{first}{body}"[:15]
    right = [d for d in "0123456789" if luhn((digits + d).encode())]
    assert len(right) == 1


def test_a_rule_may_keep_a_part() -> None:
    hide, counts = redactor(
        Redaction(pattern=r"(password=)\S+", replace=r"\1**"), Redaction(pattern=r"\d{4}", replace="")
    )
    assert hide.events([b"password=geheim 1234", b"nothing", b"password=x"]) == [
        b"password=** ",
        b"nothing",
        b"password=**",
    ]
    assert counts == {"redacted.1": 2, "redacted.2": 1}


RULES = (
    Redaction(preset="credit_card"),
    Redaction(preset="email"),
    Redaction(pattern=r"^secret.*$"),
    Redaction(pattern=r'"[^"]*"', replace="Q"),  # would cross lines
    Redaction(pattern=r"key:\s+\S+", replace="K"),
)
PIECES = st.sampled_from(
    [b"4111111111111111", b"a@b.de", b"secret", b'"', b"x", b" ", b"key:", b"\n", b"\\u0034", b"\xff", b""]
)
EVENTS = st.lists(st.lists(PIECES, max_size=6).map(b"".join), max_size=6)


@given(EVENTS)
def test_a_read_is_as_its_events_one_by_one(events: list[bytes]) -> None:
    whole, counts = redactor(*RULES)
    single, single_counts = redactor(*RULES)
    assert whole.events(list(events)) == [single.event(event) for event in events]
    assert counts == single_counts


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_no_bytes_are_too_odd(events: list[bytes]) -> None:
    hide, _ = redactor(*RULES)
    assert len(hide.events(events)) == len(events)


class TestEscapes:
    r"""``\u0034`` in JSON is a 4."""

    ESCAPED = "".join(f"\\u00{ord(c):02x}" for c in "4111111111111111")

    def test_they_hide_nothing_in_an_event(self) -> None:
        hide, counts = redactor(Redaction(preset="credit_card"))
        event = f'{{"card": "{self.ESCAPED}", "quote": "\\u0022"}}'.encode()
        assert json.loads(hide.event(event)) == {"card": "****", "quote": '"'}
        assert hide.events([b"x", event]) == [b"x", hide.event(event)]
        assert counts["redacted.credit_card"] == 3

    def test_an_event_in_which_they_hide_nothing_stays_as_it_is(self) -> None:
        hide, _ = redactor(Redaction(preset="credit_card"))
        event = b'{"name": "\\u0041\\u00e4"}'
        assert hide.events([event]) == [event]

    def test_they_hide_nothing_in_a_field(self) -> None:
        hide, _ = redactor(Redaction(preset="credit_card"), Redaction(preset="email"))
        fields = {"a": {"b": ["4111111111111111", {"x@y.de": 1}]}, "n": 4111111111111111, "f": 4.111111111111111e15}
        clean = hide.fields({**fields, "t": True, "none": None, "e": "\ud800 a@b.de", "raw": b"a@b.de"})
        assert clean == {
            "a": {"b": ["****", {"****": 1}]},
            "n": "****",
            "f": "****",
            "t": True,
            "none": None,
            "e": "\ud800 ****",
            "raw": b"****",
        }

    def test_what_is_nested_beyond_all_measure_is_left_out(self) -> None:
        hide, _ = redactor(Redaction(preset="email"))
        deep: object = "a@b.de"
        for _ in range(500):
            deep = [deep]
        assert "a@b.de" not in str(hide.fields({"deep": deep}))
