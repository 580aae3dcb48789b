"""What a full scan and the opening of what it found cost, of two checkouts in turn: ``bench/scan.py OLD NEW``.

Each round asks either of them in a process of its own; what is printed is the median of the CPU time, in seconds, and
the ratio of the second to the first. The shape of the tree is DIRECTORIES with FILES in each, four levels deep.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

WORK = """
import os, sys, time
from shipper.discovery import Watched, list_files
from shipper.events import Events
from shipper.files import Files
source = Watched("s", (os.fsencode(sys.argv[1]) + b"/a/**/*.log",), (), "auto")
events, files = Events(lambda *_: None), Files()
def timed(work):
    before = time.process_time()
    result = work()
    print(time.process_time() - before)
    return result
found = timed(lambda: list_files(source, events))
assert len(found) == int(sys.argv[2])
timed(lambda: [os.close(files.open(one.path)) for one in found])
"""


def measure(checkout: str, tree: str, files: int) -> list[float]:
    """Return the CPU time of the scan and of opening everything."""
    command = [sys.executable, "-c", WORK, tree, str(files)]
    done = subprocess.run(command, cwd=checkout, env={"PYTHONPATH": checkout}, capture_output=True, check=True)
    return [float(line) for line in done.stdout.split()]


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkouts", nargs=2, metavar="CHECKOUT")
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--directories", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    total = arguments.files * arguments.directories
    with tempfile.TemporaryDirectory() as tree:
        for d in range(arguments.directories):
            directory = Path(tree) / "a/b/c" / str(d)
            directory.mkdir(parents=True)
            for f in range(arguments.files):
                (directory / f"{f}.log").touch()
        taken: dict[str, list[list[float]]] = {checkout: [] for checkout in arguments.checkouts}
        for _ in range(arguments.rounds):
            for checkout, times in taken.items():
                times.append(measure(checkout, tree, total))
    for part, what in enumerate(("scan", "open and close")):
        old, new = (statistics.median(times[part] for times in each) for each in taken.values())
        print(f"{what} of {total:,} files: {old:.3f} s, {new:.3f} s of CPU: {new / old:.2f}")


if __name__ == "__main__":
    main()
