"""A thread that acts until it is over, and a journal of what all of them did, to be read beside the daemon's log."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from random import Random


class Journal:
    """Who did what, and when: one line for each, in a file. Any thread."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "w", buffering=1)  # noqa: SIM115 (closed by close)
        self.deeds: Counter[str] = Counter()

    def tell(self, who: str, deed: str, what: object = "") -> None:
        """Write a line; ``deed`` is counted."""
        self.deeds[deed] += 1
        self._file.write(f"{datetime.now(UTC):%H:%M:%S.%f} {who:<10} {deed} {what}\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Actor(ABC):
    """Does one thing after the other, with pauses, as its dice say; :meth:`join` raises what went wrong.

    Its thread stays until :meth:`close`: a process that asked to end with its parent (``setpriv --pdeathsig``) ends
    with the very thread that started it.
    """

    def __init__(self, name: str, dice: Random, journal: Journal, over: threading.Event) -> None:
        self.name = name
        self.dice = dice
        self.journal = journal
        self.over = over
        self._error: BaseException | None = None
        self._done = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def act(self) -> None:
        """Do one thing."""

    def finish(self) -> None:  # noqa: B027 (few have anything to undo)
        """Undo what must not stay, when it is over."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def join(self) -> None:
        """Return when it does nothing any more."""
        self._done.wait()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End the thread, if it was started."""
        self.over.set()
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def pause(self, longest: float) -> None:
        """Do nothing for a while; returns at once when it is over."""
        self.over.wait(self.dice.uniform(0, longest))

    def tell(self, deed: str, what: object = "") -> None:
        """Write what was done into the journal."""
        self.journal.tell(self.name, deed, what)

    def _run(self) -> None:
        try:
            while not self.over.is_set():
                self.act()
            self.finish()
        except BaseException as error:
            self._error = error
            self.over.set()
        self._done.set()
        self._closed.wait()
