"""What the pump asks of a source, and what sending and delivery ask of that which it reads from. Pump thread only."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from shipper.ledger import Position, Track
from shipper.model import Checkpoint, Sink, SourceState, TopicState
from shipper.records import Given

if TYPE_CHECKING:
    from shipper.source.delivery import Delivery


class Place(Protocol):
    """Where a read begins: at the read position, or further on inside of a long event."""

    @property
    def read(self) -> Position: ...  # noqa: D102


class Batch(Protocol):
    """What one read gave: whole events, or one part of an event that is longer than ``max_line``.

    ``part`` counts from 1 for a part, 0 otherwise; ``last`` is False for a part that is not the end of its event, whose
    ``end`` then is where the event begins. ``size``: bytes read. ``full``: of a long event that is shortened, its own
    bytes; 0 otherwise. ``replaced``: events that held bytes which are not of the encoding. ``ahead``: what follows a
    part or a beginning in its event, ``records.seams.ahead_of`` so many rules, or all: it is redacted over the border.
    """

    @property
    def lines(self) -> list[bytes]: ...  # noqa: D102
    @property
    def end(self) -> Position: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def part(self) -> int: ...  # noqa: D102
    @property
    def last(self) -> bool: ...  # noqa: D102
    @property
    def full(self) -> int: ...  # noqa: D102
    @property
    def replaced(self) -> int: ...  # noqa: D102
    @property
    def ahead(self) -> bytes: ...  # noqa: D102

    @property
    def given(self) -> Given | None:
        """What is known of the events besides their bytes."""

    def offsets(self, start: int) -> list[int]:
        """Return where each of the events begins, of which the first one begins at ``start``."""

    def begun(self, at: Position) -> Any:
        """Return the same as the beginning of an event that stays at its beginning, ``at``: more of it is to come."""


class Stream(Hashable, Protocol):
    """What a source reads from, in order: one generation of a file, a journal. Its batches and places are its own kind.

    ``read`` is the read position, ``track`` has what is in flight. ``record``: how many records of the event at the
    read position were sent, while they go one by one; ``part``: how many parts of it.
    """

    part: int
    record: int

    @property
    def source(self) -> str: ...  # noqa: D102
    @property
    def path(self) -> bytes: ...  # noqa: D102
    @property
    def uid(self) -> str: ...  # noqa: D102
    @property
    def generation(self) -> int: ...  # noqa: D102
    @property
    def topic(self) -> str: ...  # noqa: D102
    @property
    def key(self) -> bytes: ...  # noqa: D102
    @property
    def max_line(self) -> int: ...  # noqa: D102
    @property
    def track(self) -> Track: ...  # noqa: D102
    @property
    def read(self) -> Position: ...  # noqa: D102

    @property
    def settled(self) -> bool:
        """Everything that was read is acknowledged."""

    @property
    def gone(self) -> bool:
        """Nothing more of it can be read."""

    def put_back(self, place: Any) -> None:
        """Have what was taken last read again; nothing of it may have been sent that does not end at ``place``."""

    def shorten(self, batch: Any, start: int, count: int) -> Any:
        """Return the first ``count`` events of ``batch``, which was taken last and began at ``start``.

        The others are read again. There are more of them where no position may stand behind so few.
        """

    def pass_over(self, position: Position) -> None:
        """Go on at ``position``, which is beyond the read position; what stands before it is taken care of."""


class Keeper(Protocol):
    """Who keeps the streams of a source, and is told what became of each."""

    def sent(self, stream: Any, batch: Any, start: int, records: int) -> None:
        """Take note that ``batch`` was sent as ``records`` records; it began at ``start``."""

    def changed(self, streams: Sequence[Any]) -> None:
        """Take note that their acked positions have moved, and are to be saved."""

    def settled(self, streams: Sequence[Any]) -> None:
        """Take note that everything that was sent of them is acknowledged."""

    def rewind(self, stream: Any) -> None:
        """Have it read again from its acked position; nothing of it is in flight."""


class FirstScanStore(Protocol):
    """What a source needs of the checkpoint store."""

    def record_first_scan(self, source: str, files: Sequence[Checkpoint]) -> None:
        """Save a source's first scan durably; raises StateError."""


class Problem(NamedTuple):
    """What keeps a source from going on, and what to do about it, in words."""

    what: str
    remedy: str


UNSAVED = Problem("waits until its first scan can be saved", "see the log for why state_dir cannot be written")


class Source(Protocol):
    """One configured source. ``sink`` changes when a client is replaced."""

    name: str
    delivery: Delivery

    @property
    def sink(self) -> Sink:
        """Where its records go."""

    @sink.setter
    def sink(self, sink: Sink) -> None: ...

    # turns

    @property
    def hungry(self) -> bool:
        """Whether a turn may find something to read."""

    def turn(self) -> bool:
        """Read and send one chunk; False where there is nothing to read."""

    def tick(self) -> None:
        """Do what is due."""

    def due(self) -> float:
        """Return when :meth:`tick` has work next."""

    # its end, while others go on

    def leave(self, *, leaving: bool = True) -> None:
        """Read nothing more, but for the rest of an event that has begun to go; or go on after all."""

    @property
    def drained(self) -> bool:
        """Whether it is to leave, and nothing that it has sent can still be settled."""

    def close(self) -> None:
        """Let go of what it keeps open."""

    def end(self) -> tuple[list[Checkpoint], list[tuple[str, str]], SourceState]:
        """Let go of what was not taken, as nothing of it is in flight.

        Returns what :meth:`changes` does for the last time, and all that is known of it, for whoever goes on with it.
        """

    # what is saved

    @property
    def scanned(self) -> bool:
        """Whether its first scan of all has been recorded."""

    @property
    def has_changes(self) -> bool:
        """Whether there is anything to be saved."""

    def all_changed(self) -> None:
        """Note that every checkpoint is to be saved."""

    def changes(self) -> tuple[list[Checkpoint], list[tuple[str, str]]]:
        """Return the checkpoints that changed since the last call, and those to be removed, as (source, uid)."""

    def prepare(self) -> tuple[list[Checkpoint], list[tuple[str, str]]]:
        """Return what :meth:`changes` will be when everything that was sent is committed."""

    def take_back(self) -> None:
        """Note that what :meth:`prepare` returned has not come true."""

    # what is shown

    @property
    def problem(self) -> Problem | None:
        """What keeps it from reading, if something does."""

    @property
    def topic_awaited(self) -> tuple[str, TopicState] | None:
        """A topic that is not ready and that something waits for, if there is one."""

    @property
    def why_idle(self) -> str:
        """Say in words why nothing is read now, or that something is."""

    @property
    def files(self) -> int:
        """How many files it has."""

    @property
    def waiting_bytes(self) -> int:
        """Bytes known to be there that were not read."""
