"""Which generations there are, and where their bytes are now: as the daemon itself would find out if it started now.

The checkpoints and what discovery sees are given to the daemon's own source, which follows renames, copies and
compression. Nothing is read of the lines, nothing sent, and nothing saved. One thread.
"""

from __future__ import annotations

from typing import Any, NoReturn

from shipper.config import FileConfig
from shipper.discovery import Watched, list_files
from shipper.events import Events
from shipper.files import Files
from shipper.filesource import FileSource, Tools
from shipper.filesource.descriptors import Descriptors
from shipper.model import Observation, SourceState, TopicState
from shipper.tailer import Tailer

NOTABLE = ("file.unreadable", "directory.unreadable", "file.unsupported")


class Stock:
    """The files of one source; those that can be read are held open as far as may be."""

    def __init__(self, config: FileConfig, state: SourceState, descriptors: Descriptors, host: str) -> None:
        self.config = config
        self.notes: list[tuple[str, dict[str, Any]]] = []  # events that a person should know of
        self._descriptors = descriptors
        events = Events(self._note)
        seen = list_files(Watched.of(config), events)
        tools = Tools.to_look(Files(), descriptors, events, host, seen)
        self.left = sum(1 for one in state.files if one.state.value == "left")
        self._source = FileSource(config, state, _Nowhere(), tools, reread=False)
        self._source.observe(Observation(config.name, seen, complete=True))

    def generations(self) -> list[Tailer]:
        """Return every generation that is known, each path's oldest first; one that is ``detached`` is gone."""
        return self._source.stock()

    def open(self, tailer: Tailer) -> bool:
        """Make sure that a generation is open; False where it is not there any more. Raises OSError."""
        return tailer.reader is not None or self._descriptors.open(tailer)

    def _note(self, _level: str, name: str, fields: dict[str, Any]) -> None:
        if name in NOTABLE:
            self.notes.append((name, fields))


class _Nowhere:
    """The sink of a source that only looks."""

    def topic_state(self, topic: str) -> TopicState:  # noqa: ARG002 - as a sink has it
        """Nothing may be sent."""
        return TopicState.UNKNOWN

    def _never(self, *_: Any, **__: Any) -> NoReturn:
        raise AssertionError

    fits = hold = send = send_few = send_each = push = poll = close = _never
