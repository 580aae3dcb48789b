"""Hands what was read to the client: shapes it, books it, keeps what may be refused by itself.

A batch is one chunk. It is shortened before an event that cannot go with those before it: one with a record whose topic
is not ready, which its stream then waits for (I3), or with one that may be refused for its size, which goes alone. What
was not sent is read again. Of an event that is several records each goes alone then, as the parts of a long line do.
Pump thread only.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from shipper.config import SourceConfig
from shipper.events import Events
from shipper.ledger import RECORD_OVERHEAD, Alone, Chunk, Ledger, Position, Track
from shipper.model import Clock, LongLine, Messages, Sink, TopicState
from shipper.records import PROVENANCE_BYTES, Naming, Shaped, Stage
from shipper.records.keywatch import KeyWatch
from shipper.source.delivery import Delivery
from shipper.source.protocol import Batch, Keeper, Place, Stream
from shipper.source.rate import Rate
from shipper.source.schedule import Schedule

AWAY_AFTER = 5.0  # seconds for which a topic that a record has chosen is waited for
RETRY_SHORT = 0.2  # seconds until it is asked again whether what is in flight has arrived


class Few:
    """What was read of some streams of one topic, to be sent together: the lines, and the key of each.

    ``entries`` are those of the ledger, one for each stream; ``size``: bytes that were read.
    """

    __slots__ = ("entries", "keys", "size", "streams", "values")

    def __init__(self) -> None:
        self.streams: list[Any] = []
        self.entries: list[tuple[Track, Position, int, int]] = []
        self.values: list[bytes] = []
        self.keys: list[bytes] = []
        self.size = 0


class Sending:
    """What one source sends. ``sink`` changes when a client is replaced."""

    def __init__(
        self,
        config: SourceConfig,
        naming: Naming,
        stage: Stage,
        sink: Sink,
        schedule: Schedule[Any],
        delivery: Delivery,
        keeper: Keeper,
        ledger: Ledger,
        events: Events,
        clock: Clock,
    ) -> None:
        self.name = config.name
        self.sink = sink
        self._stage = stage
        self._schedule = schedule
        self._delivery = delivery
        self._keeper = keeper
        self._ledger = ledger
        self._events = events
        self._clock = clock
        self.rate = Rate(config.rate_limit, clock)
        self._chooses = naming.asks_for_topic or bool(config.processor)  # records may go elsewhere
        self._watch = KeyWatch(asks=naming.asks_for_key)
        self._template = config.key
        self._asks = naming.asks_for_key
        self._away_since: dict[str, float] = {}  # topics that records have chosen and that are not there
        self._keeps_long = config.on_long_line == "deadletter"
        self._beside = PROVENANCE_BYTES if config.provenance == "headers" else 0  # of a record, besides key and line
        # Nothing is asked of a record but to be sent with its file's key: see _is_plain.
        self.plain = stage.plain and not self._beside and not self._chooses and not self.rate.limited
        self._fits: dict[str, int] = {}  # by topic: what was known to fit when it was last sent to

    def most(self, stream: Stream) -> int | None:
        """Return how many bytes of a line go with others; ``None`` where ``stream`` waits until it may be read."""
        if self._chooses:
            return sys.maxsize  # decided for each record
        fits = self.limit(stream.topic)
        if fits is None:
            self._wait(stream, stream.topic)
            return None
        return fits - len(stream.key) - self._beside

    def send(self, stream: Stream, batch: Batch, before: Place) -> bool:
        """Send ``batch``, or as much of its beginning as goes together; ``before`` is the place where it was read.

        Returns False where nothing was sent: ``stream`` waits for a topic, and reads it again then.
        """
        start = before.read.offset
        if self._is_plain(stream, batch):
            shaped = self._stage.shape(stream, batch.lines, tuple, batch.size)
            chunk = self._track(stream, batch, shaped, None, start, trial=False)
            self.sink.send(stream.topic, shaped.messages, chunk)
            return True
        shaped = self._shape(stream, batch, start)
        keep, waits_for, large = self._together(stream, batch, shaped)
        if self.rate.limited and not self.rate.drops:
            keep = min(keep, shaped.first(self.rate.allowed))
        if waits_for and not keep:
            stream.put_back(before)
            self._wait(stream, waits_for)
            return False
        if keep < len(batch.lines):
            batch = stream.shorten(batch, start, keep)
            if waits_for and len(batch.lines) > keep:  # no position may stand before it
                stream.put_back(before)
                self._wait(stream, waits_for)
                return False
            shaped = self._shape(stream, batch, start)
        single = len(batch.lines) == 1
        narrow = single and self._delivery.pace.limit > 0
        # A transactional client has one size of batches: only what is narrowed down is alone there.
        large = large and not self._ledger.transactional
        buried = self._delivery.buried(stream, start)
        if batch.given is not None:  # the number may be another entry's by now: those before it may be gone
            buried = {part: end for part, end in buried.items() if end in (before.read, batch.end)}
        if single and len(shaped.messages) > 1 and (narrow or large or buried or stream.record):
            self._send_one(stream, batch, before, shaped, buried, narrow=narrow)
        elif single and len(shaped.messages) == 1 and batch.part in buried:
            self._pass(stream, batch, buried[batch.part])
        elif batch.full and self._keeps_long and len(shaped.messages) == 1:
            self._keep(stream, batch, shaped, start)
        else:
            alone = (
                _alone(stream, batch, shaped, 0, start, batch.part)
                if len(shaped.messages) == 1 and (narrow or large)
                else None
            )
            chunk = self._book(stream, batch, shaped, alone, start, trial=large)
            self._hand_over(stream, shaped, chunk, alone=narrow)
        return True

    def send_all(self, topic: str, few: Few) -> None:
        """Send the lines that were read last of some streams of one topic, each one chunk.

        Where :attr:`plain` and nothing is to be thought of but that: none of them may have to go alone.
        """
        reports = self._ledger.track_few(few.entries)
        self._delivery.sent_all(few.streams)
        self._events.records_sent(self.name, len(few.values), few.size)
        if (hot := self._watch.hot_of(few.keys)) is not None:
            self._events.key_hot(self.name, hot.key, hot.share, of_fields=self._asks)
        self.sink.send_few(topic, Messages(few.values, few.keys), reports)

    def _is_plain(self, stream: Stream, batch: Batch) -> bool:
        """Whether ``batch`` goes as it is, as nearly all do: nothing in it may have to go alone, or be passed over."""
        noted = batch.part or batch.full or batch.replaced or stream.record
        if not self.plain or noted or self._delivery.careful:
            return False
        return len(batch.lines) > 1 or len(batch.lines[0]) + len(stream.key) <= self._fits.get(stream.topic, 0)

    def _shape(self, stream: Stream, batch: Batch, start: int) -> Shaped:
        shaped = self._stage.shape(
            stream,
            batch.lines,
            lambda: batch.offsets(start),
            batch.size,
            batch.part,
            last=batch.last,
            full=batch.full,
            ahead=batch.ahead,
            given=batch.given,
        )
        if self.rate.drops and not batch.part and len(shaped.messages) > (allowed := self.rate.allowed):
            shaped = shaped.cut(allowed, "rate_limit")
        return shaped if shaped.topics is None else self._diverted(shaped, stream.topic)

    def _diverted(self, shaped: Shaped, fallback: str) -> Shaped:
        """Return records whose topics are not there with another topic: none must hold up for ever what follows."""
        assert shaped.topics is not None
        away = {topic for topic in set(shaped.topics) if topic != fallback and self._away(topic)}
        if not away:
            return shaped
        topics = [fallback if topic in away else topic for topic in shaped.topics]
        count = sum(topic in away for topic in shaped.topics)
        return shaped._replace(topics=topics, noted={**shaped.noted, "topic_missing": count})

    def _away(self, topic: str) -> bool:
        """Whether a topic has been missing, or refused to us, for so long that it is not waited for."""
        if not self.sink.topic_state(topic).hopeless:
            self._away_since.pop(topic, None)
            return False
        now = self._clock()
        return now - self._away_since.setdefault(topic, now) >= AWAY_AFTER

    # --- what goes together ------------------------------------------------------------------------------------------

    def limit(self, topic: str) -> int | None:
        """Return how many bytes of a record go with others to ``topic``; ``None`` where it cannot be sent to now."""
        if self.sink.topic_state(topic) is not TopicState.READY:
            return None
        fits = self.sink.fits(topic)
        if fits != self._fits.setdefault(topic, fits):
            if self._delivery.unsettled:  # it may have gone another way, and must not be overtaken
                return None
            self._fits[topic] = fits
        return fits

    def _wait(self, stream: Stream, topic: str) -> None:
        """Let ``stream`` be read when ``topic`` can be sent to."""
        if self.sink.topic_state(topic) is not TopicState.READY:
            self._schedule.block(stream, topic)
            if topic in self._away_since:
                self._schedule.later(stream, self._away_since[topic] + AWAY_AFTER)
        else:
            self._schedule.later(stream, self._clock() + RETRY_SHORT)

    def _together(self, stream: Stream, batch: Batch, shaped: Shaped) -> tuple[int, str, bool]:
        """Return how many events of ``batch`` go as one chunk; the topic that the next one waits for, or "".

        And whether the one event that goes is too large to go with others.
        """
        count = len(batch.lines)
        if stream.record:
            count = 1  # an event of which some records were sent: the rest goes first
        if shaped.plain and shaped.topics is None:
            limit = self._fits.get(stream.topic, 0) - len(stream.key) - self._beside
            return count, "", count == 1 and len(batch.lines[0]) > limit
        topics = {stream.topic} if shaped.topics is None else set(shaped.topics)
        limits = {topic: self.limit(topic) for topic in topics}
        stops = _stops(stream.topic, shaped, limits)
        if not stops or (first := min(stops))[0] >= count:
            return count, "", False
        event, large, waits_for = first
        return (1, "", True) if large and not event else (event, waits_for, False)

    # --- one chunk ---------------------------------------------------------------------------------------------------

    def _pass(self, stream: Stream, batch: Batch, end: Position) -> None:
        """Pass over what is safe in the dead letters, up to ``end``: the next commit does."""
        if end.offset < batch.end.offset:  # the event has got more lines since
            stream.pass_over(end)
        else:
            end = batch.end
        self._ledger.track(stream.track, end, 0, 0)
        self._delivery.sent(stream)

    def _keep(self, stream: Stream, batch: Batch, shaped: Shaped, start: int) -> None:
        """Have what stands for a long line kept as a dead letter, as if brokers had refused it."""
        alone = _alone(stream, batch, shaped, 0, start, 0)
        chunk = self._ledger.track(stream.track, batch.end, 1, shaped.size + RECORD_OVERHEAD, alone)
        self._delivery.sent(stream)
        chunk.nack(LongLine(batch.full, stream.max_line), "", 1)

    def _send_one(
        self,
        stream: Stream,
        batch: Batch,
        before: Place,
        shaped: Shaped,
        buried: Mapping[int, Position],
        *,
        narrow: bool,
    ) -> None:
        """Send the next one of the records of an event by itself; the event ends with the last of them."""
        index = min(stream.record, len(shaped.messages) - 1)  # a processor may have changed its mind
        if index + 1 < len(shaped.messages):
            stream.put_back(before)
            stream.record = index + 1
            batch = batch.begun(before.read)
        else:
            stream.record = 0
        if index + 1 in buried:
            self._pass(stream, batch, batch.end)
            return
        one = shaped.one(index)
        topic = stream.topic if one.topics is None else one.topics[0]
        large = max(one.sizes()) > self._fits[topic] and not self._ledger.transactional
        alone = _alone(stream, batch, one, 0, before.read.offset, index + 1) if narrow or large else None
        chunk = self._book(stream, batch, one, alone, before.read.offset, trial=large)
        self._hand_over(stream, one, chunk, alone=narrow)

    def _book(
        self, stream: Stream, batch: Batch, shaped: Shaped, alone: Alone | None, start: int, *, trial: bool
    ) -> Chunk:
        """Book a chunk, and tell of it."""
        count = len(shaped.messages)
        chunk = self._track(stream, batch, shaped, alone, start, trial=trial)
        self.rate.sent(count)
        if self._watch.unresolved(count, shaped.noted.get("key_fallback", 0)):
            self._events.key_unresolved(self.name, self._template)
        for rule, dropped in shaped.dropped.items():
            self._events.records_dropped(self.name, rule, dropped)
        if batch.replaced:
            self._events.records_noted(self.name, "replaced", batch.replaced)
        if batch.full:
            self._events.records_noted(self.name, "truncated", 1)
            self._events.count("records.truncated_bytes", self.name, batch.full - len(batch.lines[0]))
        for what, noted in shaped.noted.items():
            self._events.records_noted(self.name, what, noted, shaped.why.get(what))
        return chunk

    def _track(
        self, stream: Stream, batch: Batch, shaped: Shaped, alone: Alone | None, start: int, *, trial: bool
    ) -> Chunk:
        count = len(shaped.messages)
        chunk = self._ledger.track(stream.track, batch.end, count, shaped.size + count * RECORD_OVERHEAD, alone)
        self._delivery.sent(stream, trial=trial)
        self._events.records_sent(self.name, count, batch.size)
        self._keeper.sent(stream, batch, start, count)
        if (hot := self._watch.hot(shaped.messages)) is not None:
            self._events.key_hot(self.name, hot.key, hot.share, of_fields=self._asks)
        return chunk

    def _hand_over(self, stream: Stream, shaped: Shaped, chunk: Chunk, *, alone: bool) -> None:
        if shaped.headers is None and shaped.topics is None and shaped.timestamps is None:
            if shaped.messages:
                self.sink.send(stream.topic, shaped.messages, chunk, alone=alone)
            return
        self.sink.send_each(
            stream.topic,
            shaped.messages,
            shaped.headers,
            chunk,
            alone=alone,
            topics=shaped.topics,
            timestamps=shaped.timestamps,
        )


def _stops(topic: str, shaped: Shaped, limits: dict[str, int | None]) -> list[tuple[int, bool, str]]:
    """Return the event of the first record that has to wait for a topic, and of the first one that is too large.

    Each as the event's index, whether it is too large, and the topic that it waits for.
    """
    found: list[tuple[int, bool, str]] = []
    events = shaped.events or range(len(shaped.messages))
    count = len(shaped.messages)
    topics = shaped.topics or [topic] * count
    if None in limits.values():
        index = next((i for i, one in enumerate(topics) if limits[one] is None), count)
        if index < count:
            found.append((events[index], False, topics[index]))
    least = min((limit for limit in limits.values() if limit is not None), default=0)
    if shaped.size > least and not shaped.plain:  # one of them may be too large
        for index, (one, size) in enumerate(zip(topics, shaped.sizes(), strict=True)):
            limit = limits[one]
            if limit is not None and size > limit:
                found.append((events[index], True, ""))
                break
    return found


def _alone(stream: Stream, batch: Batch, shaped: Shaped, index: int, offset: int, part: int) -> Alone:
    return Alone(
        offset,
        part,
        stream.topic if shaped.topics is None else shaped.topics[index],
        shaped.messages.key(index),
        shaped.messages.values[index],
        tuple(shaped.headers[index]) if shaped.headers is not None else (),
        shaped.timestamps[index] if shaped.timestamps is not None else 0,
        batch.given.cursors[0] if batch.given is not None else "",
    )
