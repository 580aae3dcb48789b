"""Checkpoints as messages: what is written comes back, and what is not ours is not taken for it."""

from __future__ import annotations

import msgspec
import pytest

from shipper.errors import StateError
from shipper.kafka.offsets import Entry, Recovered, Transaction, _take, key_of, partition_of
from shipper.model import Checkpoint, FileId, FileState, Fingerprint

CHECKPOINT = Checkpoint(
    uid="u",
    source="s",
    path=b"/var/log/\xff.log",
    seen_as=b"/var/log/\xff.log.1",
    file_id=FileId(2**64 - 1, 2**64 - 1),
    generation=3,
    offset=10,
    fingerprint=Fingerprint(4, b"\x00head", 10, b"mark"),
    size=12,
    state=FileState.FINISHED,
    compression="gz",
    revision=7,
)
ENTRY = Entry(CHECKPOINT, "run", 2)


class Message:
    def __init__(self, key: bytes | None, value: object) -> None:
        self._key = key
        self._value = value if isinstance(value, bytes | None) else msgspec.json.encode(value)

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def topic(self) -> str:
        return "c"

    def partition(self) -> int:
        return 1

    def offset(self) -> int:
        return 5


def taken(*messages: Message) -> Recovered:
    found = Recovered()
    for message in messages:
        _take(found, "me", message)
    return found


def test_a_checkpoint_comes_back_as_it_was() -> None:
    found = taken(Message(key_of("me", "s", "u"), ENTRY), Message(key_of("me"), Transaction("run", 4)))
    assert found == Recovered(Transaction("run", 4), {("s", "u"): ENTRY})


def test_the_last_message_of_a_key_counts() -> None:
    other = msgspec.structs.replace(ENTRY, run="later")
    key = key_of("me", "s", "u")
    assert taken(Message(key, ENTRY), Message(key, other)).entries == {("s", "u"): other}
    assert taken(Message(key, ENTRY), Message(key, None)).entries == {}
    assert taken(Message(key, None)).entries == {}


def test_what_belongs_to_another_instance_is_left_alone() -> None:
    assert taken(Message(key_of("you", "s", "u"), b"whatever"), Message(key_of("you"), b"")) == Recovered()


@pytest.mark.parametrize(
    "message",
    [
        Message(None, b"a log line"),
        Message(b"\xff", b"x"),
        Message(b"[]", b"x"),
        Message(b'["me", "s"]', msgspec.json.encode(ENTRY)),
        Message(key_of("me", "s", "u"), b'{"checkpoint": 1}'),
        Message(key_of("me"), None),
    ],
)
def test_what_is_no_checkpoint_is_told_and_not_passed_over(message: Message) -> None:
    with pytest.raises(StateError, match="topic c, partition 1, offset 5 holds no checkpoint"):
        taken(message)


def test_an_instance_keeps_its_partition() -> None:
    assert partition_of("web-1", 12) == 4  # a later change would forget what was committed
    assert {partition_of(f"web-{n}", 12) for n in range(200)} == set(range(12))
