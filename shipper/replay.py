"""Sends dead letters again, and removes what was delivered: ``shipper deadletter``. One thread.

Each record is sent in a batch of its own, so that one which is refused again says nothing about another. A letter is
removed after its delivery report: a kill in between delivers it once more. Safe while the daemon runs, which only adds
letters; a lock keeps a second replay out.
"""

from __future__ import annotations

import base64
import json
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from shipper.config import Config
from shipper.deadletters import Letter, Letters, only_sender, open_letters
from shipper.errors import ConnectError, ProducerFatal
from shipper.events import Events
from shipper.kafka.errors import IMPLIED, explain
from shipper.kafka.producer import Producer
from shipper.model import Messages, TopicState, show_path

OVERHEAD = 4096  # bytes a letter in flight may need beside its value and key
REMOVE_AT = 1000  # letters that are removed with one write
BEAT = 0.1  # seconds to wait for delivery reports


class Done(NamedTuple):
    """What a replay did; ``reasons`` says of those that are left why, and how many."""

    delivered: int
    left: int
    reasons: dict[str, int]


def replay(config: Config, events: Events, timeout: float) -> Done:
    """Send every dead letter again.

    Ends with what was achieved when there was no news for ``timeout`` seconds; raises ConnectError where no broker has
    answered at all, and StateError.
    """
    state_dir = config.shipper.state_dir
    letters = open_letters(state_dir)
    if letters is None:
        return Done(0, 0, {})
    try:
        with only_sender(state_dir):
            return _Replay(config, letters, events, timeout).run()
    finally:
        letters.close()


def as_json(number: int, letter: Letter) -> str:
    """Return a letter as one line of JSON; what need not be text is base64, but the path is as a person sees it."""
    found = json.dumps(  # ASCII only: what is in a header may be a terminal's
        {
            "number": number,
            "time": _time(letter),
            "source": letter.source,
            "path": show_path(letter.path),
            "cursor": letter.cursor,
            "uid": letter.uid,
            "generation": letter.generation,
            "offset": letter.offset,
            "part": letter.part,
            "size": len(letter.value),
            "topic": letter.topic,
            "reason": letter.reason,
            "meaning": letter.meaning,
            "key": base64.b64encode(letter.key).decode(),
            "headers": {name: value.decode("utf-8", "backslashreplace") for name, value in letter.headers},
            "value": base64.b64encode(letter.value).decode(),
        }
    )
    return found.replace("\x7f", "\\u007f")


def as_text(number: int, letter: Letter) -> str:
    """Return a letter as two lines for a person."""
    part = f", part {letter.part} of its line" if letter.part else ""
    return (
        f"{number}  {_time(letter)}  {letter.source}  {letter.place}{part}\n"
        f"    {len(letter.value):,} bytes for topic {letter.topic}: {letter.meaning}"
    )


def _time(letter: Letter) -> str:
    return datetime.fromtimestamp(letter.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class _Report(NamedTuple):
    """What becomes of one letter; a ``model.DeliveryReport``."""

    replay: _Replay
    number: int
    size: int

    def ack(self, _count: int) -> None:
        """Take note that it has arrived."""
        self.replay.reported(self.size)
        self.replay.arrived(self.number)

    def nack(self, error: Any, _topic: str, _count: int) -> None:
        """Take note that it was not taken."""
        self.replay.reported(self.size)
        self.replay.not_taken(error)


class _Replay:
    """One pass over the letters that are there."""

    def __init__(self, config: Config, letters: Letters, events: Events, timeout: float) -> None:
        self._letters = letters
        self._timeout = timeout
        self._most = config.kafka.max_in_flight
        self._producer = Producer(config.kafka, events)
        self._in_flight = self._bytes = 0
        self._arrived: list[int] = []
        self._delivered = 0
        self._reasons: Counter[str] = Counter()
        self._news_at = time.monotonic()

    def run(self) -> Done:
        """Do it."""
        given_up: dict[str, str] = {}  # topics that do not become ready
        try:
            for number, letter in self._letters:
                if letter.topic not in given_up and (why := self._ready(letter.topic)):
                    given_up[letter.topic] = why
                if letter.topic in given_up:
                    self._reasons[given_up[letter.topic]] += 1
                    continue
                self._send(number, letter)
                if not self._wait(lambda: self._bytes < self._most):
                    break
            self._wait(lambda: not self._in_flight)
        except ProducerFatal as fatal:
            self._reasons[str(fatal)] += self._in_flight
        finally:
            self._producer.close(0.0)
            self._remove()
        return Done(self._delivered, len(self._letters), dict(self._reasons))

    def _ready(self, topic: str) -> str:
        """Wait until ``topic`` may be sent to; returns why not, or ""."""
        self._news_at = time.monotonic()
        if self._wait(lambda: self._producer.topic_state(topic) is TopicState.READY):
            return ""
        status = self._producer.status()
        if not status.brokers:
            raise ConnectError(f"no broker answers: {status.reason}; is kafka.bootstrap_servers right?")
        return f"topic {topic} is {self._producer.topic_state(topic).value}"

    def _send(self, number: int, letter: Letter) -> None:
        size = len(letter.value) + len(letter.key) + OVERHEAD

        self._in_flight += 1
        self._bytes += size
        message = Messages([letter.value], letter.key)
        headers = [list(letter.headers)] if letter.headers else None
        times = [letter.timestamp] if letter.timestamp else None
        report = _Report(self, number, size)
        self._producer.send_each(letter.topic, message, headers, report, alone=True, timestamps=times)

    def reported(self, size: int) -> None:
        """Take note that something became of a letter."""
        self._in_flight -= 1
        self._bytes -= size
        self._news_at = time.monotonic()

    def arrived(self, number: int) -> None:
        """Take note that a letter is where it belongs."""
        self._arrived.append(number)

    def not_taken(self, error: Any) -> None:
        """Take note of why a letter stays."""
        self._reasons[IMPLIED[1] if error is None else explain(error)] += 1

    def _wait(self, until: Callable[[], bool]) -> bool:
        """Serve delivery reports until that is so; False where there was no news for too long."""
        while not until():
            self._producer.poll(BEAT)
            if len(self._arrived) >= REMOVE_AT:
                self._remove()
            if time.monotonic() - self._news_at > self._timeout:
                return False
        return True

    def _remove(self) -> None:
        arrived, self._arrived = self._arrived, []
        if arrived:
            self._letters.remove(arrived)
            self._delivered += len(arrived)
