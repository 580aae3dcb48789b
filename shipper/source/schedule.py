"""Which stream is to be looked at next: at once, at a time, when its topic is there, or when all others have been.

Pure; pump thread only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Schedule(Generic[T]):
    """The streams of one source that somebody has to look at; each at most once in each list."""

    __slots__ = ("_blocked", "_ready", "_sometime", "_turns", "_waiting")

    def __init__(self) -> None:
        self._ready: set[T] = set()
        self._turns: deque[T] = deque()  # the same in turn; what is not ready any more is passed over
        self._sometime: dict[T, None] = {}  # when none is ready; all of them in any order
        self._waiting: dict[T, float] = {}  # until a time, whatever the events say
        self._blocked: dict[str, dict[T, None]] = {}  # by topic

    def now(self, stream: T) -> None:
        """Look at ``stream`` as soon as it is its turn."""
        if stream not in self._ready:
            self._ready.add(stream)
            self._turns.append(stream)
            self._sometime.pop(stream, None)

    def sometime(self, stream: T) -> None:
        """Look at ``stream`` when it is nobody's turn."""
        if stream not in self._ready:
            self._sometime[stream] = None

    def later(self, stream: T, due: float) -> None:
        """Look at ``stream`` at ``due``."""
        self._waiting[stream] = due

    def block(self, stream: T, topic: str) -> None:
        """Look at ``stream`` when ``topic`` is there."""
        self._blocked.setdefault(topic, {})[stream] = None

    def drop(self, stream: T) -> None:
        """Forget ``stream``."""
        self._ready.discard(stream)
        self._sometime.pop(stream, None)
        self._waiting.pop(stream, None)
        for blocked in self._blocked.values():
            blocked.pop(stream, None)

    def has(self, stream: T) -> bool:
        """Whether ``stream`` waits for its turn, and for nothing else."""
        return stream in self._ready

    def next(self, among: Iterable[T] | None = None) -> T | None:
        """Return whose turn it is, ``among`` some if they are given, and take it off the list."""
        if among is not None:
            stream = next((stream for stream in among if stream in self._ready), None)
            self._ready -= {stream}
            return stream
        while self._turns:
            stream = self._turns.popleft()
            if stream in self._ready:
                self._ready.remove(stream)
                return stream
        if self._sometime:
            return self._sometime.popitem()[0]
        self._ready.clear()  # both are empty, and let go of the room that very many have taken
        self._sometime.clear()
        return None

    def ripen(self, now: float, topic_ready: Callable[[str], bool]) -> None:
        """Let those be looked at whose time, or whose topic, has come."""
        for stream in [t for t, due in self._waiting.items() if due <= now]:
            del self._waiting[stream]
            self.now(stream)
        for topic in [t for t in self._blocked if topic_ready(t)]:
            for stream in self._blocked.pop(topic):
                self.now(stream)

    def topic_of(self, stream: T) -> str | None:
        """Return which topic ``stream`` waits for; None where it waits for none."""
        return next((topic for topic, blocked in self._blocked.items() if stream in blocked), None)

    def waiting(self) -> Iterator[T]:
        """Yield who waits for a turn, or for a topic, in any order."""
        yield from self._ready
        for blocked in self._blocked.values():
            yield from blocked

    @property
    def hungry(self) -> bool:
        """Whether anybody may be looked at now."""
        return bool(self._ready or self._sometime)

    @property
    def blocked_on(self) -> str | None:
        """A topic that is waited for."""
        return next(iter(self._blocked), None)

    @property
    def due(self) -> float:
        """When :meth:`ripen` has work next."""
        return min(self._waiting.values(), default=float("inf"))
