"""How the daemon is: start and stop, status, reload, and what it tells whom. Any thread."""

from __future__ import annotations

from shipper.events.telling import Teller


class Service(Teller):
    """Of the daemon."""

    def library_said(self, level: str, library: str, text: str) -> None:
        """Pass on what a library has logged, or warned of."""
        self.count("library.said")
        self.emit(level, "library.said", every=60, key=(library, text), library=library, text=text)

    def service_starting(self, state_dir: str, sources: int) -> None:
        """Tell that the daemon starts."""
        self.emit("info", "service.starting", state_dir=state_dir, sources=sources)

    def service_ready(self, brokers: int, sources: int, files: int) -> None:
        """Tell that the brokers have answered and everything is under way."""
        self.emit("info", "service.ready", brokers=brokers, sources=sources, files=files)

    def service_degraded(self, reason: str) -> None:
        """Tell that the daemon runs, and that no broker has answered yet."""
        then = "files are watched and nothing is lost; sending begins when a broker answers"
        self.emit("warning", "service.degraded", reason=reason, then=then)

    def service_draining(self, records: int) -> None:
        """Tell that reading has stopped and what is in flight is being delivered."""
        self.emit("info", "service.draining", in_flight=records)

    def service_stopped(self, delivered: int, in_flight: int, unread: int, *, saved: bool) -> None:
        """Tell what was delivered, and what is left for the next start."""
        level = "info" if saved and not in_flight else "warning"
        self.emit(level, "service.stopped", delivered=delivered, undelivered=in_flight, unread=unread, saved=saved)

    def status_unavailable(self, path: bytes, reason: str) -> None:
        """Tell that nobody can ask the daemon for its status."""
        self.emit("warning", "status.unavailable", path=path, reason=reason, then="the daemon goes on without")

    def admin_listening(self, address: str) -> None:
        """Tell where the status page and the metrics are."""
        self.emit("info", "admin.listening", address=address)

    def manager_unreachable(self, reason: str) -> None:
        """Tell that the service manager did not take a message."""
        self.emit("warning", "manager.unreachable", every=300.0, reason=reason)

    def manager_without_library(self) -> None:
        """Tell that a service manager waits for messages that cannot be sent."""
        found = "NOTIFY_SOCKET is set, and systemd-python is not installed"
        then = "install shipper[systemd], or set Type=exec and no WatchdogSec in the unit"
        self.emit("error", "manager.unreachable", reason=found, then=then)

    def service_status(
        self, state: str, brokers: int, reason: str, delivered: int, in_flight: int, unread: int
    ) -> None:
        """Tell how it is going, on request."""
        self.emit(
            "info",
            "service.status",
            state=state,
            brokers=brokers,
            reason=reason or None,
            delivered=delivered,
            in_flight=in_flight,
            unread=unread,
        )

    def source_status(self, source: str, files: int, unread: int, why_idle: str) -> None:
        """Tell how it is going with one source, on request."""
        self.emit("info", "source.status", source=source, files=files, unread=unread, state=why_idle)

    def tap_opened(self, source: str) -> None:
        """Tell that somebody looks at the records as they leave."""
        self.emit("info", "tap.opened", source=source)

    def tap_closed(self, source: str) -> None:
        """Tell that nobody looks any more."""
        self.emit("info", "tap.closed", source=source)

    def reload_refused(self, problems: list[str]) -> None:
        """Tell that a new configuration is bad and the old one stays."""
        self.count("config.refused")
        for problem in problems:
            self.emit("error", "config.refused", problem=problem, then="the old configuration stays in force")

    def reloading(self, sources: int, changes: str) -> None:
        """Tell that a new configuration comes into force, and what is different in it."""
        self.count("config.reloaded")
        self.emit("info", "config.reloaded", sources=sources, changes=changes)

    def source_added(self, source: str) -> None:
        """Tell that a source has come, by a reload."""
        self.emit("info", "source.added", source=source)

    def source_changed(self, source: str) -> None:
        """Tell that a source goes on from its acked offsets as a reload wants it."""
        self.emit("info", "source.changed", source=source)

    def source_removed(self, source: str, unread: int) -> None:
        """Tell that a source has gone, by a reload, with everything that it had sent acknowledged."""
        self.emit("info", "source.removed", source=source, unread=unread, then="its checkpoints are kept")

    def pump_hangs(self) -> None:
        """Tell that the pump did not end in time."""
        self.emit(
            "error", "service.hangs", thread="pump", then="the daemon ends without it; nothing that counts is lost"
        )
