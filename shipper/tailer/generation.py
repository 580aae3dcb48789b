"""What is known of one generation of one file: which it is, how large, how far it was read and is acknowledged.

Opens nothing: what reads it (:mod:`shipper.tailer.reading`) and what follows it (:mod:`shipper.filesource`) note here
what they saw. Pump thread only.
"""

from __future__ import annotations

from typing import Any

from shipper import files as osfiles
from shipper.ledger import Position, Track
from shipper.lifecycle import FILE, File, FileEvent, step
from shipper.model import Checkpoint, FileState, Fingerprint


class Generation:
    """One generation of one file."""

    __slots__ = (
        "__weakref__",
        "away",
        "compression",
        "detached",
        "file_id",
        "fresh",
        "generation",
        "grew_at",
        "head",
        "head_len",
        "key",
        "linked",
        "path",
        "quiet_size",
        "read",
        "retry_delay",
        "seen_as",
        "seen_empty",
        "size",
        "source",
        "start",
        "state",
        "sure",
        "topic",
        "track",
        "uid",
        "unseen",
        "warned",
    )

    def __init__(self, checkpoint: Checkpoint, topic: str, key: bytes) -> None:
        """Begin at a checkpoint."""
        cp = checkpoint
        self.uid = cp.uid
        self.source = cp.source
        self.path = cp.path  # under which it was first found: the key comes from it
        self.seen_as: bytes = cp.seen_as
        self.file_id = cp.file_id
        self.generation = cp.generation
        self.compression = cp.compression
        self.start = cp.start
        self.size = cp.size
        self.sure = cp.size  # what of that is known to be bytes of this generation
        self.state = File.FINISHED if cp.state is FileState.FINISHED else File.WAITING
        mark = cp.fingerprint.mark or osfiles.EMPTY_MARK
        self.read = Position(cp.offset, mark)
        self.track = Track(self.read, self)
        self.head_len = cp.fingerprint.head_len
        self.head = cp.fingerprint.head
        self.topic = topic
        self.key = key
        self.fresh: Any = None  # since when its lines wait, once that is of interest to who reads it
        self.grew_at = 0.0  # when bytes were last seen that had not been there before
        self.quiet_size = -1  # its size when it was last seen to have grown
        self.linked = True  # it has a name
        self.away = False  # it was not there when its name was looked for last
        self.detached = False  # its file id leads to other bytes now
        self.seen_empty = False  # under a rotated name
        self.unseen = False  # it was taken for new without a look at its bytes
        self.retry_delay = 0.0
        self.warned = False

    def event(self, event: FileEvent) -> None:
        """Step the state machine."""
        self.state = step(FILE, self.state, event)

    @property
    def unread(self) -> int:
        """Bytes known to be there that were not read."""
        return 0 if self.compression else max(0, self.size - self.read.offset)

    @property
    def lost(self) -> int:
        """Bytes known to have been there that were not read, if nothing can be read of it any more."""
        return 0 if self.compression else max(0, self.sure - self.read.offset)

    @property
    def finished(self) -> bool:
        """It was read to its end, and what still comes is late."""
        return self.state is File.FINISHED

    @property
    def gone(self) -> bool:
        """Nothing more of it can be read."""
        return self.state is File.LOST

    @property
    def blank(self) -> bool:
        """It was rotated without a byte, and none was read of it: what comes into it is another's, perhaps."""
        return self.seen_empty and not self.read.offset

    @property
    def settled(self) -> bool:
        """Everything that was read is acknowledged."""
        track = self.track
        return not track.chunks and track.acked.offset >= self.read.offset  # else it waits to be read again

    def fingerprint(self, position: Position) -> Fingerprint:
        """Return what verifies this generation at ``position``."""
        return Fingerprint(self.head_len, self.head, position.offset, position.mark)

    def checkpoint(self, revision: int, *, ahead: bool = False) -> Checkpoint:
        """Return what is to be saved of it now; ``ahead``: as if all that was sent had been acknowledged."""
        acked = self.track.ahead if ahead else self.track.acked
        # Not what was aborted and waits to be read again: nothing of it is in flight, and it is not acknowledged.
        settled = (ahead or self.track.idle) and acked.offset == self.read.offset
        finished = settled and self.state in (File.FINISHED, File.LOST)
        return Checkpoint(
            uid=self.uid,
            source=self.source,
            path=self.path,
            seen_as=self.seen_as,
            file_id=self.file_id,
            generation=self.generation,
            offset=acked.offset,
            fingerprint=self.fingerprint(acked),
            size=self.sure,  # the next process cannot know that what was seen beyond it may be another file's
            state=FileState.FINISHED if finished else FileState.OPEN,
            compression=self.compression,
            revision=revision,
            start=self.start,
        )

    def unlearn(self) -> None:
        """Forget the first bytes of a file of which nothing was read: they are another's, perhaps."""
        self.head_len, self.head = 0, b""
