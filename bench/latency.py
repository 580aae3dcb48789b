"""From `write()` to a consumer, at a steady pace over some files; and what that costs."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import CONTENDERS, Contender, Work, start, stop
from bench.report import table
from bench.stage import Topic
from bench.usage import usage
from bench.work import Writer, age
from tests.harness.debian import NotHere
from tests.harness.kafka import Broker
from tests.harness.wait import eventually, let_pass

SETTLE = 3.0  # seconds for whoever has just read what was there
WARM_UP = 15.0  # seconds of the turn that does not count
PATIENCE = 15.0  # seconds for what was written last


@dataclass(frozen=True, slots=True)
class Run:
    """One contender's turn."""

    ages: list[float]  # milliseconds, sorted; at least one
    sent: int
    cpu: float  # percent of a core
    peak: float  # MB

    def quantile(self, part: float) -> float:
        """Return the age below which this part of the lines is."""
        return self.ages[min(len(self.ages) - 1, int(len(self.ages) * part))]


def run(broker: Broker, contender: Contender, *, rate: int, files: int, seconds: float) -> Run:
    """Let one contender follow files that grow."""
    with tempfile.TemporaryDirectory() as made, Topic(broker) as topic, ExitStack() as stack:
        logs, state = Path(made) / "logs", Path(made) / "state"
        logs.mkdir()
        state.mkdir()
        names = [logs / f"app{number:04d}.log" for number in range(files)]
        opened = [stack.enter_context(open(name, "ab", buffering=0)) for name in names]
        for log in opened:
            log.write(b"a first line, so that each file has a beginning that is its own " + b"." * 1100 + b"\n")
        process = start(contender, Work(broker.bootstrap, topic.name, logs, state, batched=False))
        try:
            eventually(f"{contender.name} to read what is there", lambda: topic.count() >= files)
            let_pass(SETTLE)
            topic.read()
            before = usage(process.pid).cpu
            writer = Writer(opened, rate, seconds)
            ages: list[float] = []
            end = time.monotonic() + seconds + PATIENCE
            while not (writer.done.is_set() and len(ages) >= writer.sent) and time.monotonic() < end:
                for message in topic.consumer.consume(2000, 0.005):
                    value = message.value()
                    if message.error() is None and value is not None and (late := age(value)) is not None:
                        ages.append(late)
            after = usage(process.pid)
            writer.join()
        finally:
            stop(process)
    return Run(sorted(ages) or [float("inf")], writer.sent, (after.cpu - before) / seconds * 100, after.peak)


def measure(broker: Broker, names: Sequence[str], *, rate: int, files: int, seconds: float, rounds: int) -> None:
    """Measure in turns, and print the medians."""
    found: dict[str, list[Run]] = {name: [] for name in names if CONTENDERS[name].follows}

    def turn(name: str, seconds: float) -> Run | None:
        try:
            return run(broker, CONTENDERS[name], rate=rate, files=files, seconds=seconds)
        except NotHere as why:
            print(f"{name} is left out: {why}")
            del found[name]
            return None

    # One turn does not count: a broker that was just started answers late, as its code is compiled while it is used.
    any(turn(name, WARM_UP) for name in list(found))
    for _ in range(rounds):
        for name in list(found):
            if one := turn(name, seconds):
                found[name].append(one)
    rows = [
        [
            name,
            *(f"{statistics.median(one.quantile(part) for one in runs):.1f}" for part in (0.5, 0.95, 0.99, 1.0)),
            f"{statistics.median(one.cpu for one in runs):.1f}",
            f"{max(one.peak for one in runs):.0f}",
            f"{sum(len(one.ages) for one in runs)} of {sum(one.sent for one in runs)}",
        ]
        for name, runs in found.items()
    ]
    what = f"{rate} lines a second over {files} files for {seconds:.0f} s, from write() to a consumer"
    print(f"\n{what}; medians of {rounds}\n")
    print(table(["", "p50 ms", "p95", "p99", "longest", "% CPU", "peak MB", "arrived"], rows), flush=True)
