"""The two state machines as tables: one file generation, and the service. Pure.

An illegal step raises :class:`~shipper.errors.IllegalTransition` and nothing changes.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from shipper.errors import IllegalTransition


class File(StrEnum):
    """States of one file generation."""

    WAITING = "waiting"  # its predecessor is not finished yet
    READING = "reading"  # may have unread bytes
    IDLE = "idle"  # read to its end; still the file that its path names
    DRAINING = "draining"  # rotated away, replaced or deleted: read to its end for the last time
    FINISHED = "finished"  # read to its end and checked once more after its successor's first byte was seen
    LOST = "lost"  # its bytes are gone; what was read of it is still accounted for


class FileEvent(StrEnum):
    """What happens to a file generation."""

    TURN = "turn"  # it has become the oldest unfinished generation of its path
    END = "end"  # a read came to its end
    GREW = "grew"  # there may be more bytes
    REPLACED = "replaced"  # it was rotated away, deleted, or truncated with a copy left behind
    DONE = "done"  # at its end, and nothing can come before what its successor holds
    VANISHED = "vanished"  # its bytes are nowhere in the watched directories
    REWOUND = "rewound"  # something of it has to be sent again
    RETURNED = "returned"  # its bytes were found again


FILE: dict[tuple[File, FileEvent], File] = {
    (File.WAITING, FileEvent.TURN): File.READING,
    (File.WAITING, FileEvent.GREW): File.WAITING,
    (File.WAITING, FileEvent.REPLACED): File.WAITING,
    (File.WAITING, FileEvent.VANISHED): File.LOST,
    (File.WAITING, FileEvent.REWOUND): File.WAITING,
    (File.READING, FileEvent.TURN): File.READING,
    (File.READING, FileEvent.END): File.IDLE,
    (File.READING, FileEvent.GREW): File.READING,
    (File.READING, FileEvent.REPLACED): File.DRAINING,
    (File.READING, FileEvent.VANISHED): File.LOST,
    (File.READING, FileEvent.REWOUND): File.READING,
    (File.IDLE, FileEvent.TURN): File.READING,
    (File.IDLE, FileEvent.END): File.IDLE,
    (File.IDLE, FileEvent.GREW): File.READING,
    (File.IDLE, FileEvent.REPLACED): File.DRAINING,
    (File.IDLE, FileEvent.VANISHED): File.LOST,
    (File.IDLE, FileEvent.REWOUND): File.READING,
    (File.DRAINING, FileEvent.TURN): File.DRAINING,
    (File.DRAINING, FileEvent.END): File.DRAINING,
    (File.DRAINING, FileEvent.GREW): File.DRAINING,
    (File.DRAINING, FileEvent.REPLACED): File.DRAINING,
    (File.DRAINING, FileEvent.DONE): File.FINISHED,
    (File.DRAINING, FileEvent.VANISHED): File.LOST,
    (File.DRAINING, FileEvent.REWOUND): File.DRAINING,
    (File.DRAINING, FileEvent.RETURNED): File.READING,  # it has the name of its path again
    (File.FINISHED, FileEvent.GREW): File.FINISHED,  # late: shipped when seen, its order is not promised
    (File.FINISHED, FileEvent.END): File.FINISHED,
    (File.FINISHED, FileEvent.REPLACED): File.FINISHED,
    (File.FINISHED, FileEvent.DONE): File.FINISHED,
    (File.FINISHED, FileEvent.VANISHED): File.LOST,
    (File.FINISHED, FileEvent.REWOUND): File.DRAINING,
    (File.FINISHED, FileEvent.RETURNED): File.READING,
    (File.LOST, FileEvent.REWOUND): File.LOST,
    (File.LOST, FileEvent.REPLACED): File.LOST,
    (File.LOST, FileEvent.VANISHED): File.LOST,
    (File.LOST, FileEvent.RETURNED): File.DRAINING,
}


class Service(StrEnum):
    """States of the daemon."""

    STARTING = "starting"
    RUNNING = "running"
    DEGRADED = "degraded"  # running, brokers away, nothing lost
    DRAINING = "draining"  # no more reading; what is in flight is being delivered
    STOPPED = "stopped"


class ServiceEvent(StrEnum):
    """What happens to the daemon."""

    BROKERS_UP = "brokers_up"
    BROKERS_AWAY = "brokers_away"
    STOP = "stop"
    DRAINED = "drained"  # nothing in flight, or the deadline has passed


SERVICE: dict[tuple[Service, ServiceEvent], Service] = {
    (Service.STARTING, ServiceEvent.BROKERS_UP): Service.RUNNING,
    (Service.STARTING, ServiceEvent.BROKERS_AWAY): Service.DEGRADED,
    (Service.STARTING, ServiceEvent.STOP): Service.DRAINING,
    (Service.RUNNING, ServiceEvent.BROKERS_UP): Service.RUNNING,
    (Service.RUNNING, ServiceEvent.BROKERS_AWAY): Service.DEGRADED,
    (Service.RUNNING, ServiceEvent.STOP): Service.DRAINING,
    (Service.DEGRADED, ServiceEvent.BROKERS_UP): Service.RUNNING,
    (Service.DEGRADED, ServiceEvent.BROKERS_AWAY): Service.DEGRADED,
    (Service.DEGRADED, ServiceEvent.STOP): Service.DRAINING,
    (Service.DRAINING, ServiceEvent.BROKERS_UP): Service.DRAINING,
    (Service.DRAINING, ServiceEvent.BROKERS_AWAY): Service.DRAINING,
    (Service.DRAINING, ServiceEvent.STOP): Service.DRAINING,
    (Service.DRAINING, ServiceEvent.DRAINED): Service.STOPPED,
}

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


def step(table: dict[tuple[S, E], S], state: S, event: E) -> S:
    """Return the state that follows ``state`` at ``event``; raises IllegalTransition where the table has no entry."""
    try:
        return table[state, event]
    except KeyError:
        raise IllegalTransition(f"{type(state).__name__} {state.value}: {event.value} cannot happen here") from None


def render(table: dict[tuple[S, E], S]) -> str:
    """Return ``table`` as lines ``state + event -> state``."""
    return "\n".join(f"{state.value} + {event.value} -> {then.value}" for (state, event), then in table.items())
