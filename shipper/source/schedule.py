"""Which stream is to be looked at next: at once, at a time, or when its topic is there. Pure; pump thread only."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Schedule(Generic[T]):
    """The streams of one source that somebody has to look at; each at most once in each list."""

    __slots__ = ("_blocked", "_ready", "_waiting")

    def __init__(self) -> None:
        # In turn. Of a dict the first one would be found behind all that were taken from it before.
        self._ready: OrderedDict[T, None] = OrderedDict()
        self._waiting: dict[T, float] = {}  # until a time, whatever the events say
        self._blocked: dict[str, dict[T, None]] = {}  # by topic

    def now(self, stream: T) -> None:
        """Look at ``stream`` as soon as it is its turn."""
        self._ready[stream] = None

    def later(self, stream: T, due: float) -> None:
        """Look at ``stream`` at ``due``."""
        self._waiting[stream] = due

    def block(self, stream: T, topic: str) -> None:
        """Look at ``stream`` when ``topic`` is there."""
        self._blocked.setdefault(topic, {})[stream] = None

    def drop(self, stream: T) -> None:
        """Forget ``stream``."""
        self._ready.pop(stream, None)
        self._waiting.pop(stream, None)
        for blocked in self._blocked.values():
            blocked.pop(stream, None)

    def next(self) -> T | None:
        """Return whose turn it is, and take it off the list."""
        return self._ready.popitem(last=False)[0] if self._ready else None

    def ripen(self, now: float, topic_ready: Callable[[str], bool]) -> None:
        """Let those be looked at whose time, or whose topic, has come."""
        for stream in [t for t, due in self._waiting.items() if due <= now]:
            del self._waiting[stream]
            self._ready[stream] = None
        for topic in [t for t in self._blocked if topic_ready(t)]:
            self._ready.update(self._blocked.pop(topic))

    @property
    def hungry(self) -> bool:
        """Whether it is anybody's turn."""
        return bool(self._ready)

    @property
    def blocked_on(self) -> str | None:
        """A topic that is waited for."""
        return next(iter(self._blocked), None)

    @property
    def due(self) -> float:
        """When :meth:`ripen` has work next."""
        return min(self._waiting.values(), default=float("inf"))
