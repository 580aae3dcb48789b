"""The kinds of value that a key can have: reading one from TOML, writing it back, describing it to an editor.

Pure. A kind never guesses and never stops at the first mistake of a list: :class:`Wrong` carries them all. What is
wrong is said without the value, so that the caller can leave a secret out of the sentence.
"""

# What read, write, schema and from_text do is said once, on Kind.
# ruff: noqa: D102

from __future__ import annotations

import difflib
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from shipper.config.units import (
    DURATION_PATTERN,
    SIZE_PATTERN,
    UnitError,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)

_SERVER = re.compile(
    r"(?:(?:PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)://)?(?:\[[0-9A-Fa-f:.%]+\]|[^\s:/,\[\]]+)(?::([0-9]{1,5}))?", re.I
)

EXPANSION = {"type": "string", "pattern": r"\$\{", "description": "a value that is put in: ${NAME}"}


class Mistake(NamedTuple):
    """``value`` is what was found, ``found`` what is wrong with it, ``fix`` what would be right.

    ``shown`` stands in the sentence instead of the value where only a part of it is meant.
    """

    value: object
    found: str
    fix: str = ""
    shown: str = ""

    def sentence(self, origin: str = "", *, secret: bool = False) -> str:
        """Say it. ``origin`` is what gave the value, as the file has it; a secret stays out of the sentence."""
        if secret:
            return f"{origin or 'the value'} {self.found}"
        shown = (self.shown or quote(self.value)) + (f" (from {origin})" if origin else "")
        return f"{shown} {self.found}" + (f"; {self.fix}" if self.fix else "")


class Wrong(ValueError):
    """A value is not of its kind."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__("; ".join(mistake.sentence() for mistake in mistakes))
        self.mistakes = mistakes


def wrong(value: object, found: str, fix: str = "") -> Wrong:
    """Return the error of one mistake."""
    return Wrong(Mistake(value, found, fix))


def quote(value: object) -> str:
    """Write ``value`` as TOML would, on one line and not too long."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, str):
        inner = value.replace("\\", "\\\\").replace('"', '\\"')
        text = '"' + "".join(c if c.isprintable() else repr(c)[1:-1] for c in inner) + '"'
    elif isinstance(value, dict):
        text = "a table"
    elif isinstance(value, list | tuple):
        text = "[" + ", ".join(quote(item) for item in value) + "]"
    else:
        text = str(value)
    return text if len(text) <= 120 else f"{text[:100]}…{text[-10:]}"


def near(word: str, options: Iterable[str]) -> str:
    """Return the option that ``word`` is a near miss of, or ""."""
    plain = {option.lower(): option for option in options}
    close = difflib.get_close_matches(re.sub(r"[-.\s]", "_", word.lower()), plain, n=1)
    return plain[close[0]] if close else ""


def one_of(options: Sequence[str]) -> str:
    """Write a choice: "a, b or c"."""
    return options[0] if len(options) == 1 else f"{', '.join(options[:-1])} or {options[-1]}"


class Kind(ABC):
    """One kind of value."""

    @abstractmethod
    def read(self, value: object) -> Any:
        """Return the typed value; raises :class:`Wrong`."""

    def write(self, value: Any) -> Any:
        """Return ``value`` as it is written in TOML."""
        return value

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """Describe it in JSON Schema."""

    def from_text(self, text: str) -> object:
        """Return what ``text`` means where it was put in by ``${…}``, which can only give text."""
        return text


@dataclass(frozen=True, slots=True)
class Text(Kind):
    """Any text, and none only where that says something."""

    may_be_empty: bool = False
    nul: bool = False  # it may hold NUL characters

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            plain = isinstance(value, int | float) and not isinstance(value, bool)
            raise wrong(value, "is not a string", f'write "{value}"' if plain else 'write it in quotes: "…"')
        if not value and not self.may_be_empty:
            raise wrong(value, "is empty", "write a value, or leave the key out")
        if "\0" in value and not self.nul:
            raise wrong(value, "holds a NUL character", "write it without")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "string"} if self.may_be_empty else {"type": "string", "minLength": 1}


@dataclass(frozen=True, slots=True)
class Directory(Kind):
    """An absolute path."""

    def read(self, value: object) -> Path:
        text = Text().read(value)
        if not text.startswith("/"):
            raise wrong(value, "is not an absolute path", f"write {quote('/' + text.removeprefix('~/').lstrip('./'))}")
        return Path(text)

    def write(self, value: Path) -> str:
        return str(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^/|^\$\{"}


@dataclass(frozen=True, slots=True)
class Texts(Kind):
    """A list of texts."""

    required: bool = False

    def read(self, value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise wrong(value, "is not a list", f"write [{quote(value)}]" if isinstance(value, str) else 'write ["…"]')
        if self.required and not value:
            raise wrong(value, "is empty", "write at least one")
        mistakes: list[Mistake] = []
        for item in value:
            try:
                Text().read(item)
            except Wrong as error:
                mistakes.extend(error.mistakes)
        if mistakes:
            raise Wrong(*mistakes)
        return tuple(value)

    def write(self, value: tuple[str, ...]) -> list[str]:
        return list(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": Text().schema()} | ({"minItems": 1} if self.required else {})


@dataclass(frozen=True, slots=True)
class Flag(Kind):
    """True or false."""

    def read(self, value: object) -> bool:
        if isinstance(value, bool):
            return value
        raise wrong(value, "is not a boolean", "write true or false, without quotes")

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "boolean"}, EXPANSION]}

    def from_text(self, text: str) -> object:
        return {"true": True, "false": False}.get(text, text)


@dataclass(frozen=True, slots=True)
class Whole(Kind):
    """A whole number."""

    least: int = 0

    def read(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            digits = isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value)
            raise wrong(
                value, "is not a whole number", f"write {value}, without quotes" if digits else "write a number, as 100"
            )
        if value < self.least:
            raise wrong(value, "is too small", f"write at least {self.least}")
        if value >= 1 << 31:
            raise wrong(value, "is too large", f"write at most {(1 << 31) - 1}")
        return value

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "integer", "minimum": self.least, "exclusiveMaximum": 1 << 31}, EXPANSION]}

    def from_text(self, text: str) -> object:
        return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text


@dataclass(frozen=True, slots=True)
class Choice(Kind):
    """One of a few words."""

    options: tuple[str, ...]

    def read(self, value: object) -> str:
        if isinstance(value, str) and value in self.options:
            return value
        known = one_of([quote(option) for option in self.options])
        guess = near(value, self.options) if isinstance(value, str) else ""
        write = f"write {known}" if len(self.options) == 1 else "write one of these"
        raise wrong(value, f"is not {known}", f"did you mean {quote(guess)}?" if guess else write)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"enum": list(self.options)}, EXPANSION]}


@dataclass(frozen=True, slots=True)
class Duration(Kind):
    """A time such as "30s"; seconds as float."""

    least: float = 0.0
    most: float = 86400.0 * 3650

    def read(self, value: object) -> float:
        if not isinstance(value, str):
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            raise wrong(
                value, *(("has no unit", f'write "{value}s"') if number else ("is not a duration", 'write "30s"'))
            )
        try:
            seconds = parse_duration(value)
        except UnitError as error:
            raise wrong(value, error.found, error.fix) from error
        if seconds < self.least:
            raise wrong(value, "is too short", f'write at least "{format_duration(self.least)}"')
        if seconds > self.most:
            raise wrong(value, "is too long", f'write at most "{format_duration(self.most)}"')
        return seconds

    def write(self, value: float) -> str:
        return format_duration(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 2, "pattern": rf"{DURATION_PATTERN}|\$\{{"}


@dataclass(frozen=True, slots=True)
class Size(Kind):
    """A size such as "64MiB", or a plain number of bytes; bytes as int."""

    least: int = 0
    most: int = 1 << 40

    def read(self, value: object) -> int:
        if isinstance(value, str):
            try:
                size = parse_size(value)
            except UnitError as error:
                raise wrong(value, error.found, error.fix) from error
        elif isinstance(value, int) and not isinstance(value, bool):
            size = value
        else:
            raise wrong(value, "is not a size", 'write "64MiB" or "900KiB"')
        if size < self.least:
            raise wrong(value, "is too small", f'write at least "{format_size(self.least)}"')
        if size > self.most:
            raise wrong(value, "is too large", f'write at most "{format_size(self.most)}"')
        return size

    def write(self, value: int) -> str:
        return format_size(value)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "pattern": rf"{SIZE_PATTERN}|\$\{{"}, {"type": "integer", "minimum": 0}]}


@dataclass(frozen=True, slots=True)
class Servers(Kind):
    """The brokers to begin with: "HOST:PORT", several with commas or as a list; one text with commas."""

    def read(self, value: object) -> str:
        if not isinstance(value, str | list):
            raise wrong(value, "is neither a string nor a list of strings", 'write "kafka1:9092,kafka2:9092"')
        items = value.split(",") if isinstance(value, str) else value
        servers, mistakes = [], []
        for item in items:
            server = item.strip() if isinstance(item, str) else ""
            match = _SERVER.fullmatch(server)
            if match and (match[1] is None or 0 < int(match[1]) < 1 << 16):
                servers.append(server)
            else:
                mistakes.append(Mistake(item, "is not a broker's address", 'write "HOST:PORT", as "kafka1:9092"'))
        if not items:
            raise wrong(value, "is empty", 'write at least one broker, as "kafka1:9092"')
        if mistakes:
            raise Wrong(*mistakes)
        return ",".join(servers)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [Text().schema(), Texts(required=True).schema()]}


@dataclass(frozen=True, slots=True)
class NameTable(Kind):
    """A table under names of one's own, as ``{ team = "core" }``: texts, or with ``scalars`` numbers and booleans too.

    Loading reads each of its values by itself.
    """

    scalars: bool = False

    def read(self, value: object) -> Any:
        """Read one value."""
        if self.scalars and (isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))):
            return value
        return Text(may_be_empty=True).read(value)

    def schema(self) -> dict[str, Any]:
        kinds = ["string", "number", "boolean"] if self.scalars else ["string"]
        return {"type": "object", "additionalProperties": {"type": kinds}}


@dataclass(frozen=True, slots=True)
class PropertyTable(Kind):
    """A table of librdkafka's properties: each value a text, however it was written."""

    def read(self, value: object) -> str:
        """Read the value of one property."""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str) and "\0" not in value:
            return value
        if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
            return str(value)
        raise wrong(value, "is not a property's value", "write a string, a number, true or false")

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
