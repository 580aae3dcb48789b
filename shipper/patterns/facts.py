"""What else is to know of a pattern, by which it may be looked for faster. Pure."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from shipper.patterns.states import NEWLINE, States, TooLarge, parse


class Facts(NamedTuple):
    """What else is to know of a pattern. ``needle``: bytes that are in whatever it matches.

    ``in_line``: it neither matches a line end nor asks where a text begins or ends: a text of many lines may be
    searched at once.
    """

    needle: bytes
    in_line: bool


@functools.lru_cache(maxsize=1024)
def facts(pattern: bytes, flags: int = 0) -> Facts:
    """Return what else is to know of ``pattern``; raises ``re.error``."""
    tree, all_flags = parse(pattern, flags)
    states = States(flags, newlines=True)
    try:
        states.part(tree, all_flags)
    except TooLarge:
        return Facts(b"", in_line=False)
    in_line = not states.anchored and not any(mask & NEWLINE for mask in states.masks)
    return Facts(max(_literals(tree, all_flags), key=len, default=b""), in_line)


def _literals(tree: Any, flags: int) -> Iterator[bytes]:
    """Yield runs of bytes that are in whatever ``tree`` matches."""
    run = bytearray()
    for op, value in tree:
        name = str(op)
        if name == "LITERAL" and not (flags & re.IGNORECASE and bytes([value]).isalpha()):
            run.append(value)
            continue
        if name == "AT":
            continue
        yield bytes(run)
        run.clear()
        if name == "SUBPATTERN":
            yield from _literals(value[3], (flags | value[1]) & ~value[2])
        elif name == "ATOMIC_GROUP":
            yield from _literals(value, flags)
        elif name.endswith("_REPEAT") and value[0]:
            yield from _literals(value[2], flags)
    yield bytes(run)
