"""What others can write is not believed: configuration, drop-ins, secrets, code."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.checkpoints import CheckpointStore
from shipper.config import load
from shipper.errors import ConfigError
from shipper.events import Events
from shipper.ownership import complaint
from shipper.records import processors

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

OTHER = 4711
CONFIG = """
[shipper]
state_dir = "/var/lib/shipper"
[kafka]
bootstrap_servers = "localhost:9092"
[sources.a]
paths = ["/var/log/*.log"]
topic = "t"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "shipper.toml"
    path.write_text(CONFIG)
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/one.toml").write_text('[sources.a]\nkey = "${file:%s}"\n' % (tmp_path / "secret"))
    (tmp_path / "secret").write_text("k")
    assert load(path).sources["a"].key == "k"
    return path


@pytest.mark.parametrize("name", ["shipper.toml", "conf.d/one.toml", "secret", "conf.d", "."])
def test_what_others_can_write_is_refused_and_it_is_said_what_to_do(config: Path, name: str) -> None:
    at = config.parent / name
    usual = at.stat().st_mode & 0o7777
    at.chmod(usual | 0o002)
    with pytest.raises(ConfigError) as raised:
        load(config)
    assert f"everybody can write; chmod go-w {at.resolve()}" in str(raised.value)
    at.chmod(usual)
    os.chown(at, OTHER, 0)
    with pytest.raises(ConfigError) as raised:
        load(config)
    assert f"belongs to {OTHER}; chown it to root: chown root {at.resolve()}" in str(raised.value)
    os.chown(at, 0, OTHER)
    at.chmod(usual | 0o020)
    with pytest.raises(ConfigError) as raised:
        load(config)
    assert f"the group {OTHER} can write; chmod go-w" in str(raised.value)


def test_a_directory_where_a_link_leads_counts_too(config: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    real = tmp_path / "theirs/shipper.toml"
    config.rename(real)
    config.symlink_to(real)
    load(config)
    os.chown(real.parent, OTHER, OTHER)
    with pytest.raises(ConfigError, match=r"is in .*/theirs, which belongs to"):
        load(config)


def test_a_group_of_one_and_a_sticky_directory_are_nobody_elses(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("")
    path.chmod(0o664)  # as with umask 002: the group root is root's own
    assert not complaint(path)
    tmp_path.chmod(0o1777)
    assert not complaint(path)
    tmp_path.chmod(0o777)
    assert complaint(path)
    assert not complaint(tmp_path / "none")
    assert not complaint(Path("/proc/sys/kernel/hostname"))


def test_the_user_it_runs_as_may_write() -> None:
    with tempfile.TemporaryDirectory() as directory:  # pytest's own are closed to others
        path = Path(directory) / "a"
        path.write_text("")
        for mine in (path, path.parent):
            os.chown(mine, OTHER, OTHER)
        os.seteuid(OTHER)
        try:
            assert not complaint(path)
        finally:
            os.seteuid(0)
        assert complaint(path)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    package = tmp_path / "owned_plugin"
    package.mkdir()
    (package / "__init__.py").write_text("RAN = []\n")
    (package / "code.py").write_text("def process(record):\n    return record\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == "owned_plugin"]:
        del sys.modules[name]


@pytest.mark.parametrize("name", ["code.py", "__init__.py", "."])
def test_code_that_others_can_write_is_not_run(module: Path, name: str) -> None:
    os.chown(module / name, OTHER, OTHER)
    (module / name).touch()
    with pytest.raises(ConfigError, match=f"is not imported: .*belongs to {OTHER}"):
        processors.load("owned_plugin.code:process")
    assert "owned_plugin.code" not in sys.modules
    os.chown(module / name, 0, 0)
    assert processors.load("owned_plugin.code:process").__name__ == "process"


def test_the_state_directory_is_closed_to_others(tmp_path: Path) -> None:
    told: list[str] = []
    events = Events(lambda _level, name, fields: told.append(f"{name} {fields}"))
    state = tmp_path / "state"
    before = os.umask(0)
    try:
        CheckpointStore.open(state, events).close()
        assert {entry.stat().st_mode & 0o777 for entry in state.iterdir()} == {0o600}
        assert state.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)
    assert not told
    for entry in state.iterdir():
        entry.chmod(0o644)
    state.chmod(0o777)
    CheckpointStore.open(state, events).close()
    assert {entry.stat().st_mode & 0o777 for entry in state.iterdir()} == {0o600}
    assert "everybody can write; chmod go-w" in told[0]
