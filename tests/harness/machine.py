"""A Debian machine with a real systemd as its process 1, in namespaces of this machine's kernel; needs root.

It has file systems, processes, users and control groups of its own; the network is this machine's, so that a broker on
the loopback can be reached. A context manager that leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from tests.harness import tree
from tests.harness.wait import eventually

LONG = 120.0  # seconds for what a machine does: longer than any of it takes
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# A control group of its own, for systemd takes the one that it starts in for its root; then the other namespaces.
_ENCLOSE = """set -e
mount -t cgroup2 none "$1"; mkdir -p "$1/$2"; echo $$ >"$1/$2/cgroup.procs"; umount "$1"
exec unshare --pid --fork --kill-child --mount --uts --ipc --cgroup --propagation private bash -c "$4" bash "$3"
"""

# What a kernel and a container engine do. /proc/sys is not this machine's alone, so it stays as it is. Mounts are
# shared, as systemd expects it of an engine: credentials come to a service by a mount.
_BOOT = """set -e
R=$1; mount --bind "$R" "$R"; cd "$R"
mount -t proc proc proc; mount --bind proc/sys proc/sys; mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys; mount -t tmpfs tmpfs sys/fs/cgroup; mount -t cgroup2 none sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run; mount -t tmpfs tmpfs tmp; mount -t tmpfs -o mode=755 tmpfs dev
for d in null zero full random urandom tty; do touch dev/$d; mount --bind /dev/$d dev/$d; done
mkdir dev/pts dev/shm; mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts; ln -s pts/ptmx dev/ptmx
mount -t tmpfs tmpfs dev/shm; ln -s /proc/self/fd dev/fd
cat proc/sys/kernel/random/uuid >run/boot_id; mount --bind run/boot_id proc/sys/kernel/random/boot_id
mkdir -p .host; pivot_root . .host; umount -l /.host
mount --make-rshared /
exec env -i container=namespaces PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=multi-user.target
"""

_LEAVE = """mount -t cgroup2 none "$1" && find "$1/$2" -depth -type d -exec rmdir {} +"""


class Machine:
    """See the module. ``root`` is its root directory, for this machine to read and write; ``init`` its process 1."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="shipper-machine-"))
        self.root = self._home / "root"
        self._mount = self._home / "cgroup"
        self._mount.mkdir()
        self._process: subprocess.Popen[bytes] | None = None
        self.init = 0
        try:
            tree.copy(self.root)
            (self.root / "etc/hostname").write_text("machine\n")
            (self.root / "var/log/journal").mkdir(exist_ok=True)  # the journal outlasts a reboot
            for unit in ("console-getty", "systemd-modules-load", "systemd-sysctl", "systemd-udevd"):
                (self.root / f"etc/systemd/system/{unit}.service").symlink_to("/dev/null")
            self.boot()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def boot(self) -> None:
        """Start it; return when all that is enabled has started."""
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"]
        command += ["bash", "-c", _ENCLOSE, "bash", str(self._mount), self._home.name, str(self.root), _BOOT]
        with open(self._home / "console", "ab") as console:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        eventually("systemd to start", self._find_init, LONG)
        eventually("systemd to have started everything", self._is_up, LONG)

    def run(
        self, *command: str, check: bool = True, stdin: str | None = None, user: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as root or as ``user``; what it says comes back as text."""
        enter = ["nsenter", "-t", str(self.init), "-m", "-p", "-u", "-i", "-C", "-r", "-w", "env", "-i"]
        enter += ["HOME=/root", "LANG=C.UTF-8", f"PATH={PATH}", "DEBIAN_FRONTEND=noninteractive"]
        enter += ["runuser", "-u", user, "--"] if user else []
        done = subprocess.run(
            [*enter, *command], capture_output=True, text=True, input=stdin, timeout=LONG, check=False
        )
        assert done.returncode == 0 or not check, f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def out(self, *command: str, user: str | None = None) -> str:
        """Return what a command prints, which must end well."""
        return self.run(*command, user=user).stdout.strip()

    def path(self, inside: str) -> Path:
        """Return where one of its absolute paths is here."""
        return self.root / inside.lstrip("/")

    def write(self, inside: str, text: str, mode: int = 0o644) -> None:
        """Write a file of its own, with its directories."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def reboot(self) -> None:
        """Shut it down in good order, and start it again."""
        assert self._process is not None
        self.run("systemctl", "reboot", check=False)  # it may be gone before it has answered
        self._process.wait(LONG)
        self.init = 0
        self.boot()

    def close(self) -> None:
        """End it as a power cut does, and remove it."""
        if self._process is not None:
            if self.init and self._process.poll() is None:
                os.kill(self.init, signal.SIGKILL)  # it is gone when all its processes are
            else:
                self._process.kill()
            self._process.wait(LONG)
            leave = ["unshare", "--mount", "--propagation", "private", "bash", "-c", _LEAVE]
            subprocess.run([*leave, "bash", str(self._mount), self._home.name], check=True)
        shutil.rmtree(self._home)

    def _find_init(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise tree.TreeUnavailable(
                f"no systemd can be started here: {(self._home / 'console').read_text()[-2000:]}"
            )
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        with contextlib.suppress(FileNotFoundError):  # it has just ended
            if children and os.path.basename(os.readlink(f"/proc/{children[0]}/exe")) == "systemd":
                self.init = int(children[0])
                return True
        return False

    def _is_up(self) -> bool:
        return self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded")
