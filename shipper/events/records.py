"""What becomes of records, from when they are shaped until they are acknowledged. Any thread."""

from __future__ import annotations

from shipper.events.telling import Teller

NOTED = {
    "processor_error": ("error", "they are sent as their lines are, with the header shipper.parse_error"),
    "key_fallback": ("info", "the fields of their key were not there: they have the key_fallback as their key"),
    "topic_fallback": ("warning", "the topic they asked for is not valid, or not theirs to choose: see topic_fallback"),
    "topic_missing": ("warning", "the topic they asked for is not there, or not to be written to: see topic_fallback"),
    "value_replaced": ("info", "they held bytes that JSON cannot hold, which were replaced"),
    "replaced": ("warning", "bytes that are not of the source's encoding were replaced; is encoding right?"),
    "truncated": ("warning", "what fits of them is sent, and the header shipper.truncated tells their length"),
    "parse_error": ("warning", "they are sent as they are, with the fallback key and the header shipper.parse_error"),
    "timestamp_error": ("warning", "their time is that of sending"),
}
"""What is said of records while they are shaped, and how loudly; what is not here is only counted."""


class Records(Teller):
    """Of records."""

    def records_sent(self, source: str, records: int, size: int) -> None:
        """Count records handed to the client, and their bytes."""
        counters = self.counters
        with self._lock:
            counters["records.read", source] += records
            counters["bytes.read", source] += size

    def records_dropped(self, source: str, rule: str, events: int) -> None:
        """Count what a rule of the configuration has dropped."""
        self.count("records.dropped", source, events)
        self.count(f"records.dropped.{rule}", source, events)

    def records_noted(self, source: str, what: str, records: int, why: str | None = None) -> None:
        """Count records of which something is to be known, as ``parse_error``; said now and then."""
        self.count(f"records.{what}", source, records)
        told = NOTED.get(what)
        if told is not None:
            level, then = told
            said = {} if why is None else {"why": why}
            self.emit(
                level, f"records.{what}", every=600, key=(source,), source=source, records=records, **said, then=then
            )

    def topic_not_valid(self, source: str, path: bytes, topic: str, fallback: str) -> None:
        """Tell that a file's name makes no topic that may be used: its records go to the fallback."""
        self.count("topic.not_valid", source)
        then = f"its records go to {fallback}: see topic_fallback"
        why = "Kafka accepts no topic of this name, it is an internal one, or topic_allow does not have it"
        self.emit(
            "warning",
            "topic.not_valid",
            every=3600,
            key=(source, path),
            source=source,
            path=path,
            topic=topic,
            why=why,
            then=then,
        )

    def key_hot(self, source: str, key: bytes, share: float, *, of_fields: bool) -> None:
        """Tell once that one key carries nearly all of a source's records, and so one partition does."""
        self.count("key.hot", source)
        then = "all of them go to one partition, in order; where less order is enough, give the key another field"
        if not of_fields:
            then = "all of them go to one partition, in order; where less order is enough, make the key of a field"
        level = "warning" if of_fields else "info"
        self.emit(level, "key.hot", source=source, record_key=key, share=f"{share:.0%}".replace("%", " %"), then=then)

    def key_unresolved(self, source: str, template: str) -> None:
        """Tell once that no record has had the fields that its key asks for."""
        self.count("key.unresolved", source)
        then = "all of them have the key_fallback as their key; shipper test shows the fields that a line has"
        self.emit("warning", "key.unresolved", source=source, template=template, then=then)

    def batch_refused(self, source: str, path: bytes, reason: str, meaning: str) -> None:
        """Tell that a batch was refused: it is sent in smaller pieces, until the record is alone that is the cause."""
        self.count("batch.refused", source)
        then = "what was refused is sent again in smaller batches"
        self.emit(
            "warning",
            "batch.refused",
            every=60,
            key=(source, reason),
            source=source,
            path=path,
            reason=reason,
            meaning=meaning,
            then=then,
        )

    def record_refused(
        self, source: str, path: bytes, offset: int, topic: str, size: int, meaning: str, why: str, cursor: str = ""
    ) -> None:
        """Tell that a record was refused for good, where it stands, and why its source stops before it.

        ``cursor``: of an entry of the journal, "" for a line of a file.
        """
        self.count("record.refused", source)
        self.emit(
            "error",
            "record.refused",
            every=60,
            key=(source, path, offset),
            source=source,
            path=path or None,
            offset=offset if path else None,
            cursor=cursor or None,
            topic=topic,
            size=size,
            meaning=meaning,
            why=why,
            then="nothing of this source is sent before it; it is tried again",
        )

    def record_not_taken(self, source: str, records: int, reason: str, meaning: str) -> None:
        """Tell that records were given back although nothing is wrong with them; they are sent again."""
        self.count("record.not_taken", source, records)
        self.emit(
            "warning", "record.not_taken", every=60, key=(source, reason), source=source, reason=reason, meaning=meaning
        )

    def source_rewound(self, source: str, files: int) -> None:
        """Tell that a source sends again from its acked offsets."""
        self.count("source.rewound", source)
        self.emit("info", "source.rewound", every=10, key=(source,), source=source, files=files)

    def records_acked(self, source: str, records: int) -> None:
        """Count records that the brokers acknowledged."""
        self.count("records.acked", source, records)

    def delivery_stalled(self, source: str, where: str, records: int, seconds: float, why: str) -> None:
        """Say that brokers answer and acknowledge nothing of a source; whoever tells sees to how often."""
        self.count("delivery.stalled", source)
        then = "they are sent again, in order, until they are taken"
        self.emit(
            "warning",
            "delivery.stalled",
            source=source,
            topics=where,
            records=records,
            seconds=round(seconds),
            why=why,
            then=then,
        )

    def delivery_resumed(self, source: str, seconds: float) -> None:
        """Say that records of a source are acknowledged again, after ``seconds``."""
        self.count("delivery.resumed", source)
        self.emit("info", "delivery.resumed", source=source, stalled=round(seconds, 3))
