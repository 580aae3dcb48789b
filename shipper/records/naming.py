"""From a source's templates to the topic and the key of its records. Pure.

Both depend on the file alone, so they are rendered once for each file generation and cost nothing per line.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from shipper import template
from shipper.config import SourceConfig
from shipper.model import path_text
from shipper.records.record import Headers

FILE_ID, GENERATION, OFFSET = "shipper.file_id", "shipper.generation", "shipper.offset"
PART, PARTS = "shipper.part", "shipper.parts"
RECORD = "shipper.record"  # the number of one of several records of a line, from 1
PROVENANCE_BYTES = 128  # of a record's headers in a batch, at most
PROVENANCE_OVERHEAD = 352  # what the client needs for them (measured)


class Naming:
    """The topic and key templates of one source."""

    def __init__(self, source: SourceConfig, host: str) -> None:
        self._source = source.name
        self._host = host
        self._topic = template.parse(source.topic)
        self._key = template.parse(source.key)

    @property
    def fixed_topic(self) -> str | None:
        """The topic, where it is the same for all files."""
        return self._topic.render({"host": self._host, "source": self._source})

    def topic(self, path: bytes) -> str:
        """Return the topic for the lines of the file that was found as ``path``."""
        return self._topic.render(self._values(path)) or ""

    def key(self, path: bytes) -> bytes:
        """Return the key of these lines; a name that is not UTF-8 keeps its bytes."""
        return (self._key.render(self._values(path)) or "").encode("utf-8", "surrogateescape")

    def _values(self, path: bytes) -> Mapping[str, str]:
        text = path_text(path)
        directory, filename = os.path.split(text)
        return {
            "filename": filename,
            "stem": os.path.splitext(filename)[0],
            "path": text,
            "dir": directory,
            "host": self._host,
            "source": self._source,
        }


def provenance_headers(uid: str, generation: int, offsets: Iterable[int]) -> list[Headers]:
    """Return the headers of records whose lines begin at ``offsets``: by them one can tell a record that comes twice.

    >>> provenance_headers("9f2c", 0, [17])
    [[('shipper.file_id', b'9f2c'), ('shipper.generation', b'0'), ('shipper.offset', b'17')]]
    """
    file_id, number = (FILE_ID, uid.encode()), (GENERATION, b"%d" % generation)
    return [[file_id, number, (OFFSET, b"%d" % offset)] for offset in offsets]


def part_headers(part: int, *, last: bool) -> Headers:
    """Return the headers of one part of a line over ``max_line``: its number from 1; the last one has their count too.

    >>> part_headers(3, last=True)
    [('shipper.part', b'3'), ('shipper.parts', b'3')]
    """
    number = b"%d" % part
    return [(PART, number), (PARTS, number)] if last else [(PART, number)]
