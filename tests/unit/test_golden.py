"""Real-looking samples of well-known formats, and the records that ``shipper test`` makes of them.

``tests/golden/NAME`` has a source's ``source.toml``, ``input.log`` and the records in ``expected.jsonl``. To write
these anew and look at what differs: ``python -m tests.unit.test_golden``.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shipper import config
from shipper.config import FileConfig
from shipper.config.formats import PARSERS
from shipper.preview import preview
from shipper.preview.show import as_json
from shipper.records import steps

GOLDEN = Path(__file__).parents[1] / "golden"
NOW = 1717243200  # 2024-06-01T12:00:00Z: the year of times that have none
CLOCK = SimpleNamespace(time=lambda: NOW)
NAMES = sorted(path.name for path in GOLDEN.iterdir())


def source_of(name: str, directory: Path) -> FileConfig:
    text = f"""
[shipper]
state_dir = "/s"
[kafka]
bootstrap_servers = "a:1"
[sources.{name}]
paths = ["/var/log/{name}/*.log"]
topic = "logs.{{source}}"
value = "json"
"""
    (directory / "shipper.toml").write_text(text + (GOLDEN / name / "source.toml").read_text())
    return config.load(directory / "shipper.toml", {}).of_files[name]


def records(name: str, directory: Path) -> list[dict[str, Any]]:
    source = source_of(name, directory)
    file, path = bytes(GOLDEN / name / "input.log"), f"/var/log/{name}/app.log".encode()
    found = [json.loads(as_json(record)) for record in preview(source, "web-3", file, path)]
    for record in found:
        record["value"] = json.loads(record["value"])
        if record["timestamp"] is None:
            del record["value"]["@timestamp"]  # now
    return found


def test_there_are_fifteen_formats() -> None:
    assert len(NAMES) >= 15


@pytest.mark.parametrize("name", NAMES)
def test_the_records_are_those_expected(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "time", CLOCK)
    expected = [json.loads(line) for line in (GOLDEN / name / "expected.jsonl").read_text().splitlines()]
    assert records(name, tmp_path) == expected


def test_no_format_of_the_parsers_is_without_a_sample() -> None:
    used = {source.parse.format for name in NAMES if (source := _source(name)).parse}
    assert set(PARSERS) - used <= {"syslog3164"}  # which "syslog" is, too


def _source(name: str) -> FileConfig:
    with tempfile.TemporaryDirectory() as directory:
        return source_of(name, Path(directory))


if __name__ == "__main__":
    vars(steps)["time"] = CLOCK
    for one in NAMES:
        with tempfile.TemporaryDirectory() as where:
            lines = [json.dumps(record) + "\n" for record in records(one, Path(where))]
        (GOLDEN / one / "expected.jsonl").write_text("".join(lines))
