"""What is to be saved: each change once, with a revision of its own, and what was not committed again."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shipper.filesource.unsaved import Unsaved
from shipper.model import Checkpoint, FileId

SAVED = Checkpoint("a", "s", b"/a", b"/a", FileId(1, 1), 0, 0)


@dataclass
class Known:
    acked: int = 0
    sent: int = 0

    def checkpoint(self, revision: int, *, ahead: bool = False) -> Checkpoint:
        return replace(SAVED, offset=self.sent if ahead else self.acked, revision=revision)


def test_a_change_is_handed_over_once_as_it_is_then_and_newer_than_what_was_loaded() -> None:
    unsaved, known = Unsaved(), Known(5)
    unsaved.loaded(replace(SAVED, revision=7))
    unsaved.changed("a", known)
    known.acked = 6
    assert bool(unsaved)
    assert "a" in unsaved
    ((one,), removed) = unsaved.hand_over(ahead=False)
    assert (one.offset, one.revision, removed) == (6, 8, [])
    assert not unsaved
    assert unsaved.hand_over(ahead=False) == ([], [])
    unsaved.changed("a", known)
    assert unsaved.hand_over(ahead=False)[0][0].revision > 8


def test_what_is_removed_is_not_saved_and_what_is_changed_after_that_is_not_removed() -> None:
    unsaved = Unsaved()
    unsaved.changed("a", Known())
    unsaved.removed("a")
    unsaved.removed("b")
    unsaved.changed("b", Known())
    changed, removed = unsaved.hand_over(ahead=False)
    assert (len(changed), removed) == (1, ["a"])


def test_what_did_not_come_true_is_handed_over_again_unless_it_has_changed_since() -> None:
    unsaved, known = Unsaved(), Known(acked=3, sent=9)
    unsaved.changed("a", known)
    unsaved.removed("b")
    ((ahead,), _) = unsaved.hand_over(ahead=True)
    unsaved.changed("c", Known(1))
    unsaved.take_back()
    changed, removed = unsaved.hand_over(ahead=False)
    assert (ahead.offset, sorted(one.offset for one in changed), removed) == (9, [1, 3], ["b"])
    unsaved.take_back()
    assert not unsaved


def test_what_was_removed_while_its_change_did_not_come_true_is_not_there_again() -> None:
    unsaved = Unsaved()
    unsaved.changed("a", Known())
    unsaved.changed("b", Known(acked=2))
    unsaved.hand_over(ahead=True)
    unsaved.removed("a")
    unsaved.removed("b")
    unsaved.changed("b", Known(acked=5))
    unsaved.take_back()
    changed, removed = unsaved.hand_over(ahead=False)
    assert ([one.offset for one in changed], removed) == ([5], ["a"])
