"""For all layers: says in the summary whether the layer against a real Kafka ran."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

KAFKA_LAYER = "tests/kafka/"
# What `make test` sets up: with CI=true nothing of it may be skipped.
NEEDED = (KAFKA_LAYER, "tests/browser/", "tests/mock/test_journal.py", "tests/unit/test_journal_")


settings.register_profile("patient", deadline=None)  # how long an example takes is up to who else is busy here
settings.load_profile("patient")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With ``CI=true``, what is skipped of what is needed has failed: nobody looks at skips there."""
    report = yield
    if report.skipped and item.nodeid.startswith(NEEDED) and os.environ.get("CI") == "true":
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome, report.longrepr = "failed", f"CI=true allows no skip here: {why}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in words whether the real-Kafka layer ran."""

    def count(outcome: str) -> int:
        # A skip is reported by the set-up, everything else counts once, by the call.
        reports = terminalreporter.getreports(outcome)
        return len({r.nodeid for r in reports if r.nodeid.startswith(KAFKA_LAYER)})

    ran, skipped = count("passed") + count("failed"), count("skipped")
    if ran:
        terminalreporter.write_line(f"Real-Kafka layer: ran, {ran} tests against a real broker.")
    if skipped:
        terminalreporter.write_line(
            f"Real-Kafka layer: {skipped} tests SKIPPED; `make test` says which packages they need.", yellow=True
        )
