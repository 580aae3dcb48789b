"""The command line: options in, an exit status out. Results go to stdout; logs and errors to stderr.

Each module here holds a command, or a few that belong together. It is imported when one of them is asked for, and a
command imports what it needs when it runs: ``--help``, ``--version`` and completion answer at once, and a daemon keeps
nothing of the others in memory.
A user's mistake ends in one clear sentence and the exit status of its error class; a traceback is always a bug.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module

import click

from shipper import __version__
from shipper.errors import ConfigError, Exit, ShipperError

MODULES = {  # by command
    "run": "daemon",
    "check": "daemon",
    "schema": "daemon",
    "test": "test",
    "status": "status",
    "top": "status",
    "tap": "tap",
    "explain": "explain",
    "audit": "audit",
    "checkpoints": "checkpoints",
    "deadletter": "deadletter",
    "demo": "demo",
}
INTERRUPTED = 130  # what a shell reports for a program that SIGINT ended


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


class _Commands(Mapping[str, click.Command]):
    """Each by its name, out of its module when it is asked for."""

    def __getitem__(self, name: str) -> click.Command:
        command: click.Command = getattr(import_module(f"shipper.cli.{MODULES[name]}"), name)
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(MODULES)

    def __len__(self) -> int:
        return len(MODULES)


@click.group(commands=_Commands(), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="shipper %(version)s")
def shipper() -> None:
    """Ships log files to Kafka: loses nothing, keeps the order, and can prove it."""


def print_error(error: ShipperError) -> None:
    """Say what a user did wrong: one line, or for a configuration one line each and how many."""
    if isinstance(error, ConfigError):
        count = len(error.problems)
        click.echo("\n".join([*error.problems, "1 problem." if count == 1 else f"{count:,} problems."]), err=True)
    else:
        click.echo(f"shipper: {error}", err=True)
