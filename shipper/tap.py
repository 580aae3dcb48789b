"""Samples of the records as they leave, for whoever watches: bounded in every way, and nothing while nobody does.

A tapped source sends through a :class:`Tapped`, which looks at some of what it hands on; every other source sends as
ever. What is seen is what the client gets, so nothing is seen that redaction has not been through. A tap is asked for
what it has gathered again and again; one that nobody has asked for a while is closed.

The pump thread calls ``through``, ``look`` and what a Tapped does; any thread the rest.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from fnmatch import translate
from re import Pattern
from re import compile as compiled
from typing import Any

import msgspec

from shipper.errors import StatusError
from shipper.events import Events
from shipper.model import Clock, DeliveryReport, Headers, Messages, Sink, TopicState, show_path

MOST_TAPS = 8
LEFT_ALONE = 5.0  # seconds without a question after which a tap is closed
EXAMINED = 256  # records of one hand-over that are held against a filter
MOST_RECORDS, MOST_BYTES = 1000, 1 << 20  # that wait to be fetched, of one tap
MOST_VALUE = 4096  # bytes of a value that are shown
MOST_RATE = 1000  # records in a second


class Record(msgspec.Struct, frozen=True):
    """One record that left. ``value`` is its beginning; ``size`` are all of its bytes.

    ``time``: seconds since 1970 when it left. ``timestamp``: its own, in milliseconds, 0: that of its sending.
    """

    time: float
    source: str
    path: str
    topic: str
    key: bytes
    headers: list[tuple[str, bytes]]
    timestamp: int
    value: bytes
    size: int


class Gathered(msgspec.Struct, frozen=True):
    """What a tap has gathered since it was asked last.

    ``passed``: how many records have left meanwhile, seen or not; ``dropped``: how many were taken, and nobody fetched
    them in time. ``said``: how the sources stood when the tap was opened.
    """

    records: list[Record]
    passed: int
    dropped: int
    said: list[str] = []


class Wish(msgspec.Struct, frozen=True):
    """What a tap shows: of ``source`` or ("") of all, with a key like ``key``, ``rate`` records a second at most."""

    source: str = ""
    key: str = ""
    rate: int = 20


class _Tap:
    """What one client sees."""

    def __init__(self, wish: Wish, now: float) -> None:
        self.wish = wish
        self.asked_at = now
        self._like: Pattern[str] | None = compiled(translate(wish.key)) if wish.key else None
        self._records: list[Record] = []
        self._bytes = 0
        self._passed = 0
        self._dropped = 0
        self._credit = float(wish.rate)
        self._at = now

    def wants(self, source: str) -> bool:
        return self.wish.source in ("", source)

    def pick(self, messages: Messages, now: float) -> list[int]:
        """Return which of ``messages``, which leave now, are taken; spread over all of them."""
        count = len(messages)
        self._passed += count
        self._credit = min(float(self.wish.rate), self._credit + (now - self._at) * self.wish.rate)
        self._at = now
        most = int(self._credit)
        if most < 1:
            return []
        step = max(1, count // (EXAMINED if self._like else most))
        some = range(random.randrange(min(step, count)), count, step)  # noqa: S311 - a sample, no secret
        found = [i for i in some if self._like is None or self._like.match(show_path(messages.key(i)))][:most]
        self._credit -= len(found)
        return found

    def put(self, record: Record) -> None:
        size = len(record.value) + len(record.key)
        if len(self._records) >= MOST_RECORDS or self._bytes + size > MOST_BYTES:
            self._dropped += 1
            return
        self._records.append(record)
        self._bytes += size

    def take(self, now: float) -> Gathered:
        self.asked_at = now
        gathered = Gathered(self._records, self._passed, self._dropped)
        self._records, self._bytes, self._passed, self._dropped = [], 0, 0, 0
        return gathered


class Taps:
    """All taps of a daemon. ``version`` changes when sources have to be asked again what they send through."""

    def __init__(self, events: Events, clock: Clock = time.monotonic, wall: Clock = time.time) -> None:
        self.version = 0
        self._events = events
        self._clock = clock
        self._wall = wall
        self._lock = threading.Lock()
        self._taps: dict[str, _Tap] = {}

    def open(self, name: str, wish: Wish) -> None:
        """Open the tap ``name``; raises StatusError where there are too many."""
        with self._lock:
            if name not in self._taps and len(self._taps) >= MOST_TAPS:
                raise StatusError(f"{MOST_TAPS} taps are open, which is as many as may be; close one")
            self._taps[name] = _Tap(wish, self._clock())
            self.version += 1
        self._events.tap_opened(wish.source)

    def fetch(self, name: str) -> Gathered | None:
        """Return what the tap ``name`` has gathered; None where there is no such tap (any more)."""
        with self._lock:
            tap = self._taps.get(name)
            return None if tap is None else tap.take(self._clock())

    def close(self, name: str) -> None:
        """Close the tap ``name``."""
        with self._lock:
            tap = self._taps.pop(name, None)
            self.version += 1
        if tap is not None:
            self._events.tap_closed(tap.wish.source)

    # The pump thread, from here on.

    def look(self) -> int:
        """Close what nobody asks for any more; returns the version."""
        if self._taps:
            now = self._clock()
            with self._lock:
                alone = [name for name, tap in self._taps.items() if now - tap.asked_at > LEFT_ALONE]
            for name in alone:
                self.close(name)
        return self.version

    def through(self, source: str, sink: Sink) -> Sink:
        """Return what ``source`` is to send through to get to ``sink``: that itself where nobody watches."""
        with self._lock:
            watched = any(tap.wants(source) for tap in self._taps.values())
        return Tapped(source, sink, self._offer) if watched else sink

    def _offer(
        self,
        source: str,
        report: DeliveryReport,
        messages: Messages,
        topic_of: Callable[[int], str],
        headers: Sequence[Headers] | None,
        timestamps: Sequence[int] | None,
    ) -> None:
        now = self._clock()
        with self._lock:
            for tap in self._taps.values():
                if not tap.wants(source):
                    continue
                for i in tap.pick(messages, now):
                    value = messages.values[i]
                    tap.put(
                        Record(
                            time=self._wall(),
                            source=source,
                            path=_path_of(report),
                            topic=topic_of(i),
                            key=messages.key(i),
                            headers=list(headers[i]) if headers is not None else [],
                            timestamp=timestamps[i] if timestamps is not None else 0,
                            value=_beginning(value),
                            size=len(value),
                        )
                    )


def _beginning(value: bytes) -> bytes:
    """Return as much of ``value`` as is shown, and no half of a character."""
    if len(value) <= MOST_VALUE:
        return value
    begun = value[:MOST_VALUE]
    try:
        begun.decode()
    except UnicodeDecodeError as error:
        if error.end == MOST_VALUE and error.reason == "unexpected end of data":
            return begun[: error.start]
    return begun


def _path_of(report: Any) -> str:
    """Return where the records came from: their report is a chunk of the ledger."""
    return show_path(report.track.owner.path)


class Tapped:
    """A ``model.Sink`` that hands everything on, and shows some of it."""

    def __init__(self, source: str, sink: Sink, offer: Callable[..., None]) -> None:
        self._source = source
        self._sink = sink
        self._offer = offer
        self.topic_state: Callable[[str], TopicState] = sink.topic_state
        self.fits = sink.fits
        self.hold = sink.hold
        self.push = sink.push
        self.poll = sink.poll
        self.close = sink.close

    def send(self, topic: str, messages: Messages, report: DeliveryReport, *, alone: bool = False) -> None:
        """Hand on, and show."""
        self._sink.send(topic, messages, report, alone=alone)
        self._offer(self._source, report, messages, lambda _: topic, None, None)

    def send_few(self, topic: str, messages: Messages, reports: Sequence[tuple[DeliveryReport, int]]) -> None:
        """Hand on, and show."""
        self._sink.send_few(topic, messages, reports)
        at = 0
        for report, count in reports:
            self._offer(self._source, report, messages.cut(slice(at, at + count)), lambda _: topic, None, None)
            at += count

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
        """Hand on, and show."""
        self._sink.send_each(topic, messages, headers, report, alone=alone, topics=topics, timestamps=timestamps)
        self._offer(
            self._source, report, messages, topics.__getitem__ if topics else lambda _: topic, headers, timestamps
        )
