"""What follows when brokers do not take a record: it is sent again, narrowed down, kept as a dead letter, or blocks.

None is passed over before it is safe in the dead letters (I2). Pump thread only; the letters are written on a thread of
their own, and :meth:`Refusals.bury` takes what has become of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from shipper.config import Config
from shipper.deadletters import DeadLetters, Letter
from shipper.events import Events
from shipper.kafka.errors import IMPLIED, classify, explain
from shipper.ledger import Chunk, Ledger, Nack
from shipper.model import DeliveryClass, LongLine, Sink
from shipper.source import Source, Stream

# Seconds before what was not taken is sent again; grows. A refused batch is sent in smaller pieces, soon.
RETRY_TOPIC, RETRY_REFUSED, RETRY_SMALLER = 0.5, 5.0, 0.1

BLOCK = 'kafka.on_reject = "block"'
LIFT = 'have the topic take it, or set kafka.on_reject = "deadletter"'  # what to do where that is so
MAKE_ROOM = "shipper deadletter list, and replay"  # and where the dead letters take no more


class Refusals:
    """Judges what was not taken. ``sources`` may change; ``wake`` is called from the dead letters' thread."""

    def __init__(
        self,
        config: Config,
        sources: Mapping[str, Source],
        ledger: Ledger,
        events: Events,
        wake: Callable[[], None],
    ) -> None:
        self._keep = config.kafka.on_reject == "deadletter"
        self._sources = sources
        self._ledger = ledger
        self._events = events
        self._letters = DeadLetters(config.shipper.state_dir, config.shipper.deadletter_max, events, wake)

    def take(self, nacks: Iterable[Nack], sink: Sink) -> None:
        """Say what was not taken, and let its source send it again, narrow it down or keep it."""
        for nack in nacks:
            stream: Stream = nack.chunk.track.owner
            if nack.error is None:
                self._events.record_not_taken(stream.source, nack.records, *IMPLIED)
                self._sources[stream.source].delivery.refuse(RETRY_TOPIC)
                continue
            kept = isinstance(nack.error, LongLine)
            kind = DeliveryClass.REFUSED_RECORD if kept else classify(nack.error)
            source = self._sources[stream.source]
            if kind is not DeliveryClass.REFUSED_RECORD:
                topic = nack.topic or stream.topic
                if kind in (DeliveryClass.TOPIC, DeliveryClass.CREDENTIALS):
                    sink.hold(topic)
                if kind is DeliveryClass.CREDENTIALS:
                    self._events.topic_denied(topic, f"this user may not write to it: {explain(nack.error)}")
                self._events.record_not_taken(source.name, nack.records, nack.error.name(), explain(nack.error))
                source.delivery.refuse(RETRY_TOPIC)
            elif source.delivery.rewinding:
                continue  # it is sent again anyway
            elif nack.chunk.alone is not None:
                self._refused_alone(source, stream, nack)
            else:
                self._events.batch_refused(source.name, stream.path, nack.error.name(), explain(nack.error))
                if not source.delivery.pace.limit:
                    sink.hold(nack.topic or stream.topic)  # for its size, perhaps: how large may it be now?
                source.delivery.narrow(nack.chunk.size, RETRY_SMALLER)

    def _refused_alone(self, source: Source, stream: Stream, nack: Nack) -> None:
        """Have a record that nobody takes kept as a dead letter, or stop before it."""
        alone = nack.chunk.alone
        assert alone is not None
        source.delivery.pace.found()
        letter = Letter(
            uid=alone.cursor or stream.uid,
            generation=stream.generation,
            offset=alone.offset,
            part=alone.part,
            source=source.name,
            path=stream.path,
            topic=alone.topic,
            key=alone.key,
            headers=alone.headers,
            reason=nack.error.name(),
            meaning=str(nack.error) if isinstance(nack.error, LongLine) else explain(nack.error),
            time=time.time(),
            value=alone.value,
            timestamp=alone.timestamp,
        )
        if self._keep or isinstance(nack.error, LongLine):
            if self._ledger.transactional:
                source.delivery.wait()  # its transaction is aborted
            self._letters.put(letter, nack.chunk)
        else:
            self._block(source, letter, BLOCK, LIFT)

    def bury(self) -> bool:
        """Let offsets pass what is safe in the dead letters; whether there is news of that."""
        news = False
        for letter, token, problem in self._letters.results():
            chunk: Chunk = token
            stream: Stream = chunk.track.owner
            source = self._sources.get(letter.source)
            if source is None:
                continue  # it was removed meanwhile; where it goes on one day, this is not passed and kept once only
            if problem:
                if source.delivery.waiting or not source.delivery.rewinding:
                    self._block(source, letter, problem, MAKE_ROOM)
                continue
            if self._ledger.transactional:
                buried = source.delivery.bury(stream.uid, letter.generation, letter.offset, letter.part, chunk.end)
            else:
                buried = self._ledger.bury(chunk)
            if buried:
                self._events.record_deadlettered(
                    source.name,
                    letter.path,
                    letter.offset,
                    letter.part,
                    letter.topic,
                    len(letter.value),
                    letter.meaning,
                    letter.cursor,
                )
                news = True
                if not self._ledger.transactional:
                    source.delivery.passed(stream)  # otherwise the next commit passes it
        return news

    def _block(self, source: Source, letter: Letter, why: str, remedy: str) -> None:
        said = f"the record of {len(letter.value):,} bytes in {letter.place} was refused: {letter.meaning}"
        where = (letter.path, letter.offset, letter.topic)
        self._events.record_refused(source.name, *where, len(letter.value), letter.meaning, why, letter.cursor)
        source.delivery.block(RETRY_REFUSED, f"{said}; {why}", remedy)

    def limit_to(self, size: int) -> None:
        """Keep no more than ``size`` bytes of dead letters."""
        self._letters.limit_to(size)

    def close(self) -> None:
        """Wait until all that is to be kept is kept."""
        self._letters.close()
