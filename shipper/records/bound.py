"""Templates bound to one file: what the file says is put in, what is left asks each event's fields. Pure.

A field's text is as it is parsed, numbers and booleans as JSON writes them. A field that is empty, null, an object or a
list is not there: then it is the next alternative's turn, and where there is none the template does not resolve.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shipper.records.record import Fields
from shipper.template import Template

FIELD = "field."
Fill = Callable[[Fields], str | None]
Part = str | tuple[tuple[str, ...], str | None]  # a text, or fields to be asked in turn and what stands for them


def to_bytes(text: str) -> bytes:
    r"""Return ``text`` in UTF-8, with the bytes that it stands for where it was none.

    >>> to_bytes("\udcff\ud800")
    b'\xff?'
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        return b"".join(_odd(char) for char in text)


def _odd(char: str) -> bytes:
    try:
        return char.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return b"?"


def text_of(value: Any) -> str | None:
    """Return what a field's value puts into a template; ``None`` where it counts as not there.

    >>> [text_of(value) for value in ("a", 7, True, 0.5, "", None, {}, [1])]
    ['a', '7', 'true', '0.5', None, None, None, None]
    """
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        try:
            return str(value)
        except ValueError:  # thousands of digits
            return None
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape") or None
    return None


def look_up(fields: Fields, name: str) -> Any:
    """Return the field ``name``, of which each dot may lead into an object or be part of a name.

    >>> look_up({"a": {"b": 1}, "c.d": {"e": 2}}, "a.b"), look_up({"a": {"b": 1}, "c.d": {"e": 2}}, "c.d.e")
    (1, 2)
    """
    if name in fields:
        return fields[name]
    dot = name.find(".")
    while dot >= 0:
        inner = fields.get(name[:dot])
        if isinstance(inner, dict) and (found := look_up(inner, name[dot + 1 :])) is not None:
            return found
        dot = name.find(".", dot + 1)
    return None


def bind(template: Template, values: Mapping[str, str]) -> tuple[Part, ...] | str | None:
    """Put ``values`` in: a text where no field is asked any more, ``None`` where nothing ever resolves it."""
    parts: list[Part] = []
    for part in template.parts:
        if isinstance(part, str):
            parts.append(part)
            continue
        asked: list[str] = []
        otherwise = None
        for name in part:
            if name.startswith(FIELD):
                asked.append(name.removeprefix(FIELD))
            elif name in values:
                otherwise = values[name]
                break
        if asked:
            parts.append((tuple(asked), otherwise))
        elif otherwise is None:
            return None
        else:
            parts.append(otherwise)
    if all(isinstance(part, str) for part in parts):
        return "".join(part for part in parts if isinstance(part, str))
    return tuple(parts)


def only_field(parts: tuple[Part, ...] | str | None) -> str:
    """Return the name of the field that is all of a template, "" where there is more to it."""
    if isinstance(parts, tuple) and len(parts) == 1 and not isinstance(parts[0], str):
        names, otherwise = parts[0]
        if len(names) == 1 and otherwise is None:
            return names[0]
    return ""


def filler(parts: tuple[Part, ...]) -> Fill:
    """Return what makes a text of an event's fields, or ``None`` where a part has nothing to say."""
    if name := only_field(parts):
        return _of_one(name)

    def fill(fields: Fields) -> str | None:
        out = []
        for part in parts:
            if isinstance(part, str):
                out.append(part)
                continue
            asked, text = part
            for name in asked:
                found = text_of(look_up(fields, name))
                if found is not None:
                    text = found
                    break
            if text is None:
                return None
            out.append(text)
        return "".join(out)

    return fill


def _of_one(name: str) -> Fill:
    """Return the same for one field alone: most often a text that is there."""
    if "." in name:
        return lambda fields: text_of(look_up(fields, name))

    def fill(fields: Fields) -> str | None:
        value = fields.get(name)
        return value or None if type(value) is str else text_of(value)

    return fill
