"""From a source's templates to the topic, the key and the headers of its records. Pure.

What depends on the file alone is rendered once for each file and costs nothing per line. Where a template asks for
fields, :class:`FileNaming` has a function for them. Nothing that a log or a file's name holds chooses a topic that the
source may not send to: then it is the source's ``topic_fallback``.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from fnmatch import translate
from typing import NamedTuple

from shipper import template
from shipper.config import FileConfig, SourceConfig
from shipper.model import Headers, path_text
from shipper.records.bound import FIELD, Fill, bind, filler, only_field, to_bytes
from shipper.records.redaction import Redactor

CURSOR = "shipper.cursor"
FILE_ID, GENERATION, OFFSET = "shipper.file_id", "shipper.generation", "shipper.offset"
PART, PARTS = "shipper.part", "shipper.parts"
TRUNCATED = "shipper.truncated"
RECORD = "shipper.record"  # the number of one of several records of a line, from 1
PROVENANCE_BYTES = 128  # of a record's headers in a batch, at most
PROVENANCE_OVERHEAD = 352  # what the client needs for them (measured)

MOST_TOPICS = 1000  # that the records of one source may choose, in one run
_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")


class FileNaming(NamedTuple):
    """What the records of one file are called.

    ``key`` and ``topic`` are those of records that say no more, ``headers`` those that all have. ``topic_of``,
    ``key_of`` and ``header_of`` ask an event's fields; they are there only where a template does. ``key_field`` is the
    one that is the key, where no more is asked for it; "" otherwise, or where its name has dots.
    """

    topic: str
    key: bytes
    headers: Headers
    topic_of: Fill | None
    key_of: Fill | None
    header_of: list[tuple[str, Fill]]
    key_field: str


class Naming:
    """The templates of one source. ``internal``: topics that no template may lead to."""

    def __init__(self, source: SourceConfig, host: str, internal: frozenset[str] = frozenset()) -> None:
        self._source = source.name
        self._host = host
        self._topic = template.parse(source.topic)
        self._key = template.parse(source.key)
        self._key_fallback = template.parse(source.key_fallback)
        self._headers = [(name, template.parse(text)) for name, text in source.headers.items()]
        pattern = source.path_pattern if isinstance(source, FileConfig) else ""
        self._path_pattern = re.compile(pattern) if pattern else None
        self._topics = _Topics(source, internal)
        # The topic, where it is the same for all records.
        self.fixed_topic = self._topic.render({"host": host, "source": source.name})
        self._hide = Redactor(source.redact, Counter()).event
        self.fallback_topic = source.topic_fallback or fallback_topic(source, host)

    @property
    def wanted(self) -> frozenset[str]:
        """The fields that the templates ask for."""
        templates = [self._topic, self._key, *(header for _, header in self._headers)]
        names = (name for one in templates for name in one.names)
        return frozenset(name.removeprefix(FIELD) for name in names if name.startswith(FIELD))

    @property
    def plain(self) -> bool:
        """Whether a record has its file's topic and key, and no headers."""
        return not (self.wanted or self._headers)

    @property
    def asks_for_topic(self) -> bool:
        """Whether the topic asks for fields."""
        return any(name.startswith(FIELD) for name in self._topic.names)

    @property
    def asks_for_key(self) -> bool:
        """Whether the key asks for fields."""
        return any(name.startswith(FIELD) for name in self._key.names)

    def topic(self, path: bytes) -> str:
        """Return the topic for the lines of the file that was found as ``path``, where no field says more."""
        return self.of(path).topic

    def key(self, path: bytes) -> bytes:
        """Return the key of these lines, the same way; a name that is not UTF-8 keeps its bytes."""
        return self.of(path).key

    def stray_topic(self, path: bytes) -> str:
        """Return the topic that the name of a file makes and that may not be used, "" where there is none."""
        bound = bind(self._topic, self._values(path)) if self.fixed_topic is None else None
        return bound if isinstance(bound, str) and not self._topics.fits(bound) else ""

    def may_use(self, topic: str) -> bool:
        """Whether a topic that a record has chosen may be sent to."""
        return self._topics.allow(topic)

    def of(self, path: bytes) -> FileNaming:
        """Return what the records of the file that was found as ``path`` are called."""
        values = self._values(path)
        topic = self.fixed_topic
        topic_of = key_of = None
        if topic is None:
            bound = bind(self._topic, values)
            topic = bound if isinstance(bound, str) and self._topics.fits(bound) else self.fallback_topic
            topic_of = filler(bound) if isinstance(bound, tuple) else None
        key = bind(self._key, values)
        key_field = only_field(key)
        key_field = "" if "." in key_field else key_field
        if not isinstance(key, str):
            key_of = filler(key) if key is not None else None
            fallback = bind(self._key_fallback, values)
            key = fallback if isinstance(fallback, str) else f"{self._host}:{values.get('path', self._source)}"
        headers = [(name, bind(header, values)) for name, header in self._headers]
        return FileNaming(
            topic,
            to_bytes(key),
            [(name, to_bytes(text)) for name, text in headers if isinstance(text, str)],
            topic_of,
            key_of,
            [(name, filler(parts)) for name, parts in headers if isinstance(parts, tuple)],
            key_field,
        )

    def path_text(self, path: bytes) -> str:
        """Return a path as it may leave."""
        return path_text(self._hide(path))

    def _values(self, path: bytes) -> Mapping[str, str]:
        if not path:  # the journal has none
            return {"host": self._host, "source": self._source}
        text = self.path_text(path)
        directory, filename = os.path.split(text)
        values = {
            "filename": filename,
            "stem": os.path.splitext(filename)[0],
            "path": text,
            "dir": directory,
            "host": self._host,
            "source": self._source,
        }
        if self._path_pattern is not None and (found := self._path_pattern.search(text)):
            values |= {template.PATH + name: group for name, group in found.groupdict().items() if group}
        return values


class _Topics:
    """Which topics may be sent to where somebody else has a say in their names."""

    def __init__(self, source: SourceConfig, internal: frozenset[str]) -> None:
        self._internal = internal
        self._allow = [re.compile(translate(glob)) for glob in source.topic_allow]
        self._judged: dict[str, bool] = {}
        self._used = 0

    def allow(self, topic: str) -> bool:
        """Whether ``topic`` fits, and is not one too many."""
        known = self._judged.get(topic)
        if known is None:
            known = self.fits(topic) and self._used < MOST_TOPICS
            if len(self._judged) - self._used >= MOST_TOPICS:  # bad ones need not be remembered
                self._judged = {name: True for name, good in self._judged.items() if good}
            self._judged[topic] = known
            self._used += known
        return known

    def fits(self, topic: str) -> bool:
        """Whether ``topic`` is a valid name, not internal, and one of ``topic_allow``."""
        if not _TOPIC.fullmatch(topic) or topic in (".", "..") or topic.startswith("__") or topic in self._internal:
            return False
        return not self._allow or any(pattern.match(topic) for pattern in self._allow)


def fallback_topic(source: SourceConfig, host: str) -> str:
    """Return where records go whose own topic may not be used: the beginning of the topic that is the same for all.

    >>> fallback_topic(SourceConfig("web", "logs.{source}.{field.app}"), "h")
    'logs.web'
    """
    beginning = ""
    for part in template.parse(source.topic).parts:
        if isinstance(part, str):
            beginning += part
        elif part[0] in template.FIXED:
            beginning += host if part[0] == "host" else source.name
        else:
            break
    return beginning.rstrip("._-") or source.name


def provenance_headers(uid: str, generation: int, offsets: Iterable[int]) -> list[Headers]:
    """Return the headers of records whose lines begin at ``offsets``: by them one can tell a record that comes twice.

    >>> provenance_headers("9f2c", 0, [17])
    [[('shipper.file_id', b'9f2c'), ('shipper.generation', b'0'), ('shipper.offset', b'17')]]
    """
    file_id, number = (FILE_ID, uid.encode()), (GENERATION, b"%d" % generation)
    return [[file_id, number, (OFFSET, b"%d" % offset)] for offset in offsets]


def cursor_headers(cursors: Iterable[str]) -> list[Headers]:
    """Return the headers of records that are entries of the journal: by them one can tell a record that comes twice.

    >>> cursor_headers(["s=1;i=2"])
    [[('shipper.cursor', b's=1;i=2')]]
    """
    return [[(CURSOR, cursor.encode())] for cursor in cursors]


def part_headers(part: int, *, last: bool) -> Headers:
    """Return the headers of one part of a line over ``max_line``: its number from 1; the last one has their count too.

    >>> part_headers(3, last=True)
    [('shipper.part', b'3'), ('shipper.parts', b'3')]
    """
    number = b"%d" % part
    return [(PART, number), (PARTS, number)] if last else [(PART, number)]


def truncated_headers(full: int) -> Headers:
    """Return the header of a record that is only the beginning of its line: how many bytes that has.

    >>> truncated_headers(70)
    [('shipper.truncated', b'70')]
    """
    return [(TRUNCATED, b"%d" % full)]
