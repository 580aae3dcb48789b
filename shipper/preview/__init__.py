"""The records that a file, or entries of the journal, would become, without sending them: ``shipper test``.

- ``entries``: the same of entries of the journal
- ``owner``: which source ships a path, and under which name
- ``show``: a record as text and as JSON

A file is read by the daemon's own tailer and goes through its record stage, one event at a time, so that it is known
of each event which records it became or which rule dropped it. Nothing is saved, watched or sent. One thread.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from shipper.config import FileConfig
from shipper.discovery.rotation import compression
from shipper.errors import UnreadableFile
from shipper.events import Events
from shipper.files import BROKEN, Files
from shipper.filesource.census import Census
from shipper.filesource.descriptors import Descriptors, limit_from_process
from shipper.model import Checkpoint, FileId, Headers, show_path
from shipper.records import Naming, Stage
from shipper.records.redaction import Redactor
from shipper.records.seams import Rest
from shipper.source import Batch, Stream
from shipper.source.schedule import Schedule
from shipper.tailer import Batch as TailerBatch
from shipper.tailer import ContentChanged, Tailer


@dataclass(frozen=True, slots=True)
class Preview:
    """One record, or an event that becomes none: then ``dropped`` names the rule, and ``value`` is the event.

    ``offset`` is where the event begins in the file. ``timestamp``: milliseconds since 1970, 0: the time of sending.
    Of an entry of the journal, ``offset`` is its place among those that were read, from 0, and ``cursor`` its own.
    ``noted``: what the daemon would count of it, as ``parse_error``, and ``why``, in words, where more is known.
    """

    offset: int
    value: bytes
    topic: str = ""
    key: bytes = b""
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int = 0
    noted: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    dropped: str = ""
    cursor: str = ""


def preview(source: FileConfig, host: str, file: bytes, path: bytes) -> Iterator[Preview]:
    """Yield the records of ``file``, as if ``source`` had found it as ``path``; its last line needs no end.

    Raises :class:`UnreadableFile`.
    """
    events, files = Events(lambda *_: None), Files()
    naming = Naming(source, host)
    stage = Stage(source, naming, host)
    redactor = Redactor(source.redact, Counter())
    census = Census(source, naming, Descriptors(limit_from_process(), files, events), Schedule(), events)
    try:
        found = os.stat(file)
        if not stat.S_ISREG(found.st_mode):
            raise UnreadableFile(f"{show_path(file)} is no regular file")
    except OSError as error:
        raise _unreadable(file, error) from error
    tailer = census.tailer(
        Checkpoint(
            uid="test",
            source=source.name,
            path=path,
            seen_as=file,
            file_id=FileId(found.st_dev, found.st_ino),
            generation=0,
            offset=0,
            size=found.st_size,
            compression=compression(file),
        )
    )
    try:
        for batch, start in _batches(tailer, files):
            for event, offset in zip(batch.lines, batch.offsets(start), strict=True):
                if batch.full and source.on_long_line == "deadletter":
                    yield Preview(offset, shown(redactor, event, batch), dropped="on_long_line")
                else:
                    yield from of_event(stage, tailer, redactor, event, offset, batch)
    finally:
        tailer.close()


def _batches(tailer: Tailer, files: Files) -> Iterator[tuple[TailerBatch, int]]:
    """Yield what the tailer reads, with the offset where it begins; ends at the end of the file."""
    try:
        tailer.open(files)
        while True:
            start = tailer.read.offset
            batch = tailer.take()
            if batch is None and tailer.at_end:
                batch = tailer.take_last()
                if batch is None and tailer.at_end:
                    return
            if batch is not None:  # else a long line, whose end is still looked for
                yield batch, start
    except ContentChanged:
        raise UnreadableFile(f"{show_path(tailer.seen_as)} has changed while it was read") from None
    except BROKEN as error:
        raise _unreadable(tailer.seen_as, error) from error


def _unreadable(file: bytes, error: Exception) -> UnreadableFile:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return UnreadableFile(f"{show_path(file)} cannot be read: {reason or type(error).__name__}")


def of_event(
    stage: Stage, stream: Stream, redactor: Redactor, event: bytes, offset: int, batch: Batch, cursor: str = ""
) -> Iterator[Preview]:
    """Yield the records of one event, the only one that ``batch`` is asked for."""
    shaped = stage.shape(
        stream,
        [event],
        lambda: [offset],
        len(event),
        batch.part,
        last=batch.last,
        full=batch.full,
        ahead=batch.ahead,
        given=batch.given,
    )
    noted = tuple(shaped.noted)
    for n, (key, value) in enumerate(shaped.messages):
        headers: Headers = shaped.headers[n] if shaped.headers is not None else []
        yield Preview(
            offset,
            value,
            shaped.topics[n] if shaped.topics is not None else stream.topic,
            key,
            tuple(headers),
            shaped.timestamps[n] if shaped.timestamps is not None else 0,
            noted,
            tuple(shaped.why.values()),
            cursor=cursor,
        )
    for rule in shaped.dropped:
        yield Preview(offset, shown(redactor, event, batch), noted=noted, dropped=rule, cursor=cursor)


def shown(redactor: Redactor, event: bytes, batch: Batch) -> bytes:
    """Return an event that is dropped without what must not leave: what is shown here is passed on, too."""
    if batch.part > 1:
        return b""  # as its first part shows; what is kept of a dropped line is nothing
    return redactor.part(Rest(), event, batch.ahead)[0] if batch.part or batch.full else redactor.event(event)
