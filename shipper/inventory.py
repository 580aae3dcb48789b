"""What is saved, put beside what is there: for a person to see, and to tell what is of no use any more.

Reads the file system, changes nothing. Any thread.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shipper.checks import Matches
from shipper.config import Config
from shipper.discovery import Watched, list_files
from shipper.events import Events
from shipper.journal import cursor
from shipper.model import Checkpoint, FileId, FileState, Seen, SourceState, counted, show_path

HEADINGS = ("source", "state", "generation", "acked", "size", "behind", "file")
RIGHT = {"generation", "acked", "size", "behind"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One checkpoint. ``size``: that of the file now, None where it is not there or compressed."""

    checkpoint: Checkpoint
    there: bool
    size: int | None

    @property
    def behind(self) -> int | None:
        """Bytes after the acked offset; None where nobody can tell, or nothing of it is to be read."""
        if self.size is None or self.checkpoint.state in (FileState.LEFT, FileState.COPY):
            return None
        return max(0, self.size - self.checkpoint.offset)

    def as_json(self) -> dict[str, Any]:
        """Return what a program may want to know of it."""
        c = self.checkpoint
        return {
            "source": c.source,
            "path": show_path(c.path),
            "seen_as": show_path(c.seen_as),
            "file_id": c.uid,
            "device": c.file_id.dev,
            "inode": c.file_id.ino,
            "generation": c.generation,
            "state": c.state.value,
            "compression": c.compression,
            "start": c.start,
            "offset": c.offset,
            "size": self.size,
            "behind": self.behind,
            "there": self.there,
            "revision": c.revision,
            "cursor": c.cursor,
        }

    def as_row(self) -> tuple[str, ...]:
        """Return a cell for each of ``HEADINGS``."""
        c = self.checkpoint
        if c.of_journal:
            return (c.source, c.state.value, "-", f"{c.offset:,}", "-", "-", _journal(c))
        name = show_path(c.seen_as) + ("" if c.seen_as == c.path else f"  (was {show_path(c.path)})")
        numbers = (c.offset, self.size, self.behind)
        return (
            c.source,
            c.state.value if self.there else f"{c.state.value}, gone",
            f"{c.generation:,}",
            *("-" if number is None else f"{number:,}" for number in numbers),
            name,
        )


def entries(states: Mapping[str, SourceState]) -> Iterator[Entry]:
    """Yield what is saved, by source, path and generation."""
    for _, state in sorted(states.items()):
        for c in sorted(state.files, key=lambda c: (c.path, c.generation, c.seen_as)):
            size = _size_of(c)
            yield Entry(c, size is not None or c.of_journal, None if c.compression or c.of_journal else size)


def _journal(c: Checkpoint) -> str:
    """Say how far a journal was read; acked counts its entries."""
    where = f"the journal in {show_path(c.seen_as)}" if c.seen_as else "the journal"
    place = cursor.parse(c.cursor)
    if place is None:
        return f"{where}, from its beginning" if not c.cursor else where
    read = datetime.fromtimestamp(place.realtime / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return f"{where}, up to {read}Z"


def ago(moment: float) -> str:
    """Say when ``moment`` was, in seconds since 1970."""
    passed = max(0.0, time.time() - moment)
    for unit, seconds in (("d", 86400), ("h", 3600), ("min", 60)):
        if passed >= seconds:
            return f"{passed / seconds:,.0f} {unit} ago"
    return f"{passed:.0f} s ago"


def table(rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a table, its headings first; the last column is as wide as it likes."""
    cells = [HEADINGS, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(HEADINGS) - 1)]
    for row in cells:
        padded = (
            cell.rjust(width) if heading in RIGHT else cell.ljust(width)
            for heading, cell, width in zip(HEADINGS, row, widths, strict=False)
        )
        yield "  ".join([*padded, row[-1]])


def renamed(config: Config, states: Mapping[str, SourceState], matches: Matches) -> Iterator[str]:
    """Yield a sentence for each source without checkpoints whose files another one has, which is not configured."""
    strays = {
        name: {c.file_id for c in state.files} | {c.seen_as for c in state.files}
        for name, state in states.items()
        if name not in config.sources
    }
    for name in config.sources.keys() - states.keys() - config.of_files.keys():
        for stray in strays:
            if any(c.of_journal for c in states[stray].files):
                yield (
                    f'source "{name}": source "{stray}", which is not configured any more, has read the journal; if it '
                    f"was renamed, stop the daemon and run: shipper checkpoints rename {stray} {name}"
                )
    for name in config.of_files.keys() - states.keys():
        shared = {
            stray: sum(one.file_id in known or one.path in known for one in matches.get(name, ()))
            for stray, known in strays.items()
        }
        stray = max(shared, key=lambda stray: (shared[stray], stray), default="")
        if stray and shared[stray]:
            whose = (
                f'{counted(shared[stray], "file")} of it belong to source "{stray}", which is not configured any more'
            )
            yield (
                f'source "{name}": the checkpoints of {whose}, and all lines would be sent again; if it was renamed, '
                f"stop the daemon and run: shipper checkpoints rename {stray} {name}"
            )


@dataclass(frozen=True, slots=True)
class Useless:
    """What of the store serves nothing: whole ``sources``, and ``files``. ``kept``: directories that are away."""

    sources: tuple[str, ...]
    files: tuple[Checkpoint, ...]
    kept: Mapping[bytes, int]


def useless(config: Config, states: Mapping[str, SourceState], events: Events, *, away: bool = False) -> Useless:
    """Return what may go: sources that are not configured, files that are there under no name any more.

    What is known of a file is needed while a rotated sibling of its path is there, which may be it, compressed; and a
    place in a journal when the source's ``type`` is changed back.
    Where a file's directory is not there, or has nothing in it, the file system may not be mounted: such files are
    kept, unless ``away``.
    """
    files: list[Checkpoint] = []
    kept: dict[bytes, int] = {}
    for name, state in states.items():
        source = config.of_files.get(name)
        if source is None:
            continue  # not configured, or without files: what is kept of a journal is one place in it
        seen = list_files(Watched.of(source), events)
        ids, bases = {one.file_id for one in seen}, _bases(seen)
        for c in state.files:
            if c.of_journal or c.file_id in ids or c.path in bases or _size_of(c) is not None:
                continue
            directory = os.path.dirname(c.seen_as)
            if not away and not _has_names(directory):
                kept[directory] = kept.get(directory, 0) + 1
            else:
                files.append(c)
    return Useless(tuple(name for name in states if name not in config.sources), tuple(files), kept)


def _bases(seen: list[Seen]) -> set[bytes]:
    return {one.base for one in seen if one.base != one.path}


def _has_names(directory: bytes) -> bool:
    try:
        with os.scandir(directory) as names:
            return next(names, None) is not None
    except OSError:
        return False


def _size_of(c: Checkpoint) -> int | None:
    """Return the size of a checkpoint's file, where its name leads to it still; a device may change with a remount."""
    try:
        found = os.stat(c.seen_as)
    except OSError:
        return None
    return found.st_size if FileId(c.file_id.dev, found.st_ino) == c.file_id else None
