"""Sets the stage, lets the actors act for a time, heals everything, waits for what is on its way, and judges."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from tests.chaos.actor import Actor, Journal
from tests.chaos.configuration import Configuration, Delivery
from tests.chaos.faults import BrokerTrouble, DaemonTrouble
from tests.chaos.runs import Repeats, TimedReader, explain, sender
from tests.chaos.writers import Comets, Yard, writers
from tests.harness.consumer import Verdict, judge
from tests.harness.kafka import Broker
from tests.harness.writer import Truth

PATIENCE = 30.0  # seconds without a single new line, after everything was healed
TOPIC = "chaos"


@dataclass
class Audit:
    """What ``shipper audit`` says of the files that are still there."""

    failed: bool
    delivered: int
    doubled: int
    said: str

    def __str__(self) -> str:
        return (
            self.said if self.failed else f"{self.delivered:,} lines delivered, none missing, {self.doubled:,} doubled"
        )


@dataclass
class Outcome:
    """What came of it."""

    lines: int
    deeds: Counter[str]
    verdict: Verdict
    repeats: Repeats
    may_repeat: bool  # lines come again after a kill
    audit: Audit

    @property
    def good(self) -> bool:
        """Whether every promise was kept."""
        allowed = self.verdict.repeated if self.may_repeat else []
        audited = not self.audit.failed and self.audit.delivered and (self.may_repeat or not self.audit.doubled)
        kept = self.verdict == Verdict(repeated=allowed)
        return kept and not self.repeats.unexplained and bool(audited)


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

    def __init__(
        self,
        broker: Broker,
        seed: str,
        delivery: Delivery,
        *,
        reuse: bool = True,
        kills: int = 0,
        max_open_files: int = 0,
        short_transactions: bool = False,
    ) -> None:
        self.root = Path(tempfile.mkdtemp(prefix=f"shipper-chaos-{seed}-"))
        self.keep = False
        self._broker = broker
        self._delivery = delivery
        self._kept = 10_000 if kills else 4  # whose checkpoint is gone cannot be told to have been saved
        dice = Random(seed)
        self._over = threading.Event()
        self._read = threading.Event()  # nothing more is to be read
        self.journal = Journal(self.root / "chaos.log")
        self._truth = Truth()
        topic = f"{TOPIC}-{self.root.name}"
        broker.create_topic(topic, partitions=3)
        self._reader = TimedReader(broker.bootstrap, topic)
        self._yards = [self._yard("logs", None, reuse), self._yard("shared", b"one key for all", reuse)]
        self._writers = writers(Random(dice.random()), self._yards)
        self._comets = Comets("jobs", Random(dice.random()), dice.choice(self._yards))
        self._config = Configuration(
            self.root,
            broker.proxied,
            topic,
            self._yards,
            delivery,
            Random(dice.random()),
            max_open_files=max_open_files,
            short_transactions=short_transactions,
        )
        self.journal.tell("config", "settings", self._config)
        self._daemon = DaemonTrouble(self._config, Random(dice.random()), self.journal, self._over, kills=kills)
        self._trouble = BrokerTrouble(broker, Random(dice.random()), self.journal, self._over)
        self._eyes = Eyes(self._reader, self.journal, self._read)
        self._actors: list[Actor] = [*self._writers, self._daemon]
        if not kills:
            self._actors += [self._comets, self._trouble]

    def _yard(self, name: str, key: bytes | None, reuse: bool) -> Yard:
        logs = self.root / name
        logs.mkdir()
        graves: list[int] | None = None if reuse else []
        arrived = self._reader.arrived
        return Yard(logs, self._truth, arrived, self.journal, self._over, self._kept, graves, key)

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for actor in (*self._actors, self._eyes):
            actor.close()
        self._broker.restore()
        self._reader.close()
        self.journal.close()
        for yard in self._yards:
            for descriptor in yard.graves or ():
                os.close(descriptor)
        if not self.keep:
            shutil.rmtree(self.root)

    def play(self, seconds: float | None, say: Callable[[str], None]) -> Outcome:
        """Let all of them act for so long, or until it is over by itself, and judge."""
        self._eyes.start()
        for writer in self._writers:
            writer.prepare()
        daemon = self._daemon.begin()
        for yard in self._yards:  # what is rotated before the first scan is left alone
            daemon.wait_for("source.scanned", source=yard.logs.name)
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
        last = self._yards[0].log(self._yards[0].logs / "~last.log")
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
        contents = [content for yard in self._yards for content in yard.contents]
        repeats = explain(records, self._reader.made_at, self._daemon.runs, contents)
        self._write_down()
        may_repeat = self._delivery is not Delivery.EXACTLY_ONCE
        return Outcome(len(self._truth.wanted()), self.journal.deeds, verdict, repeats, may_repeat, self._audit())

    def _audit(self) -> Audit:
        command = [sys.executable, "-m", "shipper", "audit", "--json", "--config", str(self._config.path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        (self.root / "audit.json").write_text(done.stdout)
        if done.stderr or not done.stdout:
            return Audit(True, 0, 0, f"exit status {done.returncode}: {done.stderr}")
        total = json.loads(done.stdout)["total"]
        failed = done.returncode != 0 or total["missing"] != 0
        return Audit(failed, total["delivered"], total["doubled"], f"exit status {done.returncode}, {total}")

    def _write_down(self) -> None:
        """Keep what arrived beside the journal: when each record was made, by which run, and where it is."""
        with open(self.root / "arrived.txt", "w") as file:
            for record in self._reader.records:
                made_at = self._reader.made_at[record.partition, record.kafka_offset]
                when = datetime.fromtimestamp(made_at / 1000, UTC)
                run = sender(self._daemon.runs, made_at)
                place = f"{record.partition}/{record.kafka_offset}"
                came_from = self._reader.came_from[record.partition, record.kafka_offset]
                told = f"{place} {record.key!r} {record.value[:60]!r} {came_from}"
                file.write(f"{when:%H:%M:%S.%f} run {run} {told}\n")
