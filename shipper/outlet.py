"""The client that records go to: made, given up for a new one, and looked into by who taps. Pump thread only.

Every source sends to the client in use, through the taps that are open for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shipper.health import SinkWithStatus
from shipper.model import Clock, Sink
from shipper.source import Source
from shipper.tap import Taps

REPLACE_BEAT = 2.0  # seconds between two new clients, at least


class Outlet:
    """Where the records of ``sources``, which may change, go. ``pause`` waits for so many seconds, or for the end.

    ``before`` returns what comes before a client: nothing, where it is None.
    """

    def __init__(
        self,
        make: Callable[[], SinkWithStatus],
        sources: Mapping[str, Source],
        taps: Taps,
        clock: Clock,
        pause: Callable[[float], object],
        before: Callable[[Sink], Sink] | None = None,
    ) -> None:
        self._make = make
        self._sources = sources
        self._taps = taps
        self._taps_seen = taps.version
        self._clock = clock
        self._pause = pause
        self._before = before or (lambda client: client)
        self._client: SinkWithStatus | None = None
        self._replaced_at = -REPLACE_BEAT

    @property
    def client(self) -> SinkWithStatus:
        """The client in use."""
        assert self._client is not None
        return self._client

    def open(self) -> SinkWithStatus:
        """Make the first client; returns it."""
        self._client = self._make()
        return self._client

    def through(self, source: str) -> Sink:
        """Return what a source is to send to."""
        return self._taps.through(source, self._before(self.client))

    def look(self) -> None:
        """Let the sources send through the taps that are open now."""
        if self._taps.look() != self._taps_seen:
            self._taps_seen = self._taps.version
            self._connect()

    def replace(self) -> None:
        """Go on with a new client; the old one has been closed."""
        if self._clock() - self._replaced_at < REPLACE_BEAT:  # whatever kills each new client must not become a loop
            self._pause(REPLACE_BEAT)
        self._replaced_at = self._clock()
        self.open()
        self._connect()

    def close(self) -> None:
        """Let go of the client, if there ever was one."""
        if self._client is not None:
            self._client.close(0.0)

    def _connect(self) -> None:
        for source in self._sources.values():
            source.sink = self.through(source.name)
