"""``checkpoints``: looks at what is saved, and changes it while no daemon runs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipper.cli.options import config_option
from shipper.errors import EditError, Exit, StateError
from shipper.logs import LogWriter
from shipper.model import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shipper.model import Checkpoint, SourceState

yes_option = click.option("-y", "--yes", is_flag=True, help="Do it without asking.")
source_option = click.option("-s", "--source", metavar="NAME", help="Only of this source.")
paths_argument = click.argument("paths", nargs=-1, type=click.Path(path_type=bytes), metavar="[PATH]...")


@click.group()
def checkpoints() -> None:
    """Show how far each file has been delivered, and change it.

    A daemon that runs holds its checkpoints: only `list` works beside it, and all else ends with exit status 75.
    """


@checkpoints.command("list")
@config_option
@source_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@paths_argument
def list_(config_file: Path, source: str | None, paths: tuple[bytes, ...], *, as_json: bool) -> int:
    """Show what is saved, of the files PATH or of all; also while the daemon runs.

    acked: everything before this offset has been delivered (bytes, decompressed). A file that is left was there at the
    first scan and is not read; a copy holds lines that are read elsewhere.
    """
    from shipper import config, inventory
    from shipper.checkpoints import snapshot

    loaded = config.load(config_file)
    states = snapshot.read(loaded.shipper.state_dir)
    chosen = {(c.source, c.uid) for c in _chosen(states, source, paths)}
    found = [e for e in inventory.entries(states) if (e.checkpoint.source, e.checkpoint.uid) in chosen]
    if as_json:
        for entry in found:
            click.echo(json.dumps(entry.as_json(), ensure_ascii=False))
        return Exit.DONE
    if found:
        for line in inventory.table(entry.as_row() for entry in found):
            click.echo(line)
    total = f"{counted(len(found), 'checkpoint')}" if found else "No checkpoints"
    click.echo(f"{total}; last saved {inventory.ago(snapshot.saved_at(loaded.shipper.state_dir))}.")
    for name in states:
        if name not in loaded.sources:
            hint = f"`checkpoints rename {name} NEW` gives them to another, `checkpoints gc` removes them"
            click.echo(f'warning: source "{name}" is not in the configuration; {hint}', err=True)
    return Exit.DONE


@checkpoints.command("set")
@config_option
@click.argument("source")
@click.argument("path", type=click.Path(path_type=bytes))
@click.argument("offset", type=click.IntRange(min=0))
def set_(config_file: Path, source: str, path: bytes, offset: int) -> int:
    """Let SOURCE go on at OFFSET of the file PATH: bytes, decompressed, where a line begins.

    What stands before it is not sent, or not again; what stands behind it is sent, again where it was.
    """
    from shipper import config
    from shipper.checkpoints.edit import Editor
    from shipper.model import show_path

    with Editor(config.load(config_file).shipper.state_dir) as editor:
        old, new = editor.set(source, _absolute(path), offset)
    click.echo(f'{show_path(new.seen_as)}: source "{source}" goes on at {new.offset:,}, it was at {old.offset:,}.')
    return Exit.DONE


@checkpoints.command()
@config_option
@source_option
@click.option("--all", "everything", is_flag=True, help="Of all sources.")
@yes_option
@paths_argument
def reset(config_file: Path, source: str | None, paths: tuple[bytes, ...], *, everything: bool, yes: bool) -> int:
    """Forget what is saved: the files PATH are read again from their beginning, those left alone, too.

    Without PATH the whole source is forgotten: its next scan is its first again, so that `start_at` and `ignore_older`
    count anew, and rotated files are left alone.
    """
    from shipper import config
    from shipper.checkpoints.edit import Editor

    if not (source or paths or everything):
        raise click.UsageError("say what: --source NAME, a PATH, or --all")
    with Editor(config.load(config_file).shipper.state_dir) as editor:
        found = _chosen(editor.states, source, paths)
        names = [source] if source else list(editor.states)
        whose = "" if paths else f" of {', '.join(names)}"
        question = f"Forget {counted(len(found), 'checkpoint')}{whose}? Lines that were delivered are sent again"
        if not yes:
            click.confirm(question, abort=True, err=True)
        if paths:
            editor.remove(found)
        else:
            editor.forget(names)
    click.echo(f"{counted(len(found), 'checkpoint')} forgotten.")
    return Exit.DONE


@checkpoints.command()
@config_option
@click.argument("old")
@click.argument("new")
def rename(config_file: Path, old: str, new: str) -> int:
    """Give the checkpoints of source OLD to source NEW, when its name was changed in the configuration."""
    from shipper import config, deadletters
    from shipper.checkpoints.edit import Editor

    loaded = config.load(config_file)
    with Editor(loaded.shipper.state_dir) as editor:
        count = editor.rename(old, new)
        click.echo(
            f'{counted(count, "checkpoint")} of source "{old}" now belong{"s" if count == 1 else ""} to "{new}".'
        )
        # Letters are only shown with it: killed before this, they keep the name under which they were refused.
        letters = deadletters.open_letters(loaded.shipper.state_dir)
        if letters is not None:
            try:
                letters.rename(old, new)
            finally:
                letters.close()
    if new not in loaded.sources:
        click.echo(f'warning: source "{new}" is not in the configuration yet', err=True)
    return Exit.DONE


@checkpoints.command()
@config_option
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--away", is_flag=True, help="Also where a directory is not there, or empty: perhaps not mounted.")
@yes_option
def gc(config_file: Path, *, dry_run: bool, away: bool, yes: bool) -> int:
    """Remove what serves nothing: of sources that are not configured, and of files that are gone.

    The daemon itself forgets a file that is gone, ten minutes later; this is for what it does not see.
    """
    from shipper import config, inventory
    from shipper.checkpoints import snapshot
    from shipper.checkpoints.edit import Editor
    from shipper.events import Events
    from shipper.model import show_path

    loaded = config.load(config_file)
    state_dir = loaded.shipper.state_dir
    events = Events(LogWriter(level="warning"))

    def look(states: Mapping[str, SourceState]) -> inventory.Useless:
        found = inventory.useless(loaded, states, events, away=away)
        for name in found.sources:
            click.echo(f'source "{name}": not in the configuration, {counted(len(states[name].files), "checkpoint")}')
        for c in found.files:
            click.echo(f'{show_path(c.seen_as)}: source "{c.source}", gone')
        for directory, count in found.kept.items():
            why = "is not there, or empty: not mounted? --away removes them too"
            click.echo(f"{show_path(directory)}: {counted(count, 'checkpoint')} kept; it {why}", err=True)
        return found

    if dry_run:
        states = snapshot.read(state_dir)
        found = look(states)
        click.echo(f"{counted(_number(found.sources, found.files, states), 'checkpoint')} would be removed.")
        return Exit.DONE
    with Editor(state_dir) as editor:
        found = look(editor.states)
        count = _number(found.sources, found.files, editor.states)
        if (found.sources or found.files) and not yes:
            click.confirm(f"Remove {counted(count, 'checkpoint')}?", abort=True, err=True)
        if found.files:
            editor.remove(found.files)
        if found.sources:
            editor.forget(found.sources)
    click.echo(f"{counted(count, 'checkpoint')} removed.")
    return Exit.DONE


def _number(sources: Sequence[str], files: Sequence[Checkpoint], states: Mapping[str, SourceState]) -> int:
    return len(files) + sum(len(states[name].files) for name in sources)


def _chosen(states: Mapping[str, SourceState], source: str | None, paths: tuple[bytes, ...]) -> list[Checkpoint]:
    """Return the checkpoints that the options mean; raises EditError for what is not there."""
    from shipper.model import show_path

    if source is not None and source not in states:
        known = ", ".join(f'"{name}"' for name in states) or "none"
        raise StateError(f'source "{source}" has no checkpoints; those that have: {known}')
    found = [c for name, state in states.items() if source in (None, name) for c in state.files]
    if not paths:
        return found
    wanted = {_absolute(path) for path in paths}
    for path in wanted - {c.seen_as for c in found}:
        raise EditError(f"there is no checkpoint of {show_path(path)}; see `shipper checkpoints list`")
    return [c for c in found if c.seen_as in wanted]


def _absolute(path: bytes) -> bytes:
    return os.path.abspath(path)
