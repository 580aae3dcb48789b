"""How many records of one source may be sent just now, where its configuration limits that. Pump thread only.

What was sent beyond it (one event may be several records) is made up for: nothing goes before that time has passed.
Records that are sent again count again.
"""

from __future__ import annotations

import math

from shipper.config.rules import RateLimit
from shipper.model import Clock

BURST = 1.0  # seconds' worth of records that may go at once after a rest
TURNS = 10  # in a second: what has gathered goes together, for a read costs the same for one line or many


class Rate:
    """The rate of one source. ``drops``: what may not be sent is dropped, and does not wait."""

    __slots__ = ("_at", "_clock", "_credit", "_limit", "drops")

    def __init__(self, limit: RateLimit | None, clock: Clock) -> None:
        self._limit = limit.per_second if limit is not None else 0
        self.drops = limit is not None and limit.drop
        self._clock = clock
        self._at = clock()
        self._credit = self._limit * BURST

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self._limit > 0

    @property
    def waits(self) -> bool:
        """Whether nothing may be read just now."""
        return self._limit > 0 and not self.drops and self._now() < self._least

    @property
    def allowed(self) -> int:
        """How many records may be sent now."""
        return max(0, int(self._now()))

    @property
    def due(self) -> float:
        """When it does not wait any more."""
        if not self.waits:
            return math.inf
        return self._at + (self._least - self._credit) / self._limit + 1e-6

    def sent(self, records: int) -> None:
        """Take note that so many records were sent."""
        if self._limit:
            self._credit = self._now() - records

    @property
    def _least(self) -> float:
        return max(1.0, self._limit / TURNS)

    def _now(self) -> float:
        now = self._clock()
        self._credit = min(self._limit * BURST, self._credit + (now - self._at) * self._limit)
        self._at = now
        return self._credit
