"""The daemon's configuration in a chaos, as the dice choose it; the delivery may change from run to run."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Any

from tests.chaos.writers import Yard
from tests.harness.daemon import toml


class Delivery(StrEnum):
    """How the daemon delivers."""

    AT_LEAST_ONCE = "at_least_once"
    EXACTLY_ONCE = "exactly_once"
    SWITCHING = "switching"  # now this, now that, from one run to the next


class Configuration:
    """Writes ``path`` for each run. ``state`` is the daemon's directory."""

    def __init__(
        self,
        root: Path,
        bootstrap: str,
        topic: str,
        yards: Sequence[Yard],
        delivery: Delivery,
        dice: Random,
        *,
        max_open_files: int,
        short_transactions: bool,
    ) -> None:
        self.path = root / "shipper.toml"
        self.state = root / "state"
        self._delivery = delivery
        self._first = dice.randrange(2)
        self._shipper: dict[str, Any] = {
            "state_dir": str(self.state),
            "instance": topic,
            "shutdown_timeout": "2s",
            "log_level": "debug",
            "scan_interval": dice.choice(("2s", "30s")),
            "max_open_files": max_open_files,
        }
        self._kafka = {
            "bootstrap_servers": bootstrap,
            "max_in_flight": dice.choice(("1MiB", "2MiB", "24MiB")),
            "checkpoint_topic": f"{topic}.checkpoints",
            "commit_interval": dice.choice(("50ms", "500ms")),
        }
        # So short that an outage, or a freeze, outlives some transactions.
        timeout = dice.choice(("2000", "10000"))
        self._properties = {"transaction.timeout.ms": timeout} if short_transactions else {}
        self._sources: dict[str, dict[str, Any]] = {}
        for yard in yards:
            self._sources[yard.logs.name] = {
                "paths": [f"{yard.logs}/*.log", f"{yard.logs}/audit.out", f"{yard.logs}/jobs/**/*.log"],
                "topic": topic,
                "key": yard.key.decode() if yard.key is not None else "{filename}",
                "partial_timeout": "1s",
                "watch": dice.choice(("auto", "auto", "poll")),
                "provenance": "headers" if yard.key is not None else "none",
            }

    def delivery(self, run: int) -> str:
        """Return how the daemon delivers in a run."""
        if self._delivery is not Delivery.SWITCHING:
            return self._delivery.value
        return (Delivery.AT_LEAST_ONCE, Delivery.EXACTLY_ONCE)[(run + self._first) % 2].value

    def write(self, run: int) -> Path:
        """Write the file for a run, and return its path."""
        tables: dict[str, dict[str, Any]] = {
            "shipper": self._shipper,
            "kafka": self._kafka | {"delivery": self.delivery(run)},
        }
        if self.delivery(run) == Delivery.EXACTLY_ONCE:
            tables["kafka.properties"] = self._properties
        tables |= {f"sources.{name}": source for name, source in self._sources.items()}
        self.path.write_text(toml(tables))
        return self.path

    def __str__(self) -> str:
        return f"{self._delivery} {self._shipper} {self._kafka} {self._properties} {self._sources}"
