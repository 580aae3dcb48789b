"""Sources whose lines are made to hang a pattern, and logs of all kinds: the others go on, and every byte arrives."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from shipper import patterns
from shipper.model import Messages
from shipper.patterns import Expression
from tests.unit.rig import FakeSink, PumpRig
from tests.unit.test_filtered_source import add_source
from tests.unit.test_patterns import EXPLODING, POLYNOMIAL, QUADRATIC

EVIL = [b"a" * 100_000 + b"!", b" " * 100_000 + b"x", b"=" * 100_000, b"ab" * 50_000, b'"' * 100_000, b"," * 100_000]

SAMPLES = {
    "apache": b'127.0.0.1 - frank [10/Oct/2026:13:55:36 -0700] "GET /a?b=\\x22 HTTP/1.0" 200 2326\n',
    "nginx-error": b'2026/11/24 10:00:00 [error] 17#17: *1 open() "/x" failed (2: No such file or directory)\n',
    "syslog": b"Nov 24 10:00:00 host sshd[17]: Failed password for root from 10.0.0.1 port 22 ssh2\n",
    "windows": b"2026-11-24 10:00:00,  Info   CBS    Loaded Servicing Stack v6.1\r\n",
    "hdfs": b"081109 203615 148 INFO dfs.DataNode$PacketResponder: PacketResponder 1 for block blk_388 terminating\n",
    "java": b"java.lang.IllegalStateException: x\n\tat a.B.c(B.java:17)\n\n",
    "json": b'{"a": "\\u0000\\ud83d\\ude00", "b": [1, 2.5e300, null]}\n',
    "bare-cr": b"progress 1%\rprogress 2%\rdone\r\n\r\n\r\n",
    "latin-1": b"Gr\xfc\xdfe aus K\xf6ln\n",
    "utf-8": "日本語 Grüße 😀 \u2028 end\n".encode(),
    "bom": b"\xef\xbb\xbffirst line\nsecond\n",
    "nul": b"a\x00b\x00\n\x00\n",
    "escapes": b"\x1b[31mred\x1b[0m \x07 bell \x7f\n",
    "every-byte": bytes(byte for byte in range(256) if byte != 10) + b"\n",
    "long": b"x" * 3000 + b"\n" + b"y" * 1024 + b"\r\n" + b"short\n",
    "empty": b"\n\r\n\n",
}


@pytest.mark.parametrize("pattern", EXPLODING + POLYNOMIAL)
def test_what_would_hang_is_not_taken(pattern: str) -> None:
    assert patterns.check(pattern) is not None


def test_other_sources_go_on_beside_lines_that_are_made_to_hang_a_pattern(tmp_path: Path) -> None:
    taken = [one for one in (*EXPLODING, *POLYNOMIAL, *QUADRATIC) if patterns.check(one) is None]
    assert taken == QUADRATIC
    with PumpRig(tmp_path, exclude_lines=tuple(map(Expression, taken))) as rig:
        add_source(rig, "free")
        (rig.logs / "app.log").write_bytes(b"".join(one + b"\n" for one in EVIL) * 4)
        (rig.logs / "free" / "free.log").write_bytes(b"free\n" * 1000)
        rig.start()
        rig.pass_until("all of both", lambda: len(rig.lines) == 1000 + 4 * len(EVIL))


def test_a_source_whose_lines_take_long_has_small_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with PumpRig(tmp_path, exclude_lines=(Expression("never"),)) as rig:
        add_source(rig, "free")
        (rig.logs / "app.log").write_bytes(b"".join(b"slow %04d".ljust(499, b"-") % i + b"\n" for i in range(1200)))
        (rig.logs / "free" / "free.log").write_bytes(b"free\n" * 200_000)
        batches: list[int] = []
        plain = FakeSink.send

        def send(sink: FakeSink, topic: str, messages: Messages, *rest: Any, **more: Any) -> None:
            if messages.key(0) == b"app.log":
                batches.append(len(messages))
                rig.cpu += 0.1 * len(messages)
            plain(sink, topic, messages, *rest, **more)

        monkeypatch.setattr(FakeSink, "send", send)
        rig.start()
        rig.pass_until("some of both", lambda: len(batches) > 30 and rig.lines.count("free") > 30_000)
        assert batches[0] > 100  # only then is it known
        assert max(batches[1:30]) <= 2


@pytest.mark.parametrize("value", ["line", "json"])
@pytest.mark.parametrize("name", SAMPLES)
def test_every_byte_of_a_log_arrives(tmp_path: Path, name: str, value: str) -> None:
    data = SAMPLES[name] * random.Random(name).randint(2, 40)
    with PumpRig(tmp_path, value=value, max_line=1024) as rig:
        (rig.logs / "app.log").write_bytes(data)
        rig.start()
        rig.pass_until("all of it", lambda: not rig.source.hungry and not rig.source.delivery.unsettled)
        arrived = [one for sink in rig.sinks for one in sink.arrived]
        lines = [line.removesuffix(b"\r") for line in data.split(b"\n")[:-1]]
        parts = [part for line in lines for part in ([line[i : i + 1024] for i in range(0, len(line), 1024)] or [b""])]
        if value == "line":
            assert arrived == parts
        else:
            messages = [json.loads(one)["message"] for one in arrived]
            assert messages == [part.decode("utf-8", "replace") for part in parts]
