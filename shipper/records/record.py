"""What the steps of the record stage are given, and what they say of themselves. Values only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from shipper.model import Headers

Fields = dict[str, Any]
Offsets = Callable[[], Sequence[int]]  # where each event of a read begins in its file; costs something


class Given(NamedTuple):
    """What is known of the events of a read besides their bytes, where they are entries of the journal.

    ``times``: milliseconds since 1970. ``cursors`` say in all the world which entry each is.
    """

    fields: list[Fields]
    times: list[int]
    cursors: list[str]

    def kept(self, index: Sequence[int]) -> Given:
        """Return the same of the events at ``index``."""
        return Given(*([every[i] for i in index] for every in self))  # type: ignore[arg-type]  # of three kinds


class Tally:
    """What the steps of one source count while they work. ``dropped``: events, by the rule that dropped them.

    ``noted``: whatever else is to be known of, by its name, as ``parse_error``.
    """

    __slots__ = ("dropped", "noted", "why")

    def __init__(self) -> None:
        self.why: dict[str, str] = {}  # of what is noted, in words: the last one
        self.dropped: Counter[str] = Counter()
        self.noted: Counter[str] = Counter()


class FileValues(Protocol):
    """What the records of one file generation have in common."""

    @property
    def path(self) -> bytes:
        """Under which it was first found."""

    @property
    def uid(self) -> str:
        """Which generation it is, in all the world."""

    @property
    def generation(self) -> int:
        """Which one of its path."""

    @property
    def topic(self) -> str:
        """Where its records go, unless they say more."""

    @property
    def key(self) -> bytes:
        """Their key, unless they say more."""


@dataclass(slots=True)
class Record:
    """One record on its way, as a processor sees it.

    ``message`` is the event's bytes, redacted; ``fields`` what was parsed of it, ``None`` where it has not been;
    ``timestamp`` milliseconds since 1970, ``None``: the time of sending. ``headers`` are put behind those that the
    configuration asks for. What is set of ``topic``, ``key`` and ``value`` stands instead of what the configuration
    says. ``path``, ``offset``, ``source`` and ``host`` say where it comes from.
    """

    message: bytes
    fields: Fields | None = None
    timestamp: int | None = None
    headers: Headers = field(default_factory=list)
    topic: str | None = None
    key: bytes | None = None
    value: bytes | None = None
    path: str = ""
    offset: int = 0
    source: str = ""
    host: str = ""
