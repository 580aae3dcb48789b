"""What the keys of one source must be to each other. Pure; whatever is wrong by itself has been told already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from shipper import patterns
from shipper.config.checks import host_and_port, is_loopback, pattern_groups
from shipper.config.formats import ENVELOPES
from shipper.config.keys import Misfit, keys_of
from shipper.config.kinds import near, one_of, quote
from shipper.template import FIXED, OF_FILES, PATH, Template, TemplateError, parse


def misfits(values: Mapping[str, Any], *, of_journal: bool = False) -> Iterator[Misfit]:
    """Yield what does not fit together in ``values``, those of a source that are right by themselves.

    ``of_journal``: its entries have fields without a parser, and no file.
    """
    groups = pattern_groups(values.get("path_pattern", ""))
    has_fields = bool(of_journal or values.get("parse") or values.get("processor"))
    for name, template in _templates(values):
        for asked in template.names:
            shown = f"{{{asked}}}"
            if of_journal and (asked in OF_FILES or asked.startswith(PATH)):
                yield Misfit(name, f"{shown} is of files; use {{field._SYSTEMD_UNIT}}, {{host}} or {{source}}")
            elif asked.startswith("field.") and name in ("key_fallback",):
                always = "{host}:{source}" if of_journal else "{host}:{path}"
                yield Misfit(name, f"{shown} may not be there; use what is always there, as {always}")
            elif asked.startswith("field.") and not has_fields:
                yield Misfit(name, f'{shown} needs a parser; write parse = {{ format = "json" }}, or as your lines are')
            elif asked.startswith(PATH) and asked.removeprefix(PATH) not in groups:
                group = asked.removeprefix(PATH)
                guess = near(group, groups)
                fix = f"did you mean {{path.{guess}}}?" if guess else f"write path_pattern with (?P<{group}>…)"
                yield Misfit(name, f"{shown} is no named group of path_pattern; {fix}")
    topic = next((template for name, template in _templates(values) if name == "topic"), None)
    if topic is not None and any(name.startswith("field.") for name in topic.names):
        first = topic.parts[0]
        fixed = isinstance(first, str) or first[0] in FIXED
        if not fixed and not values.get("topic_allow"):
            found = f"{quote(topic.text)} would let a line choose any topic"
            yield Misfit("topic", f'{found}; begin it with a text, as "logs.{topic.text}", or write topic_allow')
    if values.get("timestamp") is not None and "parse" in values and not has_fields:
        yield Misfit("timestamp", 'needs a parser; write parse = { format = "json" }, or as your lines are')
    if values.get("fields") and values.get("value") == "line":
        yield Misfit("fields", 'means nothing with value = "line"; write value = "json"')


OF_FORMAT = {"pattern": "regex", "engine": "regex", "columns": "csv", "delimiter": "csv", "quote": "csv"}


def parser(config: Any) -> Iterator[Misfit]:
    """Yield what does not fit together in the table of a parser: each format has keys of its own."""
    table: type[msgspec.Struct] = type(config)
    used = (config.format, config.message)
    for name, entry in keys_of(table).items():
        owner = OF_FORMAT.get(name, config.format)
        if owner not in used and getattr(config, name) != entry.default:
            yield Misfit(name, f'means nothing with format = "{config.format}"; it belongs to "{owner}"')
    if config.message and config.format not in ENVELOPES:
        found = f'means nothing with format = "{config.format}", whose message is the end of its own format'
        yield Misfit("message", f"{found}; it belongs to {one_of([quote(name) for name in ENVELOPES])}")
    if "regex" in used:
        yield from _pattern(config.pattern, config.engine)
    if "csv" in used:
        if not config.columns:
            yield Misfit("columns", 'is missing; write columns = ["time", "level", "message"]')
        for name, count in Counter(config.columns).items():
            if count > 1:
                yield Misfit("columns", f"has {quote(name)} {count} times; write each name once")
        if config.delimiter == config.quote:
            yield Misfit("quote", "is the delimiter too; write another character")


def _pattern(pattern: str, engine: Literal["re", "re2"]) -> Iterator[Misfit]:
    if not pattern:
        yield Misfit("pattern", "is missing; write pattern = '(?P<level>[A-Z]+) (?P<message>.*)'")
    elif problem := patterns.check(pattern, engine):
        yield Misfit("pattern", f"{quote(pattern)} {problem}")
    elif not patterns.compile(pattern, engine=engine).groupindex:
        yield Misfit("pattern", f"{quote(pattern)} has no named group, so there is no field; write one as (?P<name>…)")


def admin_misfits(values: Mapping[str, Any]) -> Iterator[Misfit]:
    """Yield what does not fit together in ``values``, those of ``[admin]`` that are right by themselves."""
    listen = values.get("listen", "")
    if listen and not values.get("token") and not is_loopback(host_and_port(listen)[0]):
        found = f"{quote(listen)} can be reached from elsewhere"
        yield Misfit("listen", f'{found}; write token = "${{file:/etc/shipper/admin.token}}", or 127.0.0.1')


def _templates(values: Mapping[str, Any]) -> Iterator[tuple[str, Template]]:
    texts = [(name, values[name]) for name in ("topic", "key", "key_fallback") if name in values]
    texts += [("headers", text) for text in values.get("headers", {}).values()]
    for name, text in texts:
        try:
            yield name, parse(text)
        except TemplateError:
            continue
