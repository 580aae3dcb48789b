"""The named groups of a regular expression over bytes. A group that took no part is not there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from shipper.records.parsers.common import ENCODING, ERRORS, Parse, Wanted
from shipper.records.record import Fields


class Match(Protocol):
    """What this needs of a match, whatever engine made it."""

    def __getitem__(self, group: int, /) -> bytes | None:
        """Return what a group matched."""


def build(match: Callable[[bytes], Match | None], groups: Mapping[str, int], wanted: Wanted) -> Parse:
    """Return the parser of what ``match`` finds, with the numbers of its named ``groups``.

    >>> import re
    >>> pattern = re.compile(rb"user=(?P<user>[a-z]+)(?: as (?P<role>[a-z]+))?")
    >>> build(pattern.search, pattern.groupindex, None)(b"login user=eva")
    {'user': 'eva'}
    """
    index = [(name, n) for name, n in groups.items() if wanted is None or name in wanted]
    if len(index) == 1:
        ((only, number),) = index

        def parse_one(event: bytes) -> Fields | None:
            found = match(event)
            if found is None:
                return None
            value = found[number]
            return {} if value is None else {only: value.decode(ENCODING, ERRORS)}

        return parse_one

    def parse(event: bytes) -> Fields | None:
        found = match(event)
        if found is None:
            return None
        return {name: value.decode(ENCODING, ERRORS) for name, n in index if (value := found[n]) is not None}

    return parse
