"""What the brokers refuse for good: kept where it is safe, the rest in order and once, and sent again on request."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported, but not by its types
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from tests.harness.consumer import Reader
from tests.harness.kafka import Broker
from tests.harness.rig import Rig
from tests.harness.wait import eventually
from tests.harness.writer import Log

LIMIT = 100_000
LARGE = 300_000


@pytest.fixture
def small(broker: Broker, topic: str, tmp_path: Path) -> Any:
    """Return a rig whose topic takes less than the lines that are written."""
    broker.create_topic(topic, 1, **{"max.message.bytes": str(LIMIT)})
    made = Rig(tmp_path, broker.bootstrap, topic)
    yield made
    made.close()


def large(log: Log, number: int, size: int = LARGE) -> bytes:
    """Write a line that no compression makes small; it need not arrive."""
    dice = random.Random(number)
    line = f"large {number} ".encode() + base64.b64encode(dice.randbytes(size * 3 // 4))
    log.write_raw(line + b"\n")
    return line


def allow(broker: Broker, topic: str, size: int) -> None:
    """Change how large a batch the topic takes; return when the broker says so itself."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    change = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource.add_incremental_config(change)
    for done in broker.admin.incremental_alter_configs([resource]).values():
        done.result(30)

    def there() -> bool:
        asked = broker.admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)])
        return all(told.result(30)["max.message.bytes"].value == str(size) for told in asked.values())

    eventually("the topic's new limit", there)


def command(rig: Rig, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "shipper", "deadletter", *words, "-c", str(rig.configure())],
        capture_output=True,
        text=True,
        check=False,
    )


def letters(rig: Rig) -> list[dict[str, Any]]:
    """Return the dead letters, their bytes decoded."""
    told = command(rig, "list", "--json")
    assert told.returncode == 0, told.stderr
    found: list[dict[str, Any]] = [json.loads(line) for line in told.stdout.splitlines()]
    for one in found:
        one["value"] = base64.b64decode(one["value"])
    return found


def kept(rig: Rig, count: int) -> list[dict[str, Any]]:
    """Return the dead letters when there are so many."""
    eventually(f"{count} dead letters", lambda: len(letters(rig)) >= count)
    return letters(rig)


def test_what_is_too_large_is_kept_and_the_rest_arrives_once_in_order(small: Rig) -> None:
    log, wanted, offsets = small.log(), [], []
    for number in range(5):
        log.write(200)
        offsets.append(log.path.stat().st_size)
        wanted.append(large(log, number))
    log.write(3000)
    daemon = small.start()
    small.delivered()
    found = letters(small)
    assert [one["value"] for one in found] == wanted
    assert [one["offset"] for one in found] == offsets
    assert {one["path"] for one in found} == {str(log.path)}
    assert {one["reason"] for one in found} == {"MSG_SIZE_TOO_LARGE"}
    assert base64.b64decode(found[0]["key"]) == b"app.log"
    assert not daemon.told("batch.refused"), daemon.log()
    assert not daemon.told("source.rewound"), daemon.log()
    small.verify()
    assert [one["value"] for one in letters(small)] == wanted


def test_other_files_go_on_in_order_while_lines_are_refused(small: Rig) -> None:
    small.start()
    logs = [small.log(f"app{number}.log") for number in range(4)]
    for number in range(6):
        for log in logs:
            log.write(300)
            if number % 2:
                large(log, number)
    small.delivered()
    kept(small, 12)
    small.verify()
    assert len(letters(small)) == 12


def test_full_batches_of_what_does_not_compress_are_not_refused(small: Rig) -> None:
    log = small.log()
    dice = random.Random(7)
    for number in range(2000):
        line = log.made(b"%d " % number + base64.b64encode(dice.randbytes(500)))
        log.write_raw(line + b"\n")
    daemon = small.start()
    small.delivered()
    assert not daemon.told("batch.refused"), daemon.log()
    small.verify()


def test_what_compresses_to_less_than_the_limit_is_taken(small: Rig) -> None:
    log = small.log()
    log.write(10)
    log.write_raw(log.made(b"y" * LARGE) + b"\n")
    log.write(10)
    small.start()
    small.verify()
    assert letters(small) == []


def test_a_kill_doubles_no_dead_letter(small: Rig) -> None:
    log = small.log()
    count = 0
    for _ in range(4):
        for _ in range(4):
            log.write(100)
            large(log, count)
            count += 1
        small.start()
        small.daemon.wait_for("record.deadlettered")
        small.daemon.kill()
    small.start()
    small.delivered()
    kept(small, count)
    small.verify(repeats=True)
    found = letters(small)
    assert len(found) == len({(one["uid"], one["generation"], one["offset"], one["part"]) for one in found}) == count


def test_the_parts_of_a_line_are_kept_each_for_itself(small: Rig) -> None:
    small.source["max_line"] = LARGE
    log = small.log()
    log.write(10)
    line = large(log, 1, 3 * LARGE - 1000)
    log.write(10)
    small.start()
    small.delivered()
    found = kept(small, 3)
    assert b"".join(one["value"] for one in found) == line
    assert [one["part"] for one in found] == [1, 2, 3]
    assert len({one["offset"] for one in found}) == 1
    assert found[-1]["headers"] == {"shipper.part": "3", "shipper.parts": "3"}
    small.verify()


def test_a_limit_that_falls_while_the_daemon_runs(rig: Rig, broker: Broker) -> None:
    log = rig.log()
    log.write(1000)
    daemon = rig.start()
    rig.delivered()
    allow(broker, rig.topic, LIMIT)
    wanted = []
    for number in range(3):
        log.write(100)
        wanted.append(large(log, number))
    log.write(100)
    rig.delivered()
    assert [one["value"] for one in kept(rig, 3)] == wanted
    daemon.wait_for("batch.refused")
    rig.verify(repeats=True, order=False)  # what was queued behind a refused batch may have arrived (docs/design.md)


@pytest.mark.parametrize("running", [True, False])
def test_replay_delivers_what_is_taken_now(small: Rig, broker: Broker, running: bool) -> None:
    log = small.log()
    wanted = [large(log, number) for number in range(3)]
    log.write(100)
    small.start()
    small.delivered()
    kept(small, 3)
    if not running:
        small.daemon.stop()
    refused = command(small, "replay")
    assert refused.returncode == 1
    assert "0 dead letters delivered and removed, 3 left." in refused.stdout
    assert "max.message.bytes" in refused.stderr
    assert len(letters(small)) == 3
    allow(broker, small.topic, 1_000_000)
    sent = command(small, "replay", "--json")
    assert (sent.returncode, json.loads(sent.stdout)) == (0, {"delivered": 3, "left": 0, "reasons": {}}), sent.stderr
    assert letters(small) == []
    with Reader(broker.bootstrap, small.topic) as reader:
        reader.read_to_end()
        arrived = [(record.key, record.value) for record in reader.records if record.value.startswith(b"large")]
    assert arrived == [(b"app.log", line) for line in wanted]


def test_replay_needs_brokers(small: Rig, broker: Broker) -> None:
    log = small.log()
    large(log, 1)
    small.start()
    kept(small, 1)
    small.daemon.stop()
    small.kafka["bootstrap_servers"] = "127.0.0.1:1"
    told = command(small, "replay", "--timeout", "1")
    assert told.returncode == 1
    assert told.stderr.count("no broker answers") == 1, told.stderr
    assert "Traceback" not in told.stderr
    assert len(letters(small)) == 1


def test_no_dead_letters(small: Rig) -> None:
    for running in (False, True):
        if running:
            small.start()
        assert command(small, "list").stdout == "No dead letters.\n"
        told = command(small, "replay")
        assert (told.returncode, told.stdout) == (0, "0 dead letters delivered and removed, 0 left.\n")


def other(rig: Rig, broker: Broker) -> Path:
    """Give the rig a second source with a topic of its own; return its file."""
    name = f"{rig.topic}-other"
    broker.create_topic(name, 1)
    (rig.root / "other").mkdir()
    rig.more_sources["other"] = {"paths": [f"{rig.root}/other/*.log"], "topic": name, "key": "{filename}"}
    return rig.root / "other" / "other.log"


@pytest.mark.parametrize("why", ["block", "full"])
def test_only_the_source_with_the_refused_record_stops(small: Rig, broker: Broker, why: str) -> None:
    if why == "block":
        small.kafka["on_reject"] = "block"
    else:
        small.shipper["deadletter_max"] = "1MiB"
    second = other(small, broker)
    log = small.log()
    fit = 0 if why == "block" else 3  # of 300,000 bytes below the cap
    for number in range(fit + 1):
        log.write(50)
        large(log, number)
    behind = len(small.truth.lines["app.log"])
    log.write(50)
    daemon = small.start()
    told = daemon.wait_for("record.refused", source="logs")
    assert told.level == "ERROR"
    assert told.fields["path"] == str(log.path)
    assert ("block" if why == "block" else "deadletter_max") in told.fields["why"]
    second.write_bytes(b"one\ntwo\n")
    with Reader(broker.bootstrap, f"{small.topic}-other") as reader:
        reader.read_count(2)
        assert [record.value for record in reader.records] == [b"one", b"two"]
    small.reader.read_to_end()
    assert [record.value for record in small.reader.records] == small.truth.lines["app.log"][:behind]
    assert len(letters(small)) == fit
    daemon.process.send_signal(10)  # USR1
    assert "was refused" in daemon.wait_for("source.status", source="logs").fields["state"]
    allow(broker, small.topic, 1_000_000)
    small.delivered()
    small.reader.read_to_end()
    large_ones = [r.value for r in small.reader.records if r.value.startswith(b"large")]
    assert len(large_ones) == len(set(large_ones)) >= 1
    assert [r.value for r in small.reader.records if not r.value.startswith(b"large")] == small.truth.lines["app.log"]
