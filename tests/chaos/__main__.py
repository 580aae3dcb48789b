"""``python -m tests.chaos``: one chaos of so many minutes from one seed; exits 1 where a promise was broken."""

from __future__ import annotations

import secrets
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import groupby

import click

from tests.chaos.configuration import Delivery
from tests.chaos.stage import Outcome, Stage
from tests.harness.kafka import Broker, KafkaUnavailable


def ranges(lines: Iterable[bytes]) -> list[str]:
    """Return lines in a few words: those of a log that follow each other as a range of their numbers."""
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    others: Counter[str] = Counter()
    for line in lines:
        log, _, rest = line.decode("utf-8", "backslashreplace").partition(" ")
        number = rest.partition(" ")[0]
        if number.isdigit():
            numbers[log].append(int(number))
        else:
            others[repr(line[:60])] += 1
    found = [f"{times} x {line}" for line, times in others.items()]
    for log, all_of in sorted(numbers.items()):
        # What follows each other has the same distance to its place in the sorted list.
        for _, group in groupby(enumerate(sorted(set(all_of))), key=lambda pair: pair[1] - pair[0]):
            following = [number for _, number in group]
            found.append(f"{log} {following[0]}-{following[-1]}")
    return found


def show(outcome: Outcome) -> None:
    """Print what was done and what came of it."""
    verdict, repeats = outcome.verdict, outcome.repeats
    click.echo(", ".join(f"{count} {deed}" for deed, count in sorted(outcome.deeds.items())))
    wrong = ("lost", "garbled", "out_of_order", "misplaced", "repeated")
    told = ", ".join(f"{len(getattr(verdict, what))} {what.replace('_', ' ')}" for what in wrong)
    click.echo(f"{outcome.lines:,} lines: {told}")
    if verdict.repeated:
        click.echo(
            f"  repeated: {repeats.killed} of killed runs ({repeats.at_risk} were in flight, or not saved yet), "
            f"{repeats.undelivered} of runs that ended with records in flight, {repeats.resent} sent again by one run, "
            f"{len(repeats.unexplained)} unexplained"
        )
    click.echo(f"shipper audit: {outcome.audit}")
    for what in wrong[:-1]:
        for told in ranges(getattr(verdict, what)):
            click.echo(f"  {what}: {told}")
    for told in repeats.unexplained[:5]:
        click.echo(f"  repeated: {told}")


@click.command()
@click.option("--minutes", default=1.0, help="How long all of it goes on, before what is healed and judged.")
@click.option("--seed", default=None, help="What the actors do; printed, so that it can be done again.")
@click.option(
    "--delivery",
    type=click.Choice(["both", *(delivery.value for delivery in Delivery)]),
    default="both",
    help="How the daemon delivers. both: for half of the time each. switching: now this, now that.",
)
@click.option("--kills", default=0, help="Only kill the daemon, so many times, under load and rotation.")
@click.option("--max-open-files", default=0, help="The daemon's limit, as 3.")
@click.option(
    "--short-transactions/--usual-transactions",
    default=True,
    help="Whether outages may outlive transactions: what brokers then do is in docs/decisions/exactly-once.md.",
)
@click.option("--keep", is_flag=True, help="Keep the logs and what everybody did, even if all is well.")
@click.option("--reuse/--no-reuse", default=True, help="Whether the inodes of deleted files may be used again.")
def main(
    minutes: float,
    seed: str | None,
    delivery: str,
    kills: int,
    max_open_files: int,
    short_transactions: bool,
    keep: bool,
    reuse: bool,
) -> None:
    """Let writers, a daemon and a broker fail in all ways at once, and see that nothing is lost."""
    seed = seed or secrets.token_hex(4)
    acts = [Delivery.AT_LEAST_ONCE, Delivery.EXACTLY_ONCE] if delivery == "both" else [Delivery(delivery)]
    good = True
    for act in acts:
        span = f"{kills} kills" if kills else f"{minutes / len(acts):g} minutes"
        click.echo(f"chaos of {span}, {act}, seed {seed}")
        try:
            broker = Broker()
        except KafkaUnavailable as why:
            click.echo(f"It needs a real broker: {why}", err=True)
            sys.exit(1)
        with (
            broker,
            Stage(
                broker,
                seed,
                act,
                reuse=reuse,
                kills=kills,
                max_open_files=max_open_files,
                short_transactions=short_transactions,
            ) as stage,
        ):
            stage.keep = True  # unless it is found good
            outcome = stage.play(None if kills else minutes / len(acts) * 60, click.echo)
            stage.keep = keep or not outcome.good
            show(outcome)
            if stage.keep:
                click.echo(f"what everybody did and said is in {stage.root}")
            good = good and outcome.good
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
