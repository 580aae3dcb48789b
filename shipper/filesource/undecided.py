"""Files of which nothing can be said yet, and when each is to be looked at again. Pure; pump thread only.

What is empty or incomplete is not looked at again before it has changed, and what is being written not before it is
still: to look at a compressed file is to decompress it. What cannot be read is tried again, ever more seldom.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from shipper.model import FileId, Seen

BEAT = 1.0  # seconds between two questions whether a file has changed
STILL = 5.0  # seconds without a change after which a file that was written over is taken for what it is then
PATIENCE = 30.0  # seconds without a change after which an incomplete file is no longer waited for
RETRY_LAST = 60.0  # seconds between looks at what is empty or cannot be read, at most


class Why(Enum):
    """Why nothing can be said of a file."""

    EMPTY = "empty"
    INCOMPLETE = "incomplete"  # compressed, and cut short or damaged: it is being written, or always will be like this
    UNREADABLE = "unreadable"
    CROWDED = "crowded"  # as many files are open as may be
    RELATED = "related"  # a file that it may be the copy of cannot be read
    OVERWRITTEN = "overwritten"  # a rotated file that was compressed gets other bytes, as shredders write them


@dataclass(slots=True)
class Case:
    """One file. ``told``: that it cannot be read has been said."""

    one: Seen
    why: Why
    changed_at: float
    due: float
    delay: float = BEAT
    fresh: bool = False  # it has changed since it was judged
    ready: bool = False  # it may be judged now
    told: bool = False
    reason: str = ""  # in words
    held: tuple[bytes, ...] = ()  # the paths whose later generations wait for it
    own: bool = False  # it is known to have had the name of its path

    def became(self, one: Seen) -> bool:
        """Whether ``one``, which has the id, is the file of its path, rotated since perhaps."""
        before = self.one
        return self.own and self._grown(one) and (before.base, before.compression) == (one.base, one.compression)

    def concerns(self, one: Seen) -> bool:
        """Whether ``one``, which has the id, can be the file, renamed perhaps; else the id was given to another."""
        before = self.one
        kind = (before.base, before.compression, before.path == before.base)
        same = before.path == one.path or (before.size, before.mtime_ns) == (one.size, one.mtime_ns)
        same |= one.rank < before.rank and self._grown(one)  # rotated further while it was written to
        return same and kind == (one.base, one.compression, one.path == one.base)

    def _grown(self, one: Seen) -> bool:
        return one.size >= self.one.size and one.mtime_ns >= self.one.mtime_ns

    def given_up(self, now: float) -> bool:
        """Whether an incomplete file has not changed for so long that nothing waits for it any more."""
        return now - self.changed_at >= PATIENCE


class Undecided:
    """The files of one source of which nothing can be said yet, by their ids."""

    def __init__(self) -> None:
        self.cases: dict[FileId, Case] = {}

    def put(self, one: Seen, why: Why, now: float) -> Case:
        """Take in a file of which nothing could be said just now, for the first time or again."""
        case = self.cases.get(one.file_id)
        if case is None or case.why is not why:
            case = self.cases[one.file_id] = Case(one, why, now, now + BEAT)
        else:
            self._note(case, one, now)
        case.fresh = case.ready = False
        return case

    def drop(self, file_id: FileId) -> Case | None:
        """Forget a file; returns what was known of it."""
        return self.cases.pop(file_id, None)

    def empty_of(self, base: bytes) -> list[Case]:
        """Return those of a path's rotated files that were empty."""
        return [case for case in self.cases.values() if case.why is Why.EMPTY and case.one.base == base]

    def ripe(self, now: float) -> list[Case]:
        """Return those whose files are to be looked at."""
        return [case for case in self.cases.values() if case.due <= now]

    def look(self, case: Case, one: Seen, now: float) -> bool:
        """Note that a file is as ``one`` says; returns whether it may be judged now."""
        changed = self._note(case, one, now)
        match case.why:
            case Why.EMPTY:
                case.ready = changed
            case Why.INCOMPLETE:
                case.ready = case.fresh and not changed
            case Why.OVERWRITTEN:
                case.ready = now - case.changed_at >= STILL
            case Why.UNREADABLE | Why.CROWDED | Why.RELATED:
                case.ready = True
        return case.ready

    @property
    def due(self) -> float:
        """When a file is to be looked at next."""
        return min((case.due for case in self.cases.values()), default=math.inf)

    @staticmethod
    def _note(case: Case, one: Seen, now: float) -> bool:
        """Note how a file is now; returns whether that is otherwise than before."""
        changed = (case.one.size, case.one.mtime_ns) != (one.size, one.mtime_ns)
        if changed:
            case.changed_at = now
            case.fresh = True
        case.one = one
        if case.why in (Why.EMPTY, Why.UNREADABLE):
            case.delay = BEAT if changed else min(case.delay * 2, RETRY_LAST)
        case.due = now + case.delay
        return changed
