"""What one ``collect`` has to tell, while it is being gathered. One thread.

The last look at a name wins: it is either seen or gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from shipper.discovery.rules import Watched
from shipper.model import Observation, Seen


class Findings:
    """Collects for each source (its index) what was seen, what is gone and what could not be read."""

    def __init__(self, sources: Sequence[Watched], *, complete: bool = False) -> None:
        self.complete = complete
        self.modified: set[bytes] = set()
        self._names = [source.name for source in sources]
        self._seen: list[dict[bytes, Seen]] = [{} for _ in sources]
        self._gone: list[set[bytes]] = [set() for _ in sources]
        self._unreadable: list[set[bytes]] = [set() for _ in sources]

    def saw(self, source: int, seen: Seen) -> None:
        """Note a file."""
        self._seen[source][seen.path] = seen
        self._gone[source].discard(seen.path)

    def missed(self, source: int, path: bytes) -> None:
        """Note that there is no regular file ``path``."""
        self._gone[source].add(path)
        self._seen[source].pop(path, None)

    def has(self, source: int, path: bytes) -> bool:
        """Whether ``path`` has been seen."""
        return path in self._seen[source]

    def unreadable(self, source: int, path: bytes) -> None:
        """Note a directory about which nothing can be said."""
        self._unreadable[source].add(path)

    def files(self) -> int:
        """Return how many files were seen, once for each source."""
        return sum(map(len, self._seen))

    def observations(self) -> list[Observation]:
        """Return one observation for each source that there is something to tell."""
        return [
            Observation(
                name,
                seen=sorted(seen.values(), key=attrgetter("path")),
                gone=set() if self.complete else gone,
                complete=self.complete,
                unreadable=tuple(sorted(unreadable)),
            )
            for name, seen, gone, unreadable in zip(self._names, self._seen, self._gone, self._unreadable, strict=True)
            if self.complete or seen or gone or unreadable
        ]
