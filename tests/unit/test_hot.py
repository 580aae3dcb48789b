"""Files that grow all the time: read when they have grown, forgotten when they do not, and looked at anew each time."""

from __future__ import annotations

from typing import cast

import pytest

from shipper.files import PlainReader
from shipper.filesource.census import Census
from shipper.filesource.hot import WARM, Hot
from shipper.model import Checkpoint, FileId
from shipper.tailer import Tailer

FILE = FileId(1, 1)


class Reader(PlainReader):
    """An open file of some size, or one that cannot be looked at."""

    def __init__(self) -> None:
        self.bytes = 0
        self.error: OSError | None = None

    def size(self) -> int:
        if self.error is not None:
            raise self.error
        return self.bytes


class Names:
    """A census of one file."""

    def __init__(self, tailer: Tailer) -> None:
        self.by_name = {tailer.path: tailer}
        self.grown: list[Tailer] = []

    def grew(self, tailer: Tailer) -> None:
        self.grown.append(tailer)


class Rig:
    def __init__(self) -> None:
        self.now = 100.0
        self.tailer = Tailer(Checkpoint("a", "s", b"/a", b"/a", FILE, 0, 0), 1000, "t", b"key")
        self.reader = Reader()
        self.tailer.reader = self.reader
        self.names = Names(self.tailer)
        self.at_once: list[Tailer] = []
        self.cooled: list[Tailer] = []
        self.hot = Hot(cast("Census", self.names), lambda: self.now, self._tell, self.cooled.extend)
        self.hot.turn(on=True)

    def _tell(self, sizes: dict[Tailer, int]) -> list[Tailer]:
        assert sizes == {self.tailer: self.reader.bytes}
        self.names.grown += sizes
        return self.at_once

    def look(self) -> bool:
        """Look once; whether the file is to be read."""
        self.names.grown.clear()
        self.hot.look()
        return bool(self.names.grown)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_what_was_read_is_looked_at_until_it_has_not_grown_for_long(rig: Rig) -> None:
    rig.hot.read(rig.tailer)
    assert not rig.look()
    rig.reader.bytes = 5
    assert rig.look()
    rig.tailer.size = 5
    rig.now += WARM
    assert not rig.look()
    rig.now += 0.01
    assert not rig.look()
    rig.reader.bytes = 10
    assert not rig.look()  # the looks at all files of a directory find it
    assert not rig.cooled


def test_what_is_said_of_a_hot_file_is_looked_into_when_it_has_cooled_down(rig: Rig) -> None:
    rig.hot.read(rig.tailer)
    assert rig.hot.modified({b"/a", b"/b"}, grown=True) == {b"/a"}
    rig.look()
    assert not rig.cooled
    rig.now += WARM + 0.01
    rig.look()
    assert rig.cooled == [rig.tailer]
    rig.hot.read(rig.tailer)
    rig.now += WARM + 0.01
    rig.look()
    assert rig.cooled == [rig.tailer]


def test_what_need_not_be_growth_or_has_a_rotated_name_does_not_wait(rig: Rig) -> None:
    rig.hot.read(rig.tailer)
    assert rig.hot.modified({b"/a"}) == set()
    rig.names.by_name = {b"/a.1": rig.tailer}
    assert rig.hot.modified({b"/a.1"}, grown=True) == set()
    rig.now += WARM + 0.01
    rig.look()
    assert not rig.cooled  # somebody has looked into it at once


def test_a_name_that_may_have_changed_is_hot_if_it_grew_lately(rig: Rig) -> None:
    rig.tailer.grew_at = rig.now - WARM - 1
    assert rig.hot.modified({b"/a"}) == set()
    rig.reader.bytes = 5
    assert not rig.look()
    rig.tailer.grew_at = rig.now
    assert rig.hot.modified({b"/a", b"/b"}) == set()
    assert rig.look()


def test_what_is_closed_or_cannot_be_looked_at_is_left_to_who_reads_it(rig: Rig) -> None:
    rig.hot.read(rig.tailer)
    rig.reader.bytes = 5
    rig.reader.error = OSError(5, "Input/output error")
    assert not rig.look()
    assert rig.cooled == [rig.tailer]
    rig.reader.error = None
    assert not rig.look()
    rig.tailer.reader = None
    rig.hot.read(rig.tailer)
    assert not rig.look()
    assert rig.cooled == [rig.tailer]  # it gave way to another, and would come in the way of one if it were opened
    rig.hot.read(rig.tailer)
    rig.hot.modified({b"/a"}, grown=True)
    assert not rig.look()
    assert rig.cooled == [rig.tailer] * 2


def test_what_has_grown_and_cannot_be_read_is_not_told_of_for_ever(rig: Rig) -> None:
    rig.hot.read(rig.tailer)
    rig.reader.bytes = 5
    assert rig.look()
    rig.now += WARM + 0.01
    assert rig.look()
    assert not rig.look()


def test_nothing_is_hot_while_the_kernel_tells_of_everything(rig: Rig) -> None:
    rig.hot.turn(on=False)
    rig.hot.read(rig.tailer)
    rig.tailer.grew_at = rig.now
    assert rig.hot.modified({b"/a"}) == set()
    rig.reader.bytes = 5
    assert not rig.look()


def test_what_is_said_of_a_hot_file_is_looked_into_when_nothing_is_hot_any_more(rig: Rig) -> None:
    rig.hot.read(rig.tailer)
    rig.hot.turn(on=False)
    assert not rig.cooled
    rig.hot.turn(on=True)
    rig.hot.read(rig.tailer)
    rig.hot.modified({b"/a"}, grown=True)  # its directory was quiet until now, and another one still is
    rig.hot.turn(on=False)
    assert rig.cooled == [rig.tailer]
    rig.hot.turn(on=True)
    rig.hot.turn(on=False)
    assert rig.cooled == [rig.tailer]


def test_what_is_read_at_once_stays_hot_and_is_told(rig: Rig) -> None:
    rig.hot.read(rig.tailer)
    rig.at_once = [rig.tailer]
    for size in range(1, 5):
        rig.now += WARM
        rig.reader.bytes = size
        assert rig.hot.look()
        rig.tailer.size = size
    rig.at_once = []
    rig.reader.bytes = 10
    assert not rig.hot.look()


def test_looks_at_parts_are_at_each_file_once_a_round() -> None:
    tailers = [
        Tailer(Checkpoint(str(n), "s", b"/%d" % n, b"/a", FileId(1, n), 0, 0), 1000, "t", b"key") for n in range(8)
    ]
    told: list[Tailer] = []

    def tell(sizes: dict[Tailer, int]) -> list[Tailer]:
        told.extend(sizes)
        return []

    hot = Hot(cast("Census", Names(tailers[0])), lambda: 100.0, tell, told.extend)
    hot.turn(on=True)
    for tailer in tailers[:7]:
        tailer.reader = reader = Reader()
        reader.bytes = 5
        hot.read(tailer)
    parts = []
    for left in (3, 2, 1):
        hot.look(left)
        if left == 3:
            tailers[7].reader = reader = Reader()
            reader.bytes = 5
            hot.read(tailers[7])  # its turn comes with the next round
        parts.append(len(told))
    assert parts == [3, 5, 7]
    assert set(told) == set(tailers[:7])
    told.clear()
    hot.look(1)
    assert told == tailers
    hot.look(2)
    hot.turn(on=False)
    hot.turn(on=True)
    told.clear()
    hot.look(1)
    assert not told  # nothing is left of what was hot
