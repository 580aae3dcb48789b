"""Exactly once, on the brokers' side: a client whose records count when they are committed, and who commits.

In the place of ``kafka.transactions.TransactionalProducer``, whose calls it has. What is sent goes to the open
transaction; :meth:`Coordinator.carry_out` makes it and the checkpoints that go with it true, all at once. What a client
learns of that is another matter: while brokers are slow a commit that was asked for may be carried out and nobody is
told, and a history may have any commit end with an outcome that is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from shipper.errors import ProducerFatal
from shipper.kafka.offsets import Entry, Recovered, Transaction
from shipper.kafka.transactions import Outcome
from shipper.model import Checkpoint, Clock, DeliveryReport, Messages, TopicState
from tests.sim.brokers import PURGED, Brokers, Client, Sent

Key = tuple[str, str]  # source, uid


class Coordinator:
    """What is committed besides the records, and whose turn it is. ``saved`` hears of checkpoints just committed."""

    def __init__(self, brokers: Brokers, saved: Callable[[list[Checkpoint]], None]) -> None:
        self.brokers = brokers
        self._saved = saved
        self.owner: TransactionalClient | None = None
        self.last: Transaction | None = None
        self.entries: dict[Key, Entry] = {}
        self.commits = 0
        self.hangs = False  # commits that are asked for come to no end
        self.lose_next: bool | None = None  # the outcome of the next commit is not told: it is carried out, or is not

    def take_over(self, client: TransactionalClient) -> Recovered:
        """Let a new client have its turn: whatever another has open is aborted. Returns what is committed."""
        self.owner = client
        return Recovered(self.last, dict(self.entries))

    def claim(self, run: str) -> None:
        """Note who delivers now."""
        number = self.last.number if self.last is not None and self.last.run == run else 0
        self.last = Transaction(run, number)

    def carry_out(self, client: TransactionalClient) -> None:
        """Commit what a client has asked for."""
        self.commits += 1
        values = [sent.value for sent in client.open]
        self.brokers.arrived += [(sent.key, sent.value) for sent in client.open]
        self.brokers.acked.update(values)
        self.last = client.prepared
        self.entries |= {(one.checkpoint.source, one.checkpoint.uid): one for one in client.changed}
        for key in client.removed:
            self.entries.pop(key, None)
        client.carried_out = True
        self._saved([one.checkpoint for one in client.changed])


class TransactionalClient(Client):
    """One client, from its opening on. ``called`` hears of each of its calls before it does anything."""

    def __init__(
        self,
        coordinator: Coordinator,
        wait: Callable[[float], None],
        sent: Callable[[Sent], None],
        called: Callable[[], None],
        *,
        run: str,
        accept: Callable[[Recovered], None],
        clock: Clock,
    ) -> None:
        super().__init__(coordinator.brokers, wait, sent)
        self._coordinator = coordinator
        self._called = called
        self._run = run
        self._accept = accept
        self._clock = clock
        self.began_at: float | None = None
        self.reason = ""
        self.recovered: Recovered | None = None
        self.error: Exception | None = None
        self.open: list[Sent] = []  # what has arrived of the open transaction
        self.failed = False  # a record of it was not taken
        self.asked = False  # brokers have been asked to commit it
        self.carried_out = False  # and have done so
        self.prepared: Transaction | None = None
        self.changed: list[Entry] = []
        self.removed: list[Key] = []

    # --- the sink ----------------------------------------------------------------------------------------------------

    def topic_state(self, topic: str) -> TopicState:
        state = super().topic_state(topic)
        return state if self.recovered is not None else TopicState.UNKNOWN

    def send(self, topic: str, messages: Messages, report: DeliveryReport, *, alone: bool = False) -> None:
        self.begin()
        super().send(topic, messages, report, alone=alone)

    def poll(self, timeout: float) -> int:
        self._called()
        if self.recovered is None and self.brokers.up and not self.fatal:
            found = self._coordinator.take_over(self)
            self._accept(found)
            self._coordinator.claim(self._run)
            self.recovered = found
            return 1
        self._look()
        return super().poll(timeout)

    def close(self, timeout: float) -> None:
        self._called()
        super().close(timeout)
        self._ended()

    @property
    def answers(self) -> bool:
        if self.recovered is None:
            return self.fatal or self.brokers.up
        return super().answers or self._fenced

    @property
    def holds(self) -> set[bytes]:
        return super().holds | {sent.value for sent in self.open}

    # --- transactions ------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        if self.began_at is None:
            self._called()
            self.began_at = self._clock()

    def prepare(
        self, number: int, epoch: int, edits: int, changed: Iterable[Checkpoint], removed: Iterable[Key]
    ) -> None:
        self._called()
        self.prepared = Transaction(self._run, number)
        self.changed = [Entry(one, self._run, epoch, edits) for one in changed]
        self.removed = list(removed)

    def commit(self, timeout: float) -> Outcome:
        self._live()
        if self.brokers.able:
            self.deliver()
        if self.failed:
            self.reason = "so the history goes"
            return Outcome.REFUSED
        if self.queue or not self.brokers.up:
            self._wait(timeout)
            return Outcome.PENDING
        self.asked = True
        if (lost := self._coordinator.lose_next) is not None:
            self._coordinator.lose_next = None
            if lost and not self.carried_out:
                self._coordinator.carry_out(self)
            self.fatal = True
            self._live()
        if self.brokers.slow or self._coordinator.hangs:
            self._wait(timeout)
            return Outcome.PENDING
        if not self.carried_out:
            self._coordinator.carry_out(self)
        self._called()
        self._ended()
        return Outcome.COMMITTED

    def abort(self, timeout: float) -> bool:
        self._live()
        assert not self.asked, "what brokers were asked to commit is given up"
        self.fail(PURGED)
        if not self.brokers.able:
            self._wait(timeout)
            return False
        self._ended()
        return True

    def _ended(self) -> None:
        self.began_at, self.open = None, []
        self.failed = self.asked = self.carried_out = False

    # --- what becomes of records -------------------------------------------------------------------------------------

    @property
    def _fenced(self) -> bool:
        return self.recovered is not None and self._coordinator.owner is not self

    def _look(self) -> None:
        self.fatal = self.fatal or self._fenced

    def _live(self) -> None:
        self._called()
        self._look()
        if self.fatal:
            self.brokers.failed = True
            raise ProducerFatal("so the history goes")

    def deliver(self, count: int | None = None, key: bytes | None = None) -> int:
        return 0 if self._fenced else super().deliver(count, key)

    def land(self, count: int | None = None, key: bytes | None = None) -> list[Sent]:
        return [] if self._fenced else super().land(count, key)

    def _arrive(self, sent: Sent) -> None:
        if not sent.arrived:
            sent.arrived = True
            self.open.append(sent)

    def _acknowledge(self, sent: Sent) -> None:
        """Say nothing yet: it is safe when it is committed."""

    def _not_taken(self) -> None:
        self.failed = self.brokers.failed = True
