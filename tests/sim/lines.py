"""The lines that are written: each like no other, and so is each part of those that are too long to be sent whole."""

from __future__ import annotations

ENDINGS = 12  # bytes that may be added to the last part of a line: "-half-rest"


class Lines:
    """Lines of which at most ``longest`` bytes are sent whole; 0: all are."""

    def __init__(self, longest: int) -> None:
        self._longest = longest

    def text(self, name: bytes, count: int) -> bytes:
        """Return line number ``count``, of a length that few others have."""
        if not self._longest:
            return b"%s-%d-%s" % (name, count, b"x" * (count * 37 % 101))
        parts = count * 7 % 5  # that are full
        last = b"%s-%d.%d-" % (name, count, parts)
        room = self._longest - ENDINGS - len(last)
        full = [(b"%s-%d.%d-" % (name, count, n)).ljust(self._longest, b"x") for n in range(max(0, parts - 1))]
        return b"".join(full) + last + b"x" * (count * 37 % (room + 1))

    def parts(self, line: bytes) -> list[bytes]:
        """Return what of a line is sent as one record each."""
        if not self._longest:
            return [line]
        return [line[at : at + self._longest] for at in range(0, len(line), self._longest)] or [line]

    def complete(self, data: bytes) -> list[bytes]:
        """Return the records that the complete lines of ``data`` make."""
        lines = data.replace(b"\r\n", b"\n").split(b"\n")[:-1]
        return [part for line in lines for part in self.parts(line)]

    def early(self, partial: bytes) -> list[bytes]:
        """Return the parts of a line without an end that are sent before its end is there."""
        return self.parts(partial)[:-1]
