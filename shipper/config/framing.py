"""The keys of how a file's bytes become events, beyond lines of bytes; and what must fit together among them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from shipper import patterns
from shipper.config.keys import Key, Misfit
from shipper.config.kinds import Choice, Duration, Flag, Mistake, Size, Text, Whole, quote
from shipper.framing import encodings, multiline

CONTAINERS = ("cri", "docker")
RULES = ("preset", "start", "continuation", "end", "indented")


def encoding(value: str, _source: str) -> Iterator[Mistake]:
    """Hold the encoding to be one whose lines can be found."""
    if trouble := encodings.trouble(value):
        yield Mistake(value, trouble, 'write a name as Python has it, as "utf-16", "cp1252"; or "bytes"')


class MultilineConfig(msgspec.Struct, frozen=True):
    """``multiline``: which lines are one event."""

    preset: Annotated[
        str,
        Key(
            Choice(("", *multiline.PRESETS)),
            "Stack traces of this language go on with the line before them.",
        ),
    ] = ""
    start: Annotated[
        str, Key(Text(may_be_empty=True), "A regular expression: an event begins with each line that has it.")
    ] = ""
    continuation: Annotated[
        str,
        Key(Text(may_be_empty=True), "A regular expression: a line that has it belongs to the event before it."),
    ] = ""
    end: Annotated[
        str,
        Key(
            Text(may_be_empty=True),
            "A regular expression: an event ends with each line that has it. May stand with start.",
        ),
    ] = ""
    indented: Annotated[
        bool, Key(Flag(), "A line that begins with a space or a tab belongs to the event before it.")
    ] = False
    engine: Annotated[
        Literal["re", "re2"],
        Key(Choice(("re", "re2")), "What searches for these expressions. re2 takes what re would take too long for."),
    ] = "re"
    timeout: Annotated[
        float,
        Key(
            Duration(least=0.01, most=3600),
            "An event that may go on is sent after so long without growth of its file.",
        ),
    ] = 1.0
    max_lines: Annotated[int, Key(Whole(least=1), "An event of more lines is cut after so many.")] = 500
    max_bytes: Annotated[int, Key(Size(), "A longer event is cut at a line end. 0: as long as max_line.")] = 0


def misfits(table: MultilineConfig) -> Iterator[Misfit]:
    """Find what does not fit together: there has to be one rule, with sound expressions."""
    for name in ("start", "continuation", "end"):
        value = getattr(table, name)
        if value and (problem := patterns.check(value, table.engine)) is not None:
            yield Misfit(name, f"{quote(value)} {problem.found}; {problem.fix}")
    rules = [name for name in RULES if getattr(table, name)]
    if not rules:
        yield Misfit("start", f"is missing: write one of {', '.join(RULES)}")
    elif len(rules) > 1 and set(rules) != {"start", "end"}:
        yield Misfit(rules[1], f"stands beside {rules[0]}: write one of them (only start and end may stand together)")


def together(values: dict[str, object]) -> Iterator[tuple[str, str]]:
    """Find what does not fit together in a source: yields the key, and a sentence."""
    name, delimiter = values.get("encoding"), values.get("delimiter")
    if isinstance(name, str) and isinstance(delimiter, str):
        trouble = encodings.trouble(name, delimiter)
        if trouble and not encodings.trouble(name):
            yield "delimiter", f"{quote(delimiter)} cannot be found in {quote(name)}: it {trouble}; write another one"
    if values.get("multiline") is not None and delimiter not in (None, "\n"):
        yield "delimiter", "stands beside multiline, which joins lines with line ends; leave one of them out"
    container = getattr(values.get("parse"), "format", "")
    if container in CONTAINERS and values.get("multiline") is not None:
        yield "multiline", f"cannot join what is inside of lines of {quote(container)}; leave it out"
    if container in CONTAINERS and delimiter not in (None, "\n"):
        yield "delimiter", f"is not what stands between lines of {quote(container)}; leave it out"
    table, most = values.get("multiline"), values.get("max_line")
    if isinstance(table, MultilineConfig) and isinstance(most, int) and table.max_bytes > most:
        yield "multiline", f"max_bytes is {table.max_bytes:,} bytes, more than max_line, {most:,}; write less, or 0"
