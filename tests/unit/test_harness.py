"""The parts of the harness that need no broker: a verdict that finds nothing wrong must mean something."""

from __future__ import annotations

import contextlib
import socket
import tomllib
from pathlib import Path

import pytest

from tests.harness.consumer import Received, Verdict, judge
from tests.harness.daemon import Event, parse_event, toml
from tests.harness.proxy import Proxy
from tests.harness.writer import Log, Truth, compress


@pytest.fixture
def truth() -> Truth:
    made = Truth()
    made.keys["a"] = b"a.log"
    made.lines["a"] = [b"a 0", b"a 1", b"a 2"]
    return made


def received(*values: bytes, key: bytes = b"a.log", partition: int = 0) -> list[Received]:
    return [Received(partition, number, key, value) for number, value in enumerate(values)]


@pytest.mark.parametrize(
    ("records", "verdict"),
    [
        (received(b"a 0", b"a 1", b"a 2"), Verdict()),
        (received(b"a 0", b"a 2"), Verdict(lost=[b"a 1"])),
        (received(b"a 0", b"a 1", b"a 1", b"a 2"), Verdict(repeated=[b"a 1"])),
        (received(b"a 0", b"a 2", b"a 1"), Verdict(out_of_order=[b"a 1"])),
        (received(b"a 0", b"a 1", b"a 0", b"a 1", b"a 2"), Verdict(repeated=[b"a 0", b"a 1"])),
        (received(b"a 0", b"a 1", b"a 2", b"a"), Verdict(garbled=[b"a"])),
        (received(b"a 0", b"a 1", b"a 2", key=b"b.log"), Verdict(misplaced=[b"a 0", b"a 1", b"a 2"])),
        (received(b"a 0", b"a 1") + received(b"a 2", partition=1), Verdict(misplaced=[b"a 2"])),
    ],
    ids=["right", "lost", "repeated", "disorder", "repeated-in-order", "garbled", "wrong-key", "split-key"],
)
def test_a_verdict_names_each_fault(truth: Truth, records: list[Received], verdict: Verdict) -> None:
    assert judge(truth, records) == verdict


def test_an_excused_line_may_be_missing_or_there(truth: Truth) -> None:
    truth.excuse()
    truth.lines["a"].append(b"a 3")
    assert judge(truth, received(b"a 1", b"a 3")) == Verdict()
    assert judge(truth, received(b"a 1")) == Verdict(lost=[b"a 3"])


def test_a_line_of_the_log_is_an_event() -> None:
    line = '2026-11-23T14:02:11.113Z WARN file.rotated source=nginx path="/var/log/a b" unread=48 why="so \\"it\\" is"'
    fields = {"source": "nginx", "path": "/var/log/a b", "unread": "48", "why": 'so "it" is'}
    assert parse_event(line) == Event("WARN", "file.rotated", fields)
    assert parse_event("Traceback (most recent call last):") is None


def test_tables_become_toml() -> None:
    tables = {"kafka.properties": {"a.b": 1, "c": [True, 'd"\n']}, "x": {}}
    assert tomllib.loads(toml(tables)) == {"kafka": {"properties": {"a.b": 1, "c": [True, 'd"\n']}}, "x": {}}


def test_rotation_shifts_what_was_rotated_before(tmp_path: Path) -> None:
    log = Log(tmp_path / "app.log", Truth())
    for _ in range(2):
        log.write(1)
        compress(log.rotate())
    log.write(1)
    log.copytruncate()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["app.log", "app.log.1", "app.log.2.gz", "app.log.3.gz"]
    assert log.path.read_bytes() == b""
    assert log.sibling(".1").read_bytes() == log._truth.lines["app.log"][2] + b"\n"


def test_a_proxy_stalls_one_direction_and_loses_what_was_on_its_way() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        contextlib.closing(Proxy(0, server.getsockname()[1])) as proxy,
    ):
        server.settimeout(10)
        with socket.create_connection(proxy.address, timeout=10) as client:
            there = server.accept()[0]
            with there:
                there.settimeout(10)
                proxy.stall(requests=False)
                client.sendall(b"a request")
                assert there.recv(100) == b"a request"
                there.sendall(b"an answer")
                client.settimeout(0.2)
                with pytest.raises(TimeoutError):
                    client.recv(100)
                client.settimeout(10)
                proxy.cut()
                assert client.recv(100) == b""
