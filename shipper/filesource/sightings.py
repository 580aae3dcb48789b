"""What discovery saw of one source's files, taken in: what has grown, what is new, what is gone or out of sight.

Before anything is sent for the first time, the source's first scan is recorded durably. Names, ids and states of files
change in the census; what an unknown file is, is the intake's to say; a file that may have grown is put on the
schedule. Nothing is read here. Pump thread only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from shipper.config import FileConfig
from shipper.errors import StateError
from shipper.files import Stat
from shipper.filesource import firstscan
from shipper.filesource.census import Census
from shipper.filesource.intake import Intake
from shipper.filesource.left import FORGET_AFTER
from shipper.filesource.lineage import DONE
from shipper.filesource.reuse import is_still, is_still_left
from shipper.filesource.tools import Tools
from shipper.lifecycle import File, FileEvent
from shipper.model import FileId, Observation, Seen
from shipper.source.schedule import Schedule
from shipper.tailer import Tailer

FIRST_RETRY = 1.0  # seconds before a first scan that could not be saved is tried again
ADRIFT_BEAT = 1.0  # seconds between looks at files that were moved out of the watched directories


class Sightings:
    """What is known of a source's files through their names. ``reread``: its checkpoints have been set aside."""

    def __init__(
        self,
        config: FileConfig,
        census: Census,
        intake: Intake,
        schedule: Schedule[Tailer],
        tools: Tools,
        *,
        scanned: bool,
        reread: bool,
    ) -> None:
        self._config = config
        self.name = config.name
        self.started = False  # the first scan of this run has been taken in
        self._census = census
        self._intake = intake
        self._schedule = schedule
        self._tools = tools
        self._events = tools.events
        self._clock = tools.clock
        self.scanned = scanned  # the first scan of all has been recorded
        self._reread = reread
        self._unsaved = False  # the first scan could not be saved
        self._first_at = 0.0  # when it is tried again
        self._adrift_at = 0.0

    @property
    def blocked(self) -> bool:
        """Whether nothing is read because the first scan cannot be saved."""
        return self._unsaved

    def observe(self, seen: Observation) -> None:
        """Take in what discovery saw."""
        census = self._census
        if not self.scanned:
            if seen.complete:
                self._first_scan(seen)
            return
        unsure, census.unsure = census.unsure, {}
        found = census.choose(seen.seen)
        unknown: list[Seen] = []
        doubtful: list[Tailer] = []
        missing: list[Tailer] = []
        for file_id, one in found.items():
            tailer = census.by_id.get(file_id)
            if tailer is not None and not is_still(self._tools.files, self._tools.descriptors, tailer, one):
                census.unbind(tailer)
                missing.append(tailer)
                tailer = None
            left = census.left.get(file_id)
            if left is not None and not is_still_left(self._tools.files, left, one):
                census.left.part(left)
                left = None
            if tailer is not None:
                changed = census.sighted(tailer, one)
                if changed or not self.started:
                    (census.grew if changed else census.check)(tailer)
                    if tailer.finished:
                        doubtful.append(tailer)  # late lines, or another file under the same inode
            elif left is not None:
                if census.left.has_changed(one):
                    unknown.append(one)
            else:
                unknown.append(one)
        missing += self._missing(seen, found)
        census.reorder_unsure(unsure)
        self._intake.take([*unknown, *self._intake.loose.without_name(found)], doubtful)
        now = self._clock()
        search = self._intake.search
        search.follow(t for t in missing if t.detached and t.state not in DONE and (t.unread or not self.started))
        for tailer in missing:
            search.vanished(tailer)
        if seen.complete:
            census.forget_vanished(seen, found, now)
            if not self.started:
                self._start(first=False)

    def modified(self, paths: set[bytes], later: set[bytes]) -> None:
        """Take note of names whose bytes may have changed; somebody else sees to those files that have ``later``."""
        self._look_into(paths - later)
        self._intake.again(paths)

    def grown(self, tailers: Iterable[Tailer]) -> None:
        """Take note of files that have grown, of which no event has told yet."""
        by_name = self._census.by_name
        names: set[bytes] = set()
        for tailer in tailers:
            if by_name.get(tailer.seen_as) is tailer:
                names.add(tailer.seen_as)
            elif not tailer.detached:  # else its bytes are looked for, or it is gone and perhaps forgotten
                self._census.grew(tailer)
        self._look_into(names)

    def _look_into(self, paths: set[bytes]) -> None:
        """Have read what may have changed.

        A rotated file may have been copied over, which its size need not tell. Of one that is finished that is found
        out before anything is read: what was copied is older than what is in the file that was truncated then.
        """
        by_name = self._census.by_name
        doubtful: list[Tailer] = []
        for path in sorted(by_name.keys() & paths):
            tailer = by_name[path]
            self._census.grew(tailer)
            if path == tailer.path:
                continue
            if tailer.finished:
                doubtful.append(tailer)
            elif tailer.state not in DONE:
                self._census.unpinned[tailer] = None
        if doubtful:
            self._intake.take((), doubtful)

    def _start(self, *, first: bool) -> None:
        self.started = True
        self._intake.begin()
        for lineage in self._census.lineages.values():
            if (current := lineage.current) is not None and current.detached:
                self._schedule.now(current)  # nothing was seen of it: it is searched for when it is its turn
        self._events.source_scanned(self.name, len(self._census.by_id), self._census.unread, first=first)

    def _first_scan(self, seen: Observation) -> None:
        """Record what is there durably, before anything of it is sent."""
        found = self._census.choose(seen.seen)
        # Where a store was set aside nothing is known of any file, and all of them are read from their beginning (I8).
        known = [] if self._reread else [one for one in found.values() if one.adoptable]
        recorded = firstscan.checkpoints(self._config, known, self._tools.files, self._tools.wall())
        try:
            self._tools.store.record_first_scan(self.name, recorded)
        except StateError as error:
            self._events.source_blocked_first_scan(self.name, str(error))
            self._unsaved = True
            self._first_at = self._clock() + FIRST_RETRY
            return
        self._unsaved = False
        self.scanned = True
        self._census.restore(recorded)
        for tailer in self._census.by_id.values():
            self._schedule.now(tailer)
            self._census.unpinned[tailer] = None
        if self._reread:
            self._intake.take([one for one in found.values() if one.adoptable] + self._intake.loose.without_name(found))
        else:
            self._intake.take(())  # what was deleted before the first scan is none of its files
        self._start(first=True)

    def _missing(self, seen: Observation, found: dict[FileId, Seen]) -> list[Tailer]:
        """Go on with open files that have no name any more; returns those that cannot be read until they are found."""
        missing = []
        for tailer in list(self._census.suspects(seen, found)):
            if self._census.has_another_name(tailer):
                self._census.grew(tailer)  # perhaps it had grown before, under the name that is gone
            elif tailer.reader is not None and (stat := self._stat(tailer)) is not None:
                self._out_of_sight(tailer, stat)
            elif self._succeeded(tailer) or not self._tools.files.unmounted(tailer.seen_as, tailer.file_id):
                self._census.unbind(tailer)
                missing.append(tailer)
            else:
                tailer.away = True
        return missing

    def _succeeded(self, tailer: Tailer) -> bool:
        """Whether a file on another device has its path now: it is this directory that was mounted anew, without it."""
        lineage = self._census.lineages[tailer.path]
        return tailer in lineage.gens and any(t.file_id.dev != tailer.file_id.dev for t in lineage.successors(tailer))

    def _stat(self, tailer: Tailer) -> Stat | None:
        """Return what the operating system says of an open file; None, and it is closed, where it has lost it (NFS)."""
        assert tailer.reader is not None
        try:
            return tailer.reader.stat()
        except OSError as error:
            self._events.file_unreadable(self.name, tailer.seen_as, str(error))
            self._tools.descriptors.close(tailer)
            return None

    def _out_of_sight(self, tailer: Tailer, stat: Stat) -> None:
        """Go on with an open file that has no name any more, or none that we watch."""
        tailer.linked = stat.links > 0
        if stat.size > tailer.size:
            tailer.size = stat.size
            self._census.unpinned[tailer] = None
        if tailer.linked:
            self._census.adrift[tailer] = None
            tailer.grew_at = tailer.grew_at or self._clock()  # of this run nothing is known: it may be written to still
        elif tailer.state is not File.LOST:
            tailer.event(FileEvent.REPLACED)
        self._census.unname(tailer)
        self._census.grew(tailer)

    def tick(self, now: float) -> None:
        """Look again at what no event tells of, when it is due."""
        if self._unsaved and now >= self._first_at:  # what is there now: the last look may be long ago
            self._first_at = now + FIRST_RETRY
            self._tools.scan_soon()
        if self._census.adrift and now >= self._adrift_at:
            self._adrift_at = now + ADRIFT_BEAT
            for tailer in list(self._census.adrift):
                self._drifting(tailer, now)

    @property
    def due(self) -> float:
        """When :meth:`tick` has work next."""
        due = self._adrift_at if self._census.adrift else math.inf
        return min(due, self._first_at) if self._unsaved else due

    def _drifting(self, tailer: Tailer, now: float) -> None:
        """Look at a file that was moved to where no events come from."""
        stat = self._stat(tailer) if tailer.reader is not None else None
        if stat is None:
            del self._census.adrift[tailer]
        elif not stat.links:
            del self._census.adrift[tailer]
            self._out_of_sight(tailer, stat)
        elif stat.size != tailer.size:
            self._census.grew(tailer)
        elif tailer.state is File.FINISHED and tailer.settled and now - tailer.grew_at > FORGET_AFTER:
            self._census.unbind(tailer)
            self._census.gone(tailer, now)
