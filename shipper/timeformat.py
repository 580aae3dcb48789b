"""How times are written: the names of formats, those that are written as for strptime, and the names of time zones.

Pure, but for looking a zone up. The configuration checks with it what ``records.timestamps`` reads with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, timedelta, timezone, tzinfo

NAMED = ("rfc3339", "epoch", "epoch_ms", "epoch_us", "epoch_ns", "syslog")
"""The formats that have names."""

_TWO = "[0-9]{1,2}"
_WORD = "[A-Za-z]{3,9}"
_DIRECTIVES = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    "m": _TWO,
    "b": _WORD,
    "d": _TWO,
    "j": "[0-9]{1,3}",
    "H": _TWO,
    "I": _TWO,
    "M": _TWO,
    "S": _TWO,
    "f": "[0-9]{1,9}",
    "p": "AM|PM|am|pm",
    "z": "[Zz]|[+-][0-9]{2}:?[0-9]{2}",
    "Z": "[A-Za-z]{1,5}",
    "s": "[0-9]{1,12}",
}
_SHORT = {"T": "%H:%M:%S", "F": "%Y-%m-%d", "R": "%H:%M", "D": "%m/%d/%y", "B": "%b", "h": "%b", "e": "%d"}
_LETTER = re.compile("%(.)", re.S)
_TOKEN = re.compile(r"%(.)|(%)|\s+|[^%\s]+", re.S)
_FRACTION = re.compile(r"[.,]%f")


class FormatError(ValueError):
    """A format is none. ``found`` says what is wrong, ``fix`` what would be right."""

    def __init__(self, found: str, fix: str) -> None:
        super().__init__(f"{found}; {fix}")
        self.found = found
        self.fix = fix


def compile_format(form: str) -> re.Pattern[str]:
    """Return the expression that matches what ``form``, as for strptime, writes; each directive is a group.

    Raises :class:`FormatError`.
    """
    if "%" not in form:
        named = ", ".join(NAMED)
        raise FormatError("is not a format", f'write one of {named}, or as for strptime, as "%Y-%m-%d %H:%M:%S"')
    pattern = re.compile("".join(_pieces(_LETTER.sub(lambda match: _SHORT.get(match[1], match[0]), form))))
    if not pattern.groupindex.keys() & {"d", "j", "s", "H", "I"}:
        raise FormatError("says neither a day nor an hour", 'write it as for strptime, as "%Y-%m-%d %H:%M:%S"')
    return pattern


def _pieces(form: str) -> Iterator[str]:
    given: set[str] = set()
    # Many write a fraction only where there is one.
    form = _FRACTION.sub("%\0", form)
    for match in _TOKEN.finditer(form):
        letter, alone = match.groups()
        if letter == "\0":
            letter = "f"
            yield "(?:[.,](?P<f>[0-9]{1,9}))?"
        elif letter == "%":
            yield "%"
            continue
        elif letter in ("a", "A"):
            yield _WORD
            continue
        elif letter is None and alone is None:
            yield r"\s+" if match[0].isspace() else re.escape(match[0])
            continue
        elif letter not in _DIRECTIVES:
            known = " ".join(
                f"%{one}" for one in sorted({*_DIRECTIVES, *_SHORT, "a", "A"}, key=lambda one: (one.lower(), one))
            )
            raise FormatError(
                f'holds "%{letter or ""}", which is not known', f"use {known}, and %% for the sign itself"
            )
        else:
            yield f"(?P<{letter}>{_DIRECTIVES[letter]})"
        if letter in given:
            raise FormatError(f'holds "%{letter}" twice', "write it once")
        given.add(letter)


def zone_of(name: str) -> tzinfo | None:
    """Return the zone ``name``: one of the time zone database, "UTC", "+02:00"; "local", this machine's, is ``None``.

    Raises :class:`FormatError`.
    """
    if name == "local":
        return None
    if name.upper() in ("UTC", "Z"):
        return UTC
    if re.fullmatch(r"[+-][0-9]{2}:[0-5][0-9]", name) and offset_of(name) < timedelta(days=1):
        return timezone(offset_of(name))
    from zoneinfo import ZoneInfo  # here: it brings more than all else that a daemon needs for times

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        fix = 'write it as "Europe/Berlin", "UTC", "+02:00" or "local"'
        raise FormatError("is no time zone that this machine knows", fix) from None


def offset_of(text: str) -> timedelta:
    """Return the difference from UTC that "+02:00" or "+0200" says."""
    sign = -1 if text[0] == "-" else 1
    return sign * timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
