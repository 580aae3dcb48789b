"""Keeps what is sent while a transaction is being committed: it belongs to the next one. Pump thread only.

Invariant: what is kept was booked, and has not gone to the client; so nothing has to be undone there to drop it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from shipper.model import DeliveryReport, Headers, Messages, Sink


class Ahead:
    """A sink before ``client``."""

    def __init__(self, client: Sink) -> None:
        self._client = client
        # Whatever else a sink does is the client's.
        self.topic_state = client.topic_state
        self.fits = client.fits
        self.hold = client.hold
        self.push = client.push
        self.poll = client.poll
        self.close = client.close
        self._keeps = False
        self._kept: list[Callable[[], None]] = []  # calls of the client, in order

    def keep(self) -> None:
        """Keep what is sent from now on."""
        self._keeps = True

    def release(self) -> None:
        """Hand over what was kept, and what is sent from now on."""
        self._keeps = False
        kept, self._kept = self._kept, []
        for send in kept:
            send()

    def drop(self) -> None:
        """Forget what was kept; what is sent from now on is handed over."""
        self._keeps = False
        self._kept.clear()

    def _send(self, send: Callable[[], None]) -> None:
        if self._keeps:
            self._kept.append(send)
        else:
            send()

    def send(self, topic: str, messages: Messages, report: DeliveryReport, *, alone: bool = False) -> None:
        """Hand over, or keep."""
        self._send(partial(self._client.send, topic, messages, report, alone=alone))

    def send_few(self, topic: str, messages: Messages, reports: Sequence[tuple[DeliveryReport, int]]) -> None:
        """Hand over, or keep."""
        self._send(partial(self._client.send_few, topic, messages, reports))

    def send_each(
        self,
        topic: str,
        messages: Messages,
        headers: Sequence[Headers] | None,
        report: DeliveryReport,
        *,
        alone: bool = False,
        topics: Sequence[str] | None = None,
        timestamps: Sequence[int] | None = None,
    ) -> None:
        """Hand over, or keep."""
        send = partial(self._client.send_each, topic, messages, headers, report)
        self._send(partial(send, alone=alone, topics=topics, timestamps=timestamps))
