"""The exception tree and the exit codes; imports nothing.

ShipperError            base; ``exit_code`` is what the command line ends with
├── ConfigError         the configuration holds mistakes: all of them at once (78)
├── StateError          the state directory cannot be used (1)
│   └── StateBusy       another daemon holds it (75)
├── EditError           a checkpoint cannot be changed as was asked (1)
├── StatusError         no running daemon answers (1)
├── UnreadableFile      a file that a command was asked for cannot be read (1)
├── InstanceTaken       another daemon delivers under the same instance name (75)
├── ConnectError        the brokers could not be reached or refused us, in a one-shot command (1)
├── ProducerFatal       the Kafka client gave up for good: a new one must be built; never reaches the user
└── IllegalTransition   a bug: a state machine was driven where its table has no entry
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum


class Exit(IntEnum):
    """Exit statuses of the commands, as the README documents them."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    BUSY = 75
    BAD_CONFIG = 78


class ShipperError(Exception):
    """Base of all errors that have one clear sentence for the user: what was found, where, what would be right."""

    exit_code: Exit = Exit.FAILED


class ConfigError(ShipperError):
    """The configuration holds mistakes.

    ``problems`` has one line for each, as it is printed: ``FILE: KEY.PATH: sentence``.
    """

    exit_code = Exit.BAD_CONFIG

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


class StateError(ShipperError):
    """The state directory or the checkpoint store in it cannot be used."""


class StateBusy(StateError):
    """Another daemon holds the state directory."""

    exit_code = Exit.BUSY


class EditError(ShipperError):
    """A checkpoint cannot be changed as was asked."""


class StatusError(ShipperError):
    """No running daemon answers."""


class UnreadableFile(ShipperError):
    """A file that a command was asked for cannot be read."""


class InstanceTaken(ShipperError):
    """Another daemon delivers exactly once under the same ``shipper.instance``."""

    exit_code = Exit.BUSY


class ConnectError(ShipperError):
    """The brokers could not be reached, or refused us, in a command that cannot go on without them."""


class ProducerFatal(ShipperError):
    """The Kafka client is of no further use; build a new one and send again from the acked offsets."""


class IllegalTransition(ShipperError):
    """A state machine was driven where its table has no entry: a bug."""
