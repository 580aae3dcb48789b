"""Exactly once: whatever is killed, a consumer that reads committed records sees every line once and in order."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import IsolationLevel, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # re-exported, but not by its types

from shipper.kafka.offsets import partition_of
from shipper.kafka.transactions import transactional_id
from tests.harness.consumer import Reader, Verdict, judge
from tests.harness.daemon import Daemon
from tests.harness.kafka import Broker
from tests.harness.letters import letters_in
from tests.harness.rig import Rig
from tests.harness.wait import eventually, let_pass
from tests.harness.writer import Load


def exactly_once(rig: Rig) -> Rig:
    rig.shipper["instance"] = rig.topic[-100:]
    rig.kafka |= {"delivery": "exactly_once", "checkpoint_topic": f"c-{rig.topic}"[-200:]}
    return rig


@pytest.fixture
def once(rig: Rig) -> Rig:
    return exactly_once(rig)


@pytest.fixture
def distant(distant_rig: Rig) -> Rig:
    return exactly_once(distant_rig)


def unended(broker: Broker, topic: str) -> bool:
    """Whether a transaction is open in some partition of ``topic``, as far as the broker tells yet."""
    partitions = broker.admin.list_topics(topic, 30).topics[topic].partitions
    ends = [
        broker.admin.list_offsets(
            {TopicPartition(topic, n): OffsetSpec.latest() for n in partitions},  # type: ignore[no-untyped-call]
            isolation_level=level,
        )
        for level in (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED)
    ]
    with contextlib.suppress(KafkaException):
        committed, everything = ({p.partition: f.result(30).offset for p, f in end.items()} for end in ends)
        return committed != everything
    return False


def test_a_backlog_and_a_live_writer(once: Rig) -> None:
    log = once.log()
    log.write(5000)
    once.start()
    for _ in range(20):
        log.write(50)
        let_pass(0.02)
    once.verify()


def test_killed_again_and_again_under_load_and_rotation(once: Rig) -> None:
    kills = int(os.environ.get("SHIPPER_TEST_KILLS", "6"))
    dice = random.Random(4)
    logs = [once.log(f"a{number}.log") for number in range(3)]
    rotated = once.log("r.log")
    once.start()  # what is rotated before the first scan is left alone
    once.daemon.kill()
    with Load(logs, lines=40, every=0.01):
        for _ in range(kills):
            daemon = once.launch()
            for _ in range(dice.randrange(1, 6)):
                rotated.write(dice.randrange(1, 400))
                let_pass(dice.uniform(0.0, 0.5))
                rotated.rotate()
            daemon.kill()
    rotated.write(1)
    once.start()
    once.verify()


def test_the_broker_is_killed_while_transactions_are_open(broker: Broker, once: Rig) -> None:
    dice = random.Random(5)
    logs = [once.log(f"a{number}.log") for number in range(3)]
    once.start()
    with Load(logs, lines=30, every=0.01):
        for _ in range(3):
            let_pass(dice.uniform(0.5, 1.5))
            broker.kill()
            broker.start()
    once.verify()


def test_the_daemon_is_killed_while_the_broker_is_away(broker: Broker, once: Rig) -> None:
    log = once.log()
    daemon = once.start()
    with Load([log], lines=30, every=0.01):
        once.delivered()
        broker.kill()
        let_pass(0.7)
        daemon.kill()
        once.launch().wait_for("brokers.away")
        broker.start()
    once.verify()


def test_a_file_is_deleted_while_the_broker_is_away_at_the_start(broker: Broker, once: Rig) -> None:
    log = once.log()
    log.write(100)
    daemon = once.start()
    once.delivered()
    daemon.kill()
    log.write(100)
    broker.kill()
    try:
        daemon = once.launch()
        daemon.wait_open(log.path)
        log.path.unlink()
        log.write(100)  # anew
    finally:
        broker.start()
    once.verify()


@pytest.mark.parametrize(("killed", "checkpoints_too"), [(False, False), (True, True)])
def test_a_transaction_that_the_broker_forgets_to_end(
    broker: Broker, once: Rig, tmp_path: Path, killed: bool, checkpoints_too: bool
) -> None:
    """As KAFKA-20734 does: the coordinator has ended it, and a partition does not know."""
    once.kafka["commit_interval"] = "5s"
    broker.create_topic(str(once.kafka["checkpoint_topic"]), 1, **{"cleanup.policy": "compact"})
    log = once.log()
    daemon = once.start()
    with Load([log], lines=20, every=0.01):
        once.delivered()
        eventually("records that are not committed", lambda: unended(broker, once.topic))
        daemon.kill() if killed else daemon.pause()
        broker.kill()
        topics = [once.topic] + [str(once.kafka["checkpoint_topic"])] * checkpoints_too
        kept = [partition for topic in topics for partition in (broker.home / "data").glob(f"{topic}-*")]
        for partition in kept:
            shutil.copytree(partition, tmp_path / "kept" / partition.name)
        broker.start()
        heir = {"bootstrap.servers": broker.bootstrap, "transactional.id": transactional_id(once.shipper["instance"])}
        Producer(heir | {"log_level": 0}).init_transactions(30)  # returns when the coordinator has ended it
        broker.kill()
        once.forget_topic()  # the reader may have seen the end that is taken back now
        for partition in kept:
            shutil.rmtree(partition)
            shutil.copytree(tmp_path / "kept" / partition.name, partition)
        broker.start()
        eventually("what was open to be open again", lambda: unended(broker, once.topic))
        if killed:
            daemon = once.launch()
        else:
            daemon.resume()
            daemon.wait_for("client.replaced")
        daemon.wait_for("transaction.hanging")
    once.verify()


def test_an_outage_that_outlives_the_transaction(broker: Broker, distant: Rig) -> None:
    distant.kafka_properties["transaction.timeout.ms"] = "2000"
    log = distant.log()
    log.write(100)
    daemon = distant.start()
    distant.delivered()
    with Load([log], lines=20, every=0.01):
        let_pass(0.3)
        broker.proxy.cut()
        let_pass(6)
        broker.proxy.heal()
        daemon.wait_for("client.replaced")
    distant.verify()


def test_a_daemon_that_was_frozen_for_longer_than_its_transaction(once: Rig) -> None:
    once.kafka_properties["transaction.timeout.ms"] = "2000"
    log = once.log()
    daemon = once.start()
    with Load([log], lines=20, every=0.01):
        once.delivered()
        let_pass(0.3)
        daemon.pause()
        let_pass(6)
        daemon.resume()
        let_pass(1)
    once.verify()


def test_another_daemon_has_a_transaction_open_in_the_same_partition(broker: Broker, once: Rig) -> None:
    checkpoints = str(once.kafka["checkpoint_topic"])
    broker.create_topic(checkpoints, 1, **{"cleanup.policy": "compact"})
    log = once.log()
    log.write(1000)
    daemon = once.start()
    once.delivered()
    other = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": once.topic, "log_level": 0})
    other.init_transactions(30)
    other.begin_transaction()
    other.produce(checkpoints, b"{}", b'["another"]', partition=partition_of("another", 1))
    other.flush(30)
    with Load([log], lines=20, every=0.01):
        let_pass(1)
        daemon.kill()  # what it has committed since is behind the open transaction
        daemon = once.launch()
        daemon.wait_for("offsets.waiting")
        assert not daemon.told("offsets.read")
        other.abort_transaction(30)
        daemon.wait_for("offsets.read")
    once.verify()


def test_switched_to_at_least_once_and_back(once: Rig) -> None:
    log, gone = once.log(), once.log("gone.log")
    for number, mode in enumerate(["exactly_once", "at_least_once", "exactly_once", "at_least_once", "exactly_once"]):
        once.kafka["delivery"] = mode
        log.write(300)
        if not number:
            gone.write(100)
        once.start()
        once.delivered()
        log.rotate()
        log.write(100)
        once.delivered()
        once.daemon.stop()
    once.verify()


def test_the_topic_knows_where_to_go_on_when_the_state_directory_is_lost(once: Rig) -> None:
    once.source["start_at"] = "end"
    log = once.log()
    log.write_raw(b"before the first scan\n")
    (once.logs / "quiet.log").write_bytes(b"nothing is ever added to this\n")
    (once.logs / "app.log.1").write_bytes(b"rotated before the first scan\n")
    once.start()
    log.write(300)
    once.delivered()
    log.rotate()
    log.write(300)
    once.delivered()
    once.daemon.kill()
    shutil.rmtree(once.state)
    once.state.mkdir()
    log.write(100)
    once.start()
    once.verify()


def refusing(broker: Broker, rig: Rig, content: bytes, **settings: object) -> tuple[str, Path]:
    """Give the rig a second source, with ``content``, whose topic takes batches of 2,000 bytes."""
    small = f"s-{rig.topic}"[-200:]
    broker.create_topic(small, 1, **{"max.message.bytes": "2000"})
    (rig.root / "small").mkdir()
    rig.more_sources["small"] = {
        "paths": [f"{rig.root}/small/*.log"],
        "topic": small,
        "key": "{filename}",
        **settings,
    }
    path = rig.root / "small" / "s.log"
    path.write_bytes(content)
    return small, path


def committed(broker: Broker, topic: str, count: int, *, all_of_it: bool = False) -> list[bytes]:
    """Return the values that were committed to ``topic``, when there are so many; to its end if ``all_of_it``."""
    with Reader(broker.bootstrap, topic) as reader:
        reader.read_count(count)
        if all_of_it:
            reader.read_to_end()
        return [record.value for record in reader.records]


@pytest.mark.parametrize("kill", [False, True])
def test_a_refused_record_is_kept_and_nothing_is_doubled(broker: Broker, once: Rig, kill: bool) -> None:
    log = once.log()
    large = [random.Random(number).randbytes(9000).hex().encode() for number in range(3)]
    lines = [b"before 1", b"before 2", large[0], b"between", large[1], large[2], b"after"]
    small, _ = refusing(broker, once, b"".join(line + b"\n" for line in lines))
    daemon = once.start()
    with Load([log], lines=20, every=0.02):
        if kill:
            daemon.wait_for("record.deadlettered")
            daemon.kill()
            once.launch()
        eventually("the dead letters", lambda: len(letters_in(once.state)) >= len(large))
        committed(broker, small, len(lines) - len(large))
    once.verify()
    assert committed(broker, small, 0, all_of_it=True) == [line for line in lines if line not in large]
    assert [letter.value for letter in letters_in(once.state)] == large


def test_a_part_that_is_refused_is_kept_and_the_others_are_committed_with_its_line(broker: Broker, once: Rig) -> None:
    dice = random.Random(2)
    noise, plain = dice.randbytes(2048).hex().encode(), b"a" * 4096
    small, _ = refusing(broker, once, b"before\n" + plain + noise + plain + b"\nafter\n", max_line="4KiB")
    once.start()
    eventually("the dead letter", lambda: bool(letters_in(once.state)))
    committed(broker, small, 4)
    once.daemon.stop()
    assert committed(broker, small, 4, all_of_it=True) == [b"before", plain, plain, b"after"]
    assert [(letter.offset, letter.part, letter.value) for letter in letters_in(once.state)] == [(7, 2, noise)]


def test_a_refused_record_blocks_its_source_where_that_is_wanted(broker: Broker, once: Rig) -> None:
    once.kafka["on_reject"] = "block"
    log = once.log()
    large = random.Random(1).randbytes(9000).hex().encode()
    small, _ = refusing(broker, once, b"short\n" * 5 + large + b"\nafter\n")
    daemon = once.start()
    with Load([log], lines=20, every=0.02):
        daemon.wait_for("record.refused")
        let_pass(1)
    once.verify()
    assert committed(broker, small, 0, all_of_it=True) == [b"short"] * 5
    assert letters_in(once.state) == []


def test_the_parts_of_a_long_line_are_committed_together(once: Rig) -> None:
    once.source["max_line"] = "1KiB"
    log = once.log()
    pieces = [b"".join(b"%05d " % n for n in range(500 * i, 500 * (i + 1))) for i in range(20)]
    once.start()
    with open(log.path, "ab", buffering=0) as file:
        for piece in pieces:  # for longer than a commit_interval: no part of it may come before its end
            file.write(piece)
            let_pass(0.1)
        assert once.reader.read_until([b"never"], timeout=0.5)
        assert once.reader.records == []
        once.daemon.kill()
        once.start()
        file.write(b"\n")
    whole = b"".join(pieces)
    once.truth.lines[log.source] += [whole[i : i + 1024] for i in range(0, len(whole), 1024)]
    once.verify()


def test_two_daemons_of_one_instance_do_not_both_go_on(once: Rig) -> None:
    log = once.log()
    log.write(100)
    first = once.start()
    once.delivered()
    config = once.configure()
    other = once.root / "other.toml"
    (once.root / "other").mkdir()
    other.write_text(config.read_text().replace(str(once.state), str(once.root / "other")))
    second = Daemon(other)
    try:
        second.wait_for("offsets.read")
        with Load([log], lines=20, every=0.01):
            assert first.wait() == 75
        assert "shipper.instance" in first.output[-1]
        once.delivered()
        second.stop()
    finally:
        second.clean_up()
    once.reader.read_to_end()
    assert judge(once.truth, once.reader.records) == Verdict()


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_a_topic_that_forgets_is_told(broker: Broker, once: Rig, policy: str) -> None:
    broker.create_topic(str(once.kafka["checkpoint_topic"]), 1, **{"cleanup.policy": policy})
    once.log().write(10)
    daemon = once.start()
    daemon.wait_for("checkpoint_topic.unfit")
    once.verify()


def command(rig: Rig, *argv: str) -> str:
    """Run a command of ours with the rig's configuration; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "shipper", *argv, "-c", str(rig.configure())],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout


def test_a_source_is_renamed_although_the_topic_is_ahead_of_the_store(once: Rig) -> None:
    log = once.log()
    log.write(100)
    once.start()
    once.delivered()
    once.daemon.stop()
    older = once.root / "older"
    shutil.copytree(once.state, older)
    log.write(100)
    once.start()
    once.delivered()
    once.daemon.kill()
    shutil.rmtree(once.state)
    older.rename(once.state)  # as after a kill right behind a commit
    assert 'of source "logs" now belong' in command(once, "checkpoints", "rename", "logs", "web")
    once.more_sources["web"] = once.source
    once.source = {"paths": [f"{once.logs}/none/*"], "topic": once.topic}
    log.write(100)
    once.start()
    once.verify()


def test_what_is_reset_or_set_is_sent_again_and_what_is_not_is_not(once: Rig) -> None:
    whole, part, other = once.log("whole.log"), once.log("part.log"), once.log("other.log")
    for log in (whole, part, other):
        log.write(10)
    once.start()
    once.delivered()
    once.daemon.stop()
    command(once, "checkpoints", "reset", "--yes", str(whole.path))
    command(once, "checkpoints", "set", "logs", str(part.path), "0")
    once.start()
    once.records(50)
    once.daemon.stop()
    once.start()  # and the topic has forgotten what was forgotten
    other.write(1)
    counts = Counter(record.key for record in once.records(51))
    assert counts == {b"whole.log": 20, b"part.log": 20, b"other.log": 11}


def test_an_edit_holds_through_a_change_of_delivery_and_back(once: Rig) -> None:
    moved, kept = once.log("moved.log"), once.log("kept.log")
    for log in (moved, kept):
        log.write(10)
    once.start()
    once.delivered()
    once.daemon.stop()
    command(once, "checkpoints", "rename", "logs", "web")  # the topic hears of it only when it is used again
    once.more_sources["web"] = once.source
    once.source = {"paths": [f"{once.logs}/none/*"], "topic": once.topic}
    for number, mode in enumerate(["at_least_once", "exactly_once", "at_least_once", "exactly_once"]):
        once.kafka["delivery"] = mode
        kept.write(1)
        once.configure()
        if number == 1:
            command(once, "checkpoints", "set", "web", str(moved.path), "0")
        once.start()
        once.records(21 + number + (10 if number else 0))
        once.daemon.stop()
    kept.write(1)
    once.start()
    once.records(35)
    once.daemon.stop()
    once.reader.read_to_end()
    assert Counter(record.key for record in once.reader.records) == {b"moved.log": 20, b"kept.log": 15}
