"""Reads the demo's topic while it grows, on a thread of its own, and hands every record over.

What it counts may be read by any thread at any time.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from shipper.errors import ShipperError
from shipper.kafka.consumer import read_from

Take = Callable[[bytes, bytes], None]  # key, value


class Reader:
    """Calls ``take`` for every record, from its own thread.

    ``overrun`` counts the records that were gone before they were read: the embedded broker keeps the last 5 MB of a
    partition. ``records`` counts those that were read, ``news_at`` is when the last one came (monotonic).
    """

    def __init__(self, bootstrap: str, topic: str, take: Take) -> None:
        self.records = 0
        self.overrun = 0
        self.news_at = time.monotonic()
        self._bootstrap = bootstrap
        self._topic = topic
        self._take = take
        self._next: Counter[int] = Counter()  # of each partition
        self._finishing = threading.Event()
        self._failure: ShipperError | None = None
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)

    def start(self) -> None:
        """Begin to read; the topic must be there."""
        self._thread.start()

    def check(self) -> None:
        """Raise what made the thread fail."""
        if self._failure:
            raise self._failure

    def finish(self) -> None:
        """Read what is there, to the end of every partition, and end."""
        self._finishing.set()
        self._thread.join()
        self.check()

    def abandon(self) -> None:
        """End, whatever was or was not read; does nothing when it has ended."""
        self._finishing.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            for message in read_from(
                self._bootstrap,
                [self._topic],
                until=self._finishing.is_set,
                properties={"fetch.wait.max.ms": "50"},  # the embedded broker is only asked, it never tells
            ):
                partition, offset = message.partition(), message.offset()
                self.overrun += offset - self._next[partition]
                self._next[partition] = offset + 1
                self._take(message.key() or b"", message.value() or b"")
                self.records += 1
                self.news_at = time.monotonic()
        except ShipperError as error:
            self._failure = error
