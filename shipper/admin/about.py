"""What the running daemon has to say of one file, in sentences: for ``explain``, which by itself knows what is saved.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from shipper.admin.view import lag, span
from shipper.lifecycle import Service
from shipper.model import show_path
from shipper.status import Status


def notes(status: Status, path: bytes) -> Iterator[str]:
    """Yield what is to be known of ``path`` beside what is saved of it."""
    shown = show_path(path)
    files = [file for file in status.files if shown in (file.seen_as, file.path)]
    if status.trouble or status.state == Service.DEGRADED:
        since = f" for {span(status.at - status.trouble_since)}" if status.trouble_since else ""
        yield f"the daemon pauses, as brokers are away{since}: {status.trouble or 'none has answered yet'}"
    for file in files:
        if file.why:
            yield f"the daemon says: {file.why}"
        if file.lag:
            yield f"what waits of it has waited for {lag(file.lag)} at most"
    for source in status.sources:
        if source.problem and source.name in {file.source for file in files}:
            yield f"source {source.name}: {source.problem} → {source.remedy}"
    if status.config.problems or status.config.differs:
        yield "the configuration on disk, of which this is said, is not the one in force: shipper status"
