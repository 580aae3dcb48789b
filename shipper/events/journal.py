"""What becomes of the journal. Any thread."""

from __future__ import annotations

from typing import Any

from shipper.events.telling import Teller


class Journal(Teller):
    """Of the journals."""

    def journal_read(self, source: str, start: int, end: int, cursor: str, records: int) -> None:
        """Tell which entries go to the client now, by their numbers, and the cursor of the last one."""
        self.emit("debug", "journal.read", source=source, start=start, end=end, cursor=cursor, records=records)

    def journal_unreadable(self, source: str, directory: str, reason: str, *, denied: bool = False) -> None:
        """Tell once that the journal cannot be read, as this user may not (``denied``) perhaps; it is tried again."""
        self.count("journal.unreadable", source)
        advice = "add the daemon's user to the group systemd-journal, and restart it; " if denied else ""
        then = f"{advice}it is tried again until it can be read"
        where = directory or None
        self.emit("warning", "journal.unreadable", source=source, directory=where, reason=reason, then=then)

    def journal_readable(self, source: str, directory: str) -> None:
        """Tell that the journal can be read again."""
        self.emit("info", "journal.readable", source=source, directory=directory or None)

    def journal_denied(self, source: str, path: str, reason: str, files: int) -> None:
        """Tell that this user may not read files of the journal, as those of other users."""
        self.count("journal.denied", source, files)
        then = "what is in such files is not shipped; add the daemon's user to the group systemd-journal"
        self.emit("warning", "journal.denied", source=source, path=path, reason=reason, files=files, then=then)

    def journal_damaged(self, source: str, path: str, reason: str) -> None:
        """Tell that a file of the journal is damaged and left out."""
        self.count("journal.damaged", source)
        then = "what is in it is not shipped; journalctl --verify says more"
        self.emit("error", "journal.damaged", source=source, path=path, reason=reason, then=then)

    def journal_entries_damaged(self, source: str, entries: int, reason: str) -> None:
        """Tell that entries of the journal cannot be read and are passed over."""
        self.count("journal.entries_damaged", source, entries)
        then = "they are passed over; journalctl --verify says more"
        quiet: dict[str, Any] = {"every": 60, "key": (source,)}
        self.emit("error", "journal.entries_damaged", **quiet, source=source, entries=entries, reason=reason, then=then)

    def journal_gap(self, source: str, before: str, after: str, entries: int | None) -> None:
        """Tell that entries were removed from the journal before they were read; ``entries``: so many at most."""
        self.count("journal.gap", source)
        then = "goes on at the oldest entry after it; give the journal more room: SystemMaxUse= in journald.conf"
        found: dict[str, Any] = {"after": after, "entries_at_most": entries, "then": then}
        self.emit("error", "journal.gap", source=source, read_up_to=before, **found)
