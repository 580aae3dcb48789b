"""What the record stage makes of a stretch of a file: the records that an audit expects. The daemon's own steps; pure.

What tells a record from others is its value, key and topic as the stage makes them from the line. Where the lines
choose the topics, it is the value and the key, over all topics of the source: a record may have gone to its fallback.
With provenance it is the place of its line alone, for a value need not be the same each time: ``@timestamp`` may be the
time of reading.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from shipper.audit.lines import Block
from shipper.config import SourceConfig
from shipper.filesource.framers import beyond_lines
from shipper.records import Naming, Stage
from shipper.records.record import FileValues


class Expected(NamedTuple):
    """One record. ``number``: which one of several of its line, from 1, or which part; 0 otherwise."""

    topic: str
    key: bytes
    value: bytes
    offset: int
    number: int


class Shaping:
    """The stage of one source, as far as an audit needs it. ``free``: each record says which topic or key it has."""

    def __init__(self, config: SourceConfig, host: str, internal: frozenset[str]) -> None:
        naming = Naming(config, host, internal)
        self._stage = Stage(config, naming, host)
        self.plain = self._stage.plain
        self.free = bool(naming.wanted or config.processor)
        self.dropped: Counter[str] = Counter()

    def records(self, file: FileValues, block: Block) -> Iterator[Expected]:
        """Yield the records of ``block``, in order."""
        offsets = list(block.offsets()) if block.raw else [block.offset]
        shaped = self._stage.shape(file, block.lines, lambda: offsets, 0, block.part)
        self.dropped.update(shaped.dropped)
        events = shaped.events or range(len(shaped.messages))
        several = Counter(events) if shaped.events is not None else {}
        given: Counter[int] = Counter()
        for i, (event, message) in enumerate(zip(events, shaped.messages, strict=True)):
            given[event] += 1
            number = given[event] if several.get(event, 1) > 1 else block.part
            topic = file.topic if shaped.topics is None else shaped.topics[i]
            yield Expected(topic, message["key"], message["value"], offsets[event], number)


def why_not(config: SourceConfig, *, named: bool) -> str:
    """Return why a source cannot be judged, or "". ``named``: its records say in headers where they are from."""
    if key := beyond_lines(config):
        return f"with {key} its records are not its lines, and an audit begins with lines"
    if config.value == "json" and not named:
        return 'with value = "json" a record need not be the same each time; with provenance = "headers" it is judged'
    return ""
