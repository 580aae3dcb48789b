"""The configuration that is in effect, as TOML that loads again, without its secrets."""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec

from shipper.config.expand import protect
from shipper.config.keys import TableOf, keys_of
from shipper.config.kinds import NameTable
from shipper.config.properties import is_secret
from shipper.config.tree import key_path, toml_text
from shipper.config.types import Config
from shipper.model import show_path

MASK = "****"


def show(config: Config) -> str:
    """Return every key with its value, defaults included; a secret is shown as ``"****"``."""
    lines = [f"# {show_path(os.fsencode(path))}" for path in config.files]
    tables: list[tuple[tuple[str, ...], msgspec.Struct]] = [(("shipper",), config.shipper), (("kafka",), config.kafka)]
    tables.append((("admin",), config.admin))
    tables += [(("sources", name), source) for name, source in config.sources.items()]
    for path, table in tables:
        lines += ["", f"[{key_path(*path)}]", *_lines(config, path, table)]
    return "\n".join(lines).lstrip() + "\n"


def _lines(config: Config, path: tuple[str, ...], table: msgspec.Struct) -> Iterator[str]:
    for name, entry in keys_of(type(table)).items():
        value = entry.key.kind.write(getattr(table, name))
        if isinstance(entry.key.kind, TableOf | NameTable):
            secrets = {inner for inner in value if key_path(*path, name, inner) in config.secrets}
            yield f"{name} = {_toml({k: MASK if k in secrets else v for k, v in value.items()})}"
        elif not isinstance(value, dict):
            yield f"{name} = {_toml(MASK if key_path(*path, name) in config.secrets else value)}"
        elif value:
            yield ""
            yield f"[{key_path(*path, name)}]"
            for inner, text in value.items():
                secret = is_secret(inner) or key_path(*path, name, inner) in config.secrets
                yield f"{key_path(inner)} = {_toml(MASK if secret else text)}"


def _toml(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, dict):
        inner = ", ".join(f"{key_path(name)} = {_toml(one)}" for name, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, str):
        return toml_text(protect(value))
    return str(value).lower() if isinstance(value, bool) else str(value)
