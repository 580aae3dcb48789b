"""shipper as an administrator has it: installed from its package, run by systemd, configured in ``/etc/shipper``.

All that it ships here goes to one topic, with the file's name as the key; the truth knows what lines the test wrote.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.harness.consumer import Reader, Received, Verdict, judge
from tests.harness.daemon import toml
from tests.harness.machine import LONG, Machine
from tests.harness.secure import SecureBroker
from tests.harness.wait import eventually, let_pass
from tests.harness.writer import Log, Truth

UNIT = "shipper.service"
ADM = 4  # Debian's group that may read logs
DROP_INS = f"/etc/systemd/system/{UNIT}.d"
EXAMPLES = "/usr/share/doc/shipper/examples"


def built() -> Path:
    """Return the package that ``make package`` has made."""
    found = sorted(Path("dist").glob("shipper_*.deb"))
    assert len(found) == 1, f"dist/ must hold the one package of `make package`, and holds {found}"
    return found[0]


class Service:
    """See the module."""

    def __init__(self, machine: Machine, broker: SecureBroker, topic: str) -> None:
        self.machine, self.broker, self.topic = machine, broker, topic
        self.truth = Truth()
        self.kafka: dict[str, Any] = {"bootstrap_servers": broker.bootstrap}
        self.properties: dict[str, Any] = {}
        self._reader = Reader(broker.bootstrap, topic)

    def close(self) -> None:
        """Let go of the brokers."""
        self._reader.close()

    # what an administrator does

    def install(self, package: Path) -> None:
        """Install a package, or upgrade to it."""
        self.machine.path("/var/cache/shipper.deb").write_bytes(package.read_bytes())
        self.machine.run("dpkg", "--install", "/var/cache/shipper.deb")

    def configure(self, **sources: Mapping[str, Any]) -> None:
        """Write the configuration: all logs below ``/var/log``, and what more sources there are."""
        every = {"paths": ["/var/log/**/*.log"], "topic": self.topic, "key": "{filename}"}
        tables: dict[str, Mapping[str, Any]] = {"kafka": self.kafka, "sources.system": every}
        if self.properties:
            tables["kafka.properties"] = self.properties
        tables |= {f"sources.{name}": {"topic": self.topic, **table} for name, table in sources.items()}
        self.machine.write("/etc/shipper/shipper.toml", toml(tables))

    def add_drop_in(self, name: str, text: str) -> None:
        """Add to the unit, as ``systemctl edit`` does."""
        self.machine.write(f"{DROP_INS}/{name}.conf", text)
        self.machine.run("systemctl", "daemon-reload")

    def add_example(self, name: str) -> None:
        """Use a drop-in that the package brings as an example, as its comments say."""
        self.add_drop_in(name, self.machine.path(f"{EXAMPLES}/{name}.conf").read_text())

    def remove_drop_ins(self) -> None:
        """Leave the unit as the package has it."""
        self.machine.run("rm", "-rf", DROP_INS)
        self.machine.run("systemctl", "daemon-reload")

    def control(self, verb: str) -> None:
        """Have ``systemctl`` do it; returns when it is done."""
        done = self.machine.run("systemctl", verb, UNIT, check=False)
        assert done.returncode == 0, f"systemctl {verb}: {done.stderr}\n{self.journal()[-4000:]}"

    # what it sees

    def show(self, key: str) -> str:
        """Return a property of the unit."""
        return self.machine.out("systemctl", "show", "--value", "--property", key, UNIT)

    @property
    def active(self) -> bool:
        """Whether it runs and has said that it is ready."""
        return self.show("ActiveState") == "active" and self.show("SubState") == "running"

    @property
    def pid(self) -> str:
        """The process that runs, as the machine numbers it."""
        return self.show("MainPID")

    def wait_restarted(self, before: str) -> None:
        """Return when systemd has started another process than ``before``, and it is ready."""
        eventually("another process", lambda: self.active and self.pid not in ("0", before), LONG)

    def wait_status(self, pattern: str) -> None:
        """Return when the status line of ``systemctl status`` says it."""
        eventually(f"a status with {pattern!r}", lambda: re.search(pattern, self.show("StatusText")), LONG)

    def journal(self) -> str:
        """Return what the journal has of the unit."""
        return self.machine.out("journalctl", "--unit", UNIT, "--no-pager", "--output", "cat")

    def wait_told(self, text: str, count: int = 1) -> None:
        """Return when the journal has it so often."""
        eventually(f"{text!r} in the journal", lambda: self.journal().count(text) >= count, LONG)

    # logs, and what became of them

    def log(self, name: str, mode: int = 0o640, group: int = ADM) -> Log:
        """Return a log file of an application of the machine, which exists already."""
        path = self.machine.path(f"/var/log/app/{name}")
        path.parent.mkdir(exist_ok=True)
        path.touch()
        os.chown(path, 0, group)
        path.chmod(mode)
        return Log(path, self.truth)

    def write_journal(self, count: int) -> None:
        """Have a program of the machine write lines to the journal, as the identifier "app"."""
        self.truth.keys["journal"] = b"journal"
        known = self.truth.lines["journal"]
        made = [f"journal {number}" for number in range(len(known), len(known) + count)]
        known.extend(line.encode() for line in made)
        self.machine.run("systemd-cat", "--identifier=app", stdin="".join(f"{line}\n" for line in made))

    @contextlib.contextmanager
    def writing(self, *logs: Log) -> Iterator[None]:
        """Have applications write all the time meanwhile, one of which rotates its log."""
        over = threading.Event()

        def write() -> None:
            turn = 0
            while not over.is_set():
                for log in logs:
                    log.write(20)
                turn += 1
                if turn % 40 == 0:
                    self._rotate(logs[0])
                let_pass(0.02)

        writer = threading.Thread(target=write, name="applications", daemon=True)
        writer.start()
        try:
            yield
        finally:
            over.set()
            writer.join()

    def _rotate(self, log: Log) -> None:
        log.rotate()
        log.path.touch()
        os.chown(log.path, 0, ADM)
        log.path.chmod(0o640)

    def records(self) -> list[Received]:
        """Return all of the topic so far that is of the test's logs."""
        keys = set(self.truth.keys.values())
        return [record for record in self._reader.records if record.key in keys]

    def arrive(self) -> None:
        """Wait until all that was written so far has arrived."""
        missing = self._reader.read_until(self.truth.wanted(), LONG)
        assert not missing, f"{len(missing)} lines are missing, as {sorted(missing)[:3]}\n{self.journal()[-4000:]}"

    def verify(self, *, once: bool = False) -> None:
        """Wait for all, and judge it, when nothing writes: with ``once`` nothing may have come twice."""
        self.arrive()
        self._reader.read_to_end()
        verdict = judge(self.truth, self.records())
        assert verdict == Verdict(repeated=[] if once else verdict.repeated), str(verdict)
