"""What any shipper has to live through: backlog, live writers, rotation, kills, faults of broker and network.

Every test ends with ``verify``: all lines there, byte for byte, once, in order, under their file's key, and nothing
sent again by a clean restart. Only where something is killed or cut may lines be repeated.
"""

from __future__ import annotations

import os
import random

from tests.harness.kafka import Broker
from tests.harness.rig import Rig
from tests.harness.wait import let_pass
from tests.harness.writer import Load

# More than the daemon may have in flight where a test sets max_in_flight to 1 MiB: the rest is unread.
UNREAD = {"count": 10_000, "size": 800}


def test_backlog(rig: Rig) -> None:
    for number in range(3):
        rig.log(f"a{number}.log").write(5000)
    rig.start()
    rig.verify()


def test_small_writes_to_ten_files(rig: Rig) -> None:
    logs = [rig.log(f"a{number}.log") for number in range(10)]
    rig.start()
    for _ in range(60):
        for log in logs:
            log.write(3)
        let_pass(0.01)
    rig.verify()


def test_renamed_while_the_writer_keeps_its_descriptor(rig: Rig) -> None:
    log = rig.log()
    rig.start()
    for _ in range(5):
        with log.hold() as held:
            held.write(500)
            let_pass(0.1)
            log.rotate()
            held.write(200)
        let_pass(0.1)
    log.write(100)
    rig.verify()


def test_twenty_quick_rotations(rig: Rig) -> None:
    log = rig.log()
    rig.start()
    for _ in range(20):
        log.write(300)
        let_pass(0.04)
        log.rotate()
    log.write(1)
    rig.verify()


def test_a_line_in_two_halves_and_byte_by_byte(rig: Rig) -> None:
    rig.source["partial_timeout"] = "100ms"  # however short: this file can still grow
    log, other = rig.log(), rig.log("other.log")
    rig.start()
    halves, slow = log.make(2)
    log.write_raw(halves[:5])
    for _ in range(5):  # the daemon reads on meanwhile, for longer than the time-out
        rig.reader.read_until(other.make(0))
        other.write(1)
        let_pass(0.1)
    assert not rig.reader.read_until(rig.truth.lines[other.source])
    assert rig.values(b"app.log") == []
    log.write_raw(halves[5:] + b"\n")
    for byte in slow + b"\n":
        log.write_raw(bytes([byte]))
        let_pass(0.005)
    rig.verify()


def test_odd_bytes_and_long_lines(rig: Rig) -> None:
    odd, long = rig.log("odd.log"), rig.log("long.log")
    rig.start()
    others = [byte for byte in range(256) if byte not in b"\r\n"]
    for number in range(200):
        noise = bytes(random.Random(number).choices(others, k=100))
        odd.write_raw(odd.made(f"odd {number} ".encode() + noise + b".") + b"\n")
    for number in range(5):
        long.write_raw(long.made(f"long {number} ".encode() + bytes([97 + number]) * 200_000) + b"\n")
    rig.verify()


def test_stopped_and_started_under_load(rig: Rig) -> None:
    logs = [rig.log(f"a{number}.log") for number in range(3)]
    with Load(logs, lines=20, every=0.005):
        for _ in range(5):
            rig.start()
            rig.records(len(rig.reader.records) + 500)
            rig.daemon.stop()
    rig.start()
    rig.verify()


def test_killed_under_load(rig: Rig) -> None:
    logs = [rig.log(f"a{number}.log") for number in range(3)]
    with Load(logs, lines=50, every=0.01):
        for round_ in range(8):
            rig.start()
            if round_ % 4:  # each fourth is killed before anything can be delivered
                rig.records(len(rig.reader.records) + 400 * round_)
            rig.daemon.kill()
    rig.start()
    rig.verify(repeats=True)


def test_the_broker_is_killed_and_comes_back(rig: Rig, broker: Broker) -> None:
    log = rig.log()
    rig.start()
    log.write(4000)
    rig.records(1)
    broker.kill()
    log.write(4000)
    rig.daemon.wait_for("brokers.away")
    log.write(4000)
    broker.start()
    rig.daemon.wait_for("brokers.back")
    log.write(1000)
    rig.verify()


def test_the_network_is_cut_and_stalled_under_load(distant_rig: Rig, broker: Broker) -> None:
    log = distant_rig.log()
    distant_rig.start()
    with Load([log], lines=30, every=0.02):
        for round_ in range(12):
            if round_ % 2:
                broker.proxy.cut()
            else:
                broker.proxy.stall()
            let_pass(0.4)
            broker.proxy.heal()
            let_pass(0.4)
    distant_rig.verify(repeats=True)


def test_deleted_with_unread_lines(distant_rig: Rig, broker: Broker) -> None:
    distant_rig.kafka["max_in_flight"] = "1MiB"
    log = distant_rig.log()
    log.write(100)
    daemon = distant_rig.start()
    distant_rig.delivered()
    broker.proxy.stall()
    log.write(**UNREAD)
    daemon.wait_open(log.path)
    os.unlink(log.path)
    broker.proxy.heal()
    distant_rig.verify()


def test_two_thousand_files_at_once(rig: Rig) -> None:
    rig.start()
    for number in range(2000):
        rig.log(f"f{number:04}.log").write(5)
    rig.verify()
