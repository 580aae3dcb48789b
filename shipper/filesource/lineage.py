"""The generations of one path, in the order in which their lines must leave. Pure bookkeeping; pump thread only.

``gens`` are the generations that are unfinished or not yet settled, oldest first; the first unfinished one is the
current: only it is read (I3). ``past`` are finished ones, kept to ship what comes late and to recognise their copies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from shipper.lifecycle import File, FileEvent
from shipper.model import FileId
from shipper.tailer import Tailer

DONE = (File.FINISHED, File.LOST)


class Hold(NamedTuple):
    """A rotated file of which nothing can be said yet, and that may be a generation: those after it wait."""

    rank: tuple[int, ...]
    after: set[Tailer]


NOTHING: Mapping[FileId, Hold] = {}


class Lineage:
    """The generations of one path."""

    __slots__ = ("generation", "gens", "holds", "past", "path", "succeeded")

    def __init__(self, path: bytes) -> None:
        self.path = path
        self.gens: list[Tailer] = []
        self.past: Sequence[Tailer] = ()  # of most paths there are none
        self.generation = 0  # of the next one
        self.succeeded = False  # the current one's successor has shown its first byte
        self.holds: Mapping[FileId, Hold] = NOTHING

    @property
    def current(self) -> Tailer | None:
        """The generation that may be read now."""
        if len(self.gens) == 1 and not self.holds:  # most often, and asked for each chunk
            return None if self.gens[0].state in DONE else self.gens[0]
        current = next((t for t in self.gens if t.state not in DONE), None)
        return None if any(current in hold.after for hold in self.holds.values()) else current

    def successor(self, tailer: Tailer) -> Tailer | None:
        """Return the generation that comes after ``tailer``, which must be unfinished or unsettled."""
        return None if self.gens[-1] is tailer else next(iter(self.successors(tailer)), None)

    def successors(self, tailer: Tailer) -> list[Tailer]:
        """Return all generations that come after ``tailer``, which must be unfinished or unsettled."""
        return self.gens[self.gens.index(tailer) + 1 :]

    def members(self) -> Iterator[Tailer]:
        """Yield every generation that is known, the newest first."""
        yield from reversed(self.gens)
        yield from reversed(self.past)

    def add(self, tailer: Tailer, *, before: Tailer | None = None) -> None:
        """Take in a new generation: as the newest, or before one that waits."""
        if before is not None:
            self.gens.insert(self.gens.index(before), tailer)
        elif self.gens:
            self.gens.append(tailer)
        else:
            self.gens = [tailer]  # without room for more: of most paths there is one only
        self.generation = max([self.generation, *(t.generation + 1 for t in self.gens)])
        for older in self.gens[: self.gens.index(tailer)]:
            if older.state not in DONE:
                older.event(FileEvent.REPLACED)
        if self.gens[-1] is not tailer:
            tailer.event(FileEvent.REPLACED)

    def insert(self, tailer: Tailer, before: Tailer) -> list[Tailer]:
        """Take in a new generation before others, which wait; returns those whose numbers have changed with that."""
        self.add(tailer, before=before)
        moved = self.gens[self.gens.index(tailer) :]
        _number(moved, [*moved[1:], tailer])
        return moved

    def move(self, tailer: Tailer, *, behind: Tailer) -> list[Tailer]:
        """Let a generation come after a later one; returns those whose numbers have changed with that."""
        first, last = self.gens.index(tailer), self.gens.index(behind)
        before = self.gens[first : last + 1]
        moved = self.gens[first : last + 1] = [*before[1:], tailer]
        _number(moved, before)
        self.succeeded = False
        return moved

    def let_be_newest(self, tailer: Tailer) -> list[Tailer]:
        """Let a generation come last, where those after it have not been begun; returns those that have other numbers.

        It may have been: then it goes on after them, and can still grow. Not in the middle of a line.
        """
        if tailer not in self.gens or tailer is self.gens[-1] or tailer.part or tailer.record:
            return []
        others = (t for t in self.successors(tailer) if t.file_id != tailer.file_id)  # in its file before it: older
        if any(t.read.offset or t.state is not File.WAITING for t in others):
            return []
        moved = self.move(tailer, behind=self.gens[-1])
        if tailer.state is File.DRAINING:
            tailer.event(FileEvent.RETURNED)
        return moved

    def advance(self) -> Tailer | None:
        """Let the current generation have its turn; returns it where it had been waiting."""
        current = self.current
        if current is None or current.state is not File.WAITING:
            return None
        self.succeeded = False
        current.event(FileEvent.TURN)
        if self.successor(current) is not None or not current.linked:
            current.event(FileEvent.REPLACED)
        return current

    def retire(self) -> list[Tailer]:
        """Move what is finished and settled out of the way of the others; returns it."""
        retired = []
        while self.gens and self.gens[0].state in DONE and self.gens[0].settled:
            retired.append(self.gens.pop(0))
        self.past = (*self.past, *retired)
        return retired

    def keep(self, tailer: Tailer) -> None:
        """Take in a generation that was finished before."""
        self.past = (*self.past, tailer)
        self.generation = max(self.generation, tailer.generation + 1)

    def forget(self, tailer: Tailer) -> None:
        """Forget a generation that was put away."""
        self.past = tuple(t for t in self.past if t is not tailer)

    def revive(self, tailer: Tailer) -> None:
        """Have a generation read again before all others, if it was put away."""
        if tailer in self.past:
            self.forget(tailer)
            self.gens.insert(0, tailer)

    def hold(self, file_id: FileId, hold: Hold) -> None:
        """Let generations wait for a file."""
        self.holds = {**self.holds, file_id: hold}

    def release(self, file_id: FileId) -> bool:
        """Let none wait for a file any more; whether any did."""
        held = file_id in self.holds
        if held:
            self.holds = {id_: hold for id_, hold in self.holds.items() if id_ != file_id} or NOTHING
        return held


def _number(order: list[Tailer], before: list[Tailer]) -> None:
    """Let the numbers say in which order generations are now: they are the order after a restart."""
    for tailer, number in zip(order, [t.generation for t in before], strict=True):
        tailer.generation = number
