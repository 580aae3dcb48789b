"""What malloc is told, and when memory is given back."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from shipper import memory
from shipper.memory import REST, WORTH, Rest


def test_malloc_is_told_to_keep_what_is_free_and_takes_it() -> None:
    assert memory.keep({})
    memory.give_back()


def test_malloc_is_told_what_and_nothing_where_the_environment_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []

    def mallopt(what: int, value: int) -> int:
        told.append((what, value))
        return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda _name: {"mallopt": mallopt})
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_ARENA_MAX", "GLIBC_TUNABLES"):
        assert not memory.keep({name: "1"})
    assert told == []
    assert memory.keep({"PATH": "/bin"})
    assert told == [(memory.M_MMAP_THRESHOLD, memory.MAPPED), (memory.M_TRIM_THRESHOLD, memory.KEPT)]


def test_another_malloc_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        def __getitem__(self, name: str) -> Any:
            raise AttributeError(name)

    monkeypatch.setattr(ctypes, "CDLL", lambda _name: Other())
    assert not memory.keep({})
    memory.give_back()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_memory_is_given_back_after_the_start_and_after_much_work_when_that_is_over() -> None:
    clock, given = Clock(), []
    rest = Rest(clock, lambda: given.append(clock.now))

    def looks(*sent: int | None) -> list[float]:
        given.clear()
        for one in sent:
            clock.now += REST
            rest.look(one)
        return list(given)

    assert len(looks(0, 0)) == 1
    assert looks(0, 0, 0, WORTH - 1, WORTH - 1, WORTH - 1) == []
    assert looks(None, WORTH, None, WORTH, None) == []
    assert looks(WORTH, WORTH) == [clock.now]
    assert looks(WORTH, WORTH, WORTH) == []
