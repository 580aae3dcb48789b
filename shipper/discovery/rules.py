"""What the patterns of all sources say about a directory and the names in it. Pure and unchanging; any thread.

The patterns together are one automaton that reads a path component by component. A :class:`State` is where it stands
in a directory: which names may lead to matching files (:meth:`Rules.child`) and which names are such files, or rotated
siblings of one (:meth:`Rules.claims`). So one walk serves every source, and visits no directory that cannot matter.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from shipper.config import FileConfig
from shipper.discovery.globs import Component, Exclude, Pattern, expand, fixed
from shipper.discovery.rotation import compression, readings
from shipper.paths import Trust


class Watched(NamedTuple):
    """A source as discovery knows it; ``watch`` and ``follow`` (its ``follow_symlinks``) are as it is configured."""

    name: str
    paths: tuple[bytes, ...]
    exclude: tuple[bytes, ...]
    watch: str
    follow: str = "same_owner"

    @classmethod
    def of(cls, source: FileConfig) -> Watched:
        """Return the part of a configuration that discovery needs."""
        paths, exclude = (tuple(map(os.fsencode, patterns)) for patterns in (source.paths, source.exclude))
        return cls(source.name, paths, exclude, source.watch, source.follow_symlinks)

    @property
    def trust(self) -> Trust:
        """Which links the source follows."""
        return Trust(self.follow, frozenset(d for path in self.paths for d in fixed(path)))


class Claim(NamedTuple):
    """Why a name concerns a source (its index): see ``model.Seen`` for the fields."""

    source: int
    base: bytes  # a name in the same directory
    rank: tuple[int, ...]
    compression: str
    adoptable: bool


class Position(NamedTuple):
    """A place in one pattern of one source."""

    source: int
    pattern: int
    at: int


class State:
    """All that the patterns say about one directory: ``way`` are the positions that lead on, ``last`` the file names.

    ``literals`` are the only names that lead on, or None where a wildcard must be compared with the directory's names.
    """

    __slots__ = ("last", "lists", "literals", "poll", "positions", "sources", "way")

    def __init__(self, positions: frozenset[Position], patterns: Sequence[Sequence[Pattern]], polled: set[int]) -> None:
        self.positions = positions
        self.way: list[tuple[Position, Pattern]] = []
        self.last: dict[int, list[Component]] = {}
        literals: set[bytes] | None = set()
        for position in sorted(positions):
            pattern = patterns[position.source][position.pattern]
            component = pattern.components[position.at]
            if component is not None and position.at == len(pattern.components) - 1:
                self.last.setdefault(position.source, []).append(component)
                continue
            self.way.append((position, pattern))
            if component is None or component.literal is None:
                literals = None
            elif literals is not None:
                literals.add(component.literal)
        self.literals = None if literals is None else frozenset(literals)
        self.lists = bool(self.last) or self.literals is None
        self.sources = frozenset(position.source for position in positions)
        self.poll = self.lists and not polled.isdisjoint(self.sources)

    def matches(self, source: int, name: bytes) -> bool:
        """Whether a file ``name`` here is what a pattern of ``source`` means."""
        for component in self.last.get(source, ()):  # noqa: SIM110 - half the time of any(), for every name of a scan
            if component.matches(name):
                return True
        return False


class Rules:
    """The automaton of all sources. ``root`` is the state of ``/``."""

    def __init__(self, sources: Sequence[Watched]) -> None:
        self.sources = tuple(sources)
        self.excludes = [Exclude(source.exclude) for source in sources]
        self._patterns = [[Pattern(one) for path in source.paths for one in expand(path)] for source in sources]
        self.trusts = [source.trust for source in sources]
        self._polled = {i for i, source in enumerate(sources) if source.watch == "poll"}
        self._states: dict[frozenset[Position], State] = {}
        self.root = self._state(
            {Position(s, p, 0) for s, several in enumerate(self._patterns) for p in range(len(several))}
        )

    def child(self, state: State, path: bytes, name: bytes) -> State | None:
        """Return the state of the directory ``path``, which is ``name`` in one of ``state``; None: nothing below."""
        positions = {
            Position(position.source, position.pattern, at)
            for position, pattern in state.way
            for at in pattern.step(position.at, name)
        }
        excluded = {s for s in {position.source for position in positions} if self.excludes[s].covers(path)}
        positions = {position for position in positions if position.source not in excluded}
        return self._state(positions) if positions else None

    def only(self, state: State, sources: set[int]) -> State | None:
        """Return what the patterns of some sources say; None: nothing."""
        if sources >= state.sources:
            return state
        positions = {position for position in state.positions if position.source in sources}
        return self._state(positions) if positions else None

    def state(self, directory: bytes) -> State | None:
        """Return the state of ``directory``; None where no pattern leads there."""
        state: State | None = self.root
        at = b""
        for name in filter(None, directory.split(b"/")):
            at += b"/" + name
            state = self.child(state, at, name) if state is not None else None
        return state

    def claims(self, state: State, directory: bytes, name: bytes) -> tuple[Claim, ...]:
        """Return which sources the file ``name`` concerns, one claim for each at most."""
        return tuple(claim for source in state.last if (claim := self._claim(state, source, directory, name)))

    def _claim(self, state: State, source: int, directory: bytes, name: bytes) -> Claim | None:
        """Return how the file ``name`` concerns ``source``."""
        matched, exclude = state.matches(source, name), self.excludes[source]
        excluded = exclude.matches(directory, name)
        if matched and not excluded:
            return Claim(source, name, (), compression(name), adoptable=True)
        for base, rank in readings(name):
            if state.matches(source, base) and not exclude.matches(directory, base):
                return Claim(source, base, rank, compression(name), adoptable=not excluded)
        return Claim(source, name, (), compression(name), adoptable=False) if matched else None

    def _state(self, positions: set[Position]) -> State:
        """Return the one state of ``positions``, where a ``**`` may also stand for nothing."""
        closed = frozenset(positions) | {
            Position(p.source, p.pattern, p.at + 1)
            for p in positions
            if self._patterns[p.source][p.pattern].components[p.at] is None
        }
        if (state := self._states.get(closed)) is None:  # two threads may both make one: setdefault keeps the first
            state = self._states.setdefault(closed, State(closed, self._patterns, self._polled))
        return state
