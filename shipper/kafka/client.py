"""One producer of librdkafka, for what the hot path needs of it: a batch of records in, one event for many reports out.

confluent-kafka's own looks six names up in a dict for each record, and calls Python with copies of it for each report;
here Python does nothing for a record but fill a place in three arrays (docs/decisions/client.md). Everything else that
the daemon asks of Kafka goes through confluent-kafka, whose errors these are too.

What is reported: an event without an error is the answer to one request, and holds its records in the order in which
they were queued. So those of one ``send`` stand together in it, and a few looks find how many they are (:func:`runs`);
in a small one each is looked at, which costs less.
An event with an error, or of which no broker has said where the records are, is gone through record by record.

Any thread, but ``poll``: one. Invariants: each record is reported once, by ``poll`` and never from within ``send``; no
call is made after ``close``.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from ctypes import byref
from itertools import groupby, repeat
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException

from shipper.kafka import librdkafka as c
from shipper.kafka.arrays import batch, calls, row
from shipper.model import DeliveryReport, Headers, Messages

Report = tuple[DeliveryReport | None, int]  # who is told of so many records; None: nobody

TEXT = 512  # bytes of an error's text
FEW = 64  # records of an event that are looked at one by one
CONNECT = 0.2  # seconds for the second connection, at most; as long as it is put off otherwise
EVENTS = c.EVENT_DR | c.EVENT_LOG | c.EVENT_ERROR | c.EVENT_STATS
PRIVATE = c.Message.private.offset
INVALID = KafkaError._INVALID_ARG  # noqa: SLF001 - public, in spite of its name


class Partition(NamedTuple):
    """What a broker says of a partition: the id of the broker that leads it, or -1."""

    leader: int


class Topic(NamedTuple):
    """What a broker says of a topic, and of its partitions by their numbers."""

    error: KafkaError | None
    partitions: dict[int, Partition]


class Metadata(NamedTuple):
    """What a broker says of the cluster: where its brokers are, by their ids, and the topics that were asked about."""

    brokers: dict[int, str]
    topics: dict[str, Topic]


def runs(count: int, number: Callable[[int], int]) -> Iterator[tuple[int, int]]:
    """Yield each number of ``count`` places (one at least), and in how many it is; those of a number stand together.

    A long run takes as many looks as its length has bits, twice.
    """
    start, found = 0, number(0)
    while True:
        end = start + 1
        behind = number(end) if end < count else None
        if behind == found:
            last, step = end, 1
            while last + step < count and number(last + step) == found:
                last += step
                step *= 2
            while step := step // 2:
                if last + step < count and number(last + step) == found:
                    last += step
            end = last + 1
            behind = number(end) if end < count else None
        yield found, end - start
        if behind is None:
            return
        start, found = end, behind


class Client:
    """A producer with ``settings``; raises KafkaException for those that it does not take.

    ``first`` is the topic that it will be asked about first. ``poll`` calls ``on_error`` with an error of the client's
    own, ``on_log`` with a level (as syslog has it), a facility and a text, ``on_statistics`` with JSON, ``on_throttle``
    with the seconds for which a broker held it back.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        *,
        first: str = "",
        on_error: Callable[[KafkaError], None] = lambda _: None,
        on_log: Callable[[int, str, str], None] = lambda *_: None,
        on_statistics: Callable[[str], None] = lambda _: None,
        on_throttle: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._on_error = on_error
        self._on_log = on_log
        self._on_statistics = on_statistics
        self._throttle = c.THROTTLE_CB(lambda _rk, _name, _id, milliseconds, _opaque: on_throttle(milliseconds / 1000))
        self._owed: dict[int, tuple[DeliveryReport, int]] = {}  # who is told, and of how many records still
        self._number = 0  # the last one of these
        self._failed: deque[tuple[DeliveryReport, KafkaError, str]] = deque()  # what was not taken, to be reported
        self._places = (ctypes.c_size_t * 16)()  # of an event's records
        self._asked = False  # the brokers, anything
        self.highest: dict[str, int] = {}  # for each topic, the number of a partition that has taken records
        self._rk = _new(settings, self._throttle)
        if first:
            with contextlib.suppress(KafkaException), _Handle(self._rk, first):
                pass  # it is in the first answer, then: see _connect
        self._queue = c.queue_get_main(self._rk)
        c.set_log_queue(self._rk, self._queue)
        _drop(c.sasl_background_callbacks_enable(self._rk))  # an error where it does not use SASL

    def __len__(self) -> int:
        """Return how many records are still to be reported; whatever else the client has to say counts too."""
        return int(c.outq_len(self._rk)) + len(self._failed)

    # --- sending -----------------------------------------------------------------------------------------------------

    def send(self, topic: str, messages: Messages, reports: Iterable[Report]) -> KafkaError | None:
        """Queue ``messages`` in order; ``reports`` says who is told of how many of them.

        Returns why the first one was not taken of those that were not; they are reported by ``poll``.
        """
        reports = list(reports)
        made = batch(messages, self._owe_all(reports) if len(reports) > 1 else self._owe(*reports[0]))
        with _Handle(self._rk, topic) as handle:
            queued = c.produce_batch(handle, c.PARTITION_UA, c.MSG_F_COPY, made.address, made.count)
        if queued == made.count:
            return None
        first, at = None, 0
        codes, numbers = made.ints(c.Message.err.offset), made.words(c.Message.private.offset)
        for report, count in reports:
            for code, number in zip(codes[at : at + count], numbers[at : at + count], strict=True):
                if code:
                    error = KafkaError(code)
                    first = first or error
                    self._fail(report, number, error, topic)
            at += count
        return first

    def send_each(
        self,
        topic: str,
        messages: Messages,
        headers: Sequence[Headers] | None,
        timestamps: Sequence[int] | None,
        report: DeliveryReport | None,
    ) -> KafkaError | None:
        """Queue ``messages``, each with its own headers and time (milliseconds; 0: now); otherwise as :meth:`send`."""
        number = self._owe(report, len(messages))
        first = None
        client = repeat(c.passed(self._rk))
        with _Handle(self._rk, topic) as handle:
            for some in calls(handle, messages, headers, timestamps, number):
                each = map(c.produceva_each, client, some.passed, repeat(c.passed(some.width)))
                for failed in filter(None, each):
                    error = _error(failed)
                    first = first or error
                    self._fail(report, number, error, topic)
        return first

    def send_one(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, report: DeliveryReport | None = None
    ) -> KafkaError | None:
        """Queue one record for one partition; returns why it was not taken, if so, and ``poll`` reports it."""
        number = self._owe(report, 1)
        with _Handle(self._rk, topic) as handle:
            arguments = row(handle, key, value, number, partition)
            failed = c.produceva(self._rk, arguments, len(arguments))
        if not failed:
            return None
        error = _error(failed)
        self._fail(report, number, error, topic)
        return error

    def _owe(self, report: DeliveryReport | None, count: int) -> int:
        """Return the number under which ``report`` will be told of ``count`` records."""
        if report is None or not count:
            return 0
        self._number = self._number % sys.maxsize + 1
        self._owed[self._number] = report, count
        return self._number

    def _owe_all(self, reports: Sequence[Report]) -> list[int]:
        """Return the number under which each record is reported."""
        if sys.maxsize - self._number < len(reports):
            self._number = 0
        numbers: list[int] = []
        owed, number = self._owed, self._number
        for report, count in reports:
            if report is None or not count:
                numbers += [0] * count
                continue
            number += 1
            owed[number] = report, count
            numbers += [number] * count
        self._number = number
        return numbers

    def _fail(self, report: DeliveryReport | None, number: int, error: KafkaError, topic: str) -> None:
        if report is not None:
            self._settle(number, 1)
            self._failed.append((report, error, topic))

    def _settle(self, number: int, count: int) -> DeliveryReport:
        """Count off some of what is owed under ``number``."""
        report, left = self._owed[number]
        if left == count:
            del self._owed[number]
        else:
            self._owed[number] = report, left - count
        return report

    # --- what it has to say ------------------------------------------------------------------------------------------

    def poll(self, timeout: float) -> int:
        """Tell what there is to tell, waiting up to ``timeout`` seconds for it; returns how many events it were."""
        served = len(self._failed)
        while self._failed:
            report, error, topic = self._failed.popleft()
            report.nack(error, topic, 1)
        wait = 0 if served else round(timeout * 1000)
        while event := c.queue_poll(self._queue, wait):
            try:
                self._tell(event)
            finally:
                c.event_destroy(event)
            served += 1
            wait = 0
        return served

    def push(self, timeout: float) -> None:
        """Have what is queued go, though its batches are not full; returns at the latest after ``timeout`` seconds.

        The client's threads have to see it within that time.
        """
        c.flush(self._rk, round(timeout * 1000))

    def interrupt(self) -> None:
        """Let a ``poll`` that waits return, or the next one; from any thread."""
        c.queue_yield(self._queue)

    def _tell(self, event: int) -> None:
        kind = c.event_type(event)
        if kind == c.EVENT_DR:
            self._report(event)
        elif kind == c.EVENT_ERROR:
            fatal = bool(c.event_error_is_fatal(event))
            self._on_error(KafkaError(c.event_error(event), _text(c.event_error_string(event)), fatal=fatal))
        elif kind == c.EVENT_STATS:
            self._on_statistics(_text(c.event_stats(event)))
        elif kind == c.EVENT_LOG:
            facility, text, level = ctypes.c_char_p(), ctypes.c_char_p(), ctypes.c_int()
            c.event_log(event, byref(facility), byref(text), byref(level))
            self._on_log(level.value, _text(facility.value), _text(text.value))

    def _report(self, event: int) -> None:
        count = c.event_message_count(event)
        if count > len(self._places):
            self._places = (ctypes.c_size_t * (2 * count))()
        places = self._places
        assert c.event_message_array(event, places, count) == count
        record = c.Message.from_address
        first = record(places[0])
        topic = _text(c.topic_name(first.rkt))
        # The first one's offset: those after it count on from there, even from that which says that there is none.
        if c.event_error(event) == 0 and first.offset >= 0:
            self.highest[topic] = max(first.partition, self.highest.get(topic, 0))
            self._acked(places, count)
            return
        what = ((one.private, one.err) for one in map(record, places[:count]))
        for (number, code), same in groupby(what):
            if number:
                failed = sum(1 for _ in same)
                self._settle(number, failed).nack(KafkaError(code) if code else None, topic, failed)

    def _acked(self, places: Any, count: int) -> None:
        """Tell of ``count`` records that have arrived, which are at ``places``."""
        number_at, owed = ctypes.c_size_t.from_address, self._owed
        found: Iterable[tuple[int, int]]
        if count > FEW:
            found = runs(count, lambda n: number_at(places[n] + PRIVATE).value)
        else:
            each: dict[int, int] = {}
            for place in places[:count]:
                number = number_at(place + PRIVATE).value
                each[number] = each.get(number, 0) + 1
            found = each.items()
        for number, taken in found:
            if number:
                report, left = owed.pop(number)  # as _settle does: this is done for each chunk
                if left != taken:
                    owed[number] = report, left - taken
                report.ack(taken)

    # --- topics ------------------------------------------------------------------------------------------------------

    def list_topics(self, topic: str, timeout: float) -> Metadata:
        """Ask a broker about ``topic``, for up to ``timeout`` seconds; raises KafkaException, also for its name."""
        if not self._asked:
            self._asked = True
            self._connect(topic, min(timeout, CONNECT))
        answer = ctypes.POINTER(c.Metadata)()
        with _Handle(self._rk, topic) as handle:
            if code := c.metadata(self._rk, 0, handle, byref(answer), round(timeout * 1000)):
                raise KafkaException(KafkaError(code))
        try:
            found = answer.contents
            brokers = {b.id: f"{_text(b.host)}:{b.port}" for b in found.brokers[: found.broker_count]}
            return Metadata(brokers, {_text(t.topic): _topic(t) for t in found.topics[: found.topic_count]})
        finally:
            c.metadata_destroy(answer)

    def _connect(self, topic: str, timeout: float) -> None:
        """Have a new client connect to the broker that leads a topic's first partition.

        The first answer ends the connection over which it came, and for what any broker may answer the next one is put
        off for half of reconnect.backoff.ms. For what only one may answer it is made at once, whatever that says. Which
        one that is has to be in the first answer: so the topic is made known before (``first``).
        """
        low, high = ctypes.c_int64(), ctypes.c_int64()
        c.query_watermark_offsets(self._rk, topic.encode(), 0, byref(low), byref(high), round(timeout * 1000))

    # --- transactions: each raises KafkaException --------------------------------------------------------------------

    def init_transactions(self, timeout: float) -> None:
        """Take over what goes under this transactional id."""
        _raise(c.init_transactions(self._rk, round(timeout * 1000)))

    def begin_transaction(self) -> None:
        """Begin one: what is sent from now on is in it."""
        _raise(c.begin_transaction(self._rk))

    def commit_transaction(self) -> None:
        """Commit it, however long that takes; another thread has to poll meanwhile."""
        _raise(c.commit_transaction(self._rk, -1))

    def abort_transaction(self) -> None:
        """Give it up, however long that takes; another thread has to poll meanwhile."""
        _raise(c.abort_transaction(self._rk, -1))

    # --- its end -----------------------------------------------------------------------------------------------------

    def purge(self) -> None:
        """Have everything that was not answered yet reported as not taken; does not wait."""
        c.purge(self._rk, c.PURGE_ALL_NOT_WAITING)

    def close(self) -> None:
        """Let go of it; what was not reported never is. May take long where its threads wait for the resolver."""
        c.queue_destroy(self._queue)
        c.destroy(self._rk)


class _Handle:
    """A topic as the client knows it, for a while; raises KafkaException where it does not take the name."""

    def __init__(self, client: int, topic: str) -> None:
        self._handle = c.topic_new(client, topic.encode(), None)
        if not self._handle:
            raise KafkaException(KafkaError(c.last_error(), f"{topic!r} is no name for a topic"))

    def __enter__(self) -> int:
        return int(self._handle)

    def __exit__(self, *_: object) -> None:
        c.topic_destroy(self._handle)


def _new(settings: Mapping[str, Any], throttle: Any) -> int:
    conf = c.conf_new()
    text = ctypes.create_string_buffer(TEXT)
    for name, value in {**settings, "log.queue": True}.items():
        said = str(value).lower() if isinstance(value, bool) else str(value)
        if c.conf_set(conf, name.encode(), said.encode(), text, TEXT) != 0:
            c.conf_destroy(conf)
            raise KafkaException(KafkaError(INVALID, _text(text.value)))
    c.conf_set_events(conf, EVENTS)
    c.conf_set_throttle_cb(conf, throttle)
    c.conf_enable_sasl_queue(conf, 1)  # what it has to ask for then is asked on a thread of its own
    client = c.new(c.PRODUCER, conf, text, TEXT)
    if not client:
        error = KafkaError(c.last_error(), _text(text.value))
        c.conf_destroy(conf)
        raise KafkaException(error)
    return int(client)


def _topic(found: c.MetadataTopic) -> Topic:
    partitions = {p.id: Partition(p.leader) for p in found.partitions[: found.partition_count]}
    return Topic(KafkaError(found.err) if found.err else None, partitions)


def _text(said: bytes | None) -> str:
    return (said or b"").decode(errors="replace")


def _error(failed: int) -> KafkaError:
    """Return an error of librdkafka's that says what can be done about it, and let go of it."""
    try:
        return KafkaError(
            c.error_code(failed),
            _text(c.error_string(failed)),
            fatal=bool(c.error_is_fatal(failed)),
            retriable=bool(c.error_is_retriable(failed)),
            txn_requires_abort=bool(c.error_txn_requires_abort(failed)),
        )
    finally:
        c.error_destroy(failed)


def _raise(failed: int | None) -> None:
    if failed:
        raise KafkaException(_error(failed))


def _drop(failed: int | None) -> None:
    if failed:
        c.error_destroy(failed)
