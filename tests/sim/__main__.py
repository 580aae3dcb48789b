"""Run histories: ``python -m tests.sim --histories 1000``; see docs/simulator.md."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor

from tests.sim import acts, plants, shrink, story
from tests.sim.history import Failure, History, run
from tests.sim.layout import FAULTS, FEATURES

FIXED = 1  # the seed base that is the same every time
KNOWN: dict[acts.Kind, frozenset[int]] = {  # seeds that fail, and are not mended yet: docs/plan/guarantees.md
    "": frozenset(),
    "wide": frozenset(),
    "brief": frozenset(),
}
BLOCK = 25  # histories that a process is given at once
TOLD = 10.0  # seconds between words of how far it is
SHOWN = 3  # different failures that are shrunk and told


def say(line: str) -> None:
    """Write a line, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def block(seeds: range, plant: str, kind: acts.Kind) -> list[tuple[int, Failure]]:
    """Run some histories; returns those that fail."""
    with plants.planted(plant):
        wanted = (seed for seed in seeds if seed not in KNOWN[kind])
        return [(seed, failure) for seed in wanted if (failure := run(seed, kind)) is not None]


def failures(
    bases: Sequence[range], jobs: int, plant: str, seconds: float, kind: acts.Kind
) -> Iterator[tuple[int, list[tuple[int, Failure]]]]:
    """Yield how many histories are done, and which of them failed, as they come; ends early after ``seconds``."""
    blocks = [base[at : at + BLOCK] for at in range(0, len(bases[0]), BLOCK) for base in bases]
    end = time.monotonic() + seconds if seconds else float("inf")
    if jobs == 1:
        for one in blocks:
            yield len(one), block(one, plant, kind)
            if time.monotonic() >= end:
                return
        return
    with ProcessPoolExecutor(jobs) as pool:
        waiting: deque[tuple[range, Future[list[tuple[int, Failure]]]]] = deque()
        for one in blocks:
            if len(waiting) > 2 * jobs:
                done, future = waiting.popleft()
                yield len(done), future.result()
            if time.monotonic() >= end:
                break
            waiting.append((one, pool.submit(block, one, plant, kind)))
        for done, future in waiting:
            yield len(done), future.result()


def tell(script: Sequence[acts.Act], failure: Failure) -> None:
    """Print a script in words, with what fails."""
    say(f"  {failure.why}")
    for act in script:
        if act[0] in ("setup", FAULTS, *FEATURES):
            say(f"             {story.tell(act)}")
    history = History(script, say=lambda line: say(f"    {line}"))
    history.run()


def main() -> int:
    """Run what the arguments say; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--histories", type=int, default=1000, help="how many (1000)")
    parser.add_argument("--seconds", type=float, default=0.0, help="end after so many seconds")
    parser.add_argument("--seed", type=int, default=FIXED, help="the first seed (1); each history has the next one")
    parser.add_argument("--fresh", action="store_true", help="as many again from a seed that nobody has seen")
    of_kind = parser.add_mutually_exclusive_group()
    for kind, which in (("wide", "second"), ("brief", "third")):
        about = f"histories of the {which} kind, which has seeds of its own"
        of_kind.add_argument(f"--{kind}", dest="kind", action="store_const", const=kind, default="", help=about)
    parser.add_argument("--jobs", type=int, default=1, help="processes (1)")
    parser.add_argument("--plant", default="", choices=["", *plants.PLANTS], help="put a bug in")
    parser.add_argument("--shrink", action="store_true", help="make what fails short, and print it as a test")
    parser.add_argument("--one", action="store_true", help="tell the one history that --seed names")
    args = parser.parse_args()
    with plants.planted(args.plant):
        if args.one:
            return one(args.seed, args.kind, short=args.shrink)
    bases = [range(args.seed, args.seed + args.histories)]
    if args.fresh:
        fresh = 1 + secrets.randbelow(1 << 40)
        bases.append(range(fresh, fresh + args.histories))
        say(f"seeds: {args.seed} and {fresh} onwards")
    left_out = sorted(KNOWN[args.kind])
    if any(known in base for base in bases for known in left_out):
        say(f"left out, as they are known to fail: {', '.join(map(str, left_out))}")
    began, done, found = time.monotonic(), 0, []
    told = began
    for count, failed in failures(bases, args.jobs, args.plant, args.seconds, args.kind):
        done += count
        found += failed
        for seed, failure in failed:
            say(f"  seed {seed}: {failure.why[:150]}")  # a long run may be ended before it tells more
        if time.monotonic() >= told + TOLD:
            told = time.monotonic()
            say(f"  {done:,} so far, {len(found)} failed")
        if failed and args.plant:
            break
    took = time.monotonic() - began
    say(f"{done:,} histories in {took:.1f} s ({60 * done / max(took, 0.001):,.0f} a minute), {len(found)} failed")
    if args.plant and found:
        say(f"{args.plant} was found at history {found[0][0] - args.seed + 1:,}: {found[0][1].why}")
        return 0
    kinds = Counter(shrink.signature(failure) for _, failure in found)
    for kind, count in kinds.most_common(None if args.shrink else SHOWN):
        seed, failure = next(pair for pair in found if shrink.signature(pair[1]) == kind)
        say(f"\n{count} such, the first of seed {seed}:")
        with plants.planted(args.plant):
            script = acts.script(seed, args.kind)
            if args.shrink:
                script = shrink.shrink(script)
                failure = History(script).run() or failure
            tell(script, failure)
        options = f" --{args.kind}" * bool(args.kind) + " --shrink" * (not args.shrink)
        say(f"  again: python -m tests.sim --one --seed {seed}{options}")
    return 1 if found else 0


def one(seed: int, kind: acts.Kind, *, short: bool) -> int:
    """Tell one history."""
    script = acts.script(seed, kind)
    failure = History(script).run()
    if failure is None:
        History(script, say=say).run()
        say("all promises hold")
        return 0
    if short:
        script = shrink.shrink(script)
        failure = History(script).run() or failure
    tell(script, failure)
    say(story.as_test(f"seed_{seed}", script, failure.why))
    return 1


if __name__ == "__main__":
    sys.exit(main())
