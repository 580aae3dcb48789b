"""Lines of containers whose runtime has cut long ones: the pieces joined to one line of the same format. Pure.

A runtime writes each stream's pieces in order, with those of the other stream between them. Nothing can be cut while
pieces of any stream wait for more: the lines up to then are one stretch, and become events in the order of their first
bytes. A stretch is at most ``max_bytes`` long: what still waits then is taken as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from shipper.framing.multiline import Groups

CRI = re.compile(rb"(\S+ (stdout|stderr) )([PF])((?::\S*)? )(.*)", re.DOTALL)


class Piece(NamedTuple):
    """A line as its runtime wrote it. ``make``: the same line with another content; ``ends``: it is the last piece."""

    stream: bytes | str
    content: bytes | str
    ends: bool
    make: Callable[[Any, bool], bytes]


class Waiting(NamedTuple):
    """Pieces of one stream: the index of the first, and their contents."""

    first: int
    piece: Piece
    contents: list[Any]


class Partials:
    """Joins the pieces of lines. ``read``: a line's piece, ``None`` for one of another format, which stays as it is."""

    def __init__(self, read: Callable[[bytes], Piece | None], plain: Callable[[bytes], object], max_bytes: int) -> None:
        self._read = read
        self._plain = plain  # a quick look: whether a line is a whole one
        self._max_bytes = max_bytes

    def group(self, lines: list[bytes], bare: list[bytes], *, done: bool) -> Groups:  # noqa: ARG002
        """Return the events of ``bare``, which begins where no piece waits; ``done``: nothing follows."""
        if all(map(self._plain, bare)):
            return Groups(list(bare), list(range(len(bare))), len(bare))
        found: list[tuple[int, bytes]] = []
        waiting: dict[bytes | str, Waiting] = {}
        cuts = [0]
        size = passed = 0

        def let_go() -> None:
            found.extend((w.first, _joined(w, ended=False)) for w in waiting.values())
            waiting.clear()

        for i, line in enumerate(bare):
            if waiting and size + len(line) > self._max_bytes:
                let_go()
                size, passed = 0, i
                cuts.append(len(found))
            size += len(line) + 1
            piece = self._read(line)
            if piece is None or (piece.ends and piece.stream not in waiting):
                found.append((i, line))
            else:
                wait = waiting.setdefault(piece.stream, Waiting(i, piece, []))
                wait.contents.append(piece.content)
                if piece.ends:
                    found.append((wait.first, _joined(waiting.pop(piece.stream), ended=True)))
            if not waiting:
                size, passed = 0, i + 1
                cuts.append(len(found))
        if done and waiting:
            let_go()
            passed = len(bare)
            cuts.append(len(found))
        found = sorted(found[: cuts[-1]])
        return Groups([event for _, event in found], [first for first, _ in found], passed, cuts[:-1])


def _joined(wait: Waiting, *, ended: bool) -> bytes:
    contents = wait.contents
    return wait.piece.make(contents[0][:0].join(contents), ended)


def _read_cri(line: bytes) -> Piece | None:
    match = CRI.fullmatch(line)
    if match is None:
        return None
    head, stream, flag, tail, content = match.groups()
    return Piece(stream, content, flag == b"F", lambda all_, ended: head + (b"F" if ended else b"P") + tail + all_)


def _read_docker(line: bytes) -> Piece | None:
    try:
        fields = msgspec.json.decode(line)
        log, stream = fields["log"], fields["stream"]
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError, RecursionError):
        return None
    if not isinstance(log, str) or not isinstance(stream, str):
        return None
    return Piece(stream, log, log.endswith("\n"), lambda all_, _: msgspec.json.encode(fields | {"log": all_}))


def cri(max_bytes: int) -> Partials:
    """Return what joins the lines of CRI (containerd, CRI-O): ``P`` marks a piece, ``F`` the last one."""
    piece = re.compile(rb"\S+ (?:stdout|stderr) P[ :]").match
    return Partials(_read_cri, lambda line: piece(line) is None, max_bytes)


def docker(max_bytes: int) -> Partials:
    """Return what joins the lines of Docker's json-file: a ``log`` without a line end is a piece."""

    def whole(line: bytes) -> bool:
        if b'\\n","' in line and b'\\\\n","' not in line:
            return True
        piece = _read_docker(line)
        return piece is None or piece.ends

    return Partials(_read_docker, whole, max_bytes)
