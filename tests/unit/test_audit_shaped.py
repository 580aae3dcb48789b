"""What an audit expects of a source whose records are not simply its lines is what the daemon sends."""

from __future__ import annotations

import socket
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from shipper.audit.shaped import Comparing, Shaping, leaves_out
from shipper.config import FileConfig
from shipper.config.framing import MultilineConfig
from shipper.config.rules import RateLimit, Redaction
from shipper.config.sources import ParseConfig
from shipper.patterns import Expression
from tests.unit.rig import PumpRig

TRACE = b"".join(b"start %d\r\n\tat a.B\n\n  more\n" % n for n in range(50))
LONG = b"first\n" + b"a@b.de " * 700 + b"\nshort a@b.de\n" + b"y" * 5000 + b"\r\nlast\n"
CRI = b"".join(
    b"2026-11-24T11:09:10.123456789Z %b %b piece %d\n" % (stream, flag, n)
    for n, (stream, flag) in enumerate([(b"stdout", b"P"), (b"stderr", b"F"), (b"stdout", b"P"), (b"stdout", b"F")] * 9)
)
DOCKER = b'{"log":"one ","stream":"stdout","time":"t"}\n{"log":"two\\n","stream":"stdout","time":"t"}\n' * 9
CASES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "multiline": (TRACE, {"multiline": MultilineConfig(start="^start")}),
    "multiline, filtered": (
        TRACE,
        {"multiline": MultilineConfig(indented=True), "exclude_lines": (Expression("7"),), "sample": 0.8},
    ),
    "utf-16": ("ä\n日本\r\n\nz\n".encode("utf-16") * 1, {"encoding": "utf-16"}),
    "latin-1, and long": (b"\xe4\xf6" * 3000 + b"\nx\n", {"encoding": "latin-1", "max_line": 1024}),
    "delimiter": (b"a\n\0b\0\0", {"delimiter": "\0"}),
    "truncate": (LONG, {"on_long_line": "truncate", "max_line": 1024}),
    "redact": (LONG, {"redact": (Redaction(preset="email"),), "max_line": 1024}),
    "cri": (CRI, {"parse": ParseConfig(format="cri")}),
    "docker": (DOCKER, {"parse": ParseConfig(format="docker"), "key": "{field.stream}"}),
    "json": (LONG, {"value": "json", "max_line": 1024}),
}


def expected(tailer: Any, **source: Any) -> tuple[list[bytes], dict[str, int]]:
    config = FileConfig(name="s", paths=("/var/log/*.log",), **{"topic": "t", "key": "{filename}"} | source)
    shaping = Shaping(config, socket.gethostname(), frozenset())
    assert not shaping.plain
    records = list(chain.from_iterable(shaping.records(tailer, 0, None)))
    comparing = Comparing(set(), set())
    comparing.add(config, {"t"})
    return [unit for one in records for unit in comparing.units("t", one.value)], dict(shaping.dropped)


@pytest.mark.parametrize("name", CASES)
def test_what_is_expected_is_what_is_sent(tmp_path: Path, name: str) -> None:
    data, keys = CASES[name]
    with PumpRig(tmp_path, **keys) as rig:
        (rig.logs / "app.log").write_bytes(data)
        rig.start()
        rig.pass_time(8)
        rig.pass_until("all of it", lambda: not rig.source.delivery.unsettled and rig.saved()[0].offset == len(data))
        (tailer,) = rig.source.generations()
        values, _ = expected(tailer, **keys)
        comparing = Comparing(set(), set())
        comparing.add(FileConfig(name="s", paths=("/x",), **{"topic": "t"} | keys), {"t"})
        assert values == [unit for one in rig.sink.arrived for unit in comparing.units("t", one)]
        assert values


def test_an_event_that_its_timeout_has_cut_is_known_by_its_lines(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"multiline": MultilineConfig(start="^start", timeout=1.0)}
    with PumpRig(tmp_path, **keys) as rig:
        log = rig.logs / "app.log"
        log.write_bytes(b"start 1\r\n one\r\n")
        rig.start()
        rig.pass_time(3)
        with log.open("ab") as file:
            file.write(b" two\n three\nstart 2\n")
        rig.pass_time(3)
        assert rig.sink.arrived == [b"start 1\r\n one", b" two\n three", b"start 2"]
        (tailer,) = rig.source.generations()
        values, _ = expected(tailer, **keys)
        assert values == [b"start 1", b" one", b" two", b" three", b"start 2"]
        units = Comparing(set(), {"t"}).units
        assert values == [unit for one in rig.sink.arrived for unit in units("t", one)]


def test_what_a_rule_drops_is_not_expected_but_counted(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        (rig.logs / "app.log").write_bytes(b"GET /healthcheck\nGET /a\nGET /b\n")
        rig.start()
        (tailer,) = rig.source.generations()
        values, dropped = expected(tailer, exclude_lines=(Expression("healthcheck"),))
    assert values == [b"GET /a", b"GET /b"]
    assert dropped == {"exclude_lines": 1}


def test_the_time_of_reading_makes_no_difference() -> None:
    units = Comparing({"t"}, set()).units
    first, second = (b'{"@timestamp":"2026-11-2%dT10:00:00Z","message":"x","log.offset":7}' % n for n in (4, 5))
    assert units("t", first) == units("t", second)
    assert units("u", first) != units("u", second)
    assert units("t", first) != units("t", first.replace(b"7}", b"8}"))


def test_only_a_limit_that_drops_leaves_it_open_what_was_sent() -> None:
    limits = (None, RateLimit(per_second=1), RateLimit(per_second=1, drop=True))
    assert [leaves_out(FileConfig(name="s", paths=("/x",), topic="t", rate_limit=one)) for one in limits] == [
        False,
        False,
        True,
    ]
