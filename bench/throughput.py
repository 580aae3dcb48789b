"""A backlog: how soon it is in the topic, from the start of the process to the last record, and what a line costs."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import CONTENDERS, LIMIT, Contender, Work, start, stop
from bench.report import table
from bench.stage import Topic
from bench.usage import peak_memory, usage
from bench.work import write_logs
from tests.harness.debian import NotHere
from tests.harness.kafka import Broker

PATIENCE = 300.0  # seconds for one contender


@dataclass(frozen=True, slots=True)
class Run:
    """One contender's turn."""

    rate: float  # lines a second, start included
    cpu: float  # microseconds of CPU a line
    peak: float  # MB
    first: float  # seconds from the start to the first record
    lines: int  # that arrived


def run(broker: Broker, contender: Contender, logs: Path, expected: int) -> Run:
    """Let one contender ship a directory of logs."""
    with tempfile.TemporaryDirectory() as state, Topic(broker) as topic:
        began = time.monotonic()
        process = start(contender, Work(broker.bootstrap, topic.name, logs, Path(state), batched=True))
        peak = 0.0

        def look() -> None:
            nonlocal peak
            peak = max(peak, peak_memory(process.pid))  # of one that has ended it is not told any more

        try:
            first, ended, lines = topic.wait(expected, PATIENCE, look)
            cost = usage(process.pid)  # one that has ended by itself is still there until it is waited for
        finally:
            stop(process)
    return Run(lines / (ended - began), cost.cpu / max(lines, 1) * 1e6, peak, (first or ended) - began, lines)


def measure(
    broker: Broker, names: Sequence[str], *, lines: int, files: int, rounds: int, short: bool = False
) -> dict[str, list[Run]]:
    """Return each contender's turns; they take turns, round after round."""
    found: dict[str, list[Run]] = {}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made:
        logs = Path(made) / "logs"
        write_logs(logs, files, lines, short=short)
        expected = lines // files * files
        for _ in range(rounds):
            for name in names:
                contender = CONTENDERS[name]
                if files > 1 and contender.one_file:
                    continue
                try:
                    found.setdefault(name, []).append(run(broker, contender, logs, expected))
                except NotHere as why:
                    found.pop(name)
                    names = [other for other in names if other != name]
                    print(f"{name} is left out: {why}")
    return found


def median(runs: Sequence[Run], field: str) -> float:
    """Return the median of one figure."""
    return float(statistics.median(getattr(one, field) for one in runs))


def share(part: float, whole: float) -> str:
    """Return how many times the whole it is; of nothing, as the CPU of few lines may be measured, it is not known."""
    return f"{part / whole:.2f}" if whole else "-"


def show(found: dict[str, list[Run]], what: str) -> None:
    """Print a table, fastest first; relative to the client's limit where that took part, else to the first."""
    base = found.get(LIMIT) or next(iter(found.values()))
    rows = [
        [
            name,
            f"{median(runs, 'rate'):,.0f}",
            f"{median(runs, 'rate') / median(base, 'rate'):.2f}",
            f"{median(runs, 'cpu'):.2f}",
            share(median(runs, "cpu"), median(base, "cpu")),
            f"{median(runs, 'peak'):.0f}",
            f"{median(runs, 'first'):.2f}",
        ]
        for name, runs in sorted(found.items(), key=lambda one: -median(one[1], "rate"))
    ]
    print(f"\n{what}; medians of {max(map(len, found.values()))}\n")
    print(
        table(["", "lines/s", "relative", "µs CPU a line", "relative", "peak MB", "first record s"], rows), flush=True
    )
