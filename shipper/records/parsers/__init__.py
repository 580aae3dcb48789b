"""Parsers: from an event's bytes to its fields. Pure; a module for each family of formats.

A parser is a function from bytes to a dict, or to ``None`` where it cannot make anything of them; the event is then
sent as it is. It raises nothing, whatever the bytes. Which fields are used is known when it is built: it need not make
the others, and may. :class:`Parser` has that function, and what makes the same of many events at once.
"""

from __future__ import annotations

from collections.abc import Callable

from shipper import patterns
from shipper.config import ParseConfig
from shipper.records.parsers import builtin, containers, csv, json, logfmt, regex, syslog
from shipper.records.parsers.common import ENCODING, ERRORS, Parse, Parser, Wanted
from shipper.records.record import Fields

_SIMPLE: dict[str, Callable[[Wanted], Parse]] = {
    "json": json.build,
    "logfmt": logfmt.build,
    "cri": containers.cri,
    "docker": containers.docker,
    "syslog": syslog.either,
    "syslog3164": syslog.rfc3164,
    "syslog5424": syslog.rfc5424,
}
FORMATS = (*_SIMPLE, "regex", "csv", *builtin.BUILTINS)
_TIMES = {"syslog": "syslog", "syslog3164": "syslog"}


def build(config: ParseConfig, wanted: Wanted) -> Parser:
    """Return the parser that ``config`` describes, for the fields that are ``wanted``."""
    if not config.message:
        parse = _of(config.format, config, wanted)
        return parse if isinstance(parse, Parser) else Parser(parse)
    outer = _of(config.format, config, None if wanted is None else wanted | {"message"})
    return Parser(_nested(outer, _of(config.message, config, wanted)))


def _of(name: str, config: ParseConfig, wanted: Wanted) -> Parse:
    if name == "regex":
        pattern = patterns.compile(config.pattern, engine=config.engine)
        return regex.build(pattern.search, pattern.groupindex, wanted)
    if name == "csv":
        return csv.build(config.columns, config.delimiter, config.quote, wanted)
    return _SIMPLE[name](wanted) if name in _SIMPLE else builtin.build(name, wanted)


def _nested(outer: Parse, inner: Parse) -> Parse:
    """Return the parser of lines of ``outer`` whose message is a line of ``inner``, or is not: then it stays a text.

    A name that both have is that of the outer one, but for ``message``.
    """

    def parse(event: bytes) -> Fields | None:
        fields = outer(event)
        if fields is None or not isinstance(message := fields.get("message"), str):
            return fields
        found = inner(message.encode(ENCODING, ERRORS))
        if found is None:
            return fields
        return {**found, **fields, "message": found.get("message", message)}

    return parse


def time_format(config: ParseConfig, field: str) -> str:
    """Return how the ``field`` of a format is written, where that is known; "rfc3339" otherwise."""
    known = builtin.BUILTINS.get(config.format)
    if field != "time":
        return "rfc3339"
    return known.time if known else _TIMES.get(config.format, "rfc3339")
