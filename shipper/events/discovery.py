"""What is seen of directories, and what keeps from seeing it. Any thread."""

from __future__ import annotations

from shipper.events.telling import Teller


class Discovery(Teller):
    """Of directories."""

    def directory_unreadable(self, path: bytes, why: str) -> None:
        """Tell that a directory cannot be searched: nothing is known about what is in it; it is tried again."""
        self.count("directory.unreadable")
        self.emit("warning", "directory.unreadable", every=3600, key=(path,), path=path, why=why)

    def link_refused(self, source: str, path: bytes, why: str) -> None:
        """Tell that a name is not followed: somebody points at what is not theirs. Told anew, at most once an hour."""
        self.count("link.refused", source)
        then = 'it is not read; follow_symlinks = "always" follows it, and every other one of the source'
        self.emit(
            "warning", "link.refused", every=3600, key=(source, why), source=source, path=path, why=why, then=then
        )

    def watch_limit(self, path: bytes) -> None:
        """Tell that the kernel gives no more inotify watches: directories are polled instead."""
        self.count("watch.limit")
        advice = "raise sysctl fs.inotify.max_user_watches; until then such directories are polled"
        self.emit("warning", "watch.limit", every=86400, path=path, advice=advice)

    def watch_unavailable(self, why: str, limit: str) -> None:
        """Inotify cannot be used: every directory is polled."""
        self.count("watch.unavailable")
        advice = f"raise sysctl {limit}; until then " if limit else ""
        self.emit("warning", "watch.unavailable", every=86400, why=why, advice=f"{advice}every directory is polled")

    def watch_overflow(self) -> None:
        """Tell that the kernel dropped events: everything is scanned."""
        self.count("watch.overflow")
        self.emit("info", "watch.overflow", every=60, advice="raise sysctl fs.inotify.max_queued_events if it recurs")

    def scan_done(self, seconds: float, files: int, directories: int) -> None:
        """Tell how long a full scan took."""
        self.count("scan")
        self.emit("debug", "scan.done", seconds=round(seconds, 3), files=files, directories=directories)
