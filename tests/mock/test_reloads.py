"""Reload after reload of one daemon: it holds no more at the end than after the first ones.

A thousand of them, in some minutes: ``RELOADS=1000 make test ARGS='-k reloads -o timeout=900'``.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from tests.harness.daemon import Daemon
from tests.harness.rig import Rig
from tests.harness.wait import eventually

FILES = 1500
RELOADS = int(os.environ.get("RELOADS", "24"))
FIRST = 4  # after which all that is kept for good is there
NEW_CLIENTS = 3
MOST = 6 << 20  # bytes: a source of so many files takes two million, and the allocator leaves some of it unused


class Held(NamedTuple):
    threads: int
    descriptors: int


def held(daemon: Daemon) -> Held:
    return Held(daemon.threads(), len([path for path in daemon.open_paths() if "/logs/" not in path]))


def test_reloads_leak_no_thread_no_descriptor_and_no_memory(rig: Rig) -> None:
    for number in range(FILES):
        (rig.logs / f"{number}.log").touch()
    rig.log("0.log").write(1)
    daemon = rig.start()
    rig.delivered()
    before, memory = held(daemon), 0
    for number in range(1, RELOADS + 1):
        rig.source["headers"] = {"reload": str(number)}
        if number % 10 == 1:
            rig.more_sources["more"] = {**rig.source, "paths": [f"{rig.logs}/*.txt"]}
        elif number % 10 == 6:
            rig.more_sources.clear()
        rig.configure()
        daemon.reload()
        daemon.wait_for("source.changed", number, source="logs")
        if number == FIRST:
            memory = daemon.memory()
    rig.log("0.log").write(1)
    rig.delivered()
    assert daemon.memory() - memory < MOST
    eventually("as many threads and descriptors as before", lambda: held(daemon) == before)
    for number in range(NEW_CLIENTS):
        rig.kafka["linger"] = f"{number + 10}ms"
        rig.configure()
        daemon.reload()
        daemon.wait_for("service.ready", number + 2)
    rig.log("0.log").write(1)
    rig.delivered()
    eventually("as many threads and descriptors as before", lambda: held(daemon) == before)
    assert daemon.memory() - memory < 2 * MOST
    rig.verify()
