"""From the files to a :class:`Config`, or to every mistake in them at once.

The table of keys (``types``) drives it: each table of the files is walked key by key; what is wrong is noted with the
file it stands in, and the walk goes on. Reads files; may be called from any thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from shipper.config import checks, framing, journald, properties, security, together, tree
from shipper.config.expand import ExpandError, expand
from shipper.config.journald import KINDS, JournalConfig
from shipper.config.keys import Entry, Misfit, TableOf, keys_of
from shipper.config.kinds import Kind, Mistake, NameTable, PropertyTable, Wrong, near, quote
from shipper.config.sources import RECORD_RESERVE, SourceConfig
from shipper.config.tree import Leaf, Problem, Table, Where, key_path
from shipper.config.types import TABLES, AdminConfig, Config, KafkaConfig, ShipperConfig
from shipper.config.units import KIB, format_duration, format_size
from shipper.errors import ConfigError


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read the configuration in ``path`` and in ``conf.d/*.toml`` beside it.

    Raises :class:`ConfigError` with every problem, in the order of the files and of the places in them.
    """
    files = tree.read(Path(path))
    loader = _Loader(environ, complete=files.complete)
    config = loader.config(files.tree, tuple(files.paths))
    problems = sorted(files.problems + loader.problems)
    if config is None or problems:
        raise ConfigError([str(problem) for problem in problems])
    return config


def state_dir(path: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Return ``shipper.state_dir`` of the configuration in ``path``, whatever else is wrong with it.

    For who asks a daemon that runs: the configuration on disk need not be the one in force. Raises ConfigError.
    """
    files = tree.read(Path(path))
    loader = _Loader(environ, complete=True)
    values = loader.shipper(files.tree)
    default = keys_of(ShipperConfig)["state_dir"].default
    guessed = values.get("state_dir") == default and ".shipper.state_dir" not in dict(files.tree.leaves(""))
    if "state_dir" not in values or (guessed and files.problems):  # what cannot be read may name another one
        raise ConfigError([str(problem) for problem in sorted(files.problems + loader.problems)])
    found = values["state_dir"]
    assert isinstance(found, Path)
    return found


class _Loader:
    """One walk over one tree. ``complete``: what is not in the tree is in no file."""

    def __init__(self, environ: Mapping[str, str], *, complete: bool) -> None:
        self.problems: list[Problem] = []
        self.secrets: set[str] = set()
        self._environ = environ
        self._complete = complete

    def config(self, root: Table, files: tuple[Path, ...]) -> Config | None:
        """Return the configuration; ``None`` when there are problems."""
        meant = self._unknown(root, (*TABLES, "sources"), ())
        shipper = self.shipper(root, missing="shipper" not in meant)
        kafka_table = self._table(root, ("kafka",))
        kafka = self._section(KafkaConfig, kafka_table, ("kafka",), missing="kafka" not in meant)
        admin_table = self._table(root, ("admin",))
        admin = self._section(AdminConfig, admin_table, ("admin",))
        self._misfits(kafka_table, ("kafka",), security.kafka_misfits(kafka))
        self._misfits(admin_table, ("admin",), together.admin_misfits(admin))
        sources_table = self._table(root, ("sources",))
        if self._complete and not sources_table.entries and "sources" not in meant and not self._told(("sources",)):
            self._tell(root.where, ("sources",), "there is no source; write [sources.NAME] with paths and topic")
        sources = {name: self._source(sources_table, name) for name in sources_table.entries}

        self._backoff(kafka_table, kafka)
        message_max = kafka["properties"].get(properties.MESSAGE_MAX_BYTES, properties.MESSAGE_MAX_BYTES_DEFAULT)
        for name, source in sources.items():
            for key, sentence in framing.together(source):
                table = self._table(sources_table, ("sources", name))
                self._tell(table.entries.get(key, table).where, ("sources", name, key), sentence)
            self._max_line(sources_table.entries[name], ("sources", name, "max_line"), source, message_max)
        if self.problems or not self._complete:
            return None
        return Config(
            ShipperConfig(**shipper),
            KafkaConfig(**kafka),
            {name: self._kind(sources_table, name)(name=name, **source) for name, source in sources.items()},
            files,
            frozenset(self.secrets),
            AdminConfig(**admin),
        )

    def shipper(self, root: Table, *, missing: bool = True) -> dict[str, Any]:
        """Return the values of ``[shipper]`` that are right."""
        return self._section(ShipperConfig, self._table(root, ("shipper",)), ("shipper",), missing=missing)

    # Telling

    def _misfits(self, table: Table, path: tuple[str, ...], misfits: Iterable[Misfit]) -> None:
        for name, sentence in misfits:
            self._tell((table.entries.get(name) or table).where, (*path, name), sentence)

    def _tell(self, where: Where, path: tuple[str, ...], sentence: str) -> None:
        self.problems.append(Problem(where, key_path(*path), sentence))

    def _told(self, path: tuple[str, ...]) -> bool:
        return any(problem.path == key_path(*path) for problem in self.problems)

    def _mistakes(self, leaf: Leaf, path: tuple[str, ...], mistakes: Iterable[Mistake]) -> None:
        """Tell ``mistakes`` of ``leaf``; of a secret only the ``${…}`` it came from, if that is none itself."""
        put_in = "${" in str(leaf.value) and not properties.is_secret(path[-1])
        origin = quote(leaf.value) if put_in else ""
        for mistake in mistakes:
            self._tell(leaf.where, path, mistake.sentence(origin, secret=key_path(*path) in self.secrets))

    # Tables

    def _table(self, parent: Table, path: tuple[str, ...]) -> Table:
        """Return the table ``path`` (its last name) of ``parent``; an empty one where there is none."""
        entry = parent.entries.get(path[-1])
        if isinstance(entry, Leaf):
            if path[:-1] == ("sources",) and any(path[-1] in keys_of(kind) for kind in KINDS.values()):
                sentence = "belongs to a source; write [sources.NAME] above it"
            else:
                name = "sources.NAME" if path == ("sources",) else key_path(*path)
                sentence = f"{quote(entry.value)} is not a table; write [{name}]"
            self._tell(entry.where, path, sentence)
        return entry if isinstance(entry, Table) else Table(entry.where if entry else parent.where)

    def _unknown(self, table: Table, known: Iterable[str], path: tuple[str, ...]) -> set[str]:
        """Tell of every key that is not in ``known``; returns those that were probably meant."""
        known = list(known)
        meant = set()
        for name, entry in table.entries.items():
            if name in known:
                continue
            guess = near(name, known)
            home = next((home for home, struct in TABLES.items() if name in keys_of(struct)), "")
            kind = next((kind for kind, struct in KINDS.items() if name in keys_of(struct)), "")
            if path[:1] == ("sources",) and len(path) == 2 and kind:
                hint = f'it belongs to a source with type = "{kind}"'
            elif (home and path[:1] != (home,)) or (kind and path[:1] != ("sources",)):
                hint = f"it belongs in [{home or 'sources.NAME'}]"
            elif guess:
                hint = f"did you mean {quote(guess)}?"
                meant.add(guess)
            else:
                hint = f"{f'[{key_path(*path)}]' if path else 'the file'} takes {', '.join(known)}"
            self._tell(entry.where, (*path, name), f"unknown key; {hint}")
        return meant

    def _section(
        self, struct: type[msgspec.Struct], table: Table, path: tuple[str, ...], *, missing: bool = True
    ) -> dict[str, Any]:
        """Return the values of the keys of ``struct`` that are right in ``table``.

        ``missing``: tell of required keys that are not there.
        """
        entries = keys_of(struct)
        meant = self._unknown(table, entries, path)
        bad_table = self._told(path)
        values: dict[str, Any] = {}
        for name, entry in entries.items():
            found = table.entries.get(name)
            if (
                entry.key.secret and isinstance(found, Leaf) and found.value != entry.default
            ):  # noted first: no sentence may show the value
                self.secrets.add(key_path(*path, name))
            if isinstance(entry.key.kind, PropertyTable):
                values[name] = self._properties(entry.key.kind, self._table(table, (*path, name)), (*path, name))
            elif isinstance(entry.key.kind, NameTable):
                values[name] = self._named(entry, entry.key.kind, self._table(table, (*path, name)), (*path, name))
            elif isinstance(entry.key.kind, TableOf) and isinstance(found, Table):
                self._inner(values, entry, entry.key.kind, found, (*path, name))
            elif found is not None:
                # A table where a value belongs is described as such, whatever is in it.
                leaf = found if isinstance(found, Leaf) else Leaf({}, found.where)
                self._value(values, entry, leaf, (*path, name))
            elif entry.key.environment and self._environ.get(entry.key.environment):
                self._from_environment(values, entry, table, (*path, name))
            elif not entry.required:
                values[name] = entry.default
            elif missing and self._complete and name not in meant and not bad_table:
                self._tell(table.where, (*path, name), f"is missing; write {name} = {entry.key.example}")
        return values

    def _source(self, sources: Table, name: str) -> dict[str, Any]:
        path = ("sources", name)
        table = self._table(sources, path)
        kind = self._kind(sources, name)
        of_journal = kind is JournalConfig
        values = self._section(kind, table, path)
        if KINDS.get(values.get("type", ""), kind) is not kind:
            self._misfits(table, path, [Misfit("type", "says which keys there are; write it without ${…}")])
        else:
            self._misfits(table, path, together.misfits(values, of_journal=of_journal))
            self._misfits(table, path, journald.misfits(values) if of_journal else ())
        for mistake in checks.source_name(name):
            self._tell(table.where, path, mistake.sentence())
        return values

    @staticmethod
    def _kind(sources: Table, name: str) -> type[SourceConfig]:
        """Return what a source is a table of; one whose type is wrong is taken for what was probably meant."""
        table = sources.entries[name]
        leaf = table.entries.get("type") if isinstance(table, Table) else None
        said = str(leaf.value) if isinstance(leaf, Leaf) else ""
        return KINDS.get(said) or KINDS[near(said, KINDS) or "file"]

    def _inner(self, values: dict[str, Any], entry: Entry, kind: TableOf, table: Table, path: tuple[str, ...]) -> None:
        """Put what the table of a key makes into ``values``, or tell what is wrong with it."""
        if not table.entries:
            values[entry.name] = entry.default
            return
        inner = self._section(kind.struct, table, path)
        if len(inner) < len(keys_of(kind.struct)):
            return
        value = kind.struct(**inner)
        misfits = list(kind.misfits(value))
        self._misfits(table, path, misfits)
        if not misfits:
            values[entry.name] = value

    def _named(self, entry: Entry, kind: NameTable, table: Table, path: tuple[str, ...]) -> dict[str, Any]:
        """Return the values of a table whose names are the user's own."""
        values: dict[str, Any] = {}
        leaves: list[tuple[str, Leaf]] = []
        for name, found in table.entries.items():
            leaves += [(name, found)] if isinstance(found, Leaf) else found.leaves(name)  # a.b = 1 is the name "a.b"
        for name, leaf in leaves:
            try:
                value = kind.read(self._expand(leaf, (*path, name), kind))
                mistakes = tuple(entry.key.check({name: value}, path[1]))
            except Wrong as error:
                mistakes = error.mistakes
            except ExpandError as error:
                self._unexpanded(leaf, (*path, name), error)
                continue
            if mistakes:
                self._mistakes(leaf, (*path, name), mistakes)
            else:
                values[name] = value
        return values

    def _properties(self, kind: PropertyTable, table: Table, path: tuple[str, ...]) -> dict[str, str]:
        values: dict[str, str] = {}
        for name, entry in table.entries.items():
            if isinstance(entry, Table):
                for dotted, leaf in entry.leaves(name):
                    sentence = f"a name with dots needs quotes here; write {quote(dotted)} = …"
                    self._tell(leaf.where, (*path, *dotted.split(".")), sentence)
                continue
            # Noted first: no sentence may show the value.
            if properties.is_secret(name):
                self.secrets.add(key_path(*path, name))
            try:
                value = kind.read(self._expand(entry, (*path, name), kind))
                mistakes = tuple(properties.mistakes(name, value))
            except Wrong as error:
                mistakes = error.mistakes
            except ExpandError as error:
                self._unexpanded(entry, (*path, name), error)
                continue
            if mistakes:
                self._mistakes(entry, (*path, name), mistakes)
            else:
                values[name] = value
        return values

    # Values

    def _value(self, values: dict[str, Any], entry: Entry, leaf: Leaf, path: tuple[str, ...]) -> None:
        """Put the value of ``leaf`` into ``values``, or tell what is wrong with it."""
        try:
            value = entry.key.kind.read(self._expand(leaf, path, entry.key.kind))
            mistakes = tuple(entry.key.check(value, path[1]))
        except Wrong as error:
            mistakes = error.mistakes
        except ExpandError as error:
            self._unexpanded(leaf, path, error)
            return
        if mistakes:
            self._mistakes(leaf, path, mistakes)
        else:
            values[entry.name] = value

    def _from_environment(self, values: dict[str, Any], entry: Entry, table: Table, path: tuple[str, ...]) -> None:
        first = self._environ[entry.key.environment].split(":")[0]
        try:
            values[entry.name] = entry.key.kind.read(first)
        except Wrong as error:
            for mistake in error.mistakes:
                self._tell(table.where, path, f"${entry.key.environment}: {mistake.sentence()}")

    def _expand(self, leaf: Leaf, path: tuple[str, ...], kind: Kind) -> object:
        """Return the value with every ``${…}`` put in; notes whether it holds a secret."""
        problems: list[str] = []
        values = leaf.value if isinstance(leaf.value, list) else [leaf.value]
        expanded = [self._expand_one(value, path, kind, problems) for value in values]
        if problems:
            raise ExpandError(problems)
        return expanded if isinstance(leaf.value, list) else expanded[0]

    def _expand_one(self, value: object, path: tuple[str, ...], kind: Kind, problems: list[str]) -> object:
        if isinstance(value, dict):
            return {name: self._expand_one(inner, path, kind, problems) for name, inner in value.items()}
        if not isinstance(value, str) or "$" not in value:
            return value
        try:
            text, secret = expand(value, self._environ)
        except ExpandError as error:
            problems.extend(error.problems)
            return value
        if secret:
            self.secrets.add(key_path(*path))
        return text if text == value else kind.from_text(text)

    def _unexpanded(self, leaf: Leaf, path: tuple[str, ...], error: ExpandError) -> None:
        for problem in error.problems:
            self._tell(leaf.where, path, problem)

    # What must fit together

    def _backoff(self, table: Table, kafka: dict[str, Any]) -> None:
        first, most = kafka.get("retry_backoff"), kafka.get("retry_backoff_max")
        if first is not None and most is not None and first > most:
            entry = table.entries.get("retry_backoff") or table.entries["retry_backoff_max"]
            self._tell(
                entry.where,
                ("kafka", "retry_backoff"),
                f"{quote(format_duration(first))} is longer than retry_backoff_max, {quote(format_duration(most))}; "
                "write a shorter one, or raise retry_backoff_max",
            )

    def _max_line(
        self, entry: Leaf | Table, path: tuple[str, ...], source: dict[str, Any], message_max: str | int
    ) -> None:
        """Hold a source's longest line to what fits into a message together with its key."""
        limit = int(message_max)
        most = limit - RECORD_RESERVE
        size = source.get("max_line", 0)
        if size <= most:
            return
        leaf = entry.entries.get("max_line") if isinstance(entry, Table) else None
        default = "" if leaf else ", the default,"
        raise_it = f"raise {quote(properties.MESSAGE_MAX_BYTES)} in [kafka.properties]"
        self._tell(
            (leaf or entry).where,
            path,
            f"{quote(format_size(size))}{default} does not fit into a message of {limit:,} bytes with its key; "
            + (f"write at most {quote(format_size(most))}, or {raise_it}" if most >= KIB else raise_it),
        )
