"""Whether a known file is what has its id now: the operating system gives the id of a deleted file to a new one.

Not while the file is open; and under the name that a file had, other content shows when it is read. Under another name
it is verified here, before it is believed to be renamed. Opens and reads, and keeps what is deleted just then; changes
nothing else. Pump thread only.
"""

from __future__ import annotations

from collections.abc import Callable

from shipper.files import BROKEN, Files, PackedReader, PlainReader, matches, open_reader
from shipper.filesource.descriptors import Descriptors
from shipper.lifecycle import File
from shipper.model import Checkpoint, Fingerprint, Seen
from shipper.tailer import Tailer


def is_still(files: Files, descriptors: Descriptors, tailer: Tailer, one: Seen) -> bool:
    """Whether ``one``, which has the id of ``tailer``, is its file."""
    if tailer.reader is not None or one.path == tailer.seen_as:
        return True
    if not tailer.head_len:  # nothing is known of its bytes; of a finished one, as it had none or they are gone
        same = (one.base, one.compression) == (tailer.path, tailer.compression)
        if one.path == tailer.path:
            return False  # it was rotated away: what has the name now is younger
        return same and tailer.state not in (File.FINISHED, File.LOST)

    def rescue(reader: PlainReader | PackedReader) -> bool:
        return descriptors.rescue(tailer, reader, one.path)

    # Unread it is believed to be, but for what is smaller, or has the path's name: that is younger than what lost it.
    believed = one.path != tailer.path and (bool(one.compression) or one.size >= tailer.sure)
    return _holds(files, one, tailer.fingerprint(tailer.read), tailer.compression, rescue, believed=believed)


def is_still_left(files: Files, left: Checkpoint, one: Seen) -> bool:
    """Whether ``one``, which has the id of a file that is known and not read, is that file."""
    if (one.path, one.size) == (left.seen_as, left.size):
        return True
    if not left.fingerprint.mark:  # it could not be read when it was recorded
        return one.base == left.path
    return _holds(files, one, left.fingerprint, left.compression, lambda _: False, believed=True)


def _holds(
    files: Files,
    one: Seen,
    known: Fingerprint,
    compression: str,
    rescue: Callable[[PlainReader | PackedReader], bool],
    *,
    believed: bool,
) -> bool:
    """Whether a file holds the bytes of a fingerprint; ``believed``: also where it cannot be read now.

    ``rescue`` is offered what does, and returns whether it keeps it.
    """
    believed = believed and one.compression == compression  # what was compressed has no other name as long as it is
    try:
        reader = open_reader(files, one.path, compression)
    except OSError:
        return believed
    kept = False
    try:
        if reader.stat().file_id != one.file_id:
            return True
        holds = matches(reader, known)
        kept = holds and rescue(reader)
        return holds
    except BROKEN as error:
        return believed and isinstance(error, OSError) and error.errno is not None  # else it is not compressed as that
    finally:
        if not kept:
            reader.close()
