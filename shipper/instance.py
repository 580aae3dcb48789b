"""The name under which this daemon's transactions and checkpoints stand in Kafka. Any thread."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

from shipper.config import ShipperConfig

MACHINE_ID = Path("/etc/machine-id")


def instance_of(config: ShipperConfig, machine_id: Path = MACHINE_ID) -> str:
    """Return ``shipper.instance``, or a name that follows from this machine and the state directory.

    The machine's own id stays here: only a digest of it leaves the host.
    """
    if config.instance:
        return config.instance
    try:
        machine = machine_id.read_text().strip()
    except OSError:
        machine = ""
    host = socket.gethostname()
    told = b"\0".join([(machine or host).encode(), os.fsencode(config.state_dir)])
    return f"{''.join(c for c in host if c.isalnum() or c in '-_.')[:60]}-{hashlib.sha256(told).hexdigest()[:16]}"
