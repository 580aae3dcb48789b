"""Durations ("1h30m") and sizes ("64MiB") from text to numbers and back.

Pure. ``parse(format(x)) == x``; any text either parses or raises :class:`UnitError`. A unit is never guessed: "64M"
may mean two things, and "30" thirty of anything.
"""

from __future__ import annotations

import re
from decimal import Decimal

KIB, MIB = 1 << 10, 1 << 20

_DURATIONS = {"d": Decimal(86400), "h": Decimal(3600), "m": Decimal(60), "s": Decimal(1), "ms": Decimal("0.001")}
_SIZES = {
    "TiB": 1 << 40,
    "GiB": 1 << 30,
    "MiB": 1 << 20,
    "KiB": 1 << 10,
    "TB": 10**12,
    "GB": 10**9,
    "MB": 10**6,
    "kB": 10**3,
    "KB": 10**3,
    "B": 1,
}

# Digits are limited so that no text can make a number that nothing else can hold.
_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,12})?"
_DURATION_PART = re.compile(rf"({_NUMBER}) ?(ms|[dhms])")
DURATION_PATTERN = rf"^(?:{_NUMBER} ?d ?)?(?:{_NUMBER} ?h ?)?(?:{_NUMBER} ?m ?)?(?:{_NUMBER} ?s ?)?(?:{_NUMBER} ?ms)?$"
_DURATION = re.compile(DURATION_PATTERN)
SIZE_PATTERN = rf"^({_NUMBER}) ?([TGM]i?B|KiB|kB|KB|B)$"
_SIZE = re.compile(SIZE_PATTERN)
_LOOSE_SIZE = re.compile(rf"({_NUMBER}) ?([KkMmGgTt])(i?)[Bb]?")


class UnitError(ValueError):
    """A text is no duration or size. ``found`` says what is wrong with it, ``fix`` what would be right."""

    def __init__(self, found: str, fix: str) -> None:
        super().__init__(f"{found}; {fix}")
        self.found = found
        self.fix = fix


def parse_duration(text: str) -> float:
    """Return the seconds of "30s", "500ms", "1h30m": units from the largest down, each once."""
    if re.fullmatch(_NUMBER, text):
        raise UnitError("has no unit", f'write "{text}s", "{text}m" or "{text}ms"')
    parts = _DURATION_PART.findall(text) if _DURATION.fullmatch(text) else []
    if not parts or text != text.strip():
        raise UnitError("is not a duration", 'write "30s", "5m" or "500ms"')
    return float(sum(Decimal(number) * _DURATIONS[unit] for number, unit in parts))


def format_duration(seconds: float) -> str:
    """Write ``seconds`` (not negative) as :func:`parse_duration` reads them."""
    rest = Decimal(repr(seconds))
    out = ""
    for unit, worth in _DURATIONS.items():
        # What is left over in the end may be a fraction of a millisecond.
        number = rest // worth if unit != "ms" else rest / worth
        if number:
            out += f"{number.normalize():f}{unit}"
            rest -= number * worth
    return out or "0s"


def parse_size(text: str) -> int:
    """Return the bytes of "64MiB" (1024 by 1024), "10MB" (1000 by 1000) or "512B"."""
    match = _SIZE.fullmatch(text)
    if match is None:
        loose = _LOOSE_SIZE.fullmatch(text)
        if loose:
            number, prefix = loose[1], loose[2].upper()
            raise UnitError("is not a size", f'write "{number}{prefix}iB", or "{number}{prefix}B" for powers of 1000')
        if re.fullmatch(_NUMBER, text):
            raise UnitError("has no unit", f'write "{text}B" or "{text}KiB"')
        raise UnitError("is not a size", 'write "64MiB" or "900KiB"')
    size = Decimal(match[1]) * _SIZES[match[2]]
    if size != int(size):
        raise UnitError("is not a whole number of bytes", f'write "{int(size)}B"')
    return int(size)


def format_size(size: int) -> str:
    """Write ``size`` as :func:`parse_size` reads it, in the largest unit that leaves no fraction."""
    return next(
        f"{size // worth}{unit}" for unit, worth in _SIZES.items() if size % worth == 0 and (size or worth == 1)
    )
