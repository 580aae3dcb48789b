"""Which paths have one last component, in whatever directories. Pure; pump thread only.

Most names are of one path, and there may be a hundred thousand of them: then the path itself stands for the set.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

FEW = 8  # paths of one name that tell something: a name that every directory has tells nothing


class Namesakes:
    """Paths by their last component."""

    def __init__(self, paths: Iterable[bytes]) -> None:
        self._paths: dict[bytes, bytes | dict[bytes, None]] = {}
        for path in paths:
            self.add(path)

    def add(self, path: bytes) -> None:
        """Take in a path."""
        name = os.path.basename(path)
        known = self._paths.setdefault(name, path)
        if isinstance(known, dict):
            known[path] = None
        elif known != path:
            self._paths[name] = {known: None, path: None}

    def drop(self, path: bytes) -> None:
        """Forget a path."""
        name = os.path.basename(path)
        known = self._paths.get(name)
        if isinstance(known, dict):
            known.pop(path, None)
        if not known or known == path:
            self._paths.pop(name, None)

    def of(self, name: bytes) -> tuple[bytes, ...]:
        """Return the paths of a name; none where there are many."""
        known = self._paths.get(name, ())
        if isinstance(known, bytes):
            return (known,)
        return tuple(known) if len(known) <= FEW else ()
