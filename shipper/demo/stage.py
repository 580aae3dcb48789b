"""What every demo needs around it: a temporary directory, an embedded broker, a configured daemon, a consumer.

Leaving the context ends the daemon and the broker and removes the directory, whatever happened before.
"""

from __future__ import annotations

import json
import signal
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from shipper.demo.daemon import Daemon
from shipper.demo.reader import Reader, Take
from shipper.kafka.mock import EmbeddedBroker

TOPIC = "demo"
MAX_LINE = 900 * 1024
BEAT = 0.05  # seconds between two looks at what has happened
PATIENCE = 15.0  # seconds without anything new after which what is missing counts as lost


class Stage:
    """The demo's surroundings.

    The daemon is configured with ``configure`` and started by the demo itself; so is the reader, with ``read``.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._reader: Reader | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shipper-demo-")))
            self.broker = stack.enter_context(EmbeddedBroker())
            self.broker.create(TOPIC)
            self.daemon = stack.enter_context(Daemon(self.directory / "shipper.toml", self.directory / "daemon.log"))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # An impatient second Ctrl-C must not leave a process or a directory behind.
        before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._stack.close()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def check(self) -> None:
        """Raise if the daemon or the reader has ended by itself."""
        self.daemon.check()
        if self._reader:
            self._reader.check()

    def read(self, take: Take) -> Reader:
        """Start to hand every record of the topic to ``take``; ends at the latest with the stage."""
        self._reader = Reader(self.broker.bootstrap, TOPIC, take)
        self._reader.start()
        self._stack.callback(self._reader.abandon)
        return self._reader

    def configure(self, paths: Sequence[str], key: str, exclude: Sequence[str] = ()) -> None:
        """Write the daemon's configuration: one source."""
        (self.directory / "shipper.toml").write_text(
            f"[shipper]\nstate_dir = {_toml(str(self.directory / 'state'))}\n"
            # The embedded broker keeps only the last 5 MB of a partition, so the daemon must not run away from the
            # consumer: at most this much in flight, for this long, comes to less than 50 MB/s.
            f"[kafka]\nbootstrap_servers = {_toml(self.broker.bootstrap)}\n"
            f'max_in_flight = "1MiB"\nlinger = "20ms"\n'
            f"[sources.demo]\npaths = {_toml(paths)}\nexclude = {_toml(exclude)}\n"
            f'topic = "{TOPIC}"\nkey = "{key}"\nstart_at = "beginning"\nmax_line = {MAX_LINE}\n',
            encoding="utf-8",
        )


def _toml(value: str | Sequence[str]) -> str:
    """Return a TOML string or array; a literal dollar sign is written twice in the configuration."""
    return json.dumps(value, ensure_ascii=False).replace("$", "$$")
