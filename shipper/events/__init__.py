"""The catalogue: one method is one event is one log line and its counters. Nobody else logs.

A name is ``noun.verb``; the same names stand in the metrics and in the docs. Methods may be called from any thread.
Each group of it is a module; :class:`Events` is all of them.
"""

from __future__ import annotations

from shipper.events.discovery import Discovery
from shipper.events.files import Files
from shipper.events.journal import Journal
from shipper.events.kafka import Kafka
from shipper.events.records import Records
from shipper.events.service import Service
from shipper.events.store import Store
from shipper.events.telling import Write

__all__ = ["LEVELS", "Events", "Write"]

LEVELS = ("debug", "info", "warning", "error")


class Events(Store, Discovery, Kafka, Files, Journal, Records, Service):
    """Where everything that happens is told; see :class:`shipper.events.telling.Teller` for what it is made of."""
