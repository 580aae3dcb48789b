"""A record as a person reads it, and as JSON. Nothing of a log reaches a terminal as a control character. Pure."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

from shipper.model import show_path
from shipper.preview import Preview

LABEL = 9  # columns
NOTES = {
    "parse_error": "it could not be parsed: it has no fields",
    "timestamp_error": "it tells no time that could be its own: it has the time of its sending",
    "key_fallback": "something that its key asks for is not there: it has the key_fallback",
    "topic_fallback": "its topic may not be chosen: it goes to the topic_fallback",
    "value_replaced": "it holds bytes that are not UTF-8; each became U+FFFD",
    "processor_error": "the processor failed: it is sent as it is",
}
SENDING = "that of its sending"


def as_json(record: Preview) -> str:
    """Return it as one object; ASCII only, so that all control characters are escaped.

    A value or key that is not UTF-8 is there in base64, under another name.
    """
    found: dict[str, object] = {"offset": record.offset}
    if record.cursor:
        found["cursor"] = record.cursor
    if record.dropped:
        found["dropped"] = record.dropped
    else:
        found |= {"topic": record.topic, **as_text("key", record.key)}
        found["headers"] = [{"name": name, **as_text("value", value)} for name, value in record.headers]
        found["timestamp"] = moment(record.timestamp) if record.timestamp else None
    found |= as_text("value", record.value)
    if record.noted:
        found["noted"] = list(record.noted)
    if record.why:
        found["why"] = list(record.why)
    return json.dumps(found).replace("\x7f", "\\u007f")


def as_rows(record: Preview) -> Iterator[tuple[str, str]]:
    """Yield what is to be said of it as labels and texts, the first of them saying what becomes of it."""
    if record.dropped:
        yield "dropped", f"by {record.dropped}: {_where(record)}"
        yield "entry" if record.cursor else "line", show_path(record.value)
        return
    yield "record", f"to {record.topic}: {_where(record)}"
    yield "key", show_path(record.key)
    for name, value in record.headers:
        yield "header", f"{show_path(name.encode())}: {show_path(value)}"
    yield "time", moment(record.timestamp) if record.timestamp else SENDING
    yield "value", show_path(record.value)
    for what in record.noted:
        yield "note", NOTES.get(what) or _words(what)
    for words in record.why:
        yield "note", show_path(words.encode("utf-8", "surrogateescape"))


def _where(record: Preview) -> str:
    return f"entry {record.offset + 1:,}" if record.cursor else f"the line at {record.offset:,}"


class Summary:
    """Counts what was shown."""

    def __init__(self) -> None:
        self._records = 0
        self._of = Counter[str]()

    def count(self, record: Preview) -> None:
        """Count one."""
        self._records += not record.dropped
        self._of.update([f"dropped by {record.dropped}"] if record.dropped else [])
        self._of.update(map(_words, record.noted))

    def __str__(self) -> str:
        noun = "record" if self._records == 1 else "records"
        return ", ".join([f"{self._records:,} {noun}", *(f"{n:,} {what}" for what, n in self._of.items())]) + "."


def _words(noted: str) -> str:
    """Return the name of a counter in words.

    >>> [_words(noted) for noted in ("redacted.credit_card", "redacted.3", "parse_error")]
    ['redacted by credit_card', 'redacted by rule 3', 'parse error']
    """
    rule = noted.removeprefix("redacted.")
    if rule == noted:
        return noted.replace("_", " ")
    return f"redacted by rule {rule}" if rule.isdigit() else f"redacted by {rule}"


def moment(timestamp: int) -> str:
    """Return milliseconds since 1970 as RFC 3339.

    >>> moment(1606212550123)
    '2020-11-24T10:09:10.123Z'
    """
    return datetime.fromtimestamp(timestamp / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def as_text(name: str, value: bytes) -> dict[str, str]:
    """Return ``value`` as a member of an object; what is not UTF-8 is there in base64, under another name."""
    try:
        return {name: value.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(value).decode()}
