"""The files of one source that are known and not read: they were there at its first scan, or are copies.

By file id, the checkpoint of each. What is changed here, by these methods only, is noted as to be saved. There may be
very many, and few that a question is about: those of a path, and copies by their names, are found without a look at the
others. Pump thread only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from shipper.filesource.unsaved import Unsaved
from shipper.model import Checkpoint, FileId, FileState, Fingerprint, Observation, Seen, new_uid

FORGET_AFTER = 600.0  # seconds for which a file has to be gone before its checkpoint may go
NO_DEVICE = -1  # of the id of a file whose own id another has


@dataclass(frozen=True, slots=True)
class _Known:
    """What is to be saved of one."""

    saved: Checkpoint

    def checkpoint(self, revision: int, *, ahead: bool = False) -> Checkpoint:  # noqa: ARG002 - none of it is ever sent
        """Return it."""
        return replace(self.saved, revision=revision)


def unread(source: str, one: Seen, state: FileState, fingerprint: Fingerprint, *, uid: str) -> Checkpoint:
    """Return what is saved of a file that is known and not read."""
    return Checkpoint(
        uid=uid,
        source=source,
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


Index = dict[bytes, tuple[FileId, ...]]  # of most names there is one


class Left(dict[FileId, Checkpoint]):
    """What is known of them; see the module."""

    def __init__(self, source: str, unsaved: Unsaved) -> None:
        super().__init__()
        self._source = source
        self._unsaved = unsaved
        self._gone_since: dict[str, float] = {}
        self._of_path: Index = {}
        self._copies: Index = {}  # by the names that they were last seen under

    def restore(self, saved: Checkpoint) -> None:
        """Take in what was saved."""
        self._put(saved)

    def of(self, path: bytes) -> list[Checkpoint]:
        """Return those of a path."""
        return [self[file_id] for file_id in self._of_path.get(path, ())]

    def copies(self, names: set[bytes]) -> list[Checkpoint]:
        """Return the copies that were last seen under these names."""
        return [self[file_id] for name in sorted(self._copies.keys() & names) for file_id in self._copies[name]]

    def leave(self, one: Seen, state: FileState, fingerprint: Fingerprint) -> None:
        """Note a file that is known and not read."""
        old = self.get(one.file_id)
        self._note(unread(self._source, one, state, fingerprint, uid=old.uid if old else new_uid()))

    def has_changed(self, one: Seen) -> bool:
        """Whether one that was seen may hold other bytes now."""
        left = self[one.file_id]
        if one.path != left.seen_as:
            left = replace(left, seen_as=one.path)
            self._note(left)
        if left.state is FileState.LEFT and one.size > left.size:
            self._put(replace(left, size=one.size))
            return False  # left alone at the first scan, and so is what a slow writer adds to it
        return one.size != left.size

    def has_copies(self, path: bytes) -> bool:
        """Whether there are files that were not read because a generation of ``path`` was."""
        return any(left.state is FileState.COPY for left in self.of(path))

    def part(self, left: Checkpoint) -> None:
        """Keep what is known of a file whose id another file has now: it may be there under another id, compressed."""
        self._take_out(left.file_id)
        self._note(replace(left, file_id=FileId(NO_DEVICE, int(left.uid[:12], 16))))

    def take_up(self, file_id: FileId) -> None:
        """Forget that a file was known and not read."""
        if (left := self._take_out(file_id)) is not None:
            self._gone_since.pop(left.uid, None)
            self._unsaved.removed(left.uid)

    def forget_vanished(self, seen: Observation, found: dict[FileId, Seen], siblings: set[bytes], now: float) -> None:
        """Forget those that are gone for good; not of paths that have rotated ``siblings``: one may be its copy."""
        for left in list(self.values()):
            if left.file_id in found or seen.hides(left.seen_as):
                self._gone_since.pop(left.uid, None)
            elif now - self._gone_since.setdefault(left.uid, now) >= FORGET_AFTER and left.path not in siblings:
                self.take_up(left.file_id)

    def all_changed(self) -> None:
        """Note that all of them are to be saved."""
        for left in self.values():
            self._unsaved.changed(left.uid, _Known(left))

    def _note(self, left: Checkpoint) -> None:
        self._put(left)
        self._unsaved.changed(left.uid, _Known(left))

    def _put(self, left: Checkpoint) -> None:
        self._take_out(left.file_id)
        self[left.file_id] = left
        self._of_path[left.path] = (*self._of_path.get(left.path, ()), left.file_id)
        if left.state is FileState.COPY:
            self._copies[left.seen_as] = (*self._copies.get(left.seen_as, ()), left.file_id)

    def _take_out(self, file_id: FileId) -> Checkpoint | None:
        left = self.pop(file_id, None)
        if left is not None:
            _drop(self._of_path, left.path, file_id)
            if left.state is FileState.COPY:
                _drop(self._copies, left.seen_as, file_id)
        return left


def _drop(index: Index, name: bytes, file_id: FileId) -> None:
    index[name] = tuple(other for other in index[name] if other != file_id)
    if not index[name]:
        del index[name]
