"""Templates such as ``"logs.{source}"`` and ``"{host}:{path}"``: the only place that parses them.

Pure: the configuration parses a template to check it, records parse it once and render it for each file or line.

A placeholder is a name in braces; ``{a|b}`` takes the first that is there. ``{{`` and ``}}`` are the braces
themselves. A :class:`Template` never changes and may be used from any thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

NAMES: Mapping[str, str] = {
    "filename": "the file's name: access.log",
    "stem": "the file's name without its last ending: access",
    "path": "the whole path: /var/log/nginx/access.log",
    "dir": "the directory: /var/log/nginx",
    "host": "this machine's name",
    "source": "the source's name in the configuration",
}
"""The names that every file of a source has a value for."""
OF_FILES = ("filename", "stem", "path", "dir")  # what only a file has
FIXED = ("source", "host")  # what is put in for them is the same for all records
PATH = "path."  # and the name of a group of ``path_pattern``

_TOKEN = re.compile(r"\{\{|\}\}|\{[^{}]*\}|[{}]|[^{}]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[^.{}|\s]+)*")


class TemplateError(ValueError):
    """A text is no template. ``found`` says what is wrong with ``part`` of it, ``fix`` what would be right."""

    def __init__(self, part: str, found: str, fix: str) -> None:
        super().__init__(f"{part} {found}; {fix}")
        self.part = part
        self.found = found
        self.fix = fix


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template: a literal text is a ``str``, a placeholder the tuple of its alternatives."""

    text: str
    parts: tuple[str | tuple[str, ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that is mentioned, once, in order."""
        return tuple(dict.fromkeys(name for part in self.parts if isinstance(part, tuple) for name in part))

    @property
    def literal(self) -> str:
        """All literal text, joined."""
        return "".join(part for part in self.parts if isinstance(part, str))

    def render(self, values: Mapping[str, str]) -> str | None:
        """Fill the placeholders in; ``None`` when one of them has no alternative in ``values``."""
        out = []
        for part in self.parts:
            if isinstance(part, str):
                out.append(part)
                continue
            name = next((name for name in part if name in values), None)
            if name is None:
                return None
            out.append(values[name])
        return "".join(out)


def parse(text: str) -> Template:
    """Parse ``text``; raises :class:`TemplateError`. Which names exist is the caller's to say."""
    parts: list[str | tuple[str, ...]] = []
    for part in _tokens(text):
        if isinstance(part, str) and parts and isinstance(parts[-1], str):
            parts[-1] += part
        else:
            parts.append(part)
    return Template(text, tuple(parts))


def _tokens(text: str) -> Iterator[str | tuple[str, ...]]:
    for piece in _TOKEN.findall(text):
        if piece in ("{{", "}}"):
            yield piece[0]
        elif piece in ("{", "}"):
            other = "}" if piece == "{" else "{"
            raise TemplateError(
                text, f'has a "{piece}" without its "{other}"', f'write "{piece * 2}" for the brace itself'
            )
        elif piece[0] == "{":
            names = tuple(piece[1:-1].split("|"))
            if not all(_NAME.fullmatch(name) for name in names):
                raise TemplateError(piece, "is no name in braces", "write it as {filename} or {filename|source}")
            yield names
        else:
            yield piece
