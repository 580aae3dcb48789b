"""In which topics a transaction of before is open, against brokers that say what a test wants."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from typing import Any

import pytest

from shipper.events import Events
from shipper.kafka import clearing
from shipper.kafka.clearing import TRIES, Admin, Clearing
from shipper.kafka.hanging import Found, Known, Partition
from shipper.model import TopicState

CHECKPOINTS = "checkpoints"


class NoAdmin(Admin):
    """Asks nobody: the looks are played."""

    def client(self) -> Any:
        return self

    def list_topics(self, *_: object) -> None:
        """Connect."""


class Rig:
    """A clearing whose looks find what is in ``hanging`` and ``silent``; an end ends it, as long as ``ends``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told: list[str] = []
        self.hanging: dict[Partition, int] = {}
        self.silent: dict[str, str] = {}
        self.ends: bool | None = True
        self.ended: list[set[Partition]] = []
        self.looked_at: list[set[Partition]] = []
        self.states = {"logs": TopicState.READY, "gone": TopicState.MISSING}
        self.stopping = threading.Event()
        self.clearing = Clearing(
            Known(set(self.states)),
            CHECKPOINTS,
            NoAdmin({}),
            Events(lambda _, name, __: self.told.append(name)),
            lambda: 0.0,
            stopping=self.stopping,
            news=threading.Event(),
            wake=lambda: None,
            state=lambda topic: self.states.get(topic, TopicState.UNKNOWN),
            numbers=lambda _: [0, 1],
            end=self._end,
        )
        rig = self

        class Look:
            def __init__(self, *_: object) -> None:
                pass

            def at(self, partitions: Iterable[Partition], others: dict[Partition, int]) -> Found:
                rig.looked_at.append(set(partitions))
                return Found({p: n for p, n in rig.hanging.items() if others.get(p) != n}, dict(rig.silent))

        monkeypatch.setattr(clearing, "Look", Look)

    def _end(self, partitions: Collection[Partition]) -> bool | None:
        self.ended.append(set(partitions))
        if self.ends:
            self.hanging.clear()
        return None if self.ends is None else True


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(monkeypatch)


def test_topics_that_are_there_are_clear_once_nothing_hangs_in_them(rig: Rig) -> None:
    rig.hanging = {("logs", 1): 7}
    assert rig.clearing.at_open(3)
    assert rig.looked_at == 2 * [{(CHECKPOINTS, 3), ("logs", 0), ("logs", 1)}]
    assert rig.ended == [{("logs", 1)}]
    assert rig.told == ["transaction.hanging"]
    assert [topic for topic in rig.states if rig.clearing.is_clear(topic)] == ["logs"]


def test_what_stays_open_is_taken_for_that_of_another_and_not_for_ours_later(rig: Rig) -> None:
    rig.hanging, rig.ends = {("logs", 1): 7}, False
    assert rig.clearing.at_open(3)
    assert len(rig.ended) == TRIES
    assert rig.clearing.known.others == {("logs", 1): 7}
    assert rig.clearing.is_clear("logs")


def test_nothing_is_clear_where_the_client_gives_up_or_a_topic_does_not_answer(rig: Rig) -> None:
    rig.hanging, rig.ends = {("logs", 1): 7}, None
    assert not rig.clearing.at_open(3)
    assert not rig.clearing.is_clear("logs")
    rig.hanging, rig.silent = {}, {"logs": "no answer"}
    assert rig.clearing.at_open(3)
    assert not rig.clearing.is_clear("logs")


def test_what_hangs_after_an_abort_only_a_new_client_can_end(rig: Rig) -> None:
    assert rig.clearing.at_open(3)
    rig.clearing.aborted({"logs"}, checkpoints=True)
    assert not rig.clearing.is_clear("logs")
    assert not rig.clearing.wait(0.0)
    rig.hanging = {("logs", 0): 9}
    assert "only a new client can end it" in rig.clearing.later()
    assert not rig.clearing.wait(0.0)
    rig.hanging, rig.silent = {}, {CHECKPOINTS: "no answer"}
    assert "it cannot be told" in rig.clearing.later()


def test_after_an_abort_a_topic_is_clear_again_when_it_was_looked_at(rig: Rig) -> None:
    assert rig.clearing.at_open(3)
    rig.clearing.aborted({"logs"}, checkpoints=True)
    watching = threading.Thread(target=rig.clearing.later)
    watching.start()
    assert rig.clearing.wait(20.0)
    rig.stopping.set()
    rig.clearing.want("another")
    watching.join()
    assert rig.looked_at[-1] == {(CHECKPOINTS, 3), ("logs", 0), ("logs", 1)}
    assert rig.clearing.is_clear("logs")
