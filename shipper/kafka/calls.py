"""Makes the calls that end a transaction: each of them once, for as long as it takes, on a thread of its own.

The client lets such a call be given a time, and be made again when that is over. But an answer that comes late is then
taken for that of the next question, which at worst ends the process (docs/decisions/exactly-once.md). So no call is
ever made again: whoever wants to know its outcome waits for that, as long and as often as it likes.

A call that ends a transaction ends when another thread has taken all delivery reports. Any thread may ask.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue

Call = Callable[[], object]


class Caller:
    """Makes calls in the order in which they were asked for, on a thread ``name``."""

    def __init__(self, name: str) -> None:
        self._asked: SimpleQueue[tuple[Call, Future[None]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def ask(self, call: Call) -> Future[None]:
        """Have ``call`` made; the future is done when it has returned, or has what it raised."""
        outcome = Future[None]()
        self._asked.put((call, outcome))
        return outcome

    def close(self) -> None:
        """Let the thread end after what it was asked for; does not wait."""
        self._asked.put(None)

    def join(self) -> None:
        """Wait for the thread's end."""
        self._thread.join()

    def _run(self) -> None:
        while (asked := self._asked.get()) is not None:
            call, outcome = asked
            try:
                call()
            except Exception as raised:  # who asked is told
                outcome.set_exception(raised)
            else:
                outcome.set_result(None)
            del asked, call, outcome  # they hold the client
