"""The log directory, and the model of what must arrive from it.

Every operation is done to real files and to :class:`Inode` values that hold the same bytes, so that at any moment the
model knows which lines exist somewhere. From this follows what must arrive:

- A line must arrive, once it is written, whatever happens, as long as its bytes exist: in a file of the directory, or
  in a deleted file that the running daemon was told of while it had a name, and therefore holds open.
- It is **excused** when the last of these goes away before it has arrived. A line that is in the client's hands at
  that moment is excused only when the client lets go of it (``at_risk``).
- A last line without its end must arrive as it is when its file can no longer grow, unless the rest of it was written.

Order is asked of the lines of one path. Not of those that were written between two looks of the daemon in which the
file was truncated, copied or replaced more than once: which of the contents came first nobody can tell (``muddled``).

Nothing else may arrive. Lines that somebody wrote to a file that was rotated away already are ``late``: they must
arrive, and their order is not promised.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

KEPT = 3  # rotated files of one path

# Not mended yet: bytes that replaced others are let go of when they are read only after their file was deleted. A
# scenario in tests/unit/test_filesource.py holds it; when it passes, this goes.
LOSES_REPLACED = True


@dataclass(eq=False)
class Inode:
    """One file. ``fd`` keeps its number from being given to another file, which would be another story each time."""

    fd: int
    data: bytes = b""  # decompressed
    held: bool = False  # the daemon holds it open, if it does as promised
    copied: bool = False  # made by copying another: the daemon need not hold it
    packed: bool = False
    replaced: bool = False  # its bytes are others than the daemon has read

    @property
    def lines(self) -> list[bytes]:
        """Its complete lines."""
        return self.data.split(b"\n")[:-1]

    @property
    def partial(self) -> bytes:
        """The last line without its end."""
        return self.data.rpartition(b"\n")[2]


class Disk:
    """The files of one directory, and the lines that must arrive of them."""

    def __init__(self, root: Path, arrived: Callable[[], set[bytes]], in_flight: Callable[[], set[bytes]]) -> None:
        self.root = root
        self.names: dict[str, Inode] = {}
        self.deleted: list[Inode] = []  # and held open by the daemon
        self.order: dict[str, list[bytes]] = {}  # by path: the lines in the order in which they were written
        self.owed: set[bytes] = set()
        self.excused: set[bytes] = set()
        self.at_risk: set[bytes] = set()
        self.allowed: set[bytes] = set()  # partial lines that may arrive as they are
        self.contents: list[bytes] = []  # of files that were deleted, or whose bytes were replaced
        self.destroyed = False
        self._arrived = arrived
        self._in_flight = in_flight
        self.muddled: set[bytes] = set()
        self._count = 0
        self._unseen: dict[str, list[bytes]] = {}  # by path: lines written since the daemon looked
        self._twisted: dict[str, int] = {}  # by path: how often its file was given other bytes since then
        self._fds: list[int] = []

    def close(self) -> None:
        """Let the inode numbers go."""
        for fd in self._fds:
            os.close(fd)

    # --- writing -----------------------------------------------------------------------------------------------------

    def _inode(self, name: str) -> Inode:
        fd = os.open(self.root / name, os.O_RDONLY)
        self._fds.append(fd)
        return Inode(fd)

    def _append(self, name: str, data: bytes) -> None:
        with open(self.root / name, "ab") as file:
            file.write(data)
        if name not in self.names:
            self.names[name] = self._inode(name)
        self.names[name].data += data

    def _text(self, path: str) -> bytes:
        """Return a line like no other, of a length that few others have."""
        self._count += 1
        return b"%s-%d-%s" % (path.encode(), self._count, b"x" * (self._count * 37 % 101))

    def _in_order(self, path: str, line: bytes) -> None:
        self.order.setdefault(path, []).append(line)
        self._unseen.setdefault(path, []).append(line)
        if self._twisted.get(path, 0) > 1:
            self.muddled.add(line)

    def _twist(self, path: str) -> None:
        self._twisted[path] = self._twisted.get(path, 0) + 1
        if self._twisted[path] > 1:
            self.muddled.update(self._unseen.get(path, []))

    def create(self, path: str) -> None:
        """Create an empty file."""
        self._append(path, b"")

    def write(self, path: str, count: int, *, crlf: bool = False) -> None:
        """Append lines to a path's file; ends a partial line first."""
        if path in self.names and self.names[path].partial:
            self.finish(path, path)
        for _ in range(count):
            line = self._text(path)
            self.owed.add(line)
            self._in_order(path, line)
            self._append(path, line + (b"\r\n" if crlf else b"\n"))

    def write_half(self, path: str) -> None:
        """Append half a line to a path's file."""
        self._append(path, self._text(path) + b"-half")

    def finish(self, name: str, path: str) -> None:
        """Write the rest of a partial line, in whichever file it is now."""
        line = self.names[name].partial + b"-rest"
        self.owed.add(line)
        if name == path:
            self._in_order(path, line)
        self._append(name, b"-rest\n")

    def write_late(self, name: str) -> None:
        """Append a line to a file that was rotated away."""
        line = self._text(name) + b"-late"
        self.owed.add(line)
        self._append(name, line + b"\n")

    # --- what happens to files ---------------------------------------------------------------------------------------

    def siblings(self, path: str) -> list[str]:
        """Return the rotated files of a path, newest first."""
        names = [f"{path}.{n}{ending}" for n in range(1, KEPT + 1) for ending in ("", ".gz")]
        return [name for name in names if name in self.names]

    def _ends(self, inode: Inode, *, goes: bool = False) -> None:
        """Note that a file may have got its last byte; ``goes``: and that its bytes may be nowhere else."""
        if inode.partial:
            self.allowed.add(inode.partial)
            self.destroyed |= goes

    def delete(self, name: str) -> None:
        """Delete a file."""
        os.unlink(self.root / name)
        self._unnamed(self.names.pop(name))

    def _unnamed(self, inode: Inode) -> None:
        self._ends(inode, goes=True)
        if inode.held:
            self.deleted.append(inode)
        self.contents.append(inode.data)
        self.account()

    def _shift(self, path: str) -> None:
        """Make room for a new ``path.1``."""
        for name in reversed(self.siblings(path)):
            number, dot, ending = name[len(path) + 1 :].partition(".")
            if int(number) == KEPT:
                self.delete(name)
            else:
                self._rename(name, f"{path}.{int(number) + 1}{dot}{ending}")

    def _rename(self, old: str, new: str) -> None:
        os.rename(self.root / old, self.root / new)
        self.names[new] = self.names.pop(old)

    def rotate(self, path: str) -> None:
        """Rename a path's file to ``.1``, and those to ``.2``."""
        self._shift(path)
        self._ends(self.names[path])
        self._rename(path, f"{path}.1")

    def copy(self, path: str) -> None:
        """Copy a path's file to ``.1``, over what is there."""
        name = f"{path}.1"
        source = self.names[path]
        with open(self.root / name, "wb") as file:
            file.write(source.data)
        if (old := self.names.get(name)) is not None:
            self._replace_content(old, source.data)
            old.copied = True
        else:
            self.names[name] = self._inode(name)
            self.names[name].data = source.data
            self.names[name].copied = True
        self._ends(source)

    def copy_and_truncate(self, path: str, *, shift: bool) -> None:
        """Rotate by copying; without ``shift`` over the last copy, if that is still ``.1``: two have no order."""
        if shift or f"{path}.1.gz" in self.names:
            self._shift(path)
        self.copy(path)
        self.truncate(path)

    def truncate(self, path: str) -> None:
        """Cut a file to nothing."""
        self._twist(path)
        os.truncate(self.root / path, 0)
        self._replace_content(self.names[path], b"")

    def _replace_content(self, inode: Inode, data: bytes) -> None:
        self._ends(inode, goes=True)
        self.contents.append(inode.data)
        inode.data = data
        inode.held = False  # these bytes the daemon has not been told of yet
        inode.replaced = True
        self.account()

    def restore(self, path: str) -> None:
        """Put a file with equal content in the place of a path's file: the daemon may go on in either."""
        self._twist(path)
        old = self.names[path]
        fresh = self.root / "restored.tmp"
        fresh.write_bytes(old.data)
        os.rename(fresh, self.root / path)
        inode = self.names[path] = self._inode(path)
        inode.data = old.data
        old.held = False
        self._unnamed(old)

    def compress(self, name: str, meanwhile: Callable[[], None]) -> None:
        """Compress a rotated file; ``meanwhile`` happens when half of it is written."""
        data = gzip.compress(self.names[name].data, mtime=0)
        packed = f"{name}.gz"
        with open(self.root / packed, "wb") as file:
            file.write(data[: len(data) // 2])
            file.flush()
            meanwhile()
            file.write(data[len(data) // 2 :])
        self._ends(self.names[name])
        inode = self.names[packed] = self._inode(packed)
        inode.data = self.names[name].data
        inode.packed = inode.copied = True
        self.delete(name)

    # --- the model ---------------------------------------------------------------------------------------------------

    def alive(self) -> list[Inode]:
        """Return the files whose bytes can be read by somebody."""
        return [*self.names.values(), *self.deleted]

    def told(self, *, read: bool = False) -> None:
        """The running daemon has seen every file that has a name, and holds those that have bytes.

        ``read``: it has also read them to their end.
        """
        self._unseen.clear()
        self._twisted.clear()
        for inode in self.names.values():
            inode.replaced &= not read
            if inode.data and not inode.copied and not (inode.replaced and LOSES_REPLACED):
                inode.held = True

    def daemon_ended(self) -> None:
        """What only the daemon held is gone."""
        for inode in self.names.values():
            inode.held = False
        self.deleted.clear()
        self.account()
        self.client_let_go()

    def account(self) -> None:
        """Excuse the lines whose bytes have just gone; those in the client's hands may still arrive."""
        exist = {line for inode in self.alive() for line in inode.lines}
        gone = self.owed - exist - self._arrived() - self.excused
        if gone:
            self.destroyed = True
        self.at_risk |= gone & self._in_flight()
        self.excused |= gone - self.at_risk

    def client_let_go(self) -> None:
        """Records were not taken: what exists nowhere else any more is excused."""
        self.excused |= self.at_risk - self._arrived()
        self.at_risk.clear()

    def missing(self) -> set[bytes]:
        """Return what should have arrived by now, when the daemon is at rest."""
        return self.owed - self.excused - self._arrived()

    def missing_partials(self, paths: tuple[str, ...]) -> set[bytes]:
        """Return the last lines of files that can no longer grow, that should have arrived by now."""
        ended = [inode for name, inode in self.names.items() if name not in paths] + self.deleted
        finished = {line.removesuffix(b"-rest") for line in self.owed}
        return {inode.partial for inode in ended if inode.partial} - finished - self._arrived()

    def known(self) -> set[bytes]:
        """Return everything that may arrive."""
        return self.owed | self.allowed

    def everything(self) -> list[bytes]:
        """Return the contents that files have or had."""
        return [inode.data for inode in self.alive()] + self.contents
