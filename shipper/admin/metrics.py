"""``/metrics``: the status and the events' counters in Prometheus' text format. Any thread.

Every counter has a sentence here; a test holds the table against the events. Of single files only those are told that
have most to read, so that the number of series is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from shipper.admin.app import FILES
from shipper.lifecycle import Service
from shipper.status import BY_RULE, Status

COUNTERS: Mapping[str, str] = {
    "records.read": "Records handed to the Kafka client.",
    "bytes.read": "Bytes of lines handed to the Kafka client.",
    "records.acked": "Records that the brokers have acknowledged.",
    "record.deadlettered": "Records that were refused for good and are in the dead letters.",
    "record.deadlettered_bytes": "Bytes of these.",
    "record.refused": "How often a source stopped before a record that was refused for good.",
    "record.not_taken": "How often records were given back although nothing is wrong with them; they are sent again.",
    "batch.refused": "Batches that were refused, and sent again in smaller pieces.",
    "source.rewound": "How often a source went back to its acked offsets to send again.",
    "file.found": "Files that were found, each generation once.",
    "file.rotated": "Files that got another name.",
    "file.truncated": "Files that held other bytes than were read of them.",
    "file.continued": "Files whose rest was read from a copy, a compressed or a restored one.",
    "file.copy": "Files that hold the lines of another and are not read.",
    "file.finished": "Generations that were read to their end for good.",
    "file.late": "Records that came to a file after it was finished.",
    "file.lost": "How often bytes known to have existed were gone before they were read.",
    "file.lost_bytes": "How many bytes were gone before they were read.",
    "file.unreadable": "Files that could not be read; they are tried again.",
    "link.refused": "Links that were not followed, as they lead to what is not their owner's.",
    "file.incomplete": "Compressed files that are cut short or damaged.",
    "journal.unreadable": "How often the journal could not be read; it is tried again.",
    "journal.denied": "Files of the journal that this user may not read.",
    "journal.damaged": "Damaged files of the journal, which are left out.",
    "journal.entries_damaged": "Entries of the journal that could not be read and were passed over.",
    "journal.gap": "How often entries were removed from the journal before they were read.",
    "checkpoints.saved": "Checkpoints that were saved.",
    "checkpoints.failing": "Saves that failed; they are tried again.",
    "checkpoints.recovered": "Saves that succeeded after others had failed.",
    "checkpoints.unsaved": "Checkpoints that could not be saved at the end.",
    "checkpoints.set_aside": "Stores that could not be believed and were set aside.",
    "checkpoints.renewed": "Stores that were taken away under the daemon.",
    "deadletters.removed": "Files of dead letters that were taken away under the daemon.",
    "deadletters.set_aside": "Files of dead letters that could not be read and were set aside.",
    "brokers.away": "How often no broker answered.",
    "brokers.back": "How often brokers answered again.",
    "broker.failed": "How often one broker could not be talked to.",
    "topic.held": "How often nothing was sent to a topic until it was seen again.",
    "topic.missing": "How often a topic was not there.",
    "topic.denied": "How often this user might not use a topic.",
    "delivery.stalled": "How often brokers answered and acknowledged nothing of a source.",
    "delivery.resumed": "How often that was over.",
    "client.gave_up": "Kafka clients that were finished.",
    "client.replaced": "Kafka clients that were given up for a new one.",
    "transaction.committed": "Transactions that were committed.",
    "transaction.aborted": "Transactions that were given up; their lines are sent again.",
    "topic.not_valid": "Files whose names make no topic that may be used.",
    "key.hot": "How often one key carried nearly all of a source's records.",
    "key.unresolved": "How often no record had the fields that its key asks for.",
    "transaction.hanging": "How often a partition held an open transaction of an earlier client, which was aborted.",
    "topic.unclear": "How often it could not be found out what is open in a topic.",
    "checkpoint_topic.missing": "How often the topic of the checkpoints was not there and could not be created.",
    "offsets.waiting": "How often checkpoints waited for another daemon's transaction.",
    "offsets.unread": "How often checkpoints could not be read from their topic.",
    "directory.unreadable": "Directories that could not be searched; they are tried again.",
    "watch.limit": "How often the kernel gave no more inotify watches.",
    "watch.unavailable": "How often inotify could not be used.",
    "watch.overflow": "How often the kernel dropped events.",
    "scan": "Full scans.",
    "library.said": "What libraries have logged, or warned of.",
    "config.refused": "Reloads that were refused: the old configuration stays in force.",
    "config.reloaded": "Reloads that came into force.",
}
"""What each counter of the events counts, all with the label ``source``, "" for none."""

NOTED = "records."


def render(status: Status, counters: Mapping[tuple[str, str], int]) -> bytes:
    """Return the text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(status, counters))
    return generate_latest(registry)


class _Collector(Collector):
    def __init__(self, status: Status, counters: Mapping[tuple[str, str], int]) -> None:
        self._status = status
        self._counters = counters

    def collect(self) -> Iterable[Metric]:
        yield from _gauges(self._status)
        yield from _by_source(self._status)
        yield from _counters(self._counters)


def _gauges(status: Status) -> Iterator[Metric]:
    info = InfoMetricFamily("shipper_build", "The running program.")
    info.add_metric([], {"version": status.version})
    yield info
    state = GaugeMetricFamily("shipper_state", "1 for the state that the daemon is in.", labels=["state"])
    for one in Service:
        state.add_metric([one.value], float(status.state == one))
    yield state
    for name, doc, value in (
        ("brokers_up", "Whether brokers answer.", float(not status.trouble and status.brokers > 0)),
        ("brokers", "How many brokers the cluster has.", status.brokers),
        ("uptime_seconds", "How long the daemon has been running.", status.at - status.started),
        ("in_flight_bytes", "Read and not yet acknowledged, with what the client needs for it.", status.in_flight),
        ("in_flight_limit_bytes", "How much that may be: kafka.max_in_flight.", status.in_flight_most),
        ("in_flight_records", "Records that are sent and not yet acknowledged.", status.records_in_flight),
        (
            "config_last_reload_successful",
            "0 where the configuration that was read last was refused, and an older one is in force.",
            float(not status.config.problems),
        ),
        ("deleted_bytes", "Bytes of deleted files that are held open until they are read.", status.deleted),
        ("open_files", "Log files that are held open.", status.open_files),
        ("open_files_limit", "How many may be.", status.open_files_most),
    ):
        yield GaugeMetricFamily(f"shipper_{name}", doc, value=value)


def _by_source(status: Status) -> Iterator[Metric]:
    files = GaugeMetricFamily("shipper_source_files", "Files that are known.", labels=["source"])
    unread = GaugeMetricFamily("shipper_source_unread_bytes", "Known to be there and not read yet.", labels=["source"])
    stuck = GaugeMetricFamily("shipper_source_stuck", "Whether something keeps it from going on.", labels=["source"])
    lag = GaugeMetricFamily(
        "shipper_source_lag_seconds",
        "No line that is not acknowledged has waited for longer, as far as the daemon knows; 0 where none waits.",
        labels=["source"],
    )
    late = GaugeMetricFamily(
        "shipper_file_lag_seconds", f"The same, of the {FILES} files with most to read.", labels=["source", "path"]
    )
    behind = GaugeMetricFamily(
        "shipper_file_unread_bytes", f"Not read yet, of the {FILES} files with most to read.", labels=["source", "path"]
    )
    for source in status.sources:
        files.add_metric([source.name], source.files)
        unread.add_metric([source.name], source.unread)
        stuck.add_metric([source.name], float(bool(source.problem)))
        if source.lag is not None:
            lag.add_metric([source.name], source.lag)
    for file in status.files[:FILES]:
        if file.unread:
            behind.add_metric([file.source, file.seen_as], file.unread)
            late.add_metric([file.source, file.seen_as], file.lag)
    yield from (files, unread, stuck, lag, behind, late)


def _counters(counters: Mapping[tuple[str, str], int]) -> Iterator[Metric]:
    taken = dict(counters)  # the events count on meanwhile
    for name, doc in COUNTERS.items():
        metric = CounterMetricFamily(f"shipper_{name.replace('.', '_')}", doc, labels=["source"])
        for (one, source), count in taken.items():
            if one == name:
                metric.add_metric([source], count)
        yield metric
    doc = "Lines that a rule of the configuration has dropped."
    dropped = CounterMetricFamily("shipper_records_dropped", doc, labels=["source", "rule"])
    doc = "Records of which something is to be known, such as parse_error."
    noted = CounterMetricFamily("shipper_records_noted", doc, labels=["source", "what"])
    for (name, source), count in taken.items():
        if name.startswith(BY_RULE):
            dropped.add_metric([source, name.removeprefix(BY_RULE)], count)
        elif name.startswith(NOTED) and name not in COUNTERS and name != "records.dropped":
            noted.add_metric([source, name.removeprefix(NOTED)], count)
    yield from (dropped, noted)
