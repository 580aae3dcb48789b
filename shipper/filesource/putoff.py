"""Puts off files of which nothing can be said yet, tells of them, and lets younger generations wait for them.

When each is to be looked at again is a matter of ``undecided``. Pump thread only.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable

from shipper.files import BROKEN, Reader
from shipper.filesource.around import relatives
from shipper.filesource.census import Census
from shipper.filesource.lineage import DONE, Lineage
from shipper.filesource.tools import Tools
from shipper.filesource.undecided import Case, Undecided, Why
from shipper.model import FileId, Seen


class Unsure(Exception):
    """Nothing can be said of a file yet."""

    def __init__(self, why: Why, reason: str = "") -> None:
        super().__init__(reason)
        self.why = why
        self.reason = reason


def unreadable(error: OSError, reader: Reader | None = None) -> Unsure:
    """Return why nothing can be said of a file; ``reader``: it is open, and another may be what cannot be read."""
    if error.errno is None:
        return Unsure(Why.INCOMPLETE, str(error))  # what bz2 and gzip raise for a damaged file
    reason = error.strerror or str(error)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return Unsure(Why.CROWDED, reason)
    try:
        related = reader is not None and bool(reader.read(1, 0))
    except BROKEN:
        related = False
    return Unsure(Why.RELATED if related else Why.UNREADABLE, reason)


class PutOff:
    """What waits for one source's undecided files."""

    def __init__(self, census: Census, undecided: Undecided, tools: Tools) -> None:
        self._census = census
        self._undecided = undecided
        self._events = tools.events
        self._clock = tools.clock

    def put(self, one: Seen, unsure: Unsure, kin: list[Lineage], *, own: bool) -> None:
        """Keep a file of which nothing can be said yet. Where it is a generation, perhaps, those after it wait.

        ``kin``: the lineages whose bytes it may hold. ``own``: it is known to have had the name of its path.
        """
        why, now = unsure.why, self._clock()
        if not one.adoptable and not one.rank:
            self.drop(one.file_id)  # one of many in its directory
            return
        before = self._undecided.cases.get(one.file_id)
        case = self._undecided.put(one, why, now)
        if before is not None and before is not case:
            self._release(before)
        case.reason, case.own = unsure.reason, own
        if why is Why.UNREADABLE and not case.told:
            case.told = True
            self._events.file_unreadable(self._census.source, one.path, case.reason)
        if why is Why.INCOMPLETE and not case.told:
            missing = [r.path for r in kin if any(t.detached and t.state not in DONE for t in r.gens)]
            if one.path != one.base and not self._is_known_plain(one):
                missing.append(one.base)
            self._hold(case, missing)
        if why in (Why.CROWDED, Why.RELATED) and one.path != one.base:
            self._hold(case, [one.base])
        if before is not case:
            self._events.file_undecided(self._census.source, one.path, one.file_id.ino, why.value, case.held)

    def drop(self, file_id: FileId) -> None:
        """Forget a file of which nothing could be said."""
        if (case := self._undecided.drop(file_id)) is not None:
            self._release(case)

    def give_up(self, case: Case) -> None:
        """Tell, once, of a file that stays incomplete, and let nothing wait for it any more."""
        if case.why is Why.INCOMPLETE and not case.told and case.given_up(self._clock()):
            case.told = True
            self._events.file_incomplete(self._census.source, case.one.path, case.reason)
            self._release(case)

    def has_taken_over(self, case: Case) -> bool:
        """Whether what was being compressed has gone meanwhile, so that nothing has waited for the compressed file."""
        rotated = case.one.path != case.one.base
        return rotated and not case.told and not case.held and not self._is_known_plain(case.one)

    def may_hold(self, path: bytes) -> bool:
        """Whether a path's bytes may be in a file that is still being compressed, or that there is no descriptor for.

        Its generations wait for that file then.
        """
        lineage = self._census.lineages[path]
        for case in self._undecided.cases.values():
            # While the file that is being compressed was there itself, nothing had to wait for its compressed form.
            incomplete = case.why is Why.INCOMPLETE and not case.told and not self._is_known_plain(case.one)
            waits = incomplete or case.why in (Why.CROWDED, Why.RELATED)
            if waits and lineage in relatives(self._census, case.one):
                self._hold(case, [path])
        return bool(lineage.holds)

    def _is_known_plain(self, one: Seen) -> bool:
        """Whether what is being compressed is a known file, and there itself."""
        return one.path.removesuffix(b"." + one.compression.encode()) in self._census.by_name

    def _hold(self, case: Case, paths: Iterable[bytes]) -> None:
        """Let the later generations of some paths wait for a file."""
        case.held = tuple(dict.fromkeys([*case.held, *paths]))
        for path in case.held:
            self._census.hold(path, case.one)

    def _release(self, case: Case) -> None:
        held, case.held = case.held, ()
        for path in held:
            self._census.release(path, case.one.file_id)
