"""Whose turn it is to read, over all sources. Pump thread only.

All sources read in turn as long as there is room in flight; for the next transaction, too, while one is committed and
nothing is narrowed down or waits to go back. With transactions there is one client: a source that narrows down what was
refused has it for itself from one commit to the next, so that its record is alone in its batch, and takes turns with
all the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from shipper.commits import Commits
from shipper.ledger import Ledger
from shipper.source import Source

# Read and sent before delivery reports are served: large chunks keep the client fed and the ledger current, small ones
# go to the client together.
BYTES_A_TURN = 3 << 20  # as the ledger counts them: some blocks of lines of common length
CHUNKS_A_TURN = 256


class Turns:
    """Lets the sources read. ``sources`` may change; ``hurried`` says that somebody waits for the pump."""

    def __init__(
        self, sources: Mapping[str, Source], ledger: Ledger, commits: Commits | None, hurried: Callable[[], bool]
    ) -> None:
        self._sources = sources
        self._ledger = ledger
        self._commits = commits
        self._hurried = hurried
        self._others_turn = False  # to read, after a source that narrows down
        self._narrow_turn = 0

    def take(self) -> bool:
        """Let the sources read in turn, as long as there is room in flight; whether anything was read.

        Each has one turn where somebody waits.
        """
        worked, readers = False, self._readers
        if self._commits is not None and self._commits.busy:
            readers = self._readers_ahead
        begun = self._ledger.in_flight
        for _ in range(CHUNKS_A_TURN):
            again = False
            for source in readers():
                if not self._ledger.paused and source.turn():
                    again = worked = True
            if not again or self._ledger.in_flight - begun >= BYTES_A_TURN or self._hurried():
                break
        if self._commits is not None:
            self._commits.reading = worked
        return worked

    def _readers_ahead(self) -> Iterable[Source]:
        """Return the sources that may read for the next transaction."""
        assert self._commits is not None
        sources = self._sources.values()
        if not self._commits.reads_ahead or any(s.delivery.careful or s.delivery.rewinding for s in sources):
            return ()
        return sources

    def _readers(self) -> Iterable[Source]:
        """Return the sources that may read now."""
        sources = self._sources.values()
        if self._commits is None:
            return sources
        trials = [source for source in sources if source.delivery.on_trial]
        self._commits.at_once = any(
            not (source.delivery.inside_line or source.delivery.reports_due) for source in trials
        )
        if trials:
            return trials
        others = [source for source in sources if not source.delivery.pace.limit]
        narrow = [source for source in sources if source.delivery.pace.limit and source.hungry]
        if not narrow or self._commits.has_open or self._ledger.records:
            self._commits.at_once = bool(narrow)  # it waits for what is open
            self._others_turn = False
            return others
        if self._others_turn and any(source.hungry for source in others):
            self._others_turn = False
            return others
        self._others_turn = True
        self._narrow_turn += 1
        return [narrow[self._narrow_turn % len(narrow)]]
