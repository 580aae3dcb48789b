"""Lost bytes are told: of a line that was sent, and whose bytes go before it has arrived, there is an event.

That is file.lost, or where it is not known whose the bytes were, what was unread of a file.truncated. It is asked for
when the daemon has come to rest again, in the same run: of what goes while nobody runs, or shortly before a kill,
nobody can know; nor of bytes that nobody has read, though most often these are told too.

And no more bytes of a path are told to be lost than are gone of it, arrived or not where the daemon cannot know.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence, Set
from typing import Any

Event = tuple[str, dict[str, Any]]
ENDING = 2  # bytes of a line's end, at most


class Losses:
    """What is to be told. ``told``: what the daemon has logged so far; ``sent``: the lines that it has sent."""

    def __init__(self, told: Sequence[Event], sent: Set[bytes]) -> None:
        self._told = told
        self._sent = sent
        self._path_of: dict[bytes, bytes] = {}
        self._whole: dict[bytes, bytes] = {}
        self._destroyed: dict[bytes, dict[Hashable, int]] = {}  # by path: what is gone, and how much that was
        self._since = 0  # with which event it begins to be counted what is told
        self._gone: dict[bytes, int] = {}  # a line whose bytes are gone: how much had been told before

    def written(self, line: bytes, path: bytes, whole: bytes) -> None:
        """Note of which generation's path a line is, and what ``whole`` line it is a part of, or all."""
        self._path_of[line] = path
        self._whole[line] = whole

    def gone(self, lines: Iterable[bytes]) -> None:
        """The bytes of these lines have just gone."""
        self.doubt(lines)
        for line in lines:
            if line in self._sent:
                self._gone.setdefault(line, len(self._told))

    def doubt(self, lines: Iterable[bytes]) -> None:
        """Of these lines the daemon may not know that they have arrived, if their bytes go."""
        for line in lines:
            if line in self._path_of:
                whole = self._whole[line]  # no position stands inside of it
                self.destroyed(self._path_of[line], whole, len(whole) + ENDING)

    def destroyed(self, path: bytes, what: Hashable, size: int) -> None:
        """So many bytes of a path are gone, ``what`` tells which, and may not have been read."""
        gone = self._destroyed.setdefault(path, {})
        gone[what] = max(size, gone.get(what, 0))

    def beyond(self) -> dict[str, Any] | None:
        """Return an event that tells of lost bytes where, with those of its path before it, no more are gone."""
        told: Counter[bytes] = Counter()
        for name, fields in self._told[self._since :]:
            if name == "file.lost":
                path = os.fsencode(fields["path"])
                told[path] += fields["bytes"]
                if told[path] > sum(self._destroyed.get(path, {}).values()):
                    return fields
        return None

    def ended(self, *, saved: bool) -> None:
        """The daemon has ended; unless it is ``saved`` what was told may be told again by the next one."""
        self._gone.clear()
        if not saved:
            self._since = len(self._told)

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
