"""``explain``: is this file shipped, and if not, why not."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import click

from shipper.cli.options import config_option
from shipper.errors import Exit, StatusError


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.argument("path", type=click.Path(path_type=bytes))
def explain(config_file: Path, path: bytes, *, as_json: bool) -> int:
    """Say whether PATH is shipped, by which source, from where; and if not, why not.

    Exit status 0: its lines are shipped, or will be without anybody's help. 1: they are not. Also while the daemon
    runs; for root it looks as the user who owns state_dir.
    """
    from shipper import config
    from shipper import explain as explaining
    from shipper.admin import about, client
    from shipper.checkpoints import snapshot
    from shipper.explain.permission import as_owner
    from shipper.explain.show import as_json as in_json
    from shipper.explain.show import as_text as in_text

    path = os.path.abspath(path)
    loaded = config.load(config_file)
    state_dir = loaded.shipper.state_dir
    with as_owner(state_dir):
        saved = snapshot.read(state_dir) if snapshot.exists(state_dir) else None
        answer = explaining.explain(loaded, path, saved or {})
    if saved is None:
        answer.notes.append(f"no daemon has saved anything in state_dir {state_dir} yet")
    with suppress(StatusError):  # none runs, or it is another user's: what is saved tells most
        answer.notes += about.notes(client.ask(state_dir), path)
    click.echo(in_json(answer) if as_json else in_text(answer))
    return Exit.DONE if answer.shipped else Exit.FAILED
