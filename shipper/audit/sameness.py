"""What makes a record the record of a line: both have the same hash. Knows neither files nor brokers; one thread.

A hash is of the topic, the key and the value, or of the place of a line that a record's headers tell. ``salts`` has, by
topic and key, what makes equal lines of two groups differ; a line that is known by headers needs none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shipper.audit.shaped import Comparing, Expected
from shipper.deadletters import Letter
from shipper.records import FILE_ID, OFFSET, PART, RECORD


class Sameness:
    """Which hashes the things have that are compared; see the module."""

    def __init__(self) -> None:
        self.salts: dict[str, dict[bytes, int]] = {}
        self.free: set[str] = set()  # topics of sources whose records choose topic or key: any key may be one of ours
        self.placed: set[bytes] = set()  # file ids of which a record is known by its place alone
        self.by_headers: set[str] = set()  # topics to which sources with provenance send
        self.comparing = Comparing(set(), set())
        self.nameless = 0  # records in these that have no headers

    def ask(self, asked: Iterable[str], groups: Iterable[tuple[str, bytes]]) -> None:
        """Take note of the topics that are read, and of the groups of topic and key whose lines are compared."""
        for topic in asked:
            self.salts.setdefault(topic, {})
        for topic, key in groups:
            self.salts[topic][key] = free_salt(key) if topic in self.free else hash((topic, key))

    def salt(self, topic: str, key: bytes | None) -> int | None:
        """Return what stands for a topic and a key; ``None`` where nobody asks for them."""
        salt = self.salts.get(topic, {}).get(key or b"")
        return free_salt(key or b"") if salt is None and topic in self.free else salt

    def of_expected(self, one: Expected, uid: bytes, *, named: bool, free: bool) -> list[int]:
        """Return the hashes of a record as the daemon's steps make it."""
        if named:
            return [of_place(uid, one.offset, one.number)]
        salt = free_salt(one.key) if free else self.salts.get(one.topic, {}).get(one.key, 0)
        twist = salt ^ of_part(one.part)
        return [hash(unit) ^ twist for unit in self.comparing.units(one.topic, one.value)]

    def of_letter(self, letter: Letter) -> list[int]:
        """Return the hashes of a dead letter."""
        uid, headers = letter.uid.encode(), dict(letter.headers)
        if uid in self.placed:
            return [of_place(uid, letter.offset, letter.part)]
        found: list[int] = []
        part = of_part(int(headers.get(PART, 0)))
        if letter.topic in self.by_headers:
            found.append(hash(letter.value) ^ part ^ hash(b"%b %d" % (uid, letter.offset)))
        if (salt := self.salt(letter.topic, letter.key)) is not None:
            found += [hash(unit) ^ part ^ salt for unit in self.comparing.units(letter.topic, letter.value)]
        return found

    def of_message(self, message: Any) -> list[int]:
        """Return the hashes of a record that was read; none where nobody asks for it."""
        topic: str = message.topic()
        salt = self.salt(topic, message.key())
        headers = message.headers()
        if salt is None:
            if topic not in self.by_headers:
                return []
            if not headers:
                self.nameless += 1
                return []
        value: bytes = message.value() or b""
        if not headers:
            assert salt is not None
            return [hash(unit) ^ salt for unit in self.comparing.units(topic, value)]
        names = dict(headers)
        part = int(names.get(PART) or 0)
        if names.get(FILE_ID) in self.placed and OFFSET in names:
            return [of_place(names[FILE_ID], int(names[OFFSET]), part or int(names.get(RECORD, 0)))]
        found: list[int] = []
        if topic in self.by_headers and FILE_ID in names and OFFSET in names:
            found.append(hash(value) ^ of_part(part) ^ hash(names[FILE_ID] + b" " + names[OFFSET]))
        if salt is not None:
            found += [hash(unit) ^ of_part(part) ^ salt for unit in self.comparing.units(topic, value)]
        return found


def free_salt(key: bytes) -> int:
    """Return what stands for a key, over all topics."""
    return hash(("free", key))


def of_place(uid: bytes, offset: int, number: int) -> int:
    """Return the hash of a record that is known by its place alone."""
    return hash((uid, offset, number))


def of_part(part: int) -> int:
    """Return what makes the part of a line another thing than a line of the same bytes."""
    return hash(b"part %d" % part) if part else 0
