"""What the configuration writes: the schema, the effective values, and the sample that a person starts from."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import tomli

from shipper.config import Config, KafkaConfig, ShipperConfig, load, schema, show
from shipper.config.journald import KINDS
from shipper.config.keys import keys_of
from shipper.config.sources import SourceConfig
from shipper.config.types import TABLES as PLAIN
from shipper.errors import ConfigError
from shipper.events import LEVELS

CONFIG = Path(__file__).parents[2] / "config"
TABLES = {**PLAIN, "sources": KINDS["file"], "journald": KINDS["journald"]}
TEXT = """
[shipper]
state_dir = "/s"
[kafka]
bootstrap_servers = "a:1"
[kafka.properties]
"client.id" = "me"
"sasl.password" = "geheim"
"ssl.key.pem" = "geheim"
"client.rack" = "${file:SECRET}"
[sources.app]
paths = ["/x/$${odd}/\\u00e4\\t\\"*.log"]
topic = "t"
key = "${credential:key}"
"""


def _load(directory: Path, text: str) -> Config:
    (directory / "key").write_text("geheim\n")
    (directory / "shipper.toml").write_text(text.replace("SECRET", str(directory / "key")))
    return load(directory / "shipper.toml", {"CREDENTIALS_DIRECTORY": str(directory)})


def test_secrets_are_masked(tmp_path: Path) -> None:
    shown = show(_load(tmp_path, TEXT))
    assert "geheim" not in shown
    values = tomli.loads(shown)
    assert values["kafka"]["properties"] == {
        "client.id": "me",
        "sasl.password": "****",
        "ssl.key.pem": "****",
        "client.rack": "****",
    }
    assert values["sources"]["app"]["key"] == "****"
    assert values["kafka"]["bootstrap_servers"] == "a:1"


def test_secrets_of_the_short_forms_are_masked(tmp_path: Path) -> None:
    config = _load(
        tmp_path,
        TEXT.replace(
            "[kafka.properties]",
            """
tls = { ca = "system", certificate = "/c.pem", key = "/k.pem", key_password = "geheim" }
sasl = { mechanism = "SCRAM-SHA-512", username = "me", password = "geheim" }
[kafka.properties]""",
        ),
    )
    assert "geheim" not in show(config) + repr(config.kafka)
    kafka = tomli.loads(show(config))["kafka"]
    assert kafka["sasl"] == {"mechanism": "SCRAM-SHA-512", "username": "me", "password": "****"}
    assert kafka["tls"]["key_password"] == "****"


def test_secrets_are_masked_in_what_was_not_loaded() -> None:
    kafka = KafkaConfig("a:1", properties={"sasl.password": "geheim"})
    assert "geheim" not in show(Config(ShipperConfig(Path("/s")), kafka, {}))


def test_what_is_shown_loads_again(tmp_path: Path) -> None:
    text = TEXT.replace("${file:SECRET}", "r$${1}").replace("${credential:key}", "{{$$$$}}")
    config = _load(tmp_path, re.sub(r".*geheim.*\n", "", text))
    assert config.of_files["app"].paths == ('/x/${odd}/ä\t"*.log',)
    assert config.kafka.properties["client.rack"] == "r${1}"
    assert _load(tmp_path, show(config)) == config


def test_a_path_that_is_not_utf_8_can_be_shown(tmp_path: Path) -> None:
    (tmp_path / "shipper.toml").write_text(TEXT.replace("${file:SECRET}", "").replace("${credential:key}", "k"))
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.toml").write_text('[sources.app]\npaths = ["${LOGS}/*.log"]')
    config = load(tmp_path / "shipper.toml", {"LOGS": "/log\udcff"})
    assert config.of_files["app"].paths == ("/log\udcff/*.log",)
    assert tomli.loads(show(config).encode().decode())["sources"]["app"]["paths"] == ["/log\\xff/*.log"]


def test_every_key_is_shown(tmp_path: Path) -> None:
    values = tomli.loads(show(_load(tmp_path, TEXT)))
    for table, found in (*((t, values[t]) for t in ("shipper", "kafka")), ("sources", values["sources"]["app"])):
        assert set(found) == set(keys_of(TABLES[table]))


def _tables() -> dict[str, dict[str, Any]]:
    tables = dict(schema()["properties"])
    source = tables["sources"]["additionalProperties"]
    assert source["if"] == {"properties": {"type": {"const": "journald"}}, "required": ["type"]}
    return {**tables, "sources": source["else"], "journald": source["then"]}


def test_the_schema_has_every_key_with_words_and_default() -> None:
    assert schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(schema())) == schema()
    tables = _tables()
    assert list(tables) == list(TABLES)
    for name, struct in TABLES.items():
        assert tables[name]["additionalProperties"] is False
        assert list(tables[name]["properties"]) == list(keys_of(struct))
        for key, entry in keys_of(struct).items():
            described = tables[name]["properties"][key]
            assert described["description"] == entry.key.doc
            assert ("default" in described) == (not entry.required)


def _accepts(rule: dict[str, Any], value: Any) -> bool:
    """Decide the part of JSON Schema that the schema uses."""
    if "anyOf" in rule:
        return any(_accepts(one, value) for one in rule["anyOf"])
    if "enum" in rule:
        return value in rule["enum"]
    if rule["type"] == "string":
        return (
            isinstance(value, str)
            and len(value) >= rule.get("minLength", 0)
            and bool(re.search(rule.get("pattern", ""), value))
        )
    if rule["type"] == "array":
        return isinstance(value, list) and all(_accepts(rule["items"], item) for item in value)
    if rule["type"] == "number":
        return isinstance(value, int | float) and rule["exclusiveMinimum"] < value <= rule["maximum"]
    kinds = {"integer": int, "boolean": bool, "object": dict}
    return type(value) is kinds[rule["type"]] and (rule["type"] != "integer" or value >= rule["minimum"])


@pytest.mark.parametrize("table", TABLES)
def test_the_schema_takes_the_defaults_and_what_is_put_in(table: str) -> None:
    for key, rule in _tables()[table]["properties"].items():
        if "default" in rule:
            assert _accepts(rule, rule["default"]), key
        if rule.get("type") not in ("array", "object"):
            assert _accepts(rule, "${NAME:-x}"), key


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("shipper", "shutdown_timeout", "30 parsecs"),
        ("shipper", "shutdown_timeout", ""),
        ("shipper", "max_open_files", "5"),
        ("shipper", "max_open_files", -1),
        ("shipper", "state_dir", "x"),
        ("kafka", "compression", "snapy"),
        ("kafka", "max_in_flight", "24M"),
        ("kafka", "allow_auto_create_topics", "yes"),
        ("sources", "paths", "/x"),
    ],
)
def test_the_schema_refuses_what_loading_refuses(table: str, key: str, value: Any) -> None:
    assert not _accepts(_tables()[table]["properties"][key], value)


def test_the_log_levels_are_those_of_the_events() -> None:
    assert tuple(_accepted(_tables()["shipper"]["properties"]["log_level"])) == LEVELS


def _accepted(rule: dict[str, Any]) -> list[str]:
    return next(one["enum"] for one in rule["anyOf"] if "enum" in one)


# The sample


def _uncommented(text: str) -> str:
    """Return the sample with every key that is commented out written out."""
    return re.sub(r'^# (?=[a-z_]+ = |\[|"[a-z.]+" = )', "", text, flags=re.M)


def test_the_sample_loads_with_its_drop_ins() -> None:
    config = load(CONFIG / "shipper.toml", {})
    assert list(config.sources) == ["system", "nginx"]
    assert [path.name for path in config.files] == ["shipper.toml", "nginx.toml"]


def test_the_sample_has_every_key_with_its_default(tmp_path: Path) -> None:
    text = _uncommented((CONFIG / "shipper.toml").read_text())
    values = tomli.loads(text)
    sources = values["sources"]
    shared = set(keys_of(SourceConfig))
    for name, struct in TABLES.items():
        table = {"sources": sources["system"], "journald": sources["journal"]}.get(name) or values[name]
        here = {key for key in keys_of(struct) if name != "journald" or key not in shared or key in table}
        assert set(table) == here, name
        for key, entry in keys_of(struct).items():
            if not entry.required and key != "properties" and key in here:
                assert table[key] == entry.key.kind.write(entry.default), key
    (tmp_path / "shipper.toml").write_text(text)
    assert load(tmp_path / "shipper.toml", {}).kafka.properties == {"client.rack": "cellar"}


def test_the_sample_needs_no_more_than_its_required_values(tmp_path: Path) -> None:
    text = (CONFIG / "shipper.toml").read_text()
    written_out = [line for line in text.splitlines() if line and not line.startswith(("#", "["))]
    assert [line.split(" = ")[0] for line in written_out] == ["bootstrap_servers", "paths", "topic"]
    for line in written_out:
        (tmp_path / "shipper.toml").write_text(text.replace(line, ""))
        with pytest.raises(ConfigError) as error:
            load(tmp_path / "shipper.toml", {})
        assert len(error.value.problems) == 1


@pytest.mark.parametrize("example", sorted((CONFIG / "conf.d").iterdir()), ids=lambda path: path.name)
def test_the_drop_in_examples_load(example: Path, tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "kafka-password").write_text("x")
    (tmp_path / "shipper.toml").write_text((CONFIG / "shipper.toml").read_text())
    (tmp_path / "conf.d" / "it.toml").write_text(_uncommented(example.read_text()))
    config = load(tmp_path / "shipper.toml", {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert len(config.sources) == 2
