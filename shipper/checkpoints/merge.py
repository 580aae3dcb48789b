"""What is known from two places, the local store and the topic of exactly_once, as one. Pure.

Of one generation the higher revision wins. One that only the topic has was committed just before a kill, or the local
store is a new one: it is taken. But where the topic's is from an earlier epoch (the daemon has delivered otherwise
since) and the store knows the source, the store has forgotten it on purpose: it is stale.

What a person did to the store with ``checkpoints`` while no daemon ran is done to the topic's checkpoints here, before
they are compared: to those that were written before the edit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from shipper.model import EDIT, Checkpoint, Edit, SourceState


class Committed(NamedTuple):
    """A checkpoint of the topic. ``epoch``, ``edits``: how many changes of delivery, and edits, there had been."""

    checkpoint: Checkpoint
    epoch: int
    edits: int = 0


@dataclass(frozen=True, slots=True)
class Merged:
    """The result: the state of each source, and what of it the store has not got or the topic is to forget."""

    states: dict[str, SourceState]
    newer: list[Checkpoint]  # than what the store has
    stale: list[tuple[str, str]]  # source, uid


def merge(
    saved: Mapping[str, SourceState], committed: Iterable[Committed], epoch: int, edits: Sequence[Edit] = ()
) -> Merged:
    """Return what is known. ``committed``: the topic's checkpoints; ``epoch`` and ``edits``, in order, the store's."""
    files = {name: {c.uid: c for c in state.files} for name, state in saved.items()}
    scanned = {name for name, state in saved.items() if state.scanned}
    newer: list[Checkpoint] = []
    stale: list[tuple[str, str]] = []
    for written, wrote, seen in committed:
        found = _edited(written, [edit for edit in edits if edit.number > seen])
        if found is None or found.source != written.source:
            stale.append((written.source, written.uid))
        if found is None:
            continue
        known = files.setdefault(found.source, {})
        ours = known.get(found.uid)
        if ours is None and found.source in scanned and wrote < epoch:
            stale.append((found.source, found.uid))
        elif ours is None or found.revision > ours.revision:
            known[found.uid] = found
            newer.append(found)
    states = {name: SourceState(name in scanned or bool(known), list(known.values())) for name, known in files.items()}
    return Merged(states, newer, stale)


def _edited(found: Checkpoint, edits: Iterable[Edit]) -> Checkpoint | None:
    """Return what edits have made of a checkpoint; None where they removed it."""
    for edit in edits:
        if edit.source == found.source and edit.uid in ("", found.uid):
            if not edit.becomes:
                return None
            found = replace(found, source=edit.becomes, revision=found.revision + EDIT)
    return found
