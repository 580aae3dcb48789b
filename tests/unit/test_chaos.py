"""What of the chaos needs neither daemon nor broker: its writers destroy nothing, its verdict means something."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import cast

import pytest

from shipper.files import digest
from shipper.model import Checkpoint, FileId, FileState, Fingerprint, SourceState
from tests.chaos.actor import Journal
from tests.chaos.runs import Run, covered, explain
from tests.chaos.writers import Comets, Yard, writers
from tests.harness.consumer import Received
from tests.harness.daemon import Daemon, Event
from tests.harness.writer import Truth

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

OPEN: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
    ".zst": zstd.decompress,
}


class Deaf(threading.Event):
    """Lets no time pass."""

    def wait(self, timeout: float | None = None) -> bool:
        return False


class Told:
    """A daemon's log."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def told(self, name: str) -> list[Event]:
        return [Event("INFO", name, {}) for told in self._names if told == name]


def run(began: float, *names: str, well: bool = False, how: str = "killed") -> Run:
    return Run(cast("Daemon", Told(*names)), began, well, how)


@pytest.mark.parametrize("seed", range(4))
def test_what_was_written_and_has_not_arrived_is_in_the_files(tmp_path: Path, seed: int) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    truth, journal = Truth(), Journal(tmp_path / "journal")
    yard = Yard(logs, truth, set(), journal, Deaf())
    actors = [*writers(Random(seed), [yard]), Comets("jobs", Random(seed), yard)]
    for actor in actors:
        for _ in range(25):
            actor.act()
        actor.finish()
    journal.close()
    assert journal.deeds["renamed"]
    assert journal.deeds["copied"]
    found: Counter[bytes] = Counter()
    for path in logs.rglob("*"):
        if path.is_file():
            found.update(OPEN.get(path.suffix, bytes)(path.read_bytes()).splitlines())
    found = Counter({line: times for line, times in found.items() if not line.startswith(b"from before")})
    assert found == Counter(truth.wanted())
    kept = Counter(line for content in yard.contents for line in bytes(content).splitlines())
    assert kept == found


@pytest.mark.parametrize(
    ("runs", "counts"),
    [
        ([run(0), run(10)], (1, 0, 0, 0)),
        ([run(0, how="stopped with records in flight"), run(10)], (0, 1, 0, 0)),
        ([run(0, well=True), run(10)], (0, 0, 0, 1)),
        ([run(0, "client.replaced")], (0, 0, 1, 0)),
        ([run(0, "service.ready")], (0, 0, 0, 1)),
    ],
    ids=["killed", "in-flight", "ended-well", "sent-again", "twice"],
)
def test_a_line_that_came_twice_is_explained_by_the_run_that_sent_it_first(
    runs: list[Run], counts: tuple[int, ...]
) -> None:
    records = [Received(0, 0, b"k", b"a 0"), Received(0, 1, b"k", b"a 1"), Received(0, 2, b"k", b"a 0")]
    found = explain(records, {(0, 0): 5, (0, 1): 6, (0, 2): 15}, runs)
    assert (found.killed, found.undelivered, found.resent, len(found.unexplained)) == counts


CONTENT = b"a 0\na 1\na 2\n"


def saved(offset: int, state: FileState = FileState.OPEN, content: bytes = CONTENT) -> dict[str, SourceState]:
    print_ = Fingerprint(len(content), digest(content), 0, b"")
    return {"s": SourceState(True, [Checkpoint("u", "s", b"a", b"a", FileId(1, 2), 0, offset, print_, state=state)])}


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        ({}, set()),
        (saved(0), set()),
        (saved(8), {b"a 0", b"a 1"}),
        (saved(12, FileState.FINISHED), {b"a 0", b"a 1", b"a 2"}),
        (saved(8, FileState.LEFT), set()),
        (saved(8, content=b"others\n"), set()),
    ],
)
def test_what_is_saved_is_told_by_the_heads_of_the_files(found: dict[str, SourceState], lines: set[bytes]) -> None:
    assert covered(found, [b"b 0\nb 1\n", bytearray(CONTENT)]) == lines


def test_what_a_run_found_saved_it_must_not_send() -> None:
    records = [Received(0, n, b"k", line) for n, line in enumerate([b"a 0", b"a 1", b"a 0", b"a 1", b"a 2"])]
    made_at = {(0, 0): 5, (0, 1): 6, (0, 2): 15, (0, 3): 16, (0, 4): 17}
    runs = [run(0), run(10)]
    found = explain(records, made_at, runs, [CONTENT])
    assert (found.killed, found.at_risk, found.unexplained) == (2, 2, [])
    runs[1].saved = saved(4)
    found = explain(records, made_at, runs, [CONTENT])
    assert (found.killed, found.at_risk, len(found.unexplained)) == (2, 1, 1)
