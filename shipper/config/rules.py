"""What a source's lines are held to: patterns, redactions, how many of them are sent. Kinds of value. Pure."""

# What read, write and schema do is said once, on Kind.
# ruff: noqa: D102

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from shipper import patterns
from shipper.config.keys import Key, keys_of, properties
from shipper.config.kinds import Choice, Flag, Kind, Mistake, Text, Whole, Wrong, near, one_of, quote, wrong
from shipper.patterns import Engine, Expression

PRESETS = ("credit_card", "email", "ipv4", "bearer_token", "aws_key")


class Redaction(msgspec.Struct, frozen=True):
    """One rule of ``redact``: what to find, and what to write instead."""

    pattern: Annotated[str, Key(Text(may_be_empty=True), "A regular expression. This, or preset.")] = ""
    preset: Annotated[str, Key(Choice(("", *PRESETS)), "What is well known: one of these, or pattern.")] = ""
    replace: Annotated[
        str, Key(Text(may_be_empty=True), "What is written instead; with a pattern, \\1 is its first group.")
    ] = "****"
    engine: Annotated[Engine, Key(Choice(("re", "re2")), "What runs the pattern.")] = "re"


class RateLimit(msgspec.Struct, frozen=True):
    """``rate_limit``: how many lines of a source are sent in a second."""

    per_second: Annotated[
        int, Key(Whole(least=1), "How many lines, over all of the source's files.", example="per_second = 1000")
    ]
    drop: Annotated[
        bool, Key(Flag(), "false: the others wait in their files. true: they are dropped, and counted.")
    ] = False


@dataclass(frozen=True, slots=True)
class Fraction(Kind):
    """A part of all: over 0, at most 1."""

    def read(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong(value, "is not a number", "write 0.1 for a tenth, or 1 for all")
        if not 0 < value <= 1:
            raise wrong(value, "is not over 0 and at most 1", "write 0.1 for a tenth, or 1 for all")
        return float(value)

    def schema(self) -> dict[str, Any]:
        return {
            "anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": 1}, {"type": "string", "pattern": r"\$\{"}]
        }

    def from_text(self, text: str) -> object:
        return float(text) if re.fullmatch(r"[0-9]*\.?[0-9]+", text) else text


class _Pattern(msgspec.Struct, frozen=True):
    """A pattern with the engine that runs it."""

    pattern: Annotated[str, Key(Text(), "A regular expression.", example="pattern = '…'")]
    engine: Annotated[Engine, Key(Choice(("re", "re2")), "What runs it.")] = "re"


@dataclass(frozen=True, slots=True)
class Patterns(Kind):
    """A list of regular expressions, each a text or a table with its engine."""

    def read(self, value: object) -> tuple[Expression, ...]:
        out: list[Expression] = []
        mistakes: list[Mistake] = []
        for item in _items(value, "'…'"):
            try:
                if isinstance(item, dict):
                    table = _table(item, _Pattern)
                    expression = Expression(table["pattern"], table.get("engine", "re"))
                else:
                    expression = Expression(Text().read(item))
                if (error := patterns.check(*expression)) is not None:
                    raise wrong(expression.pattern, error.found, error.fix)
                out.append(expression)
            except Wrong as error:
                mistakes.extend(error.mistakes)
        if mistakes:
            raise Wrong(*mistakes)
        return tuple(out)

    def write(self, value: tuple[Expression, ...]) -> list[Any]:
        return [one.pattern if one.engine == "re" else {"pattern": one.pattern, "engine": one.engine} for one in value]

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": {"anyOf": [Text().schema(), _schema(_Pattern)]}}


@dataclass(frozen=True, slots=True)
class Redactions(Kind):
    """A list of tables, each a :class:`Redaction`."""

    def read(self, value: object) -> tuple[Redaction, ...]:
        out: list[Redaction] = []
        mistakes: list[Mistake] = []
        for item in _items(value, '{ preset = "email" }'):
            try:
                if not isinstance(item, dict):
                    raise wrong(item, "is not a table", "write { pattern = '…' } or { preset = \"email\" }")
                rule = Redaction(**_table(item, Redaction))
                if found := list(_redaction(rule)):
                    raise Wrong(*found)
                out.append(rule)
            except Wrong as error:
                mistakes.extend(error.mistakes)
        if mistakes:
            raise Wrong(*mistakes)
        return tuple(out)

    def write(self, value: tuple[Redaction, ...]) -> list[Any]:
        return [{name: one for name, one in msgspec.structs.asdict(rule).items() if _said(name, one)} for rule in value]

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": _schema(Redaction)}


def _said(name: str, value: Any) -> bool:
    return bool(value != keys_of(Redaction)[name].default)


def _schema(struct: type[msgspec.Struct]) -> dict[str, Any]:
    return {"type": "object", "properties": properties(struct), "additionalProperties": False}


def _items(value: object, example: str) -> list[Any]:
    if not isinstance(value, list):
        raise wrong(value, "is not a list", f"write [{quote(value) if isinstance(value, str) else example}]")
    return value


def _table(item: dict[str, Any], struct: type[msgspec.Struct]) -> dict[str, Any]:
    entries = keys_of(struct)
    values: dict[str, Any] = {}
    mistakes: list[Mistake] = []
    for name, value in item.items():
        if name not in entries:
            guess = near(name, entries)
            fix = f"did you mean {quote(guess)}?" if guess else f"a rule takes {one_of(list(entries))}"
            mistakes.append(Mistake(name, "is an unknown key", fix))
            continue
        try:
            values[name] = entries[name].key.kind.read(value)
        except Wrong as error:
            mistakes.extend(one._replace(found=f"as {name} {one.found}") for one in error.mistakes)
    for name, entry in entries.items():
        if entry.required and name not in item and not mistakes:
            mistakes.append(Mistake(item, f"has no {name}", f"write {entry.key.example}"))
    if mistakes:
        raise Wrong(*mistakes)
    return values


def _redaction(rule: Redaction) -> Iterator[Mistake]:
    if bool(rule.pattern) == bool(rule.preset):
        found = "names a pattern and a preset" if rule.pattern else "names neither a pattern nor a preset"
        yield Mistake({}, found, "write one of the two", shown="a rule")
    if "\n" in rule.replace or "\r" in rule.replace:
        yield Mistake(rule.replace, "holds a line end", "write it without")
    if rule.preset and rule.engine != "re":
        yield Mistake(rule.engine, "is for a pattern", "leave it out", shown="engine")
    if not rule.pattern:
        return
    if (error := patterns.check(rule.pattern, rule.engine, linear=True)) is not None:
        yield Mistake(rule.pattern, error.found, error.fix)
        return
    try:
        patterns.template(rule.replace, rule.pattern, rule.engine)
    except patterns.PatternError as problem:
        yield Mistake(rule.replace, problem.found, problem.fix)
