"""What all sources do alike of what the pump asks of one: its turns, its end, what is shown. Pump thread only.

A source that is to leave reads on only where an event has begun to go, so that no part of it comes twice.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from shipper.config import SourceConfig
from shipper.events import Events
from shipper.ledger import Ledger
from shipper.model import Checkpoint, Clock, Sink, SourceState, TopicState
from shipper.records import Naming, Stage
from shipper.source.delivery import Delivery
from shipper.source.protocol import Keeper, Stream
from shipper.source.schedule import Schedule
from shipper.source.sending import Sending
from shipper.source.stride import Stride

S = TypeVar("S", bound=Stream)


class BaseSource(ABC, Generic[S]):
    """One configured source, which reads from streams of the kind ``S``."""

    def __init__(
        self,
        config: SourceConfig,
        naming: Naming,
        stage: Stage,
        sink: Sink,
        schedule: Schedule[S],
        keeper: Keeper,
        ledger: Ledger,
        events: Events,
        clock: Clock,
        block: int,
    ) -> None:
        """Prepare; a read is of ``block`` bytes at most."""
        self.name = config.name
        self._ledger = ledger
        self._events = events
        self._clock = clock
        self._schedule = schedule
        self._stride = Stride(block)
        self._leaving = False
        self.delivery = Delivery(self.name, keeper, ledger, events, clock)
        self._sending = Sending(config, naming, stage, sink, schedule, self.delivery, keeper, ledger, events, clock)

    @property
    def sink(self) -> Sink:
        """Where its records go."""
        return self._sending.sink

    @sink.setter
    def sink(self, sink: Sink) -> None:
        self._sending.sink = sink

    # --- turns -------------------------------------------------------------------------------------------------------

    @property
    def hungry(self) -> bool:
        """Whether a turn may find something to read."""
        return self._has_turns and not self.delivery.held and not self._sending.rate.waits

    @property
    def _has_turns(self) -> bool:
        """Whether it is the turn of a stream that may still be read."""
        if not self._leaving:
            return self._schedule.hungry
        return any(self._schedule.has(stream) for stream in self.delivery.inside())

    def _next(self) -> S | None:
        """Return whose turn it is, of the streams that may still be read."""
        if not self._leaving:
            return self._schedule.next()
        self._ripen()  # in a drain nothing else is looked at
        return self._schedule.next(self.delivery.inside())

    def _ripen(self) -> None:
        """Let those be looked at whose time, or whose topic, has come."""
        self._schedule.ripen(self._clock(), lambda topic: self.sink.topic_state(topic) is TopicState.READY)

    @property
    def _rate_due(self) -> float:
        """When its rate lets it go on, if that is what it waits for."""
        return self._sending.rate.due if self._has_turns else math.inf

    # --- its end, while others go on ---------------------------------------------------------------------------------

    def leave(self, *, leaving: bool = True) -> None:
        """Read nothing more, but for the rest of an event that has begun to go; or go on after all."""
        self._leaving = leaving

    @property
    def drained(self) -> bool:
        """Whether it is to leave, and nothing that it has sent can still be settled."""
        if not (self._leaving and self.delivery.drained):
            return False
        return self.delivery.rewinding or not (self._has_turns or self._waits_inside)

    @property
    def _waits_inside(self) -> bool:
        """Whether the rest of an event waits for a topic, and for nobody to do something about that.

        For a new configuration may be what does it.
        """
        topics = filter(None, map(self._schedule.topic_of, self.delivery.inside()))
        return any(not self.sink.topic_state(topic).hopeless for topic in topics)

    def end(self) -> tuple[list[Checkpoint], list[tuple[str, str]], SourceState]:
        """Let go of what was not taken, as nothing of it is in flight.

        Returns what :meth:`changes` does for the last time, and all that is known of it, for whoever goes on with it.
        """
        self.delivery.give_up()
        changed, removed = self.changes()
        self.all_changed()
        return changed, removed, SourceState(self.scanned, self.changes()[0])

    @property
    @abstractmethod
    def scanned(self) -> bool:
        """Whether its first scan of all has been recorded."""

    @abstractmethod
    def all_changed(self) -> None:
        """Note that every checkpoint is to be saved."""

    @abstractmethod
    def changes(self) -> tuple[list[Checkpoint], list[tuple[str, str]]]:
        """Return the checkpoints that changed since the last call, and those to be removed, as (source, uid)."""

    # --- what is shown -----------------------------------------------------------------------------------------------

    @property
    def topic_awaited(self) -> tuple[str, TopicState] | None:
        """A topic that is not ready and that something waits for, if there is one."""
        topic = self._schedule.blocked_on
        return (topic, self.sink.topic_state(topic)) if topic is not None else None

    @property
    def why_idle(self) -> str:
        """Say in words why nothing is read now, or that something is."""
        if self._leaving:
            return f"leaving: {self.delivery.undelivered:,} records are still to be acknowledged"
        if why := self._why_stuck:
            return why
        if self.delivery.blocked:
            return f"blocked: {self.delivery.blocked}"
        if self.delivery.rewinding:
            return "something was not taken; it is sent again soon"
        if (awaited := self.topic_awaited) is not None:
            return f"topic {awaited[0]} is {awaited[1].value}"
        if self._schedule.hungry and self._sending.rate.waits:
            return "held back by rate_limit"
        return self._standing

    @property
    @abstractmethod
    def _why_stuck(self) -> str:
        """Say in words what of its own keeps it from reading; "" where nothing does."""

    @property
    @abstractmethod
    def _standing(self) -> str:
        """Say in words how far it is, where nothing keeps it from reading."""
