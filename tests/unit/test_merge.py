"""Of the local store and the topic, the higher revision wins, and what was forgotten on purpose stays so."""

from __future__ import annotations

from dataclasses import replace

from shipper.checkpoints.merge import Committed, merge
from shipper.model import EDIT, Checkpoint, Edit, FileId, SourceState


def checkpoint(uid: str, offset: int, revision: int, source: str = "s") -> Checkpoint:
    return Checkpoint(uid, source, b"/a", b"/a", FileId(1, 2), 0, offset, revision=revision)


def state(*files: Checkpoint, scanned: bool = True) -> SourceState:
    return SourceState(scanned, list(files))


def test_the_higher_revision_wins_whichever_place_has_it() -> None:
    ours, theirs = checkpoint("a", 10, 3), checkpoint("b", 20, 8)
    merged = merge(
        {"s": state(ours, checkpoint("b", 15, 7))}, [Committed(checkpoint("a", 5, 2), 1), Committed(theirs, 1)], 1
    )
    assert merged.states == {"s": state(ours, theirs)}
    assert merged.newer == [theirs]
    assert merged.stale == []


def test_of_equal_revisions_nothing_is_to_be_saved() -> None:
    one = checkpoint("a", 10, 3)
    assert merge({"s": state(one)}, [Committed(one, 1)], 1).newer == []


def test_what_only_the_topic_has_was_committed_just_before_a_kill() -> None:
    found = checkpoint("new", 10, 1)
    merged = merge({"s": state()}, [Committed(found, 2)], 2)
    assert merged.states == {"s": state(found)}
    assert merged.newer == [found]


def test_what_the_store_has_forgotten_since_stays_forgotten() -> None:
    merged = merge({"s": state()}, [Committed(checkpoint("old", 10, 9), 1)], 2)
    assert merged.states == {"s": state()}
    assert merged.newer == []
    assert merged.stale == [("s", "old")]


def test_a_new_store_believes_the_topic_whatever_its_epoch() -> None:
    found = checkpoint("a", 10, 9)
    merged = merge({"s": state(scanned=False)}, [Committed(found, 1)], 2)
    assert merged.states == {"s": state(found)}
    assert merge({}, [Committed(found, 1)], 2).states == {"s": state(found)}


def test_a_source_of_which_nobody_knows_a_file_is_not_scanned() -> None:
    assert merge({"s": state(scanned=False)}, [], 1).states == {"s": state(scanned=False)}


def test_what_a_person_removed_is_removed_from_the_topic_and_stays_so() -> None:
    old, new = Committed(checkpoint("a", 10, 9), 1, edits=0), Committed(checkpoint("b", 5, 2), 1, edits=0)
    merged = merge({"s": state()}, [old, new], 1, [Edit(1, "s", "a", "")])
    assert merged.states == {"s": state(new.checkpoint)}
    assert merged.stale == [("s", "a")]


def test_an_edit_is_done_to_what_was_written_before_it_only() -> None:
    written_after = Committed(checkpoint("a", 10, 9), 1, edits=1)
    assert merge({"s": state()}, [written_after], 1, [Edit(1, "s", "", "")]).newer == [written_after.checkpoint]


def test_a_source_that_a_person_reset_is_scanned_anew() -> None:
    merged = merge({}, [Committed(checkpoint("a", 10, 9), 1)], 1, [Edit(1, "s", "", "")])
    assert merged.states == {}
    assert merged.stale == [("s", "a")]


def test_of_a_renamed_source_the_later_checkpoint_wins_wherever_it_is() -> None:
    edits = [Edit(1, "s", "", "new"), Edit(2, "new", "", "newer")]
    behind = replace(checkpoint("a", 10, 3 + 2 * EDIT), source="newer")
    ahead = Committed(checkpoint("a", 20, 8), 1)
    merged = merge({"newer": state(behind)}, [ahead], 1, edits)
    assert merged.states == {"newer": state(replace(ahead.checkpoint, source="newer", revision=8 + 2 * EDIT))}
    assert merged.stale == [("s", "a")]
    same = merge({"newer": state(replace(behind, revision=9 + 2 * EDIT))}, [ahead], 1, edits)
    assert same.newer == []


def test_what_a_person_set_is_later_than_all_that_was_committed() -> None:
    put = checkpoint("a", 0, 3 + EDIT)
    assert merge({"s": state(put)}, [Committed(checkpoint("a", 20, 800), 1)], 1).states == {"s": state(put)}
