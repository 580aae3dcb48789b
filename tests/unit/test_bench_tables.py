"""What the benchmarks show."""

from __future__ import annotations

import pytest

from bench.throughput import Run, share, show


def test_a_share_of_nothing_is_not_known() -> None:
    assert (share(1.0, 2.0), share(1.0, 0.0)) == ("0.50", "-")


def test_runs_that_took_no_cpu_to_speak_of_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    show({"one": [Run(1000.0, 0.0, 5.0, 0.1, 10)], "other": [Run(2000.0, 1.5, 5.0, 0.1, 10)]}, "what")
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("| one", "| other"))]
    assert [row.split(" | ")[3:5] for row in rows] == [["1.50", "-"], ["0.00", "-"]]
