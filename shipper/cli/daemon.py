"""``run``, ``check`` and ``schema``: the daemon, and its configuration."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipper.cli.options import config_option
from shipper.errors import Exit, StateError
from shipper.events import LEVELS
from shipper.logs import FORMATS, LogWriter
from shipper.model import counted

if TYPE_CHECKING:
    from shipper.checks import Matches
    from shipper.config import Config

MOST_WARNINGS = 20


@click.command()
@config_option
@click.option("--log-format", type=click.Choice(FORMATS), help="Instead of the configured shipper.log_format.")
@click.option("--log-level", type=click.Choice(LEVELS), help="Instead of the configured shipper.log_level.")
def run(config_file: Path, log_format: str | None, log_level: str | None) -> int:
    """Run the daemon, in the foreground.

    TERM and INT deliver what is in flight, save and stop; HUP reloads the configuration; USR1 logs the status.
    """
    from shipper import config, service

    log = LogWriter()

    def accepted(loaded: Config) -> None:
        log.configure(log_level or loaded.shipper.log_level, log_format or loaded.shipper.log_format)

    return service.run(lambda: config.load(config_file), log, accepted)


@click.command()
@config_option
@click.option("--connect", is_flag=True, help="Also ask the brokers for every topic and permission that it needs.")
@click.option("--print", "show", is_flag=True, help="Show the effective configuration, secrets masked.")
def check(config_file: Path, *, connect: bool, show: bool) -> int:
    """Tell what is wrong with a configuration, everything at once."""
    from shipper import checks, config
    from shipper.events import Events
    from shipper.journal import check_library
    from shipper.kafka.check import Level
    from shipper.records import processors

    loaded = config.load(config_file)
    processors.try_all(loaded)
    check_library(loaded)
    report = sys.stdout
    if show:
        click.echo(config.show(loaded).rstrip())
        report = sys.stderr  # stdout is TOML now
    matches = checks.matches(loaded, Events(LogWriter(level="warning")))
    print_warnings([*_about_names(loaded, matches), *checks.warnings(matches), *checks.journals(loaded)])
    click.echo(checks.summary(loaded, matches), file=report)
    problems = 0
    for finding in checks.connect(loaded, matches) if connect else ():
        problems += finding.level is Level.PROBLEM
        click.echo(f"warning: {finding}" if finding.level is Level.WARNING else str(finding), file=report)
    if problems:
        click.echo(counted(problems, "problem") + ".", err=True)
    return Exit.FAILED if problems else Exit.DONE


def _about_names(loaded: Config, matches: Matches) -> list[str]:
    """Warn of sources whose checkpoints have another name."""
    from shipper import inventory
    from shipper.checkpoints import snapshot

    state_dir = loaded.shipper.state_dir
    try:
        states = snapshot.read(state_dir) if snapshot.exists(state_dir) else {}
    except StateError as error:  # whoever checks need not be the daemon's user
        return [f"it is not known whether a source was renamed: {error}"]
    return sorted(inventory.renamed(loaded, states, matches))


@click.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    from shipper import config

    click.echo(json.dumps(config.schema(), indent=2, ensure_ascii=False))


def print_warnings(warnings: Sequence[str]) -> None:
    """Say what may not be what was meant; not more than a person will read."""
    for warning in warnings[:MOST_WARNINGS]:
        click.echo(f"warning: {warning}", err=True)
    if len(warnings) > MOST_WARNINGS:
        click.echo(f"warning: and {len(warnings) - MOST_WARNINGS:,} more of these", err=True)
