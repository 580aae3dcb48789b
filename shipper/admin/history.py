"""How it went in the last minutes: a sample now and then, for the charts of the status page.

A thread of its own takes them, and only while there is a page. Any thread may read them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import msgspec

from shipper.admin.app import PATIENCE, Asked

EVERY = 5.0  # seconds
KEPT = 180  # samples: a quarter of an hour


class Sample(msgspec.Struct, frozen=True):
    """The sums of all sources at one time of the daemon's clock."""

    at: float
    delivered: int
    bytes_read: int
    unread: int
    in_flight: int
    lag: float  # seconds: of the source that is furthest behind


class History:
    """The last samples, the oldest first."""

    def __init__(self, pump: Callable[[], Asked]) -> None:
        self._pump = pump
        self._samples: deque[Sample] = deque(maxlen=KEPT)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._thread.start()

    @property
    def samples(self) -> list[Sample]:
        """Return them."""
        return list(self._samples)

    def close(self) -> None:
        """Take no more."""
        self._end.set()
        self._thread.join(PATIENCE + 1)

    def _run(self) -> None:
        while True:
            status = self._pump().status(PATIENCE, 0)
            if status is not None:
                self._samples.append(
                    Sample(
                        at=status.at,
                        delivered=sum(s.delivered for s in status.sources),
                        bytes_read=sum(s.bytes_read for s in status.sources),
                        unread=sum(s.unread for s in status.sources),
                        in_flight=status.in_flight,
                        lag=max((s.lag or 0.0 for s in status.sources), default=0.0),
                    )
                )
            if self._end.wait(EVERY):
                return
