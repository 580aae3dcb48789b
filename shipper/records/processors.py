"""A source's own ``processor``: a function from a record to a record, a list of records, or ``None`` to drop it.

It is the operator's code and may do what it likes, but for one thing: whatever goes wrong in it is told and counted,
and the record is then sent as its line is. It is called again for a line that is sent again, and has to say the same
then. An import happens once in the life of a process.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from shipper.config import Config
from shipper.errors import ConfigError
from shipper.records.record import Record

GROUP = "shipper.processors"
MOST = 1000  # records that one line may become
Process = Callable[[Record], Any]


def load(name: str) -> Process:
    """Return the function ``module:function``, or that of an entry point of this name; raises ConfigError."""
    module, colon, path = name.partition(":")
    try:
        if colon:
            found: Any = importlib.import_module(module)
            for part in path.split("."):
                found = getattr(found, part)
        else:
            points = [point for point in entry_points(group=GROUP) if point.name == name]
            if not points:
                raise ConfigError([f"{name}: no installed package has an entry point of this name in {GROUP}"])
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
