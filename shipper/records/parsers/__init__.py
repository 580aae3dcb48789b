"""Parsers: from an event's bytes to its fields. Pure; a module for each family of formats.

A parser is a function from bytes to a dict, or to ``None`` where it cannot make anything of them; the event is then
sent as it is. It raises nothing, whatever the bytes. Which fields are used is known when it is built: it need not make
the others, and may.
"""

from __future__ import annotations

from shipper import patterns
from shipper.config import ParseConfig
from shipper.records.parsers import builtin, containers, csv, json, logfmt, regex, syslog
from shipper.records.parsers.common import Parse, Wanted

_SIMPLE = {
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


def build(config: ParseConfig, wanted: Wanted) -> Parse:
    """Return the parser that ``config`` describes, for the fields that are ``wanted``."""
    name = config.format
    if name == "regex":
        pattern = patterns.compile(config.pattern, engine=config.engine)
        return regex.build(pattern.search, pattern.groupindex, wanted)
    if name == "csv":
        return csv.build(config.columns, config.delimiter, config.quote, wanted)
    return _SIMPLE[name](wanted) if name in _SIMPLE else builtin.build(name, wanted)


def time_format(config: ParseConfig, field: str) -> str:
    """Return how the ``field`` of a format is written, where that is known; "rfc3339" otherwise."""
    known = builtin.BUILTINS.get(config.format)
    if field != "time":
        return "rfc3339"
    return known.time if known else _TIMES.get(config.format, "rfc3339")
