"""Patterns for names and paths: a pattern in, "does it match" out. Pure; may be called from any thread.

``*``, ``?`` and ``[...]`` match within one component and by characters (bytes that are not UTF-8 count as one each);
``{a,b}`` stands for several patterns; ``**`` as a whole component is any number of directories, none included.
As in a shell a wildcard does not match a leading dot, so hidden files and directories need a pattern that starts with
one. Excludes are more generous: there a wildcard matches hidden names, too.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence

MAGIC = re.compile(rb"[*?\[]")


class Component:
    """One component of a pattern; ``literal`` is the only name it matches, where it has no wildcard."""

    __slots__ = ("_match", "literal", "pattern")

    def __init__(self, pattern: bytes, *, hidden: bool = False) -> None:
        self.pattern = pattern
        self.literal: bytes | None = None if MAGIC.search(pattern) else pattern
        text = _text(pattern).replace("[^", "[!")  # shells know both
        guard = "" if hidden or text.startswith(".") else r"(?!\.)"
        self._match = re.compile(guard + fnmatch.translate(text)).match

    def matches(self, name: bytes) -> bool:
        """Whether ``name``, which has no slash, matches."""
        if self.literal is not None:
            return name == self.literal
        return self._match(_text(name)) is not None


class Pattern:
    """An absolute pattern, brace-free, as components; ``None`` stands for ``**``.

    The last component is never ``**``: ``/a/**`` means ``/a/**/*``, every file below.
    """

    __slots__ = ("_hidden", "components", "trailing")

    def __init__(self, pattern: bytes, *, hidden: bool = False) -> None:
        parts = [part for part in pattern.split(b"/") if part not in (b"", b".")]
        self._hidden = hidden
        self.trailing = bool(parts) and parts[-1] == b"**"
        if self.trailing:
            parts.append(b"*")
        self.components: list[Component | None] = []
        for part in parts:
            if part != b"**":
                self.components.append(Component(part, hidden=hidden))
            elif not self.components or self.components[-1] is not None:
                self.components.append(None)

    def matches(self, path: bytes) -> bool:
        """Whether the whole of ``path`` matches."""
        return self._matches(path, len(self.components))

    def covers(self, directory: bytes) -> bool:
        """Whether everything below ``directory`` is meant: it matches itself, or the pattern is ``directory/**``."""
        return self.matches(directory) or (self.trailing and self._matches(directory, len(self.components) - 2))

    def _matches(self, path: bytes, end: int) -> bool:
        """Match ``path`` against the first ``end`` components."""
        at = self.closed({0})
        for name in path.split(b"/"):
            if name:
                at = self.closed({following for i in at if i < end for following in self.step(i, name)})
        return end in at

    def step(self, index: int, name: bytes) -> Iterable[int]:
        """Yield where in the pattern one may be after ``name``, having been at ``index``."""
        component = self.components[index]
        if component is None:
            if self._hidden or not name.startswith(b"."):
                yield index
        elif component.matches(name):
            yield index + 1

    def closed(self, at: set[int]) -> set[int]:
        """Add the places that need no name, because ``**`` may stand for nothing."""
        return at | {i + 1 for i in at if i < len(self.components) and self.components[i] is None}


class Exclude:
    """A source's ``exclude``: patterns without a slash are for base names, those with one for whole paths.

    A path pattern that is not absolute may begin anywhere: ``nginx/*.gz``. One that matches a directory, or that ends
    in ``/**``, excludes all below it.
    """

    __slots__ = ("_names", "_paths")

    def __init__(self, patterns: Sequence[bytes]) -> None:
        flat = [p for pattern in patterns for p in expand(pattern)]
        self._names = [Component(p, hidden=True) for p in flat if b"/" not in p]
        self._paths = [
            Pattern(p if p.startswith(b"/") else b"**/" + p, hidden=True) for p in flat if b"/" in p.rstrip(b"/")
        ]

    def matches(self, directory: bytes, name: bytes) -> bool:
        """Whether the file ``name`` in ``directory`` is excluded."""
        if self._names and any(component.matches(name) for component in self._names):
            return True
        return bool(self._paths) and any(pattern.matches(directory + b"/" + name) for pattern in self._paths)

    def covers(self, directory: bytes) -> bool:
        """Whether everything below ``directory`` is excluded."""
        return any(pattern.covers(directory) for pattern in self._paths)

    @staticmethod
    def culprit(patterns: Sequence[bytes], directory: bytes, name: bytes) -> bytes | None:
        """Return the first of ``patterns`` that alone excludes the file ``name`` in ``directory``; None: none does."""
        parents = [directory]
        while parents[-1] not in (b"/", b""):
            parents.append(parents[-1].rpartition(b"/")[0])
        for pattern in patterns:
            alone = Exclude([pattern])
            if alone.matches(directory, name) or any(map(alone.covers, parents)):
                return pattern
        return None


def expand(pattern: bytes) -> list[bytes]:
    """Return the patterns that the ``{a,b}`` in ``pattern`` stand for; braces without a comma mean themselves."""
    at = pattern.find(b"{")
    while at >= 0:
        depth, start, choices = 0, at + 1, []
        for i in range(at, len(pattern)):
            char = pattern[i : i + 1]
            depth += (char == b"{") - (char == b"}")
            if (char == b"," and depth == 1) or depth == 0:
                choices.append(pattern[start:i])
                start = i + 1
            if depth == 0:
                break
        if depth == 0 and len(choices) > 1:
            expanded = [pattern[:at] + choice + pattern[start:] for choice in choices]
            return list(dict.fromkeys(result for one in expanded for result in expand(one)))
        at = pattern.find(b"{", at + 1)
    return [pattern]


def fixed(pattern: bytes) -> list[bytes]:
    """Return the directories that ``pattern`` names without a wildcard, each with those above it."""
    found = []
    for one in expand(pattern):
        at = b""
        for component in Pattern(one).components[:-1]:
            if component is None or component.literal is None:
                break
            at += b"/" + component.literal
            found.append(at)
    return found


def _text(name: bytes) -> str:
    """Return ``name`` as characters, so that ``?`` is one of them; invalid bytes stay apart (surrogateescape)."""
    return name.decode("utf-8", "surrogateescape")
