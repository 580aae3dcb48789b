"""Writes the man pages: ``python packaging/manpages.py DIRECTORY``.

One for each command, from the command line's own definitions, by click-man; the main one also says which files, signals
and exit statuses there are. Needs click-man.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click
from click_man.core import write_man_pages

from shipper import __version__
from shipper.cli import shipper
from shipper.errors import Exit

STATUSES = {
    Exit.DONE: "Done.",
    Exit.FAILED: "Failed; stderr says why.",
    Exit.USAGE: "Wrong usage.",
    Exit.BUSY: "Another daemon holds the state directory.",
    Exit.BAD_CONFIG: "The configuration has mistakes, each on a line of stderr.",
}
SIGNALS = {
    "TERM, INT": "Stop reading, deliver what is in flight for up to shipper.shutdown_timeout, save, and end with 0.",
    "HUP": "Read the configuration again. A bad one is reported, and the old one stays.",
    "USR1": "Log the status.",
}
FILES = {
    "/etc/shipper/shipper.toml": "The configuration; /etc/shipper/shipper.toml.example has every key with its meaning.",
    "/etc/shipper/conf.d/*.toml": "Read after it, in the order of their names; the later one wins.",
    "/var/lib/shipper": "How far each file has been delivered, and what the brokers refused for good.",
    "/usr/share/doc/shipper/operations.md": "What each line of the log means, and what to do.",
}


def escape(text: str) -> str:
    """Return text as roff shows it literally."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def section(title: str, entries: dict[str, str]) -> str:
    """Return a section with a list of names and what they mean."""
    return f".SH {title}\n" + "".join(
        f".TP\n\\fB{escape(name)}\\fP\n{escape(meaning)}\n" for name, meaning in entries.items()
    )


def prepare(command: click.Command) -> None:
    """Have the page's first line say all of the help's first sentence: click-man would cut it at 45 characters."""
    assert command.help, f"{command.name} has no help"
    command.short_help = command.short_help or command.help.strip().split("\n\n")[0].replace("\n", " ").rstrip(".")
    for inner in getattr(command, "commands", {}).values():
        prepare(inner)


def main(directory: Path) -> None:
    """Write all pages."""
    prepare(shipper)
    write_man_pages("shipper", shipper, version=f"shipper {__version__}", target_dir=str(directory))
    for path in directory.glob("*.1"):  # its titles are too long for a line: "shipper checkpoints set Manual"
        titled = re.sub(
            r'^\.TH "([^"]*)" (.*) "[^"]*"\n',
            lambda m: f'.TH "{m[1].replace(" ", "-")}" {m[2]} "shipper"\n',
            path.read_text(),
        )
        path.write_text(titled)
    statuses = {str(int(status)): STATUSES[status] for status in Exit}
    with open(directory / "shipper.1", "a") as page:
        page.write(section("EXIT STATUS", statuses) + section("SIGNALS", SIGNALS) + section("FILES", FILES))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
