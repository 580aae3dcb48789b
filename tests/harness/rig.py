"""One test's world: a directory of logs, a topic, the daemon that ships the one to the other, and the truth.

    rig.start()
    app = rig.log("app.log")
    app.write(100)
    rig.verify()

``verify`` ends every scenario in the same way, so that no test has to wait and see whether something comes twice: all
lines arrive; the daemon stops cleanly; it is started once more, scans, ships one line of a new file, and stops; then
the whole topic is judged.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.harness.consumer import Reader, Received, Verdict, judge
from tests.harness.daemon import Daemon, Table, toml
from tests.harness.wait import DEADLINE, eventually
from tests.harness.writer import Log, Truth


class Rig:
    """See the module. ``shipper``, ``kafka`` and ``source`` are the tables of the configuration, to be changed."""

    def __init__(self, root: Path, bootstrap: str, topic: str, read_from: str | None = None) -> None:
        self.root, self.topic = root, topic
        self.logs, self.state, self.config = root / "logs", root / "state", root / "shipper.toml"
        self.logs.mkdir()
        self.state.mkdir()
        self.truth = Truth()
        self.shipper: dict[str, Any] = {"state_dir": str(self.state)}
        self.kafka: dict[str, Any] = {"bootstrap_servers": bootstrap}
        self.kafka_properties: dict[str, Any] = {}
        self.source: dict[str, Any] = {"paths": [f"{self.logs}/*.log"], "topic": topic, "key": "{filename}"}
        self.more_sources: dict[str, dict[str, Any]] = {}
        self._read_from = read_from or bootstrap
        self._reader: Reader | None = None
        self._daemons: list[Daemon] = []
        self._ends = 0

    # the daemon

    @property
    def daemon(self) -> Daemon:
        """The daemon that was started last."""
        return self._daemons[-1]

    def configure(self) -> Path:
        """Write the configuration."""
        tables: dict[str, Table] = {"shipper": self.shipper, "kafka": self.kafka, "sources.logs": self.source}
        if self.kafka_properties:
            tables["kafka.properties"] = self.kafka_properties
        tables |= {f"sources.{name}": table for name, table in self.more_sources.items()}
        self.config.write_text(toml(tables))
        return self.config

    def launch(self, prefix: Sequence[str] = ()) -> Daemon:
        """Start the daemon and wait for nothing."""
        self._daemons.append(Daemon(self.configure(), prefix))
        return self.daemon

    def start(self, prefix: Sequence[str] = ()) -> Daemon:
        """Start the daemon; return when it has scanned, be the brokers there or not."""
        daemon = self.launch(prefix)
        daemon.wait_for("source.scanned", source="logs")
        return daemon

    # what is written

    def log(self, name: str | bytes = "app.log", source: str | None = None) -> Log:
        """Return a log of this name; two of the same ``source`` continue one sequence of lines."""
        return Log(self.logs / os.fsdecode(name), self.truth, source)

    # what arrives

    @property
    def reader(self) -> Reader:
        """The consumer of the topic."""
        if self._reader is None:
            self._reader = Reader(self._read_from, self.topic)
        return self._reader

    def forget_topic(self) -> None:
        """Start reading anew: the topic was made again."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def delivered(self, timeout: float = DEADLINE) -> None:
        """Return when every line that was written so far has arrived."""
        missing = self.reader.read_until(self.truth.wanted(), timeout)
        where = Counter(line.partition(b" ")[0].decode("utf-8", "backslashreplace") for line in missing)
        assert not missing, (
            f"{len(missing)} lines did not arrive: {dict(where)}, as {min(missing)[:60]!r}\n{self._told()}"
        )

    def values(self, key: bytes) -> list[bytes]:
        """Return the values of one key's records that were read so far, in their order."""
        mine = sorted(record for record in self.reader.records if record.key == key)
        return [record.value for record in mine]

    def records(self, count: int) -> list[Received]:
        """Return the topic's records when there are at least ``count``."""
        self.reader.read_count(count)
        assert len(self.reader.records) >= count, f"{len(self.reader.records)} of {count} records\n{self._told()}"
        return self.reader.records

    def verify(
        self,
        *,
        repeats: bool = False,
        order: bool = True,
        keys: bool = True,
        end: Callable[[], Log] | None = None,
    ) -> Verdict:
        """Hold everything that was written against everything that arrived; see the module.

        ``repeats``: lines may be there twice, as after a kill. ``order``: lines of a source arrive in order. ``keys``:
        every source has its key. ``end`` makes the last new file, for a source whose paths are not the usual ones.
        """
        self.delivered()
        if self._daemons and self.daemon.running:
            if repeats:  # all of it may have arrived before the kill, and nothing of it be acknowledged yet
                self.rest()
            self.daemon.stop()
        self.reader.read_to_end()
        before = len(self.reader.records)
        self.start()
        self._ends += 1
        last = end() if end is not None else self.log(f"~end{self._ends}.log")  # the last in the order of names
        last.write(1)
        self.delivered()
        self.daemon.stop()
        self.reader.read_to_end()
        again = [record.value for record in self.reader.records[before:]]
        assert again == self.truth.lines[last.source], f"a clean restart sent {len(again) - 1} lines again: {again[:4]}"
        verdict = judge(self.truth, self.reader.records)
        told = str(verdict)
        if repeats:
            verdict.repeated = []
        if not order:
            verdict.out_of_order = []
        if not keys:
            verdict.misplaced = []
        assert verdict == Verdict(), f"{told}\n{self._told()}"
        return verdict

    def rest(self) -> None:
        """Return when the daemon has sent again what was on its way, and all is acknowledged."""
        eventually("it to have sent again what was on its way", self._rests)

    def _rests(self) -> bool:
        """Whether the daemon reads nothing, and waits for nothing to be acknowledged."""
        command = [sys.executable, "-m", "shipper", "status", "--json", "-c", str(self.config)]
        told = subprocess.run(command, capture_output=True, timeout=DEADLINE, check=False)
        if told.returncode:
            return False  # it has not begun yet
        status = json.loads(told.stdout)
        busy = {"reading", "its files are looked for"}
        return not status["in_flight"] and not any(source["state"] in busy for source in status["sources"])

    def close(self) -> None:
        """Leave no process and no connection behind."""
        for daemon in self._daemons:
            daemon.clean_up()
        self.forget_topic()

    def _told(self) -> str:
        return "\n".join(d.log() for d in self._daemons) if self._daemons else "(no daemon was started)"
