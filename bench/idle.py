"""Many files with a few lines each that then rest: how soon they are read, what they cost, how a restart goes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.contenders import CONTENDERS, Contender, Work, start, stop
from bench.report import table
from bench.stage import Topic
from bench.usage import usage
from tests.harness.debian import NotHere
from tests.harness.kafka import Broker
from tests.harness.wait import let_pass

LINES = 3  # in each file
SETTLE = 10.0  # seconds after the last of them has arrived
PATIENCE = 300.0
TOUCHED = 20  # files that grow while nobody runs: a restart is over when these lines have arrived


def run(broker: Broker, contender: Contender, files: int, seconds: float) -> list[str]:
    """Return a row: seconds until all was read, idle CPU in percent, peak MB, descriptors; of a restart seconds, MB."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made, Topic(broker) as topic:
        logs, state = Path(made) / "logs", Path(made) / "state"
        state.mkdir()
        paths = [logs / f"{number // 1000:03d}" / f"app{number:06d}.log" for number in range(files)]
        if files <= 5000:  # not every contender looks into directories below
            paths = [logs / path.name for path in paths]
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"file {path.name}, with enough bytes to tell it from others {'.' * 1100}\n" * LINES)
        work = Work(broker.bootstrap, topic.name, logs if files <= 5000 else logs / "**", state, batched=False)
        process = start(contender, work)
        try:
            began = time.monotonic()
            _, ended, _ = topic.wait(LINES * files, PATIENCE)
            let_pass(SETTLE)
            before = usage(process.pid).cpu
            let_pass(seconds)
            after = usage(process.pid)
        finally:
            stop(process)
        for path in paths[:: max(1, files // TOUCHED)]:
            with open(path, "ab") as log:
                log.write(b"one more\n")
        count = topic.count()
        again = start(contender, work)
        try:
            restarted = time.monotonic()
            _, back, _ = topic.wait(count + len(paths[:: max(1, files // TOUCHED)]), PATIENCE)
            peak = usage(again.pid).peak
        finally:
            stop(again)
    return [
        contender.name,
        f"{ended - began:.2f}",
        f"{(after.cpu - before) / seconds * 100:.2f}",
        f"{after.peak:.0f}",
        str(after.descriptors),
        f"{back - restarted:.2f}",
        f"{peak:.0f}",
    ]


def measure(broker: Broker, names: Sequence[str], *, files: int, seconds: float) -> None:
    """Measure and print them."""
    rows = []
    for name in names:
        if not CONTENDERS[name].follows:
            continue
        try:
            rows.append(run(broker, CONTENDERS[name], files, seconds))
        except NotHere as why:
            print(f"{name} is left out: {why}")
    print(
        f"\n{files} files of {LINES} lines, then nothing for {seconds:.0f} s; then a restart, some files having grown\n"
    )
    print(
        table(["", "all read s", "idle % CPU", "peak MB", "descriptors", "restart s", "its peak MB"], rows), flush=True
    )
