"""Which files exist: says what is there, what has gone and what may have grown. Never reads a file.

A full scan comes first; after it the kernel tells what changes (inotify), directories that it cannot tell of are
polled, and a slow scan catches what was missed. :class:`Discovery` belongs to the pump thread; the inotify thread only
keeps names and calls ``wake``.

- ``globs``, ``rotation``, ``rules`` say what a name means; they are pure.
- ``scan`` asks the operating system; ``watch`` is told by it.
- ``quiet`` has writes looked for, instead of told of, where there are very many.
- ``tree`` and ``links`` know the directories that matter; ``coverage`` has each of them watched or polled.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from shipper.discovery.coverage import Coverage
from shipper.discovery.findings import Findings
from shipper.discovery.links import Link, Target
from shipper.discovery.quiet import Looked, Quiet
from shipper.discovery.rules import Rules, Watched
from shipper.discovery.tree import Node, Share, Tree
from shipper.discovery.watch import Directory, Drained, Watcher
from shipper.events import Events
from shipper.model import Clock, FileId, Observation, Seen

__all__ = ["Collected", "Discovery", "Watched", "list_files", "look_around"]

POLL_INTERVAL = 1.0
POLL_SHARE = 10  # a poll takes no more than a tenth of the time
SCAN_SHARE = 2000  # a look at every file no more than so small a part, however many there are
SOON_SHARE = 50  # the same, where somebody asks for it
SURVEY_SHARE = 200  # the same, for looks at directories only
CATCH_UP_ROUNDS = 20  # looks at what never comes to rest are ended after so many; the next collect goes on
OVERFLOW_SHARE = 2  # scans after overflows no more than half


def _as_given(_source: str, path: bytes, file_id: FileId) -> tuple[bytes, FileId]:
    return path, file_id


class Collected(NamedTuple):
    """What there is to tell. ``modified``: paths whose content may have changed."""

    observations: list[Observation]
    modified: set[bytes]


class Discovery:
    """Finds the files of all sources. Methods are for the pump thread; ``wake`` is called by the inotify thread."""

    def __init__(
        self,
        sources: Sequence[Watched],
        wake: Callable[[], None],
        events: Events,
        *,
        scan_interval: float,
        clock: Clock = time.monotonic,
        watcher: Watcher | None = None,
        share: Share = _as_given,
    ) -> None:
        """Prepare; ``share`` returns what a source keeps of a file anyway (``tree.Share``)."""
        self._sources = tuple(sources)
        self._wake = wake
        self._events = events
        self._interval = scan_interval
        self._clock = clock
        self._watcher = watcher or Watcher(wake, events)
        self._coverage = Coverage(self._watcher)
        self._quiet = Quiet(self._coverage.listen, clock)
        self._coverage.released = self._quiet.forget
        self._share = share
        self._tree = Tree(Rules(sources), self._coverage, events, share)
        self._before: list[Coverage] = []  # of the sources that there were: let go of when the new ones are watched
        self._scan_due = -math.inf
        self._survey_due = math.inf
        self._scan_soonest = -math.inf
        self._scan_allowed = -math.inf  # when a scan after an overflow may begin
        self._overflow = False
        self._poll_due = math.inf

    def start(self) -> None:
        """Start the inotify thread; the watches are set by the first scan, each before its directory is listed."""
        self._watcher.start()

    def change(self, sources: Sequence[Watched], scan_interval: float) -> None:
        """Find the files of these sources from now on; the next :meth:`collect` is a full scan.

        Nothing is missed in between: the old watches end when the new ones are set.
        """
        self._interval = scan_interval
        if tuple(sources) != self._sources:
            self._sources = tuple(sources)
            self._before.append(self._coverage)
            self._coverage = Coverage(self._watcher)
            self._coverage.released = self._quiet.forget
            self._tree = Tree(Rules(sources), self._coverage, self._events, self._share)
        self.rescan()

    def collect(self) -> Collected:
        """Return all that happened since the last call; the first one is a full scan of every source."""
        began = self._clock()
        drained = self._watcher.drain()
        self._overflow |= drained.overflow
        scan = began >= self._scan_due or (self._overflow and began >= self._scan_allowed)
        found = Findings(self._sources, complete=scan)
        for directory, name in drained.modified:
            found.modified.update(directory.paths(name))
        found.modified |= self._quiet.heard(drained.writes)
        if scan:
            self._scan(drained, found, began)
            if self._coverage.polled:
                self._poll(found)
        else:
            self._apply(drained, found)
            if began >= self._survey_due:
                self._survey(found, began)
            if began >= self._poll_due:
                self._poll(found)
        self._catch_up(found)
        if not self._coverage.polled:
            self._poll_due = math.inf
        elif self._poll_due == math.inf:
            self._poll_due = self._clock() + POLL_INTERVAL
        return Collected(found.observations(), found.modified)

    def _catch_up(self, found: Findings) -> None:
        """Look again at what has changed since it was looked at, until nothing has.

        Names are looked at one after the other; a rotation in between would be seen by halves, and a successor before
        its predecessor.
        """
        for _ in range(CATCH_UP_ROUNDS):
            self._watcher.catch_up()
            drained = self._watcher.drain()
            self._overflow |= drained.overflow
            for directory, name in drained.modified:
                found.modified.update(directory.paths(name))
            if not (drained.names or drained.changed or drained.lost):
                return
            self._apply(drained, found)

    @property
    def busy(self) -> bool:
        """Whether there are directories of whose writes the kernel does not tell now: :meth:`glance` has to."""
        return self._quiet.any

    def glance(self) -> Looked:
        """Look at some files of busy directories; returns what has changed.

        Called every few hundredths of a second or more often, it looks at each of them once a second.
        """
        return self._quiet.look()

    def rescan(self) -> None:
        """Let the next :meth:`collect` be a full scan again."""
        self._scan_due = -math.inf

    def look(self, source: str, directory: bytes) -> Observation:
        """Return all files in ``directory`` as they are now, as far as they are one source's to look at.

        Those that concern it neither by a glob nor as a rotation are not adoptable. Takes nothing away from
        :meth:`collect`. Where no event will tell of a rotation in the middle of it, it looks until nothing differs.
        """
        polled = any(one.path == directory for one in self._coverage.polled)
        seen = self._peek(source, directory)
        for _ in range(CATCH_UP_ROUNDS if polled else 0):
            before, seen = seen, self._peek(source, directory)
            if _places(before) == _places(seen):
                break
        return seen

    def _peek(self, source: str, directory: bytes) -> Observation:
        found = Findings(self._sources)
        try:
            self._tree.peek(directory, found)
        except OSError as error:
            self._events.directory_unreadable(directory, error.strerror or str(error))
        return next((o for o in found.observations() if o.source == source), Observation(source))

    def quiet(self) -> bool:
        """Whether nothing has happened to names since :meth:`collect`; where anything has, another one comes soon."""
        self._watcher.catch_up()
        if self._watcher.pending:
            self._wake()  # the inotify thread knows nothing of what was taken from it
        return not self._watcher.names_pending

    def scan_soon(self) -> None:
        """Have everything looked at without waiting for the interval."""
        self._scan_due = min(self._scan_due, self._scan_soonest)

    def next_due(self) -> float:
        """Return the (monotonic) time at which :meth:`collect` has work although nothing woke the pump."""
        return min(self._scan_due, self._survey_due, self._poll_due, self._scan_allowed if self._overflow else math.inf)

    def stop(self) -> None:
        """End the inotify thread and give its descriptors back."""
        self._watcher.close()

    def _scan(self, drained: Drained, found: Findings, began: float) -> None:
        """Look at everything; how soon that is done again depends on how long it takes."""
        for directory in drained.lost:
            if isinstance(directory, Node):
                self._tree.forget(directory, found)
            elif isinstance(directory, Target):
                self._tree.links.lost(directory)
        doubt, self._overflow = self._overflow, False
        self._tree.scan(found, doubt=doubt)
        while self._before:
            self._before.pop().release_all()
        now = self._clock()
        self._scan_soonest = now + (now - began) * SOON_SHARE
        self._scan_due = now + max(self._interval, (now - began) * SCAN_SHARE)
        self._survey_due = now + self._interval
        if self._survey_due >= self._scan_due:
            self._survey_due = math.inf
        self._scan_allowed = now + (now - began) * OVERFLOW_SHARE
        self._events.scan_done(now - began, found.files(), len(self._tree.nodes))

    def _survey(self, found: Findings, began: float) -> None:
        """Look at every directory between two looks at every file, which take too long to be done as often."""
        self._tree.survey(found)
        now = self._clock()
        self._survey_due = now + max(self._interval, (now - began) * SURVEY_SHARE)

    def _poll(self, found: Findings) -> None:
        """Look at the directories of which the kernel does not tell, until every name leads where it did before.

        What was the same at two looks was so at the moment between them: no rotation is seen by halves.
        """
        began = self._clock()
        for _ in range(CATCH_UP_ROUNDS):
            before = self._polled()
            for directory in list(self._coverage.polled):
                if isinstance(directory, Node):
                    self._tree.refresh(directory, found)
                elif isinstance(directory, Target):
                    self._tree.links.list(directory, found)
                    for links in list(directory.names.values()):
                        self._again(links, found, always=False)
            if self._polled() == before:
                break
        now = self._clock()
        self._poll_due = now + max(POLL_INTERVAL, (now - began) * POLL_SHARE)

    def _polled(self) -> dict[bytes, dict[bytes, FileId]]:
        """Return where the names in the directories lead that are polled, as they were last looked at."""
        names: dict[bytes, dict[bytes, FileId]] = {}
        for directory in self._coverage.polled:
            if isinstance(directory, Node):
                names[directory.path] = {name: at.file_id for name, at in directory.files.items()}
            elif isinstance(directory, Target):
                siblings = names.setdefault(directory.path, {})
                siblings |= {name: at.file_id for name, (at, _) in directory.files.items()}
        return names

    def _apply(self, drained: Drained, found: Findings) -> None:
        """Look at what events named: directories first, so that the names in them are looked at where they are now."""
        for directory in _ordered(drained.lost):
            if isinstance(directory, Node):
                self._tree.lost(directory, found)
            elif isinstance(directory, Target):
                self._again(self._tree.links.lost(directory), found)
        for directory in _ordered(drained.changed):
            if isinstance(directory, Node):
                self._tree.refresh(directory, found)
            elif isinstance(directory, Target):
                self._tree.links.list(directory, found)
        for directory, name in sorted(drained.names, key=lambda pair: (pair[0].path, pair[1])):
            if isinstance(directory, Node):
                self._tree.touch(directory, name, found)
            elif isinstance(directory, Target):
                self._again(self._tree.links.touch(directory, name, found), found)

    def _again(self, links: tuple[Link, ...], found: Findings, *, always: bool = True) -> None:
        for link in links:
            self._tree.look_again(link.node, link.name, found, always=always)


def list_files(watched: Watched, events: Events) -> list[Seen]:
    """Return the files of one source as they are now; watches nothing."""
    return look_around(watched, events).seen


def look_around(watched: Watched, events: Events) -> Observation:
    """Return what a full scan has to tell one source now; watches nothing."""
    found = Findings([watched], complete=True)
    Tree(Rules([watched]), Coverage(None), events, _as_given).scan(found)
    return found.observations()[0]


def _places(observation: Observation) -> set[tuple[bytes, FileId]]:
    """Return where the names of an observation lead."""
    return {(one.path, one.file_id) for one in observation.seen}


def _ordered(directories: set[Directory]) -> list[Directory]:
    """Return directories in the order of their paths: parents before what is in them."""
    return sorted(directories, key=lambda directory: directory.path)
