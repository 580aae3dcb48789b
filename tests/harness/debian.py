"""Programs of Debian's packages, unpacked and not installed: nothing of the system changes, no service is started."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shipper-tools"


class NotHere(Exception):
    """A program cannot be had on this machine; says why."""


def unpacked(name: str, *packages: str) -> Path:
    """Return the directory in which these packages are unpacked, once; raises NotHere."""
    directory = CACHE / name
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "complete").exists():
            if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
                raise NotHere("no apt-get")
            shutil.rmtree(directory, ignore_errors=True)
            (directory / "debs").mkdir(parents=True)
            fetch = ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", *packages]
            done = subprocess.run(fetch, cwd=directory / "debs", capture_output=True, text=True, check=False)
            if done.returncode:
                raise NotHere(f"apt-get download: {done.stderr.strip()[-200:]} (is `apt-get update` due?)")
            for package in (directory / "debs").glob("*.deb"):
                subprocess.run(["dpkg", "-x", str(package), str(directory)], check=True)
            shutil.rmtree(directory / "debs")
            (directory / "complete").touch()
    return directory
