"""The journal as the place of the log: whether stderr leads there, and what an event is there.

    PRIORITY=4
    SHIPPER_EVENT=file.rotated
    SHIPPER_SOURCE=nginx
    SHIPPER_PATH=/var/log/nginx/access.log
    MESSAGE=file.rotated source=nginx path=/var/log/nginx/access.log

so that ``journalctl -u shipper -p warning`` or ``SHIPPER_SOURCE=nginx`` finds it. Any thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from shipper.logs.lines import message, plain_value, printable

PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3}  # of syslog; also the prefix <N> of a line on stderr

Send = Callable[..., None]


def is_connected(fd: int, environ: Mapping[str, str]) -> bool:
    """Whether ``fd`` is the stream to the journal that systemd says it has set up."""
    try:
        found = os.fstat(fd)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def sender() -> Send | None:
    """Return what sends an entry, given its assignments; raises OSError. None where systemd-python is not there."""
    try:
        from systemd.journal import sendv
    except ImportError:
        return None
    send: Send = sendv
    return send


def entry(level: str, name: str, fields: Mapping[str, Any]) -> list[str]:
    """Return an event as the assignments of a journal entry."""
    said = {f"SHIPPER_{key.upper()}": printable(plain_value(value)) for key, value in fields.items()}
    own = {"PRIORITY": PRIORITIES[level], "SYSLOG_IDENTIFIER": "shipper", "SHIPPER_EVENT": name}
    said |= {key: str(value) for key, value in own.items()}
    return [f"{key}={value}" for key, value in {"MESSAGE": message(name, dict(fields)), **said}.items()]
