"""The directories that patterns lead to, as a tree that is kept up to date. Pump thread only, but for ``concerns``.

One tree serves all sources. A directory is first watched and then listed, so what comes in between is in the listing
or in an event. Work is in proportion to what changed: :meth:`Tree.touch` looks at one name; only :meth:`Tree.scan`
looks at all.

A directory that two paths lead to (by symbolic links, bind mounts) is entered once for each :class:`State`, under the
path without links where there is one; so loops end, and links that cross cannot multiply the work.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from shipper.discovery.coverage import Coverage
from shipper.discovery.findings import Findings
from shipper.discovery.links import Links
from shipper.discovery.rotation import compression
from shipper.discovery.rules import Claim, Rules, State
from shipper.discovery.scan import ABSENT, Entry, Found, Listing, join, look
from shipper.discovery.watch import CONTENT, NOTHING, WAY, Handle
from shipper.events import Events
from shipper.model import FileId, Seen
from shipper.paths import PATH_MAX

Stamp = tuple[int, int, int]  # device, inode, time of the last change of its names, mode or owner
# Returns, for a source, the very path and id that it keeps of a file which it knows by both; else what is given.
Share = Callable[[str, bytes, FileId], tuple[bytes, FileId]]
FRESH = 100_000_000  # nanoseconds after a change in which another may have the same time
CACHE = 4096  # names of one directory whose meaning is remembered
LOOK = (1 << 60) - 1  # so much of a hash is kept: a number of 60 bits takes 32 bytes, a larger one 48


class Was(NamedTuple):
    """What is remembered of a file: by it is known that it is another one now, or may hold something else."""

    file_id: FileId
    look: int  # hash of its size and the time of its last change: one number takes half of the room of two


class Node:
    """One directory: what is known of it, and what its names mean."""

    def __init__(self, path: bytes, file_id: FileId, state: State, parent: Node | None, rules: Rules) -> None:
        self.path = path
        self.file_id = file_id
        self.state = state
        self.parent = parent
        self.handle: Handle | None = None
        self.link = False  # the path's last component is a symbolic link
        self.stamp: Stamp | None = None  # how it was when it was listed last
        self.epoch = 0
        self.children: set[bytes] = set()
        self.links: set[bytes] = set()  # names that are followed, some of them to nowhere
        self.files: dict[bytes, Was] = {}  # those that concern a source, as they were last looked at
        self._rules = rules
        self._concerns: dict[bytes, int] = {}

    def concerns(self, name: bytes) -> int:
        """Return what ``name`` may be. Called by the inotify thread."""
        if (answer := self._concerns.get(name)) is None:
            answer = CONTENT if self._rules.claims(self.state, self.path, name) else NOTHING
            if self.state.way and self._rules.child(self.state, join(self.path, name), name):
                answer |= WAY
            if len(self._concerns) >= CACHE:
                self._concerns.clear()
            self._concerns[name] = answer
        return answer

    def paths(self, name: bytes) -> tuple[bytes, ...]:
        """Return the paths by which sources know the file ``name``."""
        return (join(self.path, name),)

    def contents(self) -> Iterable[bytes]:
        """Return the names of the files whose writes matter."""
        return self.files


class Step(NamedTuple):
    """A directory that a walk will come to. ``again``: list it even where nothing seems to have changed."""

    path: bytes
    state: State
    parent: Node | None
    link: bool = False  # to be entered after all that are no links
    again: bool = False


class Tree:
    """All directories that matter. Findings go to the object that is handed in."""

    def __init__(self, rules: Rules, coverage: Coverage, events: Events, share: Share) -> None:
        self.nodes: dict[bytes, Node] = {}
        self.links = Links(rules, coverage, self._claimed, events)
        self._rules = rules
        self._coverage = coverage
        self._events = events
        self._share = share  # there may be very many files: what is kept of one is not to be there twice
        self._places: dict[tuple[FileId, State], Node] = {}
        self._epoch = 0

    def scan(self, found: Findings, *, doubt: bool = False) -> None:
        """Look at everything. ``doubt``: events were dropped, so any watch may have ended unnoticed."""
        self._epoch += 1
        self._coverage.renew(doubt=doubt)
        self._walk([Step(b"/", self._rules.root, None)], found)
        for node in [node for node in self.nodes.values() if node.epoch != self._epoch]:
            self._drop(node, found)
        self.links.scan(found)
        self._coverage.trust()

    def survey(self, found: Findings) -> None:
        """Look at those directories that are not as they were when they were listed, and at where links lead.

        Of files in directories that are the same, only events tell; that costs nothing for each of them.
        """
        self._coverage.renew(doubt=False)
        for node in list(self.nodes.values()):
            if node.stamp is None or _stamp(node.path) != node.stamp:
                self.refresh(node, found)
            for name in list(node.links):
                self.look_again(node, name, found, always=False)

    def touch(self, node: Node, name: bytes, found: Findings) -> None:
        """Look at one name of ``node``, to which something happened."""
        if self.nodes.get(node.path) is not node:
            return
        path = join(node.path, name)
        if below := self._rules.child(node.state, path, name):
            self._walk([Step(path, below, node, again=True)], found)
        self.look_again(node, name, found)

    def refresh(self, node: Node, found: Findings) -> None:
        """List ``node`` again, and report what differs from before; directories in it that are known are left alone."""
        if self.nodes.get(node.path) is not node:
            return
        try:
            at = look(node.path)
        except OSError:  # who lists it tells
            still = True
        else:
            still = at is not None and at.file_id == node.file_id
        if not still:
            self.lost(node, found)
            return
        self._walk(self._list(node, found), found)

    def peek(self, directory: bytes, found: Findings) -> None:
        """Report every file of a known directory as it is now, also those that concern no source by their names.

        Changes nothing that is known.
        """
        if node := self.nodes.get(directory):
            with Listing(directory, node.file_id) as entries:
                for entry in entries:
                    self._peek(node, entry, found)
        self.links.peek(directory, found)

    def _peek(self, node: Node, entry: Entry, found: Findings) -> None:
        path, claims = join(node.path, entry.name), self._rules.claims(node.state, node.path, entry.name)
        if not claims and (not node.state.last or entry.link):
            return
        at = entry.look()
        if at is None or not at.regular:
            return
        allowed = self._trusted(claims, path, at)
        self._saw(node, entry.name, allowed, path, at.file_id, at, found)
        if at.foreign is None:
            for source in node.state.last.keys() - {claim.source for claim in claims}:
                kind = compression(entry.name)
                found.saw(source, Seen(path, path, at.file_id, at.size, at.mtime_ns, (), kind, adoptable=False))

    def lost(self, node: Node, found: Findings) -> None:
        """Look again for ``node``, which was moved, deleted or unmounted."""
        if self.nodes.get(node.path) is node:
            self._drop(node, found)
            if node.parent is not None:
                self.touch(node.parent, os.path.basename(node.path), found)

    def forget(self, node: Node, found: Findings) -> None:
        """Forget ``node``, whose watch has ended, before a scan that finds it again."""
        self._drop(node, found)

    def look_again(self, node: Node, name: bytes, found: Findings, *, always: bool = True) -> None:
        """Look at one file of ``node``; report it ``always``, or where it differs from before."""
        if claims := self._rules.claims(node.state, node.path, name):
            path = join(node.path, name)
            try:
                at = look(path)
                link = at.link if at else os.path.islink(path)
                if link and self._follow(node, name, self._trusted(claims, path, at), found):
                    at = look(path)  # its target is watched only now
            except OSError as error:
                self._unreadable(node, error, found)
                return
            self._note(node, name, claims, at, found, always=always)

    def _walk(self, steps: list[Step], found: Findings) -> None:
        """Enter directories, and from there those below; those behind links last."""
        real, linked = deque(steps), deque[Step]()
        while real or linked:
            step = (real or linked).popleft()
            known = self.nodes.get(step.path)
            if (node := self._enter(step, found)) and (node is not known or step.again or found.complete):
                for below in self._list(node, found):
                    (linked if below.link else real).append(below)

    def _enter(self, step: Step, found: Findings) -> Node | None:
        """Return the node of a directory; None where there is none, or where it is entered by another path."""
        node = self.nodes.get(step.path)
        if step.parent and self.nodes.get(step.parent.path) is not step.parent:
            return None  # dropped on the way
        try:
            at = look(step.path)
        except OSError as error:
            self._tell_unreadable(step.state, step.path, error, found)
            if again := node or step.parent:
                self._coverage.try_again(again)
            return None
        state = self._state(step, at) if at else step.state
        if node and not (at and at.directory and at.file_id == node.file_id and node.state is state):
            self._drop(node, found)
            node = None
        if at is None or not at.directory or state is None:
            return None
        if node is None:
            place = (at.file_id, state)
            new = Node(step.path, at.file_id, state, step.parent, self._rules)
            if other := self._places.get(place):
                if (not other.link or at.link) and self._still(other):
                    return None
                self._drop(other, found)
            node = self.nodes[step.path] = self._places[place] = new
            if step.parent is not None:
                step.parent.children.add(os.path.basename(step.path))
        node.link = at.link
        node.epoch = self._epoch
        return node

    def _state(self, step: Step, at: Found) -> State | None:
        """Return what the patterns of those sources say of a directory that trust the way there."""
        if not (at.link or at.foreign):
            return step.state
        trusted = {
            source
            for source in step.state.sources
            if self._rules.trusts[source].follows(step.path, link=at.link, foreign=at.foreign)
        }
        if trusted != step.state.sources:
            self._refused(step.path, at, step.state.sources - trusted)
        return self._rules.only(step.state, trusted)

    def _trusted(self, claims: tuple[Claim, ...], path: bytes, at: Found | None) -> tuple[Claim, ...]:
        """Return those claims whose sources trust the way to a file."""
        if at is None or not (at.link or at.foreign):
            return claims
        trusted = tuple(
            claim
            for claim in claims
            if self._rules.trusts[claim.source].follows(path, link=at.link, foreign=at.foreign)
        )
        if len(trusted) < len(claims):
            self._refused(path, at, {claim.source for claim in claims} - {claim.source for claim in trusted})
        return trusted

    def _refused(self, path: bytes, at: Found, sources: Iterable[int]) -> None:
        why = str(at.foreign or "a symbolic link")
        for source in sources:
            self._events.link_refused(self._rules.sources[source].name, path, why)

    def _list(self, node: Node, found: Findings) -> list[Step]:
        """Look at all in ``node`` that may matter; return the directories to enter."""
        node.stamp = _stamp(node.path)
        steps = self._list_names(node, found) if node.state.lists else self._list_literals(node)
        if steps is None:
            return []
        for name in sorted(node.children - {os.path.basename(step.path) for step in steps}):
            if child := self.nodes.get(join(node.path, name)):
                self._drop(child, found)
        return steps

    def _list_names(self, node: Node, found: Findings) -> list[Step] | None:
        """List ``node``; None where that cannot be done."""
        rules, path, state = self._rules, node.path, node.state
        self._coverage.keep(node, content=bool(state.last), poll=state.poll)
        try:
            listing: Listing | None = Listing(path, node.file_id)
        except OSError as error:
            if error.errno not in ABSENT:
                self._unreadable(node, error, found)
                return None
            listing = None
        steps, files = [], set()
        with listing or contextlib.nullcontext(()) as entries:
            for entry in entries:
                name = entry.name
                if len(path) + len(name) + 1 >= PATH_MAX:
                    self._events.directory_unreadable(path, "the names in it are too long for a path")
                elif entry.is_directory():
                    child = join(path, name)
                    if state.way and (below := rules.child(state, child, name)):
                        steps.append(Step(child, below, node, link=entry.link))
                elif claims := rules.claims(state, path, name):
                    files.add(name)
                    self._look_at(entry, node, claims, found)
        for name in sorted((node.files.keys() | node.links) - files):
            self._note(node, name, rules.claims(state, path, name), None, found, always=False)
        return steps

    def _look_at(self, entry: Entry, node: Node, claims: tuple[Claim, ...], found: Findings) -> None:
        """Look at one file of a listing."""
        try:
            at = entry.look()
            if entry.link:
                path = join(node.path, entry.name)
                if self._follow(node, entry.name, self._trusted(claims, path, at), found):
                    at = entry.look()  # its target is watched only now
        except OSError as error:  # a link into a closed directory: the slow scan tries again
            self._tell_unreadable(node.state, join(node.path, entry.name), error, found)
            return
        self._note(node, entry.name, claims, at, found, always=found.complete)

    def _list_literals(self, node: Node) -> list[Step]:
        """Return the names that ``node`` may lead to, there or not, without listing it."""
        self._coverage.keep(node, content=False)
        steps = []
        for name in sorted(node.state.literals or ()):
            path = join(node.path, name)
            if below := self._rules.child(node.state, path, name):
                steps.append(Step(path, below, node, link=os.path.islink(path)))
        return steps

    def _note(
        self, node: Node, name: bytes, claims: tuple[Claim, ...], at: Found | None, found: Findings, *, always: bool
    ) -> None:
        """Note how a file is now; report it ``always``, or where it differs from before."""
        path, before = join(node.path, name), node.files.pop(name, None)
        trusted = self._trusted(claims, path, at) if at is not None and at.regular else ()
        if len(trusted) < len(claims) and (before or always):
            for claim in claims:
                if claim not in trusted:
                    found.missed(claim.source, path)
        if at is None or not at.regular or not trusted:
            if not os.path.islink(path) or (at is not None and at.regular):
                self._unfollow(node, name)
            return
        path, file_id = self._share(self._rules.sources[trusted[0].source].name, path, at.file_id)
        node.files[name] = is_now = Was(file_id, hash((at.size, at.mtime_ns)) & LOOK)
        new = before is None or before.file_id != at.file_id
        if before is not None and not new:
            if before == is_now:
                node.files[name] = before  # its parts are in use elsewhere
            else:
                found.modified.add(path)
        if not at.link:
            self._unfollow(node, name)
        if always or new:
            self._saw(node, name, trusted, path, file_id, at, found)

    @staticmethod
    def _saw(
        node: Node,
        name: bytes,
        claims: tuple[Claim, ...],
        path: bytes,
        file_id: FileId,
        at: Found,
        found: Findings,
    ) -> None:
        for source, base, rank, kind, adoptable in claims:
            base_path = path if base == name else join(node.path, base)
            found.saw(source, Seen(path, base_path, file_id, at.size, at.mtime_ns, rank, kind, adoptable))

    def _follow(self, node: Node, name: bytes, claims: tuple[Claim, ...], found: Findings) -> bool:
        """Watch where a link leads; True where that is new. Links that are only rotated siblings stay unwatched."""
        sources = tuple(claim.source for claim in claims if claim.base == name and claim.adoptable)
        if not sources:
            return False
        node.links.add(name)
        return self.links.follow(node, name, sources, found)

    def _unfollow(self, node: Node, name: bytes) -> None:
        """Forget that ``name`` was a link."""
        if name in node.links:
            node.links.discard(name)
            self.links.forget(join(node.path, name))

    def _drop(self, node: Node, found: Findings) -> None:
        """Forget a directory and all below it."""
        stack = [node]
        while stack:
            node = stack.pop()
            if self.nodes.get(node.path) is not node:
                continue
            del self.nodes[node.path]
            if self._places.get((node.file_id, node.state)) is node:
                del self._places[node.file_id, node.state]
            if node.parent is not None:
                node.parent.children.discard(os.path.basename(node.path))
            self._coverage.release(node)
            stack += [child for name in node.children if (child := self.nodes.get(join(node.path, name)))]
            for name in node.links:
                self.links.forget(join(node.path, name))
            for name in node.files:
                path = join(node.path, name)
                for claim in self._rules.claims(node.state, node.path, name):
                    if not (found.complete and found.has(claim.source, path)):
                        found.missed(claim.source, path)

    def _still(self, node: Node) -> bool:
        """Whether the path of ``node`` still leads to its directory."""
        try:
            at = look(node.path)
        except OSError:  # who walks there will tell
            return False
        return at is not None and at.file_id == node.file_id

    def _claimed(self, source: int, directory: bytes, name: bytes) -> bool:
        """Whether the patterns themselves concern ``source`` with this name."""
        node = self.nodes.get(directory)
        return node is not None and any(
            claim.source == source for claim in self._rules.claims(node.state, directory, name)
        )

    def _unreadable(self, node: Node, error: OSError, found: Findings) -> None:
        self._coverage.try_again(node)
        self._tell_unreadable(node.state, node.path, error, found)

    def _tell_unreadable(self, state: State, path: bytes, error: OSError, found: Findings) -> None:
        self._events.directory_unreadable(path, error.strerror or str(error))
        for source in state.sources if found.complete else ():
            found.unreadable(source, path)


def _stamp(path: bytes) -> Stamp | None:
    """Return what tells whether a directory has changed; None where nothing tells."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    if time.time_ns() - found.st_ctime_ns < FRESH:
        return None
    return found.st_dev, found.st_ino, found.st_ctime_ns
