"""Which steps a source asks for, built from its configuration. A step that it does not ask for is ``None``.

None of them raises, whatever the bytes. What they count goes to the :class:`Tally` that they are built with.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from shipper.config import ParseConfig, SourceConfig, TimestampConfig
from shipper.records import parsers, processors, timestamps
from shipper.records.bound import look_up
from shipper.records.filters import Filters
from shipper.records.parsers.common import Parser
from shipper.records.record import Fields, Offsets, Record, Tally
from shipper.records.redaction import Redactor
from shipper.records.seams import Rest
from shipper.timeformat import zone_of

Filter = Callable[[Sequence[bytes], Offsets], list[int] | None]
"""Which events are kept, by their index, or ``None`` for all; notes what it drops."""
Redact = Callable[[list[bytes]], list[bytes]]
"""The events of one read without what must not leave; one for each, in order."""
RedactPart = Callable[[Rest, bytes, bytes], tuple[bytes, Rest]]
"""The same for one part of a long line: what was kept of the part before, the part, and what follows it."""
RedactText = Callable[[str], str]
"""Any text that leaves without it, as the reason of a failure."""
RedactFields = Callable[[Fields], Fields]
"""The same for what a parser has decoded."""
Timestamp = Callable[[Fields], int | None]
"""The time that an event's fields tell, in milliseconds since 1970."""
Process = Callable[[Record], list[Record] | None]
"""The records that become of one; ``None`` where the processor has failed."""


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of one source, in the order in which an event goes through them."""

    filter: Filter | None = None
    redact: Redact | None = None
    redact_part: RedactPart | None = None
    parse: Parser | None = None
    redact_fields: RedactFields | None = None
    redact_text: RedactText | None = None
    timestamp: Timestamp | None = None
    process: Process | None = None

    @property
    def any(self) -> bool:
        """Whether there is any."""
        return any(getattr(self, name) is not None for name in self.__slots__)


def build(source: SourceConfig, wanted: frozenset[str] | None, tally: Tally) -> Steps:
    """Return the steps of ``source``; ``wanted`` are the fields that are used, ``None`` for all.

    Raises ConfigError for a processor that cannot be had.
    """
    process = parse = timestamp = None
    if source.processor:
        told = partial(tally.why.__setitem__, "processor_error")
        process = processors.guarded(processors.load(source.processor), told)
    if source.timestamp is not None:
        timestamp = _timestamp(source.parse, source.timestamp, tally)
        wanted = None if wanted is None else wanted | {source.timestamp.field}
    if source.parse is not None:
        parse = parsers.build(source.parse, wanted)
    redactor = Redactor(source.redact, tally.noted) if source.redact else None
    filters = source.include_lines or source.exclude_lines or source.sample < 1
    return Steps(
        filter=Filters(source.include_lines, source.exclude_lines, source.sample, tally.dropped) if filters else None,
        redact=redactor.events if redactor else None,
        redact_part=redactor.part if redactor else None,
        parse=parse,
        redact_fields=redactor.fields if redactor else None,
        redact_text=redactor.text if redactor else None,
        timestamp=timestamp,
        process=process,
    )


def _timestamp(parse: ParseConfig | None, config: TimestampConfig, tally: Tally) -> Timestamp:
    known = parsers.time_format(parse, config.field) if parse is not None else "rfc3339"
    form = known if config.format == "auto" else config.format
    moment = timestamps.build(form, zone_of(config.timezone))
    name, now = config.field, time.time
    dotted = "." in name

    def timestamp(fields: Fields) -> int | None:
        found = moment(look_up(fields, name) if dotted else fields.get(name), int(now() * 1000))
        if found is None:
            tally.noted["timestamp_error"] += 1
        return found

    return timestamp
