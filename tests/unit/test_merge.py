"""Of the local store and the topic, the higher revision wins, and what was forgotten on purpose stays so."""

from __future__ import annotations

from shipper.checkpoints.merge import merge
from shipper.model import Checkpoint, FileId, SourceState


def checkpoint(uid: str, offset: int, revision: int, source: str = "s") -> Checkpoint:
    return Checkpoint(uid, source, b"/a", b"/a", FileId(1, 2), 0, offset, revision=revision)


def state(*files: Checkpoint, scanned: bool = True) -> SourceState:
    return SourceState(scanned, files)


def test_the_higher_revision_wins_whichever_place_has_it() -> None:
    ours, theirs = checkpoint("a", 10, 3), checkpoint("b", 20, 8)
    merged = merge({"s": state(ours, checkpoint("b", 15, 7))}, [(checkpoint("a", 5, 2), 1), (theirs, 1)], 1)
    assert merged.states == {"s": state(ours, theirs)}
    assert merged.newer == [theirs]
    assert merged.stale == []


def test_of_equal_revisions_nothing_is_to_be_saved() -> None:
    one = checkpoint("a", 10, 3)
    assert merge({"s": state(one)}, [(one, 1)], 1).newer == []


def test_what_only_the_topic_has_was_committed_just_before_a_kill() -> None:
    found = checkpoint("new", 10, 1)
    merged = merge({"s": state()}, [(found, 2)], 2)
    assert merged.states == {"s": state(found)}
    assert merged.newer == [found]


def test_what_the_store_has_forgotten_since_stays_forgotten() -> None:
    merged = merge({"s": state()}, [(checkpoint("old", 10, 9), 1)], 2)
    assert merged.states == {"s": state()}
    assert merged.newer == []
    assert merged.stale == [("s", "old")]


def test_a_new_store_believes_the_topic_whatever_its_epoch() -> None:
    found = checkpoint("a", 10, 9)
    merged = merge({"s": state(scanned=False)}, [(found, 1)], 2)
    assert merged.states == {"s": state(found)}
    assert merge({}, [(found, 1)], 2).states == {"s": state(found)}


def test_a_source_of_which_nobody_knows_a_file_is_not_scanned() -> None:
    assert merge({"s": state(scanned=False)}, [], 1).states == {"s": state(scanned=False)}
