"""What keeps a user from a file is named, with the group that may; and root looks as the daemon's user."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.explain.permission import as_owner, barrier

NOBODY = 65534
# As somebody whom the permissions concern: root gives itself away to the owner of the state directory.
PROGRAM = """
import os, sys
from pathlib import Path
from shipper.explain.permission import as_owner, barrier
with as_owner(Path(sys.argv[1])):
    print(barrier(os.fsencode(sys.argv[2])))
print(os.geteuid())
"""


@pytest.fixture
def ground() -> Iterator[Path]:
    """A directory that all may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as directory:
        ground = Path(directory)
        ground.chmod(0o755)
        yield ground


@pytest.fixture
def state(ground: Path) -> Path:
    """The state directory of the daemon's user, whom root is not."""
    directory = ground / "state"
    directory.mkdir()
    if os.geteuid() == 0:
        os.chown(directory, NOBODY, NOBODY)
    return directory


@pytest.fixture
def logs(ground: Path) -> Path:
    directory = ground / "logs"
    directory.mkdir()
    directory.chmod(0o755)
    return directory


def blocked(state: Path, path: Path) -> str:
    ran = subprocess.run([sys.executable, "-c", PROGRAM, state, path], capture_output=True, text=True, check=True)
    said, user = ran.stdout.splitlines()
    assert int(user) == os.geteuid()  # it is itself again
    return said


def test_nothing_is_in_the_way(state: Path, logs: Path) -> None:
    log = logs / "app.log"
    log.touch(mode=0o644)
    assert blocked(state, log) == ""


def test_a_file_that_may_not_be_read(state: Path, logs: Path) -> None:
    log = logs / "app.log"
    log.touch(mode=0o040)
    log.chmod(0o040)
    group = log.group()
    said = blocked(state, log)
    assert said.startswith(f"{log} may not be read by ")
    assert said.endswith(f'----r----- {log.owner()}:{group}; group "{group}" may')


def test_a_directory_that_may_not_be_entered(state: Path, logs: Path) -> None:
    (logs / "app.log").touch(mode=0o644)
    logs.chmod(0o000)
    try:
        said = blocked(state, logs / "app.log")
    finally:
        logs.chmod(0o755)
    assert said.startswith(f"{logs} may not be entered by ")
    assert said.endswith("give that user read access, with its group's bits or with setfacl")


def test_a_directory_that_may_not_be_listed(state: Path, logs: Path) -> None:
    (logs / "app.log").touch(mode=0o644)
    logs.chmod(0o711)
    if os.geteuid() != 0:
        logs.chmod(0o111)
    try:
        said = blocked(state, logs / "app.log")
    finally:
        logs.chmod(0o755)
    assert said.startswith(f"{logs} may not be listed by ")


def test_a_link_to_what_may_not_be_read(state: Path, logs: Path) -> None:
    (logs / "target").touch()
    (logs / "target").chmod(0o000)
    (logs / "app.log").symlink_to("target")
    assert blocked(state, logs / "app.log").startswith(f"{logs}/target may not be read by ")


def test_without_a_state_directory_everybody_stays_who_he_is(tmp_path: Path) -> None:
    before = os.geteuid()
    with as_owner(tmp_path / "none"):
        assert os.geteuid() == before
        assert barrier(os.fsencode(tmp_path / "none")) == ""
