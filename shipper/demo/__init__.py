"""``shipper demo``: the whole job on this machine, with nothing installed or configured, and verified.

``generated`` runs it with files of our own, ``machine`` with those of the machine; ``stage`` is what both stand on.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from shipper.errors import Exit

SECONDS = 20.0


def run(*, seconds: float | None, paths: Sequence[str], as_json: bool) -> int:
    """Run the demo and print its summary; the exit status says whether every line arrived."""
    from shipper.demo import generated, machine

    out = sys.stderr if as_json else sys.stdout  # with --json, stdout holds the summary and nothing else
    summary: generated.Summary | machine.Summary
    with _ended_like_by_ctrl_c(signal.SIGTERM, signal.SIGHUP):
        summary = machine.run(paths, seconds, out) if paths else generated.run(seconds or SECONDS, out)
    click.echo(json.dumps(summary.as_json()) if as_json else summary.as_text())
    return Exit.DONE if summary.good else Exit.FAILED


@contextmanager
def _ended_like_by_ctrl_c(*signals: signal.Signals) -> Iterator[None]:
    """Let ``signals`` unwind the demo as Ctrl-C does, so that nothing is left behind."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
