"""The command line: options in, an exit status out. Results go to stdout; logs and errors to stderr.

Every command imports what it needs when it runs, so that ``--help``, ``--version`` and completion answer at once.
A user's mistake ends in one clear sentence and the exit status of its error class; a traceback is always a bug.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipper import __version__
from shipper.errors import ConfigError, Exit, ShipperError
from shipper.events import LEVELS
from shipper.logs import FORMATS, LogWriter

if TYPE_CHECKING:
    from shipper.config import Config

DEFAULT_CONFIG = Path("/etc/shipper/shipper.toml")
MOST_WARNINGS = 20
INTERRUPTED = 130  # what a shell reports for a program that SIGINT ended

config_option = click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path, readable=False),  # what is wrong with it is the configuration's to say
    default=DEFAULT_CONFIG,
    show_default=True,
    metavar="FILE",
    help="The configuration; FILE's conf.d/*.toml are read too.",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` names (default: the program's arguments) and return its exit status."""
    try:
        status = shipper.main(argv, prog_name="shipper", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ShipperError as error:
        print_error(error)
        return int(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # Nobody reads our output any more (`| head`). What is still buffered must not fail once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(Exit.FAILED)
    return int(status or Exit.DONE)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="shipper %(version)s")
def shipper() -> None:
    """Ships log files to Kafka: loses nothing, keeps the order, and can prove it."""


@shipper.command()
@config_option
@click.option("--log-format", type=click.Choice(FORMATS), help="Instead of the configured shipper.log_format.")
@click.option("--log-level", type=click.Choice(LEVELS), help="Instead of the configured shipper.log_level.")
def run(config_file: Path, log_format: str | None, log_level: str | None) -> int:
    """Run the daemon, in the foreground.

    TERM and INT deliver what is in flight, save and stop; HUP reloads the configuration; USR1 logs the status.
    """
    from shipper import config, service

    log = LogWriter()

    def load() -> Config:
        loaded = config.load(config_file)
        log.configure(log_level or loaded.shipper.log_level, log_format or loaded.shipper.log_format)
        return loaded

    return service.run(load, log)


@shipper.command()
@config_option
@click.option("--connect", is_flag=True, help="Also ask the brokers for every topic and permission that it needs.")
@click.option("--print", "show", is_flag=True, help="Show the effective configuration, secrets masked.")
def check(config_file: Path, *, connect: bool, show: bool) -> int:
    """Tell what is wrong with a configuration, everything at once."""
    from shipper import checks, config
    from shipper.events import Events
    from shipper.kafka.check import Level

    loaded = config.load(config_file)
    report = sys.stdout
    if show:
        click.echo(config.show(loaded).rstrip())
        report = sys.stderr  # stdout is TOML now
    matches = checks.matches(loaded, Events(LogWriter(level="warning")))
    print_warnings(list(checks.warnings(matches)))
    click.echo(checks.summary(loaded, matches), file=report)
    problems = 0
    for finding in checks.connect(loaded, matches) if connect else ():
        problems += finding.level is Level.PROBLEM
        click.echo(f"warning: {finding}" if finding.level is Level.WARNING else str(finding), file=report)
    if problems:
        click.echo(checks.counted(problems, "problem") + ".", err=True)
    return Exit.FAILED if problems else Exit.DONE


@shipper.group()
def deadletter() -> None:
    """Show and send again what was refused for good; also while the daemon runs."""


@deadletter.command("list")
@config_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with the record's bytes as base64.")
def deadletter_list(config_file: Path, *, as_json: bool) -> int:
    """Show the dead letters, oldest first: which file and offset, how large, and why they were refused."""
    from shipper import checks, config, deadletters, replay

    letters = deadletters.open_letters(config.load(config_file).shipper.state_dir)
    count = used = 0
    if letters is not None:
        try:
            for number, letter in letters:
                count += 1
                click.echo(replay.as_json(number, letter) if as_json else replay.as_text(number, letter))
            used = letters.used()
        finally:
            letters.close()
    if not as_json:
        click.echo(f"{checks.counted(count, 'dead letter')}; {used:,} bytes used." if count else "No dead letters.")
    return Exit.DONE


@deadletter.command("replay")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--timeout", type=click.FloatRange(min=1), default=30.0, show_default=True, help="Seconds without news.")
def deadletter_replay(config_file: Path, timeout: float, *, as_json: bool) -> int:
    """Send the dead letters again, oldest first, and remove those that were delivered.

    They arrive behind what was delivered meanwhile. What is refused again stays; then the exit status is 1.
    """
    from shipper import checks, config, replay
    from shipper.events import Events

    done = replay.replay(config.load(config_file), Events(LogWriter(level="warning")), timeout)
    if as_json:
        click.echo(json.dumps(done._asdict(), ensure_ascii=False))
    else:
        click.echo(f"{checks.counted(done.delivered, 'dead letter')} delivered and removed, {done.left:,} left.")
        for reason, count in done.reasons.items():
            click.echo(f"{count:,} left: {reason}", err=True)
    return Exit.FAILED if done.left else Exit.DONE


@shipper.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    from shipper import config

    click.echo(json.dumps(config.schema(), indent=2, ensure_ascii=False))


@shipper.command()
@click.option("--seconds", type=click.FloatRange(min=5), help="How long to write and ship.  [default: 20]")
@click.option("--paths", multiple=True, metavar="GLOB…", help="Ship files of this machine instead of generated ones.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.argument("more", nargs=-1, metavar="")
def demo(seconds: float | None, paths: tuple[str, ...], more: tuple[str, ...], *, as_json: bool) -> int:
    """Show the whole job on this machine; nothing needs to be installed or configured.

    Starts an embedded broker, ships files while they grow and rotate, kills the daemon on the way, and verifies with a
    consumer that every line arrived. With --paths, ships what is in the machine's own files now and verifies that.
    """
    if more and not paths:
        raise click.UsageError(f"unexpected argument {more[0]!r}; to ship files of this machine, write --paths first")
    from shipper import demo

    # `more`: the shell has expanded an unquoted glob
    return demo.run(seconds=seconds, paths=paths + more, as_json=as_json)


def print_error(error: ShipperError) -> None:
    """Say what a user did wrong: one line, or for a configuration one line each and how many."""
    if isinstance(error, ConfigError):
        count = len(error.problems)
        click.echo("\n".join([*error.problems, "1 problem." if count == 1 else f"{count:,} problems."]), err=True)
    else:
        click.echo(f"shipper: {error}", err=True)


def print_warnings(warnings: Sequence[str]) -> None:
    """Say what may not be what was meant; not more than a person will read."""
    for warning in warnings[:MOST_WARNINGS]:
        click.echo(f"warning: {warning}", err=True)
    if len(warnings) > MOST_WARNINGS:
        click.echo(f"warning: and {len(warnings) - MOST_WARNINGS:,} more of these", err=True)
