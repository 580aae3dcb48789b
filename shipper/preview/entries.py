"""The records that entries of the journal would become, read as ``journalctl -o json`` prints them. One thread.

They go through the daemon's own stream and record stage, one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from shipper.config import JournalConfig
from shipper.errors import UnreadableFile
from shipper.journal.entries import Entries
from shipper.journal.exported import CURSOR, Exported, Fields, parse
from shipper.journal.selection import selects, terms
from shipper.journal.source import boot_id
from shipper.journal.stream import Journal, begin
from shipper.preview import Preview, of_event, shown
from shipper.records import Naming, Stage
from shipper.records.redaction import Redactor


def preview_entries(source: JournalConfig, host: str, lines: Iterable[bytes]) -> Iterator[Preview]:
    """Yield the records of entries, each a line. Raises :class:`UnreadableFile` for what is no entry."""
    naming = Naming(source, host)
    stage = Stage(source, naming, host)
    redactor = Redactor(source.redact, Counter())
    asked = terms(source, boot_id())
    journal = Journal(source, naming, begin(source.name, source.directory, "", "test"))
    reader = Exported()
    journal.open(Entries(reader, (), stage.wanted, _never, _never, whole=False))
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            entry = parse(line)
        except ValueError as error:
            place = f"line {number + 1:,}"
            raise UnreadableFile(f"{place} is no entry as `journalctl -o json` prints it: {error}") from None
        cursor = _cursor(entry) or f"entry {number + 1}"
        if not selects(asked, entry):
            yield Preview(number, redactor.event(_message(entry)), dropped="selection", cursor=cursor)
            continue
        reader.give(entry)
        while (batch := journal.take(1)) is not None:
            if batch.silent:
                yield Preview(number, b"", dropped="no_message", cursor=cursor)
            for event in batch.lines:
                if batch.full and source.on_long_line == "deadletter":
                    yield Preview(number, shown(redactor, event, batch), dropped="on_long_line", cursor=cursor)
                else:
                    yield from of_event(stage, journal, redactor, event, number, batch, cursor)


def _never(*_: object) -> None:
    """Tell of no gap and no damage: there is none in what is printed."""


def _message(entry: Fields) -> bytes:
    message = entry.get("MESSAGE", b"")
    return message[0] if isinstance(message, list) else message


def _cursor(entry: Fields) -> str:
    value = entry.get(CURSOR, b"")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
