"""Which configuration is in force, and how what is on disk stands against it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from shipper.config import Config, load
from shipper.config.security import TlsConfig
from shipper.inforce import InForce


def write(root: Path, topic: str = "t") -> Config:
    (root / "shipper.toml").write_text(
        f'[shipper]\nstate_dir = "{root}"\n[kafka]\nbootstrap_servers = "b:1"\n'
        f'[kafka.properties]\n"ssl.ca.location" = "{root}/ca.pem"\n'
        f'[sources.s]\npaths = ["/log/*"]\ntopic = "{topic}"\n'
    )
    return load(root / "shipper.toml", {})


def test_what_is_on_disk_differs_until_it_is_in_force(tmp_path: Path) -> None:
    now = [100.0]
    one = InForce(write(tmp_path), lambda: now[0])
    status = one.status()
    assert (status.files, status.since, status.differs) == ([str(tmp_path / "shipper.toml")], 100.0, False)
    new = write(tmp_path, "another")
    assert one.status().differs
    now[0] = 105.0
    one.accept(new)
    assert (one.status().since, one.status().differs) == (105.0, False)
    assert one.config is new


def test_a_drop_in_that_comes_is_a_difference_too(tmp_path: Path) -> None:
    one = InForce(write(tmp_path))
    (tmp_path / "conf.d").mkdir()
    assert not one.status().differs
    (tmp_path / "conf.d/x.toml").write_text("")
    assert one.status().differs
    (tmp_path / "conf.d/x.toml").unlink()
    assert not one.status().differs


def test_what_was_refused_is_told_until_something_is_accepted(tmp_path: Path) -> None:
    config = write(tmp_path)
    one = InForce(config, lambda: 7.0)
    one.refuse(["kafka.linger: nonsense"])
    assert (one.status().refused_at, one.status().problems) == (7.0, ["kafka.linger: nonsense"])
    one.accept(config)
    assert (one.status().refused_at, one.status().problems) == (0.0, [])


@pytest.mark.parametrize("table", ["properties", "tls"])
def test_a_file_that_kafka_names_is_renewed(tmp_path: Path, table: str) -> None:
    config = write(tmp_path)
    if table == "tls":
        kafka = msgspec.structs.replace(config.kafka, properties={}, tls=TlsConfig(str(tmp_path / "ca.pem")))
        config = msgspec.structs.replace(config, kafka=kafka)
    one = InForce(config)
    assert not one.renewed(config)
    (tmp_path / "ca.pem").write_text("now it is there")
    assert one.renewed(config)
    one.accept(config)
    assert not one.renewed(config)
