"""Many daemons on one machine against one broker, each with a few slow files: what ten thousand hosts would ask for.

Says what one idle daemon costs (memory that is its own, CPU, how often its threads wake), what the broker sees of all
of them (connections, requests a second by kind, from the broker's own metrics), and multiplies.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import psutil

from bench.contenders import CONTENDERS, SHIPPER, Work, start, stop
from bench.report import table
from bench.stage import Topic, start_broker
from bench.usage import peak_memory, usage, wake_ups
from tests.harness.kafka import Broker, Ports, java, libs
from tests.harness.wait import eventually, let_pass

FILES = 4  # of each daemon
HOSTS = 10_000
SETTLE = 15.0  # seconds until all that belongs to a start is over


class Requests:
    """What the broker counts, over JMX by Kafka's own tool."""

    # What clients ask; the rest is the cluster's own.
    KINDS = frozenset(
        {"ApiVersions", "DescribeConfigs", "Fetch", "InitProducerId", "ListOffsets", "Metadata", "Produce"}
    )
    PATTERN = "kafka.network:type=RequestMetrics,name=RequestsPerSec,*"

    def __init__(self, port: int) -> None:
        self._url = f"service:jmx:rmi:///jndi/rmi://127.0.0.1:{port}/jmxrmi"

    def count(self) -> Counter[str]:
        """Return how many requests of each kind there were so far."""
        command = [java(), "-cp", f"{libs()}/*", "org.apache.kafka.tools.JmxTool", "--jmx-url", self._url]
        command += [
            "--object-name",
            self.PATTERN,
            "--attributes",
            "Count",
            "--one-time",
            "--report-format",
            "properties",
        ]
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        found: Counter[str] = Counter()
        for kind, count in re.findall(r"request=(\w+),version=\d+:Count=(\d+)", told):
            if kind in self.KINDS:
                found[kind] += int(count)
        return found


class Fleet:
    """Daemons that run, each with a few files; ended by ``stack``."""

    def __init__(self, broker: Broker, topic: Topic, home: Path, stack: ExitStack) -> None:
        self.pids: set[int] = set()
        self._broker, self._topic, self._home, self._stack = broker, topic, home, stack
        self._logs: list[Path] = []

    def add(self) -> None:
        """Start one more; return when it has read what is there."""
        home = self._home / str(len(self.pids))
        work = Work(self._broker.bootstrap, self._topic.name, home / "logs", home / "state", batched=False)
        work.logs.mkdir(parents=True)
        work.state.mkdir()
        for name in range(FILES):
            (log := work.logs / f"app{name}.log").write_bytes(b"a first line\n")
            self._logs.append(log)
        process = start(CONTENDERS[SHIPPER], work)
        self._stack.callback(stop, process)
        self.pids.add(process.pid)
        eventually("a daemon to read its files", lambda: self._topic.count() >= len(self._logs))

    def write(self) -> None:
        """Write a line for each daemon, to one of its files."""
        for log in self._logs[::FILES]:
            with open(log, "ab") as file:
                file.write(b"a line that is written once a second\n")

    def connections(self) -> int:
        """Return how many connections they hold to the broker."""
        port = int(self._broker.bootstrap.rpartition(":")[2])
        return sum(
            one.pid in self.pids and one.raddr[1] == port
            for one in psutil.net_connections("tcp")
            if one.status == psutil.CONN_ESTABLISHED and one.raddr
        )

    def look(self, name: str, requests: Requests, seconds: float, *, writes: bool) -> list[str]:
        """Return a row of what they cost in so many seconds, idle or with a line a second each."""
        asked = requests.count()  # first, and last of all: to ask takes seconds, which belong to nobody
        cpu, woken = {p: usage(p).cpu for p in self.pids}, {p: wake_ups(p) for p in self.pids}
        began = time.monotonic()
        while (past := time.monotonic() - began) < seconds:
            if writes:
                self.write()
            let_pass(1.0)
        spent = statistics.median(usage(p).cpu - cpu[p] for p in self.pids) / past
        waked = {p: wake_ups(p) for p in self.pids}
        own, client = (
            statistics.median((waked[p][whose] - woken[p][whose]) / past for p in self.pids) for whose in (0, 1)
        )
        more = requests.count() - asked
        each = more.total() / past / len(self.pids)
        return [
            name,
            f"{spent * 100:.2f}",
            f"{own:.2f}",
            f"{client:.1f}",
            f"{self.connections() / len(self.pids):.1f}",
            f"{each:.2f}",
            f"{each * HOSTS:,.0f}",
            ", ".join(f"{kind} {count / past / len(self.pids):.2f}" for kind, count in more.most_common(3) if count),
        ]

    def memory(self) -> str:
        """Return what one of them holds, in words."""
        held = [psutil.Process(p).memory_full_info() for p in self.pids]
        resident, own = (statistics.median(getattr(m, kind) for m in held) / 2**20 for kind in ("rss", "uss"))
        peak = statistics.median(map(peak_memory, self.pids))
        return f"{resident:.1f} MB resident, of which {own:.1f} its own, {peak:.1f} at most"


def measure(daemons: int, seconds: float) -> None:
    """Run them: idle for ``seconds``, then for as long with one line a second each; print it all."""
    jmx = Ports().take()
    options = [f"-Dcom.sun.management.jmxremote.port={jmx}", f"-Dcom.sun.management.jmxremote.rmi.port={jmx}"]
    options += [f"-Dcom.sun.management.jmxremote.{what}=false" for what in ("ssl", "authenticate")]
    options += ["-Dcom.sun.management.jmxremote.host=127.0.0.1", "-Djava.rmi.server.hostname=127.0.0.1"]
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = stack.enter_context(start_broker(*options))
        fleet = Fleet(broker, stack.enter_context(Topic(broker)), home, stack)
        for _ in range(daemons):
            fleet.add()
        let_pass(SETTLE)
        requests = Requests(jmx)
        rows = [
            fleet.look(name, requests, seconds, writes=writes)
            for name, writes in (("idle", False), ("a line a second each", True))
        ]
        print(
            f"\n{daemons} daemons with {FILES} files each, {seconds:.0f} s of each; medians of one: {fleet.memory()}\n"
        )
        head = ["", "% CPU", "own threads wake /s", "the client's /s", "connections", "requests /s"]
        print(table([*head, f"requests /s of {HOSTS:,} hosts", "most of them"], rows), flush=True)
