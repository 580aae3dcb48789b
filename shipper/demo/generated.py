"""The demo with generated files: written, rotated, shipped by a daemon that is killed on the way, and verified."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, TextIO

from shipper.demo.generator import Generator, line, streams
from shipper.demo.stage import BEAT, PATIENCE, Stage
from shipper.demo.verify import Sequences, Verdict
from shipper.demo.view import Row, View

DOWN = 1.0  # seconds between the kill and the restart


class Act(NamedTuple):
    """Something to be done ``at`` so many seconds after the start."""

    at: float
    do: Callable[[], None]


@dataclass(frozen=True)
class Summary:
    """What the demo found out."""

    verdict: Verdict
    rotations: int
    missing: dict[str, tuple[int, int]]  # of each file that lacks lines: how many, and the number of the first

    @property
    def good(self) -> bool:
        """Whether all promises were kept."""
        return self.verdict.good

    def as_json(self) -> dict[str, Any]:
        """Return the summary for programs."""
        return {**asdict(self.verdict), "rotations": self.rotations, "good": self.good}

    def as_text(self) -> str:
        """Return the summary for people."""
        v = self.verdict
        text = (
            f"Verified with a consumer: {v.written:,} lines written, {v.delivered:,} delivered, {v.missing:,} missing, "
            f"{v.repeated:,} repeated after the kill, order kept for {v.keys_in_order} of {v.keys} keys."
        )
        for name, (count, first) in self.missing.items():
            text += f"\n{name}: {count:,} missing, the first of them is line {first:,}."
        if v.altered:
            text += f"\n{v.altered:,} records are not, byte for byte, a line of the file that their key names."
        if self.good:
            text += (
                "\nNext: config/shipper.toml is a commented starting point; "
                "`shipper check -c config/shipper.toml` tells what is wrong with yours."
            )
        return text


def run(seconds: float, out: TextIO) -> Summary:
    """Run the demo, drawing on ``out``, and return what it found out."""
    files = streams(seconds)
    with Stage() as stage:
        logs = stage.directory / "logs"
        logs.mkdir()
        stage.configure([f"{logs}/*.log"], key="{filename}")
        title = (
            f"shipper demo · embedded broker {stage.broker.bootstrap}\n"
            f"{len(files)} files, rotated by rename and by copy-and-truncate · ends in about {seconds:.0f} s"
        )
        generator = Generator(logs, files)
        arrived = Sequences((stream.name for stream in files), line)
        with View(out, title, ["file", "written", "delivered", "in flight", "rotations", "this generation"]) as view:
            try:
                _play(seconds, stage, generator, arrived, view)
            finally:
                generator.stop()
        written = generator.written
        return Summary(
            verdict=arrived.verdict(written),
            rotations=sum(file.generation for file in generator.files),
            missing=arrived.missing(written),
        )


def _play(seconds: float, stage: Stage, generator: Generator, arrived: Sequences, view: View) -> None:
    """Write and ship for ``seconds``, then wait for what is still to come."""

    def kill() -> None:
        stage.daemon.kill()
        generator.rotate()
        view.happened("daemon killed with SIGKILL; every file is rotated while it is down")

    def restart() -> None:
        stage.daemon.start()
        view.happened("restarted; it resumes at the saved offsets")

    def end() -> None:
        generator.stop()
        view.happened("the last lines are written")

    killed_at = 0.4 * seconds
    script = [Act(killed_at, kill), Act(killed_at + DOWN, restart), Act(max(0.8 * seconds, seconds - 3), end)]
    reader = stage.read(arrived.take)
    stage.daemon.start()
    while not stage.daemon.watches:  # what is rotated before that is left alone
        stage.check()
        time.sleep(BEAT)
    generator.start()
    started = time.monotonic()
    while script or not arrived.complete(generator.written):
        elapsed = time.monotonic() - started
        if script and elapsed >= script[0].at:
            script.pop(0).do()
        stage.check()
        generator.check()
        view.show(_rows(generator, arrived), _status(generator, arrived))
        if elapsed > seconds and time.monotonic() - reader.news_at > PATIENCE:
            break
        time.sleep(BEAT)
    stage.daemon.stop()
    view.happened("daemon stopped with SIGTERM; all that it read is acknowledged")
    reader.finish()
    view.show(_rows(generator, arrived), _status(generator, arrived), last=True)


def _rows(generator: Generator, arrived: Sequences) -> list[Row]:
    rows = []
    for file in generator.files:
        delivered = arrived.files[file.stream.name].delivered
        written = max(file.written, delivered)  # a line can arrive before its writer has counted it
        cells = (f"{written:,}", f"{delivered:,}", f"{written - delivered:,}", f"{file.generation}")
        rows.append(Row(file.stream.name, cells, file.filled))
    return rows


def _status(generator: Generator, arrived: Sequences) -> str:
    delivered = sum(file.delivered for file in arrived.files.values())
    written = max(sum(generator.written.values()), delivered)
    rotations = sum(file.generation for file in generator.files)
    return (
        f"{written:,} lines written, {delivered:,} delivered, {written - delivered:,} in flight, {rotations} rotations"
    )
