"""A line that is one JSON object. Where it is known which fields are used, the others are only skipped over.

What is used of a line whose bytes are not UTF-8 is kept as everywhere (``text``), where that costs more. A line with
half a surrogate pair, which no text may hold, does not parse.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any, TypedDict

import msgspec

from shipper.records.bound import text_of as filled
from shipper.records.bound import to_bytes
from shipper.records.bulk import mapped
from shipper.records.parsers.common import Parse, Parser, Wanted, text_of
from shipper.records.record import Fields


def build(wanted: Wanted) -> Parser:
    """Return the parser of JSON; it decodes the fields that ``wanted`` may mean, ``None``: all.

    >>> build(frozenset({"user.id"}))(b'{"user": {"id": 7}, "text": "x"}')
    {'user': {'id': 7}}
    """
    # A name with dots is a path, or the name itself: loggers for Elastic write "log.level".
    names = None if wanted is None else {prefix for name in wanted for prefix in prefixes(name)}
    decode = decoder(names)

    def parse(event: bytes) -> Fields | None:
        try:
            return decode(event)
        except RecursionError:
            return None
        except ValueError:  # UnicodeDecodeError up to msgspec 0.22, then DecodeError: the bytes must say
            return None if _is_utf8(event) else _odd(event, names)

    columns = {name: partial(_column, parse, decode, name) for name in wanted or () if "." not in name}
    return Parser(parse, decode, columns)


def _column(parse: Parse, decode: Callable[[bytes], Fields], name: str, events: list[bytes]) -> list[bytes | None]:
    """Return the text of one field of each event; no more than one of them is held at a time."""
    field: Callable[[Any], Any] = itemgetter(name)

    def one(event: bytes) -> bytes | None:
        fields = parse(event)
        return None if fields is None else to_bytes(filled(fields.get(name)) or "")

    return mapped(lambda rest: map(str.encode, map(field, map(decode, rest))), one, events)


def _is_utf8(event: bytes) -> bool:
    try:
        event.decode()
    except UnicodeDecodeError:
        return False
    return True


def decoder(names: set[str] | None) -> Callable[[bytes], Fields]:
    """Return what makes a dict of an object's bytes, of these keys only."""
    if names is None:
        return msgspec.json.Decoder(dict[str, Any]).decode
    kind = TypedDict("Wanted", dict.fromkeys(names, Any), total=False)  # type: ignore[misc]
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(kind).decode
    return decode


def prefixes(name: str) -> list[str]:
    """Return the first part of a dotted name, the first two, and so on.

    >>> prefixes("a.b.c")
    ['a', 'a.b', 'a.b.c']
    """
    parts = name.split(".")
    return [".".join(parts[: n + 1]) for n in range(len(parts))]


def _odd(event: bytes, names: set[str] | None) -> Fields | None:
    """Parse what is not UTF-8."""
    if b"\\ud" in event.lower():  # an escape must not make what stands for a byte
        return None
    try:
        found = json.loads(text_of(event), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    return {name: value for name, value in found.items() if names is None or name in names}


def _refuse(_constant: str) -> None:
    raise ValueError
