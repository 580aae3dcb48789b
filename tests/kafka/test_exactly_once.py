"""Exactly once: whatever is killed, a consumer that reads committed records sees every line once and in order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from shipper.kafka.offsets import partition_of
from tests.harness.kafka import Broker
from tests.harness.rig import Rig
from tests.harness.wait import let_pass
from tests.harness.writer import Load


def exactly_once(rig: Rig) -> Rig:
    rig.shipper["instance"] = rig.topic[-100:]
    rig.kafka |= {"delivery": "exactly_once", "checkpoint_topic": f"{rig.topic}-c"[-200:]}
    return rig


@pytest.fixture
def once(rig: Rig) -> Iterator[Rig]:
    return exactly_once(rig)


def test_a_backlog_and_a_live_writer(once: Rig) -> None:
    log = once.log()
    log.write(5000)
    once.start()
    for _ in range(20):
        log.write(50)
        let_pass(0.02)
    once.verify()


def test_killed_again_and_again_under_load_and_rotation(once: Rig) -> None:
    dice = random.Random(4)
    logs = [once.log(f"a{number}.log") for number in range(4)]
    with Load(logs, lines=40, every=0.01):
        for _ in range(8):
            daemon = once.launch()
            let_pass(dice.uniform(0.3, 2.5))
            daemon.kill()
    once.start()
    once.verify()
