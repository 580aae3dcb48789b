"""From the events of one read to records: every step that the source asks for, in its order (docs/design.md).

Where a source asks for none, an event costs nothing here. The stage sees one read at a time and remembers
nothing of it, so a read that is shaped again (it was not sent, or has to be sent once more) gives the same records.
Pump thread only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any
from weakref import WeakKeyDictionary

from shipper.config import JournalConfig, SourceConfig
from shipper.model import Headers, Messages
from shipper.records import steps as steps_of
from shipper.records.bound import Fill, to_bytes
from shipper.records.bulk import mapped
from shipper.records.naming import (
    PROVENANCE_BYTES,
    PROVENANCE_OVERHEAD,
    RECORD,
    FileNaming,
    Naming,
    cursor_headers,
    part_headers,
    provenance_headers,
    truncated_headers,
)
from shipper.records.parsers.common import Column
from shipper.records.record import Fields, FileValues, Given, Offsets, Record, Tally
from shipper.records.seams import Rest
from shipper.records.shaped import HEADER_OVERHEAD, NOTHING, Shaped, bytes_of
from shipper.records.steps import Steps
from shipper.records.values import ValuesOf

PARSE_ERROR = "shipper.parse_error"
UNPARSED = (PARSE_ERROR, b"1")
BOM = b"\xef\xbb\xbf"  # at the beginning of a file: it stays in the line, and is nothing to a parser
FILES = 512  # of which the names are remembered


class Stage:
    """The record stage of one source. ``steps``: instead of those that its configuration asks for.

    ``wanted`` are the fields that it makes use of, ``None`` for all.
    """

    def __init__(self, source: SourceConfig, naming: Naming, host: str, steps: Steps | None = None) -> None:
        self._source = source.name
        self._host = host
        self._tally = Tally()
        self._naming = naming
        self._named = lru_cache(FILES)(naming.of)
        self._path = lru_cache(FILES)(naming.path_text)
        # Of the long line that is being read of a file: its offset, and what is kept before each part.
        self._rests: WeakKeyDictionary[FileValues, tuple[int, dict[int, Rest]]] = WeakKeyDictionary()
        self._left_out: dict[str, int] = {}  # where a long event begins of which the filter has dropped the first part
        values = ValuesOf(source, host, self._tally) if source.value == "json" else None
        self._values = values
        wanted = None if values is not None or source.processor else naming.wanted
        self._steps = steps or steps_of.build(source, wanted, self._tally)
        time_field = {source.timestamp.field} if source.timestamp is not None else set()
        self.wanted = None if wanted is None else wanted | time_field
        self._provenance = source.provenance == "headers"
        others = (values, self._steps.timestamp, self._steps.process, self._steps.redact_fields)
        self._for_names = self._steps.parse is not None and not any(others)  # fields are asked for by templates alone
        # A record is a line with its file's key, for its file's topic.
        self.plain = naming.plain and values is None and not self._steps.any and not isinstance(source, JournalConfig)

    def shape(
        self,
        file: FileValues,
        events: list[bytes],
        offsets: Offsets,
        size: int,
        part: int = 0,
        *,
        last: bool = True,
        full: int = 0,
        ahead: bytes = b"",
        given: Given | None = None,
    ) -> Shaped:
        """Return the records of ``events``, which have ``size`` bytes and begin at ``offsets()``.

        ``part``: it is one part of an event that is too long, the ``last`` one or not; 0 otherwise. ``full``: it is the
        beginning of one that has so many bytes; 0 otherwise. ``ahead``: what follows either in its line.
        ``given``: what is known of the events besides.
        """
        marks = part_headers(part, last=last) if part else truncated_headers(full) if full else []
        if not self.plain:
            return self._shape(file, events, offsets, part, marks, full, ahead, given)
        key = file.key
        size += len(events) * len(key)
        headers = None
        if self._provenance:
            headers = provenance_headers(file.uid, file.generation, offsets())
            size += len(events) * PROVENANCE_OVERHEAD
        if marks:
            headers = [[*(headers[0] if headers else ()), *marks]]
        return Shaped(Messages(events, key), size, headers)

    def _shape(
        self,
        file: FileValues,
        events: list[bytes],
        offsets: Offsets,
        part: int,
        marks: Headers,
        full: int,
        ahead: bytes,
        given: Given | None,
    ) -> Shaped:
        steps, tally = self._steps, self._tally
        index: list[int] | None = None
        if steps.filter is not None and (index := self._kept(file, events, offsets, part)) is not None:
            events = [events[i] for i in index]
            given = given and given.kept(index)
        if steps.redact is not None and events:
            if part or full:
                events = [self._redact_part(file, events[0], offsets()[0], part, ahead)]
            else:
                if self._rests:
                    self._rests.pop(file, None)
                events = steps.redact(events)
        named = self._named(file.path)
        keys: bytes | list[bytes] = named.key
        fields: list[Fields | None] | None = None
        column = None if part or given is not None else self._column(named)
        if column is not None:
            keys, unparsed = self._keys_of(column(_bare(events)), named.key)
        else:
            fields, unparsed = self._parse(events, part)
        timestamps = list(given.times) if given is not None else None
        if given is not None:
            fields = self._joined(fields, given)
        if steps.timestamp is not None and fields is not None:
            time_of, otherwise = steps.timestamp, timestamps or [0] * len(events)
            timestamps = [
                (time_of(one) if one is not None else 0) or n for one, n in zip(fields, otherwise, strict=True)
            ]
        records: list[Record] | None = None
        if steps.process is not None:
            at, before = offsets(), index
            records, index = self._process(file, events, fields, timestamps, index, at)
            events = [record.message for record in records]
            fields = [record.fields for record in records]
            if given is not None:
                place = {n: i for i, n in enumerate(before)} if before is not None else range(len(at))
                made_of = [place[n] for n in index]
                given = given.kept(made_of)
                unparsed = unparsed and [unparsed[i] for i in made_of]
            elif steps.parse is not None:
                unparsed = [one is None for one in fields] if None in fields else None
            timestamps = [record.timestamp or 0 for record in records]
        count = len(events)
        if named.key_of is not None and fields is not None:
            keys = self._keys(named, fields)
        topics = self._topics(named, fields)
        values = events
        if self._values is not None:
            at = offsets()
            begins = at if index is None else [at[i] for i in index]
            values = self._values.encode(self._path(file.path), events, fields, timestamps, begins)
        headers, beside = self._headers(file, named, fields, index, offsets, marks, count, unparsed, given)
        if records is not None:
            every = [keys] * count if isinstance(keys, bytes) else keys
            keys = [key if record.key is None else record.key for key, record in zip(every, records, strict=True)]
            values = [e if record.value is None else record.value for e, record in zip(values, records, strict=True)]
            topics = self._chosen(named, topics, records)
            headers, beside = _added(headers, records, index if self._provenance else None), 0
        size = sum(map(len, values)) + (len(keys) * count if isinstance(keys, bytes) else sum(map(len, keys)))
        if headers:
            size += count * beside or sum(map(bytes_of, headers))
            size += HEADER_OVERHEAD * (count * len(headers[0]) if beside else sum(map(len, headers)))
        dropped, noted = NOTHING, NOTHING
        if tally.dropped:
            dropped = dict(tally.dropped)
            tally.dropped.clear()
        if tally.noted:
            noted = dict(tally.noted)
            tally.noted.clear()
        why: Mapping[str, str] = tally.why
        if steps.redact_text is not None:
            why = {what: steps.redact_text(words) for what, words in why.items()}
        if timestamps is not None and not any(timestamps):
            timestamps = None
        messages = Messages(values, keys)
        return Shaped(messages, size, headers, False, topics, timestamps, index, dropped, noted, why)  # noqa: FBT003

    def _kept(self, file: FileValues, events: list[bytes], offsets: Offsets, part: int) -> list[int] | None:
        """Return which events are kept; all parts of one that is too long follow its first part."""
        assert self._steps.filter is not None
        if part > 1:
            return [] if self._left_out.get(file.uid) == offsets()[0] else None
        index = self._steps.filter(events, offsets)
        if part and index is not None:
            self._left_out[file.uid] = offsets()[0]
        elif self._left_out:
            self._left_out.pop(file.uid, None)
        return index

    def _redact_part(self, file: FileValues, text: bytes, begin: int, part: int, ahead: bytes) -> bytes:
        """Return one part of a line that begins at ``begin``, or with ``part`` 0 the beginning that stands for it."""
        assert self._steps.redact_part is not None
        at, rests = self._rests.get(file, (begin, {}))
        if part < 2 or at != begin:
            rests = {}
        value, after = self._steps.redact_part(rests.get(part, Rest()), text, ahead)
        if part:  # this one may be asked for again
            mine = {part: rests[part]} if part in rests else {}
            self._rests[file] = begin, {**mine, part + 1: after}
        return value

    def _parse(self, events: list[bytes], part: int) -> tuple[list[Fields | None] | None, list[bool] | None]:
        """Return the fields of each event, and which could not be parsed: not a part of one that is too long."""
        steps = self._steps
        if steps.parse is None:
            return None, None
        fields: list[Fields | None] = [None] * len(events) if part else steps.parse.many(_bare(events))
        unparsed = None if all(fields) else self._unparsed(fields)
        if steps.redact_fields is not None:
            redact = steps.redact_fields
            fields = [one and redact(one) for one in fields]
        return fields, unparsed

    def _unparsed(self, parsed: Sequence[object]) -> list[bool] | None:
        """Return which could not be parsed, if any."""
        unparsed = [one is None for one in parsed]
        failed = sum(unparsed)
        if not failed:
            return None
        self._tally.noted["parse_error"] += failed
        return unparsed

    def _joined(self, parsed: list[Fields | None] | None, given: Given) -> list[Fields | None]:
        """Return the fields of each entry: its own, and below them what its message says, which anybody may write."""
        redact = self._steps.redact_fields
        own = given.fields if redact is None else list(map(redact, given.fields))
        return [{**(said or {}), **fields} for said, fields in zip(parsed, own, strict=True)] if parsed else [*own]

    def _process(
        self,
        file: FileValues,
        events: list[bytes],
        fields: list[Fields | None] | None,
        timestamps: list[int] | None,
        index: list[int] | None,
        offsets: Sequence[int],
    ) -> tuple[list[Record], list[int]]:
        """Let the processor have each record; returns what becomes of them, and the event of each."""
        process = self._steps.process
        assert process is not None
        path = self._path(file.path)
        out: list[Record] = []
        where: list[int] = []
        for i, event in enumerate(events):
            at = i if index is None else index[i]
            record = Record(
                event,
                fields[i] if fields is not None else None,
                (timestamps[i] or None) if timestamps is not None else None,
                path=path,
                offset=offsets[at],
                source=self._source,
                host=self._host,
            )
            made = process(record)
            if made is None:
                self._tally.noted["processor_error"] += 1
                made = [Record(event, headers=[UNPARSED])]
            elif not made:
                self._tally.dropped["processor"] += 1
            out += made
            where += [at] * len(made)
        return out, where

    def _column(self, named: FileNaming) -> Column | None:
        """Return what tells all that is asked of the fields, if that is one which is the key."""
        if not self._for_names or named.topic_of is not None or named.header_of:
            return None
        assert self._steps.parse is not None
        return self._steps.parse.columns.get(named.key_field)

    def _keys_of(self, found: list[bytes | None], fallback: bytes) -> tuple[list[bytes], list[bool] | None]:
        """Return the keys that a column gives, and which events could not be parsed."""
        unparsed = None if all(found) else self._unparsed(found)
        return self._known([one or fallback for one in found], fallback), unparsed

    def _keys(self, named: FileNaming, fields: list[Fields | None]) -> list[bytes]:
        key_of, fallback = named.key_of, named.key
        assert key_of is not None

        def one(fields: Fields | None) -> bytes:
            return fallback if fields is None or (key := key_of(fields)) is None else to_bytes(key)

        if not named.key_field:
            return self._known(list(map(one, fields)), fallback)
        field: Callable[[Any], Any] = itemgetter(named.key_field)
        keys = mapped(lambda rest: map(str.encode, map(field, rest)), one, fields)
        return self._known(keys if all(keys) else [key or fallback for key in keys], fallback)

    def _known(self, keys: list[bytes], fallback: bytes) -> list[bytes]:
        """Return ``keys``; counts those of records that have none of their own."""
        if unresolved := keys.count(fallback):
            self._tally.noted["key_fallback"] += unresolved
        return keys

    def _topics(self, named: FileNaming, fields: list[Fields | None] | None) -> list[str] | None:
        if named.topic_of is None or fields is None:
            return None
        topic_of, fallback, may_use = named.topic_of, named.topic, self._naming.may_use
        topics = [
            topic if one is not None and (topic := topic_of(one)) is not None and may_use(topic) else fallback
            for one in fields
        ]
        if strays := topics.count(fallback):
            self._tally.noted["topic_fallback"] += strays
        return topics

    def _chosen(self, named: FileNaming, topics: list[str] | None, records: list[Record]) -> list[str] | None:
        """Return the topics where a processor has chosen some."""
        if all(record.topic is None for record in records):
            return topics
        chosen = topics or [named.topic] * len(records)
        for i, record in enumerate(records):
            if record.topic is not None:
                allowed = self._naming.may_use(record.topic)
                chosen[i] = record.topic if allowed else self._naming.fallback_topic
                self._tally.noted["topic_fallback"] += not allowed
        return chosen

    def _headers(
        self,
        file: FileValues,
        named: FileNaming,
        fields: list[Fields | None] | None,
        index: list[int] | None,
        offsets: Offsets,
        marks: Headers,
        count: int,
        unparsed: list[bool] | None,
        given: Given | None,
    ) -> tuple[list[Headers] | None, int]:
        """Return the headers of ``count`` records, ``None`` where none has any.

        And how many bytes those of each need in a batch at most, 0 where they differ in more than their offsets.
        """
        every = [*named.headers, *marks]
        asked = named.header_of if fields is not None else []
        if self._provenance:
            if given is not None:
                headers = cursor_headers(given.cursors)
            else:
                at = offsets()
                headers = provenance_headers(file.uid, file.generation, at if index is None else [at[i] for i in index])
            if every:
                headers = [one + every for one in headers]
            if not (asked or unparsed):
                return headers, 0 if given is not None else PROVENANCE_BYTES + bytes_of(every)
        elif asked or unparsed:
            headers = [every.copy() for _ in range(count)]
        elif every:
            return [every] * count, bytes_of(every)
        else:
            return None, 0
        for name, fill in asked:
            _fill(headers, fields or (), name, fill)
        if unparsed:
            for one, failed in zip(headers, unparsed, strict=True):
                if failed:
                    one.append(UNPARSED)
        return headers, 0


def _bare(events: list[bytes]) -> list[bytes]:
    """Return ``events`` as parsers see them."""
    return [events[0].removeprefix(BOM), *events[1:]] if events and events[0].startswith(BOM) else events


def _fill(headers: list[Headers], fields: Sequence[Fields | None], name: str, fill: Fill) -> None:
    """Add a header that asks for fields to those records that have them."""
    for one, parsed in zip(headers, fields, strict=True):
        if parsed is not None and (text := fill(parsed)) is not None:
            one.append((name, to_bytes(text)))


def _added(headers: list[Headers] | None, records: list[Record], events: list[int] | None) -> list[Headers] | None:
    """Return the headers with those that a processor has put to its records.

    With ``events``, of which each is a record's, several records of one event are numbered.
    """
    numbers: list[Headers] = [[]] * len(records)
    if events is not None and len(several := Counter(events)) < len(events):
        given: Counter[int] = Counter()
        for i, event in enumerate(events):
            if several[event] > 1:
                given[event] += 1
                numbers[i] = [(RECORD, b"%d" % given[event])]
    elif not any(record.headers for record in records):
        return headers
    every = headers or [[]] * len(records)
    return [one + number + record.headers for one, number, record in zip(every, numbers, records, strict=True)]
