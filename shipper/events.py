"""The catalogue: one method is one event is one log line and its counters. Nobody else logs.

A name is ``noun.verb``; the same names stand in the metrics and in the docs. Methods may be called from any thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shipper.model import show_path
from shipper.telling import Teller, Write

__all__ = ["LEVELS", "NOTED", "Events", "Write"]

LEVELS = ("debug", "info", "warning", "error")

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


class Events(Teller):
    """Where everything that happens is told; see :class:`Teller` for what it is made of."""

    # checkpoints

    def state_dir_open(self, path: bytes, why: str) -> None:
        """Tell that somebody else could change what the daemon remembers."""
        then = "whoever can write there can have lines sent again, or never; let only the daemon's user write"
        self.emit("warning", "state_dir.open", path=path, why=why, then=then)

    def checkpoints_set_aside(self, store: bytes, moved_to: bytes, reason: str) -> None:
        """Tell that the store cannot be believed and a new one begins: nothing may start at the end now."""
        self.count("checkpoints.set_aside")
        then = "every file is read again from its beginning: what was delivered before is sent again, nothing is lost"
        self.emit("error", "checkpoints.set_aside", store=store, moved_to=moved_to, reason=reason, then=then)

    def checkpoints_renewed(self, store: bytes, reason: str) -> None:
        """Tell that the store was taken away under the daemon, which goes on in what is there now."""
        self.count("checkpoints.renewed")
        then = "everything is saved there anew; until then a kill would send again what was delivered before"
        self.emit("warning", "checkpoints.renewed", store=store, reason=reason, then=then)

    def checkpoints_saved(self, files: int) -> None:
        """Count a save; it happens every second, so there is no line."""
        self.count("checkpoints.saved", by=files)

    def checkpoints_failing(self, reason: str, unsaved: int) -> None:
        """Tell that a save failed, and is tried again until it succeeds."""
        self.count("checkpoints.failing")
        then = "sending goes on; after a restart now, what was delivered since the last save would be sent again"
        self.emit("error", "checkpoints.failing", every=60, reason=reason, unsaved=unsaved, then=then)

    def checkpoints_recovered(self, store: bytes, seconds: float) -> None:
        """Tell that a save succeeded after others had failed."""
        self.count("checkpoints.recovered")
        self.emit("info", "checkpoints.recovered", every=60, store=store, after=round(seconds, 1))

    def checkpoints_unsaved(self, store: bytes, unsaved: int, reason: str) -> None:
        """Tell that the daemon stops with checkpoints that could not be saved."""
        self.count("checkpoints.unsaved", by=unsaved)
        then = "what was delivered since the last save is sent again at the next start"
        self.emit("error", "checkpoints.unsaved", store=store, unsaved=unsaved, reason=reason, then=then)

    # discovery

    def directory_unreadable(self, path: bytes, why: str) -> None:
        """Tell that a directory cannot be searched: nothing is known about what is in it; it is tried again."""
        self.count("directory.unreadable")
        self.emit("warning", "directory.unreadable", every=3600, key=(path,), path=path, why=why)

    def link_refused(self, source: str, path: bytes, why: str) -> None:
        """Tell that a name is not followed: somebody points at what is not theirs. Told anew, at most once an hour."""
        self.count("link.refused", source)
        then = 'it is not read; follow_symlinks = "always" follows it, and every other one of the source'
        self.emit(
            "warning", "link.refused", every=3600, key=(source, why), source=source, path=path, why=why, then=then
        )

    def watch_limit(self, path: bytes) -> None:
        """Tell that the kernel gives no more inotify watches: directories are polled instead."""
        self.count("watch.limit")
        advice = "raise sysctl fs.inotify.max_user_watches; until then such directories are polled"
        self.emit("warning", "watch.limit", every=86400, path=path, advice=advice)

    def watch_unavailable(self, why: str, limit: str) -> None:
        """Inotify cannot be used: every directory is polled."""
        self.count("watch.unavailable")
        advice = f"raise sysctl {limit}; until then " if limit else ""
        self.emit("warning", "watch.unavailable", every=86400, why=why, advice=f"{advice}every directory is polled")

    def watch_overflow(self) -> None:
        """Tell that the kernel dropped events: everything is scanned."""
        self.count("watch.overflow")
        self.emit("info", "watch.overflow", every=60, advice="raise sysctl fs.inotify.max_queued_events if it recurs")

    def scan_done(self, seconds: float, files: int, directories: int) -> None:
        """Tell how long a full scan took."""
        self.count("scan")
        self.emit("debug", "scan.done", seconds=round(seconds, 3), files=files, directories=directories)

    # --- shipper.kafka ---

    def brokers_reached(self, brokers: int) -> None:
        """Say that the brokers have answered for the first time."""
        self.emit("info", "brokers.reached", every=60, brokers=brokers)

    def brokers_away(self, reason: str) -> None:
        """Say that no broker answers: records wait in their files."""
        self.count("brokers.away")
        self.emit("warning", "brokers.away", reason=reason)

    def brokers_back(self, brokers: int, away: float) -> None:
        """Say that the brokers answer again, after ``away`` seconds."""
        self.count("brokers.back")
        self.emit("info", "brokers.back", brokers=brokers, away=round(away, 3))

    def broker_failed(self, broker: str, reason: str) -> None:
        """Say that one broker cannot be talked to; others may."""
        self.count("broker.failed")
        self.emit("warning", "broker.failed", every=60, key=(broker, reason), broker=broker, reason=reason)

    def topic_ready(self, topic: str, partitions: int) -> None:
        """Say that records may be sent to a topic."""
        self.emit("info", "topic.ready", every=60, key=(topic,), topic=topic, partitions=partitions)

    def topic_limit(self, topic: str, limit: int, then: str) -> None:
        """Say that a topic takes less than the client would send to it."""
        self.emit("info", "topic.limit", every=60, key=(topic,), topic=topic, max_message_bytes=limit, then=then)

    def topic_limit_unknown(self, topic: str, reason: str) -> None:
        """Say that it is not known how large a batch a topic takes: a refusal will tell."""
        advice = "allow DescribeConfigs on the topic, so that no batch need be refused to find out"
        self.emit("info", "topic.limit_unknown", every=3600, key=(topic,), topic=topic, reason=reason, advice=advice)

    def topic_held(self, topic: str) -> None:
        """Say that, after an error, nothing is sent to a topic until it has been seen again."""
        self.count("topic.held")
        self.emit("info", "topic.held", every=60, key=(topic,), topic=topic)

    def topic_missing(self, topic: str, reason: str) -> None:
        """Say that a topic is not there: its records wait in their files."""
        self.count("topic.missing")
        self.emit("warning", "topic.missing", every=60, key=(topic,), topic=topic, reason=reason)

    def topic_denied(self, topic: str, reason: str) -> None:
        """Say that this user may not use a topic: its records wait in their files."""
        self.count("topic.denied")
        self.emit("warning", "topic.denied", every=60, key=(topic,), topic=topic, reason=reason)

    def client_gave_up(self, reason: str) -> None:
        """Say that the Kafka client is finished; a new one is built."""
        self.count("client.gave_up")
        self.emit("error", "client.gave_up", every=60, key=(reason,), reason=reason)

    def client_said(self, level: str, facility: str, text: str) -> None:
        """Pass on a line of the Kafka client's own log."""
        self.emit(level, "client.said", every=60, key=(facility,), facility=facility, text=text)

    def client_lingers(self) -> None:
        """Say that a closed client could not be let go of in time: it ends in the background, or with the process."""
        self.emit("warning", "client.lingers")

    # --- shipper.kafka.transactions, shipper.kafka.offsets ---

    def checkpoint_topic_created(self, topic: str, partitions: int) -> None:
        """Say that the topic of the checkpoints was not there and has been created."""
        self.emit("info", "checkpoint_topic.created", topic=topic, partitions=partitions)

    def checkpoint_topic_missing(self, topic: str, reason: str) -> None:
        """Say that the topic of the checkpoints is not there and could not be created."""
        self.count("checkpoint_topic.missing")
        then = "create it with cleanup.policy=compact; nothing is sent before"
        self.emit("error", "checkpoint_topic.missing", every=60, topic=topic, reason=reason, then=then)

    def checkpoint_topic_unfit(self, topic: str, policy: str) -> None:
        """Say that the topic of the checkpoints forgets them."""
        then = "set cleanup.policy=compact on it; otherwise old checkpoints go, and their lines could be sent twice"
        self.emit("warning", "checkpoint_topic.unfit", every=3600, topic=topic, cleanup_policy=policy, then=then)

    def offsets_waiting(self, topic: str, partition: int) -> None:
        """Say that the checkpoints cannot be read yet: another daemon's transaction is open in their partition."""
        self.count("offsets.waiting")
        then = "what was committed is known when it ends, at the latest after its transaction.timeout.ms"
        why = "a transaction of another daemon is open"
        self.emit("info", "offsets.waiting", every=10, topic=topic, partition=partition, why=why, then=then)

    def offsets_unread(self, topic: str, reason: str) -> None:
        """Say that the checkpoints could not be read from their topic; it is tried again."""
        self.count("offsets.unread")
        self.emit("warning", "offsets.unread", every=60, topic=topic, reason=reason, then="it is tried again")

    def offsets_read(self, instance: str, files: int, seconds: float) -> None:
        """Say that it is known from the topic what was committed."""
        self.emit("info", "offsets.read", instance=instance, files=files, after=round(seconds, 3))

    def topic_unclear(self, topic: str, reason: str) -> None:
        """Say that it cannot be found out whether a transaction was left open in a topic; it is tried again."""
        self.count("topic.unclear")
        then = "whether a transaction was left open in it is asked again; nothing is sent to it before"
        self.emit("warning", "topic.unclear", every=60, key=(topic,), topic=topic, reason=reason, then=then)

    def transaction_hanging(self, partitions: list[tuple[str, int]]) -> None:
        """Say in which partitions a transaction is open that nobody ends."""
        self.count("transaction.hanging")
        where = ", ".join(f"{topic} [{number}]" for topic, number in sorted(partitions))
        then = "what is this instance's is aborted; nobody who reads committed records sees it"
        self.emit("warning", "transaction.hanging", partitions=where, then=then)

    def transaction_committed(self, records: int, files: int) -> None:
        """Count a commit."""
        self.count("transaction.committed")
        self.emit("debug", "transaction.committed", records=records, files=files)

    def transaction_aborted(self, reason: str) -> None:
        """Say that a transaction is given up: its lines are sent again, and nobody who reads committed sees them."""
        self.count("transaction.aborted")
        then = "all sources send again from what was committed"
        self.emit("warning", "transaction.aborted", every=10, reason=reason, then=then)

    def transaction_outcome(self, *, committed: bool) -> None:
        """Say how a commit ended of which that was not known."""
        self.emit("info", "transaction.outcome", committed=committed)

    # files

    def source_scanned(self, source: str, files: int, waiting: int, *, first: bool) -> None:
        """Tell how many files a source has, and how many bytes wait in them, at its first look after the start."""
        self.emit("info", "source.scanned", source=source, files=files, bytes_waiting=waiting, first_scan=first)

    def source_blocked_first_scan(self, source: str, reason: str) -> None:
        """Tell that nothing of a source is sent before its first scan could be saved."""
        then = "nothing of this source is sent until the scan is saved; it is tried again"
        self.emit("error", "source.scan_unsaved", every=60, key=(source,), source=source, reason=reason, then=then)

    def file_found(self, source: str, path: bytes, inode: int, generation: int, size: int) -> None:
        """Count a new file generation, and tell its place among those of its path."""
        self.count("file.found", source)
        found: dict[str, Any] = {"inode": inode, "generation": generation, "size": size}
        self.emit("debug", "file.found", source=source, path=path, **found)

    @property
    def tells_reads(self) -> bool:
        """Whether anybody wants to know of every read."""
        return self._wants("debug")

    def file_read(self, source: str, path: bytes, inode: int, generation: int, start: int, end: int) -> None:
        """Tell which bytes of a file go to the client now: the order of these events is the order of the records."""
        if not self.tells_reads:
            return
        read: dict[str, Any] = {"inode": inode, "generation": generation, "start": start, "end": end}
        self.emit("debug", "file.read", source=source, path=path, **read)

    def file_undecided(self, source: str, path: bytes, inode: int, why: str, held: Iterable[bytes]) -> None:
        """Tell that it cannot be said yet what a file is, and which paths' later generations wait for that."""
        waiting = [show_path(path) for path in held]
        self.emit("debug", "file.undecided", source=source, path=path, inode=inode, why=why, waiting=waiting)

    def file_rotated(self, source: str, path: bytes, now: bytes, generation: int, unread: int) -> None:
        """Tell that a file has another name now."""
        self.count("file.rotated", source)
        self.emit("info", "file.rotated", source=source, path=path, now=now, generation=generation, unread=unread)

    def file_truncated(self, source: str, path: bytes, generation: int, read: int, unread: int) -> None:
        """Tell that a file holds other bytes than were read of it."""
        self.count("file.truncated", source)
        self.emit("info", "file.truncated", source=source, path=path, generation=generation, read=read, unread=unread)

    def file_continued(self, source: str, path: bytes, now: bytes, generation: int, offset: int) -> None:
        """Tell that the rest of a file is read from a copy, a compressed or a restored one."""
        self.count("file.continued", source)
        self.emit("info", "file.continued", source=source, path=path, now=now, generation=generation, offset=offset)

    def file_copy(self, source: str, path: bytes, copy: bytes) -> None:
        """Count a file that holds the lines of another and is not read."""
        self.count("file.copy", source)
        self.emit("debug", "file.copy", source=source, path=path, copy=copy)

    def file_finished(self, source: str, path: bytes, generation: int, size: int) -> None:
        """Tell that a generation is read to its end for good."""
        self.count("file.finished", source)
        self.emit("debug", "file.finished", source=source, path=path, generation=generation, size=size)

    def file_late(self, source: str, path: bytes, seen_as: bytes, records: int) -> None:
        """Tell that lines came to a file after it was finished: they are sent, their order is not promised."""
        self.count("file.late", source, records)
        self.emit("warning", "file.late", every=60, key=(source, path), source=source, path=path, seen_as=seen_as)

    def file_lost(self, source: str, path: bytes, generation: int, lost: int, why: str) -> None:
        """Tell that bytes known to have existed are nowhere any more."""
        self.count("file.lost", source)
        self.count("file.lost_bytes", source, lost)
        self.emit("error", "file.lost", source=source, path=path, generation=generation, bytes=lost, why=why)

    def file_unreadable(self, source: str, path: bytes, reason: str) -> None:
        """Tell once that a file cannot be read; it is tried again."""
        self.count("file.unreadable", source)
        then = "it is tried again until it can be read"
        self.emit("warning", "file.unreadable", source=source, path=path, reason=reason, then=then)

    def file_incomplete(self, source: str, path: bytes, reason: str) -> None:
        """Tell once that a compressed file is cut short or damaged, and no longer being written."""
        self.count("file.incomplete", source)
        then = "it is read when it has changed and is complete; what comes after it is read now"
        self.emit("warning", "file.incomplete", source=source, path=path, reason=reason, then=then)

    # the journal

    def journal_read(self, source: str, start: int, end: int, cursor: str, records: int) -> None:
        """Tell which entries go to the client now, by their numbers, and the cursor of the last one."""
        self.emit("debug", "journal.read", source=source, start=start, end=end, cursor=cursor, records=records)

    def journal_unreadable(self, source: str, directory: str, reason: str, *, denied: bool = False) -> None:
        """Tell once that the journal cannot be read, as this user may not (``denied``) perhaps; it is tried again."""
        self.count("journal.unreadable", source)
        advice = "add the daemon's user to the group systemd-journal, and restart it; " if denied else ""
        then = f"{advice}it is tried again until it can be read"
        where = directory or None
        self.emit("warning", "journal.unreadable", source=source, directory=where, reason=reason, then=then)

    def journal_readable(self, source: str, directory: str) -> None:
        """Tell that the journal can be read again."""
        self.emit("info", "journal.readable", source=source, directory=directory or None)

    def journal_denied(self, source: str, path: str, reason: str, files: int) -> None:
        """Tell that this user may not read files of the journal, as those of other users."""
        self.count("journal.denied", source, files)
        then = "what is in such files is not shipped; add the daemon's user to the group systemd-journal"
        self.emit("warning", "journal.denied", source=source, path=path, reason=reason, files=files, then=then)

    def journal_damaged(self, source: str, path: str, reason: str) -> None:
        """Tell that a file of the journal is damaged and left out."""
        self.count("journal.damaged", source)
        then = "what is in it is not shipped; journalctl --verify says more"
        self.emit("error", "journal.damaged", source=source, path=path, reason=reason, then=then)

    def journal_entries_damaged(self, source: str, entries: int, reason: str) -> None:
        """Tell that entries of the journal cannot be read and are passed over."""
        self.count("journal.entries_damaged", source, entries)
        then = "they are passed over; journalctl --verify says more"
        quiet: dict[str, Any] = {"every": 60, "key": (source,)}
        self.emit("error", "journal.entries_damaged", **quiet, source=source, entries=entries, reason=reason, then=then)

    def journal_gap(self, source: str, before: str, after: str, entries: int | None) -> None:
        """Tell that entries were removed from the journal before they were read; ``entries``: so many at most."""
        self.count("journal.gap", source)
        then = "goes on at the oldest entry after it; give the journal more room: SystemMaxUse= in journald.conf"
        found: dict[str, Any] = {"after": after, "entries_at_most": entries, "then": then}
        self.emit("error", "journal.gap", source=source, read_up_to=before, **found)

    def descriptors_short(self, limit: int) -> None:
        """Tell that more files wait to be read than may be open at once."""
        then = "files are read in turn; raise shipper.max_open_files or LimitNOFILE"
        self.emit("warning", "descriptors.short", every=600, max_open_files=limit, then=then)

    # delivery

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

    # deadletters

    def record_deadlettered(
        self, source: str, path: bytes, offset: int, part: int, topic: str, size: int, meaning: str, cursor: str = ""
    ) -> None:
        """Tell that a record which was refused for good is safe in the dead letters: its source goes on behind it.

        ``cursor``: of an entry of the journal, "" for a line of a file.
        """
        self.count("record.deadlettered", source)
        self.count("record.deadlettered_bytes", source, size)
        self.emit(
            "warning",
            "record.deadlettered",
            every=60,
            key=(source, meaning),
            source=source,
            path=path or None,
            offset=offset if path else None,
            cursor=cursor or None,
            part=part or None,
            topic=topic,
            size=size,
            meaning=meaning,
            then="shipper deadletter list shows it; deadletter replay sends it again",
        )

    def deadletters_removed(self, file: bytes) -> None:
        """Tell that the file of dead letters was taken away under the daemon."""
        self.count("deadletters.removed")
        then = "what was kept in it is not there any more; the next ones are kept in what is there now, or anew"
        self.emit("error", "deadletters.removed", file=file, then=then)

    def deadletters_set_aside(self, file: bytes, moved_to: bytes, reason: str) -> None:
        """Tell that the dead letters cannot be read, were kept under another name, and that a new file begins."""
        self.count("deadletters.set_aside")
        self.emit("error", "deadletters.set_aside", file=file, moved_to=moved_to, reason=reason)

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

    def records_acked(self, source: str, records: int) -> None:
        """Count records that the brokers acknowledged."""
        self.count("records.acked", source, records)

    # service

    def library_said(self, level: str, library: str, text: str) -> None:
        """Pass on what a library has logged, or warned of."""
        self.count("library.said")
        self.emit(level, "library.said", every=60, key=(library, text), library=library, text=text)

    def service_starting(self, state_dir: str, sources: int) -> None:
        """Tell that the daemon starts."""
        self.emit("info", "service.starting", state_dir=state_dir, sources=sources)

    def service_ready(self, brokers: int, sources: int, files: int) -> None:
        """Tell that the brokers have answered and everything is under way."""
        self.emit("info", "service.ready", brokers=brokers, sources=sources, files=files)

    def service_degraded(self, reason: str) -> None:
        """Tell that the daemon runs, and that no broker has answered yet."""
        then = "files are watched and nothing is lost; sending begins when a broker answers"
        self.emit("warning", "service.degraded", reason=reason, then=then)

    def service_draining(self, records: int) -> None:
        """Tell that reading has stopped and what is in flight is being delivered."""
        self.emit("info", "service.draining", in_flight=records)

    def service_stopped(self, delivered: int, in_flight: int, unread: int, *, saved: bool) -> None:
        """Tell what was delivered, and what is left for the next start."""
        level = "info" if saved and not in_flight else "warning"
        self.emit(level, "service.stopped", delivered=delivered, undelivered=in_flight, unread=unread, saved=saved)

    def status_unavailable(self, path: bytes, reason: str) -> None:
        """Tell that nobody can ask the daemon for its status."""
        self.emit("warning", "status.unavailable", path=path, reason=reason, then="the daemon goes on without")

    def admin_listening(self, address: str) -> None:
        """Tell where the status page and the metrics are."""
        self.emit("info", "admin.listening", address=address)

    def manager_unreachable(self, reason: str) -> None:
        """Tell that the service manager did not take a message."""
        self.emit("warning", "manager.unreachable", every=300.0, reason=reason)

    def manager_without_library(self) -> None:
        """Tell that a service manager waits for messages that cannot be sent."""
        found = "NOTIFY_SOCKET is set, and systemd-python is not installed"
        then = "install shipper[systemd], or set Type=exec and no WatchdogSec in the unit"
        self.emit("error", "manager.unreachable", reason=found, then=then)

    def service_status(
        self, state: str, brokers: int, reason: str, delivered: int, in_flight: int, unread: int
    ) -> None:
        """Tell how it is going, on request."""
        self.emit(
            "info",
            "service.status",
            state=state,
            brokers=brokers,
            reason=reason or None,
            delivered=delivered,
            in_flight=in_flight,
            unread=unread,
        )

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

    def source_status(self, source: str, files: int, unread: int, why_idle: str) -> None:
        """Tell how it is going with one source, on request."""
        self.emit("info", "source.status", source=source, files=files, unread=unread, state=why_idle)

    def client_replaced(self, reason: str) -> None:
        """Tell that the Kafka client is given up for a new one."""
        self.count("client.replaced")
        then = "a new client sends again from the acknowledged offsets"
        self.emit("warning", "client.replaced", every=10, reason=reason, then=then)

    def tap_opened(self, source: str) -> None:
        """Tell that somebody looks at the records as they leave."""
        self.emit("info", "tap.opened", source=source)

    def tap_closed(self, source: str) -> None:
        """Tell that nobody looks any more."""
        self.emit("info", "tap.closed", source=source)

    def reload_refused(self, problems: list[str]) -> None:
        """Tell that a new configuration is bad and the old one stays."""
        self.count("config.refused")
        for problem in problems:
            self.emit("error", "config.refused", problem=problem, then="the old configuration stays in force")

    def reloading(self, sources: int, changes: str) -> None:
        """Tell that a new configuration comes into force, and what is different in it."""
        self.count("config.reloaded")
        self.emit("info", "config.reloaded", sources=sources, changes=changes)

    def source_added(self, source: str) -> None:
        """Tell that a source has come, by a reload."""
        self.emit("info", "source.added", source=source)

    def source_changed(self, source: str) -> None:
        """Tell that a source goes on from its acked offsets as a reload wants it."""
        self.emit("info", "source.changed", source=source)

    def source_removed(self, source: str, unread: int) -> None:
        """Tell that a source has gone, by a reload, with everything that it had sent acknowledged."""
        self.emit("info", "source.removed", source=source, unread=unread, then="its checkpoints are kept")

    def pump_hangs(self) -> None:
        """Tell that the pump did not end in time."""
        self.emit(
            "error", "service.hangs", thread="pump", then="the daemon ends without it; nothing that counts is lost"
        )
