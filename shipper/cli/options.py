"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path

import click

DEFAULT_CONFIG = Path("/etc/shipper/shipper.toml")

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
