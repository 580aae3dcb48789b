"""What a real broker holds back: a client's quota, and a disk that is full."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.kafka import Broker, KafkaUnavailable
from tests.harness.rig import Rig

CLIENT = "throttled"


def test_a_quota_holds_back_the_rate_and_nothing_else(rig: Rig, broker: Broker) -> None:
    """It is told, memory stays bounded by max_in_flight, and everything arrives in order when it is lifted."""
    rig.shipper["instance"] = rig.topic[-100:]
    rig.kafka |= {
        "delivery": "exactly_once",
        "max_in_flight": "4MiB",
        "compression": "none",
        "checkpoint_topic": f"c-{rig.topic}"[-200:],
    }
    rig.kafka_properties |= {"client.id": CLIENT, "statistics.interval.ms": "500"}
    log = rig.log()
    log.write(100)
    daemon = rig.start()
    rig.delivered()
    broker.limit(CLIENT, 60_000)  # bytes a second
    before = daemon.peak_memory()
    for _ in range(20):
        log.write(500, size=2000)
    told = daemon.wait_for("delivery.stalled", source="logs")
    assert told.fields["why"].startswith("the brokers throttle this client")
    assert daemon.peak_memory() - before < 40_000_000
    broker.limit(CLIENT, None)
    daemon.wait_for("delivery.resumed")
    rig.verify()


class Disk:
    """A file system of a few megabytes, which can be made larger."""

    def __init__(self, where: Path) -> None:
        self.where = where

    def mount(self, options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "shipper-test", str(self.where)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"this test mounts a small file system, and may not: {done.stderr.strip()}")

    def unmount(self) -> None:
        subprocess.run(["umount", str(self.where)], check=True)


@pytest.fixture
def disk() -> Iterator[Disk]:
    with tempfile.TemporaryDirectory(prefix="shipper-disk-") as where:
        made = Disk(Path(where))
        made.mount("size=16m")
        yield made
        made.unmount()


@pytest.fixture
def cramped(disk: Disk, tmp_path: Path) -> Iterator[Broker]:
    """Return a broker whose data is on the small disk; what it knows of the cluster is not."""
    try:
        broker = Broker({"log.dirs": disk.where / "data", "metadata.log.dir": tmp_path / "metadata"})
    except KafkaUnavailable as why:
        pytest.skip(str(why))
    with broker:
        yield broker


def test_the_disk_of_a_broker_is_full(cramped: Broker, disk: Disk, topic: str, tmp_path: Path) -> None:
    """It stops, as its only disk fails; there is room when it is started again."""
    cramped.create_topic(topic, 3)
    rig = Rig(tmp_path, cramped.bootstrap, topic)
    rig.kafka["compression"] = "none"
    try:
        log = rig.log()
        log.write(100)
        daemon = rig.start()
        rig.delivered()
        for _ in range(60):
            log.write(500, size=2000)
        daemon.wait_for("brokers.away")
        disk.mount("remount,size=200m")
        cramped.start()
        daemon.wait_for("brokers.back")
        rig.verify(repeats=True)
    finally:
        rig.close()
