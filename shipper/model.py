"""Values that cross module borders, and the protocols of the seams; imports nothing of ours.

A path is ``bytes`` everywhere in the core: a file's name need not be UTF-8. It becomes text only where a person or a
record sees it (:func:`show_path`, :func:`path_text`). Durations are seconds (float), sizes and offsets are bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from os import urandom
from typing import Any, NamedTuple, Protocol


class FileId(NamedTuple):
    """Which file this is to the operating system. The device may change with a remount; a fingerprint verifies."""

    dev: int
    ino: int


_DEVICES: dict[int, int] = {}


def file_id_of(dev: int, ino: int) -> FileId:
    """Return an id that is kept: all of one device share one number, for there may be very many."""
    return FileId(_DEVICES.setdefault(dev, dev), ino)


class Fingerprint(NamedTuple):
    """Content that verifies a file id: digests of the file's head and of the bytes just before an offset.

    ``head`` is the digest of bytes ``[0, head_len)`` with ``head_len <= HEAD``; ``mark`` that of
    ``[max(0, mark_at - MARK), mark_at)``. ``mark_at`` is the offset of the checkpoint that it belongs to.
    """

    head_len: int
    head: bytes
    mark_at: int
    mark: bytes


NO_FINGERPRINT = Fingerprint(0, b"", 0, b"")


class FileState(StrEnum):
    """What a checkpoint says of its file."""

    OPEN = "open"  # being read, or to be read
    FINISHED = "finished"  # read to its end and succeeded by another; kept so that its compression is recognised
    LEFT = "left"  # there at the source's first scan and left alone; never read
    COPY = "copy"  # holds the same lines as another generation, which is read instead of it


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All that is saved of one file generation, or of one journal.

    ``uid`` is assigned at first sight and kept through rename, copy and compression; it may leave the host.
    ``path`` is the name under which the file was first found (``{path}`` and the key come from it), ``seen_as`` where
    it was last seen (equal to ``path`` until it is rotated). ``offset`` is the acked offset, counted in decompressed
    bytes where ``compression`` is not "". ``size`` is the last size seen on disk. ``generation`` counts the files that
    ``path`` has named, from 0. ``start`` is the first offset that was to be read: what stands before it was there
    at the first scan, and left alone. ``revision`` grows with every change: of two checkpoints of one generation, the
    one with the higher revision is the later one, wherever it was saved.

    Of a journal, ``cursor`` is that of the last entry that was acknowledged, "" before the first one, ``offset`` counts
    the entries that were passed, and ``seen_as`` is its directory where that is configured. A file has no cursor.
    """

    uid: str
    source: str
    path: bytes
    seen_as: bytes
    file_id: FileId
    generation: int
    offset: int
    fingerprint: Fingerprint = NO_FINGERPRINT
    size: int = 0
    state: FileState = FileState.OPEN
    compression: str = ""
    revision: int = 0
    start: int = 0
    cursor: str = ""

    @property
    def of_journal(self) -> bool:
        """Whether it is a journal's: every file has a path."""
        return not self.path


EDIT = 1 << 32  # by this an edit raises a revision: beyond all that a daemon has counted and could not save here


class Edit(NamedTuple):
    """What a person made of saved checkpoints, to be done as well to those that are saved elsewhere.

    Edits count from 1. ``uid`` is "" for all of the source. They are removed where ``becomes`` is "", and else belong
    to the source of that name, with a revision that is higher by ``EDIT``.
    """

    number: int
    source: str
    uid: str
    becomes: str


@dataclass(frozen=True, slots=True)
class SourceState:
    """What the store knows of one source. ``scanned``: its first scan has been recorded.

    ``files`` may be very many: whoever goes on from them takes them out one by one, so that they are not there twice.
    """

    scanned: bool
    files: list[Checkpoint] = field(default_factory=list)

    def of(self, *, journal: bool) -> SourceState:
        """Return what is known of a source that reads a journal, or files: its name may have been another's."""
        if all(c.of_journal == journal for c in self.files):
            return self
        kept = [c for c in self.files if c.of_journal == journal]
        return SourceState(self.scanned and bool(kept), kept)


class Seen(NamedTuple):
    """One regular file, as discovery found it.

    ``path`` is the name found. ``base`` is the watched path that it belongs to: equal to ``path`` where a glob of the
    source matches the name itself; where only the rotation rules say so (``app.log.1`` for ``app.log``), the watched
    path. ``rank`` orders the rotated siblings of one base: a sort key, oldest first; ``()`` for ``path == base``.
    ``compression`` is "gz", "bz2", "xz", "zst" by the name's ending, or "". ``size`` and ``mtime_ns`` are of the
    target where ``path`` is a symbolic link. Not ``adoptable``: ``exclude`` hides the name, or nothing says
    that it concerns the source, and it is told only so that a file which is known already can be followed there; an
    unknown file is none of the source's.
    """

    path: bytes
    base: bytes
    file_id: FileId
    size: int
    mtime_ns: int
    rank: tuple[Any, ...] = ()
    compression: str = ""
    adoptable: bool = True


@dataclass(slots=True)
class Observation:
    """What discovery has to tell one source.

    ``seen``: files that are there now, in the order of their names. ``gone``: names that were looked at and are not
    there (or are no regular file). ``complete``: a full scan; a name that is not in ``seen`` was not found at all.
    ``unreadable`` directories make a scan say nothing about the names below them.
    """

    source: str
    seen: list[Seen] = field(default_factory=list)
    gone: set[bytes] = field(default_factory=set)
    complete: bool = False
    unreadable: tuple[bytes, ...] = ()

    def hides(self, path: bytes) -> bool:
        """Whether it says nothing of a name, at whatever depth below an unreadable directory."""
        return any(path.startswith(directory.rstrip(b"/") + b"/") for directory in self.unreadable)


class TopicState(StrEnum):
    """Whether records for a topic may be sent now."""

    READY = "ready"
    UNKNOWN = "unknown"  # not asked yet, or the brokers do not answer
    MISSING = "missing"
    DENIED = "denied"

    @property
    def hopeless(self) -> bool:
        """Whether somebody has to do something about it."""
        return self in (TopicState.MISSING, TopicState.DENIED)


class LongLine(NamedTuple):
    """Why a record is kept instead of sent: its line has ``full`` bytes, more than ``most``."""

    full: int
    most: int

    def name(self) -> str:
        """Return what stands for an error's name."""
        return "LINE_TOO_LONG"

    def __str__(self) -> str:
        return f"the line has {self.full:,} bytes, more than max_line ({self.most:,}); what fits is kept"


class DeliveryClass(StrEnum):
    """What a delivery error asks of the daemon."""

    REFUSED_RECORD = "refused_record"  # this record will never be taken
    TOPIC = "topic"  # the topic or partition is not there (any more): keep, wait for it, send again
    CREDENTIALS = "credentials"  # not allowed: keep, say so, send again
    RETRY = "retry"  # purged, timed out, anything else that says nothing about the record: send again
    FATAL = "fatal"  # the client is finished


Headers = list[tuple[str, bytes]]


@dataclass(slots=True)
class Messages:
    """Records as they are sent, in order: their values, and one key for all of them or the key of each."""

    values: list[bytes]
    keys: bytes | list[bytes]

    def __len__(self) -> int:
        """Return how many they are."""
        return len(self.values)

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the key and the value of each."""
        return zip(self.all_keys, self.values, strict=True)

    @property
    def all_keys(self) -> list[bytes]:
        """The key of each."""
        return [self.keys] * len(self.values) if isinstance(self.keys, bytes) else self.keys

    def key(self, index: int) -> bytes:
        """Return the key of one of them."""
        return self.keys if isinstance(self.keys, bytes) else self.keys[index]

    def cut(self, at: slice) -> Messages:
        """Return some of them that stand together."""
        return Messages(self.values[at], self.keys if isinstance(self.keys, bytes) else self.keys[at])

    def pick(self, indexes: Sequence[int]) -> Messages:
        """Return those at ``indexes``."""
        values, keys = self.values, self.keys
        return Messages([values[i] for i in indexes], keys if isinstance(keys, bytes) else [keys[i] for i in indexes])


class DeliveryReport(Protocol):
    """Is told what became of records, on the thread that polls: must be light. Each of them is told of once."""

    def ack(self, count: int, /) -> None:
        """Take note that ``count`` records have arrived."""

    def nack(self, error: Any, topic: str, count: int, /) -> None:
        """Take note that ``count`` records for ``topic`` were not taken, and why (``KafkaError``).

        ``error`` is None where the client says that they were taken and no broker has said so: it concludes that from
        the success of later ones (docs/decisions/one-request-at-a-time.md).
        """


class Sink(Protocol):
    """Where records go. All methods are called by the pump thread only."""

    def topic_state(self, topic: str) -> TopicState:
        """Whether records may be sent to ``topic``; never blocks, and makes sure that an answer is on its way."""

    def fits(self, topic: str) -> int:
        """Bytes of key and value that ``topic``, which is ready, takes in a batch with others, as far as is known.

        A larger record may be refused for its size, and is then alone in its batch.
        """

    def hold(self, topic: str) -> None:
        """Forget that ``topic`` was ready: after an error it must be seen again before anything is sent to it."""

    def send(self, topic: str, messages: Messages, report: DeliveryReport, *, alone: bool = False) -> None:
        """Queue all of ``messages``, in order; ``report`` is told of each once.

        With ``alone`` each of them is the only one of its batch. Its order is then only kept against what is sent
        alone too: nothing else that it must keep in order with may be in flight.
        """

    def send_each(
        self,
        topic: str,
        messages: Messages,
        headers: Sequence[Headers] | None,
        report: DeliveryReport,
        *,
        alone: bool = False,
        topics: Sequence[str] | None = None,
        timestamps: Sequence[int] | None = None,
    ) -> None:
        """Queue all of ``messages``, each with its own headers, topic (else ``topic``) and time; else as :meth:`send`.

        A time is in milliseconds since 1970, 0: now. Between two topics no order is kept.
        """

    def send_few(self, topic: str, messages: Messages, reports: Sequence[tuple[DeliveryReport, int]]) -> None:
        """Queue ``messages`` of several chunks, as :meth:`send` would; ``reports`` says who is told of how many."""

    def push(self, after: float = 0.0, spare: float = 0.0) -> float:
        """Let what was sent go now, as no more comes for a while; returns when to call it again, infinite: not needed.

        Otherwise it waits for its batches to be full, for a while. With ``after`` only what
        was sent so many seconds ago lets all of it go. It may take ``spare`` seconds.
        """

    def poll(self, timeout: float) -> int:
        """Serve delivery reports for up to ``timeout`` seconds; returns how many events; raises ProducerFatal."""

    def close(self, timeout: float) -> None:
        """Let go of the client, waiting at most ``timeout`` seconds for what is in flight."""


class Clock(Protocol):
    """Monotonic seconds."""

    def __call__(self) -> float:
        """Return the time in seconds; never goes back."""


def new_uid() -> str:
    """Return an identity that nothing else has: of a file generation or a journal, for ever, or of a run."""
    return urandom(8).hex()


def path_text(path: bytes) -> str:
    """Return ``path`` as text for a record's key; bytes that are not UTF-8 stay recoverable (surrogateescape)."""
    return os.fsdecode(path)


def show_path(path: bytes) -> str:
    """Return ``path`` for people: control characters and invalid bytes are escaped."""
    text = path.decode("utf-8", "backslashreplace")
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def counted(number: int, noun: str) -> str:
    """Return ``number`` and its noun for people: "1 file", "2 files"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
