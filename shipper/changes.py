"""What a new configuration asks of a daemon that runs. Pure; any thread.

A reload is refused as a whole where anything in it needs a restart, so that what runs is always one configuration and
never a mixture of two. Only names of keys are told here, never values: some are secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from shipper.config import Config

RESTART = ("state_dir", "instance")  # of [shipper]: a daemon is its state directory and its name at the brokers


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs. The keys of ``shipper``, ``kafka`` and of each ``changed`` source are named; all are sorted.

    ``renewed``: files that ``[kafka]`` names, such as certificates, are not those that they were.
    ``restart`` has a sentence for each key that a reload cannot change.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shipper: tuple[str, ...] = ()
    kafka: tuple[str, ...] = ()
    admin: tuple[str, ...] = ()
    renewed: bool = False
    restart: tuple[str, ...] = ()

    @property
    def client(self) -> bool:
        """Whether there has to be a new Kafka client."""
        return bool(self.kafka) or self.renewed

    def __bool__(self) -> bool:
        sources = self.added or self.removed or self.changed
        return bool(sources or self.shipper or self.client or self.admin)

    def words(self) -> str:
        """Say what differs, for one line of a log."""
        said = [f"source {name} added" for name in self.added]
        said += [f"source {name} removed" for name in self.removed]
        said += [f"source {name} changed ({', '.join(keys)})" for name, keys in self.changed.items()]
        said += [
            f"{table} changed ({', '.join(keys)})"
            for table, keys in (("kafka", self.kafka), ("shipper", self.shipper), ("admin", self.admin))
            if keys
        ]
        if self.renewed:
            said.append("files that kafka names renewed")
        return "; ".join(said) or "nothing differs"


def between(old: Config, new: Config, *, renewed: bool = False) -> Changes:
    """Return what differs in ``new`` from ``old``."""
    both = old.sources.keys() & new.sources.keys()
    shipper = _differ(old.shipper, new.shipper)
    return Changes(
        added=tuple(sorted(new.sources.keys() - both)),
        removed=tuple(sorted(old.sources.keys() - both)),
        changed={name: keys for name in sorted(both) if (keys := _differ(old.sources[name], new.sources[name]))},
        shipper=shipper,
        kafka=_differ(old.kafka, new.kafka),
        admin=_differ(old.admin, new.admin),
        renewed=renewed,
        restart=tuple(
            f"shipper.{key}: {getattr(new.shipper, key)} was {getattr(old.shipper, key)}; restart to change it"
            for key in shipper
            if key in RESTART
        ),
    )


def _differ(old: msgspec.Struct, new: msgspec.Struct) -> tuple[str, ...]:
    if type(old) is not type(new):  # a source of another kind
        return ("type",)
    names = (one.name for one in msgspec.structs.fields(old))
    return tuple(sorted(name for name in names if getattr(old, name) != getattr(new, name)))
