"""Reads the dead letters that a daemon has kept."""

from __future__ import annotations

from pathlib import Path

from shipper.deadletters import Letter, open_letters


def letters_in(state_dir: Path) -> list[Letter]:
    """Return the dead letters of a state directory, oldest first."""
    found = open_letters(state_dir)
    if found is None:
        return []
    try:
        return [letter for _, letter in found]
    finally:
        found.close()
