"""What becomes of refused records where they are committed: by hand, with brokers that refuse whole batches."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaError

from shipper import commits, turns
from shipper.config.framing import MultilineConfig
from shipper.deadletters import Letter, Letters
from shipper.errors import ProducerFatal
from shipper.kafka.offsets import Recovered, Transaction
from shipper.kafka.transactions import Outcome
from shipper.model import Checkpoint, DeliveryReport, Messages
from shipper.records import Record
from tests.unit.rig import FakeSink, PumpRig


class FakeTransactions(FakeSink):
    """All that is in the queue at a poll is one batch; a batch with a bad record is refused, and so is its commit."""

    def __init__(self) -> None:
        super().__init__()
        self.began_at: float | None = None
        self.reason = "refused"
        self.recovered: Recovered | None = Recovered(None, {})
        self.error: Exception | None = None
        self.clock: Callable[[], float] = lambda: 0.0
        self.bad: set[bytes] = set()
        self.batches: list[list[bytes]] = []
        self.open: list[bytes] = []
        self.failed = False
        self.slow = False  # what is asked to be committed is not yet
        self.ends: Callable[[], Outcome] = lambda: Outcome.COMMITTED  # and how it ends
        self.transactions: list[list[bytes]] = []
        self.offsets: list[int] = []
        self.aborts = self.tried = 0
        self.patience = 0.0  # seconds for which the last attempt to commit may have waited

    @property
    def committed(self) -> list[bytes]:
        return [value for transaction in self.transactions for value in transaction]

    def begin(self) -> None:
        if self.began_at is None:
            self.began_at = self.clock()

    def send(self, topic: str, messages: Messages, report: DeliveryReport, *, alone: bool = False) -> None:
        self.begin()
        if alone:
            assert not self.queue, "it is not alone in its batch"
        super().send(topic, messages, report)

    def deliver(self) -> int:
        queue, self.queue = self.queue, []
        if queue:
            self.batches.append([sent.value for sent in queue])
        refused = any(sent.value in self.bad for sent in queue)
        self.failed |= refused
        for sent in queue:
            self.open += [] if refused else [sent.value]
            sent.tell(KafkaError.INVALID_RECORD if refused else None)
        return len(queue)

    def prepare(
        self, number: int, epoch: int, edits: int, changed: Iterable[Checkpoint], removed: Iterable[tuple[str, str]]
    ) -> None:
        self.prepared = [c.offset for c in changed]

    def commit(self, timeout: float) -> Outcome:
        self.tried += 1
        self.patience = timeout
        self.deliver()
        if self.slow:
            return Outcome.PENDING
        if self.failed or self.ends() is Outcome.REFUSED:
            return Outcome.REFUSED
        self.transactions.append(self.open)
        self.offsets += self.prepared
        self._end()
        return Outcome.COMMITTED

    def abort(self, timeout: float) -> bool:
        self.aborts += 1
        self.queue = []
        self._end()
        return True

    def _end(self) -> None:
        self.began_at, self.open, self.failed = None, [], False


class Once(PumpRig):
    """A rig that delivers exactly once, to brokers that refuse ``bad``."""

    def __init__(self, root: Path, on_reject: str = "deadletter", **source: Any) -> None:
        super().__init__(root, **source)
        kafka = msgspec.structs.replace(self.config.kafka, delivery="exactly_once", on_reject=on_reject)
        self.config = msgspec.structs.replace(self.config, kafka=kafka)
        self.client = FakeTransactions()
        self.client.clock = lambda: self.now
        self.sinks.append(self.client)

    def write(self, *lines: bytes, name: str = "a.log") -> None:
        with (self.logs / name).open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))

    def dead(self) -> list[tuple[bytes, int, int]]:
        return [(letter.value, letter.offset, letter.part) for letter in self.letters()]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Once]]:
    made: list[Once] = []

    def make(**how: Any) -> Once:
        rig = Once(tmp_path, **how)
        monkeypatch.setattr(commits, "TransactionalProducer", lambda *_, **__: rig.client)
        made.append(rig)
        return rig

    yield make
    for rig in made:
        rig.__exit__(None, None, None)


def test_what_is_refused_alone_is_kept_and_the_rest_is_committed_once_in_order(make: Callable[..., Once]) -> None:
    rig = make()
    rig.client.bad = {b"bad 1", b"bad 2", b"bad 3"}
    rig.write(b"one", b"bad 1", b"two", b"bad 2", b"bad 3", b"three")
    rig.start()
    rig.pass_until("the last line", lambda: b"three" in rig.client.committed)
    assert rig.client.committed == [b"one", b"two", b"three"]
    assert rig.dead() == [(b"bad 1", 4, 0), (b"bad 2", 14, 0), (b"bad 3", 20, 0)]
    assert rig.client.offsets[-1] == 32
    assert rig.events.counters["record.deadlettered", "s"] == 3


def test_a_record_that_is_the_last_one_is_passed_by_a_commit_of_nothing_else(make: Callable[..., Once]) -> None:
    rig = make()
    rig.client.bad = {b"bad"}
    rig.write(b"bad")
    rig.start()
    rig.pass_until("the offset behind it", lambda: 4 in rig.client.offsets)
    assert rig.client.committed == []
    assert rig.dead() == [(b"bad", 0, 0)]
    aborts = rig.client.aborts
    rig.write(b"next")
    rig.pass_until("the next line", lambda: rig.client.committed == [b"next"])
    assert rig.client.aborts == aborts
    rig.pass_until("what is saved", lambda: [c.offset for c in rig.saved()] == [9])


def test_a_part_that_is_refused_is_left_out_of_its_line(make: Callable[..., Once]) -> None:
    rig = make(max_line=4)
    rig.client.bad = {b"bbbb"}
    rig.write(b"one", b"aaaabbbbcc", b"two")
    rig.start()
    rig.pass_until("the last line", lambda: b"two" in rig.client.committed)
    assert rig.client.committed == [b"one", b"aaaa", b"cc", b"two"]
    assert rig.dead() == [(b"bbbb", 4, 2)]
    assert [b"aaaa", b"cc"] in rig.client.transactions


def test_a_commit_waits_for_the_rest_of_a_line_and_does_not_ask_for_it_on_and_on(
    make: Callable[..., Once], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make(max_line=4)
    rig.start()
    send = rig.client.send

    def breaks_off(topic: str, messages: Messages, *report: Any, **how: Any) -> None:
        send(topic, messages, *report, **how)
        rig.faults["log.read"] = OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(rig.client, "send", breaks_off)
    rig.write(b"aaaabbbbcc")
    rig.pass_time(5)
    assert rig.client.open == [b"aaaa"]
    assert rig.pump is not None
    assert rig.pump._commits is not None
    assert rig.pump._commits.due() > rig.now
    assert (rig.client.tried, rig.client.aborts) == (0, 0)
    monkeypatch.setattr(rig.client, "send", send)
    rig.faults.clear()
    rig.pass_until("all of it", lambda: rig.client.transactions == [[b"aaaa", b"bbbb", b"cc"]])
    assert rig.client.aborts == 0


@pytest.mark.parametrize("bad", [[b"a"], [b"b"], [b"c"], [b"a", b"c"], [b"a", b"b", b"c"]])
def test_of_several_records_of_a_line_each_is_judged(
    make: Callable[..., Once], monkeypatch: pytest.MonkeyPatch, bad: list[bytes]
) -> None:
    def words(record: Record) -> list[Record]:
        return [Record(word) for word in record.message.split()]

    monkeypatch.setattr("shipper.records.processors.load", lambda name: words)
    rig = make(processor="words", provenance="headers")
    rig.client.bad = set(bad)
    rig.write(b"one", b"a b c", b"two")
    rig.start()
    good = [word for word in (b"one", b"a", b"b", b"c", b"two") if word not in bad]
    rig.pass_until("the last line", lambda: rig.client.committed == good)
    assert rig.dead() == [(word, 4, b"abc".index(word) + 1) for word in bad]
    assert rig.client.offsets[-1] == 14


def test_an_event_that_has_grown_since_it_was_kept_is_passed_as_it_was(make: Callable[..., Once]) -> None:
    rig = make(multiline=MultilineConfig(start="^[+]", timeout=1.0))
    rig.client.bad = {b"+bad"}
    rig.write(b"+one", b"+bad")
    rig.start()
    rig.pass_until("the pause before it is passed", lambda: rig.dead() == [(b"+bad", 5, 0)])
    rig.write(b"-more", b"+two", b"+three")
    rig.pass_until("what comes behind it", lambda: b"+three" in rig.client.committed)
    assert rig.client.committed == [b"+one", b"-more", b"+two", b"+three"]
    assert rig.dead() == [(b"+bad", 5, 0)]


def test_a_long_line_is_kept_and_passed_by_a_commit(make: Callable[..., Once]) -> None:
    rig = make(max_line=4, on_long_line="deadletter")
    rig.write(b"one", b"aaaabbbb", b"two")
    rig.start()
    rig.pass_until("the last line", lambda: b"two" in rig.client.committed)
    assert rig.client.committed == [b"one", b"two"]
    assert rig.dead() == [(b"aaaa", 4, 0)]


def test_a_record_stops_its_source_where_it_may_not_be_passed_over(make: Callable[..., Once]) -> None:
    rig = make(on_reject="block")
    rig.client.bad = {b"bad"}
    rig.write(b"one", b"bad", b"two")
    rig.start()
    rig.pass_until("the source to stop", lambda: rig.source.delivery.blocked)
    rig.pass_time(30)
    assert rig.client.committed == [b"one"]
    assert "a.log at offset 4 was refused" in rig.source.why_idle
    assert rig.dead() == []
    rig.client.bad = set()
    rig.pass_until("the last line", lambda: rig.client.committed == [b"one", b"bad", b"two"])
    assert not rig.source.delivery.blocked


def test_sources_that_narrow_down_take_turns_and_blame_no_line_of_another(make: Callable[..., Once]) -> None:
    rig = make()
    for name in ("o", "p"):
        source = msgspec.structs.replace(rig.config.sources["s"], name=name, paths=(f"{rig.logs}/*.{name}",))
        rig.config = msgspec.structs.replace(rig.config, sources=rig.config.sources | {name: source})
    wanted: dict[str, list[bytes]] = {}
    for name in ("a.log", "a.o"):
        lines = [b"%s bad %d" % (name.encode(), n) if n % 3 else b"%s %d" % (name.encode(), n) for n in range(9)]
        rig.client.bad |= {line for line in lines if b"bad" in line}
        wanted[name] = [line for line in lines if b"bad" not in line]
        rig.write(*lines, name=name)
    rig.start()
    wanted["a.p"] = []
    turn = 0

    def done() -> object:
        nonlocal turn
        turn += 1
        wanted["a.p"].append(b"a.p %d" % turn)
        rig.write(wanted["a.p"][-1], name="a.p")  # there is always something else to read
        return {line for lines in list(wanted.values())[:2] for line in lines} <= set(rig.client.committed)

    rig.pass_until("the last lines", done)
    rig.pass_until("the rest", lambda: wanted["a.p"][-1] in rig.client.committed)
    for name, lines in wanted.items():
        assert [line for line in rig.client.committed if line.startswith(name.encode())] == lines
    rig.pass_until("the dead letters", lambda: len(rig.dead()) >= len(rig.client.bad))
    assert {value for value, _, _ in rig.dead()} == rig.client.bad
    assert len(rig.dead()) == len(rig.client.bad)


def test_nothing_of_its_source_is_sent_before_a_letter_is_kept(
    make: Callable[..., Once], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make()
    rig.client.bad = {b"bad"}
    add, asked, go = Letters.add, threading.Event(), threading.Event()

    def slow(letters: Letters, letter: Letter, most: int) -> str:
        asked.set()
        assert go.wait(30)
        return add(letters, letter, most)

    monkeypatch.setattr(Letters, "add", slow)
    rig.write(b"bad", b"next")
    rig.start()
    try:
        rig.pass_until("the letter", asked.is_set)
        rig.pass_time(1)
        batches = len(rig.client.batches)
        rig.pass_time(60)
        assert len(rig.client.batches) == batches
        assert rig.client.offsets == []
    finally:
        go.set()
    rig.pass_until("the next line", lambda: rig.client.committed == [b"next"])
    assert rig.client.batches[-1] == [b"next"]


def test_a_record_on_trial_is_not_committed_before_its_report_has_come(make: Callable[..., Once]) -> None:
    rig = make()
    rig.client.bad = {b"bad"}
    rig.write(b"one", b"bad")
    rig.start()
    rig.pass_until("the narrowing", lambda: rig.source.delivery.pace.limit)
    rig.client.up = False
    rig.pass_until("a record on trial", lambda: rig.source.delivery.on_trial)
    tried = rig.client.tried
    rig.pass_time(10)
    assert rig.client.tried == tried
    rig.client.up = True
    rig.pass_until("the offset behind it", lambda: 8 in rig.client.offsets)
    assert rig.client.committed == [b"one"]


def test_what_is_large_and_at_rest_is_committed_without_waiting(
    make: Callable[..., Once], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "ENOUGH", 3000)
    rig = make()
    rig.start()
    rig.write(b"a line")
    rig.beat(10)
    assert rig.client.committed == []  # little: it waits for the interval
    rig.write(another := b"x" * 3000)
    rig.client.up = False
    rig.beat(10)
    assert rig.client.committed == []  # in flight: the commit would wait for it, and nothing could be read
    rig.client.up = True
    rig.beat(10)
    assert rig.client.committed == [b"a line", another]


def test_what_is_left_of_a_backlog_is_committed_without_waiting(
    make: Callable[..., Once], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "ENOUGH", 1 << 20)
    monkeypatch.setattr(turns, "BYTES_A_TURN", 1)  # a block a round
    rig = make()
    rig.write(*[b"x" * 999] * 3000)
    rig.start()
    client = rig.client
    assert rig.pump is not None
    while rig.pump._ledger.open_bytes < 2 << 20:
        rig.beat(1)
    rig.now += rig.config.kafka.commit_interval
    rig.beat(1)
    assert client.transactions == []  # a backlog is committed half as often
    rig.now += rig.config.kafka.commit_interval
    rig.beat(1)
    assert (len(client.transactions), len(client.committed) < 3000) == (1, True)
    rig.beat(10)
    assert (len(client.transactions), len(client.committed)) == (2, 3000)  # though it is little
    rig.write(b"a line")
    rig.beat(10)
    assert (len(client.transactions), client.open) == (2, [b"a line"])  # again it waits for the interval


def test_a_backlog_that_ends_is_not_committed_later_for_that_it_was_one(
    make: Callable[..., Once], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "ENOUGH", 1000)
    monkeypatch.setattr(turns, "BYTES_A_TURN", 1)  # a block a round
    rig = make()
    rig.write(*[b"x" * 999] * 3000)
    rig.start()
    rig.now += rig.config.kafka.commit_interval
    rig.beat(1)
    assert rig.client.transactions == []
    rig.beat(20)
    assert [len(one) for one in rig.client.transactions] == [3000]
    rig.write(b"a line")
    rig.beat(1)
    rig.now += rig.config.kafka.commit_interval
    rig.beat(2)
    assert rig.client.transactions[1] == [b"a line"]


def test_a_very_large_transaction_is_committed_though_a_backlog_is_read(
    make: Callable[..., Once], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "ENOUGH", 1000)
    monkeypatch.setattr(commits, "MOST", 300_000)
    monkeypatch.setattr(turns, "BYTES_A_TURN", 1)
    rig = make()
    rig.write(*[b"x" * 999] * 3000)
    rig.start()
    rig.beat(3)
    assert 0 < len(rig.client.committed) < 3000


@pytest.fixture
def reading_ahead(make: Callable[..., Once]) -> Once:
    """One line is being committed, two more have been read meanwhile."""
    rig = make()
    rig.start()
    rig.client.slow = True
    rig.write(b"one")
    rig.beat(1)
    rig.now += rig.config.kafka.commit_interval
    rig.beat(1)
    assert rig.client.tried
    rig.write(b"two", b"three")
    rig.beat(5)
    assert rig.pump is not None
    assert rig.pump._ledger.records == 3
    return rig


def test_what_is_read_while_a_transaction_is_committed_goes_with_the_next(reading_ahead: Once) -> None:
    client = reading_ahead.client
    assert client.open == [b"one"]
    assert not client.queue
    client.slow = False
    reading_ahead.beat(2)
    assert (client.transactions, client.offsets, client.open) == ([[b"one"]], [4], [b"two", b"three"])
    reading_ahead.pass_until("the next commit", lambda: len(client.transactions) == 2)
    assert (client.transactions[1], client.offsets) == ([b"two", b"three"], [4, 14])
    assert reading_ahead.told_of("transaction.committed")[0]["records"] == 1


def test_no_more_than_so_much_is_read_while_a_transaction_is_committed(
    reading_ahead: Once, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "AHEAD", 1)
    reading_ahead.write(b"four")
    reading_ahead.beat(5)
    assert reading_ahead.pump is not None
    assert reading_ahead.pump._ledger.records == 3


def test_a_commit_is_waited_for_only_where_there_is_nothing_to_be_read(reading_ahead: Once) -> None:
    assert reading_ahead.client.patience == commits.CALL
    reading_ahead.write(b"four")
    reading_ahead.beat(1)
    assert reading_ahead.client.patience == 0.0
    reading_ahead.beat(2)
    assert reading_ahead.client.patience == commits.CALL


def test_a_stop_reads_nothing_more_and_commits_what_was_read_ahead(reading_ahead: Once) -> None:
    client, pump = reading_ahead.client, reading_ahead.pump
    assert pump is not None
    reading_ahead.write(b"four")
    client.slow = False
    pump._drain()
    assert client.transactions == [[b"one"], [b"two", b"three"]]
    assert (pump.left.in_flight, pump.left.saved) == (0, True)


@pytest.mark.parametrize("why", ["rewinding", "careful"])
def test_nothing_is_read_ahead_where_a_source_waits_to_go_back_or_narrows_down(reading_ahead: Once, why: str) -> None:
    assert reading_ahead.pump is not None
    assert list(reading_ahead.pump._turns._readers_ahead()) == [reading_ahead.source]
    delivery = reading_ahead.source.delivery
    if why == "careful":
        delivery.pace.refused(100)
    else:
        delivery.refuse(60.0)
    assert not list(reading_ahead.pump._turns._readers_ahead())


def test_what_was_read_ahead_is_read_again_where_the_commit_is_refused(reading_ahead: Once) -> None:
    client = reading_ahead.client
    ends = iter([Outcome.REFUSED])
    client.ends = lambda: next(ends, Outcome.COMMITTED)
    client.slow = False
    reading_ahead.pass_until("all", lambda: len(client.committed) == 3)
    assert (client.committed, client.aborts) == ([b"one", b"two", b"three"], 1)


def test_what_was_read_ahead_is_read_again_where_something_was_said_not_to_be_taken(reading_ahead: Once) -> None:
    client = reading_ahead.client
    reading_ahead.source.delivery.refuse(0.5)
    client.slow = False
    reading_ahead.beat(2)
    assert (client.committed, client.open) == ([b"one"], [])
    reading_ahead.pass_until("all", lambda: len(client.committed) == 3)
    assert client.committed == [b"one", b"two", b"three"]


def test_a_source_that_waits_to_go_back_sends_no_other_one_back_when_something_is_committed(
    make: Callable[..., Once],
) -> None:
    rig = make(on_reject="block")
    source = msgspec.structs.replace(rig.config.sources["s"], name="o", paths=(f"{rig.logs}/*.o",))
    rig.config = msgspec.structs.replace(rig.config, sources=rig.config.sources | {"o": source})
    rig.client.bad = {b"bad"}
    rig.write(b"bad")
    rig.start()
    rig.pass_until("the source to stop", lambda: rig.source.delivery.blocked)
    for line in (b"one", b"two", b"three"):
        rig.write(line, name="a.o")
        rig.pass_time(2 * rig.config.kafka.commit_interval)
    assert rig.client.transactions == [[b"one"], [b"two"], [b"three"]]
    assert rig.events.counters["source.rewound", "o"] == 0


@pytest.mark.parametrize("carried_out", [True, False])
def test_what_was_read_ahead_is_read_again_with_a_new_client(reading_ahead: Once, *, carried_out: bool) -> None:
    old = reading_ahead.client
    assert reading_ahead.pump is not None
    done = reading_ahead.pump._commits
    assert done is not None
    new = reading_ahead.client = FakeTransactions()
    new.clock = old.clock
    new.recovered = Recovered(Transaction(done._run, done._number if carried_out else done._number - 1), {})

    def dies() -> Outcome:
        raise ProducerFatal("so the test goes")

    old.ends = dies
    old.slow = False
    lines = [b"two", b"three"] if carried_out else [b"one", b"two", b"three"]
    reading_ahead.pass_until("all", lambda: len(new.committed) == len(lines))
    assert new.committed == lines


def test_a_file_that_is_deleted_before_it_is_known_what_was_committed_is_read_to_its_end(
    make: Callable[..., Once],
) -> None:
    rig = make()
    rig.write(b"one")
    rig.start()
    rig.pass_until("the first line", lambda: rig.client.committed == [b"one"])
    rig.stop()
    rig.write(b"two")
    rig.client.recovered = None
    looks = 0

    def away() -> None:
        nonlocal looks
        looks += 1
        rig.now += 1.0
        if looks == 5:
            (rig.logs / "a.log").rename(rig.logs / "a.log.1")
            rig.write(b"three")
            wake(rig)
        elif looks == 10:
            (rig.logs / "a.log.1").unlink()
            wake(rig)
        elif looks == 15:
            rig.client.recovered = Recovered(None, {})
            rig.client.on_poll = lambda: None

    rig.client.on_poll = away
    rig.start()
    rig.pass_until("the last line", lambda: b"three" in rig.client.committed)
    assert rig.client.committed == [b"one", b"two", b"three"]
    assert rig.events.counters["file.lost", "s"] == 0


def test_what_is_held_open_and_not_needed_is_closed(make: Callable[..., Once]) -> None:
    rig = make()
    rig.write(b"one")
    rig.client.recovered = None
    looks = most = 0

    def away() -> None:
        nonlocal looks, most
        looks += 1
        rig.now += 1.0
        most = max(most, open_at(rig.logs / "a.log"))
        if looks == 10:
            rig.client.recovered = Recovered(None, {})
            rig.client.on_poll = lambda: None

    rig.client.on_poll = away
    rig.start()
    rig.pass_until("the line", lambda: rig.client.committed == [b"one"])
    assert most == 1
    rig.stop()
    assert open_at(rig.logs / "a.log") == 0


def wake(rig: Once) -> None:
    assert rig.pump is not None
    rig.pump.wake()


def open_at(path: Path) -> int:
    """Return how many descriptors of this process lead to ``path``."""
    return sum(os.path.samefile(f"/proc/self/fd/{fd}", path) for fd in os.listdir("/proc/self/fd") if _leads(fd))


def _leads(fd: str) -> bool:
    return os.path.exists(f"/proc/self/fd/{fd}")
