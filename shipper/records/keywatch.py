"""Whether a source's keys do what keys are for: notices one that carries nearly all, and a template without result.

Pure; looks at a few records of each chunk, and says each thing once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from shipper.model import Messages

STEP = 32  # one record of so many is looked at
EACH = 17  # of so many times that several chunks go together; a prime, as files may take turns
WINDOW = 2048  # records that are looked at before one is judged
HOT = 0.9  # of them with one key
UNRESOLVED = 100  # records without their own key before the template is judged


class Hot(NamedTuple):
    """One key that carries nearly all: ``share`` of the records."""

    key: bytes
    share: float


class KeyWatch:
    """The keys of one source. ``asks``: its template asks for fields, so that a record has a key of its own."""

    def __init__(self, *, asks: bool) -> None:
        self._asks = asks
        self._seen: Counter[bytes] = Counter()
        self._total = 0
        self._passed = 0  # times that chunks went together
        self._hot_told = False
        self._resolves = not asks
        self._fallbacks = 0

    def hot(self, messages: Messages) -> Hot | None:
        """Take note of a chunk's keys; returns the one that carries nearly all, once.

        A source whose only file has the only key is as it has to be.
        """
        looks = 0 if self._hot_told else -(-len(messages) // STEP)
        if not looks:
            return None
        if self._asks:
            self._seen.update(messages.all_keys[::STEP])
        else:
            self._seen[messages.key(0)] += looks
        self._total += looks
        return self._judge()

    def _judge(self) -> Hot | None:
        total = self._total
        if total < WINDOW:
            return None
        ((key, count),) = self._seen.most_common(1)
        alone = len(self._seen) == 1 and not self._asks
        self._seen.clear()
        self._total = 0
        if alone or count < HOT * total:
            return None
        self._hot_told = True
        return Hot(key, count / total)

    def hot_of(self, keys: Sequence[bytes]) -> Hot | None:
        """Take note of the keys of chunks that go together, of all in one time of many; otherwise as :meth:`hot`."""
        self._passed += 1
        if self._passed % EACH or self._hot_told:
            return None
        self._seen.update(keys)
        self._total += len(keys)
        return self._judge()

    def unresolved(self, records: int, fallbacks: int) -> bool:
        """Take note of how many records of a chunk have the fallback key; whether none ever had another, said once."""
        if self._resolves:
            return False
        if fallbacks < records:
            self._resolves = True
            return False
        self._fallbacks += fallbacks
        self._resolves = self._fallbacks >= UNRESOLVED
        return self._resolves
