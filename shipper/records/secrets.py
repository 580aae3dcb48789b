r"""What ``redact`` looks for: a pattern of the configuration, or one of the ``PRESETS``. Pure; nothing here raises.

A :class:`Rule` finds secrets in a text and says what stands there instead. Where it can, it first looks for a *hint*,
something that is found fast and that every secret of its kind has: most texts have none of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from shipper import patterns
from shipper.config.rules import Redaction

SMALLEST_GROUP = 3  # digits of a card's number that are written together
DIGITS = b"0123456789"

View = Callable[[bytes], bytes]
"""A text in which a hint is looked for; it has as many lines."""
Span = tuple[int, int]


class Hint(NamedTuple):
    """``find`` returns where one is in ``view`` of a text, from a position on; -1: nowhere."""

    view: View
    find: Callable[[bytes, int], int]


class Edit(NamedTuple):
    """``text[start:end]`` becomes ``new``."""

    start: int
    end: int
    new: bytes


class Found(NamedTuple):
    """What a rule looks at as a whole, and what of it is replaced."""

    start: int
    end: int
    edits: list[Edit]


class Rule(NamedTuple):
    """One rule. ``hints``: one of them is in whatever it finds; none: that is not known.

    ``in_line``: a text of many lines may be given to it at once. ``replace`` returns a text without what it finds, and
    how often that was. ``find`` yields the same one by one, in order, from a position on.
    """

    name: str
    hints: tuple[Hint, ...]
    in_line: bool
    replace: Callable[[bytes], tuple[bytes, int]]
    find: Callable[[bytes, int], Iterator[Found]]

    def may_find(self, text: bytes) -> bool:
        """Return False where there is nothing in ``text``; quickly."""
        return not self.hints or any(find(view(text), 0) >= 0 for view, find in self.hints)


class Preset(NamedTuple):
    """What is well known to be secret: ``find`` yields what is looked at as a whole, and the secrets in it."""

    pattern: str
    hints: tuple[Hint, ...] = ()
    find: Callable[[bytes, int], Iterator[tuple[Span, list[Span]]]] | None = None  # instead of all that matches


# --- payment cards ----------------------------------------------------------------------------------------------------

_VALUE = bytes(byte - 48 if 48 <= byte < 58 else 0 for byte in range(256))
_TWICE = bytes(value * 2 - 9 * (value > 4) for value in _VALUE)
_AS_ZERO = bytes(48 if 48 <= byte < 58 else byte for byte in range(256))
CARD = r"[2-6](?<![0-9][0-9])(?:[ -]?[0-9]){12,}"


def luhn(digits: bytes) -> bool:
    """Whether the last digit is the check digit of the others, as in the number of a payment card.

    >>> luhn(b"4111111111111111"), luhn(b"4111111111111112")
    (True, False)
    """
    return (sum(digits[-1::-2].translate(_VALUE)) + sum(digits[-2::-2].translate(_TWICE))) % 10 == 0


def cards_in(run: bytes, at: int) -> list[Span]:
    """Return where the card numbers are in a ``run`` of groups of digits, which stands at ``at``.

    They have 13 to 19 digits, in whole groups.
    """
    groups = re.split(rb"[ -]", run)
    found: list[Span] = []
    i = 0
    while i < len(groups):
        number, end = groups[i], i
        card = 0
        if number[:1] in (b"2", b"3", b"4", b"5", b"6"):  # 1 and 0 are nobody's: a time in microseconds begins so
            while len(number) <= 19 and len(groups[end]) >= SMALLEST_GROUP:
                if len(number) >= 13 and luhn(number):
                    card = end + 1
                end += 1
                if end >= len(groups):
                    break
                number += groups[end]
        following = card or i + 1
        size = sum(map(len, groups[i:following])) + following - i - 1
        if card:
            found.append((at, at + size))
        at += size + 1
        i = following
    return found


_runs = re.compile(CARD.encode()).finditer


def find_cards(text: bytes, at: int) -> Iterator[tuple[Span, list[Span]]]:
    """Yield runs of digits that may hold card numbers."""
    for match in _runs(text, at):
        yield match.span(), cards_in(match[0], match.start())


# --- addresses --------------------------------------------------------------------------------------------------------

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]{1,2})"
ADDRESS = rf"(?<![0-9])(?:{_OCTET}\.){{3}}{_OCTET}(?![0-9])"
_address = re.compile(ADDRESS.encode()).match
_dots = re.compile(rb"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]").search  # begins with a byte that is looked for fast


def find_addresses(text: bytes, at: int) -> Iterator[tuple[Span, list[Span]]]:
    """Yield what ``ADDRESS`` matches, from its first dot to the left."""
    dot = at
    while (dots := _dots(text, dot)) is not None:
        dot = dots.start()
        number = text[max(at, dot - 3) : dot]
        begin = dot - len(number) + len(number.rstrip(DIGITS))
        if begin < dot and (match := _address(text, begin)) is not None:
            yield match.span(), [match.span()]
            at = dot = match.end()
        else:
            dot += 1


# --- the presets ------------------------------------------------------------------------------------------------------


def _same(text: bytes) -> bytes:
    return text


def _literal(needle: bytes, view: View = _same) -> Hint:
    return Hint(view, lambda text, at: text.find(needle, at))


def _regex(pattern: bytes) -> Hint:
    search = re.compile(pattern).search

    def find(text: bytes, at: int) -> int:
        match = search(text, at)
        return -1 if match is None else match.start()

    return Hint(_same, find)


def _digits(text: bytes) -> bytes:
    return text.translate(_AS_ZERO, b" -")


_LOCAL = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~\x80-\xff-]"
_HOST = r"[A-Za-z0-9\x80-\xff_-]"

PRESETS: dict[str, Preset] = {
    "credit_card": Preset(CARD, (_literal(b"0" * 13, _digits),), find_cards),
    "email": Preset(
        rf"{_LOCAL}{{1,64}}(?:@|%40){_HOST}{{1,63}}(?:\.{_HOST}{{1,63}}){{1,8}}", (_literal(b"@"), _literal(b"%40"))
    ),
    "ipv4": Preset(ADDRESS, (), find_addresses),
    "bearer_token": Preset(
        r"(?i)\bbearer(?:[ \t+:=]|%20){1,8}(?P<secret>[A-Za-z0-9._~+/=-]+)", (_literal(b"bearer", bytes.lower),)
    ),
    "aws_key": Preset(
        r"(?:A3T[A-Z0-9]|AKIA|ASIA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA)[A-Z0-9]{12,124}"
        r"|(?i:secret[ _-]?(?:access[ _-]?)?key)[\"' =:>\t\\]{1,8}(?P<secret>[A-Za-z0-9/+]{40})",
        (_regex(rb"A(?:3T|KIA|SIA|GPA|IDA|ROA|IPA|NPA|NVA)"), _literal(b"secret", bytes.lower)),
    ),
}


# --- escapes ----------------------------------------------------------------------------------------------------------

ESCAPE = b"\\u00"
# What JSON may write for a letter, a digit or another character that can be printed, but for quotes and backslashes.
_escape = re.compile(rb"\\(?:u00([2-7][0-9A-Fa-f])|.)", re.DOTALL)


def _resolved(match: re.Match[bytes]) -> bytes:
    code = int(match[1], 16) if match[1] else 0
    return match[0] if code in (0, 0x22, 0x5C, 0x7F) else bytes([code])


def unescape(text: bytes) -> tuple[bytes, int]:
    r"""Return ``text`` with such characters as they are.

    >>> print(unescape(rb'{"card": "\u0034111", "quote": "\u0022", "not": "\\u0034"}')[0].decode())
    {"card": "4111", "quote": "\u0022", "not": "\\u0034"}
    """
    return _escape.subn(_resolved, text)


def _find_escapes(text: bytes, at: int) -> Iterator[Found]:
    for match in _escape.finditer(text, at):
        yield Found(match.start(), match.end(), [Edit(match.start(), match.end(), _resolved(match))])


ESCAPES = Rule("", (_literal(ESCAPE),), in_line=False, replace=unescape, find=_find_escapes)
"""Not a secret itself, but what may hide one."""


# --- rules ------------------------------------------------------------------------------------------------------------


def rule(redaction: Redaction, number: int) -> Rule:
    """Return the rule that stands at ``number`` in the configuration, counted from 1."""
    return _of_preset(redaction) if redaction.preset else _of_pattern(redaction, f"redacted.{number}")


def _of_preset(redaction: Redaction) -> Rule:
    preset = PRESETS[redaction.preset]
    matcher = patterns.compile(preset.pattern)
    by = redaction.replace.encode("utf-8", "surrogateescape")
    spans = preset.find or partial(_matches, matcher)

    def find(text: bytes, at: int) -> Iterator[Found]:
        for (start, end), secrets in spans(text, at):
            yield Found(start, end, [Edit(low, high, by) for low, high in secrets])

    def replace(text: bytes) -> tuple[bytes, int]:
        out: list[bytes] = []
        at = 0
        for _, secrets in spans(text, 0):
            for low, high in secrets:
                out += (text[at:low], by)
                at = high
        return (b"".join((*out, text[at:])), len(out) // 2) if out else (text, 0)

    return Rule(f"redacted.{redaction.preset}", preset.hints, matcher.in_line, replace, find)


def _matches(matcher: patterns.Matcher, text: bytes, at: int) -> Iterator[tuple[Span, list[Span]]]:
    group = "secret" if "secret" in matcher.groupindex else 0
    for match in matcher.finditer(text, at):
        span = match.span(group)
        yield match.span(), [span if span[0] >= 0 else match.span()]


def _of_pattern(redaction: Redaction, name: str) -> Rule:
    by = patterns.template(redaction.replace, redaction.pattern, redaction.engine)
    matcher = patterns.compile(redaction.pattern, engine=redaction.engine, newlines=True)

    def find(text: bytes, at: int) -> Iterator[Found]:
        for match in matcher.finditer(text, at):
            start, end = match.span()
            yield Found(start, end, [_trimmed(start, match[0], match.expand(by))])

    hints = (_literal(matcher.needle),) if matcher.needle else ()
    return Rule(name, hints, matcher.in_line, lambda text: matcher.subn(by, text), find)


def _trimmed(start: int, old: bytes, new: bytes) -> Edit:
    r"""Return what makes ``new`` of ``old`` at ``start``, without what is the same at both ends: ``\1`` is kept.

    >>> _trimmed(7, b"key=geheim;", b"key=**;")
    Edit(start=11, end=17, new=b'**')
    """
    most = min(len(old), len(new))
    head = next((i for i in range(most) if old[i] != new[i]), most)
    tail = next((i for i in range(most - head) if old[-1 - i] != new[-1 - i]), most - head)
    return Edit(start + head, start + len(old) - tail, new[head : len(new) - tail])
