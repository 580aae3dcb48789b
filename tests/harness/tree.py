"""A small Debian, made once by debootstrap and kept in ``~/.cache``; each test machine gets a copy of it.

It is of the release of this machine, from the archive that this machine's apt uses. Needs root.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

# What shipper's package depends on, so that a machine installs it without a network, and what Ansible needs.
PACKAGES = (
    "dbus",
    "libgcc-s1",
    "libstdc++6",
    "libsystemd0",
    "passwd",
    "python3",
    "python3-apt",
    "systemd",
    "systemd-sysv",
)


class TreeUnavailable(Exception):
    """This machine cannot make a Debian tree; says what is missing."""


def copy(target: Path) -> None:
    """Make a fresh machine's root directory at ``target``, which must not exist."""
    subprocess.run(["cp", "-a", "--reflink=auto", str(_base()), str(target)], check=True)


def _base() -> Path:
    """Return the tree that is kept, made when it is not there yet."""
    if os.geteuid() != 0:
        raise TreeUnavailable("a Debian tree can only be made and started by root")
    if shutil.which("debootstrap") is None:
        raise TreeUnavailable("no debootstrap on the PATH; on Debian: apt-get install debootstrap")
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    if not release:
        raise TreeUnavailable("/etc/os-release names no VERSION_CODENAME: debootstrap needs that of a Debian release")
    kind = hashlib.sha256(" ".join(PACKAGES).encode()).hexdigest()[:8]
    home = Path.home() / ".cache" / f"shipper-tree-{release}-{kind}"
    home.parent.mkdir(parents=True, exist_ok=True)
    with open(home.with_suffix(".lock"), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            # Filled beside and renamed, so that one that was interrupted is not taken for a whole one.
            with tempfile.TemporaryDirectory(prefix=f"{home.name}-", dir=home.parent) as scratch:
                _debootstrap(release, Path(scratch) / "tree")
                os.rename(f"{scratch}/tree", home)
    return home


def _debootstrap(release: str, target: Path) -> None:
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", release, str(target)]
    done = subprocess.run([*command, *_mirror(release)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise TreeUnavailable(f"debootstrap has failed:\n{(done.stdout + done.stderr)[-2000:]}")
    shutil.rmtree(target / "var/cache/apt/archives", ignore_errors=True)
    shutil.rmtree(target / "var/lib/apt/lists", ignore_errors=True)


def _mirror(release: str) -> list[str]:
    """Return where this machine's apt finds the release; nothing where it does not: debootstrap has a default."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    wanted = ["Created-By: Packages", f"Suite: {release}", "Component: main"]
    for key in ("Suite", "Codename"):
        wanted[1] = f"{key}: {release}"
        told = subprocess.run([*command, *wanted], capture_output=True, text=True, check=False).stdout.split()
        if told:
            return told[:1]
    return []
