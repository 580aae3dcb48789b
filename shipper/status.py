"""How the daemon stands, as values: what ``status``, ``top`` and whoever asks the daemon is given.

Made on the pump thread by :func:`of_source` and ``Health``; read anywhere. Sizes and offsets are bytes, times seconds.
Counters only grow while a daemon runs: a rate is the difference of two answers over the difference of their ``at``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from shipper.filesource import FileSource
from shipper.filesource.lineage import DONE
from shipper.model import show_path
from shipper.source import Source
from shipper.tailer import Tailer

BY_RULE = "records.dropped."  # how the counters begin of what a rule has dropped
MOST_FILES = 1000  # that are told one by one: those with most to read come first


class FileStatus(msgspec.Struct, frozen=True):
    """One generation of one file. ``why``: why it is not being read just now, "" while it is.

    ``lag``: no line that is not acknowledged has waited for longer, in seconds; 0 where none waits.
    """

    source: str
    path: str
    seen_as: str
    generation: int
    state: str
    size: int
    read: int
    acked: int
    unread: int
    why: str
    lag: float = 0.0


class SourceStatus(msgspec.Struct, frozen=True):
    """One source. ``problem`` is what keeps it from going on, and ``remedy`` what to do, in words; "" if it is well.

    ``lag``: no line that is not acknowledged has waited for longer, as far as the daemon knows; 0 where none waits,
    None where that is not known of such a source. ``dropped``: lines, by the rule that dropped them.
    ``problem_since``: since when, by the daemon's clock; 0 if it is well.

    Of the journal, ``gaps`` is how often entries were removed before they were read, ``damaged`` counts what was
    damaged there, files and entries.
    """

    name: str
    state: str
    files: int
    unread: int
    in_flight: int
    delivered: int
    bytes_read: int
    deadlettered: int
    lost: int
    problem: str
    remedy: str
    problem_since: float
    lag: float | None = None
    dropped: dict[str, int] = {}
    gaps: int = 0
    damaged: int = 0


class ConfigStatus(msgspec.Struct, frozen=True):
    """The configuration in force ``since`` a time, and what is on disk ``now``; times are seconds since 1970.

    ``differs``: the files are not those that were read. ``problems`` of the one that was refused last, at
    ``refused_at``; none when one was accepted since.
    """

    files: list[str] = []
    now: float = 0.0
    since: float = 0.0
    differs: bool = False
    refused_at: float = 0.0
    problems: list[str] = []


class Status(msgspec.Struct, frozen=True):
    """The daemon. ``at`` and ``started`` are the daemon's own monotonic clock; ``trouble``: why brokers are away.

    ``trouble_since``: since when they are, by the same clock; 0 while they answer.
    """

    version: str
    host: str
    pid: int
    at: float
    started: float
    state: str
    brokers: int
    trouble: str
    trouble_since: float
    in_flight: int
    in_flight_most: int
    records_in_flight: int
    open_files: int
    open_files_most: int
    deleted: int  # bytes of files that are deleted and held open
    sources: list[SourceStatus]
    files: list[FileStatus]
    files_left_out: int
    files_behind: int = 0  # of all, with something to read or to be acknowledged
    config: ConfigStatus = ConfigStatus()


def of_source(
    source: Source, counters: Mapping[tuple[str, str], int], problem: str, since: float, lag: float | None
) -> SourceStatus:
    """Return how a source stands; ``counters`` are those of the events, ``problem`` is what is wrong since then."""
    remedy = ""
    if source.delivery.blocked:
        remedy = source.delivery.remedy
    elif source.problem is not None:
        remedy = source.problem.remedy
    elif problem:
        remedy = "shipper check --connect"
    return SourceStatus(
        name=source.name,
        state=source.why_idle,
        files=source.files,
        unread=source.waiting_bytes,
        in_flight=source.delivery.undelivered,
        delivered=counters.get(("records.acked", source.name), 0),
        bytes_read=counters.get(("bytes.read", source.name), 0),
        deadlettered=counters.get(("record.deadlettered", source.name), 0),
        lost=counters.get(("file.lost_bytes", source.name), 0),
        problem=problem,
        remedy=remedy,
        problem_since=since,
        lag=lag,
        dropped={
            name.removeprefix(BY_RULE): count
            for (name, of), count in counters.items()
            if of == source.name and name.startswith(BY_RULE)
        },
        gaps=counters.get(("journal.gap", source.name), 0),
        damaged=sum(counters.get((name, source.name), 0) for name in ("journal.damaged", "journal.entries_damaged")),
    )


class Stand(NamedTuple):
    """How the files stand: those with most to read, how many are left out and are behind, the lag of each source."""

    files: list[FileStatus]
    left_out: int
    behind: int
    lags: dict[str, float]


def of_files(sources: Iterable[FileSource], now: float, most: int) -> Stand:
    """Return how the files stand, with ``most`` told one by one.

    Nothing is read or sent meanwhile, and there may be very many files: those that rest are only counted.
    """
    waiting: list[tuple[Tailer, FileSource]] = []
    unsettled: list[tuple[Tailer, FileSource]] = []
    resting: list[tuple[Tailer, FileSource]] = []
    left_out = 0
    lags = {}
    for source in sources:
        lag = 0.0
        for tailer in source.generations():
            if not _concerns(tailer):
                continue
            if tailer.fresh is not None:
                lag = max(lag, _lag(tailer, now))
            if tailer.size > tailer.read.offset:
                waiting.append((tailer, source))
            elif not tailer.settled:
                unsettled.append((tailer, source))
            elif len(resting) < most:
                resting.append((tailer, source))
            else:
                left_out += 1
        lags[source.name] = lag
    waiting.sort(key=lambda pair: -pair[0].unread)
    found = [*waiting, *unsettled, *resting]
    told = [_of_file(tailer, source, now) for tailer, source in found[:most]]
    return Stand(told, left_out + len(found) - len(told), len(waiting) + len(unsettled), lags)


def _lag(tailer: Tailer, now: float) -> float:
    since = tailer.fresh.since(tailer.track.acked.offset) if tailer.fresh is not None else None
    return 0.0 if since is None else max(0.0, now - since)


def _concerns(tailer: Tailer) -> bool:
    """Whether anything is still to be done for it, or may be."""
    return tailer.state not in DONE or not tailer.settled


def _of_file(tailer: Tailer, source: FileSource, now: float) -> FileStatus:
    path = show_path(tailer.path)
    return FileStatus(
        source=source.name,
        path=path,
        seen_as=path if tailer.seen_as == tailer.path else show_path(tailer.seen_as),
        generation=tailer.generation,
        state=tailer.state.value,
        size=max(tailer.size, tailer.read.offset),
        read=tailer.read.offset,
        acked=tailer.track.acked.offset,
        unread=tailer.unread,
        lag=_lag(tailer, now),
        why=source.why_waits(tailer),
    )
