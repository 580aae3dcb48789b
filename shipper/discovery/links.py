"""Where symbolic links to files lead: their targets' directories are watched, too. Pump thread, but for ``concerns``.

A link may lead over several others (as Kubernetes lays out container logs); each name on the way is a hop. What
happens to a hop, happened to the link: writes are reported under the link's path. The rotated siblings of a hop are
siblings of the link, unless the patterns themselves say what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from shipper.discovery.coverage import Coverage
from shipper.discovery.findings import Findings
from shipper.discovery.rotation import Reading, compression, readings
from shipper.discovery.rules import Rules
from shipper.discovery.scan import ABSENT, Found, Hop, Listing, hops, join, look
from shipper.discovery.watch import CONTENT, NOTHING, Handle
from shipper.events import Events
from shipper.model import FileId, Seen

if TYPE_CHECKING:
    from shipper.discovery.tree import Node


class Link(NamedTuple):
    """A link that a pattern matches: ``name`` in ``node``."""

    node: Node
    name: bytes
    path: bytes
    sources: tuple[int, ...]
    hops: tuple[Hop, ...]
    owners: frozenset[int]  # whose links are on the way; what is beside its end is only theirs to name


class Target:
    """A directory that links lead to; ``names`` are the hops in it, with the links that come there."""

    def __init__(self, path: bytes, file_id: FileId) -> None:
        self.path = path
        self.file_id = file_id
        self.handle: Handle | None = None
        self.names: dict[bytes, tuple[Link, ...]] = {}  # replaced, never changed: the inotify thread reads it
        self.files: dict[bytes, tuple[Found, frozenset[int]]] = {}  # siblings that were reported, and to whom

    def base(self, name: bytes) -> Reading | None:
        """Return which hop ``name`` is a rotation of, and its rank."""
        return None if name in self.names else next((r for r in readings(name) if r.base in self.names), None)

    def concerns(self, name: bytes) -> int:
        """Return what ``name`` may be. Called by the inotify thread."""
        return CONTENT if name in self.names or self.base(name) else NOTHING

    def paths(self, name: bytes) -> tuple[bytes, ...]:
        """Return the paths by which sources know the file ``name``."""
        links = self.names.get(name)
        return (join(self.path, name),) if links is None else tuple(link.path for link in links)

    def contents(self) -> Iterable[bytes]:
        """Return the names of the files whose writes matter."""
        return (*self.names, *self.files)


class Links:
    """All links to files. ``claimed(source, directory, name)`` says what the patterns concern without them."""

    def __init__(
        self, rules: Rules, coverage: Coverage, claimed: Callable[[int, bytes, bytes], bool], events: Events
    ) -> None:
        self.targets: dict[bytes, Target] = {}
        self._rules = rules
        self._coverage = coverage
        self._claimed = claimed
        self._events = events
        self._links: dict[bytes, Link] = {}

    def follow(self, node: Node, name: bytes, sources: tuple[int, ...], found: Findings) -> bool:
        """Watch where the link ``name`` in ``node`` leads; True where it leads elsewhere than before."""
        path = join(node.path, name)
        link = Link(node, name, path, sources, *hops(path))
        if self._links.get(path) == link:
            return False
        self.forget(path)
        self._links[path] = link
        for directory, hop in link.hops:
            target = self._target(directory)
            target.names = {**target.names, hop: (*target.names.get(hop, ()), link)}
            if not found.complete:  # a scan comes to all of them in the end
                self.list(target, found)
        return True

    def forget(self, path: bytes) -> None:
        """Forget the link ``path``, if there was one."""
        link = self._links.pop(path, None)
        for directory, hop in link.hops if link else ():
            if target := self.targets.get(directory):
                left = tuple(other for other in target.names.get(hop, ()) if other is not link)
                target.names = {k: v for k, v in target.names.items() if k != hop} | ({hop: left} if left else {})
                if not target.names:
                    self._coverage.release(target)
                    del self.targets[directory]

    def scan(self, found: Findings) -> None:
        """List the directories of all targets."""
        for target in list(self.targets.values()):
            self.list(target, found)

    def touch(self, target: Target, name: bytes, found: Findings) -> tuple[Link, ...]:
        """Look at one name of ``target``; returns the links that lead over it, for the caller to look at again."""
        if self.targets.get(target.path) is not target:
            return ()
        if links := target.names.get(name):
            return links
        self._look(target, name, found, always=True)
        return ()

    def lost(self, target: Target) -> tuple[Link, ...]:
        """Forget a directory that was moved or deleted; returns the links that led there, to be looked at again."""
        if self.targets.get(target.path) is not target:
            return ()
        links = tuple(link for several in target.names.values() for link in several)
        for link in links:
            self.forget(link.path)
        return links

    def list(self, target: Target, found: Findings) -> None:
        """Look at the siblings in ``target``, having made sure that it is watched or polled."""
        try:
            if at := look(target.path):
                target.file_id = at.file_id
            self._coverage.keep(target, content=True)
            names = set()
            if at:
                with Listing(target.path, target.file_id) as entries:
                    names = {entry.name for entry in entries}
        except OSError as error:
            if error.errno not in ABSENT:
                self._events.directory_unreadable(target.path, error.strerror or str(error))
                for several in target.names.values():
                    for source in {source for link in several for source in link.sources if found.complete}:
                        found.unreadable(source, target.path)
                return
            names = set()
        for name in sorted(names | target.files.keys()):
            self._look(target, name, found, always=found.complete)

    def peek(self, directory: bytes, found: Findings) -> None:
        """Report the siblings in a directory that links lead to, as they are now; changes nothing that is known."""
        if target := self.targets.get(directory):
            with Listing(directory, target.file_id) as entries:
                for entry in entries:
                    if (reading := target.base(entry.name)) and (at := entry.look()) and at.regular:
                        self._saw(
                            target, entry.name, reading, at, found, self._sources(target, entry.name, reading, at)
                        )

    def _sources(self, target: Target, name: bytes, reading: Reading, at: Found) -> set[int]:
        """Return the sources for which ``name`` is a sibling; others know it by their own patterns."""
        sources = {
            source
            for link in target.names[reading.base]
            for source in link.sources
            if self._trusts(link, source, join(target.path, name), at)
        }
        return {source for source in sources if not self._claimed(source, target.path, name)}

    def _trusts(self, link: Link, source: int, path: bytes, at: Found) -> bool:
        """Whether a source believes that a file beside what ``link`` leads to is a rotation of it, as its owner says.

        Whoever makes a link to a file of theirs names no file of another's that happens to be beside it.
        """
        trust = self._rules.trusts[source]
        if trust.follow == "always":
            return True
        return trust.follows(path, link=at.link, foreign=at.foreign) and link.owners <= {at.owner}

    def _saw(
        self, target: Target, name: bytes, reading: Reading, at: Found, found: Findings, sources: set[int]
    ) -> None:
        path, kind = join(target.path, name), compression(name)
        for link in target.names[reading.base]:
            for source in sources & set(link.sources):
                if not found.has(source, path) and self._trusts(link, source, path, at):
                    adoptable = not self._rules.excludes[source].matches(target.path, name)
                    seen = Seen(path, link.path, at.file_id, at.size, at.mtime_ns, reading.rank, kind, adoptable)
                    found.saw(source, seen)

    def _look(self, target: Target, name: bytes, found: Findings, *, always: bool) -> None:
        """Look at one sibling; report it ``always``, or where it differs from before."""
        path = join(target.path, name)
        before, told = target.files.pop(name, (None, frozenset[int]()))
        reading = target.base(name)
        try:
            at = look(path) if reading else None
        except OSError as error:
            self._events.directory_unreadable(target.path, error.strerror or str(error))
            return
        sources: set[int] = set()
        if reading and at and at.regular:
            new = before is None or before.file_id != at.file_id
            if not new and before != at:
                found.modified.add(path)
            sources = self._sources(target, name, reading, at)
            if always or new:
                self._saw(target, name, reading, at, found, sources)
            target.files[name] = (at, frozenset(sources))
        for source in told - sources:
            found.missed(source, path)

    def _target(self, directory: bytes) -> Target:
        """Return the watched directory ``directory``."""
        if (target := self.targets.get(directory)) is None:
            at = look(directory)
            target = self.targets[directory] = Target(directory, at.file_id if at else FileId(0, 0))
            self._coverage.keep(target, content=True)
        return target
