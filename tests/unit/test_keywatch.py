"""Keys that do not what keys are for are told of once."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.config import ParseConfig
from shipper.model import Messages
from shipper.records.keywatch import EACH, STEP, UNRESOLVED, WINDOW, KeyWatch
from tests.unit.rig import PumpRig


def chunk(*keys: bytes) -> Messages:
    return Messages([b""] * len(keys), list(keys))


def test_one_key_that_carries_nearly_all_is_told_once() -> None:
    watch = KeyWatch(asks=True)
    keys = [b"hot" if n % 20 else b"k%d" % n for n in range(WINDOW)]
    told = [found for _ in range(3) for key in keys if (found := watch.hot(chunk(key))) is not None]
    assert [(one.key, round(one.share, 2)) for one in told] == [(b"hot", 0.95)]


@pytest.mark.parametrize("count", [2, 7])
def test_keys_that_spread_are_not(count: int) -> None:
    watch = KeyWatch(asks=True)
    assert all(watch.hot(chunk(b"%d" % (n % count))) is None for n in range(3 * WINDOW))


def test_one_file_with_one_key_is_as_it_has_to_be() -> None:
    watch = KeyWatch(asks=False)
    assert all(watch.hot(Messages([b""] * STEP, b"file")) is None for _ in range(3 * WINDOW))


def test_one_file_of_several_that_carries_nearly_all_is_told() -> None:
    watch = KeyWatch(asks=False)
    told = [watch.hot(chunk(b"quiet" if n % 50 == 0 else b"busy")) for n in range(WINDOW)]
    assert told[-1] is not None


def test_chunks_that_go_together_are_looked_at_now_and_then_whoever_takes_turns() -> None:
    watch = KeyWatch(asks=False)
    times = EACH * (WINDOW // 20 + 1)
    told = [watch.hot_of([b"busy"] * 19 + [b"quiet"]) for _ in range(times)]
    assert [one is None for one in told] == [*[True] * (times - 1), False]
    assert told[-1] is not None
    assert (told[-1].key, round(told[-1].share, 2)) == (b"busy", 0.95)
    assert all(watch.hot_of([b"busy"] * WINDOW) is None for _ in range(2 * EACH))

    watch = KeyWatch(asks=False)
    for turns in range(2, EACH):
        assert all(watch.hot_of([b"%d" % (n % turns)] * 20) is None for n in range(2 * times))


def test_a_template_that_never_resolves_is_told_once() -> None:
    watch = KeyWatch(asks=True)
    assert [watch.unresolved(UNRESOLVED - 1, UNRESOLVED - 1), watch.unresolved(1, 1), watch.unresolved(9, 9)] == [
        *(False, True, False)
    ]


def test_a_template_that_resolves_once_is_not() -> None:
    watch = KeyWatch(asks=True)
    assert not any([watch.unresolved(2, 1), watch.unresolved(5 * UNRESOLVED, 5 * UNRESOLVED)])


def test_the_daemon_tells_of_a_key_that_is_never_there(tmp_path: Path) -> None:
    with PumpRig(tmp_path, key="{field.usr}", parse=ParseConfig("json")) as rig:
        (rig.logs / "app.log").write_bytes(b'{"user": "ann"}\n' * UNRESOLVED)
        rig.start()
        ((_, _, told),) = [line for line in rig.told if line[1] == "key.unresolved"]
        assert (told["source"], told["template"]) == ("s", "{field.usr}")


def test_the_daemon_tells_of_a_hot_key(tmp_path: Path) -> None:
    with PumpRig(tmp_path, key="{field.user}", parse=ParseConfig("json")) as rig:
        (rig.logs / "app.log").write_bytes(b'{"user": "ann"}\n' * (STEP * WINDOW))
        rig.start()
        rig.beat(20)
        ((_, _, told),) = [line for line in rig.told if line[1] == "key.hot"]
        assert (told["record_key"], told["share"]) == ("ann", "100 %")
