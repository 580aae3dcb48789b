"""A pump that a test drives by hand: real files, discovery and store; a clock of its own, and a sink that obeys."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec
from confluent_kafka import KafkaError

from shipper.checkpoints import CheckpointStore
from shipper.config import Config, FileConfig, KafkaConfig, ShipperConfig
from shipper.deadletters import Letter
from shipper.errors import ProducerFatal
from shipper.events import Events
from shipper.files import Files
from shipper.filesource import FileSource
from shipper.filesource.holding import Holding
from shipper.model import Checkpoint, DeliveryReport, Headers, Messages, TopicState
from shipper.pump import Pump
from tests.harness.letters import letters_in
from tests.harness.wait import eventually

BEAT = 0.25  # seconds of the rig's clock between two rounds


class Status(NamedTuple):
    """What the sink says of its brokers."""

    up: bool = True
    reason: str = ""
    brokers: int = 1


class Sent(NamedTuple):
    """One record in the sink's hands."""

    topic: str
    key: bytes
    value: bytes
    report: DeliveryReport

    def tell(self, code: int | None) -> None:
        """Report that it has arrived, or the error of that code."""
        if code is None:
            self.report.ack(1)
        else:
            self.report.nack(KafkaError(code), self.topic, 1)


class FakeSink:
    """A ``model.Sink``. ``up``: what is polled arrives; otherwise it stays in ``queue`` until a test says more."""

    def __init__(self) -> None:
        self.up = True
        self.state = Status()
        self.topics: dict[str, TopicState] = {}
        self.queue: list[Sent] = []
        self.arrived: list[bytes] = []
        self.headers: list[Sequence[tuple[str, bytes]]] = []
        self.timestamps: list[int] = []
        self.held: list[str] = []
        self.most = sys.maxsize  # what fits
        self.fatal = False
        self.closed = False
        self.on_poll: Callable[[], None] = lambda: None

    def topic_state(self, topic: str) -> TopicState:
        return self.topics.get(topic, TopicState.READY)

    def hold(self, topic: str) -> None:
        self.held.append(topic)

    def status(self) -> Status:
        return self.state

    def why_waiting(self, topics: set[str]) -> tuple[str, str]:
        return ", ".join(sorted(topics)), "the test says so"

    def fits(self, topic: str) -> int:
        return self.most

    def send(self, topic: str, messages: Messages, report: DeliveryReport, *, alone: bool = False) -> None:
        self.queue += [Sent(topic, key, value, report) for key, value in messages]

    def send_few(self, topic: str, messages: Messages, reports: Sequence[tuple[DeliveryReport, int]]) -> None:
        at = 0
        for report, count in reports:
            self.send(topic, messages.cut(slice(at, at + count)), report)
            at += count

    def send_each(
        self,
        topic: str,
        messages: Messages,
        headers: Sequence[Headers] | None,
        report: DeliveryReport,
        *,
        alone: bool = False,
        topics: Sequence[str] | None = None,
        timestamps: Sequence[int] | None = None,
    ) -> None:
        self.headers += headers or ()
        self.timestamps += timestamps or ()
        for n, one in enumerate(topics or [topic] * len(messages)):
            self.send(one, messages.pick([n]), report)

    def push(self, after: float = 0.0, spare: float = 0.0) -> float:
        return math.inf

    def poll(self, timeout: float) -> int:
        self.on_poll()
        if self.fatal:
            raise ProducerFatal("the test says so")
        return self.deliver() if self.up else 0

    def close(self, timeout: float) -> None:
        self.closed = True

    def deliver(self) -> int:
        """Let all that is in the queue arrive, and report it."""
        queue, self.queue = self.queue, []
        for sent in queue:
            self.arrived.append(sent.value)
            sent.tell(None)
        return len(queue)

    def refuse(self, code: int = KafkaError._PURGE_QUEUE) -> None:
        """Report all that is in the queue as not taken."""
        queue, self.queue = self.queue, []
        for sent in queue:
            sent.tell(code)


def append(path: Path, *lines: str) -> None:
    """Write lines at the end of a file."""
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


class PumpRig:
    """One source "s" of ``root/logs``; the pump runs between :meth:`start` and :meth:`stop`."""

    def __init__(self, root: Path, glob: str = "*.log", **source: Any) -> None:
        self.logs = root / "logs"
        self.logs.mkdir(exist_ok=True)
        self.now = 1000.0
        self.cpu = 0.0
        self.told: list[tuple[str, str, dict[str, Any]]] = []
        self.faults: dict[str, OSError] = {}
        self.on_call: Callable[[str], None] = lambda _op: None
        self.events = Events(lambda *line: self.told.append(line), clock=lambda: self.now)
        self.config = Config(
            shipper=ShipperConfig(state_dir=root / "state", shutdown_timeout=5.0),
            kafka=KafkaConfig(bootstrap_servers="127.0.0.1:1"),
            sources={
                "s": FileConfig(
                    name="s", paths=(f"{self.logs}/{glob}",), **{"topic": "t", "key": "{filename}"} | source
                )
            },
        )
        (root / "state").mkdir(exist_ok=True)
        self.store = CheckpointStore.open(root / "state", self.events)
        self.sinks: list[FakeSink] = []
        self.most = sys.maxsize  # what fits into the next sink
        self.pump: Pump | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.pump is not None:
            self.pump._close()
        self.store.close()

    @property
    def sink(self) -> FakeSink:
        """The sink in use."""
        return self.sinks[-1]

    @property
    def source(self) -> FileSource:
        """The source, as it is now."""
        assert self.pump is not None
        return self.pump._of_files["s"]

    @property
    def lines(self) -> list[str]:
        """What has arrived, over all sinks."""
        return [value.decode() for sink in self.sinks for value in sink.arrived]

    def names(self, prefix: str = "") -> list[str]:
        """Return the names of the events that were told."""
        return [name for _, name, _ in self.told if name.startswith(prefix)]

    def told_of(self, name: str) -> list[dict[str, Any]]:
        """Return what the events of that name say."""
        return [fields for _, event, fields in self.told if event == name]

    def make_sink(self) -> FakeSink:
        """Make a sink; the pump does."""
        self.sinks.append(FakeSink())
        self.sink.most = self.most
        return self.sink

    def limit_files(self, most: int) -> None:
        """Let so many files be open at most."""
        shipper = msgspec.structs.replace(self.config.shipper, max_open_files=most)
        self.config = msgspec.structs.replace(self.config, shipper=shipper)

    def want(self, **sources: dict[str, Any]) -> None:
        """Reload with these sources, each with what differs from the usual; the rig's own if none of ``paths``."""
        made = {
            name: FileConfig(
                name=name,
                **{"paths": (f"{self.logs}/*.log",), "topic": "t", "key": "{filename}"} | differs,
            )
            for name, differs in sources.items()
        }
        self.config = msgspec.structs.replace(self.config, sources=made)
        if self.pump is not None:
            self.pump.reload(self.config)
            self.beat()

    def make_pump(self, kept: Holding | None = None) -> Pump:
        """Return a pump that is not started."""

        def fault(op: str) -> None:
            self.on_call(op)
            if op in self.faults:
                raise self.faults[op]

        return Pump(
            self.config,
            self.store,
            self.events,
            make_sink=self.make_sink,
            files=Files(fault),
            clock=lambda: self.now,
            cpu=lambda: self.cpu,
            kept=kept,
        )

    def start(self, *, up: bool = True, kept: Holding | None = None) -> Self:
        """Begin, and go one round."""
        self.pump = self.make_pump(kept)
        self.pump._patience = lambda: 0.0  # type: ignore[method-assign]  # it would wait in real time
        self.pump._open()
        self.sink.up = up
        self.beat()
        return self

    def beat(self, rounds: int = 4) -> None:
        """Go some rounds; the kernel's events are taken in first."""
        assert self.pump is not None
        for _ in range(rounds):
            self.pump.wake()
            self.pump._beat()

    def pass_time(self, seconds: float, step: float = BEAT) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self.now < end:
            self.now += step
            self.beat(2)

    def stop(self) -> None:
        """Drain and end it."""
        assert self.pump is not None
        self.pump._drain()
        self.pump._close()
        self.pump = None

    def pass_until(self, what: str, check: Callable[[], object]) -> None:
        """Let time pass until another thread has done its part."""

        def step() -> object:
            self.pass_time(1)
            return check()

        eventually(what, step)

    def letters(self) -> list[Letter]:
        """Return the dead letters."""
        return letters_in(self.config.shipper.state_dir)

    def saved(self) -> list[Checkpoint]:
        """Return what the store knows."""
        return list(self.store.load()["s"].files)
