"""A real one-node Apache Kafka (KRaft) for the tests: jars by Maven once, started in a few seconds.

Clients reach it at ``bootstrap`` directly, or at ``proxied`` through a :class:`~tests.harness.proxy.Proxy` that can be
cut, stalled and healed. The jars stay in ``$KAFKA_LIBS``, by default ``~/.cache/kafka-<version>``.

``python -m tests.harness.kafka`` fetches the jars and starts nothing.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import cached_property
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.harness.process import freeze, thaw
from tests.harness.proxy import Proxy
from tests.harness.wait import DEADLINE, eventually

VERSION = "4.3.1"
JAVA_NEEDED = 17


class KafkaUnavailable(Exception):
    """This machine cannot run a broker; says what is missing and which Debian package brings it."""


def java() -> str:
    """Return the path of a Java that is new enough."""
    path = shutil.which("java")
    if path is None:
        raise KafkaUnavailable("no java on the PATH; on Debian: apt-get install default-jre-headless")
    told = subprocess.run([path, "-version"], capture_output=True, text=True, check=False).stderr
    version = told.split('"')[1] if '"' in told else "?"
    if not version.split(".")[0].isdigit() or int(version.split(".")[0]) < JAVA_NEEDED:
        raise KafkaUnavailable(f"java is version {version}; Kafka {VERSION} needs {JAVA_NEEDED} or newer")
    return path


def libs() -> Path:
    """Return the directory of the broker's jars, fetched by Maven when they are not there yet."""
    home = Path(os.environ.get("KAFKA_LIBS") or Path.home() / ".cache" / f"kafka-{VERSION}")
    jar = f"kafka_2.13-{VERSION}.jar"
    if (home / jar).exists():
        return home
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaUnavailable(
            f"no Kafka {VERSION} in {home}, and no mvn to fetch it; on Debian: apt-get install maven"
        )
    home.parent.mkdir(parents=True, exist_ok=True)
    with open(home.parent / f"{home.name}.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test workers start together
        if (home / jar).exists():
            return home
        # Filled beside and renamed, so that an interrupted download is not taken for a whole one.
        with tempfile.TemporaryDirectory(prefix=f"{home.name}-", dir=home.parent) as fetched:
            command = [maven, "-q", "-B", "-f", str(Path(__file__).with_name("pom.xml")), f"-Dkafka.version={VERSION}"]
            command += ["dependency:copy-dependencies", f"-DoutputDirectory={fetched}/jars", "-DincludeScope=runtime"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                last = (done.stdout + done.stderr).strip()[-2000:]
                raise KafkaUnavailable(f"Maven could not fetch Kafka {VERSION}:\n{last}")
            if home.exists():
                shutil.rmtree(home)
            os.rename(f"{fetched}/jars", home)
    return home


class Ports:
    """Hands out free ports below the range from which the kernel takes those of outgoing connections.

    From that range, a client that knocks at a broker which is down can be given the broker's own port.
    Each test worker has a stretch of its own.
    """

    FIRST, STRETCH, WORKERS = 11_000, 1_000, 20

    def __init__(self) -> None:
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % self.WORKERS
        first = self.FIRST + worker * self.STRETCH
        self._left = random.SystemRandom().sample(range(first, first + self.STRETCH), self.STRETCH)

    def take(self) -> int:
        """Return a port on which nobody listens."""
        while True:
            port = self._left.pop()
            with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
                return port


class Broker:
    """One Kafka node with its data in a temporary directory; a context manager that leaves nothing behind."""

    # Soon up, and small: test workers have one each.
    JAVA_OPTIONS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

    def __init__(
        self,
        properties: Mapping[str, object] | None = None,
        listeners: Mapping[str, str] | None = None,
        java_options: Sequence[str] = JAVA_OPTIONS,
    ) -> None:
        """Start it; ``listeners`` are more of them, with the protocol of each: where, says ``self.listeners``."""
        self._java, self._libs = java(), libs()
        self._java_options = java_options
        self._process: subprocess.Popen[bytes] | None = None
        self.home = Path(tempfile.mkdtemp(prefix="shipper-kafka-"))
        ports = Ports()
        self.listeners = {name: f"127.0.0.1:{ports.take()}" for name in listeners or {}}
        more = "".join(f",{name}://{address}" for name, address in self.listeners.items())
        protocols = "".join(f",{name}:{protocol}" for name, protocol in (listeners or {}).items())
        direct, behind, front, controller = (ports.take() for _ in range(4))
        self.bootstrap, self.proxied = f"127.0.0.1:{direct}", f"127.0.0.1:{front}"
        settings: dict[str, object] = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"DIRECT://127.0.0.1:{direct},PROXIED://127.0.0.1:{behind},"
            f"CONTROLLER://127.0.0.1:{controller}{more}",
            "advertised.listeners": f"DIRECT://{self.bootstrap},PROXIED://{self.proxied}{more}",
            "listener.security.protocol.map": "DIRECT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT" + protocols,
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "DIRECT",
            "log.dirs": self.home / "data",
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1,
            # How often a transaction is looked for that is older than its transaction.timeout.ms, by default 10 s.
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": 500,
            "group.initial.rebalance.delay.ms": 0,
            # A node that was killed may register again when its old session is over, by default after 9 s.
            "broker.session.timeout.ms": 2000,
            "broker.heartbeat.interval.ms": 500,
            # The index files of hundreds of small partitions are preallocated, at 10 MiB each by default.
            "log.index.size.max.bytes": 65536,
            **(properties or {}),
        }
        self._settings = self.home / "server.properties"
        self._settings.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        self._log = self.home / "broker.log"
        self.proxy = Proxy(front, behind)
        try:
            # An id that begins with "-" would be taken for an option.
            cluster = "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]
            formatting = self._run("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._settings))
            if formatting.wait():
                raise RuntimeError(f"Kafka's storage could not be formatted:\n{self._log.read_text()}")
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Broker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def admin(self) -> AdminClient:
        """A client for what only the admin interface does."""
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    @property
    def pid(self) -> int:
        """The process id of the node."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the node, unless it runs; return when it answers."""
        if self._process is not None and self._process.poll() is None:
            return
        self._process = self._run("kafka.Kafka", str(self._settings))
        eventually(f"Kafka at {self.bootstrap} to answer", self._answers)

    def kill(self) -> None:
        """End the node as a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """Stop the node's process in its tracks: connections stay, nothing answers."""
        freeze(self.pid)

    def resume(self) -> None:
        """Let a paused node go on."""
        thaw(self.pid)

    def restore(self) -> None:
        """Undo every fault, for the next test, which may be one that watches what this process has open."""
        self.proxy.heal()
        if self._process is not None and self._process.poll() is None:
            self.resume()
        self.start()
        vars(self).pop("admin", None)

    def create_topic(self, name: str, partitions: int = 3, **config: str) -> None:
        """Create a topic; return when it is there."""
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=config)
        self.settle(self.admin.create_topics([topic]))
        eventually(f"topic {name}", lambda: name in self._topics())

    def delete_topic(self, name: str) -> None:
        """Delete a topic; return when it is gone."""
        self.settle(self.admin.delete_topics([name]))
        eventually(f"topic {name} to go", lambda: name not in self._topics())

    def limit(self, client: str, rate: int | None) -> None:
        """Let clients of this id send so many bytes a second; None: as many as they like."""
        name = "producer_byte_rate"
        change = ["--delete-config", name] if rate is None else ["--add-config", f"{name}={rate}"]
        where = ["--bootstrap-server", self.bootstrap, "--entity-type", "clients", "--entity-name", client]
        done = self._run("kafka.admin.ConfigCommand", *where, "--alter", *change).wait()
        assert done == 0, self._log.read_text()[-2000:]

    def close(self) -> None:
        """End everything and remove the data."""
        self.proxy.close()
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def _run(self, *command: str) -> subprocess.Popen[bytes]:
        # setpriv: a broker must not outlive a test run that was killed.
        start = ["setpriv", "--pdeathsig", "KILL", self._java, *self._java_options, "-cp", f"{self._libs}/*", *command]
        with open(self._log, "ab") as log:
            return subprocess.Popen(start, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"Kafka ended while starting:\n{self._log.read_text()[-4000:]}")
        with contextlib.suppress(KafkaException):
            return bool(self.admin.list_topics(timeout=5).brokers)
        return False

    def _topics(self) -> set[str]:
        with contextlib.suppress(KafkaException):
            return set(self.admin.list_topics(timeout=5).topics)
        return set()

    @staticmethod
    def settle(futures: Mapping[Any, Future[Any]]) -> None:
        """Wait until all that was asked of the admin interface is done; raises what went wrong."""
        for future in futures.values():
            future.result(timeout=DEADLINE)


if __name__ == "__main__":
    try:
        java()
        print(f"Kafka {VERSION}: {libs()}")  # noqa: T201 (a command)
    except KafkaUnavailable as why:
        sys.exit(f"The tests against a real Kafka will be skipped: {why}")
