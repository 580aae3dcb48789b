"""A state machine that does to logs, daemon and brokers whatever can happen to them, in any order.

``disk.Disk`` is the model: what must arrive, and what is excused. ``bench.Bench`` is the daemon, with real files and
the kernel's real events, which come when a rule lets them through. Whenever the daemon comes to rest, and at the end
of every run, it is checked:

- every line that the model owes has arrived, and nothing that was never a line;
- lines of one path arrive in the order in which they were written (the first arrival of each counts; a record that
  the brokers refused lets those pass that were in flight behind it, so it is left out);
- no line arrives twice where nothing was killed and nothing refused;
- what is in flight is accounted for;

and at every save, that each offset is a line end, or the end of a last line that was sent (I4), and that all before it
is acknowledged (I1, I6).

A run is the same every time. ``SHIPPER_EXAMPLES=5000 pytest tests/model`` looks for new stories, other ones each time.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from unittest import mock

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from shipper import tailer
from shipper.files import MARK, digest
from shipper.model import Checkpoint, TopicState
from tests.model.bench import NO_TOPIC, PURGED, REFUSED, Bench
from tests.model.disk import Disk

PATHS = ("a.log", "b.log")
PARTIAL_TIMEOUT = 5.0

paths = st.sampled_from(PATHS)
few = st.integers(1, 6)


class Machine(RuleBasedStateMachine):
    """Two paths, their rotated files, the daemon, the brokers, and time."""

    def __init__(self) -> None:
        super().__init__()
        self._chunks = mock.patch.object(tailer, "MAX_LINES", 3)  # several chunks of few lines
        self._chunks.start()
        self.root = Path(tempfile.mkdtemp(prefix="shipper-model-"))
        self.bench = Bench(self.root, check=self.check_saved, partial_timeout=PARTIAL_TIMEOUT)
        self.disk = Disk(self.root, self._arrived, self._in_flight)
        self.may_repeat = False
        self.passed: set[bytes] = set()  # refused, so that others may have passed them
        self.wrote_at: dict[str, float] = {}

    def _arrived(self) -> set[bytes]:
        return set(self.bench.brokers.lines)

    def _in_flight(self) -> set[bytes]:
        return {sent.value for sent in self.bench.client.queue} if self.bench.running else set()

    @initialize(before=st.integers(0, 5), copied=st.sets(paths))
    def begin(self, before: int, copied: set[str]) -> None:
        self.copied = copied
        if before:
            self.disk.write("a.log", before)
        self.bench.start()
        self.tell()

    # --- what is written ---------------------------------------------------------------------------------------------

    @rule(path=paths, count=few, crlf=st.booleans())
    def write(self, path: str, count: int, crlf: bool) -> None:
        self.disk.write(path, count, crlf=crlf)

    @rule(path=paths)
    def create(self, path: str) -> None:
        self.disk.create(path)

    @rule(path=paths)
    def write_half(self, path: str) -> None:
        if path not in self.disk.names or not self.disk.names[path].partial:
            self.disk.write_half(path)
            self.wrote_at[path] = self.bench.now

    @rule(path=paths)
    def finish_half(self, path: str) -> None:
        """End the partial line: also in a file that was rotated away, as long as it may not have been sent as it is."""
        name = path if path in self.disk.names and self.disk.names[path].partial else f"{path}.1"
        inode = self.disk.names.get(name)
        soon = self.bench.now < self.wrote_at.get(path, 0.0) + PARTIAL_TIMEOUT
        if inode and inode.partial and not inode.copied and (name == path or soon):
            self.disk.finish(name, path)

    @rule(path=paths)
    def write_late(self, path: str) -> None:
        inode = self.disk.names.get(f"{path}.1")
        if inode and not inode.copied and not inode.partial:
            self.disk.write_late(f"{path}.1")

    # --- what happens to files ---------------------------------------------------------------------------------------

    @rule(path=paths, shift=st.booleans(), count=st.integers(0, 3))
    def rotate(self, path: str, shift: bool, count: int) -> None:
        """Rotate a path as it always is: by renaming, or by copying, over the last copy or with the older ones kept."""
        if path not in self.disk.names:
            return
        if path in self.copied:
            self.disk.copy_and_truncate(path, shift=shift)
        else:
            self.disk.rotate(path)
        if count:
            self.disk.write(path, count)

    @rule(path=paths, count=st.integers(0, 8))
    def truncate(self, path: str, count: int) -> None:
        if path in self.disk.names:
            self.disk.truncate(path)
            if count:
                self.disk.write(path, count)

    @rule(path=paths)
    def restore(self, path: str) -> None:
        if path in self.disk.names and not self.disk.names[path].partial:
            self.disk.restore(path)

    @rule(path=paths, which=st.integers(0, 3))
    def delete(self, path: str, which: int) -> None:
        names = [name for name in (path, *self.disk.siblings(path)) if name in self.disk.names]
        if which < len(names):
            self.disk.delete(names[which])

    @rule(path=paths, which=st.integers(0, 2), peeks=st.booleans())
    def compress(self, path: str, which: int, peeks: bool) -> None:
        names = [name for name in self.disk.siblings(path) if not name.endswith(".gz")]
        if which < len(names) and f"{names[which]}.gz" not in self.disk.names:
            self.disk.compress(names[which], self.tell if peeks and self.bench.running else lambda: None)

    # --- what the daemon does ----------------------------------------------------------------------------------------

    running = precondition(lambda self: self.bench.running)

    @running
    @rule()
    def tell(self) -> None:
        """The kernel's events get through."""
        self.bench.tell()
        self.disk.told()

    @running
    @rule(rounds=st.integers(1, 3))
    def work(self, rounds: int) -> None:
        """Some rounds, while events are on their way."""
        for _ in range(rounds):
            self.bench.beat()

    @running
    @rule()
    def lose_events(self) -> None:
        self.bench.lose_events()

    @running
    @rule(seconds=st.sampled_from([0.3, 1.0, 6.0, 40.0]))
    def pass_time(self, seconds: float) -> None:
        self.tell()
        self.bench.pass_time(seconds)

    @running
    @rule()
    def save(self) -> None:
        self.bench.store.save()

    @running
    @rule()
    def stop(self) -> None:
        self.bench.stop()
        self.disk.daemon_ended()

    @running
    @rule()
    def kill(self) -> None:
        self.may_repeat = True
        self.bench.kill()
        self.disk.daemon_ended()

    @precondition(lambda self: not self.bench.running)
    @rule(tells=st.booleans())
    def start(self, tells: bool) -> None:
        self.bench.start()
        if tells:
            self.tell()

    # --- what the brokers do -----------------------------------------------------------------------------------------

    @rule()
    def brokers_go(self) -> None:
        self.bench.brokers.up = False

    @rule()
    def brokers_come(self) -> None:
        self.bench.brokers.up = True
        self.bench.brokers.topic = TopicState.READY

    @running
    @rule(count=few, path=paths, reported=st.booleans())
    def some_arrive(self, count: int, path: str, reported: bool) -> None:
        if reported:
            self.bench.client.deliver(count, path.encode())
        else:
            self.bench.client.land(count, path.encode())

    @running
    @rule(count=few, path=paths, lands=st.integers(0, 3))
    def refused(self, count: int, path: str, lands: int) -> None:
        """Some records of a partition are not taken, those behind them may be."""
        self._lets_go()
        self.passed |= {sent.value for sent in self.bench.client.queue if sent.key == path.encode()}
        self.bench.client.fail(REFUSED, count, path.encode())
        self.bench.client.deliver(lands, path.encode())
        self.disk.client_let_go()

    @running
    @rule(lands=st.integers(0, 3))
    def purged(self, lands: int) -> None:
        """Nothing of what is in flight is acknowledged, and some of it has arrived."""
        self._lets_go()
        self.bench.client.land(lands)
        self.bench.client.fail(PURGED)
        self.disk.client_let_go()

    @running
    @rule()
    def topic_goes(self) -> None:
        self._lets_go()
        self.bench.brokers.topic = TopicState.MISSING
        self.bench.client.fail(NO_TOPIC)
        self.disk.client_let_go()

    @running
    @rule(lands=st.integers(0, 3), tells=st.booleans())
    def client_dies(self, lands: int, tells: bool) -> None:
        self._lets_go()
        self.bench.client.land(lands)
        self.bench.client.fatal = True
        self.bench.client.tells_what_it_purges = tells
        self.bench.beat()
        self.disk.client_let_go()

    def _lets_go(self) -> None:
        if self.bench.client.queue:
            self.may_repeat = True

    # --- what must hold ----------------------------------------------------------------------------------------------

    @running
    @rule()
    def calm(self) -> None:
        """Nothing happens any more for a while."""
        self.tell()
        self.bench.calm()
        self.disk.told()
        self.check_arrived()

    def teardown(self) -> None:
        try:
            self.finish()
        finally:
            self.bench.close()
            self.disk.close()
            self._chunks.stop()
            shutil.rmtree(self.root)

    def finish(self) -> None:
        """Let every path be written once more, so that whatever was rotated away is replaced, and come to rest."""
        if not self.bench.running:
            self.bench.start()
        self.tell()
        self.bench.calm()
        self.check_arrived()
        for path in PATHS:
            self.disk.write(path, 1)
        self.tell()
        self.bench.calm()
        self.check_arrived()
        missing = self.disk.missing_partials(PATHS)
        assert not missing, f"last lines never arrived: {sorted(missing)}"
        self.bench.stop()

    def check_arrived(self) -> None:
        lines = self.bench.brokers.lines
        missing = self.disk.missing()
        assert not missing, f"never arrived: {sorted(missing)}"
        garbled = set(lines) - self.disk.known()
        assert not garbled, f"never written: {sorted(garbled)}"
        if not self.may_repeat:
            twice = [line for line, count in Counter(lines).items() if count > 1]
            assert not twice, f"arrived twice: {twice}"
        first = {line: place for place, line in reversed(list(enumerate(lines)))}
        for path, written in self.disk.order.items():
            unordered = self.passed | self.disk.excused | self.disk.muddled
            order = [line for line in written if line in first and line not in unordered]
            arrived = sorted(order, key=lambda line: first[line])
            assert arrived == order, f"{path}: written as {order}, arrived as {arrived}"
        if not (self.disk.destroyed or self.may_repeat):
            assert not self.bench.told.named("file.lost")

    def check_saved(self, saved: Checkpoint) -> None:
        """Hold a checkpoint against what the files hold or held, and against what the brokers have acknowledged."""
        offset = saved.offset
        if not offset:
            return
        before = {
            content[:offset]
            for content in self.disk.everything()
            if len(content) >= offset and digest(content[max(0, offset - MARK) : offset]) == saved.fingerprint.mark
        }
        assert before, f"{saved} is the position of no file"
        for content in before:
            lines = content.replace(b"\r\n", b"\n").split(b"\n")
            ended = lines.pop() == b"" if content.endswith(b"\n") else True
            assert ended
            unacked = set(lines) - self.bench.brokers.acked
            assert not unacked, f"{saved} was saved before {sorted(unacked)} were acknowledged"


examples = int(os.environ.get("SHIPPER_EXAMPLES", "0"))
TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=examples or 200,
    stateful_step_count=40,
    derandomize=not examples,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
    report_multiple_bugs=False,
)
