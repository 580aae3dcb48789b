"""One configured source of files: what discovery saw becomes generations, and they take turns at being read.

Discovery tells which names there are; here it is decided which of them are known (by file id), which hold the bytes of
one that is known (``identify``), and which are new. New ones join the lineage of the path that they belong to, and a
lineage is read one generation after the other. Everything runs on the pump thread; no clock but the one given.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from shipper.config import SourceConfig
from shipper.descriptors import Descriptors
from shipper.discovery import rotation
from shipper.errors import StateError
from shipper.events import Events
from shipper.files import BROKEN, DECOMPRESSORS, Files, NotRegularError, fingerprint_at, open_reader
from shipper.identify import Verdict, identify, length
from shipper.ledger import RECORD_OVERHEAD, Ledger
from shipper.lifecycle import File, FileEvent
from shipper.lineage import DONE, Lineage
from shipper.model import (
    NO_FINGERPRINT,
    Checkpoint,
    Clock,
    FileId,
    FileState,
    Fingerprint,
    Observation,
    Seen,
    Sink,
    SourceState,
    TopicState,
)
from shipper.records import Naming
from shipper.tailer import Batch, ContentChanged, Tailer

RETRY_FIRST, RETRY_LAST = 0.5, 15.0  # seconds between tries of a file that cannot be read
UNSURE_RETRY = 1.0  # seconds between looks at an empty or incomplete rotated file
ADRIFT_BEAT = 1.0  # seconds between looks at files that were moved out of the watched directories
KEEP_PAST = 64  # finished generations of one path whose fingerprints are kept although they are gone
FORGET_AFTER = 600.0  # seconds for which a file has to be gone before its checkpoint may go


class FirstScanStore(Protocol):
    """What a source needs of the checkpoint store."""

    def record_first_scan(self, source: str, files: Sequence[Checkpoint]) -> None:
        """Save a source's first scan durably; raises StateError."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What every source of one daemon shares."""

    files: Files
    descriptors: Descriptors
    ledger: Ledger
    events: Events
    clock: Clock
    wall: Clock  # seconds since 1970, for ages in the configuration only
    store: FirstScanStore
    look: Callable[[str, bytes], Observation]  # (source, directory): what is in it now
    host: str


class FileSource:
    """One source: its lineages, and whose turn it is."""

    def __init__(self, config: SourceConfig, state: SourceState, sink: Sink, tools: Tools, *, reread: bool) -> None:
        self.config = config
        self.name = config.name
        self.sink = sink
        self._tools = tools
        self._files = tools.files
        self._fds = tools.descriptors
        self._ledger = tools.ledger
        self._events = tools.events
        self._clock = tools.clock
        self._naming = Naming(config, tools.host)
        self._reread = reread
        self._scanned = state.scanned
        self._started = False  # the first complete observation has been taken in
        self._first: Observation | None = None  # a first scan that could not be saved yet
        self._lineages: dict[bytes, Lineage] = {}
        self._by_id: dict[FileId, Tailer] = {}
        self._by_name: dict[bytes, Tailer] = {}
        self._left: dict[FileId, Checkpoint] = {}
        self._unsure: dict[FileId, Seen] = {}
        self._unsure_at = 0.0
        self._ready: dict[Tailer, None] = {}
        self._unpinned: dict[Tailer, None] = {}  # to be opened soon: an open file cannot get lost
        self._waiting: dict[Tailer, float] = {}  # looked at again at a time, whatever the events say
        self._adrift: dict[Tailer, None] = {}
        self._adrift_at = 0.0
        self._blocked: dict[str, dict[Tailer, None]] = {}  # by topic
        self._unsettled: dict[Tailer, None] = {}
        self._dirty: dict[str, Tailer | Checkpoint] = {}
        self._removed: set[str] = set()
        self._gone_since: dict[str, float] = {}
        self.rewinding = False
        self.resume_at = 0.0
        self._backoff = 0.0
        self._restore(state.files)

    # --- what discovery saw ------------------------------------------------------------------------------------------

    def observe(self, seen: Observation) -> None:
        """Take in what discovery saw."""
        if not self._scanned:
            if seen.complete:
                self._first_scan(seen)
            return
        found = self._by_file(seen.seen)
        fresh: list[Seen] = []
        for file_id, one in found.items():
            tailer = self._by_id.get(file_id)
            if tailer is not None:
                self._sighted(tailer, one)
            elif (known := self._left.get(file_id)) is not None:
                if self._left_changed(known, one):
                    fresh.append(one)
            elif one.adoptable:
                fresh.append(one)
        missing = self._missing(seen, found)
        self._take_in(fresh)
        for tailer in missing:
            if tailer.detached or tailer.reader is None:
                self._lose(tailer, "deleted before it was read to its end")
        if seen.complete:
            self._forget_vanished(seen, found)
            if not self._started:
                self._started = True
                for lineage in self._lineages.values():
                    if (current := lineage.current) is not None and current.detached:
                        self._ready[current] = None
                waiting = sum(t.unread for t in self._by_id.values())
                self._events.source_scanned(self.name, len(self._by_id), waiting, first=False)

    def modified(self, paths: set[bytes]) -> None:
        """Take note of names whose bytes may have changed."""
        names = self._by_name.keys() & paths if len(paths) < len(self._by_name) else paths
        for path in names:
            tailer = self._by_name.get(path)
            if tailer is not None:
                self._grew(tailer)
        if self._unsure:
            for one in list(self._unsure.values()):
                if one.path in paths:
                    self._look_again(one)
        if self._left:
            for known in list(self._left.values()):
                if known.state is FileState.COPY and known.seen_as in paths:
                    self._look_again(_seen_of(known))

    def _by_file(self, seen: Iterable[Seen]) -> dict[FileId, Seen]:
        """Choose one name for each file: the one that is known, else the one that a glob matches (I7)."""
        found: dict[FileId, Seen] = {}
        for one in seen:
            old = found.get(one.file_id)
            if old is None or self._better(one, old):
                found[one.file_id] = one
        return found

    def _better(self, one: Seen, old: Seen) -> bool:
        tailer = self._by_id.get(one.file_id)
        if tailer is not None and tailer.seen_as in (one.path, old.path):
            return tailer.seen_as == one.path
        return (one.path == one.base, one.adoptable) > (old.path == old.base, old.adoptable)

    def _sighted(self, tailer: Tailer, one: Seen) -> None:
        """Take note that a known file is there, and under which name."""
        self._gone_since.pop(tailer.uid, None)
        self._adrift.pop(tailer, None)
        tailer.linked = True
        if one.path != tailer.seen_as and not self._still_named(tailer):
            self._rename(tailer, one.path)
        if one.size != tailer.size or not self._started:
            self._grew(tailer)
        if one.size > tailer.size:
            tailer.size = one.size
            if tailer.reader is None:
                self._unpinned[tailer] = None

    def _still_named(self, tailer: Tailer) -> bool:
        """Whether the name where it was last seen still leads to it: then another name is only another name."""
        try:
            s = os.stat(tailer.seen_as)
        except OSError:
            return False
        return FileId(s.st_dev, s.st_ino) == tailer.file_id

    def _rename(self, tailer: Tailer, path: bytes) -> None:
        old = tailer.seen_as
        if self._by_name.get(old) is tailer:
            del self._by_name[old]
        tailer.seen_as = path
        self._by_name[path] = tailer
        self._dirty[tailer.uid] = tailer
        if old == tailer.path:
            self._events.file_rotated(self.name, tailer.path, path, tailer.generation, tailer.unread)

    def _grew(self, tailer: Tailer) -> None:
        """Let a file be read again as soon as it is its turn."""
        lineage = self._lineages[tailer.path]
        if tailer.state is File.WAITING:
            current = lineage.current
            if current is not None and current is not tailer:
                self._ready[current] = None  # its successor has grown: it may be finished now
                return
        elif tailer.state is not File.LOST:
            tailer.event(FileEvent.GREW)
        self._ready[tailer] = None

    def _missing(self, seen: Observation, found: dict[FileId, Seen]) -> list[Tailer]:
        """Find the known files whose names are gone or lead elsewhere; returns those that cannot be read any more."""
        suspects: dict[Tailer, None] = {}
        if seen.complete:
            for file_id, tailer in self._by_id.items():
                if file_id not in found and not _below(tailer.seen_as, seen.unreadable):
                    suspects[tailer] = None
        else:
            for path in seen.gone:
                if (tailer := self._by_name.get(path)) is not None:  # type: ignore[assignment]
                    suspects[tailer] = None
        for one in seen.seen:
            named = self._by_name.get(one.path)
            if named is not None and named.file_id != one.file_id:
                suspects[named] = None
        missing = []
        for tailer in suspects:
            if tailer.file_id in found:
                continue
            if tailer.reader is not None:
                self._out_of_sight(tailer)
            elif not self._unmounted(tailer):
                self._unbind(tailer)
                missing.append(tailer)
        return missing

    def _out_of_sight(self, tailer: Tailer) -> None:
        """Go on with an open file that has no name any more, or none that we watch."""
        assert tailer.reader is not None
        stat = tailer.reader.stat()
        tailer.linked = stat.links > 0
        tailer.size = max(tailer.size, stat.size)
        if tailer.linked:
            self._adrift[tailer] = None
        elif tailer.state is not File.LOST:
            tailer.event(FileEvent.REPLACED)
        if self._by_name.get(tailer.seen_as) is tailer:
            del self._by_name[tailer.seen_as]
        self._grew(tailer)

    def _unmounted(self, tailer: Tailer) -> bool:
        """Whether the whole directory is away, or another file system is in its place: that says nothing of a file."""
        try:
            return os.stat(os.path.dirname(tailer.seen_as)).st_dev != tailer.file_id.dev
        except OSError:
            return True

    def _unbind(self, tailer: Tailer) -> None:
        """Forget under which id and name a generation's bytes were."""
        if self._by_id.get(tailer.file_id) is tailer:
            del self._by_id[tailer.file_id]
        if self._by_name.get(tailer.seen_as) is tailer:
            del self._by_name[tailer.seen_as]
        self._adrift.pop(tailer, None)
        self._fds.close(tailer)
        tailer.detached = True

    # --- unknown files -----------------------------------------------------------------------------------------------

    def _take_in(self, fresh: list[Seen]) -> None:
        """Decide what unknown files are: the rotated ones of a path first, oldest first, then the one that it names."""
        for one in sorted(fresh, key=lambda s: (s.base, s.path == s.base, s.rank, s.path)):
            self._decide(one)

    def _decide(self, one: Seen) -> None:
        self._unsure.pop(one.file_id, None)
        if one.compression and one.compression not in DECOMPRESSORS:
            self._events.file_unsupported(self.name, one.path, one.compression)
            self._leave(one, FileState.LEFT, NO_FINGERPRINT)
            return
        relatives = self._relatives(one)
        if not relatives and one.path == one.base and not one.compression:
            self._new(one)
            return
        if not self._fds.room():
            self._be_unsure(one)
            return
        try:
            reader = open_reader(self._files, one.path, one.compression)
        except FileNotFoundError:
            return  # gone again; the event of that is on its way
        except NotRegularError:
            return
        except OSError as error:
            if one.path == one.base and error.errno not in (errno.EMFILE, errno.ENFILE):
                self._new(one)
            else:
                self._be_unsure(one)
            return
        kept = False
        try:
            if reader.stat().file_id != one.file_id:
                return  # another file by now; the event of that is on its way
            self._verify(relatives)
            size = length(reader)
            left = [c for c in self._left.values() if c.path == one.base and c.file_id != one.file_id]
            verdict, of = identify(reader, size, [t for r in relatives for t in r.members()], left)
            if verdict is Verdict.UNSURE and one.path == one.base:
                verdict = Verdict.NEW
            if verdict is Verdict.UNSURE:
                self._be_unsure(one)
            elif verdict is Verdict.COPY:
                if of is not None:
                    self._events.file_copy(self.name, of.path, one.path)
                self._leave(one, FileState.COPY, fingerprint_at(reader, 0 if one.compression else size))
            elif verdict is Verdict.CONTINUES:
                assert of is not None
                kept = True
                self._continue(of, one, reader)
            else:
                self._new(one)
        except BROKEN:
            self._be_unsure(one)  # a compressed file that is still being written, or cannot be read now
        finally:
            if not kept:
                reader.close()

    def _relatives(self, one: Seen) -> list[Lineage]:
        """Return the lineages whose bytes the file may hold: by its path, and by what its name is a rotation of."""
        directory, name = os.path.split(one.path)
        bases = dict.fromkeys([one.base, *(os.path.join(directory, r.base) for r in rotation.readings(name))])
        lineages = [self._lineages[b] for b in bases if b in self._lineages]
        return [r for r in lineages if r.gens or r.past or any(c.path == r.path for c in self._left.values())]

    def _verify(self, relatives: list[Lineage]) -> None:
        """Open the unfinished generations and make sure that they still hold what was read of them."""
        for lineage in relatives:
            for tailer in list(lineage.gens):
                if tailer.detached or tailer.state is File.LOST:
                    continue
                try:
                    if tailer.reader is None and not self._fds.open(tailer):
                        continue
                    if not tailer.verify():
                        self._changed(tailer, recover=False)
                except OSError:
                    continue  # said when it is read

    def _be_unsure(self, one: Seen) -> None:
        self._unsure[one.file_id] = one
        self._unsure_at = self._clock() + UNSURE_RETRY

    def _look_again(self, one: Seen) -> None:
        """Look at a file that could not be told yet, or was told to be a copy and has changed."""
        try:
            s = os.stat(one.path)
        except OSError:
            self._unsure.pop(one.file_id, None)
            return
        if FileId(s.st_dev, s.st_ino) != one.file_id:
            self._unsure.pop(one.file_id, None)
            return
        now = one._replace(size=s.st_size, mtime_ns=s.st_mtime_ns)
        known = self._left.get(one.file_id)
        if known is None or self._left_changed(known, now):
            self._decide(now)

    def _left_changed(self, known: Checkpoint, one: Seen) -> bool:
        """Whether a file that is known and not read has to be looked at again; takes it off the list then."""
        if one.path != known.seen_as:
            known = replace(known, seen_as=one.path)
            self._left[one.file_id] = known
            self._dirty[known.uid] = known
        if one.size == known.size:
            return False
        if known.state is FileState.LEFT and one.size > known.size:
            self._left[one.file_id] = replace(known, size=one.size)
            return False  # left alone at the first scan, and so is what a slow writer adds to it
        del self._left[one.file_id]
        self._dirty.pop(known.uid, None)
        self._removed.add(known.uid)
        return True

    def _leave(self, one: Seen, state: FileState, fingerprint: Fingerprint) -> None:
        """Take note of a file that is known and not read."""
        known = Checkpoint(
            uid=_new_uid(),
            source=self.name,
            path=one.base,
            seen_as=one.path,
            file_id=one.file_id,
            generation=0,
            offset=0,
            fingerprint=fingerprint,
            size=one.size,
            state=state,
            compression=one.compression,
        )
        self._left[one.file_id] = known
        self._dirty[known.uid] = known

    def _continue(self, tailer: Tailer, one: Seen, reader: Any) -> None:
        """Go on with a generation in another file that holds the same bytes."""
        self._unbind(tailer)
        if (known := self._left.pop(one.file_id, None)) is not None:
            self._dirty.pop(known.uid, None)
            self._removed.add(known.uid)
        if not self._fds.room():
            reader.close()
            self._be_unsure(one)
            return
        tailer.adopt(reader, one.path, one.file_id, one.compression)
        self._fds.adopted(tailer)
        self._by_id[one.file_id] = tailer
        self._by_name[one.path] = tailer
        if tailer.state is File.LOST:
            tailer.event(FileEvent.RETURNED)
        lineage = self._lineages[tailer.path]
        if tailer in lineage.past and tailer.state is not File.FINISHED:
            lineage.past.remove(tailer)
            lineage.gens.insert(0, tailer)
        if one.path != tailer.path and tailer.state is not File.FINISHED:
            tailer.event(FileEvent.REPLACED)
        self._dirty[tailer.uid] = tailer
        self._events.file_continued(self.name, tailer.path, one.path, tailer.generation, tailer.read.offset)
        self._grew(tailer)
        self._advance(lineage)

    def _new(self, one: Seen) -> None:
        """Begin a generation at its first byte."""
        lineage = self._lineage(one.base)
        tailer = self._tailer(
            Checkpoint(
                uid=_new_uid(),
                source=self.name,
                path=one.base,
                seen_as=one.path,
                file_id=one.file_id,
                generation=lineage.generation,
                offset=0,
                fingerprint=NO_FINGERPRINT,
                size=0 if one.compression else one.size,
                compression=one.compression,
            )
        )
        before = None
        if one.path != one.base and lineage.gens and lineage.gens[-1].seen_as == one.base:
            # A rotated file that shows up late still comes before the file that has the name now, if that can wait.
            before = lineage.gens[-1] if lineage.gens[-1].state is File.WAITING else None
        lineage.add(tailer, before=before)
        self._by_id[one.file_id] = tailer
        self._by_name[one.path] = tailer
        self._dirty[tailer.uid] = tailer
        self._events.file_found(self.name, one.path, one.size)
        self._unpinned[tailer] = None
        self._advance(lineage)
        if (current := lineage.current) is not None:
            self._ready[current] = None

    def pin(self) -> None:
        """Open files that wait for their turn, as far as they may be: one that is renamed or deleted stays readable."""
        while self._unpinned:
            tailer = self._unpinned.popitem()[0]
            if tailer.reader is not None or tailer.detached or not self._fds.room():
                continue
            try:
                self._fds.open(tailer)
            except OSError:
                continue  # said when its turn comes

    def _lineage(self, path: bytes) -> Lineage:
        lineage = self._lineages.get(path)
        if lineage is None:
            lineage = self._lineages[path] = Lineage(path)
        return lineage

    def _tailer(self, checkpoint: Checkpoint) -> Tailer:
        path = checkpoint.path
        return Tailer(checkpoint, self.config.max_line, self._naming.topic(path), self._naming.key(path))

    def _advance(self, lineage: Lineage) -> None:
        """Let the next generation have its turn, where the current one is done."""
        tailer = lineage.advance()
        if tailer is not None:
            self._ready[tailer] = None

    # --- the first scan, and what was saved --------------------------------------------------------------------------

    def _first_scan(self, seen: Observation) -> None:
        """Record what is there durably, before anything of it is sent."""
        checkpoints: list[Checkpoint] = []
        fresh: list[Seen] = []
        found = self._by_file(seen.seen)
        for one in found.values():
            if self._reread:
                if one.adoptable:
                    fresh.append(one)  # nothing is known of it any more: it is read from its beginning (I8)
            elif one.path == one.base and not one.compression:
                checkpoints.append(self._first_checkpoint(one))
            elif one.path == one.base:
                fresh.append(one)  # a glob that names compressed files wants them read
            else:
                self._leave(one, FileState.LEFT, self._fingerprint_of(one))
        left = list(self._left.values())
        try:
            self._tools.store.record_first_scan(self.name, [*checkpoints, *left])
        except StateError as error:
            self._events.source_blocked_first_scan(self.name, str(error))
            self._left.clear()
            self._dirty.clear()
            self._first = seen
            self.resume_at = self._clock() + 1.0
            return
        self._first = None
        self._scanned = self._started = True
        for checkpoint in left:
            self._dirty.pop(checkpoint.uid, None)
        self._restore(checkpoints)
        for tailer in self._by_id.values():
            if tailer.unread:
                self._ready[tailer] = self._unpinned[tailer] = None
        self._take_in(fresh)
        waiting = sum(t.unread for t in self._by_id.values())
        self._events.source_scanned(self.name, len(self._by_id), waiting, first=True)

    def _first_checkpoint(self, one: Seen) -> Checkpoint:
        """Return where a file of the first scan begins: at its first byte, or after its last line end."""
        old = self.config.ignore_older and one.mtime_ns / 1e9 < self._tools.wall() - self.config.ignore_older
        offset, fingerprint = 0, NO_FINGERPRINT
        if self.config.start_at == "end" or old:
            offset, fingerprint = self._end_of(one)
        return Checkpoint(
            uid=_new_uid(),
            source=self.name,
            path=one.path,
            seen_as=one.path,
            file_id=one.file_id,
            generation=0,
            offset=offset,
            fingerprint=fingerprint,
            size=one.size,
        )

    def _end_of(self, one: Seen) -> tuple[int, Fingerprint]:
        """Return the position after the last line end of a file."""
        try:
            reader = open_reader(self._files, one.path, "")
        except OSError:
            return 0, NO_FINGERPRINT  # it cannot be read now; when it can, all of it is new to us
        try:
            end = reader.stat().size
            step = 64 << 10
            while end > 0:
                low = max(0, end - step)
                at = reader.read(end - low, low).rfind(b"\n")
                if at >= 0:
                    end = low + at + 1
                    break
                end = low
            return end, fingerprint_at(reader, end)
        finally:
            reader.close()

    def _fingerprint_of(self, one: Seen) -> Fingerprint:
        """Return what will tell that a file which is left alone was compressed later."""
        if one.compression and one.compression not in DECOMPRESSORS:
            return NO_FINGERPRINT
        try:
            reader = open_reader(self._files, one.path, one.compression)
        except OSError:
            return NO_FINGERPRINT
        try:
            return fingerprint_at(reader, 0 if one.compression else one.size)
        except BROKEN:
            return NO_FINGERPRINT
        finally:
            reader.close()

    def _restore(self, checkpoints: Iterable[Checkpoint]) -> None:
        """Take in what was saved; an id that two generations had belongs to the newer one."""
        for cp in sorted(checkpoints, key=lambda c: c.generation):
            if cp.state in (FileState.LEFT, FileState.COPY):
                self._left[cp.file_id] = cp
                self._lineage(cp.path)
                continue
            tailer = self._tailer(cp)
            lineage = self._lineage(cp.path)
            if tailer.state is File.FINISHED:
                lineage.past.append(tailer)
                lineage.generation = max(lineage.generation, cp.generation + 1)
            else:
                lineage.add(tailer)
            older = self._by_id.get(cp.file_id)
            if older is not None:
                older.detached = True
            self._by_id[cp.file_id] = tailer
            self._by_name[cp.seen_as] = tailer
        for lineage in self._lineages.values():
            for tailer in lineage.gens:
                if tailer.detached:
                    tailer.event(FileEvent.REPLACED)
            lineage.advance()

    # --- turns -------------------------------------------------------------------------------------------------------

    def turn(self) -> bool:
        """Read and send one chunk of the next file whose turn it is; False where there is nothing to read."""
        if self.rewinding or not self._started:
            return False
        while self._ready:
            tailer = next(iter(self._ready))
            del self._ready[tailer]
            if self._read(tailer):
                return True
        return False

    def _read(self, tailer: Tailer) -> bool:
        lineage = self._lineages[tailer.path]
        current = lineage.current
        if tailer is not current and not (tailer.state is File.FINISHED and not tailer.detached):
            if current is not None:
                self._advance(lineage)
            return False
        if tailer.detached:
            self._search(tailer)
            return True
        try:
            if tailer.reader is None and not self._fds.open(tailer):
                self._waiting[tailer] = self._clock() + UNSURE_RETRY  # renamed; discovery will tell where to
                return False
            if self.sink.topic_state(tailer.topic) is not TopicState.READY:
                self._blocked.setdefault(tailer.topic, {})[tailer] = None
                return False
            self._fds.touch(tailer)
            batch = tailer.take()
        except ContentChanged:
            self._changed(tailer)
            return True
        except BROKEN as error:
            self._cannot_read(tailer, error)
            return False
        tailer.warned = False
        tailer.retry_delay = 0.0
        if batch is not None:
            self._send(tailer, batch)
        if tailer.at_end:
            self._ended(tailer, lineage)
        else:
            self._ready[tailer] = None
        return batch is not None

    def _send(self, tailer: Tailer, batch: Batch) -> None:
        """Hand a batch to the client: one list element a line is all the work that Python does for it."""
        key = tailer.key
        messages = [{"value": line, "key": key} for line in batch.lines]
        count = len(messages)
        weight = batch.size + count * (len(key) + RECORD_OVERHEAD)
        chunk = self._ledger.track(tailer.track, batch.end, count, weight)
        self._unsettled[tailer] = None
        tailer.grew_at = self._clock()
        if tailer.state is File.FINISHED:
            self._events.file_late(self.name, tailer.path, tailer.seen_as, count)
        self._events.records_sent(self.name, count, batch.size)
        self.sink.send(tailer.topic, messages, chunk)

    def _cannot_read(self, tailer: Tailer, error: Exception) -> None:
        """Try again later, sooner at first; say so once."""
        now = self._clock()
        if isinstance(error, FileNotFoundError):
            self._waiting[tailer] = now + UNSURE_RETRY  # discovery will tell what became of it
            return
        short = isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)
        if not short and not tailer.warned:
            tailer.warned = True
            self._events.file_unreadable(self.name, tailer.seen_as, str(error) or type(error).__name__)
        tailer.retry_delay = 0.05 if short else min(RETRY_LAST, max(RETRY_FIRST, tailer.retry_delay * 2))
        self._waiting[tailer] = now + tailer.retry_delay

    def _ended(self, tailer: Tailer, lineage: Lineage) -> None:
        """Decide, where a read came to the end of the file, whether that is the end of the generation."""
        assert tailer.reader is not None
        stat = tailer.reader.stat()
        now = self._clock()
        if not tailer.compression:
            if stat.size > tailer.read.offset + tailer.partial or stat.size > tailer.size:
                self._ready[tailer] = None  # it has grown since
            elif stat.size < tailer.size:
                self._short(tailer, stat.size)
        tailer.linked = stat.links > 0
        if tailer.size != tailer.quiet_size:
            tailer.quiet_size = tailer.size
            tailer.grew_at = now
        tailer.event(FileEvent.END)
        if tailer.state is File.FINISHED:
            self._close_finished(tailer, now)
            return
        successor = lineage.successor(tailer)
        if successor is not None:
            if not lineage.succeeded:
                if self._has_bytes(successor):
                    lineage.succeeded = True
                    self._ready[tailer] = None  # once more, now that the successor's first byte was seen
                return
        elif tailer.linked and not self._over(tailer):
            return
        if not self._quiet(tailer, now, needed=bool(tailer.partial) or successor is None):
            return
        if tailer.partial or tailer.part:
            last = tailer.take_last()
            if last is not None:
                self._send(tailer, last)
                self._ready[tailer] = None
                return
        self._finish(tailer, lineage)

    def _over(self, tailer: Tailer) -> bool:
        """Whether a file without a successor can no longer grow: a compressed one is complete."""
        return bool(tailer.compression)

    def _quiet(self, tailer: Tailer, now: float, *, needed: bool) -> bool:
        """Whether it has been silent for long enough to say that no more will come; looks again if not."""
        if tailer.compression or not needed:
            return True
        due = tailer.grew_at + self.config.partial_timeout
        if now >= due:
            return True
        self._waiting[tailer] = due
        return False

    def _has_bytes(self, tailer: Tailer) -> bool:
        if tailer.size or tailer.compression or tailer.detached:
            return True
        try:
            if tailer.reader is None and not self._fds.open(tailer):
                return False
        except OSError:
            return False
        assert tailer.reader is not None
        tailer.size = tailer.reader.stat().size
        return tailer.size > 0

    def _finish(self, tailer: Tailer, lineage: Lineage) -> None:
        tailer.event(FileEvent.REPLACED)
        tailer.event(FileEvent.DONE)
        self._events.file_finished(self.name, tailer.path, tailer.generation, tailer.read.offset)
        self._dirty[tailer.uid] = tailer
        self._close_finished(tailer, self._clock())
        self._retire(lineage)
        self._advance(lineage)
        if (current := lineage.current) is not None:
            self._ready[current] = None

    def _close_finished(self, tailer: Tailer, now: float) -> None:
        """Let go of a finished file that has no name, once its writer has been silent."""
        if tailer.linked and not tailer.compression:
            return
        if self._quiet(tailer, now, needed=True):
            self._waiting.pop(tailer, None)
            self._fds.close(tailer)
            if not tailer.linked:
                self._unbind(tailer)
                self._gone_since.setdefault(tailer.uid, now)

    def _retire(self, lineage: Lineage) -> None:
        for tailer in lineage.retire():
            self._dirty[tailer.uid] = tailer

    # --- bytes that are gone -----------------------------------------------------------------------------------------

    def _changed(self, tailer: Tailer, *, recover: bool = True) -> None:
        """Take note that the file id leads to other bytes: truncated, or replaced under the same inode.

        What was unread may be in a copy; the other bytes are a new generation.
        """
        stat = tailer.reader.stat() if tailer.reader is not None else None
        one = Seen(tailer.seen_as, tailer.path, tailer.file_id, stat.size if stat else 0, stat.mtime_ns if stat else 0)
        if tailer.state is not File.FINISHED:
            unread = tailer.unread
            self._events.file_truncated(self.name, one.path, tailer.generation, tailer.read.offset, unread)
            tailer.event(FileEvent.REPLACED)
        self._unbind(tailer)
        self._decide(one._replace(compression=rotation.compression(one.path) if one.path != one.base else ""))
        if recover:
            self._search(tailer)

    def _search(self, tailer: Tailer) -> None:
        """Look among a file's neighbours for its bytes; what cannot be found is lost."""
        directories = {os.path.dirname(tailer.seen_as), os.path.dirname(os.path.realpath(tailer.seen_as))}
        found = self._by_file(one for directory in directories for one in self._tools.look(self.name, directory).seen)
        unknown = []
        for file_id, one in found.items():
            if file_id in self._by_id:
                continue
            if (known := self._left.get(file_id)) is not None:
                if known.state is FileState.LEFT or known.path != tailer.path:
                    continue
                del self._left[file_id]  # a copy: of this one, perhaps
                self._dirty.pop(known.uid, None)
                self._removed.add(known.uid)
            elif not one.adoptable:
                continue
            unknown.append(one)
        self._take_in(unknown)
        if tailer.detached and tailer.state not in DONE:
            self._lose(tailer, "truncated before it was read to its end, and no copy was found")

    def _lose(self, tailer: Tailer, why: str) -> None:
        """Give up a generation whose bytes are nowhere; count what was unread of it."""
        if not tailer.detached and tailer.reader is not None:
            return
        lineage = self._lineages[tailer.path]
        lost = 0 if tailer.state is File.FINISHED else tailer.unread
        if lost:
            self._events.file_lost(self.name, tailer.path, tailer.generation, lost, why)
        if tailer.state is not File.LOST:
            tailer.event(FileEvent.VANISHED)
        tailer.size = tailer.read.offset
        self._gone_since.setdefault(tailer.uid, self._clock())
        self._dirty[tailer.uid] = tailer
        self._retire(lineage)
        self._advance(lineage)

    def _short(self, tailer: Tailer, size: int) -> None:
        """Count what a file has lost that became shorter, but not shorter than what was read of it."""
        lost = tailer.size - max(size, tailer.read.offset)
        if lost > 0:
            why = "truncated before it was read to its end"
            self._events.file_lost(self.name, tailer.path, tailer.generation, lost, why)
        tailer.size = size

    def _forget_vanished(self, seen: Observation, found: dict[FileId, Seen]) -> None:
        """Drop the checkpoints of files that are gone for good, once nothing can be a compressed copy of them."""
        now = self._clock()
        with_siblings = {one.base for one in seen.seen if one.path != one.base}
        for cp in list(self._left.values()):
            if cp.file_id not in found and not _below(cp.seen_as, seen.unreadable):
                since = self._gone_since.setdefault(cp.uid, now)
                if now - since >= FORGET_AFTER and cp.path not in with_siblings:
                    del self._left[cp.file_id]
                    self._drop(cp.uid)
            else:
                self._gone_since.pop(cp.uid, None)
        for path, lineage in list(self._lineages.items()):
            gone = [t for t in lineage.past if t.uid in self._gone_since]
            keep = KEEP_PAST if path in with_siblings else 0
            for tailer in gone[: max(0, len(gone) - keep)]:
                if keep or now - self._gone_since[tailer.uid] >= FORGET_AFTER:
                    lineage.past.remove(tailer)
                    self._waiting.pop(tailer, None)
                    self._ready.pop(tailer, None)
                    self._drop(tailer.uid)
            if not lineage.gens and not lineage.past and path not in with_siblings:
                del self._lineages[path]

    def _drop(self, uid: str) -> None:
        self._gone_since.pop(uid, None)
        self._dirty.pop(uid, None)
        self._removed.add(uid)

    # --- time --------------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Do what is due: look again at files that waited, at topics that were missing."""
        now = self._clock()
        if self._first is not None and now >= self.resume_at:
            self._first_scan(self._first)
        for tailer in [t for t, due in self._waiting.items() if due <= now]:
            del self._waiting[tailer]
            self._ready[tailer] = None
        if self._unsure and now >= self._unsure_at:
            self._unsure_at = now + UNSURE_RETRY
            for one in list(self._unsure.values()):
                self._look_again(one)
        if self._adrift and now >= self._adrift_at:
            self._adrift_at = now + ADRIFT_BEAT
            for tailer in list(self._adrift):
                self._drifting(tailer, now)
        for topic in list(self._blocked):
            if self.sink.topic_state(topic) is TopicState.READY:
                for tailer in self._blocked.pop(topic):
                    self._ready[tailer] = None

    def _drifting(self, tailer: Tailer, now: float) -> None:
        """Look at a file that was moved to where no events come from."""
        if tailer.reader is None:
            del self._adrift[tailer]
            return
        stat = tailer.reader.stat()
        if not stat.links:
            del self._adrift[tailer]
            self._out_of_sight(tailer)
        elif stat.size != tailer.size:
            self._grew(tailer)
        elif tailer.state is File.FINISHED and now - tailer.grew_at > FORGET_AFTER:
            self._unbind(tailer)
            self._gone_since.setdefault(tailer.uid, now)

    def due(self) -> float:
        """Return when :meth:`tick` has work next."""
        times = list(self._waiting.values())
        if self._unsure:
            times.append(self._unsure_at)
        if self._adrift:
            times.append(self._adrift_at)
        if self._first is not None or self.rewinding:
            times.append(self.resume_at)
        return min(times, default=float("inf"))

    @property
    def hungry(self) -> bool:
        """Whether a turn may find something to read."""
        return bool(self._ready) and self._started and not self.rewinding

    # --- what the brokers say ----------------------------------------------------------------------------------------

    def acked(self, tailer: Tailer) -> None:
        """Take note that a generation's acked offset has moved."""
        self._dirty[tailer.uid] = tailer
        self._backoff = 0.0
        if tailer.settled:
            self._unsettled.pop(tailer, None)
            if tailer.state in DONE:
                self._retire(self._lineages[tailer.path])

    def refuse(self, delay: float) -> None:
        """Something was not taken: stop, and rewind when nothing is in flight any more, after a growing pause."""
        if not self.rewinding:
            self.rewinding = True
            self._backoff = min(max(delay, self._backoff * 2), 60.0)
            self.resume_at = self._clock() + self._backoff

    def try_rewind(self) -> bool:
        """Rewind, if it is time and nothing of this source is in flight; returns whether it did."""
        if not self.rewinding or self._clock() < self.resume_at:
            return False
        if any(t.track.in_flight for t in self._unsettled):
            return False
        self._rewind()
        return True

    def void(self) -> None:
        """Rewind at once: the client is gone with all that it had in flight."""
        for tailer in self._unsettled:
            self._ledger.void(tailer.track)
        self._rewind()

    def _rewind(self) -> None:
        self._events.source_rewound(self.name, len(self._unsettled))
        for tailer in self._unsettled:
            if tailer.state is File.LOST and (lost := tailer.read.offset - tailer.track.acked.offset):
                self._events.file_lost(
                    self.name, tailer.path, tailer.generation, lost, "gone before it could be resent"
                )
            tailer.rewind()
            tailer.event(FileEvent.REWOUND)
            lineage = self._lineages[tailer.path]
            if tailer.state is not File.LOST and tailer in lineage.past:
                lineage.past.remove(tailer)
                lineage.gens.insert(0, tailer)
            lineage.succeeded = False
            self._ready[tailer] = None
            if (current := lineage.current) is not None:
                self._ready[current] = None
        self._unsettled.clear()
        self.rewinding = False

    # --- what is saved, and shown ------------------------------------------------------------------------------------

    def changes(self) -> tuple[list[Checkpoint], list[tuple[str, str]]]:
        """Return the checkpoints that changed since the last call, and those to be removed, as (source, uid)."""
        dirty, self._dirty = self._dirty, {}
        removed, self._removed = self._removed, set()
        changed = [d if isinstance(d, Checkpoint) else d.checkpoint() for d in dirty.values()]
        return [c for c in changed if c.uid not in removed], [(self.name, uid) for uid in removed]

    @property
    def has_changes(self) -> bool:
        """Whether there is anything to be saved."""
        return bool(self._dirty or self._removed)

    @property
    def why_idle(self) -> str:
        """Say in words why nothing is read now, or that something is."""
        if self._first is not None:
            return "waits until its first scan can be saved"
        if self.rewinding:
            return "something was not taken; it is sent again soon"
        if self._blocked:
            topic = next(iter(self._blocked))
            return f"topic {topic} is {self.sink.topic_state(topic).value}"
        return "reading" if self._ready or self._unsettled else "idle: everything has been read"

    @property
    def files(self) -> int:
        """How many files it has."""
        return len(self._by_id)

    @property
    def waiting_bytes(self) -> int:
        """Bytes known to be there that were not read."""
        return sum(t.unread for t in self._by_id.values())

    def close(self) -> None:
        """Let go of every descriptor."""
        for tailer in self._by_id.values():
            self._fds.close(tailer)


def _new_uid() -> str:
    return secrets.token_hex(8)


def _below(path: bytes, directories: Iterable[bytes]) -> bool:
    return any(path.startswith(d.rstrip(b"/") + b"/") for d in directories)


def _seen_of(known: Checkpoint) -> Seen:
    return Seen(known.seen_as, known.path, known.file_id, known.size, 0, (), known.compression)
