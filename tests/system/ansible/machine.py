"""Ansible's way into a test machine: the namespaces of its process 1, whose id is the host's ``machine_init``."""

from __future__ import annotations

import subprocess

from ansible.plugins.connection import ConnectionBase  # type: ignore[import-not-found]  # it is Debian's

DOCUMENTATION = """
name: machine
short_description: enters the namespaces of a process
description: enters the namespaces of a process
options:
  init:
    description: the process
    type: int
    vars:
      - name: machine_init
"""


class Connection(ConnectionBase):  # type: ignore[misc]
    """See the module."""

    transport = "machine"
    has_pipelining = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a shell's command."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        enter = ["nsenter", "-t", str(self.get_option("init")), "-m", "-p", "-u", "-i", "-C", "-r", "-w", "env", "-i"]
        enter += ["HOME=/root", "LANG=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-c", cmd]
        done = subprocess.run(enter, input=in_data or b"", capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file there."""
        with open(in_path, "rb") as file:
            self.exec_command(f"cat > {self._shell.quote(out_path)}", file.read())

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file from there."""
        with open(out_path, "wb") as file:
            file.write(self.exec_command(f"cat {self._shell.quote(in_path)}")[1])

    def close(self) -> None:
        """Nothing is held open."""
        self._connected = False
