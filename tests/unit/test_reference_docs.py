"""The reference in docs/reference is made from the code: the keys, the commands, the metrics.

``python -m tests.unit.test_reference_docs`` writes the pages anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from prometheus_client.core import CounterMetricFamily

from shipper.admin.metrics import COUNTERS, render
from shipper.cli import shipper
from shipper.config.journald import KINDS
from shipper.config.keys import TableOf, keys_of
from shipper.config.tree import toml_text
from shipper.config.types import TABLES
from tests.unit.test_admin import FINE

PAGES = Path(__file__).parents[2] / "docs" / "reference"

INTRODUCTION = """\
# Configuration

One TOML file, `/etc/shipper/shipper.toml`, then `conf.d/*.toml` beside it in the order of their names; tables merge key
by key, the later file wins. In any string `${NAME}` and `${NAME:-default}` are put in from the environment,
`${file:/path}` and `${credential:NAME}` (systemd) from a secret; `$$` is a dollar sign. Times are `"500ms"`, `"30s"`,
`"5m"`, `"1h30m"`, sizes `"900KiB"`, `"64MiB"`. A key that is not known is a mistake.

`shipper check` tells what is wrong, all of it at once; `shipper check --print` what is in effect; `shipper schema`
prints this page as a JSON Schema for editors. A commented file to begin with is `config/shipper.toml`.
"""


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + " }" if value else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return toml_text(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def keys(struct: type[msgspec.Struct]) -> Iterator[str]:
    yield "| key | default | |"
    yield "|---|---|---|"
    for name, entry in keys_of(struct).items():
        default = "**required**" if entry.required else f"`{cell(toml(entry.key.kind.write(entry.default)))}`"
        yield f"| `{name}` | {default} | {cell(entry.key.doc)} |"


def tables_in(struct: type[msgspec.Struct]) -> Iterator[tuple[str, type[msgspec.Struct]]]:
    for name, entry in keys_of(struct).items():
        if isinstance(entry.key.kind, TableOf):
            yield name, entry.key.kind.struct


def configuration() -> str:
    parts = [INTRODUCTION]
    tables = {f"[{name}]": struct for name, struct in TABLES.items()}
    tables |= {f'[sources.NAME] type = "{kind}"': struct for kind, struct in KINDS.items()}
    for title, struct in tables.items():
        parts += [f"## `{title}`\n", "\n".join(keys(struct)), ""]
        for inner, table in tables_in(struct):
            parts += [f"### `{inner}` of `{title}`\n", "\n".join(keys(table)), ""]
    return "\n".join(parts)


def commands_of(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from commands_of(command.commands[name], (*path, name))
    else:
        yield path, command


def commands() -> str:
    parts = [
        "# Commands\n\nResults go to stdout, logs and errors to stderr. Exit status: 0 done, 1 failed, 2 wrong usage,"
    ]
    parts += ["75 another daemon holds the state directory, 78 bad configuration.\n"]
    for path, command in commands_of(shipper):
        # As in the program, where -h is an option too: a command remembers which ones it was first asked with.
        names = shipper.context_settings["help_option_names"]
        title = " ".join(("shipper", *path))
        context = click.Context(command, info_name=title, terminal_width=100, help_option_names=names)
        text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
        parts += [f"## shipper {' '.join(path)}\n", f"```\n{text}\n```\n"]
    return "\n".join(parts)


def metrics() -> str:
    lines = [
        "# Metrics\n",
        "At `/metrics`, in Prometheus' text format, on `[admin] listen` and on the socket in the state directory.",
        'Counters are of one daemon\'s life and have the label `source`, `""` where they are of none; each counter',
        "whose name is that of an event in the log counts it. `packaging/prometheus` has alert rules for them, and",
        "`packaging/grafana` a dashboard.\n",
        "| metric | kind | |",
        "|---|---|---|",
    ]
    told: dict[str, list[str]] = {}
    for line in render(FINE, {}).decode().splitlines():
        if line.startswith("# "):  # "# HELP name text", then "# TYPE name kind"
            _, _, name, text = line.split(" ", 3)
            told.setdefault(name, []).append(text.strip())
    lines += [f"| `{name}` | {kind} | {cell(text)} |" for name, (text, kind) in told.items()]
    return "\n".join(lines) + "\n"


MADE: dict[str, Callable[[], str]] = {"configuration": configuration, "commands": commands, "metrics": metrics}


@pytest.mark.parametrize("page", MADE)
def test_a_page_says_what_the_code_says(page: str) -> None:
    assert (PAGES / f"{page}.md").read_text() == MADE[page](), "python -m tests.unit.test_reference_docs"


def test_every_counter_has_its_line() -> None:
    page = metrics()
    for name in COUNTERS:
        assert CounterMetricFamily(f"shipper_{name.replace('.', '_')}", "").name in page


if __name__ == "__main__":
    for name, make in MADE.items():
        (PAGES / f"{name}.md").write_text(make())
