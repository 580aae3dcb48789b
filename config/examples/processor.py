"""A processor: `processor = "processor:orders"` in a source, with this file's directory in PYTHONPATH.

It is given each record before its topic, key, headers and value are made, and returns a record, a list of them, or None
to drop it (counted as `records.dropped.processor`). Given the same line it must always say the same, for what is sent
again is asked of it once more. When it raises, the record is sent as its line is, with the header
`shipper.parse_error`, and `records.processor_error` says why.
"""

from shipper.records import Record


def orders(record: Record) -> Record | list[Record] | None:
    """Drop health checks, mask the user, and make one record of each item of an order."""
    fields = record.fields  # what `parse` has found; None where the line could not be parsed
    if fields is None:
        return record
    if fields.get("path") == "/health":
        return None
    if "user" in fields:
        fields["user"] = "***"  # what `value = "json"` and the templates see
    record.headers.append(("kind", b"order"))
    items = fields.pop("items", None)
    if not isinstance(items, list):
        return record
    return [Record(record.message, {**fields, "item": item}, record.timestamp, record.headers) for item in items]
