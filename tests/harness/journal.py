"""Files of a journal, made by systemd-journal-remote from the export format: no journald is needed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

PROGRAM = "/lib/systemd/systemd-journal-remote"
BOOT = "0123456789abcdef0123456789abcdef"
FIRST = 1_764_000_000_000_000  # microseconds since 1970: when the first entry was written
STEP = 1000  # microseconds between two

Value = str | bytes | list[str]


def needed() -> None:
    """Skip the test where journals cannot be made, or read."""
    pytest.importorskip(
        "systemd.journal", reason="systemd-python is not installed (make test installs it where it can)"
    )
    if not Path(PROGRAM).exists():
        pytest.skip("systemd-journal-remote is not installed; make test installs it")


class JournalFiles:
    """A directory with files of a journal. Each :meth:`write` appends to one of them; numbers go on over all."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self.count = 0

    def write(self, entries: int | Iterable[Mapping[str, Value]], name: str = "system") -> list[str]:
        """Write that many entries, or these; returns their messages."""
        given = [self._plain(self.count + n) for n in range(entries)] if isinstance(entries, int) else list(entries)
        exported = b""
        for fields in given:
            time = FIRST + self.count * STEP
            exported += self._export(time, fields)
            self.count += 1
        subprocess.run(
            [PROGRAM, "-o", str(self.path(name)), "--split-mode=none", "-"],
            input=exported,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        return [str(fields.get("MESSAGE", "")) for fields in given]

    def path(self, name: str = "system") -> Path:
        """Return the path of a file."""
        return self.directory / f"{name}.journal"

    def rotate(self, to: str, name: str = "system") -> None:
        """Give the file another name, as journald does when it begins a new one."""
        self.path(name).rename(self.path(to))

    def vacuum(self, name: str) -> None:
        """Remove a file."""
        self.path(name).unlink()

    def clear(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.directory)

    @staticmethod
    def _plain(number: int) -> dict[str, Value]:
        unit = f"app{number % 3}"
        return {
            "MESSAGE": f"line {number}",
            "_SYSTEMD_UNIT": f"{unit}.service",
            "SYSLOG_IDENTIFIER": unit,
            "PRIORITY": str(number % 8),
            "_TRANSPORT": "stdout",
        }

    @staticmethod
    def _export(time: int, fields: Mapping[str, Value]) -> bytes:
        out = [f"__REALTIME_TIMESTAMP={time}", f"__MONOTONIC_TIMESTAMP={time - FIRST + 1}", f"_BOOT_ID={BOOT}"]
        data = "\n".join(out).encode() + b"\n"
        for name, value in fields.items():
            for one in value if isinstance(value, list) else [value]:
                raw = one.encode() if isinstance(one, str) else one
                data += name.encode() + b"\n" + len(raw).to_bytes(8, "little") + raw + b"\n"
        return data + b"\n"
