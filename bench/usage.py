"""What a process costs, with its children: CPU, memory, wake-ups."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import psutil

CLIENT_THREADS = "rdk:"  # how librdkafka names its own


@dataclass(frozen=True, slots=True)
class Usage:
    """As it stands now."""

    cpu: float  # seconds, since it began
    peak: float  # MB, the most that each process has held at once
    descriptors: int


def usage(pid: int) -> Usage:
    """Return what a process has cost so far, with its children; zeros where it has ended."""
    cpu, peak, descriptors = 0.0, 0.0, 0
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                cpu += times.user + times.system
                peak += peak_memory(process.pid)
                descriptors += process.num_fds()
        ended = root.cpu_times()
        cpu += ended.children_user + ended.children_system
    return Usage(cpu, peak, descriptors)


def peak_memory(pid: int) -> float:
    """Return the most MB that a process has held at once."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def wake_ups(pid: int) -> tuple[int, int]:
    """Return how often threads of a process have waited and gone on: its own, and those of librdkafka."""
    own = clients = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            name = (task / "comm").read_text()
            for line in (task / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches:"):
                    if name.startswith(CLIENT_THREADS):
                        clients += int(line.split()[1])
                    else:
                        own += int(line.split()[1])
    return own, clients
