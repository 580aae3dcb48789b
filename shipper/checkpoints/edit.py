"""Changes what is saved, by a person's hand, while no daemon runs: each edit is one transaction, durable or not done.

With exactly_once a topic has the checkpoints too, and may be a moment ahead of the store. So whatever is removed or
renamed is noted as an :class:`~shipper.model.Edit`, which the daemon does to the topic's checkpoints when it starts
next, and what is set has a revision that none there can have. One thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from shipper.checkpoints import database
from shipper.checkpoints.database import Database
from shipper.checkpoints.statedir import hold
from shipper.errors import EditError, StateError
from shipper.files import BROKEN, Files, PackedReader, PlainReader, Reader, fingerprint_at, open_reader
from shipper.model import EDIT, Checkpoint, Edit, FileState, SourceState, show_path
from shipper.paths import Trust
from shipper.sqlite import Damaged

STEP = 64 << 10  # bytes; how far a look for a line end goes at a time


class Editor:
    """The store of a state directory, held against every daemon until it is closed."""

    def __init__(self, state_dir: Path, files: Files | None = None) -> None:
        """Hold and open it; raises StateBusy where a daemon runs, StateError where there is nothing to be edited."""
        path = state_dir / database.NAME
        shown = show_path(os.fsencode(path))
        if not path.exists():
            raise StateError(f"{shown} is not there; has the daemon run with this configuration?")
        # Whoever edits names the file themselves, and its digests are all that is kept.
        self._files = files or Files(trust=Trust("always"))
        self._lock = hold(state_dir)
        try:
            self._database = Database(path)
            try:
                self._load()
            except BaseException:
                self._database.close()
                raise
        except Damaged as damage:
            os.close(self._lock)
            raise StateError(f"{shown} is damaged ({damage}); the daemon sets it aside when it starts") from damage
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> Editor:
        return self

    def __exit__(self, kind: type[BaseException] | None, raised: object, trace: TracebackType | None) -> None:
        self._database.close()
        os.close(self._lock)

    @property
    def states(self) -> dict[str, SourceState]:
        """What is saved of each source."""
        return self._states

    def set(self, source: str, path: bytes, offset: int) -> tuple[Checkpoint, Checkpoint]:
        """Let ``source`` go on at ``offset`` in the file that is ``path`` now; returns the checkpoint before and after.

        Raises EditError where the file is not known, is not read, or has no line that begins there.
        """
        old = self._known(source, path)
        shown = show_path(path)
        if old.of_journal:
            raise EditError(f"{shown} holds a journal, which has no offsets; `checkpoints reset` has it read anew")
        if old.state in (FileState.LEFT, FileState.COPY):
            why = "was there at the first scan" if old.state is FileState.LEFT else "is a copy of another file"
            raise EditError(f"{shown} {why} and is not read; `checkpoints reset` has it read from its beginning")
        try:
            reader = open_reader(self._files, path, old.compression)
        except OSError as error:
            raise EditError(f"{shown} cannot be read: {error.strerror}") from error
        try:
            if reader.stat().file_id.ino != old.file_id.ino:  # a device may change with a remount
                raise EditError(f"{shown} is another file now than when it was saved; start the daemon once, then set")
            _check_line(reader, shown, offset)
            fingerprint = fingerprint_at(reader, offset)
            size = old.size if old.compression else reader.stat().size
        except BROKEN as error:
            raise EditError(f"{shown} cannot be read: {error}") from error
        finally:
            reader.close()
        new = replace(
            old,
            offset=offset,
            start=min(old.start, offset),
            fingerprint=fingerprint,
            size=size,
            state=FileState.FINISHED if old.state is FileState.FINISHED and offset >= old.offset else FileState.OPEN,
            revision=old.revision + EDIT,
        )
        self._edit([new], (), ())
        return old, new

    def remove(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Forget files: one that is there is new to the daemon, which reads it from its beginning."""
        keys = [(c.source, c.uid) for c in checkpoints]
        self._edit((), keys, [Edit(self._number, source, uid, "") for source, uid in keys])

    def forget(self, sources: Iterable[str]) -> None:
        """Forget sources as a whole: the next scan of one is its first again."""
        names = [name for name in sources if name in self._states]
        keys = [(name, c.uid) for name in names for c in self._states[name].files]
        self._edit((), keys, [Edit(self._number, name, "", "") for name in names], unscanned=names)

    def rename(self, old: str, new: str) -> int:
        """Give the checkpoints of source ``old`` to ``new``; returns how many. Raises EditError."""
        if old not in self._states:
            raise EditError(f'source "{old}" has no checkpoints; there are some of {self._names()}')
        if new in self._states:
            raise EditError(
                f'source "{new}" has checkpoints of its own; `checkpoints reset --source {new}` forgets them'
            )
        state = self._states[old]
        moved = [replace(c, source=new, revision=c.revision + EDIT) for c in state.files]
        self._edit(
            moved,
            [(old, c.uid) for c in state.files],
            [Edit(self._number, old, "", new)],
            scanned=[new] if state.scanned else [],
            unscanned=[old],
        )
        return len(moved)

    def _load(self) -> None:
        self._states = self._database.load()
        self._number = self._database.edits()[0] + 1  # of the next edit

    def _edit(
        self,
        changed: Sequence[Checkpoint],
        removed: Sequence[tuple[str, str]],
        edits: Sequence[Edit],
        scanned: Sequence[str] = (),
        unscanned: Sequence[str] = (),
    ) -> None:
        self._database.edit(changed, removed, edits, scanned=scanned, unscanned=unscanned)
        self._load()

    def _known(self, source: str, path: bytes) -> Checkpoint:
        if source not in self._states:
            raise EditError(f'source "{source}" has no checkpoints; there are some of {self._names()}')
        found = [c for c in self._states[source].files if c.seen_as == path]
        if not found:
            raise EditError(f'source "{source}" has no checkpoint of {show_path(path)}; see `shipper checkpoints list`')
        return max(found, key=lambda c: c.generation)

    def _names(self) -> str:
        return ", ".join(f'"{name}"' for name in self._states) or "no source"


def _check_line(reader: PlainReader | PackedReader, shown: str, offset: int) -> None:
    """Refuse an offset that is no line end: what is saved never cuts a line in two (I4)."""
    size = reader.length() if isinstance(reader, PackedReader) else reader.stat().size
    if offset > size:
        raise EditError(f"{shown} has {size:,} bytes; {offset:,} is behind its end")
    if offset == 0 or reader.read(1, offset - 1) == b"\n":
        return
    before, after = _line_end_before(reader, offset), _line_end_after(reader, offset, size)
    good = f"{before:,}" if after is None else f"{before:,} or {after:,}"
    raise EditError(f"{shown}: {offset:,} is in the middle of a line; a line begins at {good}")


def _line_end_before(reader: Reader, offset: int) -> int:
    while offset > 0:
        low = max(0, offset - STEP)
        at = reader.read(offset - low, low).rfind(b"\n")
        if at >= 0:
            return low + at + 1
        offset = low
    return 0


def _line_end_after(reader: Reader, offset: int, size: int) -> int | None:
    while offset < size:
        data = reader.read(min(STEP, size - offset), offset)
        at = data.find(b"\n")
        if at >= 0:
            return offset + at + 1
        if not data:
            break
        offset += len(data)
    return None
