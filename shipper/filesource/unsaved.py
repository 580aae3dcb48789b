"""Which checkpoints of one source are to be saved, and which removed. Pure; pump thread only.

With transactions what is handed over is not saved before the commit: until then it may have to be taken back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from shipper.model import Checkpoint


class Known(Protocol):
    """What a checkpoint can be made of."""

    def checkpoint(self, revision: int, *, ahead: bool = False) -> Checkpoint:
        """Return what is to be saved; ``ahead``: as if all that was sent had been acknowledged."""


class Unsaved:
    """By uid. What is handed over has a higher revision than anything before it, and than what was loaded."""

    def __init__(self) -> None:
        self._changed: dict[str, Known] = {}
        self._removed: set[str] = set()
        self._given: dict[str, Known] = {}  # what is in the transaction that is being committed
        self._given_removed: set[str] = set()
        self._revision = 0  # the highest that a checkpoint has

    def __bool__(self) -> bool:
        return bool(self._changed or self._removed)

    def __contains__(self, uid: str) -> bool:
        return uid in self._changed

    def loaded(self, saved: Checkpoint) -> None:
        """Take note of a checkpoint that was there before."""
        self._revision = max(self._revision, saved.revision)

    def changed(self, uid: str, known: Known) -> None:
        """Have one saved."""
        self._changed[uid] = known

    def several_changed(self, known: Mapping[str, Known]) -> None:
        """Have several saved."""
        self._changed.update(known)

    def removed(self, uid: str) -> None:
        """Have one removed."""
        self._changed.pop(uid, None)
        self._removed.add(uid)

    def hand_over(self, *, ahead: bool) -> tuple[list[Checkpoint], list[str]]:
        """Return the checkpoints that changed since the last call, and the uids of those to be removed.

        ``ahead``: as if all that was sent had been acknowledged.
        """
        changed, self._changed = self._changed, {}
        removed, self._removed = self._removed, set()
        if ahead:
            self._given, self._given_removed = changed, removed
        self._revision += 1
        made = [known.checkpoint(self._revision, ahead=ahead) for known in changed.values()]
        return made, [uid for uid in removed if uid not in changed]

    def take_back(self) -> None:
        """Note that what was handed over last with ``ahead`` was not saved, and has not come true."""
        given = {uid: known for uid, known in self._given.items() if uid not in self._removed}
        self._changed = given | self._changed
        self._removed |= self._given_removed
        self._given, self._given_removed = {}, set()
