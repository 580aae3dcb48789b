"""Which file is to be looked at next: at once, at a time, or when its topic is there. Pure; pump thread only."""

from __future__ import annotations

from collections.abc import Callable

from shipper.tailer import Tailer


class Schedule:
    """The files of one source that somebody has to look at; each at most once in each list."""

    __slots__ = ("_blocked", "_ready", "_waiting")

    def __init__(self) -> None:
        self._ready: dict[Tailer, None] = {}  # in turn
        self._waiting: dict[Tailer, float] = {}  # until a time, whatever the events say
        self._blocked: dict[str, dict[Tailer, None]] = {}  # by topic

    def now(self, tailer: Tailer) -> None:
        """Look at ``tailer`` as soon as it is its turn."""
        self._ready[tailer] = None

    def later(self, tailer: Tailer, due: float) -> None:
        """Look at ``tailer`` at ``due``."""
        self._waiting[tailer] = due

    def block(self, tailer: Tailer, topic: str) -> None:
        """Look at ``tailer`` when ``topic`` is there."""
        self._blocked.setdefault(topic, {})[tailer] = None

    def drop(self, tailer: Tailer) -> None:
        """Forget ``tailer``."""
        self._ready.pop(tailer, None)
        self._waiting.pop(tailer, None)
        for blocked in self._blocked.values():
            blocked.pop(tailer, None)

    def next(self) -> Tailer | None:
        """Return whose turn it is, and take it off the list."""
        for tailer in self._ready:
            del self._ready[tailer]
            return tailer
        return None

    def ripen(self, now: float, topic_ready: Callable[[str], bool]) -> None:
        """Let those be looked at whose time, or whose topic, has come."""
        for tailer in [t for t, due in self._waiting.items() if due <= now]:
            del self._waiting[tailer]
            self._ready[tailer] = None
        for topic in [t for t in self._blocked if topic_ready(t)]:
            self._ready |= self._blocked.pop(topic)

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
