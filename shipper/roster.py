"""The sources that run, and those that are wanted: one comes and goes while the others go on. Pump thread only.

A source that is not wanted any more, or not as it is, reads nothing more; when nothing that it has sent can still be
settled it ends, with its checkpoints saved. One of the same name goes on from there, with its open files. So no line is
lost or sent twice by a change, however often what is wanted changes meanwhile. How long that takes is up to the
brokers: nothing is given up for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shipper.config import SourceConfig
from shipper.events import Events
from shipper.filesource import FileSource
from shipper.filesource.holding import Holding
from shipper.model import Checkpoint, SourceState
from shipper.source import Source

Build = Callable[[SourceConfig, SourceState], Source]
Save = Callable[[str, list[Checkpoint], list[tuple[str, str]], SourceState], None]


class Roster:
    """Lets sources come and go. ``sources``, and of them ``of_files``, are shared with whoever looks at them.

    ``build`` makes a source; ``load`` returns what is saved of one; ``save`` takes what is known of one at its end: its
    name, what has changed since the last time, what was removed, and all of it.
    """

    def __init__(
        self,
        sources: dict[str, Source],
        of_files: dict[str, FileSource],
        events: Events,
        *,
        build: Build,
        load: Callable[[str], SourceState],
        save: Save,
        hold: Callable[[], Holding],
    ) -> None:
        self._sources = sources
        self._of_files = of_files
        self._events = events
        self._build = build
        self._load = load
        self._save = save
        self._hold = hold
        self._running: dict[str, SourceConfig] = {}
        self._wanted: dict[str, SourceConfig] = {}
        self._moving = False

    @property
    def running(self) -> list[SourceConfig]:
        """The configurations of the sources that run."""
        return list(self._running.values())

    def begin(self, wanted: Mapping[str, SourceConfig], states: Mapping[str, SourceState], holding: Holding) -> None:
        """Let the first sources run, from where ``states`` says, with the files that are held open."""
        self._wanted = dict(wanted)
        for name, config in wanted.items():
            self._add(config, states.get(name, SourceState(scanned=False)), holding)
        for source in self._of_files.values():
            source.take_rest(holding)

    def want(self, wanted: Mapping[str, SourceConfig]) -> None:
        """Let these sources run, and no other ones: :meth:`step` sees to it."""
        self._wanted = dict(wanted)
        for name, source in self._sources.items():
            source.leave(leaving=wanted.get(name) != self._running[name])
        self._moving = True

    def step(self) -> bool:
        """Do what can be done now; whether other sources run than before."""
        if not self._moving:
            return False
        changed = False
        for name, source in list(self._sources.items()):
            if source.drained:
                self._end(name, source)
                changed = True
        for name, config in self._wanted.items():
            if name not in self._sources:
                self._add(config, self._load(name))
                self._events.source_added(name)
                changed = True
        self._moving = self._running != self._wanted
        return changed

    def _end(self, name: str, source: Source) -> None:
        holding = self._hold()
        unread = source.waiting_bytes
        changed, removed, known = source.end()
        self._save(name, changed, removed, known)
        if (files := self._of_files.pop(name, None)) is not None:
            files.keep(holding)
            files.close()
        del self._sources[name]
        before = self._running.pop(name)
        if (config := self._wanted.get(name)) is None:
            self._events.source_removed(name, unread)
        else:
            # One of another kind goes on where the last one of its own kind has ended.
            self._add(config, known if type(config) is type(before) else self._load(name), holding)
            if name in self._of_files:
                self._of_files[name].take_rest(holding)
            self._events.source_changed(name)
        holding.close()

    def _add(self, config: SourceConfig, state: SourceState, holding: Holding | None = None) -> None:
        source = self._sources[config.name] = self._build(config, state)
        self._running[config.name] = config
        if isinstance(source, FileSource):
            self._of_files[config.name] = source
            if holding is not None:
                source.take_over(holding)
