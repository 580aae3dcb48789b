"""How much of deleted files may be held open, unread: a disk must not fill because brokers are away. Pump thread only.

By default there is no limit: what is held is all that there is of these lines. Beyond ``shipper.deleted_max`` those
give way that were not read for longest, and what was unread of them is told as lost.
"""

from __future__ import annotations

import math

from shipper.filesource.census import Census
from shipper.filesource.descriptors import Descriptors
from shipper.filesource.search import Search

BEAT = 1.0  # seconds between two looks
BEYOND = "deleted, and more than shipper.deleted_max of deleted files was held open"


class Deleted:
    """Lets go of one source's deleted files, while all sources' together are too large."""

    def __init__(self, census: Census, search: Search, descriptors: Descriptors) -> None:
        self._census = census
        self._search = search
        self._descriptors = descriptors
        self._due = 0.0

    @property
    def due(self) -> float:
        """When :meth:`tick` has work next."""
        return self._due if self._descriptors.deleted_most else math.inf

    def tick(self, now: float) -> None:
        """Look, when it is due."""
        most = self._descriptors.deleted_most
        if not most or now < self._due:
            return
        self._due = now + BEAT
        held = list(self._descriptors.unlinked())
        beyond = sum(size for _, size in held) - most
        for tailer, size in held:
            if beyond <= 0:
                return
            if tailer.source == self._census.source:
                beyond -= size
                self._descriptors.close(tailer)
                self._census.unbind(tailer)
                self._search.search(tailer, why=BEYOND)  # a compressed form of it may be there
