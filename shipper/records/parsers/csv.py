"""Columns with a delimiter between them, in quotes where they hold one; a doubled quote is one.

A row that has more columns than there are names, or fewer, does not parse: with some of its fields under the wrong
names it would do more harm than without any.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from shipper.records.parsers.common import ENCODING, ERRORS, Parse, Wanted
from shipper.records.record import Fields


def build(columns: tuple[str, ...], delimiter: str, quote: str, wanted: Wanted) -> Parse:
    """Return the parser of rows that have ``columns``; ``quote`` is "" where quotes mean nothing.

    >>> build(("a", "b"), ",", '"', None)(b'1,"x, y"')
    {'a': '1', 'b': 'x, y'}
    """
    count = len(columns)
    chosen = [(name, n) for n, name in enumerate(columns) if wanted is None or name in wanted]
    quoted = _quoted(count, delimiter, quote, chosen) if quote else None

    def parse(event: bytes) -> Fields | None:
        text = event.decode(ENCODING, ERRORS)
        if quoted is not None and quote in text:
            return quoted(text)
        row = text.split(delimiter, count)
        return {name: row[n] for name, n in chosen} if len(row) == count else None

    return parse


def _quoted(count: int, delimiter: str, quote: str, chosen: list[tuple[str, int]]) -> Callable[[str], Fields | None]:
    """Return what parses a row with quotes in it: one expression matches the whole row, two groups a column."""
    d, q = re.escape(delimiter), re.escape(quote)
    column = rf"(?:{q}((?:[^{q}]++|{q}{q})*+){q}|(?!{q})([^{d}]*+))"
    fullmatch = re.compile(d.join([column] * count), re.S).fullmatch
    twice = quote * 2

    def parse(text: str) -> Fields | None:
        match = fullmatch(text)
        if match is None:
            return None
        groups = match.groups()
        fields: Fields = {}
        for name, n in chosen:
            plain = groups[2 * n + 1]
            fields[name] = groups[2 * n].replace(twice, quote) if plain is None else plain
        return fields

    return parse
