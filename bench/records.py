"""What the record stage costs: lines a second and CPU a line for each feature, relative to lines sent as they are.

Each scenario is a pump of its own in a process of its own, which ships one file to a real Kafka. They take turns, round
after round, and the medians of the rounds are compared: what else the machine does meets all of them.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.report import table
from bench.stage import Topic, start_broker
from tests.harness.kafka import Broker

PATTERN = r"^(?P<time>\S+) (?P<level>\S+) (?P<user>\S+) "
SCENARIOS = {
    "raw, key from the file's name": "",
    "key from JSON": "parse = { format = 'json' }\nkey = '{field.user}'",
    "key from a regular expression": f"parse = {{ format = 'regex', pattern = '{PATTERN}' }}\nkey = '{{field.user}}'",
    'value = "json"': "value = 'json'",
    "headers": "headers = { host = '{host}', source = '{path}' }",
    "multiline, start pattern": "multiline = { start = '^[{2]' }",
    "exclude_lines": "exclude_lines = ['healthcheck']",
    "redact, a pattern": r"redact = [{ pattern = 'password=\S+' }]",
    "redact, credit_card": "redact = [{ preset = 'credit_card' }]",
    "redact, all presets": "redact = ["
    + ", ".join(f"{{ preset = '{name}' }}" for name in ("credit_card", "email", "ipv4", "bearer_token", "aws_key"))
    + "]",
}


def line(number: int, *, as_json: bool) -> bytes:
    """Return a line of about 145 bytes; one in a hundred has an address of mail."""
    user, text = (
        f"user{number % 1000}",
        "contact a@example.com" if number % 100 == 0 else "GET /api/items/17 200 in 12 ms",
    )
    if as_json:
        made = {"time": "2026-11-24T12:00:00.123Z", "level": "info", "user": user, "request": number, "text": text}
        return json.dumps(made).encode() + b" " * 8 + b"\n"
    start = f"2026-11-24T12:00:00.123Z INFO {user} request={number} {text} from 192.168.1.17 "
    return start.ljust(144, "x").encode() + b"\n"


def run(name: str, keys: str, broker: Broker, log: Path, expected: int) -> tuple[float, float]:
    """Run one scenario in a process of its own."""
    with tempfile.TemporaryDirectory() as made, Topic(broker) as topic:
        directory = Path(made)
        (directory / "state").mkdir()
        config = directory / "shipper.toml"
        key = "" if "key =" in keys else "key = '{filename}'\n"
        config.write_text(
            f"[shipper]\nstate_dir = '{directory}/state'\n[kafka]\nbootstrap_servers = '{broker.bootstrap}'\n"
            f"[sources.s]\npaths = ['{log}']\ntopic = '{topic.name}'\n{key}{keys}\n"
        )
        command = [sys.executable, "-m", "bench.pumping", str(config), str(expected)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr}")
        wall, cpu = map(float, done.stdout.split())
        return wall, cpu


def measure(lines: int, rounds: int) -> None:
    """Measure all of it, and print a table."""
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in SCENARIOS}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made, start_broker() as broker:
        logs = {}
        for as_json in (False, True):
            logs[as_json] = Path(made) / f"{'json' if as_json else 'text'}.log"
            logs[as_json].write_bytes(b"".join(line(i, as_json=as_json) for i in range(lines)))
        for _ in range(rounds):
            for name, keys in SCENARIOS.items():
                log = logs["format = 'json'" in keys]
                expected = lines - ("multiline" in keys)  # it waits for what may follow the last line
                results[name].append(run(name, keys, broker, log, expected))
    raw, raw_cpu = (statistics.median(one[i] for one in next(iter(results.values()))) for i in (0, 1))
    rows = []
    for name, found in results.items():
        wall, cpu = (statistics.median(one[i] for one in found) for i in (0, 1))
        rows.append(
            [name, f"{lines / wall:,.0f}", f"{raw / wall:.2f}", f"{cpu / lines * 1e6:.2f}", f"{raw_cpu / cpu:.2f}"]
        )
    print(table(["what", "lines/s", "relative", "µs CPU a line", "relative by CPU"], rows), flush=True)
