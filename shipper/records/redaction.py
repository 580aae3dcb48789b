r"""Takes out of events what must not leave. On bytes, before anything else is made of an event; no step of it raises.

A rule is a pattern, or one of the ``PRESETS``. A pattern that neither matches a line end nor looks at one is run once
over the events of a whole read. Whatever it matches contains its needle, if it has one: where that is not found,
nothing is searched. Pump thread only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from shipper import patterns
from shipper.config.rules import Redaction
from shipper.records.record import Fields

SMALLEST_GROUP = 3  # digits of a card's number that are written together
DEEPEST = 64  # levels of a decoded field that are looked at; what is deeper is taken out


class Preset(NamedTuple):
    """What is well known to be secret. ``pattern`` finds it: its group ``secret``, or else all of it.

    ``needles``: one of them is in whatever it matches, where there are any. ``hide``: instead of replacing every match.
    """

    pattern: str
    needles: tuple[bytes, ...] = ()
    hide: Callable[[bytes, bytes], tuple[bytes, int]] | None = None


_VALUE = bytes(byte - 48 if 48 <= byte < 58 else 0 for byte in range(256))
_TWICE = bytes(value * 2 - 9 * (value > 4) for value in _VALUE)


def luhn(digits: bytes) -> bool:
    """Whether the last digit is the check digit of the others, as in the number of a payment card.

    >>> luhn(b"4111111111111111"), luhn(b"4111111111111112")
    (True, False)
    """
    return (sum(digits[-1::-2].translate(_VALUE)) + sum(digits[-2::-2].translate(_TWICE))) % 10 == 0


def hide_cards(run: bytes, by: bytes) -> tuple[bytes, int]:
    """Replace the card numbers in a ``run`` of groups of digits: 13 to 19 of them, in whole groups; and count them."""
    groups = re.split(rb"([ -])", run)  # digits and separators in turn
    out: list[bytes] = []
    at = found = 0
    while at < len(groups):
        number, end = groups[at], at
        card = 0
        if number[:1] in (b"2", b"3", b"4", b"5", b"6"):  # 1 and 0 are nobody's: a time in microseconds begins so
            while len(number) <= 19 and len(groups[end]) >= SMALLEST_GROUP:
                if len(number) >= 13 and luhn(number):
                    card = end + 1
                end += 2
                if end >= len(groups):
                    break
                number += groups[end]
        if card:
            out.append(by)
            found += 1
            at = card
        else:
            out.append(groups[at])
            at += 1
        if at < len(groups):
            out.append(groups[at])
            at += 1
    return b"".join(out), found


def hide_addresses(match: bytes, by: bytes) -> tuple[bytes, int]:
    """Replace an IPv4 address, unless one of its numbers is none."""
    return (by, 1) if all(int(number) < 256 for number in match.split(b".")) else (match, 0)


_LOCAL = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~\x80-\xff-]"
_HOST = r"[A-Za-z0-9\x80-\xff_-]"

PRESETS: dict[str, Preset] = {
    "credit_card": Preset(r"[2-6](?<![0-9][0-9])(?:[ -]?[0-9]){12,}", hide=hide_cards),
    "email": Preset(rf"{_LOCAL}{{1,64}}(?:@|%40){_HOST}{{1,63}}(?:\.{_HOST}{{1,63}}){{1,8}}", (b"@", b"%40")),
    "ipv4": Preset(r"[0-9](?<![0-9][0-9])[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?![0-9])", hide=hide_addresses),
    "bearer_token": Preset(r"(?i)\bbearer(?:[ \t+:=]|%20){1,8}(?P<secret>[A-Za-z0-9._~+/=-]+)"),
    "aws_key": Preset(
        r"(?:A3T[A-Z0-9]|AKIA|ASIA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA)[A-Z0-9]{12,124}"
        r"|(?i:secret[ _-]?(?:access[ _-]?)?key)[\"' =:>\t\\]{1,8}(?P<secret>[A-Za-z0-9/+]{40})"
    ),
}

# What JSON may write for a letter, a digit or another character that can be printed, but for quotes and backslashes.
_ESCAPE = re.compile(rb"\\(?:u00([2-7][0-9A-Fa-f])|.)", re.DOTALL)


def unescape(event: bytes) -> bytes:
    r"""Return ``event`` with such characters as they are.

    >>> unescape(rb'{"card": "\u0034111", "quote": "\u0022", "not": "\\u0034"}')
    b'{"card": "4111", "quote": "\\u0022", "not": "\\\\u0034"}'
    """

    def one(match: re.Match[bytes]) -> bytes:
        code = int(match[1], 16) if match[1] else 0
        return match[0] if code in (0, 0x22, 0x5C, 0x7F) else bytes([code])

    return _ESCAPE.sub(one, event)


class _Rule(NamedTuple):
    name: str
    needles: tuple[bytes, ...]
    in_line: bool
    apply: Callable[[bytes], tuple[bytes, int]]


class Redactor:
    """The rules of one source, in their order. ``counts``: how often each has found something, as ``redacted.NAME``."""

    def __init__(self, rules: Iterable[Redaction], counts: Counter[str]) -> None:
        self._rules = [_rule(rule, number) for number, rule in enumerate(rules, 1)]
        self._counts = counts

    def events(self, events: list[bytes]) -> list[bytes]:
        """Return ``events`` without what the rules take out."""
        text = b"\n".join(events)
        lines = len(events)
        joined = text.count(b"\n") == lines - 1
        for rule in self._rules:
            hits = sum(map(text.count, rule.needles)) if rule.needles else lines
            if not hits:
                continue
            if joined and rule.in_line and hits * 4 >= lines:
                text, found = rule.apply(text)
                if found:
                    self._counts[rule.name] += found
                    events = text.split(b"\n")
            else:
                events = [self._apply(rule, event) for event in events]
                text = b"\n".join(events)
        if b"\\u00" in text:
            events = [self._unescaped(event) if b"\\u00" in event else event for event in events]
        return events

    def event(self, event: bytes) -> bytes:
        """Return one event, or any other bytes that leave, without what the rules take out."""
        for rule in self._rules:
            event = self._apply(rule, event)
        return self._unescaped(event) if b"\\u00" in event else event

    def _unescaped(self, event: bytes) -> bytes:
        """Return ``event`` with its escapes resolved, if they have hidden something."""
        plain = clean = unescape(event)
        for rule in self._rules:
            clean = self._apply(rule, clean)
        return event if clean == plain else clean

    def text(self, text: str) -> str:
        """Return ``text`` without it."""
        data = text.encode("utf-8", "surrogatepass")
        clean = self.event(data)
        if clean == data:
            return text
        try:
            return clean.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:  # a pattern has taken out a part of a character
            return clean.decode("utf-8", "replace")

    def fields(self, fields: Fields) -> Fields:
        r"""Return decoded ``fields`` without it: their names too, and at any depth. ``\u0034`` in JSON hides a 4."""
        return {self.text(name): self._value(value, 0) for name, value in fields.items()}

    def _value(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, bytes):
            return self.event(value)
        if depth >= DEEPEST:
            return None
        if isinstance(value, dict):
            return {self.text(str(name)): self._value(inner, depth + 1) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(inner, depth + 1) for inner in value]
        if isinstance(value, float) and value.is_integer() and abs(value) < 1e22:  # 4.1e15 is a number of 16 digits
            written = str(int(value))
        else:
            written = str(value)
        clean = self.text(written)
        return value if clean == written else clean

    def _apply(self, rule: _Rule, event: bytes) -> bytes:
        if rule.needles and not any(needle in event for needle in rule.needles):
            return event
        clean, found = rule.apply(event)
        if found:
            self._counts[rule.name] += found
        return clean


def _rule(rule: Redaction, number: int) -> _Rule:
    if not rule.preset:
        by = patterns.template(rule.replace, rule.pattern, rule.engine)
        matcher = patterns.compile(rule.pattern, engine=rule.engine, newlines=True)
        needles = (matcher.needle,) if matcher.needle else ()
        return _Rule(f"redacted.{number}", needles, matcher.in_line, lambda text: matcher.subn(by, text))
    preset = PRESETS[rule.preset]
    matcher = patterns.compile(preset.pattern)
    by = rule.replace.encode("utf-8", "surrogateescape")
    apply = _hiding(matcher, preset.hide, by) if preset.hide else _replacing(matcher, by)
    return _Rule(f"redacted.{rule.preset}", preset.needles, matcher.in_line, apply)


def _hiding(
    matcher: patterns.Matcher, hide: Callable[[bytes, bytes], tuple[bytes, int]], by: bytes
) -> Callable[[bytes], tuple[bytes, int]]:
    def apply(text: bytes) -> tuple[bytes, int]:
        count = 0

        def one(match: re.Match[bytes]) -> bytes:
            nonlocal count
            clean, found = hide(match[0], by)
            count += found
            return clean

        return matcher.subn(one, text)[0], count

    return apply


def _replacing(matcher: patterns.Matcher, by: bytes) -> Callable[[bytes], tuple[bytes, int]]:
    if "secret" not in matcher.groupindex:
        return lambda text: matcher.subn(lambda _: by, text)

    def one(match: re.Match[bytes]) -> bytes:
        start, end = match.span("secret")
        if start < 0:
            return by
        begin = match.start()
        return match[0][: start - begin] + by + match[0][end - begin :]

    return lambda text: matcher.subn(one, text)
