"""What is known from two places, the local store and the topic of exactly_once, as one. Pure.

Of one generation the higher revision wins. One that only the topic has was committed just before a kill, or the local
store is a new one: it is taken. But where the topic's is from an earlier epoch (the daemon has delivered otherwise
since) and the store knows the source, the store has forgotten it on purpose: it is stale.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shipper.model import Checkpoint, SourceState


@dataclass(frozen=True, slots=True)
class Merged:
    """The result: the state of each source, and what of it the store has not got or the topic is to forget."""

    states: dict[str, SourceState]
    newer: list[Checkpoint]  # than what the store has
    stale: list[tuple[str, str]]  # source, uid


def merge(saved: Mapping[str, SourceState], committed: Iterable[tuple[Checkpoint, int]], epoch: int) -> Merged:
    """Return what is known. ``committed``: the topic's checkpoints with their epochs; ``epoch`` is the store's."""
    files = {name: {c.uid: c for c in state.files} for name, state in saved.items()}
    scanned = {name for name, state in saved.items() if state.scanned}
    newer: list[Checkpoint] = []
    stale: list[tuple[str, str]] = []
    for found, written in committed:
        known = files.setdefault(found.source, {})
        ours = known.get(found.uid)
        if ours is None and found.source in scanned and written < epoch:
            stale.append((found.source, found.uid))
        elif ours is None or found.revision > ours.revision:
            known[found.uid] = found
            newer.append(found)
    states = {name: SourceState(name in scanned or bool(known), tuple(known.values())) for name, known in files.items()}
    return Merged(states, newer, stale)
