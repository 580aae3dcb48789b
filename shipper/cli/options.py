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


state_dir_option = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Ask the daemon of this directory, whatever the configuration says.",
)


def state_dir_of(config_file: Path, given: Path | None) -> Path:
    """Return the state directory of the daemon that is meant; raises ConfigError."""
    from shipper import config

    return given or config.state_dir(config_file)
