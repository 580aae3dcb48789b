"""From the keys of a source to what the journal's library is asked to select. Pure.

The library has three levels: all of some terms, of a term any of its alternatives, of an alternative all of its fields,
where several values of one field are enough by one. So has journalctl, whose rules these are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from shipper.config import JournalConfig
from shipper.config.formats import SEVERITIES
from shipper.config.journald import OR

Alternative = tuple[str, ...]  # FIELD=value
Term = tuple[Alternative, ...]

COREDUMP = "MESSAGE_ID=fc2e22bc6ee647b6b90729ab34a250b1"  # systemd-coredump tells that a process has crashed


def terms(config: JournalConfig, boot: str) -> tuple[Term, ...]:
    """Return what an entry must have to be one of the source's; ``boot`` is the id of the boot that runs."""
    return tuple(term for term in _terms(config, boot) if term)


def selects(terms: Sequence[Term], fields: Mapping[str, bytes | list[bytes]]) -> bool:
    """Return whether an entry with these fields has all of ``terms``, as the library judges it."""
    return all(any(_fits(alternative, fields) for alternative in term) for term in terms)


def _fits(alternative: Alternative, fields: Mapping[str, bytes | list[bytes]]) -> bool:
    wanted: dict[str, list[bytes]] = {}
    for match in alternative:
        name, _, value = match.partition("=")
        wanted.setdefault(name, []).append(value.encode())
    return all(not set(values).isdisjoint(_values(fields, name)) for name, values in wanted.items())


def _values(fields: Mapping[str, bytes | list[bytes]], name: str) -> list[bytes]:
    found = fields.get(name, [])
    return found if isinstance(found, list) else [found]


def _terms(config: JournalConfig, boot: str) -> Iterator[Term]:
    yield tuple(alternative for unit in config.units for alternative in _unit(unit))
    if config.identifiers:
        yield (tuple(f"SYSLOG_IDENTIFIER={one}" for one in config.identifiers),)
    if config.priority:
        least = SEVERITIES.index(config.priority) if config.priority in SEVERITIES else int(config.priority)
        yield (tuple(f"PRIORITY={level}" for level in range(least + 1)),)
    if config.boots == "current":
        yield ((f"_BOOT_ID={boot}",),)
    yield _groups(config.matches)


def _unit(name: str) -> Iterator[Alternative]:
    """Yield what the journal has of a unit: its own entries, and what systemd and its crash handler say of it."""
    unit = name if "." in name else f"{name}.service"
    yield (f"_SYSTEMD_UNIT={unit}",)
    yield ("_PID=1", f"UNIT={unit}")
    yield ("_UID=0", f"OBJECT_SYSTEMD_UNIT={unit}")
    yield (COREDUMP, "_UID=0", f"COREDUMP_UNIT={unit}")
    if unit.endswith(".slice"):
        yield (f"_SYSTEMD_SLICE={unit}",)


def _groups(matches: Sequence[str]) -> Term:
    groups: list[list[str]] = [[]]
    for match in matches:
        if match == OR:
            groups.append([])
        else:
            groups[-1].append(match)
    return tuple(tuple(group) for group in groups if group)
