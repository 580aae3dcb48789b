"""What there is to know about a key of the configuration, and the kind of value that is a table of keys again. Pure."""

# What read, write and schema do is said once, on Kind.
# ruff: noqa: D102

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, get_type_hints

import msgspec

from shipper.config import checks
from shipper.config.kinds import Kind, wrong


@dataclass(frozen=True, slots=True)
class Key:
    """What is to know about one key.

    ``example`` shows a required key's value as it is written. ``environment`` names the variable whose first entry
    (of a list with colons) stands for a key that is not given. The value of a ``secret`` one is never shown.
    """

    kind: Kind
    doc: str
    check: checks.Check = checks.nothing
    example: str = ""
    environment: str = ""
    secret: bool = False


class Entry(NamedTuple):
    """One key of a table, with its default if it has one."""

    name: str
    key: Key
    required: bool
    default: Any


@functools.cache
def keys_of(struct: type[msgspec.Struct]) -> dict[str, Entry]:
    """Return the keys of a table, in their order."""
    hints = get_type_hints(struct, include_extras=True)
    entries = {}
    for field in msgspec.structs.fields(struct):
        for key in getattr(hints[field.name], "__metadata__", ()):
            if isinstance(key, Key):
                made = field.default_factory
                default = field.default if made is msgspec.NODEFAULT else made()
                entries[field.name] = Entry(field.name, key, field.required, default)
    own = struct.__annotations__  # what must be there comes first, and what a kind of source has by itself
    return dict(sorted(entries.items(), key=lambda item: (not item[1].required, item[0] not in own)))


class Misfit(NamedTuple):
    """What does not fit together in a table: the sentence about its key ``name``."""

    name: str
    sentence: str


def _fits(_table: Any) -> Iterator[Misfit]:
    return iter(())


@dataclass(frozen=True, slots=True)
class TableOf(Kind):
    """A table with keys of its own, as ``{ format = "json" }``; an empty one says as much as none: ``None``.

    Loading walks it key by key, as it does the tables of the file. ``misfits`` then holds the values to each other.
    """

    struct: type[msgspec.Struct]
    misfits: Callable[[Any], Iterator[Misfit]] = _fits

    def read(self, value: object) -> Any:
        """Refuse what is no table; called for nothing else."""
        required = [f"{name} = {entry.key.example}" for name, entry in keys_of(self.struct).items() if entry.required]
        raise wrong(value, "is not a table", f"write {{ {', '.join(required) or '…'} }}")

    def write(self, value: msgspec.Struct | None) -> dict[str, Any]:
        if value is None:
            return {}
        entries = keys_of(self.struct)
        written = ((name, getattr(value, name), entry) for name, entry in entries.items())
        return {name: entry.key.kind.write(v) for name, v, entry in written if entry.required or v != entry.default}

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "properties": properties(self.struct), "additionalProperties": False}


def properties(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Describe each key of a table in JSON Schema."""
    found: dict[str, Any] = {}
    for name, entry in keys_of(struct).items():
        found[name] = {"description": entry.key.doc, **entry.key.kind.schema()}
        if not entry.required:
            found[name]["default"] = entry.key.kind.write(entry.default)
    return found
