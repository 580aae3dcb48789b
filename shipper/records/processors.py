"""A source's own ``processor``: a function from a record to a record, a list of records, or ``None`` to drop it.

It is the operator's code and may do what it likes, but for one thing: whatever goes wrong in it is told and counted,
and the record is then sent as its line is. It is called again for a line that is sent again, and has to say the same
then. An import happens once in the life of a process.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from shipper.config import Config
from shipper.errors import ConfigError
from shipper.model import show_path
from shipper.ownership import complaint
from shipper.records.record import Record

GROUP = "shipper.processors"
MOST = 1000  # records that one line may become
Process = Callable[[Record], Any]


def load(name: str) -> Process:
    """Return the function ``module:function``, or that of an entry point of this name; raises ConfigError."""
    module, colon, path = name.partition(":")
    try:
        if colon:
            found: Any = _import(module)
            for part in path.split("."):
                found = getattr(found, part)
        else:
            from importlib.metadata import entry_points  # half a megabyte that nearly nobody needs

            points = [point for point in entry_points(group=GROUP) if point.name == name]
            if not points:
                raise ConfigError([f"{name}: no installed package has an entry point of this name in {GROUP}"])
            _import(points[0].module)
            found = points[0].load()
    except ConfigError:
        raise
    except BaseException as error:  # a module may do anything while it is imported, sys.exit() too
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ConfigError([f"{name}: cannot be imported: {type(error).__name__}: {error}"]) from error
    if not callable(found):
        raise ConfigError([f"{name}: is not a function"])
    process: Process = found
    return process


def _import(name: str) -> ModuleType:
    """Import a module and the packages that it is in, if nobody else could have written them; raises ConfigError.

    Each is looked for before it is imported, since importing runs it. What it imports itself is its own affair.
    """
    found: ModuleType | None = None
    at = ""
    for part in name.split("."):
        at = f"{at}.{part}" if at else part
        known = sys.modules.get(at)
        spec = importlib.util.find_spec(at) if known is None else getattr(known, "__spec__", None)
        files = (spec.origin, spec.cached) if spec is not None and spec.has_location else ()
        for file in filter(None, files):
            if wrong := complaint(Path(file)):
                raise ConfigError([f"{name}: is not imported: {show_path(os.fsencode(file))} {wrong}"])
        found = importlib.import_module(at)
    assert found is not None
    return found


def try_all(config: Config) -> None:
    """Import every source's processor; raises ConfigError with all that cannot be had."""
    problems = []
    for source in config.sources.values():
        try:
            if source.processor:
                load(source.processor)
        except ConfigError as error:
            problems += [f"sources.{source.name}.processor: {problem}" for problem in error.problems]
    if problems:
        raise ConfigError(problems)


def guarded(process: Process, told: Callable[[str], None]) -> Callable[[Record], list[Record] | None]:
    """Return ``process`` without its errors: then it returns ``None``, and ``told`` hears why.

    What it returns is held to be records that can be sent.
    """

    def safe(record: Record) -> list[Record] | None:
        try:
            made = process(record)
            records = [] if made is None else [made] if isinstance(made, Record) else list(made)
            for one in records:
                _check(one)
            if len(records) > MOST:
                raise ValueError(f"it has made {len(records):,} records of one line; {MOST:,} is the most")
        except (KeyboardInterrupt, MemoryError):
            raise
        except BaseException as error:
            told(f"{type(error).__name__}: {error}")
            return None
        return records

    return safe


def _check(record: Any) -> None:
    """Raise TypeError for what is no record that can be sent."""
    if not isinstance(record, Record):
        raise TypeError(f"it has returned a {type(record).__name__}, which is no Record")
    for name, kinds in _KINDS.items():
        value = getattr(record, name)
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise TypeError(f"{name} is a {type(value).__name__}")
    if record.timestamp is not None and not 0 <= record.timestamp < 1 << 53:
        raise ValueError("timestamp is no number of milliseconds since 1970")
    for header in record.headers:
        name, value = header
        if not isinstance(name, str) or not isinstance(value, bytes):
            raise TypeError("a header is a name (str) and a value (bytes)")
        name.encode()


_NONE = type(None)
_KINDS: dict[str, Any] = {
    "message": bytes,
    "fields": (dict, _NONE),
    "timestamp": (int, _NONE),
    "headers": list,
    "topic": (str, _NONE),
    "key": (bytes, _NONE),
    "value": (bytes, _NONE),
}
