"""The first scan of a source: where each file that is there begins, recorded before anything is sent.

Only here do ``start_at`` and ``ignore_older`` count; what comes later is read whole. Reads files, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from shipper.config import FileConfig
from shipper.files import BROKEN, Files, fingerprint_at, open_reader
from shipper.filesource import framers
from shipper.filesource.left import unread
from shipper.model import NO_FINGERPRINT, Checkpoint, FileState, Fingerprint, Seen, new_uid

STEP = 64 << 10  # bytes; how far a look for the last line end goes back at a time


def checkpoints(config: FileConfig, seen: Iterable[Seen], files: Files, wall: float) -> list[Checkpoint]:
    """Return what is recorded of the files of a first scan; ``wall`` is the time in seconds since 1970.

    Their uids have the order of the names: files that are read one after the other are neighbours in the store.
    """
    found = list(seen)
    uids = sorted(new_uid() for _ in found)
    return [_of(uid, config, one, files, wall) for uid, one in zip(uids, found, strict=True)]


def _of(uid: str, config: FileConfig, one: Seen, files: Files, wall: float) -> Checkpoint:
    old = config.ignore_older > 0 and one.mtime_ns / 1e9 < wall - config.ignore_older
    at_end = config.start_at == "end" or old
    # The end of a compressed file is the end of all that will ever be in it.
    if one.path != one.base or (at_end and one.compression):
        return unread(config.name, one, FileState.LEFT, _fingerprint(one, files), uid=uid)
    return _watched(uid, config, one, files, at_end=at_end)


def _watched(uid: str, config: FileConfig, one: Seen, files: Files, *, at_end: bool) -> Checkpoint:
    """Return where a file that a glob matches begins: at its first byte, or after its last line end."""
    offset, fingerprint = _end(config, one, files) if at_end else (0, NO_FINGERPRINT)
    return Checkpoint(
        uid=uid,
        source=config.name,
        path=one.path,
        seen_as=one.path,
        file_id=one.file_id,
        generation=0,
        offset=offset,
        fingerprint=fingerprint,
        size=0 if one.compression else one.size,
        compression=one.compression,
        start=offset,
    )


def _end(config: FileConfig, one: Seen, files: Files) -> tuple[int, Fingerprint]:
    """Return the position after the last line end of a file."""
    try:
        reader = open_reader(files, one.path, "")
    except OSError:
        return 0, NO_FINGERPRINT  # it cannot be read now; when it can, all of it is new to us
    try:
        framer = framers.build(config)
        text = framer.of(reader.read(framer.needs_head, 0)).text
        more = len(text.delimiter) - 1  # of one that begins before the step, and ends in it
        end = size = reader.stat().size
        while end > 0:
            low = max(0, end - STEP)
            at = text.rfind(reader.read(min(end + more, size) - low, low), low)
            if at >= 0:
                end = low + at + len(text.delimiter)
                break
            end = low
        return end, fingerprint_at(reader, end)
    except OSError:
        return 0, NO_FINGERPRINT
    finally:
        reader.close()


def _fingerprint(one: Seen, files: Files) -> Fingerprint:
    """Return what will tell later that the file was compressed."""
    try:
        reader = open_reader(files, one.path, one.compression)
    except OSError:
        return NO_FINGERPRINT
    try:
        return fingerprint_at(reader, 0 if one.compression else one.size)
    except BROKEN:
        return NO_FINGERPRINT
    finally:
        reader.close()
