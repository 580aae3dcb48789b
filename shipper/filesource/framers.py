"""From a source's configuration to what cuts its files into events. Pure."""

from __future__ import annotations

from shipper import patterns
from shipper.config import FileConfig
from shipper.config.framing import MultilineConfig
from shipper.framing import Framer, encodings, multiline, partials
from shipper.framing.multiline import Multiline, Rule
from shipper.records.seams import ahead_of

PLAIN = {"multiline": None, "encoding": "bytes", "delimiter": "\n"}
JOINERS = {"cri": partials.cri, "docker": partials.docker}  # by the format of parse


def build(config: FileConfig) -> Framer:
    """Return the framer of a source."""
    text = encodings.build(config.encoding, config.delimiter)
    most, table, ahead = config.max_line, config.multiline, ahead_of(len(config.redact))
    if table is not None:
        group = Multiline(_rule(config), table.max_lines, min(table.max_bytes or most, most))
        return Framer(text, group, most, table.timeout, ahead=ahead)
    if config.parse is not None and config.parse.format in JOINERS:
        return Framer(text, JOINERS[config.parse.format](most), most, config.partial_timeout, ahead=ahead)
    return Framer(text, None, most, ahead=ahead)


def beyond_lines(config: FileConfig) -> str:
    """Return the key because of which records are not simply lines and parts of lines; "" where they are."""
    if config.parse is not None and config.parse.format in JOINERS:
        return "parse"
    if config.on_long_line != "split":
        return "on_long_line"
    return next((name for name, plain in PLAIN.items() if getattr(config, name) != plain), "")


def _rule(config: FileConfig) -> Rule:
    table = config.multiline
    assert table is not None
    if table.preset:
        return multiline.preset(table.preset)
    if table.indented:
        return multiline.indented
    if table.continuation:
        return multiline.goes_on_at(_search(table.continuation, table))
    start = multiline.begins_at(_search(table.start, table)) if table.start else None
    end = multiline.ends_at(_search(table.end, table)) if table.end else None
    if start and end:
        return multiline.either(start, end)
    rule = start or end
    assert rule is not None
    return rule


def _search(pattern: str, table: MultilineConfig) -> multiline.Search:
    return patterns.compile(pattern, engine=table.engine, newlines=False).search
