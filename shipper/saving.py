"""What is saved, and when: hands the checkpoints that have changed to the store, about once a second. Pump thread only.

Where the store had to begin anew, all of every source is handed over again. With transactions the same goes with the
next one, and nothing is handed over while it is not known what is acknowledged.
"""

from __future__ import annotations

from collections.abc import Mapping

from shipper.checkpoints import CheckpointStore
from shipper.commits import Commits
from shipper.model import Checkpoint, Clock, SourceState
from shipper.source import Source


class Saving:
    """``due``: when there may be something to be saved. ``sources`` may change."""

    def __init__(
        self, sources: Mapping[str, Source], store: CheckpointStore, commits: Commits | None, clock: Clock
    ) -> None:
        self.due = 0.0
        self._sources = sources
        self._store = store
        self._commits = commits
        self._clock = clock
        self._renewals = store.renewals

    def save(self) -> None:
        """Hand over what has changed."""
        if self._commits is not None and self._commits.busy:
            return  # what is acknowledged is not known just now
        renewed = self._store.renewals != self._renewals
        self._renewals = self._store.renewals
        for source in self._sources.values():
            if renewed:
                source.all_changed()
            if source.has_changes or renewed:
                changed, removed = source.changes()
                self._hand_over(changed, removed, whole=source.name if renewed and source.scanned else None)
                self.due = self._clock() + self._store.interval

    def last(self, name: str, changed: list[Checkpoint], removed: list[tuple[str, str]], known: SourceState) -> None:
        """Hand over what is left of a source that ends while others go on; ``known`` is all of it."""
        if self._store.renewals != self._renewals:  # the store knows nothing of what was saved before
            self._hand_over(list(known.files), removed, whole=name if known.scanned else None)
        else:
            self._hand_over(changed, removed)

    def finish(self, deadline: float) -> bool:
        """Hand over the rest, and wait until it is durable, a second at least; whether it is.

        Nothing is where nobody knows how the last commit has ended: the next start will be told.
        """
        self.save()
        saved = self._store.flush(max(1.0, deadline - self._clock()))
        if not saved and self._store.renewals != self._renewals:
            self.save()
            saved = self._store.flush(max(1.0, deadline - self._clock()))
        return saved and not (self._commits is not None and self._commits.committing)

    def _hand_over(
        self, changed: list[Checkpoint], removed: list[tuple[str, str]], *, whole: str | None = None
    ) -> None:
        self._store.submit(changed, removed, whole=whole)
        if self._commits is not None:
            self._commits.note(changed, removed)
