"""What is shipped for Prometheus and Grafana asks for metrics that there are, and says what to do."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipper.admin.metrics import render
from tests.harness.debian import NotHere, unpacked
from tests.unit.test_admin import FINE

PACKAGING = Path(__file__).parents[2] / "packaging"
RULES = PACKAGING / "prometheus" / "shipper.rules.yml"
CASES = RULES.with_name("shipper.test.yml")
DASHBOARD = PACKAGING / "grafana" / "shipper.json"
DOCS = Path(__file__).parents[2] / "docs" / "operations.md"

METRICS = set(re.findall(r"^# TYPE (\S+)", render(FINE, {}).decode(), re.M))
_NAME = re.compile(r"\bshipper_\w+")


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def queries() -> Iterator[str]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"]


@pytest.mark.parametrize("rule", rules(), ids=[rule["alert"] for rule in rules()])
def test_an_alert_asks_for_what_there_is_and_says_what_to_do(rule: dict[str, Any]) -> None:
    assert set(_NAME.findall(rule["expr"])) <= METRICS
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["action"]
    assert rule["labels"]["severity"] in ("page", "ticket")


def test_the_dashboard_asks_for_what_there_is() -> None:
    asked = {name for query in queries() for name in _NAME.findall(query)}
    assert asked
    assert asked <= METRICS


def test_every_alert_is_in_the_docs() -> None:
    text = DOCS.read_text()
    assert {rule["alert"] for rule in rules()} == set(re.findall(r"^\| `(Shipper\w+)` \|", text, re.M))


def test_every_alert_is_seen_to_come_and_to_stay_away() -> None:
    cases = [case for test in yaml.safe_load(CASES.read_text())["tests"] for case in test["alert_rule_test"]]
    alerts = {rule["alert"] for rule in rules()}
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == alerts
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} == alerts


def test_the_rules_are_what_prometheus_takes() -> None:
    try:
        promtool = shutil.which("promtool") or f"{unpacked('promtool', 'prometheus')}/usr/bin/promtool"
    except NotHere as why:
        pytest.skip(f"no promtool: {why}")
    for command in (["check", "rules", RULES.name], ["test", "rules", CASES.name]):
        done = subprocess.run([promtool, *command], cwd=RULES.parent, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
