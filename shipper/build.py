"""Makes sources of what is configured, and says what discovery has to look for: the one place that knows every kind.

Pump thread only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from shipper.checkpoints import CheckpointStore
from shipper.config import Config, FileConfig, JournalConfig, SourceConfig
from shipper.discovery import Discovery, Watched
from shipper.events import Events
from shipper.files import Files
from shipper.filesource import FileSource, Tools
from shipper.filesource.descriptors import Descriptors
from shipper.journal import Watching
from shipper.ledger import Ledger
from shipper.model import Clock, Sink, SourceState
from shipper.records import Naming
from shipper.source import FirstScanStore, Source


class Builder:
    """Makes sources that share all of this. ``discovery`` and ``sink`` give those of now, ``sink`` by a source's name.

    ``scans``: where first scans are recorded. ``internal``: topics that no line may choose.
    """

    def __init__(
        self,
        files: Files,
        descriptors: Descriptors,
        ledger: Ledger,
        events: Events,
        store: CheckpointStore,
        scans: FirstScanStore,
        *,
        clock: Clock,
        cpu: Clock,
        host: str,
        internal: frozenset[str],
        discovery: Callable[[], Discovery],
        sink: Callable[[str], Sink],
        watching: Watching,
    ) -> None:
        self._files = files
        self._descriptors = descriptors
        self._ledger = ledger
        self._events = events
        self._store = store
        self._scans = scans
        self._clock = clock
        self._cpu = cpu
        self._host = host
        self._internal = internal
        self._discovery = discovery
        self._sink = sink
        self._watching = watching

    def source(self, config: SourceConfig, state: SourceState) -> Source:
        """Return a source that goes on from ``state``."""
        reread = self._store.reread(config.name)
        if isinstance(config, JournalConfig):
            return self._of_journal(config, state.of(journal=True), reread=reread)
        assert isinstance(config, FileConfig)
        return FileSource(config, state.of(journal=False), self._sink(config.name), self._for_files(), reread=reread)

    def _of_journal(self, config: JournalConfig, state: SourceState, *, reread: bool) -> Source:
        from shipper.journal.source import JournalSource, Tools  # here: few daemons need it

        tools = Tools(
            ledger=self._ledger,
            events=self._events,
            clock=self._clock,
            wall=time.time,
            store=self._scans,
            watching=self._watching,
            host=self._host,
            internal=self._internal,
            cpu=self._cpu,
        )
        return JournalSource(config, state, self._sink(config.name), tools, reread=reread)

    def _for_files(self) -> Tools:
        discovery = self._discovery()
        return Tools(
            files=self._files,
            descriptors=self._descriptors,
            ledger=self._ledger,
            events=self._events,
            clock=self._clock,
            wall=time.time,
            store=self._scans,
            scan_soon=discovery.scan_soon,
            look=discovery.look,
            quiet=discovery.quiet,
            host=self._host,
            internal=self._internal,
            cpu=self._cpu,
        )


def watched(sources: Iterable[SourceConfig]) -> list[Watched]:
    """Return what discovery has to look for."""
    return [Watched.of(one) for one in sources if isinstance(one, FileConfig)]


def first_topics(config: Config, host: str) -> list[str]:
    """Return the topics that are known to be used before any line is read."""
    namings = [Naming(one, host) for one in config.sources.values()]
    topics = (n.fixed_topic or (n.fallback_topic if n.asks_for_topic else None) for n in namings)
    return [topic for topic in topics if topic]
