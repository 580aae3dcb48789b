"""The named groups of a regular expression over bytes. A group that took no part is not there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from operator import itemgetter
from typing import Any, Protocol

from shipper.records.bulk import mapped
from shipper.records.parsers.common import ENCODING, ERRORS, Parser, Wanted
from shipper.records.record import Fields

MISSED = object()  # what stands for the group of an event that does not match


class Match(Protocol):
    """What this needs of a match, whatever engine made it."""

    def __getitem__(self, group: int, /) -> bytes | None:
        """Return what a group matched."""


def build(match: Callable[[bytes], Match | None], groups: Mapping[str, int], wanted: Wanted) -> Parser:
    """Return the parser of what ``match`` finds, with the numbers of its named ``groups``.

    >>> import re
    >>> pattern = re.compile(rb"user=(?P<user>[a-z]+)(?: as (?P<role>[a-z]+))?")
    >>> build(pattern.search, pattern.groupindex, None)(b"login user=eva")
    {'user': 'eva'}
    """
    columns = {name: partial(_column, match, n) for name, n in groups.items()}
    index = [(name, n) for name, n in groups.items() if wanted is None or name in wanted]
    if len(index) == 1:
        ((only, number),) = index

        def parse_one(event: bytes) -> Fields | None:
            found = match(event)
            if found is None:
                return None
            value = found[number]
            return {} if value is None else {only: value.decode(ENCODING, ERRORS)}

        return Parser(parse_one, columns=columns)

    def parse(event: bytes) -> Fields | None:
        found = match(event)
        if found is None:
            return None
        return {name: value.decode(ENCODING, ERRORS) for name, n in index if (value := found[n]) is not None}

    return Parser(parse, columns=columns)


def _column(match: Callable[[bytes], Match | None], number: int, events: list[bytes]) -> list[bytes | None]:
    """Return what one group has matched in each event; no more than one match is held at a time."""
    group: Callable[[Any], Any] = itemgetter(number)
    missed = False

    def one(event: bytes) -> Any:
        nonlocal missed
        found = match(event)
        missed |= found is None
        return MISSED if found is None else found[number]

    texts: list[Any] = mapped(lambda rest: map(group, map(match, rest)), one, events)
    if missed or None in texts:
        return [None if text is MISSED else text or b"" for text in texts]
    return texts
