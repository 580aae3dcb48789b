"""What a preset finds by its hints is what its pattern finds by itself."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shipper.config.rules import Redaction
from shipper.records.redaction import Redactor
from shipper.records.secrets import PRESETS, cards_in, rule

DIGITS = st.text("0123456789", max_size=17)
TEXTS = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "4111111111111111",
                "4111 1111-1111 1111",
                "5555 5555",
                "12 30569309025904",
                "1.2.3.4",
                "300.1.2.3.4",
                "10.0.0.256",
                "1.2.3",
                "...",
                "a@b.de",
                "a%40b.de",
                "@",
                "Bearer abc",
                "BEARER:x",
                "bearer",
                "AKIAIOSFODNN7EXAMPLE",
                "A3TX",
                " ",
                "\n",
                "-",
                "Secret Key = wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYxy",
            ]
        ),
        st.lists(DIGITS, max_size=6).map(".".join),
        st.lists(DIGITS, max_size=6).map(" ".join),
        st.text("aA3@. -4", max_size=8),
    ),
    max_size=8,
).map(lambda pieces: "".join(pieces).encode())


def plainly(name: str, text: bytes) -> tuple[bytes, int]:
    """Replace what the preset's pattern matches, one match after the other."""
    count = 0

    def one(match: re.Match[bytes]) -> bytes:
        nonlocal count
        if name == "credit_card":
            spans = cards_in(match[0], 0)
        elif "secret" in match.re.groupindex and match["secret"] is not None:
            spans = [(match.start("secret") - match.start(), match.end("secret") - match.start())]
        else:
            spans = [(0, len(match[0]))]
        count += len(spans)
        out, at = b"", 0
        for low, high in spans:
            out, at = out + match[0][at:low] + b"****", high
        return out + match[0][at:]

    return re.sub(PRESETS[name].pattern.encode(), one, text), count


@pytest.mark.parametrize("name", PRESETS)
@given(TEXTS)
@example(b"1.2.3.4.5.6.7.8")
@example(b"1.1.256.1.1.1")
@example(b"1234.1.1.1 0.0.0.0.")
def test_a_preset_finds_what_its_pattern_finds(name: str, text: bytes) -> None:
    one = rule(Redaction(preset=name), 1)
    expected, count = plainly(name, text)
    assert one.replace(text) == (expected, count)
    assert sum(len(found.edits) for found in one.find(text, 0)) == count
    if count and one.hints:
        assert any(find(view(text), 0) >= 0 for view, find in one.hints)


@given(st.lists(TEXTS.map(lambda text: text.replace(b"\n", b"")), max_size=9))
def test_all_presets_over_a_read_are_those_of_each_event(events: list[bytes]) -> None:
    rules = [Redaction(preset=name) for name in PRESETS]
    expected = []
    for event in events:
        for name in PRESETS:
            event, _ = plainly(name, event)
        expected.append(event)
    assert Redactor(rules, Counter()).events(events) == expected


@pytest.mark.parametrize("name", PRESETS)
def test_a_hint_s_view_has_as_many_lines(name: str) -> None:
    text = b"4111 1111-1\n\n- \nAKIA\r\n1.2.3.4"
    for view, _ in PRESETS[name].hints:
        assert view(text).count(b"\n") == text.count(b"\n")
