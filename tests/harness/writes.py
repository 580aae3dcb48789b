"""Every change that a child makes to a directory, one by one: what a kill or a power cut between any two would leave.

The child runs under ``strace``, so nothing in it is replaced, and SQLite's own writes are seen too. A *kill* leaves all
that was written. A *power cut* leaves what was synced, and of the rest any part: of each file any of its writes, whole
or torn at a sector; of the directory's entries those that were changed first.

The child says what it was promised by writing lines to its standard output: they have their place among the writes.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

STRACE = shutil.which("strace")
SECTOR = 512
CALLS = (
    "open,openat,write,pwrite64,pwritev,writev,ftruncate,truncate,fallocate,fsync,fdatasync,sync_file_range,rename,renameat"
    ",renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,link,linkat,symlink,symlinkat,close,mmap"
)

_CALL = re.compile(r"(\d+) +(?:(\w+)\((.*)|<\.\.\. (\w+) resumed>(.*))$")
_END = re.compile(r"\) += (-?\d+).*$")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_FD = re.compile(r"^(-?\d+)<((?:\\x[0-9a-f]{2})*)>")


class Op(NamedTuple):
    """One change: ``data`` was written to a file at ``at``; or a file was cut, synced, made, removed, renamed."""

    kind: str  # write, cut, sync, make, remove, rename, mkdir, say
    path: str  # below the directory; of the directory itself ""
    at: int = 0
    data: bytes = b""  # of a rename the new name, of "say" what was said


def record(program: str, arguments: Sequence[str], directory: Path, trace: Path) -> list[Op]:
    """Run a Python program and return what it did in ``directory``, and what it said on its standard output."""
    assert STRACE is not None
    command = [STRACE, "-f", "-y", "-xx", "-s", str(1 << 20), "-e", f"trace={CALLS}", "-o", str(trace)]
    root = Path(__file__).parents[2]
    subprocess.run(
        [*command, sys.executable, "-c", program, *arguments],
        cwd=root,
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=120,
    )
    with trace.open() as lines:
        return list(_ops(lines, os.path.realpath(directory)))


def _ops(lines: Iterator[str], directory: str) -> Iterator[Op]:
    unfinished: dict[str, str] = {}
    for line in lines:
        match = _CALL.match(line)
        if match is None:
            continue
        pid, call, rest, resumed, end = match.groups()
        if resumed:
            call, rest = resumed, unfinished.pop(pid) + end
        elif rest.endswith("<unfinished ...>"):
            unfinished[pid] = rest.removesuffix("<unfinished ...>").rstrip()
            continue
        ended = _END.search(rest)
        if ended is None or int(ended[1]) < 0:
            continue
        op = _op(call, rest[: ended.start()], int(ended[1]), directory)
        if op is not None:
            yield op


def _op(call: str, arguments: str, result: int, directory: str) -> Op | None:
    """Return what a call did that succeeded; None where it changed nothing in the directory."""
    strings = [_bytes(found) for found, _ in _STRING.findall(arguments)]
    fd = _FD.match(arguments)
    if fd is not None and call in ("write", "pwrite64") and fd[1] == "1":
        return Op("say", "", data=strings[0][:result])
    path = _below(_bytes(fd[2]) if fd is not None else strings[0] if strings else b"", directory)
    if call in ("open", "openat"):
        path = _below(strings[0], directory)
        if path is None or "O_CREAT" not in arguments:
            return None
        assert "O_TRUNC" not in arguments, arguments
        return Op("make", path)
    if path is None:
        return None
    numbers = [int(n) for n in re.findall(r", (\d+)(?=[,)]|$)", _STRING.sub("", arguments))]
    match call:
        case "pwrite64":
            return Op("write", path, numbers[-1], strings[0][:result])
        case "ftruncate":
            return Op("cut", path, numbers[-1])
        case "fsync" | "fdatasync":
            return Op("sync", path)
        case "unlink" | "unlinkat":
            return Op("remove", _below(strings[-1], directory) or "")
        case "rename" | "renameat" | "renameat2":
            return Op(
                "rename", _below(strings[0], directory) or "", data=os.fsencode(_below(strings[1], directory) or "")
            )
        case "mkdir" | "mkdirat":
            return Op("mkdir", path)
        case "close":
            return None
        case "mmap":
            assert "PROT_WRITE" not in arguments or "MAP_SHARED" not in arguments, (
                f"written without a call: {arguments}"
            )
            return None
    raise AssertionError(f"{call} in {path!r} is not understood: {arguments}")


def _bytes(hexed: str) -> bytes:
    return bytes.fromhex(hexed.replace("\\x", ""))


def _below(path: bytes, directory: str) -> str | None:
    """Return a path below the directory; None where it is not there."""
    shown = os.path.normpath(os.fsdecode(path))
    if shown == directory:
        return ""
    return shown.removeprefix(directory + "/") if shown.startswith(directory + "/") else None


class _File:
    """One file, whatever its names: what it holds, and what of that is durable."""

    def __init__(self) -> None:
        self.now = bytearray()
        self.durable = b""
        self.loose: list[Op] = []  # since it was synced

    def apply(self, op: Op) -> None:
        _apply(self.now, op)
        self.loose.append(op)

    def sync(self) -> None:
        self.durable, self.loose = bytes(self.now), []

    def after_power_cut(self, dice: random.Random | None) -> bytes:
        content = bytearray(self.durable)
        for op in self.loose:
            match dice.randrange(4) if dice else 0:
                case 0:
                    continue
                case 1 if op.kind == "write":  # some of its sectors
                    for low in range(0, len(op.data), SECTOR):
                        if dice and dice.randrange(2):
                            _apply(content, op._replace(at=op.at + low, data=op.data[low : low + SECTOR]))
                case _:
                    _apply(content, op)
        return bytes(content)


def _apply(content: bytearray, op: Op) -> None:
    if op.kind == "cut":
        del content[op.at :]
        content.extend(bytes(op.at - len(content)))
    else:
        content.extend(bytes(max(0, op.at - len(content))))
        content[op.at : op.at + len(op.data)] = op.data


class Disk:
    """The directory as it is after some of the changes."""

    def __init__(self) -> None:
        self._there: dict[str, _File] = {}
        self._durable: dict[str, _File] = {}
        self._entries: list[Op] = []  # changed since the directory was synced
        self._made: dict[int, _File] = {}

    def apply(self, op: Op) -> None:
        """Do what one change did."""
        match op.kind:
            case "write" | "cut":
                if op.path in self._there:  # else it has no name any more
                    self._there[op.path].apply(op)
            case "sync" if op.path:
                if op.path in self._there:
                    self._there[op.path].sync()
            case "sync":
                self._durable, self._entries = dict(self._there), []
            case "make" if op.path in self._there:
                pass
            case "make":
                self._made[id(op)] = _File()
                self._change(op)
            case "remove" | "rename":
                self._change(op)
            case "mkdir":
                assert not op.path, "only the directory itself"
            case _:
                assert op.kind == "say", op

    def _change(self, op: Op) -> None:
        self._entries.append(op)
        self._enter(self._there, op)

    def _enter(self, entries: dict[str, _File], op: Op) -> None:
        if op.kind == "make":
            entries[op.path] = self._made[id(op)]
        elif (file := entries.pop(op.path, None)) is not None and op.kind == "rename":
            entries[os.fsdecode(op.data)] = file

    def killed(self, into: Path) -> None:
        """Write what a kill now leaves."""
        self._write(into, {name: bytes(file.now) for name, file in self._there.items()})

    def powerless(self, into: Path, dice: random.Random | None = None) -> None:
        """Write what a power cut now may leave: with ``dice`` by chance, otherwise nothing that was not synced."""
        entries = dict(self._durable)
        for op in itertools.islice(self._entries, dice.randint(0, len(self._entries)) if dice else 0):
            self._enter(entries, op)
        self._write(into, {name: file.after_power_cut(dice) for name, file in entries.items()})

    @staticmethod
    def _write(into: Path, files: dict[str, bytes]) -> None:
        into.mkdir(mode=0o700)
        for name, content in files.items():
            (into / name).write_bytes(content)
            (into / name).chmod(0o600)
