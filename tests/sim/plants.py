"""Bugs that are put into the daemon on purpose, to see that the simulator finds them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any
from unittest import mock

from shipper.filesource import sightings
from shipper.filesource.census import Census
from shipper.filesource.delivery import Delivery
from shipper.ledger import Chunk
from shipper.tailer import Tailer

_checkpoint, _call = Tailer.checkpoint, Chunk.__call__


def save_at_read() -> AbstractContextManager[Any]:
    """An offset is saved when its lines are read, not when they are acknowledged."""

    def checkpoint(self: Tailer, revision: int, *, ahead: bool = False) -> Any:
        saved = _checkpoint(self, revision, ahead=ahead)
        return replace(saved, offset=self.read.offset, fingerprint=self.fingerprint(self.read))

    return mock.patch.object(Tailer, "checkpoint", checkpoint)


def skip_a_refused_record() -> AbstractContextManager[Any]:
    """A record that was not taken counts as if it had been."""

    def call(self: Chunk, err: Any, msg: Any) -> None:
        _call(self, None, msg)

    return mock.patch.object(Chunk, "__call__", call)


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


PLANTS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "save-at-read": save_at_read,
    "skip-a-refused-record": skip_a_refused_record,
    "forget-a-rename": forget_a_rename,
    "trust-a-reused-inode": trust_a_reused_inode,
    "resend-out-of-order": resend_out_of_order,
}


@contextlib.contextmanager
def planted(name: str) -> Iterator[None]:
    """Put a bug in, meanwhile; none where ``name`` is ""."""
    if not name:
        yield
        return
    with PLANTS[name]():
        yield
