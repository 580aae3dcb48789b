"""An outage of the brokers while a file grows by gigabytes: what is held meanwhile, and how soon it goes on."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.contenders import CONTENDERS, Contender, Work, start, stop
from bench.report import table
from bench.stage import Topic
from bench.usage import peak_memory
from bench.work import line
from tests.harness.debian import NotHere
from tests.harness.kafka import Broker
from tests.harness.wait import let_pass

BEFORE = 1000  # lines that arrive before it
BLOCK = 100_000  # lines, written again and again
PATIENCE = 120.0


def run(broker: Broker, contender: Contender, size: int, seconds: float) -> list[str]:
    """Return a row: peak MB before the outage, when ``size`` bytes are unread, at its end; seconds to a record."""
    chance = random.Random(1)
    block = b"".join(line(number, chance) for number in range(BLOCK))
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made, Topic(broker) as topic:
        logs, state = Path(made) / "logs", Path(made) / "state"
        logs.mkdir()
        state.mkdir()
        process = start(contender, Work(broker.proxied, topic.name, logs, state, batched=False))
        try:
            with open(logs / "app.log", "ab") as log:
                log.writelines(line(number, chance) for number in range(BEFORE))
                log.flush()
                topic.wait(BEFORE, PATIENCE)
                peaks = [peak_memory(process.pid)]
                broker.proxy.cut()
                while log.tell() < size:
                    log.write(block)
            peaks.append(peak_memory(process.pid))
            let_pass(seconds)
            peaks.append(peak_memory(process.pid))
            count = topic.count()
            broker.proxy.heal()
            healed = time.monotonic()
            _, came, _ = topic.wait(count + 1, PATIENCE)
        finally:
            broker.proxy.heal()
            stop(process)
    return [contender.name, *(f"{peak:.0f}" for peak in peaks), f"{came - healed:.2f}"]


def measure(broker: Broker, names: Sequence[str], *, size: int, seconds: float) -> None:
    """Measure and print them; ``size`` in bytes, ``seconds``: how long the outage lasts when they are unread."""
    rows = []
    for name in names:
        if CONTENDERS[name].follows:
            try:
                rows.append(run(broker, CONTENDERS[name], size, seconds))
            except NotHere as why:
                print(f"{name} is left out: {why}")
    print(f"\nThe brokers are away, {size / 1e9:.1f} GB are written to a file, {seconds:.0f} s later they are back\n")
    print(table(["", "peak MB before", "all unread", "at the end", "first record s"], rows), flush=True)
