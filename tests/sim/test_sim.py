from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sim import acts, plants
from tests.sim.history import History, run
from tests.sim.layout import FAULTS, FEATURES
from tests.sim.shrink import shrink

ROOT = Path(__file__).parents[2]
DIGESTS = """
from tests.sim import acts
from tests.sim.history import History
for seed in range(20):
    history = History(acts.script(seed))
    history.run()
    print(seed, history.digest())
"""
# A seed whose history shows the bug, so that the test is quick; `--plant` says how soon it is found by itself.
SOON = {name: range(1, 400) for name in plants.PLANTS}


def test_a_seed_names_one_history_whatever_the_hashes_of_this_process_are() -> None:
    ran = [
        subprocess.run(
            [sys.executable, "-c", DIGESTS],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert ran[0] == ran[1]
    assert len(set(ran[0].splitlines())) == 20


@pytest.mark.parametrize("name", plants.PLANTS)
def test_a_planted_bug_is_found(name: str) -> None:
    with plants.planted(name):
        assert any(run(seed, "wide" if name in plants.WIDE else "") is not None for seed in SOON[name])


def test_a_script_is_shrunk_to_what_it_takes() -> None:
    script: list[acts.Act] = [("write", 0, 4, 1), ("look",), ("rotate", 0, 3), ("kill",), ("wait", 2)]
    short = shrink(script, lambda shorter: any(act[0] == "rotate" and int(act[2]) > 1 for act in shorter))
    assert short == [("rotate", 0, 2)]


def test_any_part_of_a_script_can_be_left_out() -> None:
    script = acts.script(3)
    for left_out in range(0, len(script), 5):
        assert History(script[:left_out] + script[left_out + 1 :]).run() is None


def _acts() -> st.SearchStrategy[acts.Act]:
    each = [st.tuples(st.just(name), *(st.integers(0, n) for n in most)) for name, (_, most) in acts.ALL.items()]
    return st.one_of(each)


@given(
    st.lists(st.sampled_from([(FAULTS,), *((name, *most) for name, most in FEATURES.items())]), unique=True),
    st.lists(_acts(), max_size=30),
)
@settings(max_examples=150, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_whatever_happens_to_files_daemon_and_brokers_the_promises_hold(
    features: list[acts.Act], happens: list[acts.Act]
) -> None:
    failure = History([*features, *happens]).run()
    assert failure is None, failure
