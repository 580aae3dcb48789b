"""Where records go exactly once: ``model.Sink`` on one transactional client, and the checkpoints with them.

Opening takes a while and happens on a thread of its own, "kafka-open": the topic of the checkpoints is looked for and
created where that may be, the client takes over the instance's transactions (which ends those of a predecessor), and
what was committed is read back. Then a first transaction says whose turn it is now: of two daemons that share an
instance, the one that was there before learns it so and stops. Until then no topic is ready, and so nothing is sent;
nor is one ready in which the brokers may have left a transaction open: the same thread sees to that (``clearing``).

Then, on the pump thread: the first record begins a transaction; :meth:`prepare` adds the checkpoints to it, and
:meth:`commit` or :meth:`abort`, asked again until they are done, end it. The client's call is made once, on a thread of
its own (``calls``); it waits for the reports of what was sent, which the pump thread takes meanwhile. A commit that
succeeds confirms every record of the transaction: the client
counts each one that failed and refuses the commit then (``rd_kafka_dr_msgq0``, ``rd_kafka_txn_op_commit_transaction``),
and one that it did not even take is counted here. Invariant: after anything of which the outcome is not known
:class:`ProducerFatal` is raised, and only a new client that reads back can tell.

There is one client, with one size of batches: the pump sends nothing else while a record is to be alone in its batch.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future, wait
from enum import StrEnum
from typing import Any

import msgspec
from confluent_kafka import KafkaError, KafkaException

from shipper.config import KafkaConfig
from shipper.errors import ProducerFatal
from shipper.events import Events
from shipper.kafka.calls import Call, Caller
from shipper.kafka.checkpoint_topic import PARTITIONS, create, when_unfit
from shipper.kafka.clearing import Admin, Clearing
from shipper.kafka.client import Client
from shipper.kafka.errors import classify, explain
from shipper.kafka.hanging import Known, Partition
from shipper.kafka.offsets import Entry, Recovered, Transaction, key_of, partition_of, read_back
from shipper.kafka.producer import AGAIN, PUSH, Joinable, Producer, Run, runs
from shipper.kafka.settings import shared_settings
from shipper.model import Checkpoint, Clock, DeliveryClass, DeliveryReport, Headers, Messages, TopicState

CALL = 1.0  # seconds for one call on the opening thread, after which it looks whether to go on
BEAT = 0.25  # seconds between looks at a topic that is not there yet
RETRY = 1.0  # seconds before something is tried again that failed
STILL = 0.25  # seconds without a report after which the client is asked to commit, whatever it has not sent
SENT = 10.0  # seconds for the records of a transaction that is to end what hangs


def transactional_id(instance: str) -> str:
    """Return the id under which an instance's transactions go."""
    return f"shipper-{instance}"


class Outcome(StrEnum):
    """How an attempt to commit ended."""

    PENDING = "pending"  # to be asked again
    COMMITTED = "committed"
    REFUSED = "refused"  # nothing of it was committed: to be aborted


class _Awaited:
    """A ``model.DeliveryReport`` of one record for each of ``partitions``: ``done`` when it was told of all."""

    def __init__(self, partitions: Collection[Partition]) -> None:
        self._left = len(partitions)
        self.done = threading.Event()

    def ack(self, count: int) -> None:
        self._left -= count
        if not self._left:
            self.done.set()

    def nack(self, _error: Any, _topic: str, count: int) -> None:
        self.ack(count)


class TransactionalProducer(Producer):
    """One client, from its opening on. ``run`` and ``number`` go with each transaction."""

    def __init__(
        self,
        config: KafkaConfig,
        events: Events,
        *,
        instance: str,
        run: str,
        known: Known,
        accept: Callable[[Recovered], None],
        wake: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._wake = wake
        self._news = threading.Event()  # of a topic, perhaps of that of the checkpoints
        self._used: set[str] = set()  # topics that the open transaction has records in
        self._prepared = False  # so has that of the checkpoints
        self._given_up = False  # the client has ended the transaction, and what it was to end is not looked at yet
        settings = {"transactional.id": transactional_id(instance)}
        super().__init__(config, events, wake=self._note, clock=clock, settings=settings, first=config.checkpoint_topic)
        self._caller = Caller("kafka-commit")
        self._call: Future[None] | None = None  # the one that is under way
        self.began_at: float | None = None  # when the first record of the open transaction was sent
        self.reason = ""  # why the last attempt to commit was refused
        self.recovered: Recovered | None = None  # once it is open
        self.error: Exception | None = None  # why it cannot be opened, if that is nothing that passes
        self._instance = instance
        self._run_id = run
        self._accept = accept  # called on the opening thread; raises ShipperError
        self._topic = config.checkpoint_topic
        self._partition = 0
        self._committing = False
        self._drains_until = 0.0  # where nothing is reported until then; by the monotonic clock
        self._not_taken = ""  # why the client did not take a record of the open transaction
        self._stopping = threading.Event()
        self._admin = Admin(self._settings)
        self._clearing = Clearing(
            known,
            self._topic,
            self._admin,
            events,
            clock,
            stopping=self._stopping,
            news=self._news,
            wake=wake,
            state=super().topic_state,
            numbers=self._numbers,
            end=self._end_in,
        )
        super().topic_state(self._topic)  # asked about first
        self._opener = threading.Thread(target=self._open, name="kafka-open", daemon=True)
        self._opener.start()

    # --- the sink ----------------------------------------------------------------------------------------------------

    def topic_state(self, topic: str) -> TopicState:
        """Whether records may be sent to ``topic``: none before it is known what was committed, and what hangs."""
        state = super().topic_state(topic)
        self._clearing.want(topic)
        if self.recovered is None or (state is TopicState.READY and not self._clearing.is_clear(topic)):
            return TopicState.UNKNOWN
        return state

    def send(
        self,
        topic: str,
        messages: Messages,
        report: DeliveryReport,
        *,
        alone: bool = False,  # noqa: ARG002 - that is the pump's to see to: it sends nothing else until a commit
    ) -> None:
        """Queue ``messages``, in order; ``report`` is told of each once."""
        self._send(Run(topic, messages, None, None), report)

    def send_few(self, topic: str, messages: Messages, reports: Sequence[tuple[DeliveryReport, int]]) -> None:
        """Queue ``messages`` of several small chunks; otherwise as :meth:`send`."""
        at = 0
        for report, count in reports:
            self.send(topic, messages.cut(slice(at, at + count)), report)
            at += count

    def send_each(
        self,
        topic: str,
        messages: Messages,
        headers: Sequence[Headers] | None,
        report: DeliveryReport,
        *,
        alone: bool = False,  # noqa: ARG002 - see send
        topics: Sequence[str] | None = None,
        timestamps: Sequence[int] | None = None,
    ) -> None:
        """Queue ``messages``, each with its own headers, topic and time; otherwise as :meth:`send`."""
        for run in runs(topic, messages, headers, topics, timestamps):
            self._send(run, report)

    def _send(self, run: Run, report: DeliveryReport) -> None:
        if not run.messages:
            return
        self.begin()
        self._waits()
        self._mixed = True
        self._used.add(run.topic)
        if run.headers is None and run.timestamps is None:
            refused = self._txn.send(run.topic, run.messages, ((report, len(run.messages)),))
        else:
            refused = self._txn.send_each(run.topic, run.messages, run.headers, run.timestamps, report)
        if refused is not None:
            self._not_taken = explain(refused)

    def close(self, timeout: float) -> None:
        """End an open transaction, so that nobody waits for it, and let go of the client."""
        self._stopping.set()
        self._news.set()
        if self._clients and self.began_at is not None and not self._fatal and not self._committing:
            with contextlib.suppress(ProducerFatal):
                self.abort(max(1.0, timeout))
        self._caller.close()
        super().close(timeout)

    # --- transactions ------------------------------------------------------------------------------------------------

    def prepare(
        self,
        number: int,
        epoch: int,
        edits: int,
        changed: Iterable[Checkpoint],
        removed: Iterable[tuple[str, str]],
    ) -> None:
        """Add to the open transaction its ``number``, checkpoints, and those to be forgotten (source, uid)."""
        self._prepared = True
        self._write(key_of(self._instance), Transaction(self._run_id, number))
        for checkpoint in changed:
            key = key_of(self._instance, checkpoint.source, checkpoint.uid)
            self._write(key, Entry(checkpoint, self._run_id, epoch, edits))
        for source, uid in removed:
            self._write(key_of(self._instance, source, uid), None)

    def commit(self, timeout: float) -> Outcome:
        """Commit, waiting up to ``timeout`` seconds; to be called until it is not pending. Raises ProducerFatal."""
        if self._not_taken:
            self.reason = self._not_taken
            return Outcome.REFUSED
        if not self._committing:
            self._committing = True
            self._drains_until = time.monotonic() + STILL
        if self._call is None and not self._is_drained(timeout):
            return Outcome.PENDING
        try:
            if not self._has_ended(self._txn.commit_transaction, timeout):
                return Outcome.PENDING
        except KafkaException as raised:
            return self._not_committed(raised.args[0])
        self._ended()
        return Outcome.COMMITTED

    def abort(self, timeout: float) -> bool:
        """Give the open transaction up, waiting up to ``timeout`` seconds; to be called until it returns True.

        Raises ProducerFatal.
        """
        if not self._given_up:
            try:
                if not self._has_ended(self._txn.abort_transaction, timeout):
                    return False
            except KafkaException as raised:
                self._give_up(raised.args[0])
                raise ProducerFatal(self._fatal) from None
            self._given_up = True
            self._clearing.aborted(self._used, checkpoints=self._prepared)
        if not (self._clearing.wait(timeout) or self._stopping.is_set()):
            return False
        self._ended()
        return True

    def begin(self) -> None:
        """Begin a transaction, unless one is open."""
        if self.began_at is not None:
            return
        self.began_at = self._clock()
        try:
            self._txn.begin_transaction()
        except KafkaException as raised:
            self._give_up(raised.args[0])  # told by the next poll

    def _is_drained(self, timeout: float) -> bool:
        """Whether what was sent has been reported within ``timeout`` seconds, or nothing more is for a while.

        The call that commits waits for it, too, but until then the client's thread goes round without end wherever a
        batch waits for the answer to the one before it (docs/decisions/pushing.md).
        """
        until = time.monotonic() + timeout
        while len(self._txn) and (now := time.monotonic()) < self._drains_until:
            self._txn.push(PUSH)
            if self._poll(max(0.0, min(until - now, AGAIN))):
                self._drains_until = time.monotonic() + STILL
            if len(self._txn) and time.monotonic() >= until:
                return False
        return True

    def _has_ended(self, call: Call, timeout: float) -> bool:
        """Whether ``call`` has ended within ``timeout`` seconds, to be asked until it has; it is made once.

        It ends when what was sent has been reported, so reports are taken meanwhile: by the opening thread's calls the
        pump does that. Raises what it raised.
        """
        if self._call is None:
            self._call = self._caller.ask(call)
            interrupt = self._txn.interrupt
            self._call.add_done_callback(lambda _: interrupt())
        opening = threading.current_thread() is self._opener
        until = time.monotonic() + timeout
        while not self._call.done():
            rest = until - time.monotonic()
            if rest <= 0:
                break
            if opening:
                wait([self._call], rest)
            else:
                self._poll(rest)
        if not opening:
            self._poll(0.0)  # what was reported before it ended
        if not self._call.done():
            return False
        ended, self._call = self._call, None
        ended.result()
        return True

    def _ended(self) -> None:
        self._given_up = self._prepared = False
        self._used.clear()
        self.began_at = None
        self._committing = False
        self._not_taken = ""

    def _not_committed(self, error: Any) -> Outcome:
        # A record that failed, or a topic that may not be used, is found before the coordinator is asked to commit.
        # After anything else the commit may have been carried out all the same.
        before = error.name() in ("_INCONSISTENT", "TRANSACTION_ABORTABLE") or classify(error) in (
            DeliveryClass.TOPIC,
            DeliveryClass.CREDENTIALS,
            DeliveryClass.REFUSED_RECORD,
        )
        if error.txn_requires_abort() and before:
            self._committing = False
            self.reason = explain(error)
            return Outcome.REFUSED
        self._give_up(error)
        raise ProducerFatal(self._fatal)

    def _write(self, key: bytes, value: Any) -> None:
        data = None if value is None else msgspec.json.encode(value)
        if (refused := self._txn.send_one(self._topic, self._partition, key, data)) is not None:
            self._not_taken = f"topic {self._topic}: {explain(refused)}"

    # --- opening -----------------------------------------------------------------------------------------------------

    @property
    def _txn(self) -> Client:
        return self._clients[self._batch]

    def _client(self, topic: str, *, alone: bool) -> Client:  # noqa: ARG002 - one client has the transaction
        return self._txn

    def _users(self) -> list[Joinable]:
        return [*super()._users(), self._opener, self._caller]

    def _note(self) -> None:
        self._news.set()
        self._wake()

    def _open(self) -> None:
        began = self._clock()
        try:
            self._admin.client()  # it begins to connect meanwhile
            partitions = self._find_topic()
            if self._init() and partitions:
                self._partition = partition_of(self._instance, partitions)
                if self._clearing.at_open(self._partition):
                    self._recover(began)
        except Exception as error:  # the pump raises it
            self.error = error
        self._wake()
        if self.recovered is not None:
            unfit = self._events.checkpoint_topic_unfit
            when_unfit(self._admin.client(), self._topic, lambda policy: unfit(self._topic, policy))
            if why := self._clearing.later():
                self._fatal = why
                self._wake()

    def _find_topic(self) -> int:
        """Return how many partitions the topic of the checkpoints has, once it is there."""
        while not self._stopping.is_set():
            self._news.clear()
            state = super().topic_state(self._topic)
            try:
                if state is TopicState.READY:
                    found = self._txn.list_topics(self._topic, CALL).topics[self._topic]
                    if found.error is None and found.partitions:
                        return len(found.partitions)
                elif state is TopicState.MISSING and create(self._admin.client(), self._topic):
                    self._events.checkpoint_topic_created(self._topic, PARTITIONS)
            except KafkaException as raised:
                self._events.checkpoint_topic_missing(self._topic, explain(raised.args[0]))
                self._stopping.wait(RETRY)
            except TimeoutError:
                self._events.checkpoint_topic_missing(self._topic, "no answer")
            self._news.wait(BEAT)
        return 0

    def _init(self) -> bool:
        while not self._stopping.is_set():
            try:
                self._txn.init_transactions(CALL)  # made again, it takes no other answer for its own
            except KafkaException as raised:
                error = raised.args[0]
                if not error.retriable() and error.code() != KafkaError._TIMED_OUT:  # noqa: SLF001 - it is public
                    self._give_up(error)
                    return False
            else:
                return True
        return False

    # --- what hangs --------------------------------------------------------------------------------------------------

    def _numbers(self, topic: str) -> Iterable[int]:
        """Return which partitions a topic has; raises KafkaException."""
        return self._txn.list_topics(topic, CALL).topics[topic].partitions

    def _end_in(self, partitions: Collection[Partition]) -> bool | None:
        """Abort a transaction of this instance that has a record in each partition; whether it had.

        None where the client has given up. An empty record, since a partition has a part in a transaction only by a
        record that is sent to it.
        """
        report = _Awaited(partitions)
        try:
            self._txn.begin_transaction()
        except KafkaException as raised:
            self._give_up(raised.args[0])
            return None
        for topic, number in partitions:
            self._txn.send_one(topic, number, key_of(self._instance), b"", report)
        until = self._clock() + SENT
        while not (self._stopping.is_set() or report.done.wait(BEAT) or self._clock() >= until):
            pass  # the pump polls
        sent = report.done.is_set()
        try:
            while not self.abort(CALL):
                if self._stopping.is_set():
                    return False
        except ProducerFatal:
            return None
        return None if self._fatal else sent

    # --- what was committed ------------------------------------------------------------------------------------------

    def _recover(self, began: float) -> None:
        settings = shared_settings(self._settings)
        while not self._stopping.is_set():
            try:
                found = read_back(
                    self._admin.connected(self._topic),
                    settings,
                    self._topic,
                    self._instance,
                    self._partition,
                    waiting=lambda: self._events.offsets_waiting(self._topic, self._partition),
                    stopping=self._stopping.is_set,
                    clock=self._clock,
                )
            except KafkaException as raised:
                self._events.offsets_unread(self._topic, explain(raised.args[0]))
                self._stopping.wait(RETRY)
                continue
            if not self._stopping.is_set():
                self._accept(found)
                if self._claim(found):
                    self._events.offsets_read(self._instance, len(found.entries), self._clock() - began)
                    self.recovered = found
            return

    def _claim(self, found: Recovered) -> bool:
        """Commit a transaction that only says who delivers now; whether that could be done."""
        ours = found.last is not None and found.last.run == self._run_id
        number = found.last.number if ours and found.last is not None else 0  # what is known of it stays known
        try:
            self._txn.begin_transaction()
        except KafkaException as raised:
            self._give_up(raised.args[0])
            return False
        self._write(key_of(self._instance), Transaction(self._run_id, number))
        try:
            while not self._has_ended(self._txn.commit_transaction, CALL):
                if self._stopping.is_set():
                    return False
        except KafkaException as raised:
            self._give_up(raised.args[0])
            return False
        return True
