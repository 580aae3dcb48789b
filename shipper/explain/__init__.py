"""Whether a path is shipped, by which source, from where, and if not, why not: ``shipper explain``.

- ``fate``: what the daemon's own rules make of a file that is there
- ``permission``: what keeps the daemon's user from it
- ``show``: the answer as text and as JSON

Only reads, also beside a daemon; one thread.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field

from shipper.config import Config, FileConfig
from shipper.discovery import look_around
from shipper.discovery.nearest import nearest
from shipper.discovery.rules import Rules, Watched
from shipper.discovery.scan import ABSENT
from shipper.events import Events
from shipper.explain.fate import Fate, Inquiry, excluded
from shipper.explain.permission import barrier
from shipper.model import FileId, SourceState, show_path
from shipper.paths import walk

KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
)


@dataclass(slots=True)
class Answer:
    """What becomes of a path. ``why``: for what reasons it is not shipped, ``notes``: what else is worth knowing."""

    path: bytes
    fates: list[Fate] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def shipped(self) -> bool:
        """Whether a source ships it."""
        return any(fate.shipped for fate in self.fates)


def explain(config: Config, path: bytes, saved: Mapping[str, SourceState]) -> Answer:
    """Say what becomes of ``path``; ``saved`` is what the store knows. Raises nothing that a file may cause."""
    path = os.path.abspath(path)
    answer = Answer(path)
    found = _look(path, answer)
    in_the_way = barrier(path)
    for name, source in config.of_files.items():
        fate = _ask(source, saved.get(name, SourceState(scanned=False)), path, found)
        if fate is not None:
            answer.fates.append(fate)
    if in_the_way:
        answer.why.append(in_the_way)
    shipping = [fate.source for fate in answer.fates if fate.shipped]
    if len(shipping) > 1:
        answer.notes.append(f"{len(shipping)} sources ship it, each of them all of its lines: {', '.join(shipping)}")
    if not answer.fates and (not answer.why or in_the_way or not os.path.exists(path)):
        answer.why += _why_not(config, path)
    return answer


def _look(path: bytes, answer: Answer) -> FileId | None:
    """Look at what is there; returns which file it is, if it is one."""
    try:
        found = os.stat(path)
    except OSError as error:
        if os.path.islink(path):
            answer.why.append(f"a symbolic link to {show_path(os.path.realpath(path))}, where there is nothing")
        elif error.errno in ABSENT:
            answer.why.append("there is no such file")
        elif not isinstance(error, PermissionError):  # what may not be entered is told by itself
            answer.why.append(f"it cannot be looked at: {error.strerror}")
        return None
    if os.path.islink(path):
        answer.notes.append(f"a symbolic link to {show_path(os.path.realpath(path))}")
    if stat.S_ISREG(found.st_mode):
        return FileId(found.st_dev, found.st_ino)
    kind = next((kind for is_it, kind in KINDS if is_it(found.st_mode)), "no regular file")
    answer.why.append(f"it is {kind}; only regular files are shipped")
    return None


def _ask(source: FileConfig, state: SourceState, path: bytes, found: FileId | None) -> Fate | None:
    seen = look_around(Watched.of(source), Events(lambda *_: None))
    inquiry = Inquiry(source, state, seen)
    try:
        return inquiry.of(path, found)
    finally:
        inquiry.close()


def _not_followed(source: FileConfig, path: bytes) -> str:
    """Say by which link ``path`` leads to what the source does not read; "" where it would."""
    try:
        place = walk(path)
    except OSError:
        return ""
    place.close()
    return "" if Watched.of(source).trust.allows(place) else str(place.foreign or "a symbolic link")


def _why_not(config: Config, path: bytes) -> list[str]:
    """Say why no source knows of ``path``: by its name."""
    directory, name = os.path.split(path)
    reasons: list[str] = []
    if name.endswith((b".journal", b".journal~")):
        readers = [f'"{one}"' for one in config.sources if one not in config.of_files]
        reasons.append("it belongs to the journal, which a source of type journald reads as a whole")
        reasons += [f"sources that read a journal: {', '.join(readers)}"] if readers else []
    for source in config.of_files.values():
        rules = Rules([Watched.of(source)._replace(exclude=())])
        state = rules.state(directory)
        claims = rules.claims(state, directory, name) if state is not None else ()
        if hidden := claims and excluded(source, path):
            reasons.append(f'source "{source.name}": {hidden}')
        elif claims and (refused := _not_followed(source, path)):
            reasons.append(f'source "{source.name}": it does not follow {refused}; see its follow_symlinks')
        elif claims and claims[0].base == name:
            reasons.append(f'source "{source.name}": its name matches; it is shipped once it can be found there')
        elif claims:
            base = show_path(os.path.join(directory, claims[0].base))
            reasons.append(f'source "{source.name}": by its name a rotation of {base}')
    if reasons:
        return reasons
    misses = [
        (miss.reached, miss.name_fits, source.name, miss)
        for source in config.of_files.values()
        if (miss := nearest(map(os.fsencode, source.paths), path)) is not None
    ]
    reasons.append("no pattern of any source matches its name")
    if misses:
        *_, name_of, miss = max(misses, key=lambda one: one[:2])
        reasons.append(f'the nearest is "{show_path(miss.pattern)}" of source "{name_of}": {miss.why}')
    return reasons
