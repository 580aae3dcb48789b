"""Lost bytes are told: of a line that was sent, and whose bytes go before it has arrived, there is an event.

That is file.lost, or where it is not known whose the bytes were, what was unread of a file.truncated. It is asked for
when the daemon has come to rest again, in the same run: of what goes while nobody runs, or shortly before a kill,
nobody can know; nor of bytes that nobody has read, though most often these are told too.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence, Set
from typing import Any

Event = tuple[str, dict[str, Any]]


class Losses:
    """What is to be told. ``told``: what the daemon has logged so far; ``sent``: the lines that it has sent."""

    def __init__(self, told: Sequence[Event], sent: Set[bytes]) -> None:
        self._told = told
        self._sent = sent
        self._path_of: dict[bytes, bytes] = {}
        self._gone: dict[bytes, int] = {}  # a line whose bytes are gone: how much had been told before

    def written(self, line: bytes, path: bytes) -> None:
        """Note of which generation's path a line is."""
        self._path_of[line] = path

    def paths(self, lines: Iterable[bytes]) -> set[bytes]:
        """Return of which generations' paths lines are."""
        return {self._path_of[line] for line in lines if line in self._path_of}

    def gone(self, lines: Iterable[bytes]) -> None:
        """The bytes of these lines have just gone."""
        for line in lines:
            if line in self._sent:
                self._gone.setdefault(line, len(self._told))

    def ended(self) -> None:
        """The daemon has ended."""
        self._gone.clear()

    def untold(self, lost: Set[bytes]) -> list[bytes]:
        """Return those of the lost lines of whose path nothing was told since they went, once the daemon rests."""
        gone, self._gone = self._gone, {}
        last: dict[str, int] = {}
        for place, (name, fields) in enumerate(self._told):
            if name == "file.lost" or (name == "file.truncated" and fields["unread"]):
                last[fields["path"]] = place
        return [
            line
            for line, before in gone.items()
            if line in lost and last.get(os.fsdecode(self._path_of[line]), -1) < before
        ]
