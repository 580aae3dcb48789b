"""What one source makes of one file: asked of the daemon's own rules, which are shown what is there now.

A census is filled with what was saved, and takes in a full look, as at the start of a daemon; then it knows of the file
what the daemon would know. Files are opened and read where these rules do it. Nothing is saved, watched or sent.
One thread.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace

from shipper.config import FileConfig
from shipper.discovery.globs import Exclude
from shipper.discovery.rules import Watched
from shipper.events import Events
from shipper.files import BROKEN, Files
from shipper.filesource.census import Census
from shipper.filesource.descriptors import Descriptors, limit_from_process
from shipper.filesource.intake import Intake
from shipper.filesource.lineage import DONE
from shipper.filesource.sightings import Sightings
from shipper.filesource.tools import Tools
from shipper.lifecycle import File
from shipper.model import Checkpoint, FileId, FileState, Observation, Seen, SourceState, show_path
from shipper.records import Naming
from shipper.source.schedule import Schedule
from shipper.tailer import ContentChanged, Tailer


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one file by one source.

    ``shipped``: its lines are in the topic, or will be there without anybody's help. ``state`` is one word for it.
    ``path`` is the name under which the source ships it, ``seen_as`` the one where it is now. ``offset``, ``size`` and
    ``start`` are bytes, of the decompressed file where it is compressed; ``size`` is None where it is not known.
    """

    source: str
    shipped: bool
    state: str
    why: str
    notes: tuple[str, ...] = ()
    path: bytes = b""
    seen_as: bytes = b""
    generation: int | None = None
    start: int | None = None
    offset: int | None = None
    size: int | None = None
    topic: str = ""
    key: bytes = b""


class Inquiry:
    """One source, asked about one file or several. Closes what it opened with :meth:`close`."""

    def __init__(self, config: FileConfig, state: SourceState, seen: Observation) -> None:
        self._config = config
        state = self._state = state.of(journal=False)  # its name may have been that of a journal
        self._seen = seen
        self._saved = {checkpoint.uid: checkpoint for checkpoint in state.files}
        self._files = Files(trust=Watched.of(config).trust)
        events = Events(lambda *_: None)
        self._descriptors = Descriptors(limit_from_process(), self._files, events)
        self._naming = Naming(config, socket.gethostname())
        self._census = self._take_in(events)

    def close(self) -> None:
        """Close the files that were opened."""
        self._descriptors.close_all()

    def _take_in(self, events: Events) -> Census:
        """Show the source what is there, as at a start."""
        tools = Tools.to_look(self._files, self._descriptors, events, socket.gethostname(), self._seen.seen)
        schedule: Schedule[Tailer] = Schedule()
        census = Census(self._config, self._naming, self._descriptors, schedule, events)
        intake = Intake(census, schedule, tools)
        census.restore(list(self._saved.values()))
        scanned = self._state.scanned
        Sightings(self._config, census, intake, schedule, tools, scanned=scanned, reread=False).observe(self._seen)
        return census

    # --- the answer --------------------------------------------------------------------------------------------------

    def of(self, path: bytes, file_id: FileId | None) -> Fate | None:
        """Return what becomes of the file ``path``, which has ``file_id`` now; None where the source knows of none."""
        census = self._census
        one = next((one for one in self._seen.seen if one.path == path), None)
        other = next((one for one in self._seen.seen if file_id is not None and one.file_id == file_id), None)
        if one is None and other is None:
            return self._of_vanished(path)
        seen = one or other
        assert seen is not None
        fate = self._of_seen(seen)
        tailer = census.by_id.get(seen.file_id)
        known_as = tailer.seen_as if tailer is not None else seen.path
        if known_as != path and fate.shipped:
            fate = replace(fate, notes=(*fate.notes, f"another name of the same file is {show_path(known_as)}"))
        return fate

    def _of_seen(self, one: Seen) -> Fate:
        tailer = self._census.by_id.get(one.file_id)
        if tailer is not None:
            return self._of_tailer(tailer)
        left = self._census.left.get(one.file_id)
        if left is not None:
            return self._of_left(one, left)
        if not one.adoptable:
            return self._fate("excluded", self._excluded(one.path))
        try:
            os.close(self._files.open(one.path))
        except OSError as error:
            return self._fate("unreadable", f"it cannot be read: {error.strerror or error}")
        if not one.size:
            why = f"a rotation of {show_path(one.base)}, and empty; it is looked at again"
            return self._fate("waiting", why, shipped=True)
        if one.compression:
            return self._fate("waiting", "compressed, and not complete yet; it is read when it is", shipped=True)
        return self._fate("unknown", "it has changed while it was looked at; ask again")

    def _of_vanished(self, path: bytes) -> Fate | None:
        """Say what is known of a name that no look has found."""
        for lineage in self._census.lineages.values():
            for tailer in lineage.members():
                if path in (tailer.seen_as, tailer.path) and (tailer.detached or tailer.seen_as != path):
                    return self._of_gone(tailer) if tailer.seen_as == path else self._of_tailer(tailer)
        return None

    def _of_gone(self, tailer: Tailer) -> Fate:
        """Say what became of a file that is nowhere: by what was saved, for the census has given it up."""
        saved = self._saved.get(tailer.uid)
        unread = 0 if saved is None or saved.compression or tailer.finished else max(0, saved.size - saved.offset)
        if saved is None or not unread:
            return self._tailer_fate(tailer, "gone", "deleted, after all that was seen of it was read", shipped=True)
        why = f"deleted with {unread:,} bytes not acknowledged; only a daemon that has had it open can send them"
        return replace(self._tailer_fate(tailer, "gone", why, shipped=False), size=saved.size)

    def _of_left(self, one: Seen, left: Checkpoint) -> Fate:
        if left.state is FileState.COPY:
            why = f"it holds the lines of {show_path(left.path)}, which are shipped from there or were"
            return self._fate("copy", why, shipped=True, path=left.path, seen_as=one.path)
        when = "was there at the source's first scan" if left.uid in self._saved else "is there before the first scan"
        if one.path != one.base:
            why = f"a rotation of {show_path(one.base)} that {when}: such files are left alone"
        elif self._config.start_at == "end":
            why = f'compressed, and {when}: with start_at = "end" it is left alone'
        else:
            why = f"compressed, {when}, and was older than ignore_older: it is left alone"
        return self._fate("left", why, path=left.path, seen_as=one.path)

    def _of_tailer(self, tailer: Tailer) -> Fate:
        current = self._census.lineages[tailer.path].current
        notes: list[str] = []
        if tailer.start:
            notes.append(self._why_start(tailer))
        if tailer.uid not in self._saved:
            notes.append(
                "new to the daemon: one that runs finds it by itself, within scan_interval at the latest"
                if self._state.scanned
                else "the source has not been scanned yet: this is what its first scan would record"
            )
        if tailer.path != tailer.seen_as:
            notes.append(f"a rotation of {show_path(tailer.path)}: its lines keep that name's key")
        if tailer.state is File.FINISHED:
            return self._tailer_fate(tailer, "finished", "read to its end and succeeded by another", notes=notes)
        if tailer.state is File.LOST:
            return self._of_gone(tailer)
        if current is not None and current is not tailer:
            why = (
                f"waits until generation {current.generation} of {show_path(tailer.path)}, which is "
                f"{show_path(current.seen_as)}, has been read to its end"
            )
            return self._tailer_fate(tailer, "waiting", why, notes=notes)
        return self._of_current(tailer, notes)

    def _of_current(self, tailer: Tailer, notes: list[str]) -> Fate:
        """Say how a file stands whose turn it is, having looked at what is to be read next."""
        if tailer.state in DONE or tailer.detached:
            return self._tailer_fate(tailer, "searched", "its bytes are elsewhere, and are searched for", notes=notes)
        try:
            if tailer.reader is None and not self._descriptors.open(tailer):
                return self._tailer_fate(tailer, "renamed", "it was renamed just now; ask again", notes=notes)
            while (batch := tailer.take(whole=True)) is None and not tailer.at_end:
                pass  # the end of a long line is looked for piece by piece
        except ContentChanged:
            why = "the bytes before the offset are not those that were read: it was truncated or replaced, and what is "
            return self._tailer_fate(tailer, "changed", why + "there now is read from its first byte", notes=notes)
        except BROKEN as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            return self._tailer_fate(tailer, "unreadable", f"it cannot be read: {reason}", notes=notes, shipped=False)
        if batch is not None:
            behind = "" if tailer.compression else f"{tailer.size - tailer.track.acked.offset:,} bytes of it "
            if tailer.uid in self._saved:
                notes.append("if its offset does not move: shipper check --connect tells whether the topic is there")
            why = f"{behind or 'its rest '}still to be sent"
            return self._tailer_fate(tailer, "reading", why, notes=notes)
        if open_ := tailer.may_go_on:
            why = f"its last {open_:,} bytes are an event that may go on, and are sent after a silence"
            return self._tailer_fate(tailer, "open", why, notes=notes)
        if partial := tailer.partial:
            why = f"its last {partial:,} bytes have no line end yet, and wait for it"
            return self._tailer_fate(tailer, "partial", why, notes=notes)
        return self._tailer_fate(tailer, "idle", "all of it has been read", notes=notes)

    def _why_start(self, tailer: Tailer) -> str:
        said = f"what stood before offset {tailer.start:,} at the source's first scan is left alone"
        if self._config.start_at == "end":
            return said + ': start_at = "end"'
        return said + (": it was older than ignore_older" if self._config.ignore_older else "")

    def _excluded(self, path: bytes) -> str:
        return excluded(self._config, path) or "exclude hides it"

    def _tailer_fate(
        self, tailer: Tailer, state: str, why: str, *, notes: Sequence[str] = (), shipped: bool = True
    ) -> Fate:
        return Fate(
            self._config.name,
            shipped,
            state,
            why,
            tuple(notes),
            path=tailer.path,
            seen_as=tailer.seen_as,
            generation=tailer.generation,
            start=tailer.start,
            offset=tailer.track.acked.offset,
            size=None if tailer.compression else tailer.size,
            topic=tailer.topic,
            key=tailer.key,
        )

    def _fate(self, state: str, why: str, *, shipped: bool = False, path: bytes = b"", seen_as: bytes = b"") -> Fate:
        return Fate(self._config.name, shipped, state, why, path=path, seen_as=seen_as)


def excluded(config: FileConfig, path: bytes) -> str:
    """Say by which of its patterns a source excludes ``path``; "" where none does."""
    directory, name = os.path.split(path)
    pattern = Exclude.culprit([os.fsencode(pattern) for pattern in config.exclude], directory, name)
    return "" if pattern is None else f'excluded by "{show_path(pattern)}"'
