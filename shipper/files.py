"""The operating system's seam: every call on a log file goes through :class:`Files`, with a label.

``fault`` is called with the label before each call; a test makes one call site fail by raising from it, or is faster
than the daemon there. Who can write a log directory may put anything under a name, at any moment: what a name leads to
is held by a descriptor that can do nothing but be looked at (``O_PATH``), and only what turns out to be a regular file,
reached by no link that is not trusted, is opened for reading, by that descriptor. So nothing here blocks on a FIFO, a
socket or a device, nor does anything to one. Called by the pump thread only.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import stat
import sys
import zlib
from collections.abc import Callable
from hashlib import blake2b
from typing import BinaryIO, NamedTuple, Protocol

from shipper import paths
from shipper.model import FileId, Fingerprint
from shipper.paths import Trust

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

HEAD = 1024  # bytes of a file's head that its fingerprint covers, at most
MARK = 256  # bytes before an offset that its mark covers, at most
DIGEST = 16  # bytes

OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
TRUST = Trust()  # where nothing is configured

# What the decompressors raise for a file that is cut short, still being written, or damaged.
BROKEN = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zstd.ZstdError, OSError)

Stream = gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile | zstd.ZstdFile
DECOMPRESSORS: dict[str, Callable[[BinaryIO], Stream]] = {
    "gz": lambda raw: gzip.GzipFile(fileobj=raw, mode="rb"),
    "bz2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
    "zst": zstd.ZstdFile,
}


class NotRegularError(OSError):
    """The name leads to something that is no regular file."""


class NotTrustedError(PermissionError):
    """The name is a link, or is reached by one, that is not followed."""


class Stat(NamedTuple):
    """What matters of ``stat(2)``."""

    file_id: FileId
    size: int
    mtime_ns: int
    links: int

    @classmethod
    def of(cls, found: os.stat_result) -> Stat:
        """Return what matters of what was found."""
        return cls(FileId(found.st_dev, found.st_ino), found.st_size, found.st_mtime_ns, found.st_nlink)


def digest(data: bytes) -> bytes:
    """Return the digest that fingerprints are made of."""
    return blake2b(data, digest_size=DIGEST).digest()


EMPTY_MARK = digest(b"")


class Files:
    """Calls to the operating system, each with an ``op`` label."""

    def __init__(self, fault: Callable[[str], None] | None = None, trust: Trust = TRUST) -> None:
        self.fault = fault
        self._trust = trust
        self._others: dict[Trust, Files] = {}

    def trusting(self, trust: Trust) -> Files:
        """Return the same, for a source that follows other links; one for all of its files."""
        if (other := self._others.get(trust)) is None:
            other = self._others[trust] = Files(self.fault, trust)
        return other

    def open(self, path: bytes, op: str = "log.open") -> int:
        """Open a regular file for reading and return its descriptor.

        Raises OSError, NotRegularError, NotTrustedError.
        """
        if self.fault:
            self.fault(op)
        place = paths.walk(path)
        try:
            if self.fault:
                self.fault(f"{op}.held")
            if not self._trust.allows(place):
                raise NotTrustedError(errno.EACCES, str(place.foreign or "a symbolic link"), path)
            if not stat.S_ISREG(place.stat.st_mode):
                raise NotRegularError(f"{path!r} is no regular file")
            try:
                return os.open(b"/proc/self/fd/%d" % place.fd, OPEN_FLAGS)
            except FileNotFoundError:  # no /proc here
                fd = os.open(path, OPEN_FLAGS)
            if not os.path.samestat(os.fstat(fd), place.stat):
                os.close(fd)
                raise NotRegularError(f"{path!r} leads elsewhere now")
            return fd
        finally:
            place.close()

    def fstat(self, fd: int) -> Stat:
        """Return what matters of an open file."""
        if self.fault:
            self.fault("log.fstat")
        return Stat.of(os.fstat(fd))

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        """Read up to ``size`` bytes at ``offset``; fewer only at the end of the file.

        All of them are of one content: where the file is cut short and written anew between two calls, what the first
        one gave is all.
        """
        if self.fault:
            self.fault("log.read")
        data = os.pread(fd, size, offset)
        if len(data) == size or not data:
            return data
        pieces = [data]  # a signal, or a file system that reads in pieces
        got = len(data)
        while got < size and (data := os.pread(fd, size - got, offset + got)):
            known = pieces[-1][-MARK:]
            if os.pread(fd, len(known), offset + got - len(known)) != known:
                break
            pieces.append(data)
            got += len(data)
        return b"".join(pieces)

    def unmounted(self, path: bytes, file_id: FileId) -> bool:
        """Whether the directory of ``path`` is away, or on another file system: that says nothing of a file in it.

        Of a symbolic link, the directory that it leads to.
        """
        if self.fault:
            self.fault("log.unmounted")
        try:
            return os.stat(os.path.dirname(os.path.realpath(path))).st_dev != file_id.dev
        except OSError:
            return True

    def close(self, fd: int) -> None:
        """Close a descriptor."""
        if self.fault:
            self.fault("log.close")
        os.close(fd)


def stat_of(path: bytes, file_id: FileId) -> os.stat_result | None:
    """Return how a file is by its name; None where that does not lead to it."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found if FileId(found.st_dev, found.st_ino) == file_id else None


def leads_to(path: bytes, file_id: FileId) -> bool:
    """Whether a name leads to a file."""
    return stat_of(path, file_id) is not None


class Reader(Protocol):
    """The bytes of an open file, decompressed where it is compressed. Offsets are of decompressed bytes."""

    def read(self, size: int, offset: int) -> bytes:
        """Return up to ``size`` bytes at ``offset``; fewer only at the end."""

    def stat(self) -> Stat:
        """Return what the operating system says of the file; its size is the one on disk."""

    def close(self) -> None:
        """Let go of the descriptor."""


class PlainReader:
    """A file that is read as it is."""

    __slots__ = ("_files", "fd")

    def __init__(self, files: Files, fd: int) -> None:
        self._files = files
        self.fd = fd

    def read(self, size: int, offset: int) -> bytes:
        """Return up to ``size`` bytes at ``offset``; fewer only at the end."""
        return self._files.pread(self.fd, size, offset)

    def stat(self) -> Stat:
        """Return what the operating system says of the file."""
        return self._files.fstat(self.fd)

    def size(self) -> int:
        """Return its size, at a quarter of what :meth:`stat` costs: for who looks often."""
        if self._files.fault:
            self._files.fault("log.fstat")
        return os.lseek(self.fd, 0, os.SEEK_END)  # nobody reads where that leads: every read says where

    def close(self) -> None:
        """Let go of the descriptor."""
        self._files.close(self.fd)


class PackedReader:
    """A compressed file, read through its decompressor.

    What was read last is kept, so that a reader which steps back a little (for the beginning of a partial line, or the
    bytes before an offset) costs nothing; stepping back further starts again from the beginning. Reading a file that
    is cut short raises one of :data:`BROKEN`.
    """

    def __init__(self, files: Files, fd: int, compression: str) -> None:
        self._files = files
        self.fd = fd
        self._decompressor = DECOMPRESSORS[compression]
        self._raw = os.fdopen(os.dup(fd), "rb")
        self._stream: Stream = self._decompressor(self._raw)
        self._last = b""
        self._last_at = 0

    def read(self, size: int, offset: int) -> bytes:
        """Return up to ``size`` decompressed bytes at ``offset``; fewer only at the end."""
        try:
            return self._read(size, offset)
        except BROKEN:
            self._begin_again()
            raise

    def _begin_again(self) -> None:
        """Begin at the first byte again: after an error the decompressor may be anywhere, and would stay so."""
        self._raw.seek(0)
        self._stream = self._decompressor(self._raw)
        self._last, self._last_at = b"", 0

    def _read(self, size: int, offset: int) -> bytes:
        at = self._last_at
        have = self._last[offset - at :] if at <= offset <= at + len(self._last) else b""
        if len(have) >= size:
            return have[:size]
        want = offset + len(have)
        if self._stream.tell() != want and self._stream.seek(want) != want:
            return b""  # the offset is beyond the end
        pieces = [have]
        missing = size - len(have)
        while missing > 0 and (data := self._stream.read(missing)):
            pieces.append(data)
            missing -= len(data)
        self._last, self._last_at = b"".join(pieces), offset
        return self._last

    def length(self) -> int:
        """Decompress to the end and return the number of bytes; raises one of BROKEN for an incomplete file."""
        self._stream.seek(0)
        total = 0
        while data := self._stream.read(1 << 20):
            total += len(data)
        return total

    def stat(self) -> Stat:
        """Return what the operating system says of the file."""
        return self._files.fstat(self.fd)

    def close(self) -> None:
        """Let go of the descriptor."""
        self._stream.close()
        self._raw.close()
        self._files.close(self.fd)


def open_reader(files: Files, path: bytes, compression: str) -> PlainReader | PackedReader:
    """Open ``path`` for reading; raises OSError, NotRegularError, NotTrustedError."""
    fd = files.open(path)
    if not compression:
        return PlainReader(files, fd)
    try:
        return PackedReader(files, fd, compression)
    except BaseException:
        files.close(fd)
        raise


def fingerprint_at(reader: Reader, offset: int) -> Fingerprint:
    """Return the fingerprint of a file for ``offset``, read from the file as it is now.

    The head may go beyond the offset: the bytes of a log do not change.
    """
    head = reader.read(HEAD, 0)
    start = max(0, offset - MARK)
    mark = head[start:offset] if offset <= len(head) else reader.read(offset - start, start)
    return Fingerprint(len(head), digest(head), offset, digest(mark))


def matches(reader: Reader, fingerprint: Fingerprint) -> bool:
    """Whether the file's bytes are those that ``fingerprint`` was taken of, up to its offset."""
    head_len, head, mark_at, mark = fingerprint
    if head_len and digest(reader.read(head_len, 0)) != head:
        return False
    start = max(0, mark_at - MARK)
    window = reader.read(mark_at - start, start)
    return len(window) == mark_at - start and digest(window) == mark
