"""``type = "journald"``: the keys of a source that reads systemd's journal, and what must fit together in it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec

from shipper.config import checks
from shipper.config.formats import SEVERITIES
from shipper.config.keys import Key, Misfit
from shipper.config.kinds import Choice, Duration, Mistake, NameTable, Text, Texts, near, quote
from shipper.config.sources import FileConfig, SourceConfig

SUFFIXES = (
    *("service", "socket", "device", "mount", "automount", "swap", "target", "path", "timer", "slice", "scope"),
)
OR = "+"  # between two groups of matches, as journalctl has it
_MATCH = re.compile(r"_{0,2}[A-Z0-9][A-Z0-9_]*=", re.A)
_NAMESPACE = re.compile(r"\+?[A-Za-z0-9:_.@-]+|\*")


def _units(value: tuple[str, ...], _source: str) -> Iterator[Mistake]:
    """Hold the units to be whole names."""
    for unit in value:
        suffix = unit.rpartition(".")[2]
        if re.search(r"[*?\[]", unit):
            yield Mistake(unit, "is a pattern", "write whole names, as nginx.service")
        elif "/" in unit or not unit:
            yield Mistake(unit, "is no unit's name", "write one, as nginx.service")
        elif "." in unit and suffix not in SUFFIXES and (guess := near(suffix, SUFFIXES)):
            right = f"{unit.rpartition('.')[0]}.{guess}"
            yield Mistake(unit, "ends as no unit does", f"did you mean {quote(right)}?")


def _matches(value: tuple[str, ...], _source: str) -> Iterator[Mistake]:
    """Hold the matches to be fields with values, and ``+`` to stand between them."""
    for match in value:
        if match != OR and not _MATCH.match(match):
            yield Mistake(match, "is no match", 'write FIELD=value, as "_TRANSPORT=kernel"')
    for before, after in zip((OR, *value), (*value, OR), strict=True):
        if value and before == after == OR:
            yield Mistake(OR, "has nothing on one of its sides", "write it between two matches")
            return


def _namespace(value: str, _source: str) -> Iterator[Mistake]:
    """Hold the namespace to be a name."""
    if value and not _NAMESPACE.fullmatch(value):
        yield Mistake(value, "is no namespace", 'write a name, "+NAME" for it and the default one, or "*" for all')


def _directory(value: str, _source: str) -> Iterator[Mistake]:
    """Hold the directory to be an absolute path."""
    yield from checks.absolute(value, "/")


class JournalConfig(SourceConfig, frozen=True, kw_only=True):
    """A source that reads systemd's journal."""

    type: Annotated[Literal["journald"], Key(Choice(("file", "journald")), "What kind of source this is.")] = "journald"
    units: Annotated[
        tuple[str, ...],
        Key(
            Texts(),
            "Only what these units have logged, and what systemd has said of them. [] is all.",
            _units,
        ),
    ] = ()
    identifiers: Annotated[
        tuple[str, ...], Key(Texts(), "Only entries with one of these syslog identifiers. [] is all.")
    ] = ()
    priority: Annotated[
        str,
        Key(
            Choice(("", *SEVERITIES, *map(str, range(len(SEVERITIES))))),
            'Only entries of this priority or a more severe one, as "warning". "": of all, and of none.',
        ),
    ] = ""
    matches: Annotated[
        tuple[str, ...],
        Key(
            Texts(),
            'Only entries with these fields, as ["_TRANSPORT=kernel"]: of one field any, of several fields all; "+" '
            "stands between two groups of which one is enough.",
            _matches,
        ),
    ] = ()
    boots: Annotated[
        Literal["all", "current"],
        Key(Choice(("all", "current")), "all: entries of any boot. current: of the boot that the daemon runs in."),
    ] = "all"
    namespace: Annotated[
        str,
        Key(
            Text(may_be_empty=True),
            'The journal\'s namespace; "+NAME": it and the default one, "*": all. "": the default one.',
            _namespace,
        ),
    ] = ""
    directory: Annotated[
        str,
        Key(
            Text(may_be_empty=True),
            'Where the journal\'s files are, for those of another system or in a container: "/host/var/log/journal". '
            '"": this system\'s.',
            _directory,
        ),
    ] = ""
    key: Annotated[
        str,
        Key(
            Text(),
            "The records' key; records of one key keep their order. "
            "A template: {host}, {source} and {field.NAME} are put in, {a|b} is the first that is there.",
            checks.key,
        ),
    ] = "{host}:{field._SYSTEMD_UNIT|field.SYSLOG_IDENTIFIER}"
    key_fallback: Annotated[
        str,
        Key(
            Text(),
            "The key of a record for which the key's fields are not there. A template without fields.",
            checks.key,
        ),
    ] = "{host}:{source}"
    headers: Annotated[
        dict[str, str],
        Key(
            NameTable(),
            'Headers that each record gets: a name, and a template as for the key, as { unit = "{field._SYSTEMD_UNIT}" '
            "}. One that asks for a field which is not there is left out. They cost throughput.",
            checks.headers,
        ),
    ] = msgspec.field(default_factory=dict)
    value: Annotated[
        Literal["line", "json"],
        Key(
            Choice(("line", "json")),
            "line: the entry's MESSAGE. json: an object of all its fields, with @timestamp, message and host.name.",
        ),
    ] = "line"
    start_at: Annotated[
        Literal["beginning", "end"],
        Key(Choice(("beginning", "end")), "Where the source starts in a journal that it has never read."),
    ] = "beginning"
    ignore_older: Annotated[
        float,
        Key(Duration(), 'Entries that are older at the first start are left alone. "0s": none are.'),
    ] = 0.0


KINDS: dict[str, type[SourceConfig]] = {"file": FileConfig, "journald": JournalConfig}
"""The table of each kind of source, by its ``type``."""


def misfits(values: Mapping[str, Any]) -> Iterator[Misfit]:
    """Yield what does not fit together in ``values``, those of a source of the journal that are right by themselves."""
    if values.get("directory") and values.get("namespace"):
        yield Misfit("namespace", "means nothing with directory; name the namespace's own directory there")
