"""What container runtimes write: one line of CRI (containerd, CRI-O) or of Docker's json-file.

Both say ``time``, ``stream`` and ``message``. What a runtime cut is joined before it comes here (framing).
"""

from __future__ import annotations

from typing import Any, TypedDict

import msgspec

from shipper.records.parsers.common import Parse, Wanted, text_of
from shipper.records.record import Fields

_STREAMS = {b"stdout": "stdout", b"stderr": "stderr"}


class _Docker(TypedDict, total=False):
    log: str
    stream: str
    time: str
    attrs: dict[str, Any]


def cri(_wanted: Wanted) -> Parse:
    """Return the parser of CRI; ``tag`` is F for a whole line, P for a part of one.

    >>> cri(None)(b"2026-11-24T11:09:10.1Z stdout F up and running")
    {'time': '2026-11-24T11:09:10.1Z', 'stream': 'stdout', 'tag': 'F', 'message': 'up and running'}
    """

    def parse(event: bytes) -> Fields | None:
        parts = event.split(b" ", 3)
        if len(parts) < 4:
            return None
        time, stream, tag, message = parts
        if stream not in _STREAMS or not time[:4].isdigit() or not tag:
            return None
        return {"time": text_of(time), "stream": _STREAMS[stream], "tag": text_of(tag), "message": text_of(message)}

    return parse


def docker(_wanted: Wanted) -> Parse:
    r"""Return the parser of Docker's json-file; ``attrs`` are the labels that it was told to write.

    >>> docker(None)(b'{"log":"up\\n","stream":"stderr","time":"2026-11-24T11:09:10.1Z"}')
    {'time': '2026-11-24T11:09:10.1Z', 'stream': 'stderr', 'message': 'up'}
    """
    decode = msgspec.json.Decoder(_Docker).decode

    def parse(event: bytes) -> Fields | None:
        try:
            found = decode(event)
        except (ValueError, RecursionError):
            return None
        if "log" not in found:
            return None
        fields: Fields = {name: found[name] for name in ("time", "stream", "attrs") if name in found}
        fields["message"] = found["log"].removesuffix("\n").removesuffix("\r")
        return fields

    return parse
