"""Searches for the bytes of a generation whose file is gone or holds others: in a copy, a compressed or a restored one.

What cannot be found is lost, and told. Pump thread only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from shipper.filesource.around import Around
from shipper.filesource.census import Census
from shipper.filesource.lineage import DONE
from shipper.filesource.loose import Loose
from shipper.filesource.parting import Parting
from shipper.filesource.putoff import PutOff
from shipper.filesource.tools import Tools
from shipper.filesource.undecided import BEAT
from shipper.lifecycle import File
from shipper.model import FileState, Seen
from shipper.source.schedule import Schedule
from shipper.tailer import Tailer

TRUNCATED = "truncated before it was read to its end, and no copy was found"
DELETED = "deleted before it was read to its end"


class Search:
    """Searches for one source's missing bytes. ``take(unknown, doubtful)`` decides what unknown files are."""

    def __init__(
        self,
        census: Census,
        schedule: Schedule[Tailer],
        loose: Loose,
        around: Around,
        parting: Parting,
        putoff: PutOff,
        tools: Tools,
        take: Callable[[Iterable[Seen], Iterable[Tailer]], None],
    ) -> None:
        self._census = census
        self._schedule = schedule
        self._loose = loose
        self._around = around
        self._parting = parting
        self._putoff = putoff
        self._clock = tools.clock
        self._quiet = tools.quiet
        self._take = take

    def changed(self, tailer: Tailer) -> None:
        """Take note that a file's id leads to other bytes than were read of it, and look for these."""
        self.search(tailer, *self._parting.release(tailer))

    def search(self, tailer: Tailer, *others: Seen, why: str = TRUNCATED) -> None:
        """Look for a file's bytes among ``others`` and its neighbours; what cannot be found is lost, and why is told.

        A copy that was left alone while the file itself could be read is all that there is of it now.
        """
        census = self._census
        found = self._around.neighbours(map(os.path.dirname, (tailer.seen_as, os.path.realpath(tailer.seen_as))))
        unknown = {one.file_id: one for one in others}
        self._loose.nameless |= {id_ for id_ in unknown if id_ not in found or not found[id_].adoptable}
        for file_id, one in found.items():
            left = census.left.get(file_id)
            known = file_id in census.by_id or (left is not None and left.state is FileState.LEFT)
            if known or (file_id in unknown and not one.adoptable):  # a second name takes nothing from what was open
                continue
            # Also a copy, or what has another name than a rotation gives: of this one, perhaps.
            unknown[file_id] = one if one.adoptable else one._replace(base=tailer.path)
        self._take(unknown.values(), ())
        if tailer.detached and tailer.state not in DONE:
            self.give_up(tailer, why)

    def outlived(self, tailer: Tailer) -> None:
        """Take note that a file's id is another one's now, which only a look around has told."""
        if tailer.detached and tailer.state not in DONE:
            self.search(tailer, why=DELETED)
        else:
            self.vanished(tailer)

    def vanished(self, tailer: Tailer) -> None:
        """Take note that a file's name and id lead elsewhere, unless it has been found again meanwhile."""
        if tailer.detached and tailer.state not in DONE and tailer.lost:
            self._take((), self._census.lineages[tailer.path].gens)  # it may have been copied over one of them
        if tailer.detached and tailer.state is not File.LOST and self._census.left.has_copies(tailer.path):
            self.search(tailer, why=DELETED)  # a finished one too: late lines may be in its copy
        if tailer.detached:
            self.give_up(tailer, DELETED)

    def give_up(self, tailer: Tailer, why: str) -> None:
        """Take note that a file's bytes are nowhere, unless they may be in one that can be looked into soon.

        Not before names are at rest: what holds them may have been renamed just when it was to be looked into.
        """
        now = self._clock()
        if tailer.state not in DONE and (self._putoff.may_hold(tailer.path) or not self._quiet()):
            self._schedule.drop(tailer)  # whatever has been seen during the search, it was not found
            self._schedule.later(tailer, now + BEAT)
        elif tailer.finished and not tailer.settled:
            self._census.gone(tailer, now)  # it is searched for once more if it has to be sent again
        else:
            self._census.lose(tailer, why, now)

    def follow(self, missing: Iterable[Tailer]) -> None:
        """Go on with files whose names are gone, where their ids lead to names that no rule knows."""
        by_id = {tailer.file_id: tailer for tailer in missing}
        for directory in dict.fromkeys(os.path.dirname(tailer.seen_as) for tailer in by_id.values()):
            seen = self._around.seen([directory])
            strange = [one for one in seen if one.file_id in by_id and not one.adoptable]
            self._take([one._replace(base=by_id[one.file_id].path) for one in strange], ())
