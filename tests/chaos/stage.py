"""Sets the stage, lets the actors act for a time, heals everything, waits for what is on its way, and judges."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from tests.chaos.actor import Actor, Journal
from tests.chaos.faults import BrokerTrouble, DaemonTrouble
from tests.chaos.runs import Repeats, TimedReader, explain, sender
from tests.chaos.writers import Comets, Yard, writers
from tests.harness.consumer import Verdict, judge
from tests.harness.daemon import toml
from tests.harness.kafka import Broker
from tests.harness.writer import Log, Truth

PATIENCE = 30.0  # seconds without a single new line, after everything was healed
TOPIC = "chaos"


@dataclass
class Outcome:
    """What came of it."""

    lines: int
    deeds: Counter[str]
    verdict: Verdict
    repeats: Repeats

    @property
    def good(self) -> bool:
        """Whether every promise was kept; that lines come again after a kill is none that is broken."""
        return self.verdict == Verdict(repeated=self.verdict.repeated) and not self.repeats.unexplained


class Eyes(Actor):
    """Reads all the time what has arrived."""

    def __init__(self, reader: TimedReader, journal: Journal, over: threading.Event) -> None:
        super().__init__("consumer", Random(0), journal, over)
        self._reader = reader

    def act(self) -> None:
        """Read what has come."""
        self._reader.read()


class Stage:
    """One chaos. A context manager; its directory stays where ``keep`` was set."""

    def __init__(self, broker: Broker, seed: str, *, reuse: bool = True) -> None:
        self.root = Path(tempfile.mkdtemp(prefix=f"shipper-chaos-{seed}-"))
        self.keep = False
        self._broker = broker
        self._dice = Random(seed)
        self._over = threading.Event()
        self._read = threading.Event()  # nothing more is to be read
        self.journal = Journal(self.root / "chaos.log")
        self._truth = Truth()
        self._logs = self.root / "logs"
        self._logs.mkdir()
        self._topic = f"{TOPIC}-{self.root.name}"
        broker.create_topic(self._topic, partitions=3)
        self._reader = TimedReader(broker.bootstrap, self._topic)
        graves: list[int] | None = None if reuse else []
        self._yard = Yard(self._logs, self._truth, self._reader.arrived, self.journal, self._over, graves)
        self._writers = writers(Random(self._dice.random()), self._yard)
        self._comets = Comets("jobs", Random(self._dice.random()), self._yard)
        self._daemon = DaemonTrouble(self._configure(), Random(self._dice.random()), self.journal, self._over)
        self._trouble = BrokerTrouble(broker, Random(self._dice.random()), self.journal, self._over)
        self._eyes = Eyes(self._reader, self.journal, self._read)
        self._actors: list[Actor] = [*self._writers, self._comets, self._daemon, self._trouble]

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for actor in (*self._actors, self._eyes):
            actor.close()
        self._broker.restore()
        self._reader.close()
        self.journal.close()
        for descriptor in self._yard.graves or ():
            os.close(descriptor)
        if not self.keep:
            shutil.rmtree(self.root)

    def play(self, seconds: float, say: Callable[[str], None]) -> Outcome:
        """Let all of them act for so long, and judge."""
        self._eyes.start()
        for writer in self._writers:
            writer.prepare()
        self._daemon.begin().wait_for("source.scanned", source="logs")  # before it, what is rotated is left alone
        for actor in self._actors:
            actor.start()
        self._over.wait(seconds)
        self._over.set()
        for actor in self._actors:
            actor.join()
        say("healed; waiting for what is on its way")
        self._broker.restore()
        self._await_all()
        self._daemon.stop()
        # Once more: what was saved by a clean stop is not sent again.
        last = Log(self._logs / "~last.log", self._truth)
        last.write(1)
        self._daemon.begin()
        self._await_all()
        self._daemon.stop()
        self._read.set()
        self._eyes.join()
        self._reader.read_to_end()
        return self._judge()

    def _await_all(self) -> None:
        """Return when all has arrived, or nothing has for a long time."""
        wanted = self._truth.wanted()
        since, before = time.monotonic(), -1
        while wanted - self._reader.arrived and time.monotonic() - since < PATIENCE:
            if len(self._reader.arrived) != before:
                since, before = time.monotonic(), len(self._reader.arrived)
            assert self._daemon.run.daemon.running, self._daemon.run.daemon.log()
            self._read.wait(0.2)

    def _judge(self) -> Outcome:
        records = self._reader.records
        verdict = judge(self._truth, records)
        repeats = explain(records, self._reader.made_at, self._daemon.runs)
        self._write_down()
        return Outcome(len(self._truth.wanted()), self.journal.deeds, verdict, repeats)

    def _write_down(self) -> None:
        """Keep what arrived beside the journal: when each record was made, by which run, and where it is."""
        with open(self.root / "arrived.txt", "w") as file:
            for record in self._reader.records:
                made_at = self._reader.made_at[record.partition, record.kafka_offset]
                when = datetime.fromtimestamp(made_at / 1000, UTC)
                run = sender(self._daemon.runs, made_at)
                place = f"{record.partition}/{record.kafka_offset}"
                file.write(f"{when:%H:%M:%S.%f} run {run} {place} {record.key!r} {record.value[:60]!r}\n")

    def _configure(self) -> Path:
        dice = Random(self._dice.random())
        shipper: dict[str, Any] = {
            "state_dir": str(self.root / "state"),
            "shutdown_timeout": "2s",
            "log_level": "debug",
            "scan_interval": dice.choice(("2s", "30s")),
            "max_open_files": dice.choice((0, 0, 0, 8)),
        }
        kafka = {"bootstrap_servers": self._broker.proxied, "max_in_flight": dice.choice(("1MiB", "2MiB", "24MiB"))}
        paths = [f"{self._logs}/*.log", f"{self._logs}/audit.out", f"{self._logs}/jobs/**/*.log"]
        source = {
            "paths": paths,
            "topic": self._topic,
            "key": "{filename}",
            "partial_timeout": "1s",
            "watch": dice.choice(("auto", "auto", "auto", "poll")),
        }
        self.journal.tell("config", "settings", f"{shipper} {kafka} {source}")
        config = self.root / "shipper.toml"
        config.write_text(toml({"shipper": shipper, "kafka": kafka, "sources.logs": source}))
        return config
