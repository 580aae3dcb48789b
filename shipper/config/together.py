"""What the keys of one source must be to each other. Pure; whatever is wrong by itself has been told already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shipper.config.checks import pattern_groups
from shipper.config.keys import Misfit
from shipper.config.kinds import near, quote
from shipper.template import Template, TemplateError, parse

FIXED = ("source", "host")  # what is put in for them is the same for all records


def misfits(values: Mapping[str, Any]) -> Iterator[Misfit]:
    """Yield what does not fit together in ``values``, those of a source that are right by themselves."""
    groups = pattern_groups(values.get("path_pattern", ""))
    has_fields = bool(values.get("parse") or values.get("processor"))
    for name, template in _templates(values):
        for asked in template.names:
            shown = f"{{{asked}}}"
            if asked.startswith("field.") and name in ("key_fallback",):
                yield Misfit(name, f"{shown} may not be there; use what every file has, as {{host}}:{{path}}")
            elif asked.startswith("field.") and not has_fields:
                yield Misfit(name, f'{shown} needs a parser; write parse = {{ format = "json" }}, or as your lines are')
            elif asked.startswith("path.") and asked.removeprefix("path.") not in groups:
                group = asked.removeprefix("path.")
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
    if values.get("fields") and values.get("value") == "line":
        yield Misfit("fields", 'means nothing with value = "line"; write value = "json"')


def _templates(values: Mapping[str, Any]) -> Iterator[tuple[str, Template]]:
    texts = [(name, values[name]) for name in ("topic", "key", "key_fallback") if name in values]
    texts += [("headers", text) for text in values.get("headers", {}).values()]
    for name, text in texts:
        try:
            yield name, parse(text)
        except TemplateError:
            continue
