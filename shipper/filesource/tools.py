"""What the sources of one daemon share. Pump thread only."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shipper.events import Events
from shipper.files import Files
from shipper.filesource.descriptors import Descriptors
from shipper.ledger import Ledger
from shipper.model import Checkpoint, Clock, Observation, Seen
from shipper.source import FirstScanStore


@dataclass(frozen=True, slots=True)
class Tools:
    """What every source of one daemon shares."""

    files: Files
    descriptors: Descriptors
    ledger: Ledger
    events: Events
    clock: Clock
    wall: Clock  # seconds since 1970, for ages in the configuration only
    store: FirstScanStore
    scan_soon: Callable[[], None]  # have everything looked at
    look: Callable[[str, bytes], Observation]  # (source, directory): what is in it now
    quiet: Callable[[], bool]  # whether nothing has happened to names since they were observed; else that comes soon
    host: str
    internal: frozenset[str] = frozenset()  # topics that no line may choose
    cpu: Clock = time.thread_time  # seconds of computing of this thread

    @classmethod
    def to_look(cls, files: Files, descriptors: Descriptors, events: Events, host: str, seen: Sequence[Seen]) -> Tools:
        """Return those of a source that is shown once what is there, ``seen``: it sends and saves nothing."""

        def look(source: str, directory: bytes) -> Observation:
            return Observation(source, [one for one in seen if os.path.dirname(one.path) == directory])

        return cls(
            files=files,
            descriptors=descriptors,
            ledger=Ledger(1, 0, lambda: None, lambda: None),
            events=events,
            clock=time.monotonic,
            wall=time.time,
            store=_NoStore(),
            scan_soon=lambda: None,
            look=look,
            quiet=lambda: True,
            host=host,
        )


class _NoStore:
    """Stands for a store: the source has what a first scan would record, and nobody else needs it."""

    def record_first_scan(self, source: str, files: Sequence[Checkpoint]) -> None:
        """Record nothing."""
