"""``tap``: the records of the running daemon, as they leave."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipper.cli.options import config_option, state_dir_of, state_dir_option
from shipper.errors import Exit
from shipper.model import show_path

if TYPE_CHECKING:
    from shipper.tap import Record

BETWEEN = 0.25  # seconds between two questions


@click.command()
@config_option
@state_dir_option
@click.option("-n", "--limit", type=click.IntRange(min=1), help="End after so many records.")
@click.option("-k", "--key", default="", metavar="PATTERN", help="Only those whose key is like it, with * and ?.")
@click.option(
    "--rate", type=click.IntRange(1, 1000), default=20, show_default=True, help="Records a second at most: a sample."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a record.")
@click.argument("source", default="")
def tap(
    config_file: Path, state_dir: Path | None, limit: int | None, key: str, rate: int, source: str, *, as_json: bool
) -> int:
    """Show records of the running daemon as they leave, of SOURCE or of all: a sample, until Ctrl-C.

    What is shown is what brokers get, so nothing is shown that was redacted. The daemon takes a sample and never waits
    for it; how many have left in all is told at the end.
    """
    from shipper.admin import client

    asked = state_dir_of(config_file, state_dir)
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    shown = passed = dropped = 0
    flow = client.tap(asked, source, key, rate)
    for said in next(flow).said:
        click.echo(show_path(said.encode()), err=True)
    try:
        for gathered in flow:
            passed += gathered.passed
            dropped += gathered.dropped
            for record in gathered.records[: None if limit is None else limit - shown]:
                click.echo(as_object(record) if as_json else as_line(record, colour=colour))
                shown += 1
            if limit is not None and shown >= limit:
                break
            sys.stdout.flush()
            time.sleep(BETWEEN)
    finally:
        flow.close()
        late = f"; {dropped:,} were not fetched in time" if dropped else ""
        click.echo(f"{shown:,} shown of {passed:,} that have left meanwhile{late}.", err=True)
    return Exit.DONE


def as_line(record: Record, *, colour: bool) -> str:
    """Return a record on one line; control characters are escaped."""

    def styled(text: str, **style: object) -> str:
        return click.style(text, **style) if colour else text  # type: ignore[arg-type]

    at = datetime.fromtimestamp(record.time).astimezone().isoformat(timespec="milliseconds")[11:23]
    parts = [
        styled(at, dim=True),
        styled(record.source, fg="cyan"),
        styled(f"→ {show_path(record.topic.encode())}", fg="green"),
        styled(show_path(record.key), fg="yellow"),
        *(styled(f"{show_path(name.encode())}={show_path(value)}", dim=True) for name, value in record.headers),
        show_path(record.value),
    ]
    if record.size > len(record.value):
        parts.append(styled(f"… ({record.size:,} bytes)", dim=True))
    return "  ".join(parts)


def as_object(record: Record) -> str:
    """Return a record as one object, as ``test`` does; ASCII only, so that all control characters are escaped."""
    from shipper.preview.show import as_text, moment

    found: dict[str, object] = {
        "time": moment(int(record.time * 1000)),
        "source": record.source,
        "path": record.path,
        "topic": record.topic,
        **as_text("key", record.key),
        "headers": [{"name": name, **as_text("value", value)} for name, value in record.headers],
        "timestamp": moment(record.timestamp) if record.timestamp else None,
        **as_text("value", record.value),
        "size": record.size,
    }
    return json.dumps(found).replace("\x7f", "\\u007f")
