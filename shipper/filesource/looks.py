"""How a file is now, by its name. Asks the operating system, and opens nothing; pump thread only."""

from __future__ import annotations

import os

from shipper.discovery import rotation
from shipper.files import leads_to, stat_of
from shipper.model import Checkpoint, Seen
from shipper.tailer import Tailer


def now(one: Seen) -> Seen | None:
    """Return how a file is now; None where its name leads elsewhere."""
    found = stat_of(one.path, one.file_id)
    return None if found is None else one._replace(size=found.st_size, mtime_ns=found.st_mtime_ns)


def named(tailer: Tailer) -> Seen:
    """Return a generation's file as it was last seen."""
    path, base = tailer.seen_as, tailer.path
    return Seen(path, base, tailer.file_id, tailer.size, 0, rotation.rank(path, base), tailer.compression)


def as_seen(left: Checkpoint) -> Seen:
    """Return a file that is known and not read as it was last seen."""
    return Seen(left.seen_as, left.path, left.file_id, left.size, 0, (), left.compression)


def has_changed(tailer: Tailer) -> bool:
    """Whether a generation's file is there, and has another size than was seen."""
    found = stat_of(tailer.seen_as, tailer.file_id)
    return found is not None and found.st_size != tailer.size


def has_shrunk(tailer: Tailer) -> bool:
    """Whether a generation's file is there, and smaller than what is known to be of it."""
    found = stat_of(tailer.seen_as, tailer.file_id)
    return found is not None and found.st_size < tailer.sure


def is_replaced(tailer: Tailer) -> bool:
    """Whether another file has the name of a generation's file."""
    return os.path.exists(tailer.seen_as) and not leads_to(tailer.seen_as, tailer.file_id)


def size_now(tailer: Tailer) -> int:
    """Return how large a generation's file is, of which a late writer's last lines may not have been seen yet."""
    found = stat_of(tailer.seen_as, tailer.file_id)
    return tailer.size if found is None else max(tailer.size, found.st_size)


def compressed_beside(path: bytes) -> list[bytes]:
    """Return the compressed forms of a file that are there, by their names."""
    return [path + ending for ending in rotation.COMPRESSIONS if os.path.exists(path + ending)]
