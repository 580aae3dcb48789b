"""``test``: what a file's lines would become, without sending anything."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipper.cli.options import config_option
from shipper.errors import Exit, UnreadableFile
from shipper.model import show_path

if TYPE_CHECKING:
    from shipper.config import Config, FileConfig, JournalConfig
    from shipper.preview import Preview

STYLES = {"record": {"fg": "green"}, "dropped": {"fg": "yellow"}, "note": {"fg": "yellow"}}
STDIN = b"/dev/stdin"


@click.command()
@config_option
@click.option("-s", "--source", metavar="NAME", help="As this source would. Needed where it is not known by PATH.")
@click.option(
    "-l", "--line", "lines", multiple=True, metavar="TEXT", help="Of this line instead of a file; repeatable."
)
@click.option(
    "--as", "path_as", type=click.Path(path_type=bytes), metavar="PATH", help="As if it had been found there."
)
@click.option("-n", "--records", "most", type=click.IntRange(min=1), help="Not more than so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a record.")
@click.argument("path", type=click.Path(path_type=bytes, allow_dash=True), required=False)
def test(
    config_file: Path,
    source: str | None,
    lines: tuple[str, ...],
    path_as: bytes | None,
    most: int | None,
    path: bytes | None,
    *,
    as_json: bool,
) -> int:
    """Show the records that the lines of PATH would become: topic, key, headers, time and value.

    Without PATH, of what comes on stdin. Nothing is sent, and nothing that was sent counts. Of a line that a rule drops
    it says which one. For a source of the journal the lines are entries as `journalctl -o json --all` prints them.
    """
    from shipper import config
    from shipper.preview import preview
    from shipper.preview.entries import preview_entries

    loaded = config.load(config_file)
    file = None if path in (None, b"-") or lines else os.path.abspath(path or b"")
    if (journal := _journal(loaded, source)) is not None:
        if path_as is not None:
            raise click.UsageError(f'--as names a file, and source "{journal.name}" reads the journal')
        with _lines(file, lines) as entries:
            _print(islice(preview_entries(journal, socket.gethostname(), entries), most), as_json=as_json)
        return Exit.DONE
    shipped_by, name = _owner(loaded, source, path_as and os.path.abspath(path_as), file)
    with _input(file, lines) as read_from:
        found = preview(shipped_by, socket.gethostname(), read_from, name)
        _print(islice(found, most), as_json=as_json)
    return Exit.DONE


def _journal(loaded: Config, source: str | None) -> JournalConfig | None:
    """Return the source of the journal that is meant: that of this name, or the only source of all."""
    from shipper.config import JournalConfig

    name = source or (next(iter(loaded.sources)) if len(loaded.sources) == 1 else "")
    found = loaded.sources.get(name)
    return found if isinstance(found, JournalConfig) else None


def _owner(loaded: Config, source: str | None, path_as: bytes | None, file: bytes | None) -> tuple[FileConfig, bytes]:
    """Return the source that is meant, and the path under which it would have found the lines."""
    from shipper.preview.owner import owners

    named = path_as or file
    known = ", ".join(loaded.sources)
    if source is not None and source not in loaded.sources:
        raise click.UsageError(f'there is no source "{source}"; those that there are: {known}')
    found = [one for one in owners(loaded, named) if source in (None, one.source.name)] if named else []
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        names = ", ".join(one.source.name for one in found)
        raise click.UsageError(f"{show_path(named or b'')} is shipped by {names}; say which: --source NAME")
    if source is None and len(loaded.of_files) != 1:
        whose = f"no source ships {show_path(named)}" if named else "a line by itself tells no source"
        raise click.UsageError(f"{whose}; say which one is meant: --source NAME ({known})")
    return loaded.of_files[source or next(iter(loaded.of_files))], named or STDIN


@contextmanager
def _lines(file: bytes | None, lines: tuple[str, ...]) -> Iterator[Iterable[bytes]]:
    """Give what is to be read line by line. Raises UnreadableFile."""
    if lines:
        yield map(os.fsencode, lines)
    elif file is None:
        yield sys.stdin.buffer
    else:
        try:
            opened = Path(os.fsdecode(file)).open("rb")  # noqa: SIM115 - below; its own errors only
        except OSError as error:
            raise UnreadableFile(f"{show_path(file)} cannot be read: {error.strerror}") from error
        with opened:
            yield opened


@contextmanager
def _input(file: bytes | None, lines: tuple[str, ...]) -> Iterator[bytes]:
    """Give the file to read; what is no file is put into one, as it is read in any order."""
    if file is not None:
        yield file
        return
    with tempfile.NamedTemporaryFile(prefix="shipper-test-") as copy:
        if lines:
            copy.write(b"".join(os.fsencode(line) + b"\n" for line in lines))
        else:
            shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield os.fsencode(copy.name)


def _print(records: Iterator[Preview], *, as_json: bool) -> None:
    from shipper.preview import show

    summary = show.Summary()
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for record in records:
        if as_json:
            click.echo(show.as_json(record))
            continue
        summary.count(record)
        for n, (label, text) in enumerate(show.as_rows(record)):
            left = label if not n else f"  {label}"
            padded = f"{left:<{show.LABEL}}"
            click.echo((click.style(padded, **STYLES.get(label, {"dim": True})) if colour else padded) + text)
    if not as_json:
        click.echo(str(summary))
