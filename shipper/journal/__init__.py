"""systemd's journal as a source: its cursor is a position, saved by the same rule as a file's offset.

- ``source``: one configured source: opens the journal, reads and sends, notices what happens to it
- ``stream``: its read position, in batches; what is put back, or goes in parts
- ``entries``: entry after entry, over damaged ones and over gaps
- ``selection``, ``cursor``: what is asked of the library, and what a cursor says; pure
- ``exported``: entries as ``journalctl -o json`` prints them
- ``survey``: which of the journal's files are not read, and why
- ``watching``: the thread that wakes the pump
- ``reader``: the seam to systemd's library

What all kinds of sources do alike is in ``shipper.source``. A daemon that reads no journal imports only what is here:
whoever makes a source of one imports ``source``.
"""

from shipper.journal.reader import check_library
from shipper.journal.watching import Watching

__all__ = ["Watching", "check_library"]
