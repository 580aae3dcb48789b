"""``status`` and ``top``: how the running daemon stands."""

from __future__ import annotations

import time
from pathlib import Path

import click

from shipper.cli.options import config_option, state_dir_of, state_dir_option
from shipper.errors import Exit, StatusError

BETWEEN = 1.0  # seconds between the two looks from which a rate follows


@click.command()
@config_option
@state_dir_option
@click.option("--json", "as_json", is_flag=True, help="Everything, as one JSON object.")
def status(config_file: Path, state_dir: Path | None, *, as_json: bool) -> int:
    """Show how the running daemon stands: what is wrong first, then its sources, and the files that are behind.

    Ends with 1 where no daemon answers, or where something is wrong.
    """
    from rich.console import Console

    from shipper.admin import client, view

    asked = state_dir_of(config_file, state_dir)
    if as_json:
        click.echo(client.ask_json(asked))
        return Exit.DONE
    first = client.ask(asked)
    time.sleep(BETWEEN)
    now = client.ask(asked)
    view.show(Console(highlight=False), now, first if first.pid == now.pid else None)
    return Exit.FAILED if now.trouble or any(source.problem for source in now.sources) else Exit.DONE


@click.command()
@config_option
@state_dir_option
@click.option("--interval", type=click.FloatRange(min=0.2, max=60), default=2.0, show_default=True, help="Seconds.")
def top(config_file: Path, state_dir: Path | None, interval: float) -> int:
    """Keep `status` on the screen, until Ctrl-C."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from shipper.admin import client, view

    asked = state_dir_of(config_file, state_dir)
    console = Console(highlight=False)
    before = client.ask(asked)
    with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
        while True:
            room = max(3, console.height - 8 - len(before.sources))
            try:
                now = client.ask(asked)
            except StatusError as error:
                live.update(Text(str(error), style="red"), refresh=True)
            else:
                same = before if before.pid == now.pid and before.started == now.started else None
                live.update(view.draw(now, same, console.width, room), refresh=True)
                before = now
            time.sleep(interval)
