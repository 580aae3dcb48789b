"""`python -m bench WHAT`: measures it, and prints tables. `all` also draws the chart of the README."""

from __future__ import annotations

from pathlib import Path

import click

from bench import answers, fleet, guard, idle, latency, outage, records, throughput
from bench.contenders import CONTENDERS
from bench.report import chart
from bench.stage import start_broker

CHART = Path(__file__).resolve().parents[1] / "docs" / "throughput.svg"

who = click.option("--who", multiple=True, type=click.Choice(list(CONTENDERS)), help="Only these; by default all.")


@click.group()
def main() -> None:
    """Measure the daemon beside others, in one run, on one broker."""


@main.command("throughput")
@who
@click.option("--lines", default=3_000_000, show_default=True)
@click.option("--files", default=1, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--short", is_flag=True, help="Lines of 10 bytes.")
@click.option("--draw", is_flag=True, help="Draw the README's chart.")
def _throughput(who: tuple[str, ...], lines: int, files: int, rounds: int, *, short: bool, draw: bool) -> None:
    """Ship a backlog, from the start of the process to the last record."""
    with start_broker() as broker:
        found = throughput.measure(
            broker, who or tuple(CONTENDERS), lines=lines, files=files, rounds=rounds, short=short
        )
    throughput.show(found, f"{lines:,} lines of {10 if short else 145} bytes in {files} file{'s'[: files > 1]}")
    if draw:
        title = f"{lines:,} lines from one file to Kafka, two cores shared with the broker"
        chart(CHART, title, {name: throughput.median(runs, "rate") for name, runs in found.items()}, "shipper")


@main.command("latency")
@who
@click.option("--rate", default=2000, show_default=True)
@click.option("--files", default=20, show_default=True)
@click.option("--seconds", default=20.0, show_default=True)
@click.option("--rounds", default=3, show_default=True)
def _latency(who: tuple[str, ...], rate: int, files: int, seconds: float, rounds: int) -> None:
    """Measure the time from write() to a consumer, at a steady pace."""
    with start_broker() as broker:
        latency.measure(broker, who or tuple(CONTENDERS), rate=rate, files=files, seconds=seconds, rounds=rounds)


@main.command("idle")
@who
@click.option("--files", default=5000, show_default=True)
@click.option("--seconds", default=65.0, show_default=True, help="Two of the daemon's scans.")
def _idle(who: tuple[str, ...], files: int, seconds: float) -> None:
    """Read many files that then rest, and restart."""
    with start_broker() as broker:
        idle.measure(broker, who or tuple(CONTENDERS), files=files, seconds=seconds)


@main.command("answers")
@click.option("--files", default=5000, show_default=True)
@click.option("--rate", default=200_000, show_default=True)
@click.option("--seconds", default=30.0, show_default=True)
def _answers(files: int, rate: int, seconds: float) -> None:
    """Ask the daemon how it stands while it is busy."""
    with start_broker() as broker:
        answers.measure(broker, files=files, rate=rate, seconds=seconds)


@main.command("outage")
@who
@click.option("--size", default=2.0, show_default=True, help="GB that are written meanwhile.")
@click.option("--seconds", default=60.0, show_default=True, help="How long it lasts after that.")
def _outage(who: tuple[str, ...], size: float, seconds: float) -> None:
    """Write a large file while the brokers are away."""
    with start_broker() as broker:
        outage.measure(broker, who or tuple(CONTENDERS), size=int(size * 1e9), seconds=seconds)


@main.command("fleet")
@click.option("--daemons", default=50, show_default=True)
@click.option("--seconds", default=60.0, show_default=True)
def _fleet(daemons: int, seconds: float) -> None:
    """Run many daemons against one broker."""
    fleet.measure(daemons, seconds)


@main.command("guard")
def _guard() -> None:
    """Fail where the daemon has become slow beside a bare producer loop."""
    if not guard.measure():
        raise SystemExit(1)


@main.command("records")
@click.option("--lines", default=300_000, show_default=True)
@click.option("--rounds", default=5, show_default=True)
def _records(lines: int, rounds: int) -> None:
    """Measure what each feature of the record stage costs."""
    records.measure(lines, rounds)


@main.command("all")
@click.pass_context
def _all(context: click.Context) -> None:
    """Run all of it but the fleet and the guard: half an hour, on a machine that does nothing else."""
    context.invoke(_throughput, draw=True)
    context.invoke(_throughput, files=8)
    context.invoke(_throughput, files=200)
    context.invoke(_throughput, short=True)
    context.invoke(_latency)
    context.invoke(_latency, rate=20_000, files=200)
    context.invoke(_idle)
    context.invoke(_answers)
    context.invoke(_outage)
    context.invoke(_records)


if __name__ == "__main__":
    main(prog_name="python -m bench")
