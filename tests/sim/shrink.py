"""Makes a script that fails shorter: leaves acts out and makes numbers smaller, while it fails in the same way."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from tests.sim.acts import Act
from tests.sim.history import Failure, History

MOST_RUNS = 3000


def signature(failure: Failure) -> str:
    """Return what two failures have in common that are the same one."""
    return re.sub(r"b?'[^']*'|b?\"[^\"]*\"|\d+|[ab]\.log", "#", failure.why)[:60]


def shrink(script: Sequence[Act], fails: Callable[[list[Act]], bool] | None = None) -> list[Act]:
    """Return a script of few acts that fails as ``script`` does."""
    script = list(script)
    if fails is None:
        first = History(script).run()
        assert first is not None
        wanted = signature(first)

        def fails(shorter: list[Act]) -> bool:
            failure = History(shorter).run()
            return failure is not None and signature(failure) == wanted

    runs = 0

    def try_(shorter: list[Act]) -> bool:
        nonlocal runs, script
        runs += 1
        if runs > MOST_RUNS or not fails(shorter):
            return False
        script = shorter
        return True

    before = None
    while before != script and runs < MOST_RUNS:
        before = list(script)
        size = len(script)
        while size:
            at = 0
            while at < len(script):
                if not try_(script[:at] + script[at + size :]):
                    at += size
            size //= 2
        for at in range(len(script)):
            if script[at][0] == "race" and try_([*script[:at], tuple(script[at][2:]), *script[at + 1 :]]):
                continue
            for place, value in enumerate(script[at]):
                if isinstance(value, str):
                    continue
                for smaller in dict.fromkeys((0, value // 2, value - 1)):
                    act = script[at]
                    changed = (*act[:place], smaller, *act[place + 1 :])
                    if 0 <= smaller < value and try_([*script[:at], changed, *script[at + 1 :]]):
                        break
    return script
