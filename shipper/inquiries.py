"""What other threads want to know of the pump, answered with its next round: they ask, wake it, and wait at most.

Nothing of what it owns is touched by whoever asks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from shipper.health import BrokerStatus, Health
from shipper.status import MOST_FILES, Status


class Inquiries(ABC):
    """Takes questions from any thread; the pump, which ``wake`` wakes, answers them."""

    def __init__(self) -> None:
        self._report = False
        self._asked = False
        self._questions: deque[tuple[Future[Status], int]] = deque()
        self.standing = ""  # how it stands, in words, as it was when last asked

    @abstractmethod
    def wake(self) -> None:
        """Have the questions answered soon; from any thread."""

    def report(self) -> None:
        """Let it log its status."""
        self._report = True
        self.wake()

    def ask(self) -> None:
        """Let it say in ``standing`` how it stands."""
        self._asked = True
        self.wake()

    def status(self, timeout: float, files: int = MOST_FILES) -> Status | None:
        """Return how it stands; None where it has not answered within ``timeout`` seconds.

        ``files``: how many are told one by one. Nothing is read while they are: ask for no more than are of use.
        """
        asked: Future[Status] = Future()
        self._questions.append((asked, files))
        self.wake()
        try:
            return asked.result(timeout)
        except TimeoutError:
            return None

    # The pump thread, from here on.

    def asked(self) -> bool:
        """Whether somebody waits for an answer."""
        return bool(self._questions)

    def _answer(self, health: Health, status: BrokerStatus, now: float, tell: Callable[[int], Status]) -> None:
        """Answer what was asked; ``tell`` makes a status with so many files."""
        if self._report:
            self._report = False
            health.tell(status)
        while self._questions:
            asked, files = self._questions.popleft()
            asked.set_result(tell(files))
        if self._asked:
            self._asked = False
            self.standing = health.words(status, now)
