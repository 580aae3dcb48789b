"""What becomes of log files. Any thread."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shipper.events.telling import Teller
from shipper.model import show_path


class Files(Teller):
    """Of the sources of files, and each file."""

    def source_scanned(self, source: str, files: int, waiting: int, *, first: bool) -> None:
        """Tell how many files a source has, and how many bytes wait in them, at its first look after the start."""
        self.emit("info", "source.scanned", source=source, files=files, bytes_waiting=waiting, first_scan=first)

    def source_blocked_first_scan(self, source: str, reason: str) -> None:
        """Tell that nothing of a source is sent before its first scan could be saved."""
        then = "nothing of this source is sent until the scan is saved; it is tried again"
        self.emit("error", "source.scan_unsaved", every=60, key=(source,), source=source, reason=reason, then=then)

    def file_found(self, source: str, path: bytes, inode: int, generation: int, size: int) -> None:
        """Count a new file generation, and tell its place among those of its path."""
        self.count("file.found", source)
        found: dict[str, Any] = {"inode": inode, "generation": generation, "size": size}
        self.emit("debug", "file.found", source=source, path=path, **found)

    @property
    def tells_reads(self) -> bool:
        """Whether anybody wants to know of every read."""
        return self._wants("debug")

    def file_read(self, source: str, path: bytes, inode: int, generation: int, start: int, end: int) -> None:
        """Tell which bytes of a file go to the client now: the order of these events is the order of the records."""
        if not self.tells_reads:
            return
        read: dict[str, Any] = {"inode": inode, "generation": generation, "start": start, "end": end}
        self.emit("debug", "file.read", source=source, path=path, **read)

    def file_undecided(self, source: str, path: bytes, inode: int, why: str, held: Iterable[bytes]) -> None:
        """Tell that it cannot be said yet what a file is, and which paths' later generations wait for that."""
        waiting = [show_path(path) for path in held]
        self.emit("debug", "file.undecided", source=source, path=path, inode=inode, why=why, waiting=waiting)

    def file_rotated(self, source: str, path: bytes, now: bytes, generation: int, unread: int) -> None:
        """Tell that a file has another name now."""
        self.count("file.rotated", source)
        self.emit("info", "file.rotated", source=source, path=path, now=now, generation=generation, unread=unread)

    def file_truncated(self, source: str, path: bytes, generation: int, read: int, unread: int) -> None:
        """Tell that a file holds other bytes than were read of it."""
        self.count("file.truncated", source)
        self.emit("info", "file.truncated", source=source, path=path, generation=generation, read=read, unread=unread)

    def file_continued(self, source: str, path: bytes, now: bytes, generation: int, offset: int) -> None:
        """Tell that the rest of a file is read from a copy, a compressed or a restored one."""
        self.count("file.continued", source)
        self.emit("info", "file.continued", source=source, path=path, now=now, generation=generation, offset=offset)

    def file_copy(self, source: str, path: bytes, copy: bytes) -> None:
        """Count a file that holds the lines of another and is not read."""
        self.count("file.copy", source)
        self.emit("debug", "file.copy", source=source, path=path, copy=copy)

    def file_finished(self, source: str, path: bytes, generation: int, size: int) -> None:
        """Tell that a generation is read to its end for good."""
        self.count("file.finished", source)
        self.emit("debug", "file.finished", source=source, path=path, generation=generation, size=size)

    def file_late(self, source: str, path: bytes, seen_as: bytes, records: int) -> None:
        """Tell that lines came to a file after it was finished: they are sent, their order is not promised."""
        self.count("file.late", source, records)
        self.emit("warning", "file.late", every=60, key=(source, path), source=source, path=path, seen_as=seen_as)

    def file_lost(self, source: str, path: bytes, generation: int, lost: int, why: str) -> None:
        """Tell that bytes known to have existed are nowhere any more."""
        self.count("file.lost", source)
        self.count("file.lost_bytes", source, lost)
        self.emit("error", "file.lost", source=source, path=path, generation=generation, bytes=lost, why=why)

    def file_unreadable(self, source: str, path: bytes, reason: str) -> None:
        """Tell once that a file cannot be read; it is tried again."""
        self.count("file.unreadable", source)
        then = "it is tried again until it can be read"
        self.emit("warning", "file.unreadable", source=source, path=path, reason=reason, then=then)

    def file_incomplete(self, source: str, path: bytes, reason: str) -> None:
        """Tell once that a compressed file is cut short or damaged, and no longer being written."""
        self.count("file.incomplete", source)
        then = "it is read when it has changed and is complete; what comes after it is read now"
        self.emit("warning", "file.incomplete", source=source, path=path, reason=reason, then=then)

    def descriptors_short(self, limit: int) -> None:
        """Tell that more files wait to be read than may be open at once."""
        then = "files are read in turn; raise shipper.max_open_files or LimitNOFILE"
        self.emit("warning", "descriptors.short", every=600, max_open_files=limit, then=then)
