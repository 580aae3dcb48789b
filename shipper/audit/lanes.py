"""Which paths an audit judges, and what of the topics answers for them: the groups of topic and key that are asked for.

A *lane* is the generations of one path of one source, in order. Beside those that are shown there are others: what they
send to the same topic and key may be an equal line. One thread; changes nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from shipper.audit.findings import Report, SourceReport
from shipper.audit.lines import Cut
from shipper.audit.sameness import Sameness
from shipper.audit.shaped import Shaping
from shipper.audit.stock import Stock
from shipper.config import Config, FileConfig
from shipper.errors import StateError
from shipper.files import BROKEN
from shipper.filesource.descriptors import Descriptors
from shipper.model import SourceState, show_path
from shipper.tailer import Tailer


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked for. ``paths``: only these files; ``source``: only this one. ``timeout``: seconds without news.

    ``by_content``: also where the records say in headers which line they are.
    """

    paths: tuple[bytes, ...] = ()
    source: str = ""
    by_content: bool = False
    temp_dir: str | None = None
    timeout: float = 90.0


class Lane(NamedTuple):
    """One path. ``shown``: it was asked for. ``named``: its records are known by their headers.

    ``shaping`` is None where a record is its line, with its file's topic and key.
    """

    source: SourceReport
    config: FileConfig
    stock: Stock
    generations: list[Tailer]
    shown: bool
    named: bool
    shaping: Shaping | None


def choose(
    config: Config,
    options: Options,
    states: Mapping[str, SourceState],
    descriptors: Descriptors,
    report: Report,
    same: Sameness,
) -> list[Lane]:
    """Return the paths that are judged, and the others that send to the same topic and key; ``same`` is told of them.

    Raises StateError where a path is asked for of which nothing was shipped.
    """
    lanes = list(_lanes(config, options, states, descriptors, report))
    found = {p for lane in lanes if lane.shown for p in (g for t in lane.generations for g in (t.path, t.seen_as))}
    for path in sorted(set(options.paths) - found):
        raise StateError(f"{show_path(path)}: no source has shipped anything of it; shipper explain says why")
    asked = [(lane, t.topic, t.key) for lane in lanes if lane.shown for t in lane.generations]
    free = [lane for lane in lanes if lane.shown and lane.shaping is not None and lane.shaping.free]
    chosen_by = {id(lane): _topics_of(lane, lane.shaping, descriptors) for lane in free if lane.shaping is not None}
    asked += [(lane, topic, b"") for lane in free for topic in chosen_by[id(lane)]]
    groups = {(topic, key) for lane, topic, key in asked if not lane.named and lane not in free}
    same.free = {topic for lane, topic, _ in asked if lane in free and not lane.named}
    same.placed = {
        t.uid.encode() for lane in lanes if lane.shaping is not None and lane.named for t in lane.generations
    }
    same.by_headers = {topic for lane, topic, _ in asked if lane.named}
    same.ask((topic for _, topic, _ in asked), groups)
    for lane in lanes:
        if lane.shaping is not None and not lane.named:
            same.comparing.add(lane.config, chosen_by.get(id(lane)) or {t.topic for t in lane.generations})
    # The others that send to the same key may have sent an equal line.
    return [
        lane
        for lane in lanes
        if lane.shown or (not lane.named and any((t.topic, t.key) in groups for t in lane.generations))
    ]


def _lanes(
    config: Config, options: Options, states: Mapping[str, SourceState], descriptors: Descriptors, report: Report
) -> Iterator[Lane]:
    """Yield every path of every source; ``report`` gets the sources that are asked for."""
    host = socket.gethostname()
    wanted = set(options.paths)
    for name, source in config.sources.items():
        told = SourceReport(name)
        chosen = options.source in ("", name)
        if chosen:
            report.sources.append(told)
        if not isinstance(source, FileConfig):
            told.notes.append("not judged: it reads the journal, and an audit begins with the lines of files")
            continue
        state = states[name].of(journal=False) if name in states else SourceState(scanned=False)
        if not state.scanned:
            told.notes.append("it was not scanned yet: nothing of it has been sent")
            continue
        stock = Stock(source, state, descriptors, host)
        shaping = Shaping(source, host, frozenset({config.kafka.checkpoint_topic}))
        by_path: dict[bytes, list[Tailer]] = {}
        for tailer in stock.generations():
            by_path.setdefault(tailer.path, []).append(tailer)
        told.left = stock.left
        told.notes += [_note(fields) for _, fields in stock.notes]
        named = source.provenance == "headers" and not options.by_content
        for path, several in by_path.items():
            shown = chosen and (not wanted or not wanted.isdisjoint([path, *(t.seen_as for t in several)]))
            yield Lane(told, source, stock, several, shown, named, None if shaping.plain else shaping)


def _topics_of(lane: Lane, shaping: Shaping, descriptors: Descriptors) -> set[str]:
    """Return the topics that the lines of a path choose; reads them, for nothing else knows."""
    topics: set[str] = set()
    for tailer in lane.generations:
        try:
            if not tailer.detached and lane.stock.open(tailer):
                start, end = min(tailer.start, tailer.track.acked.offset), tailer.track.acked.offset
                for records in shaping.records(tailer, start, end):
                    topics.update(one.topic for one in records)
        except (Cut, *BROKEN):
            continue  # told when it is judged
        finally:
            descriptors.close(tailer)
    shaping.dropped.clear()
    return topics


def _note(fields: dict[str, Any]) -> str:
    path = fields.get("path", "")
    return f"{path}: {fields.get('reason', 'cannot be read')}; not judged"
