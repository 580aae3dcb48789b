"""The instance's name: the configured one, or one that is the same at every start and on no other machine."""

from __future__ import annotations

from pathlib import Path

from shipper.config import ShipperConfig
from shipper.instance import instance_of


def test_it_follows_from_the_machine_and_the_state_directory(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.write_text("0123456789abcdef\n")
    there.write_text("fedcba9876543210\n")
    one, two = ShipperConfig(Path("/a")), ShipperConfig(Path("/b"))
    assert instance_of(one, here) == instance_of(one, here)
    assert len({instance_of(one, here), instance_of(two, here), instance_of(one, there)}) == 3
    assert "0123456789abcdef" not in instance_of(one, here)
    assert instance_of(one, tmp_path / "none") != instance_of(two, tmp_path / "none")


def test_what_is_configured_counts(tmp_path: Path) -> None:
    assert instance_of(ShipperConfig(Path("/a"), instance="web-1"), tmp_path) == "web-1"
