"""What differs between two configurations, and what that asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from shipper import changes
from shipper.changes import Changes
from shipper.config import Config, load

BASE = """
[shipper]
state_dir = "ROOT"
[kafka]
bootstrap_servers = "localhost:9092"
[kafka.properties]
"sasl.password" = "secret-one"
[admin]
listen = ""
[sources.a]
paths = ["/log/a/*.log"]
topic = "a"
exclude_lines = ['^#']
redact = [{ pattern = '\\d{16}', replace = "*" }]
multiline = { start = '^\\d' }
[sources.b]
paths = ["/log/b/*.log"]
topic = "b"
"""

Read = Callable[[str], Config]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_(text: str) -> Config:
        (tmp_path / "shipper.toml").write_text(text.replace("ROOT", str(tmp_path)))
        return load(tmp_path / "shipper.toml", {})

    return read_


def test_the_same_configuration_read_again_asks_for_nothing(read: Read) -> None:
    found = changes.between(read(BASE), read(BASE))
    assert not found
    assert found.words() == "nothing differs"


@pytest.mark.parametrize(
    ("old", "new", "asks", "words"),
    [
        ("[sources.b]", "[sources.c]", Changes(added=("c",), removed=("b",)), "source c added; source b removed"),
        (
            'topic = "b"',
            'topic = "c"\nkey = "{path}"',
            Changes(changed={"b": ("key", "topic")}),
            "source b changed (key, topic)",
        ),
        ("'^#'", "'^;'", Changes(changed={"a": ("exclude_lines",)}), "source a changed (exclude_lines)"),
        (
            "secret-one",
            "secret-two",
            Changes(kafka=("properties",)),
            "kafka changed (properties)",
        ),
        (
            "[kafka]",
            'log_level = "debug"\nscan_interval = "5s"\n[kafka]',
            Changes(shipper=("log_level", "scan_interval")),
            "shipper changed (log_level, scan_interval)",
        ),
        ('listen = ""', 'listen = "127.0.0.1:9600"', Changes(admin=("listen",)), "admin changed (listen)"),
    ],
)
def test_what_differs_is_named_and_no_value_is_told(read: Read, old: str, new: str, asks: Changes, words: str) -> None:
    found = changes.between(read(BASE), read(BASE.replace(old, new)))
    assert found == asks
    assert found.words() == words
    assert "secret" not in words
    assert found.client == bool(asks.kafka)
    assert not found.restart


def test_what_needs_a_restart_is_said(read: Read, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    found = changes.between(read(BASE), read(BASE.replace("ROOT", 'ROOT/other"\ninstance = "i')))
    assert found.restart == (
        "shipper.instance: i was ; restart to change it",
        f"shipper.state_dir: {tmp_path / 'other'} was {tmp_path}; restart to change it",
    )


def test_renewed_certificates_ask_for_a_new_client(read: Read) -> None:
    found = changes.between(read(BASE), read(BASE), renewed=True)
    assert found.client
    assert found.words() == "files that kafka names renewed"
