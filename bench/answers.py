"""How long ``/metrics`` and ``/status`` take to answer while much is shipped from some of many files."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench.contenders import CONTENDERS, Work, start, stop
from bench.report import table
from bench.stage import Topic
from bench.usage import usage
from tests.harness.kafka import Broker
from tests.harness.wait import eventually, let_pass

HOT = 50  # files that are written to
LINE = b"2026-11-30T12:00:00Z host app: GET /index.html ".ljust(144, b"x") + b"\n"
BEATS = 100  # a second, in which the writer writes
SETTLE = 3.0  # seconds until the rate is what was asked for
PAUSE = 0.2  # seconds between two questions
ASKED = ("/metrics", "/status")


def write(logs: Path, rate: int) -> None:
    """Write lines at a pace, some to each of the first files in turn, until the process is ended."""
    each = max(1, rate // BEATS // 10)
    with ExitStack() as stack:
        files = [stack.enter_context(open(path, "ab", buffering=0)) for path in sorted(logs.iterdir())[:HOT]]
        due, turn = time.monotonic(), 0
        while True:
            for _ in range(10):
                files[turn % HOT].write(LINE * each)
                turn += 1
            due += each * 10 / rate
            time.sleep(max(0.0, due - time.monotonic()))


def measure(broker: Broker, *, files: int, rate: int, seconds: float) -> None:
    """Measure and print it."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made, Topic(broker) as topic:
        logs, state = Path(made) / "logs", Path(made) / "state"
        logs.mkdir()
        state.mkdir()
        for number in range(files):
            (logs / f"app{number:05d}.log").write_bytes(b"file %d " % number + b"." * 1100 + b"\n")
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = free.getsockname()
        (state / "conf.d").mkdir()
        (state / "conf.d" / "admin.toml").write_text(f'[admin]\nlisten = "{address[0]}:{address[1]}"\n')
        process = start(CONTENDERS["shipper"], Work(broker.bootstrap, topic.name, logs, state, batched=False))
        try:
            eventually("what is there to be read", lambda: topic.count() >= files, timeout=60)
            writer = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "bench.answers", str(logs), str(rate)]
            )
            try:
                let_pass(SETTLE)
                began, before, cpu = time.monotonic(), topic.count(), usage(process.pid).cpu
                took = _ask(address, began + seconds)
                lasted = time.monotonic() - began
                arrived = (topic.count() - before) / lasted
                busy = (usage(process.pid).cpu - cpu) / lasted * 100
            finally:
                writer.kill()
                writer.wait()
        finally:
            stop(process)
    print(f"\n{files} files, {rate} lines a second, of which {arrived:,.0f} arrived; {busy:.0f} % CPU\n")
    rows = [
        [what, str(len(times)), *(f"{times[int(len(times) * part)]:.1f}" for part in (0.5, 0.95)), f"{times[-1]:.1f}"]
        for what, times in ((what, sorted(times)) for what, times in took.items())
    ]
    print(table(["", "answers", "p50 ms", "p95", "longest"], rows), flush=True)


def _ask(address: tuple[str, int], until: float) -> dict[str, list[float]]:
    """Ask again and again; return the milliseconds that each answer took, from the connection to its last byte."""
    took: dict[str, list[float]] = {what: [] for what in ASKED}
    while time.monotonic() < until:
        for what, times in took.items():
            began = time.monotonic()
            connection = http.client.HTTPConnection(*address, timeout=30)
            connection.request("GET", what)
            body = connection.getresponse().read()
            times.append((time.monotonic() - began) * 1000)
            connection.close()
            assert b"shipper_" in body if what == "/metrics" else json.loads(body)["state"] == "running"
            time.sleep(PAUSE)
    return took


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
