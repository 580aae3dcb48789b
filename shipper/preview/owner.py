"""Which source ships a path, asked of the rules by which the daemon finds files. Looks at no file."""

from __future__ import annotations

import os
from typing import NamedTuple

from shipper.config import Config, FileConfig
from shipper.discovery.rules import Rules, Watched


class Owner(NamedTuple):
    """A source, and the path under which it ships a file: of a rotated one, that of the log that it was."""

    source: FileConfig
    path: bytes


def owners(config: Config, path: bytes) -> list[Owner]:
    """Return each source that ships ``path``, by its name."""
    directory, name = os.path.split(path)
    found = []
    for source in config.of_files.values():
        rules = Rules([Watched.of(source)])
        state = rules.state(directory)
        found += [
            Owner(source, os.path.join(directory, claim.base))
            for claim in (rules.claims(state, directory, name) if state is not None else ())
            if claim.adoptable
        ]
    return found
