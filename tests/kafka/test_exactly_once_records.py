"""Exactly once where records are not lines: what rules leave out, join, make several of, over kills in the middle."""

from __future__ import annotations

import random
import socket
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

from shipper import config
from shipper.preview import preview
from shipper.records import Record
from tests.harness.rig import Rig
from tests.harness.wait import let_pass
from tests.kafka.test_exactly_once import exactly_once

TABLES: dict[str, dict[str, object]] = {
    "chosen": {"include_lines": ["[02468] "], "exclude_lines": ["7"], "sample": 0.6, "redact": [{"pattern": "4+"}]},
    "several": {"processor": "tests.kafka.test_exactly_once_records:several"},
    "joined": {"multiline": {"start": "^a", "timeout": "300ms"}, "exclude_lines": ["99"], "sample": 0.9},
    "both": {
        "multiline": {"indented": True, "timeout": "300ms"},
        "processor": "tests.kafka.test_exactly_once_records:several",
        "headers": {"source": "{source}"},
    },
    "limited": {"rate_limit": {"per_second": 2000, "drop": True}},
}
WRITES, LINES = 8, 400


def several(record: Record) -> Record | list[Record] | None:
    """Drop a fifth of the records, make three of another fifth, and fail with a few."""
    number = int(record.message.split()[1])
    if number % 31 == 0:
        raise ValueError("told as a parse error")
    if number % 5 == 0:
        return None
    if number % 5 == 1:
        return [Record(record.message, value=b"%b of %d" % (part, number)) for part in (b"one", b"two", b"three")]
    return record


def event(name: str, number: int) -> bytes:
    """Return one event of a source: a line, or two."""
    more = b" more %d\n" % number if name in ("joined", "both") and number % 3 else b""
    return b"a %d \n" % number + more


def test_every_record_comes_once_whatever_becomes_of_the_lines(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))  # of the daemon
    exactly_once(rig)
    dice = random.Random(11)
    files: dict[str, Path] = {}
    for name, table in TABLES.items():
        (rig.logs / name).mkdir()
        files[name] = rig.logs / name / f"{name}.log"
        usual = {"paths": [f"{rig.logs}/{name}/*.log"], "topic": rig.topic, "key": "{filename}"}
        rig.more_sources[name] = usual | table
    for write in range(WRITES):
        for name, path in files.items():
            with path.open("ab", buffering=0) as file:
                file.write(b"".join(event(name, write * LINES + i) for i in range(LINES)))
        daemon = rig.launch() if not write or not rig.daemon.running else rig.daemon
        if write % 2:
            let_pass(dice.uniform(0.0, 0.6))
            daemon.kill()
        else:
            daemon.wait_for("source.scanned", source="both")
    rig.launch()
    sources = config.load(rig.config).of_files
    wanted: dict[bytes, list[bytes]] = {}
    for name, path in files.items():
        found = preview(sources[name], socket.gethostname(), bytes(path), bytes(path))
        wanted[path.name.encode()] = [one.value for one in found if not one.dropped]
    limited = wanted.pop(b"limited.log")
    assert not rig.reader.read_until({value for values in wanted.values() for value in values})
    rig.daemon.stop()
    rig.reader.read_to_end()
    arrived: defaultdict[bytes | None, list[bytes]] = defaultdict(list)
    for record in sorted(rig.reader.records):
        arrived[record.key].append(record.value)
    for key, values in wanted.items():
        assert arrived[key] == values, key
    numbers = [int(value.split()[1]) for value in arrived[b"limited.log"]]
    assert all(before < after for before, after in pairwise(numbers))  # which ones is a matter of the moment
    assert set(arrived[b"limited.log"]) <= set(limited)
    assert numbers
