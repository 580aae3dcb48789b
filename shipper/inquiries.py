"""What other threads want to know of the pump, answered with its next round: they ask, wake it, and wait at most.

Nothing of what it owns is touched by whoever asks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from shipper.health import BrokerStatus, Health
from shipper.status import Status


class Inquiries(ABC):
    """Takes questions from any thread; the pump, which ``wake`` wakes, answers them."""

    def __init__(self) -> None:
        self._report = False
        self._asked = False
        self._questions: deque[Future[Status]] = deque()
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

    def status(self, timeout: float) -> Status | None:
        """Return how it stands; None where it has not answered within ``timeout`` seconds."""
        asked: Future[Status] = Future()
        self._questions.append(asked)
        self.wake()
        try:
            return asked.result(timeout)
        except TimeoutError:
            return None

    # The pump thread, from here on.

    def _answer(self, health: Health, status: BrokerStatus, now: float, tell: Callable[[], Status]) -> None:
        """Answer what was asked; ``tell`` makes a status."""
        if self._report:
            self._report = False
            health.tell(status)
        while self._questions:
            self._questions.popleft().set_result(tell())
        if self._asked:
            self._asked = False
            self.standing = health.words(status, now)
