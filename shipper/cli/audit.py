"""``audit``: proves what has arrived."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from shipper.cli.options import config_option
from shipper.errors import Exit


@click.command()
@config_option
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]…")
@click.option("--source", default="", metavar="NAME", help="Only this source.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("-v", "--verbose", is_flag=True, help="Also a row for each file.")
@click.option("--by-content", is_flag=True, help="Not by headers: for what was sent before provenance was set.")
@click.option(
    "--strict", is_flag=True, help="Lines that are doubled or out of order fail too, and what cannot be read."
)
@click.option(
    "--temp-dir",
    type=click.Path(path_type=Path, file_okay=False, exists=True, writable=True),
    help="Where about 50 bytes are kept for each line meanwhile.  [default: $TMPDIR or /tmp]",
)
@click.option("--timeout", type=click.FloatRange(min=1), default=90.0, show_default=True, help="Seconds without news.")
def audit(
    config_file: Path,
    paths: tuple[Path, ...],
    source: str,
    temp_dir: Path | None,
    timeout: float,
    *,
    as_json: bool,
    by_content: bool,
    verbose: bool,
    strict: bool,
) -> int:
    """Prove from files, checkpoints, dead letters and topics what is missing, doubled or out of order.

    Only looks; also while the daemon runs. The exit status is 1 where something is missing.
    """
    from shipper import audit as audits
    from shipper import config

    chosen = tuple(os.fsencode(path.absolute()) for path in paths)
    options = audits.Options(chosen, source, by_content, str(temp_dir) if temp_dir else None, timeout)

    def say(what: str) -> None:
        if sys.stderr.isatty():
            click.echo(what, err=True)

    report = audits.audit(config.load(config_file), options, say)
    click.echo(audits.as_json(report) if as_json else audits.as_text(report, files=verbose or bool(paths)))
    return Exit.FAILED if report.failed(strict=strict) else Exit.DONE
