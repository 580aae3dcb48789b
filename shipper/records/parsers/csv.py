"""Columns with a delimiter between them, in quotes where they hold one; a doubled quote is one.

A row that has more columns than there are names, or fewer, does not parse: with some of its fields under the wrong
names it would do more harm than without any.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from shipper.records.parsers.common import Parse, Wanted, text_of
from shipper.records.record import Fields


def build(columns: tuple[str, ...], delimiter: str, quote: str, wanted: Wanted) -> Parse:
    """Return the parser of rows that have ``columns``; ``quote`` is "" where quotes mean nothing.

    >>> build(("a", "b"), ",", '"', None)(b'1,"x, y"')
    {'a': '1', 'b': 'x, y'}
    """
    count = len(columns)
    chosen = [(name, n) for n, name in enumerate(columns) if wanted is None or name in wanted]
    split = _splitter(delimiter, quote) if quote else None

    def parse(event: bytes) -> Fields | None:
        text = text_of(event)
        row = split(text, count) if split is not None and quote in text else text.split(delimiter, count)
        if row is None or len(row) != count:
            return None
        return {name: row[n] for name, n in chosen}

    return parse


def _splitter(delimiter: str, quote: str) -> Callable[[str, int], list[str] | None]:
    d, q = re.escape(delimiter), re.escape(quote)
    column = re.compile(rf"(?:{q}((?:[^{q}]++|{q}{q})*+){q}|(?!{q})([^{d}]*+))({d}|\Z)", re.S)

    def split(text: str, most: int) -> list[str] | None:
        """Return the columns of ``text``, ``None`` where quotes stand wrong or there are more than ``most``."""
        row: list[str] = []
        at = 0
        while len(row) < most:
            match = column.match(text, at)
            if match is None:
                return None
            quoted, plain, end = match.groups()
            row.append(plain if quoted is None else quoted.replace(quote * 2, quote))
            at = match.end()
            if not end:
                return row
        return None

    return split
