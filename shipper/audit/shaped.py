"""What the daemon's own steps make of a stretch of a file: the records that an audit expects. One thread.

What tells a record from others is its value, key and topic as the stage makes them. Where the lines choose the topics,
it is the value and the key, over all topics of the source: a record may have gone to its fallback. With provenance it
is the place of its event alone.

Not all of a value has to be the same each time. ``@timestamp`` of a JSON value may be the time of reading: it is left
out. An event of several lines ends where its file was silent for ``timeout``, which nobody knows afterwards: so it is
its lines that are compared, each by itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from shipper.audit.lines import batches
from shipper.config import FileConfig
from shipper.filesource.framers import beyond_lines
from shipper.records import Naming, Stage
from shipper.tailer import Tailer

_TIME = re.compile(rb'\{"@timestamp":"[^"]*",')


class Expected(NamedTuple):
    """One record. ``number``: which one of several of its event, from 1, or which part; 0 otherwise.

    ``part``: which part of a long line it is, 0 for none.
    """

    topic: str
    key: bytes
    value: bytes
    offset: int
    number: int
    part: int


class Comparing(NamedTuple):
    """How the values in some topics are compared: without ``@timestamp`` (``timeless``), line by line (``by_line``)."""

    timeless: set[str]
    by_line: set[str]

    def units(self, topic: str, value: bytes) -> list[bytes]:
        r"""Return what of a value is compared, one by one.

        >>> Comparing(set(), {"t"}).units("t", b"a\r\n b")
        [b'a', b' b']
        """
        if topic in self.timeless and (match := _TIME.match(value)) is not None:
            value = b"{" + value[match.end() :]
        if topic not in self.by_line or b"\n" not in value:
            return [value]
        *lines, last = value.split(b"\n")
        return [*(line.removesuffix(b"\r") for line in lines), last]

    def lines(self, topic: str, lines: list[bytes]) -> Iterable[bytes]:
        """Return the same of each of ``lines``, which hold no line end."""
        return (self.units(topic, line)[0] for line in lines) if topic in self.timeless else lines

    def add(self, config: FileConfig, topics: Iterable[str]) -> None:
        """Take note of the topics of a source."""
        if config.value == "json":
            self.timeless.update(topics)
        elif config.multiline is not None:
            self.by_line.update(topics)


def leaves_out(config: FileConfig) -> bool:
    """Return whether the moment decides which lines of a source are sent."""
    return config.rate_limit is not None and config.rate_limit.drop


class Shaping:
    """The steps of one source, as far as an audit needs them. ``free``: each record says which topic or key it has.

    ``plain``: a record is a line, with the topic and the key of its file.
    """

    def __init__(self, config: FileConfig, host: str, internal: frozenset[str]) -> None:
        naming = Naming(config, host, internal)
        self._stage = Stage(config, naming, host)
        self.plain = self._stage.plain and not beyond_lines(config)
        self.free = bool(naming.wanted or config.processor)
        self.dropped: Counter[str] = Counter()

    def records(self, tailer: Tailer, start: int, end: int | None) -> Iterator[list[Expected]]:
        """Yield the records between two offsets of an open file, batch by batch; see :func:`batches`."""
        for batch, begin in batches(tailer, start, end):
            at = batch.offsets(begin)
            shaped = self._stage.shape(
                tailer,
                batch.lines,
                lambda at=at: at,  # type: ignore[misc]
                0,
                batch.part,
                last=batch.last,
                full=batch.full,
                ahead=batch.ahead,
            )
            self.dropped.update(shaped.dropped)
            events = shaped.events or range(len(shaped.messages))
            several = Counter(events) if shaped.events is not None else {}
            given: Counter[int] = Counter()
            found = []
            for i, (event, (key, value)) in enumerate(zip(events, shaped.messages, strict=True)):
                given[event] += 1
                number = given[event] if several.get(event, 1) > 1 else batch.part
                topic = tailer.topic if shaped.topics is None else shaped.topics[i]
                found.append(Expected(topic, key, value, at[event], number, batch.part))
            yield found
