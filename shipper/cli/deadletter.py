"""``deadletter``: what was refused for good."""

from __future__ import annotations

import json
from pathlib import Path

import click

from shipper.cli.options import config_option
from shipper.errors import Exit
from shipper.logs import LogWriter
from shipper.model import counted


@click.group()
def deadletter() -> None:
    """Show and send again what was refused for good; also while the daemon runs."""


@deadletter.command("list")
@config_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with the record's bytes as base64.")
def deadletter_list(config_file: Path, *, as_json: bool) -> int:
    """Show the dead letters, oldest first: which file and offset, how large, and why they were refused."""
    from shipper import config, deadletters, replay

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
        click.echo(f"{counted(count, 'dead letter')}; {used:,} bytes used." if count else "No dead letters.")
    return Exit.DONE


@deadletter.command("replay")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--timeout", type=click.FloatRange(min=1), default=30.0, show_default=True, help="Seconds without news.")
def deadletter_replay(config_file: Path, timeout: float, *, as_json: bool) -> int:
    """Send the dead letters again, oldest first, and remove those that were delivered.

    They arrive behind what was delivered meanwhile. What is refused again stays; then the exit status is 1.
    """
    from shipper import config, replay
    from shipper.events import Events

    done = replay.replay(config.load(config_file), Events(LogWriter(level="warning")), timeout)
    if as_json:
        click.echo(json.dumps(done._asdict(), ensure_ascii=False))
    else:
        click.echo(f"{counted(done.delivered, 'dead letter')} delivered and removed, {done.left:,} left.")
        for reason, count in done.reasons.items():
            click.echo(f"{count:,} left: {reason}", err=True)
    return Exit.FAILED if done.left else Exit.DONE
