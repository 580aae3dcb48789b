"""Bugs that are put into the daemon on purpose, to see that the simulator finds them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any
from unittest import mock

from shipper.commits import Commits
from shipper.filesource import FileSource, sightings
from shipper.filesource.census import Census
from shipper.kafka.offsets import Recovered, Transaction
from shipper.ledger import Chunk
from shipper.source.delivery import Delivery
from shipper.tailer import Tailer

_checkpoint = Tailer.checkpoint
_prepare, _opened = Commits._prepare, Commits._opened


def save_at_read() -> AbstractContextManager[Any]:
    """An offset is saved when its lines are read, not when they are acknowledged."""

    def checkpoint(self: Tailer, revision: int, *, ahead: bool = False) -> Any:
        saved = _checkpoint(self, revision, ahead=ahead)
        return replace(saved, offset=self.read.offset, fingerprint=self.fingerprint(self.read))

    return mock.patch.object(Tailer, "checkpoint", checkpoint)


def skip_a_refused_record() -> AbstractContextManager[Any]:
    """A record that was not taken counts as if it had been."""

    def nack(self: Chunk, _error: Any, _topic: str, count: int) -> None:
        self.ack(count)

    return mock.patch.object(Chunk, "nack", nack)


def forget_a_rename() -> AbstractContextManager[Any]:
    """A file that has another name now is still looked for under its old one."""
    return mock.patch.object(Census, "rename")


@contextlib.contextmanager
def trust_a_reused_inode() -> Iterator[None]:
    """What has the id of a known file is taken for it, without a look at its bytes."""
    with contextlib.ExitStack() as stack:
        for name in ("is_still", "is_still_left"):
            stack.enter_context(mock.patch.object(sightings, name, return_value=True))
        yield


def resend_out_of_order() -> AbstractContextManager[Any]:
    """While something waits to be sent again, its source goes on with what is newer."""
    return mock.patch.object(Delivery, "held", property(lambda self: False))


def save_beside_the_transaction() -> AbstractContextManager[Any]:
    """Checkpoints do not go with the transaction of their records, they are saved after it."""

    def prepare(self: Commits, sources: Mapping[str, FileSource]) -> None:
        assert self._sink is not None
        real: Callable[..., None] = self._sink.prepare
        with mock.patch.object(self._sink, "prepare", lambda *given: real(*given[:3], [], [])):
            _prepare(self, sources)

    return mock.patch.object(Commits, "_prepare", prepare)


def take_an_unknown_outcome_for_a_commit() -> AbstractContextManager[Any]:
    """When nobody knows how a commit has ended, it counts as carried out."""

    def opened(self: Commits) -> Recovered | None:
        found = _opened(self)
        if found is not None and self._committing:
            return replace(found, last=Transaction(self._run, self._number))
        return found

    return mock.patch.object(Commits, "_opened", opened)


def take_an_unknown_outcome_for_an_abort() -> AbstractContextManager[Any]:
    """When nobody knows how a commit has ended, everything is sent again."""

    def opened(self: Commits) -> Recovered | None:
        found = _opened(self)
        return replace(found, last=None) if found is not None and self._committing else found

    return mock.patch.object(Commits, "_opened", opened)


PLANTS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "save-at-read": save_at_read,
    "skip-a-refused-record": skip_a_refused_record,
    "forget-a-rename": forget_a_rename,
    "trust-a-reused-inode": trust_a_reused_inode,
    "resend-out-of-order": resend_out_of_order,
    "save-beside-the-transaction": save_beside_the_transaction,
    "unknown-is-committed": take_an_unknown_outcome_for_a_commit,
    "unknown-is-aborted": take_an_unknown_outcome_for_an_abort,
}
WIDE = ("save-beside-the-transaction", "unknown-is-committed", "unknown-is-aborted")  # found by the second kind only


@contextlib.contextmanager
def planted(name: str) -> Iterator[None]:
    """Put a bug in, meanwhile; none where ``name`` is ""."""
    if not name:
        yield
        return
    with PLANTS[name]():
        yield
