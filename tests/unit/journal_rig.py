"""A pump that reads a journal: one in memory, or files that were made by systemd-journal-remote."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shipper.config import JournalConfig
from shipper.journal import reader as library
from shipper.journal.source import JournalSource
from tests.unit.fake_journal import FakeJournal, Value
from tests.unit.rig import PumpRig


class JournalRig(PumpRig):
    """One source "s" that reads a journal."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch | None = None, **source: Any) -> None:
        """Let it read ``journal``, in memory; without ``monkeypatch`` the directory ``journal``."""
        super().__init__(root)
        self.journal = FakeJournal()
        self.tried: dict[str, OSError] = {}
        if monkeypatch is not None:
            monkeypatch.setattr(library, "open_journal", self.journal.open)
            monkeypatch.setattr(library, "try_file", self.tried.get)
        self.directory = root / "journal"
        self.directory.mkdir(exist_ok=True)
        self.set(**source)

    def set(self, **source: Any) -> None:
        """Give the source other keys; from the next start on."""
        config = JournalConfig(name="s", **{"topic": "t", "directory": str(self.directory)} | source)
        self.config = msgspec.structs.replace(self.config, sources={"s": config})

    def exactly_once(self) -> None:
        """Deliver in transactions."""
        kafka = msgspec.structs.replace(self.config.kafka, delivery="exactly_once")
        self.config = msgspec.structs.replace(self.config, kafka=kafka)

    @property
    def reader(self) -> JournalSource:
        """The source, as it is now."""
        assert self.pump is not None
        source = self.pump._sources["s"]
        assert isinstance(source, JournalSource)
        return source

    @property
    def cursor(self) -> str:
        """The one that is saved."""
        (checkpoint,) = self.saved()
        return checkpoint.cursor

    def write(self, entries: int | Iterable[Mapping[str, Value]]) -> list[str]:
        """Write that many entries, or these, and let the source know; returns their messages."""
        messages = self.journal.write(entries)
        self.told_to_source()
        return messages

    def told_to_source(self) -> None:
        """Return when the source knows that something has happened."""
        signal = self.reader._signal
        assert signal is None or signal.wait(10)

    def until(self, done: Callable[[], bool]) -> None:
        """Let time pass until that is so; threads have real time for what they do."""
        for _ in range(400):
            self.pass_time(0.5)
            if done():
                return
            self.pump._woken.wait(0.02)  # type: ignore[union-attr]
        raise AssertionError("it does not come")

    def again(self) -> None:
        """Stop and start it."""
        self.stop()
        self.start()
        self.pass_time(1)

    def crash(self) -> None:
        """End it without a drain, and start it again from what was saved."""
        assert self.pump is not None
        self.store.flush(5)
        self.pump._close()
        self.start()
        self.pass_time(1)
