"""The files as one tree of values that remember where they stand, and the problems that are found in it.

Reads files; may be called from any thread.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import tomli

from shipper.model import show_path
from shipper.ownership import complaint

DROP_INS = "conf.d"  # the directory beside the first file


class Where(NamedTuple):
    """A place in the files; sorts as a reader meets them."""

    rank: int  # the file's place in the order of loading
    order: int  # the value's place in the file
    file: str  # as it is shown: relative to the directory of the first file


@dataclass(slots=True)
class Leaf:
    """A value that is no table."""

    value: Any
    where: Where


@dataclass(slots=True)
class Table:
    """A table; ``where`` it was first opened."""

    where: Where
    entries: dict[str, Leaf | Table] = field(default_factory=dict)

    def leaves(self, prefix: str) -> Iterator[tuple[str, Leaf]]:
        """Yield every leaf below, with its names joined by dots."""
        for name, entry in self.entries.items():
            if isinstance(entry, Table):
                yield from entry.leaves(f"{prefix}.{name}")
            else:
                yield f"{prefix}.{name}", entry


class Problem(NamedTuple):
    """One mistake. Sorts by its place."""

    where: Where
    path: str
    sentence: str

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.where.file, self.path, self.sentence)))


@dataclass(slots=True)
class Files:
    """What was read: the merged tree, and what could not be read. ``complete``: no file is missing from the tree."""

    tree: Table
    paths: list[Path] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every file was read."""
        return not self.problems


def key_path(*names: str) -> str:
    """Write a key's path as TOML does, on one line."""
    return ".".join(name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_text(name) for name in names)


def toml_text(text: str) -> str:
    """Write ``text`` as a TOML string, on one line."""
    return '"' + "".join(_escape(char) for char in text) + '"'


def _escape(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if "\udc80" <= char <= "\udcff":  # a byte that is not UTF-8, from the environment: TOML has no way to write it
        return f"\\\\x{ord(char) - 0xDC00:02x}"
    return char if char.isprintable() else f"\\U{ord(char):08x}"


def read(path: Path) -> Files:
    """Read ``path`` and the drop-ins in ``conf.d`` beside it, in name order, and merge them: the later file wins."""
    files = Files(Table(Where(0, 0, path.name)))
    _add(files, path, Where(0, 0, path.name), shown=show_path(os.fsencode(path)))
    try:
        found = drop_ins(path)
    except OSError as error:
        files.problems.append(Problem(Where(1, 0, DROP_INS), "", f"cannot be listed: {error.strerror}"))
        found = []
    for rank, one in enumerate(found, 1):
        _add(files, one, Where(rank, 0, show_path(os.fsencode(f"{DROP_INS}/{one.name}"))))
    return files


def drop_ins(path: Path) -> list[Path]:
    """Return the drop-ins beside the file ``path``, in name order; raises OSError."""
    directory = path.parent / DROP_INS
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(".toml") and not name.startswith("."))
    except FileNotFoundError:
        return []
    return [directory / name for name in names]


def _add(files: Files, path: Path, where: Where, shown: str = "") -> None:
    """Merge the file ``path``; ``shown`` names it where the file itself is the problem."""

    def problem(sentence: str, *, at_file: bool = False) -> None:
        place = where._replace(file=shown) if at_file and shown else where
        files.problems.append(Problem(place, "", sentence))

    try:
        with path.open("rb") as file:
            data = file.read()
            wrong = complaint(path, os.fstat(file.fileno()))
    except FileNotFoundError:
        problem("there is no such file; write it, or name another", at_file=True)
        return
    except IsADirectoryError:
        problem("is a directory; name the TOML file in it", at_file=True)
        return
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        problem(f"cannot be read: {reason}", at_file=True)
        return
    if wrong:
        problem(f"is not read: it {wrong}", at_file=True)
        return
    try:
        tables = tomli.loads(data.decode("utf-8-sig"))
    except tomli.TOMLDecodeError as error:
        problem(f"is not valid TOML at line {error.lineno}, column {error.colno}: {error.msg}")
        return
    except UnicodeDecodeError as error:
        line, column = data.count(b"\n", 0, error.start) + 1, error.start - data.rfind(b"\n", 0, error.start)
        problem(f"is not UTF-8 text at line {line}, column {column}; save it as UTF-8")
        return
    except (ValueError, RecursionError) as error:  # a number or a nesting beyond all measure
        problem(f"is not valid TOML: {error}")
        return
    files.paths.append(path)
    _merge(files.tree, _tree(tables, where, _counter(where)))


def _counter(where: Where) -> Iterator[Where]:
    while True:
        where = where._replace(order=where.order + 1)
        yield where


def _tree(tables: dict[str, Any], where: Where, places: Iterator[Where]) -> Table:
    table = Table(where)
    for name, value in tables.items():
        place = next(places)
        table.entries[name] = _tree(value, place, places) if isinstance(value, dict) else Leaf(value, place)
    return table


def _merge(base: Table, later: Table) -> None:
    for name, entry in later.entries.items():
        known = base.entries.get(name)
        if isinstance(known, Table) and isinstance(entry, Table):
            _merge(known, entry)
        else:
            base.entries[name] = entry
