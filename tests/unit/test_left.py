"""Files that are known and not read: they keep what is known of them as long as they are there."""

from __future__ import annotations

import pytest

from shipper.filesource.left import FORGET_AFTER, Left
from shipper.filesource.unsaved import Unsaved
from shipper.model import NO_FINGERPRINT, Checkpoint, FileId, FileState, Observation, Seen

PATH = b"/logs/app.log"
ONE = Seen(PATH + b".1", PATH, FileId(1, 5), 5, 0, (0, 1))


class Case:
    """Files that are left, and what is to be saved of them."""

    def __init__(self) -> None:
        self._unsaved = Unsaved()
        self.left = Left("s", self._unsaved)

    def saved(self) -> dict[str, Checkpoint]:
        """Return what has changed, by uid."""
        return {one.uid: one for one in self._unsaved.hand_over(ahead=False)[0]}

    def forget(self, now: float, *there: Seen, siblings: frozenset[bytes] = frozenset(), hidden: bytes = b"") -> bool:
        """Tell of a full scan; whether nothing is left."""
        seen = Observation("s", list(there), complete=True, unreadable=(hidden,) if hidden else ())
        self.left.forget_vanished(seen, {one.file_id: one for one in there}, set(siblings), now)
        return not self.left


@pytest.fixture
def case() -> Case:
    return Case()


def test_a_file_keeps_its_uid_and_follows_its_name(case: Case) -> None:
    case.left.leave(ONE, FileState.LEFT, NO_FINGERPRINT)
    (first,) = case.saved().values()
    moved = ONE._replace(path=PATH + b".2")
    assert not case.left.has_changed(moved)
    (second,) = case.saved().values()
    assert (second.uid, second.seen_as, second.state) == (first.uid, moved.path, FileState.LEFT)
    case.left.leave(moved, FileState.COPY, NO_FINGERPRINT)
    assert list(case.saved()) == [first.uid]
    assert case.left.has_copies(PATH)


@pytest.mark.parametrize(
    ("state", "size", "changed"),
    [
        (FileState.LEFT, 9, False),  # a slow writer adds to what is left alone
        (FileState.LEFT, 4, True),  # it was truncated
        (FileState.COPY, 9, True),
        (FileState.COPY, 5, False),
    ],
)
def test_it_is_looked_at_again_when_it_may_hold_something_else(
    case: Case, state: FileState, size: int, changed: bool
) -> None:
    case.left.leave(ONE, state, NO_FINGERPRINT)
    assert case.left.has_changed(ONE._replace(size=size)) == changed


def test_it_is_kept_under_no_id_where_another_file_has_its_own(case: Case) -> None:
    case.left.leave(ONE, FileState.COPY, NO_FINGERPRINT)
    case.left.part(case.left[ONE.file_id])
    assert ONE.file_id not in case.left
    (parted,) = case.saved().values()
    assert case.left[parted.file_id].seen_as == ONE.path
    case.left.take_up(parted.file_id)
    assert not case.left


def test_those_of_a_path_and_copies_by_their_names_are_found(case: Case) -> None:
    copy, other = ONE._replace(path=PATH + b".2", file_id=FileId(1, 6)), ONE._replace(base=b"/o", file_id=FileId(1, 7))
    for one, state in ((ONE, FileState.LEFT), (copy, FileState.COPY), (other, FileState.COPY)):
        case.left.leave(one, state, NO_FINGERPRINT)
    assert [c.file_id for c in case.left.of(PATH)] == [ONE.file_id, copy.file_id]
    assert [c.file_id for c in case.left.copies({ONE.path, copy.path, b"/no"})] == [other.file_id, copy.file_id]
    case.left.has_changed(copy._replace(path=PATH + b".3"))
    assert [c.seen_as for c in case.left.copies({copy.path, PATH + b".3"})] == [PATH + b".3"]
    case.left.leave(copy._replace(base=b"/o"), FileState.LEFT, NO_FINGERPRINT)
    case.left.take_up(ONE.file_id)
    assert case.left.of(PATH) == []
    assert [c.file_id for c in case.left.of(b"/o")] == [other.file_id, copy.file_id]
    assert [c.file_id for c in case.left.copies({ONE.path, PATH + b".3"})] == [other.file_id]


def test_it_is_forgotten_when_it_is_gone_and_not_where_nobody_could_look(case: Case) -> None:
    case.left.leave(ONE, FileState.LEFT, NO_FINGERPRINT)
    assert not case.forget(0.0, ONE)
    assert not case.forget(1.0)
    assert not case.forget(FORGET_AFTER, ONE)  # it has come back
    assert not case.forget(10 * FORGET_AFTER, hidden=b"/logs")
    assert not case.forget(10 * FORGET_AFTER)
    assert not case.forget(11 * FORGET_AFTER, siblings=frozenset({PATH}))  # one may be its copy
    assert case.forget(11 * FORGET_AFTER)


@pytest.mark.parametrize(
    ("unreadable", "hides"), [((b"/a/b",), True), ((b"/",), True), ((b"/a/b/c/d", b"/a/bc"), False), ((), False)]
)
def test_names_below_an_unreadable_directory_are_hidden(unreadable: tuple[bytes, ...], hides: bool) -> None:
    assert Observation("s", unreadable=unreadable).hides(b"/a/b/c") == hides
