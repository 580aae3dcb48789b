"""The log directory as its writers see it, and what must come of what they write.

Every act is done to the one :class:`~tests.sim.disk.Disk` that the daemon works on. From the bytes on it follows what
must arrive:

- A line is **owed** once it is written, as long as its bytes exist: in a file of the watched directories, or in one
  that has no name there any more and that the daemon holds open. It is **excused** when the last of these goes before
  it has arrived; one that is in the client's hands just then (``at_risk``) only when the client lets go of it.
- A file that has no name any more is held open until what only it holds is acknowledged. Not one that lost its name
  before the daemon, this process of it, had rested with it in sight: it is open for a moment then, to see what it is.
  Nor one that was written over since, and lost its name beside its compressed form: that is what shredders do.
- A last line without its end must arrive as it is when its file can no longer grow, unless its rest was written.

Order is asked of the lines of one path. Not of those that were written between two looks of the daemon in which the
file was truncated, copied or replaced more than once: which of the contents came first nobody can tell (``muddled``).
Once copied and once deleted, or moved away, is such a case: the copy may be older or younger than what was deleted.

Lost bytes may be told, as many of a path as are gone of it (``losses``): also half a line in a file that was moved away
and is open no more; and all of a file that is compressed, or replaced, in the middle of a look before it was opened:
what is known of it is its size, and nobody can say then that these are its bytes.

What somebody adds to a file that was rotated away already is late: it must arrive, and its order is not promised. Nor
is that of a file that may not be read when it is first found, rotated away already: nobody can tell if it is a copy.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass

from tests.sim.daemon import PARTIAL_TIMEOUT, Broken
from tests.sim.disk import Disk, Inode
from tests.sim.layout import OUTSIDE, Layout
from tests.sim.lines import Lines
from tests.sim.losses import Losses

KEPT = 3  # rotated files of one path
AGAIN = b".again"  # the ending of a second name, by which nobody looks for a log


@dataclass(eq=False, slots=True)
class Facts:
    """What the writers know of a file."""

    path: bytes = b""  # the watched path whose generation it is
    packed: bool = False
    copied: bool = False  # its lines are another's
    half_at: float = 0.0  # when its last line was begun


class World:
    """The files, and the lines that must arrive of them."""

    def __init__(
        self,
        disk: Disk,
        clock: Callable[[], float],
        arrived: Callable[[], set[bytes]],
        held: Callable[[], set[bytes]],
        losses: Losses,
        layout: Layout,
    ) -> None:
        self.disk = disk
        self.paths = layout.paths
        self._directories = layout.directories
        self._lines = Lines(layout.max_line)
        self._finished: set[bytes] = set()  # partial lines whose rest was written
        self.losses = losses
        self._clock = clock
        self._arrived = arrived  # or kept as dead letters
        self._in_flight = held
        self.facts: dict[Inode, Facts] = {}
        self.order: dict[bytes, list[bytes]] = {}  # by path: the lines in the order in which they were written
        self.owed: dict[bytes, None] = {}
        self.excused: set[bytes] = set()
        self.at_risk: set[bytes] = set()
        self.allowed: set[bytes] = set()  # partial lines that may arrive as they are
        self.muddled: set[bytes] = set()
        self._known: set[Inode] = set()  # to a daemon that has stopped and saved what it knew
        self.hurried = False  # what happens now happens in the middle of a look of the daemon
        self._looked_at: set[Inode] = set()  # by the daemon, when it rested
        self._count = 0
        self._unseen: dict[bytes, list[bytes]] = {}  # by path: lines written since the daemon looked
        self._twisted: dict[bytes, int] = {}  # by path: how often its file was given other bytes since then
        self._copied: set[bytes] = set()  # paths whose file was copied since then
        self._written_over: set[Inode] = set()  # since then
        self._shredded: set[Inode] = set()  # of those the ones that went beside their compressed forms
        for directory in (*layout.directories, OUTSIDE):
            disk.mkdir(directory)

    # --- what is there -----------------------------------------------------------------------------------------------

    def there(self, name: bytes) -> Inode | None:
        """Return the file of that name."""
        try:
            return self.disk.find(name)
        except OSError:
            return None

    def names(self, *directories: bytes) -> list[bytes]:
        """Return the names in directories, in those that are watched if none is given."""
        found = {at: self.disk.find(at).names for at in directories or self._directories}
        return sorted(at + b"/" + name for at, names in found.items() for name in names)

    def siblings(self, path: bytes) -> list[bytes]:
        """Return the rotated files of a path, newest first."""
        names = [b"%s.%d%s" % (path, n, ending) for n in range(1, KEPT + 1) for ending in (b"", b".gz")]
        return [name for name in names if self.there(name)]

    def content(self, inode: Inode) -> bytes:
        """Return a file's bytes, decompressed; none of a compressed file that is not complete."""
        if not self.facts[inode].packed:
            return inode.data
        try:
            return gzip.decompress(inode.data)
        except (OSError, EOFError):
            return b""

    def watched(self) -> list[Inode]:
        """Return the files that the daemon can find."""
        found: dict[Inode, None] = {}
        for name in self.names():
            if not name.endswith(AGAIN) and (inode := self.there(name)) is not None and inode in self.facts:
                found[inode] = None
        return list(found)

    def readable(self) -> list[Inode]:
        """Return the files whose bytes somebody can read."""
        return list(dict.fromkeys([*self.watched(), *self.disk.fds.values()]))

    def lines(self, data: bytes) -> list[bytes]:
        """Return the complete lines, or the parts that they are sent in."""
        return self._lines.complete(data)

    @staticmethod
    def partial(inode: Inode) -> bytes:
        """Return the last line without its end."""
        return inode.data.rpartition(b"\n")[2]

    # --- writing -----------------------------------------------------------------------------------------------------

    def _append(self, name: bytes, data: bytes, *, synced: bool = True) -> None:
        if self.there(name) is None:
            inode = self.disk.create(name)
            self.facts[inode] = Facts(name)
        self.disk.write(name, data, synced=synced)

    def _text(self, path: bytes) -> bytes:
        """Return a line like no other, of a length that few others have."""
        self._count += 1
        return self._lines.text(os.path.basename(path), self._count)

    def _owe(self, line: bytes, path: bytes) -> None:
        for part in self._lines.parts(line):
            self.owed[part] = None
            self.losses.written(part, path, line)

    def _in_order(self, path: bytes, line: bytes) -> None:
        parts = self._lines.parts(line)
        self.order.setdefault(path, []).extend(parts)
        self._unseen.setdefault(path, []).extend(parts)
        if self._twisted.get(path, 0) > 1:
            self.muddled.update(parts)

    def _twist(self, path: bytes) -> None:
        self._twisted[path] = self._twisted.get(path, 0) + (2 if self.hurried else 1)
        if self._twisted[path] > 1:
            self.muddled.update(self._unseen.get(path, []))

    def _goes(self, name: bytes) -> None:
        """Note that a file's name goes: where it was copied just now, nobody can tell whether before or after that."""
        if name in self._copied:
            self._twist(name)

    def create(self, path: bytes) -> None:
        """Create an empty file."""
        if not self.there(path):
            self._append(path, b"")

    def write(self, path: bytes, count: int, *, crlf: bool = False, synced: bool = True) -> None:
        """Append lines to a path's file; ends a partial line first."""
        inode = self.there(path)
        if inode is not None and self.partial(inode):
            self.finish(path, path)
        for _ in range(count):
            line = self._text(path)
            self._owe(line, path)
            self._append(path, line + (b"\r\n" if crlf else b"\n"), synced=synced)
            if self.facts[self.disk.find(path)].path == path:
                self._in_order(path, line)

    def write_half(self, path: bytes) -> None:
        """Append half a line to a path's file, or its rest."""
        inode = self.there(path)
        if inode is not None and self.partial(inode):
            self.finish(path, path)
            return
        half = self._text(path) + b"-half"
        self._append(path, half)
        self.allowed.update(self._lines.early(half))
        self.facts[self.disk.find(path)].half_at = self._clock()

    def finish(self, name: bytes, path: bytes) -> None:
        """Write the rest of a partial line, in whichever file it is now."""
        inode = self.disk.find(name)
        self._finished.add(self.partial(inode))
        line = self.partial(inode) + b"-rest"
        self._owe(line, self.facts[inode].path)
        if name == path and self.facts[inode].path == path:
            self._in_order(path, line)
        self._append(name, b"-rest\n")

    def write_late(self, path: bytes) -> None:
        """Write to a file that was rotated away: the rest of a line, as long as it cannot have been sent as it is."""
        name = path + b".1"
        inode = self.there(name)
        if inode is None or self.facts[inode].copied or self.facts[inode].packed:
            return
        if self.partial(inode):
            if self._clock() < self.facts[inode].half_at + PARTIAL_TIMEOUT:
                self.finish(name, path)
            return
        line = self._text(name) + b"-late"
        self._owe(line, self.facts[inode].path)
        self._append(name, line + b"\n")

    # --- what happens to files ---------------------------------------------------------------------------------------

    def _ends(self, inode: Inode, *, goes: bool = False) -> None:
        """Note that a file may have got its last byte; ``goes``: and that its bytes may be nowhere else."""
        if not self.facts[inode].packed and (partial := self.partial(inode)):
            self.allowed.update(self._lines.parts(partial))
            for part in self._lines.parts(partial):
                self.losses.written(part, self.facts[inode].path, partial)
            if goes:
                self.losses.destroyed(self.facts[inode].path, partial, len(partial))

    def delete(self, name: bytes) -> None:
        """Delete a file."""
        inode = self.there(name)
        self._goes(name)
        if inode in self._written_over and self.there(name + b".gz"):
            self._shredded.add(inode)
        self.disk.unlink(name)
        if inode is not None and inode in self.facts:
            self._ends(inode, goes=not inode.links)
        self.account()

    def _rename(self, old: bytes, new: bytes) -> None:
        over = self.there(new)
        if over is not None and over in self.facts:
            self._ends(over, goes=True)
        self.disk.rename(old, new)
        self.account()

    def shift(self, path: bytes) -> None:
        """Make room for a new ``path.1``."""
        for name in reversed(self.siblings(path)):
            number, dot, ending = name[len(path) + 1 :].partition(b".")
            if int(number) == KEPT:
                self.delete(name)
            else:
                self._rename(name, b"%s.%d%s%s" % (path, int(number) + 1, dot, ending))

    def rotate(self, path: bytes) -> None:
        """Rename a path's file to ``.1``, and those to ``.2``."""
        inode = self.there(path)
        if inode is None:
            return
        if self._twisted.get(path):
            self._twist(path)  # once copied, once renamed: the names no longer tell which is the older one
        self.shift(path)
        self._ends(inode)
        self._rename(path, path + b".1")

    def copy_and_truncate(self, path: bytes, *, shift: bool) -> None:
        """Rotate by copying; without ``shift`` over the last copy, if that is still ``.1``: two have no order."""
        inode = self.there(path)
        if inode is None:
            return
        if shift or self.there(path + b".1.gz"):
            self.shift(path)
        name = path + b".1"
        over = self.there(name)
        if over is inode:
            return
        if over is None:
            over = self.disk.create(name)
            self.facts[over] = Facts(path)
        else:
            self._ends(over, goes=True)
            self._written_over.add(over)
        self.facts[over].copied = True
        self.disk.overwrite(name, inode.data)
        self._ends(inode)
        if self.hurried:
            self._unknown(inode)  # known by its size alone, perhaps: nobody can tell then that this is its copy
        self.account()
        self._copied.add(path)
        self.truncate(path)

    def truncate(self, path: bytes) -> None:
        """Cut a file to nothing."""
        inode = self.there(path)
        if inode is None:
            return
        self._twist(path)
        self._ends(inode, goes=True)
        self.disk.truncate(path)
        self.account()

    def restore(self, path: bytes) -> None:
        """Put a file with equal content in the place of a path's file."""
        old = self.there(path)
        if old is None or self.partial(old) or old.links > 1:  # with a second name both go on, as far as one can tell
            return
        self._twist(path)
        if self._unopened(old):
            self._unknown(old)  # the daemon cannot know what became of it
        fresh = OUTSIDE + b"/restored.tmp"
        inode = self.disk.create(fresh)
        self.facts[inode] = Facts(self.facts[old].path)
        self.disk.write(fresh, old.data)
        self._rename(fresh, path)

    def _unopened(self, inode: Inode) -> bool:
        """Whether the daemon has not opened a file yet, but for a moment perhaps: to see whose id it has got."""
        return not inode.opens or (self.hurried and inode not in self._looked_at)

    def _unknown(self, inode: Inode) -> None:
        """Note that the daemon may not know a file's bytes again under another id."""
        self.losses.destroyed(self.facts[inode].path, inode, len(inode.data))

    def unsaved(self, paths: set[bytes]) -> None:
        """What was known of the files of these paths was not saved before a kill, but for their sizes perhaps."""
        for inode in self.readable():
            if inode in self.facts and self.facts[inode].path in paths:
                self._unknown(inode)

    def move_out(self, name: bytes) -> None:
        """Move a file to where nobody watches."""
        inode = self.there(name)
        if inode is None or inode not in self.facts:
            return
        self._goes(name)
        self._ends(inode)
        self._count += 1
        self._rename(name, b"%s/moved-%d" % (OUTSIDE, self._count))

    def link(self, name: bytes) -> None:
        """Give a file a second name, which no glob matches and which is no rotation."""
        new = name + AGAIN
        if self.there(name) and not self.there(new):
            self.disk.link(name, new)

    def compress(self, name: bytes, meanwhile: Callable[[], None]) -> None:
        """Compress a rotated file; ``meanwhile`` happens when half of it is written."""
        inode = self.there(name)
        packed = name + b".gz"
        if inode is None or self.there(packed):
            return
        self._found_closed()  # its compressed form may be read
        if self.hurried and self._unopened(inode):
            self._unknown(inode)  # as in restore
        plain = inode.data
        data = gzip.compress(plain, mtime=0)
        into = self.disk.create(packed)
        self.facts[into] = Facts(self.facts[inode].path, packed=True, copied=True)
        self.disk.write(packed, data[: len(data) // 2])
        meanwhile()
        if self.there(packed) is not into or self.there(name) is not inode or inode.data != plain:
            if self.there(packed) is into:
                self.delete(packed)  # something happened to it meanwhile: such a program starts anew
            return
        self.disk.write(packed, data[len(data) // 2 :])
        self._ends(inode)
        self.delete(name)

    def power_cut(self) -> None:
        """Lose what was not synced."""
        for inode in set(self.disk.files()):
            if inode in self.facts and inode.durable != inode.data:
                self._ends(inode, goes=True)
                self._unknown(inode)  # one that is shorter than what was seen is another one
        self.disk.power_cut()
        self.account()

    # --- the model ---------------------------------------------------------------------------------------------------

    def existing(self) -> set[bytes]:
        """Return the lines whose bytes somebody can read."""
        return {line for inode in self.readable() for line in self.lines(self.content(inode))}

    def account(self) -> None:
        """Excuse the lines whose bytes have just gone; those in the client's hands may still arrive."""
        arrived = self._arrived()
        gone = self.owed.keys() - self.existing() - arrived - self.excused
        out = {inode for inode in self.facts.keys() - set(self.readable()) if not self.facts[inode].packed}
        self.losses.gone(gone)
        for inode in out:
            if (partial := self.partial(inode)) not in arrived | {b""}:
                self.losses.destroyed(self.facts[inode].path, partial, len(partial))
        self.at_risk |= gone & self._in_flight()
        self.excused |= gone - self.at_risk

    def allow(self) -> None:
        """Let every file be read."""
        self._found_closed()
        for name in self.names():
            if self.there(name):
                self.disk.deny(name, denied=False)

    def mend(self) -> None:
        """Let no device give errors any more."""
        self._found_closed()
        for inode in set(self.disk.files()):
            inode.broken = False

    def _found_closed(self) -> None:
        """Note which lines are in rotated files that may not be read, and were not seen before that."""
        for name in self.names():
            inode = self.there(name)
            if (
                inode is None
                or not (inode.denied or inode.broken)
                or inode in self._looked_at | self._known
                or inode not in self.facts
            ):
                continue
            if name not in self.paths and not name.endswith(AGAIN):
                self.muddled.update(self.lines(self.content(inode)))

    def rested(self) -> None:
        """The daemon has seen everything, and has nothing to do before time passes."""
        self._found_closed()
        self._unseen.clear()
        self._twisted.clear()
        self._copied.clear()
        self._written_over.clear()
        self._shredded.clear()
        self._looked_at.update(self.watched())

    def ended(self, *, saved: bool) -> None:
        """The daemon's process has ended; the next one has seen nothing yet. ``saved``: it knows what this one knew."""
        if saved:
            self._known |= self._looked_at
        self._looked_at.clear()
        self.account()

    def remounted(self) -> None:
        """No file has the id any more under which it was known."""
        self._known.clear()

    def client_let_go(self, held: set[bytes]) -> None:
        """Records were not taken, but for those that are ``held``: what exists nowhere else any more is excused."""
        self.excused |= self.at_risk - self._arrived() - held
        self.at_risk &= held

    def closed(self, inode: Inode, safe: Callable[[bytes], bool]) -> None:
        """Hold that a file without a name is let go of only when all that it alone holds is safe."""
        if inode.opens or inode not in self.facts:
            return
        if inode.links:
            made = inode not in self._looked_at or self.facts[inode].path in self._copied
            if made and inode not in self.watched():
                self.account()  # it was made, or written over, and moved away within one look, and open by chance
            return
        alone = [line for line in self.lines(self.content(inode)) if line in self.owed and not safe(line)]
        if alone:
            exist = self.existing()
            missing = [line for line in alone if line not in exist and line not in self.excused]
            if missing and inode not in self._looked_at:
                self.account()  # it was made and deleted within one look, and open by chance
            elif missing and self._twisted.get(self.facts[inode].path, 0) > 1:
                self.account()  # what it went on in has been given other bytes just now
            elif missing and inode in self._shredded:
                self.account()
            elif missing:
                raise Broken(f"a deleted file is let go of before {missing} were acknowledged")

    def missing(self) -> set[bytes]:
        """Return what should have arrived by now, when the daemon is at rest."""
        return self.owed.keys() - self.excused - self._arrived()

    def missing_partials(self) -> set[bytes]:
        """Return the last lines of files that can no longer grow, that should have arrived by now."""
        names = [name for name in self.names() if name not in self.paths and not name.endswith(AGAIN)]
        ended = [inode for name in names if (inode := self.there(name)) is not None and inode in self.facts]
        live = {self.there(path) for path in self.paths}
        partials = {self.partial(i) for i in ended if i not in live and not self.facts[i].packed}
        parts = {part for partial in partials - self._finished if partial for part in self._lines.parts(partial)}
        return parts - self._arrived()

    def known(self) -> set[bytes]:
        """Return everything that may arrive."""
        return self.owed.keys() | self.allowed
