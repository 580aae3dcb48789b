"""A kill, or a power cut, between any two changes that we make to the state directory: it opens, and is true.

What is judged is every state that a recorded run has left on the disk on its way; nothing is sampled, but what a power
cut makes of writes that were not synced.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from shipper.checkpoints import CheckpointStore
from tests.harness.letters import letters_in
from tests.harness.wait import eventually
from tests.harness.writes import STRACE, Disk, Op, record
from tests.unit.rig import FakeSink, PumpRig
from tests.unit.test_checkpoints import FILES, STEP, Log, numbered, offsets


def may_trace() -> bool:
    """Whether a process may be watched here."""
    if STRACE is None:
        return False
    return subprocess.run([STRACE, "-o", "/dev/null", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


pytestmark = pytest.mark.skipif(
    not may_trace() and not os.environ.get("CI"), reason="strace is not installed, or may not watch a process here"
)

POWER_CUTS = 1  # by chance, at each moment


def states(ops: list[Op], root: Path) -> Iterator[tuple[str, list[str], Path]]:
    """Yield each state of the directory on its way: how it came to be, what had been said before, and where it is."""
    disk, said, number = Disk(), list[str](), 0
    dice = random.Random(20261124)
    made: list[tuple[str, Callable[[Path], None]]] = [
        ("kill", lambda path: disk.killed(path)),
        ("power cut", lambda path: disk.powerless(path)),
        *[("power cut by chance", lambda path: disk.powerless(path, dice))] * POWER_CUTS,
    ]
    for op in ops:
        if op.kind == "say":
            said.append(op.data.decode().strip())
            continue
        disk.apply(op)
        for how, make in made:
            number += 1
            path = root / f"{number}"
            make(path)
            yield f"{how} after {len(said)} lines and {op.kind} {op.path}", list(said), path


# The recorder itself: what was not synced may be lost, and is.

UNSYNCED = """
import os, sys
def at(name): return os.path.join(sys.argv[1], name)
one = os.open(at("one"), os.O_RDWR | os.O_CREAT)
os.pwrite(one, b"synced", 0)
os.fsync(one)
directory = os.open(sys.argv[1], os.O_RDONLY)
os.fsync(directory)
os.pwrite(one, b"loose", 6)
two = os.open(at("two"), os.O_RDWR | os.O_CREAT)
os.rename(at("one"), at("three"))
os.write(1, b"said")
os.unlink(at("two"))
"""


def test_what_was_not_synced_may_be_lost(tmp_path: Path) -> None:
    directory = tmp_path / "directory"
    directory.mkdir()
    ops = record(UNSYNCED, [str(directory)], directory, tmp_path / "trace")
    kinds = [(op.kind, op.path) for op in ops]
    assert kinds == [
        *[("make", "one"), ("write", "one"), ("sync", "one"), ("sync", ""), ("write", "one")],
        *[("make", "two"), ("rename", "one"), ("say", ""), ("remove", "two")],
    ]
    disk = Disk()
    for op in ops[:-1]:
        disk.apply(op)
    disk.killed(tmp_path / "killed")
    assert contents(tmp_path / "killed") == {"three": b"syncedloose", "two": b""}
    disk.powerless(tmp_path / "powerless")
    assert contents(tmp_path / "powerless") == {"one": b"synced"}
    found = set()
    for number in range(50):
        disk.powerless(tmp_path / str(number), random.Random(number))
        found.add(tuple(contents(tmp_path / str(number)).items()))
    assert len(found) == 2 * 3  # the write or not; no entry changed, one, or two


def contents(directory: Path) -> dict[str, bytes]:
    """Return the files of a directory."""
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


# The store of checkpoints.

STORE = """
import os, sys
from pathlib import Path
from shipper.checkpoints import CheckpointStore
from shipper.events import Events
from tests.unit.test_checkpoints import FILES, STEP, numbered
say = lambda *words: os.write(1, (" ".join(map(str, words)) + "\\n").encode())
for first in (0, 6):  # the second time there is a store
    store = CheckpointStore.open(Path(sys.argv[1]), Events(lambda *event: say("event", *event)))
    if first == 0:
        store.record_first_scan("nginx", [numbered(f"f{i}", 0) for i in range(FILES)])
        say("scanned")
    store.load()
    for round in range(first + 1, first + 6):
        say("submitting", round)
        store.submit((numbered(f"f{i}", round * STEP) for i in range(FILES)), [("nginx", f"once{round - 3}")])
        store.submit([numbered(f"once{round}", round * STEP)])
        assert store.flush(20)
        say("confirmed", round)
    store.close()
"""


def test_the_checkpoints(tmp_path: Path) -> None:
    state = tmp_path / "state"
    ops = record(STORE, [str(state)], state, tmp_path / "trace")
    assert Counter(op.kind for op in ops)["sync"] > 20
    judged = 0
    for how, said, path in states(ops, tmp_path):
        scanned = "scanned" in said
        told = [line.split() for line in said]
        confirmed = max((int(words[1]) for words in told if words[0] == "confirmed"), default=0)
        submitting = max((int(words[1]) for words in told if words[0] == "submitting"), default=0)
        log = Log()
        store = CheckpointStore.open(path, log.events)
        try:
            loaded = store.load()
            assert log.told == [], how
            assert not store.reread("nginx"), how
        finally:
            store.close()
        assert not scanned or loaded["nginx"].scanned, how
        if loaded:
            assert loaded["nginx"].scanned, how
            rows = {file.uid: file for file in loaded["nginx"].files}
            for i in range(FILES):
                row = rows[f"f{i}"]
                assert row == numbered(row.uid, row.offset), how
                assert confirmed * STEP <= row.offset <= submitting * STEP, how
        judged += 1
    assert judged > 200


# The whole of it: the first scan, offsets, dead letters.

LINES = [b"line %d" % number for number in range(40)]
BAD = {b"line 7", b"line 8", b"line 30"}  # refused for good

PUMP = """
import os, sys
from pathlib import Path
from tests.harness.letters import letters_in
from tests.unit.rig import PumpRig
from tests.unit.test_any_moment import LINES, Deliver
logs = Path(sys.argv[1]) / "logs"
logs.mkdir()
(logs / "app.log").write_bytes(b"".join(line + b"\\n" for line in LINES[:20]))
with PumpRig(Path(sys.argv[1])) as rig:
    rig.start(up=False)
    deliver = Deliver(rig, lambda line: os.write(1, line + b"\\n"))
    deliver.until(lambda: LINES[19] in deliver.arrived)
    with (logs / "app.log").open("ab") as file:
        file.write(b"".join(line + b"\\n" for line in LINES[20:]))
    deliver.until(lambda: LINES[-1] in deliver.arrived)
    rig.stop()
"""


class Deliver:
    """Takes what a pump sends, but for what is bad, and says each line before the pump hears of it."""

    def __init__(self, rig: PumpRig, say: Callable[[bytes], object]) -> None:
        self.arrived: list[bytes] = []
        self._rig, self._say = rig, say
        rig.sink.on_poll = self._serve

    def _serve(self) -> None:
        sink: FakeSink = self._rig.sink
        sink.up = False
        queue, sink.queue = sink.queue, []
        refused = any(sent.value in BAD for sent in queue)
        for sent in queue:
            if not refused:
                self.arrived.append(sent.value)
                self._say(sent.value)
        sink.queue = queue
        if refused:
            sink.refuse(KafkaError.MSG_SIZE_TOO_LARGE)
        else:
            sink.deliver()

    def until(self, done: Callable[[], bool]) -> None:
        """Go on until it is so, in time that passes as fast as it can."""

        def step() -> bool:
            self._rig.pass_time(0.5)
            return done()

        eventually("all of it", step)


def test_offsets_and_dead_letters(tmp_path: Path) -> None:
    root = tmp_path / "run"
    root.mkdir()
    state = root / "state"
    ops = record(PUMP, [str(root)], state, tmp_path / "trace")
    ends = list(itertools.accumulate(len(line) + 1 for line in LINES))
    moments: dict[tuple[int, tuple[bytes, ...], int], Path] = {}
    for how, said, path in states(ops, tmp_path):
        log = Log()
        store = CheckpointStore.open(path, log.events)
        try:
            loaded = store.load()
        finally:
            store.close()
        assert log.told == [], how
        letters = [letter.value for letter in letters_in(path)]
        assert all(count == 1 for count in Counter(letters).values()), how
        arrived = {line.encode() for line in said}
        offset = max(offsets(loaded).values(), default=0)
        assert offset in (0, *ends), how
        passed = LINES[: ends.index(offset) + 1] if offset else []
        for line in passed:
            assert line in arrived or line in letters, f"{how}: {line!r} was passed, and is nowhere"
        moments[offset, tuple(letters), len(arrived)] = path
    assert set(letters) == BAD
    assert offset == ends[-1]
    # From each of them the daemon goes on: nothing is lost, no letter doubled.
    for (_, _, count), path in moments.items():
        shutil.rmtree(state)
        path.rename(state)
        before = [op.data.strip() for op in ops if op.kind == "say"][:count]
        with PumpRig(root) as rig:
            rig.start(up=False)
            deliver = Deliver(rig, lambda line: None)
            deliver.until(lambda: bool(rig.saved()) and all(c.offset == ends[-1] for c in rig.saved()))
            rig.stop()
        assert Counter(letter.value for letter in letters_in(state)) == Counter(BAD)
        assert {*before, *deliver.arrived} == set(LINES) - BAD
