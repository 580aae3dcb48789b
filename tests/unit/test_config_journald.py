"""The keys of a source of the journal."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tomli

from shipper.config import Config, JournalConfig, load, show
from shipper.errors import ConfigError

Load = Callable[[str], Config]


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    def load_it(text: str) -> Config:
        (tmp_path / "c.toml").write_text(
            f'[shipper]\nstate_dir = "/s"\n[kafka]\nbootstrap_servers = "x:1"\n[sources.j]\ntype = "journald"\n{text}'
        )
        return load(tmp_path / "c.toml", {})

    return load_it


def test_a_topic_is_enough(loaded: Load) -> None:
    config = loaded('topic = "t"')
    assert config.sources == {"j": JournalConfig(name="j", topic="t")}
    assert config.of_files == {}
    assert config.sources["j"].key == "{host}:{field._SYSTEMD_UNIT|field.SYSLOG_IDENTIFIER}"


def test_what_is_shown_loads_again(loaded: Load, tmp_path: Path) -> None:
    config = loaded(
        'topic = "t"\nunits = ["a.service"]\nidentifiers = ["kernel"]\npriority = "err"\nboots = "current"\n'
        'matches = ["_UID=0", "+", "_TRANSPORT=kernel"]\nvalue = "json"\nheaders = { unit = "{field._SYSTEMD_UNIT}" }\n'
        'timestamp = { field = "_SOURCE_REALTIME_TIMESTAMP", format = "epoch_us" }\nnamespace = "+web"\n'
    )
    shown = tomli.loads(show(config))["sources"]["j"]
    assert (shown["type"], shown["matches"]) == ("journald", ["_UID=0", "+", "_TRANSPORT=kernel"])
    (tmp_path / "c.toml").write_text(show(config))
    assert load(tmp_path / "c.toml", {}) == config


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('paths = ["/x"]', 'paths: unknown key; it belongs to a source with type = "file"'),
        ('units = ["nginx*"]', 'units: "nginx*" is a pattern; write whole names, as nginx.service'),
        ('units = ["nginx.servce"]', 'units: "nginx.servce" ends as no unit does; did you mean "nginx.service"?'),
        ('units = ["a/b"]', 'units: "a/b" is no unit\'s name; write one, as nginx.service'),
        ('priority = "warn"', 'priority: "warn" is not '),
        ('matches = ["_uid=0"]', 'matches: "_uid=0" is no match; write FIELD=value, as "_TRANSPORT=kernel"'),
        ('matches = ["+", "_UID=0"]', 'matches: "+" has nothing on one of its sides; write it between two matches'),
        ('matches = ["_UID=0", "+"]', 'matches: "+" has nothing on one of its sides; write it between two matches'),
        ('namespace = "a/b"', 'namespace: "a/b" is no namespace; write a name, "+NAME" for it and the default one'),
        ('directory = "var/log"', 'directory: "var/log" is not an absolute path; write "/var/log"'),
        ('directory = "/j"\nnamespace = "n"', "namespace: means nothing with directory"),
        ('key = "{path}"', "key: {path} is of files; use {field._SYSTEMD_UNIT}, {host} or {source}"),
        ('headers = { p = "{path.app}" }', "headers: {path.app} is of files; use {field._SYSTEMD_UNIT}"),
        (
            'key_fallback = "{field.X}"',
            "key_fallback: {field.X} may not be there; use what is always there",
        ),
        ("multiline = { indented = true }", 'multiline: unknown key; it belongs to a source with type = "file"'),
    ],
)
def test_what_is_wrong(loaded: Load, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(f'topic = "t"\n{text}')
    (found,) = error.value.problems
    assert found.startswith(f"c.toml: sources.j.{problem}")


def test_a_key_of_the_journal_does_not_belong_to_files(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        '[shipper]\nstate_dir = "/s"\n[kafka]\nbootstrap_servers = "x:1"\n'
        '[sources.a]\npaths = ["/x"]\ntopic = "t"\nunits = ["a.service"]\n'
        '[sources.b]\ntype = "${T}"\npaths = ["/x"]\ntopic = "t"\n'
        '[sources.c]\ntype = "journal"\ntopic = "t"\n'
    )
    with pytest.raises(ConfigError) as error:
        load(tmp_path / "c.toml", {"T": "journald"})
    assert error.value.problems == [
        'c.toml: sources.a.units: unknown key; it belongs to a source with type = "journald"',
        "c.toml: sources.b.type: says which keys there are; write it without ${…}",
        'c.toml: sources.c.type: "journal" is not "file" or "journald"; did you mean "journald"?',
    ]
