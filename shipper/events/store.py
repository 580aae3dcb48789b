"""What is saved on this machine: checkpoints, dead letters. Any thread."""

from __future__ import annotations

from shipper.events.telling import Teller


class Store(Teller):
    """Of the state directory and what is in it."""

    def state_dir_open(self, path: bytes, why: str) -> None:
        """Tell that somebody else could change what the daemon remembers."""
        then = "whoever can write there can have lines sent again, or never; let only the daemon's user write"
        self.emit("warning", "state_dir.open", path=path, why=why, then=then)

    def checkpoints_set_aside(self, store: bytes, moved_to: bytes, reason: str) -> None:
        """Tell that the store cannot be believed and a new one begins: nothing may start at the end now."""
        self.count("checkpoints.set_aside")
        then = "every file is read again from its beginning: what was delivered before is sent again, nothing is lost"
        self.emit("error", "checkpoints.set_aside", store=store, moved_to=moved_to, reason=reason, then=then)

    def checkpoints_renewed(self, store: bytes, reason: str) -> None:
        """Tell that the store was taken away under the daemon, which goes on in what is there now."""
        self.count("checkpoints.renewed")
        then = "everything is saved there anew; until then a kill would send again what was delivered before"
        self.emit("warning", "checkpoints.renewed", store=store, reason=reason, then=then)

    def checkpoints_saved(self, files: int) -> None:
        """Count a save; it happens every second, so there is no line."""
        self.count("checkpoints.saved", by=files)

    def checkpoints_failing(self, reason: str, unsaved: int) -> None:
        """Tell that a save failed, and is tried again until it succeeds."""
        self.count("checkpoints.failing")
        then = "sending goes on; after a restart now, what was delivered since the last save would be sent again"
        self.emit("error", "checkpoints.failing", every=60, reason=reason, unsaved=unsaved, then=then)

    def checkpoints_recovered(self, store: bytes, seconds: float) -> None:
        """Tell that a save succeeded after others had failed."""
        self.count("checkpoints.recovered")
        self.emit("info", "checkpoints.recovered", every=60, store=store, after=round(seconds, 1))

    def checkpoints_unsaved(self, store: bytes, unsaved: int, reason: str) -> None:
        """Tell that the daemon stops with checkpoints that could not be saved."""
        self.count("checkpoints.unsaved", by=unsaved)
        then = "what was delivered since the last save is sent again at the next start"
        self.emit("error", "checkpoints.unsaved", store=store, unsaved=unsaved, reason=reason, then=then)

    def record_deadlettered(
        self, source: str, path: bytes, offset: int, part: int, topic: str, size: int, meaning: str, cursor: str = ""
    ) -> None:
        """Tell that a record which was refused for good is safe in the dead letters: its source goes on behind it.

        ``cursor``: of an entry of the journal, "" for a line of a file.
        """
        self.count("record.deadlettered", source)
        self.count("record.deadlettered_bytes", source, size)
        self.emit(
            "warning",
            "record.deadlettered",
            every=60,
            key=(source, meaning),
            source=source,
            path=path or None,
            offset=offset if path else None,
            cursor=cursor or None,
            part=part or None,
            topic=topic,
            size=size,
            meaning=meaning,
            then="shipper deadletter list shows it; deadletter replay sends it again",
        )

    def deadletters_removed(self, file: bytes) -> None:
        """Tell that the file of dead letters was taken away under the daemon."""
        self.count("deadletters.removed")
        then = "what was kept in it is not there any more; the next ones are kept in what is there now, or anew"
        self.emit("error", "deadletters.removed", file=file, then=then)

    def deadletters_set_aside(self, file: bytes, moved_to: bytes, reason: str) -> None:
        """Tell that the dead letters cannot be read, were kept under another name, and that a new file begins."""
        self.count("deadletters.set_aside")
        self.emit("error", "deadletters.set_aside", file=file, moved_to=moved_to, reason=reason)
