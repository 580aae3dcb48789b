"""The daemon's own work in a process of its own, without what surrounds it: `python -m bench.pumping CONFIG RECORDS`.

Ships what the configuration names until so many records are acknowledged; prints the seconds by the clock and of CPU.
"""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path

from shipper.checkpoints import CheckpointStore
from shipper.config import load
from shipper.events import Events
from shipper.pump import Pump
from shipper.service import COLLECT_AFTER


def ship(config: Path, expected: int) -> tuple[float, float]:
    """Ship it all; return the seconds by the clock and of CPU, from the first turn to the last report."""
    loaded = load(config)
    (source,) = loaded.sources
    events = Events(lambda *_: None)
    store = CheckpointStore.open(loaded.shipper.state_dir, events)
    pump = Pump(loaded, store, events)
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])  # as the daemon does
    began = time.perf_counter(), time.process_time()
    pump.start()
    while events.counters["records.acked", source] < expected:
        time.sleep(0.002)
    spent = time.perf_counter() - began[0], time.process_time() - began[1]
    pump.stop()
    pump.join(30)
    store.close()
    return spent


if __name__ == "__main__":
    print(*ship(Path(sys.argv[1]), int(sys.argv[2])))
