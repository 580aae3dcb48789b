r"""Cuts the bytes of a file into events: what becomes one record each, before anything else is done with it. Pure.

An event is a line, or several that belong together. Every call is given bytes that begin at an event's first byte and
remembers nothing, so the same bytes give the same events wherever the reads end, and after a restart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from shipper.framing.encodings import HEAD, Text
from shipper.framing.multiline import Groups

SLACK = 64  # bytes more than the longest line and its end


class Group(Protocol):
    """Which lines belong together."""

    def group(self, lines: list[bytes], bare: list[bytes], *, done: bool) -> Groups:
        r"""Return the events of ``lines``, the first of which begins one; ``bare``: the same without any ``\r``."""


class Cut(NamedTuple):
    """Complete events, and the index after the last of them.

    ``lines_end``: the index after the last complete line; what is between is an event that may go on. ``begins()``: the
    distance of each event from where the first one begins. ``replaced``: lines with bytes that are not of the encoding.
    ``cuts``: which of the events a position may stand before; ``None``: each.
    """

    events: list[bytes]
    end: int
    lines_end: int
    begins: Callable[[], list[int]]
    replaced: int = 0
    cuts: list[int] | None = None

    def whole(self, most: int) -> int:
        """Return how many of the events may be taken without the others: ``most`` or fewer, if one has to be more."""
        if self.cuts is None:
            return most
        cuts = [*self.cuts[1:], len(self.events)]
        return max((cut for cut in cuts if cut <= most), default=cuts[0])


class Framer:
    """Cuts the files of one source. ``reach``: bytes that hold a complete event, or a line over ``max_line``.

    ``ahead``: bytes that must be known of a line behind each of its parts.
    """

    def __init__(self, text: Text, group: Group | None, max_line: int, timeout: float = 0.0, *, ahead: int = 0) -> None:
        self.text = text
        self.group = group
        self.timeout = timeout  # seconds without growth after which an event is not believed to go on
        self.raw = type(text) is Text and text.crlf and group is None  # ``lines.cut`` does it all
        self.max_line = max_line
        self.ahead = ahead
        self.window = text.widest * max_line + len(text.delimiter) + len(text.bom) + text.unit
        self.reach = 2 * self.window + SLACK if group is not None else self.window + SLACK

    @classmethod
    def plain(cls, max_line: int) -> Framer:
        """Return what cuts lines of bytes."""
        return cls(Text(), None, max_line)

    def of(self, head: bytes) -> Framer:
        """Return what cuts a file that begins with ``head``."""
        text = self.text.of(head)
        return self if text is self.text else Framer(text, self.group, self.max_line, self.timeout, ahead=self.ahead)

    @property
    def needs_head(self) -> int:
        """How many of a file's first bytes :meth:`of` wants to see."""
        return 0 if self.text.ordered else HEAD

    def skip(self, data: bytes, start: int, at: int) -> int:
        """Return where the text begins in ``data[start:]``, which stands at the offset ``at``: behind a mark."""
        bom = self.text.bom
        return start + len(bom) if bom and not at and data.startswith(bom, start) else start

    def cut(self, data: bytes, start: int, at: int = 0, *, done: bool = False, ended: bool = False) -> Cut:
        """Cut ``data[start:]``, which stands at the offset ``at``, into events.

        ``done``: its last event does not go on. ``ended``: what follows the last line end is a line too.
        """
        text = self.text
        first = self.skip(data, start, at)
        lines, end, begins, replaced = text.lines(data, first)
        bare = lines
        if text.crlf and data.find(b"\r", first, end) >= 0:
            bare = [line[:-1] if line.endswith(b"\r") else line for line in lines]
        if ended and end < len(data):
            last, bad = text.line(data[end:])
            lines, bare = [*lines, last], [*bare, last]
            begins = _and(begins, end - first)
            replaced += bad
            end = len(data)
        if self.group is None:
            return Cut(
                bare, end if bare else start, end if bare else start, _from(begins, None, first - start), replaced
            )
        events, firsts, count, cuts = self.group.group(lines, bare, done=done or ended)
        stop = end
        if count < len(lines):
            stop = first + begins()[count] if count else start
        rest = end if lines else start
        return Cut(events, stop if events else start, rest, _from(begins, firsts, first - start), replaced, cuts)


def _and(begins: Callable[[], list[int]], last: int) -> Callable[[], list[int]]:
    return lambda: [*begins(), last]


def _from(begins: Callable[[], list[int]], firsts: list[int] | None, mark: int) -> Callable[[], list[int]]:
    """Return where events begin that begin with these lines; a mark before the first one belongs to it."""

    def distances() -> list[int]:
        all_ = begins()
        chosen = all_ if firsts is None else [all_[i] for i in firsts]
        return [one + mark if one else 0 for one in chosen] if mark else chosen

    return distances
