r"""From the bytes of a file to its lines in UTF-8: one class for each way in which line ends are found. Pure; O(bytes).

Every call is given bytes that begin at a line's first byte, and nothing is remembered: the same bytes give the same
lines wherever the reads end. Decoding is done for a whole block at once where that gives what decoding line by line
would; a line with bytes that are none of its encoding keeps its place, with U+FFFD for each of them, and is counted.
"""

from __future__ import annotations

import codecs
import importlib
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from typing import NamedTuple

NEWLINE = "\n"
REFUSED = {
    "hz": "what a line means depends on the lines before it",
    "iso2022_kr": "what a line means depends on the first line of its file",
    **dict.fromkeys(("idna", "punycode"), "it is for the names of hosts"),
    **dict.fromkeys(("unicode_escape", "raw_unicode_escape", "undefined"), "no file is written in it"),
    **dict.fromkeys(("mbcs", "oem"), "it is known on Windows only"),
}
WIDE = {"utf_16": 2, "utf_16_le": 2, "utf_16_be": 2, "utf_32": 4, "utf_32_le": 4, "utf_32_be": 4}
BOMS = {
    "utf_8": codecs.BOM_UTF8,
    "utf_16_le": codecs.BOM_UTF16_LE,
    "utf_16_be": codecs.BOM_UTF16_BE,
    "utf_32_le": codecs.BOM_UTF32_LE,
    "utf_32_be": codecs.BOM_UTF32_BE,
}
HEAD = 4  # bytes at the beginning of a file that tell its byte order


class Lines(NamedTuple):
    r"""The complete lines of a block, without their ends; a ``\r`` before a ``\\n`` is left to them.

    ``end`` is the index after the last line end. ``begins()``: the distance of each line from the first one.
    ``replaced``: how many held bytes that are none of the encoding.
    """

    lines: list[bytes]
    end: int
    begins: Callable[[], list[int]]
    replaced: int = 0


class Text:
    """Bytes that are passed on as they are."""

    unit = 1  # bytes from one place where a character may begin to the next
    widest = 1  # bytes in the file for one of UTF-8, at most
    bom = b""
    ordered = True  # it is known without the file's first bytes

    def __init__(self, delimiter: str = NEWLINE) -> None:
        self.crlf = delimiter == NEWLINE
        self.delimiter = delimiter.encode()
        self.cr = b"\r"

    def of(self, head: bytes) -> Text:  # noqa: ARG002
        """Return what reads a file that begins with ``head``."""
        return self

    def lines(self, data: bytes, start: int) -> Lines:
        """Return the complete lines of ``data[start:]``."""
        raw, end = self._split(data, start)
        return Lines(raw, end, partial(_begins, raw, len(self.delimiter)))

    def find(self, data: bytes, start: int) -> int:
        """Return where the first delimiter begins, -1 where there is none."""
        return data.find(self.delimiter, start)

    def rfind(self, data: bytes, at: int) -> int:
        """Return where the last delimiter begins in ``data``, which stands at the offset ``at``; -1: nowhere."""
        found = data.rfind(self.delimiter)
        while found >= 0 and (at + found) % self.unit:
            found = data.rfind(self.delimiter, 0, found + len(self.delimiter) - 1)
        return found

    def line(self, raw: bytes) -> tuple[bytes, bool]:
        """Return one line in UTF-8, and whether some of it was replaced."""
        return raw, False

    def piece(self, raw: bytes, size: int) -> tuple[bytes, int]:
        """Return the first bytes of a long line, at most ``size`` in UTF-8, and how many bytes of the file these are.

        Bytes that are passed on as they are may be cut anywhere.
        """
        return raw[:size], min(size, len(raw))

    def beginning(self, raw: bytes, size: int) -> tuple[bytes, int]:
        """Return the first characters of a long line, as :meth:`piece` does.

        Of bytes that are passed on as they are, what looks like a character of UTF-8 is not cut.
        """
        end = size
        while size - 3 <= end < len(raw) and end > 0 and raw[end] & 0xC0 == 0x80:
            end -= 1
        return self.piece(raw, end if end < size and raw[end] >= 0xC0 else size)

    def _split(self, data: bytes, start: int) -> tuple[list[bytes], int]:
        # From the left: of delimiters that overlap, the first one counts, wherever the block ends.
        raw = data[start:].split(self.delimiter)
        return raw, len(data) - len(raw.pop())


class Narrow(Text):
    """An encoding in which the bytes of a delimiter are nothing else."""

    def __init__(self, codec: str, delimiter: str = NEWLINE) -> None:
        super().__init__(delimiter)
        self.codec = codec
        self.utf8 = self.delimiter
        self.delimiter = delimiter.encode(codec)
        self.cr = "\r".encode(codec)
        self.bom = BOMS.get(codec, b"")
        self.widest = 1 if is_single(codec) or codec == "utf_8" else 4

    def lines(self, data: bytes, start: int) -> Lines:
        """Return the complete lines of ``data[start:]``."""
        raw, end = self._split(data, start)
        begins = partial(_begins, raw, len(self.delimiter))
        if not raw:
            return Lines(raw, end, begins)
        try:
            block = data[start:end].decode(self.codec).encode()
        except UnicodeError:
            block = b""
        if block.count(self.utf8) == len(raw):
            lines = block.split(self.utf8)
            lines.pop()
            return Lines(lines, end, begins)
        both = list(map(self.line, raw))
        return Lines([line for line, _ in both], end, begins, sum(bad for _, bad in both))

    def line(self, raw: bytes) -> tuple[bytes, bool]:
        """Return one line in UTF-8, and whether some of it was replaced."""
        try:
            return raw.decode(self.codec).encode(), False
        except UnicodeError:
            return raw.decode(self.codec, "replace").encode("utf-8", "replace"), True

    def piece(self, raw: bytes, size: int) -> tuple[bytes, int]:
        """Return the first characters of a long line, at most ``size`` bytes, and how many bytes these are."""
        for most in (size * self.widest, size, max(size // 3, 4)):  # no byte becomes more than three
            head = raw[:most]
            decoder = codecs.getincrementaldecoder(self.codec)("replace")
            text = decoder.decode(head)
            taken = len(head) - len(decoder.getstate()[0])
            if not taken or len(head) == len(raw):
                text, taken = head.decode(self.codec, "replace"), len(head)
            value = text.encode("utf-8", "replace")
            if len(value) <= size:
                break
        return value, taken

    def beginning(self, raw: bytes, size: int) -> tuple[bytes, int]:
        """Return the first characters of a long line, as :meth:`piece` does."""
        return self.piece(raw, size)


class Wide(Narrow):
    """UTF-16 or UTF-32, in which the bytes of a delimiter may be halves of two other characters."""

    def __init__(self, codec: str, delimiter: str = NEWLINE) -> None:
        self.unit = WIDE[codec]
        self.ordered = codec in BOMS
        self._delimiter = delimiter
        super().__init__(codec if self.ordered else f"{codec}_le", delimiter)
        self.widest = self.unit

    def of(self, head: bytes) -> Text:
        """Return what reads a file that begins with ``head``: its byte order mark tells, or else where zeros are."""
        if self.ordered:
            return self
        family = self.codec.removesuffix("_le")
        found = next((codec for codec, bom in BOMS.items() if codec.startswith(family) and head.startswith(bom)), "")
        if not found:
            first = head[: self.unit]
            found = f"{family}_be" if first[:1] == b"\0" and any(first) else f"{family}_le"
        return Wide(found, self._delimiter)

    def lines(self, data: bytes, start: int) -> Lines:
        """Return the complete lines of ``data[start:]``."""
        stop = len(data) - (len(data) - start) % self.unit
        replaced = 0
        try:
            text = data[start:stop].decode(self.codec, "surrogatepass")
        except UnicodeDecodeError:
            text = data[start:stop].decode(self.codec, "replace")  # as many bytes for each
            replaced = 1
        texts = text.split(self._delimiter)
        rest = texts.pop()
        end = stop - len(rest.encode(self.codec, "surrogatepass"))
        begins = partial(self._wide_begins, texts)
        try:
            lines = text[: len(text) - len(rest)].encode().split(self.utf8)
            lines.pop()
        except UnicodeEncodeError:
            both = [self.line(one.encode(self.codec, "surrogatepass")) for one in texts]
            return Lines([line for line, _ in both], end, begins, sum(bad for _, bad in both))
        if replaced:
            replaced = sum("\ufffd" in one for one in texts)
        return Lines(lines, end, begins, replaced)

    def find(self, data: bytes, start: int) -> int:
        """Return where the first delimiter begins, -1 where there is none."""
        at = data.find(self.delimiter, start)
        while at >= 0 and (at - start) % self.unit:
            at = data.find(self.delimiter, at + 1)
        return at

    def _wide_begins(self, texts: list[str]) -> list[int]:
        return _begins([one.encode(self.codec, "surrogatepass") for one in texts], len(self.delimiter))


def _begins(raw: list[bytes], delimiter: int) -> list[int]:
    return list(accumulate((len(one) + delimiter for one in raw), initial=0))[:-1] if raw else []


def codec_of(name: str) -> str:
    """Return the name by which Python knows an encoding of text; "" for one that it does not know."""
    try:
        b"a".decode(name, "replace")  # also says whether it is one of text
        codec = codecs.lookup(name).name.replace("-", "_").lower()
    except (LookupError, ValueError):
        return codec if (codec := name.replace("-", "_").lower()) in REFUSED else ""
    return "utf_8" if codec == "utf_8_sig" else codec


def is_single(codec: str) -> bool:
    """Whether each byte is one character, by a table."""
    try:
        return codec == "ascii" or hasattr(importlib.import_module(f"encodings.{codec}"), "decoding_table")
    except ImportError:
        return False


def build(encoding: str, delimiter: str = NEWLINE) -> Text:
    """Return what reads an encoding that :func:`trouble` has nothing against; "bytes" for none."""
    if encoding == "bytes":
        return Text(delimiter)
    codec = codec_of(encoding)
    return Wide(codec, delimiter) if codec in WIDE else Narrow(codec, delimiter)


def trouble(encoding: str, delimiter: str = NEWLINE) -> str:
    """Say why lines cannot be read in this encoding with this delimiter; "" if they can."""
    if encoding == "bytes":
        return ""
    codec = codec_of(encoding)
    if not codec:
        return "is no encoding of text that Python knows"
    if codec in REFUSED:
        return f"cannot be read line by line: {REFUSED[codec]}"
    try:
        raw = delimiter.encode(codec)
    except UnicodeError:
        return "has no bytes for the delimiter"
    if codec in WIDE or codec == "utf_8" or is_single(codec) or max(raw) < 0x30:
        return ""
    return "may have the delimiter's bytes inside of other characters"
