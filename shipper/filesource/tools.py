"""What the sources of one daemon share. Pump thread only."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from shipper.events import Events
from shipper.files import Files
from shipper.filesource.descriptors import Descriptors
from shipper.ledger import Ledger
from shipper.model import Clock, Observation
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
