from __future__ import annotations

from pathlib import Path
from typing import Any

import confluent_kafka
import pytest

from shipper.config import KafkaConfig
from shipper.config.security import SaslConfig, TlsConfig
from shipper.errors import ConfigError
from shipper.events import Events
from shipper.kafka.producer import try_settings
from shipper.kafka.settings import producer_settings


def settings(**kwargs: Any) -> dict[str, Any]:
    return producer_settings(KafkaConfig(bootstrap_servers="127.0.0.1:1", **kwargs))


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("partitioner", ["murmur2_random", "consistent_random"])
def test_the_client_takes_every_setting(compression: str, partitioner: str) -> None:
    client: Any = confluent_kafka.Producer(settings(compression=compression, partitioner=partitioner, linger=0.0005))
    client.close()


def test_nothing_is_given_up_and_nothing_is_reordered() -> None:
    made = settings()
    assert made["enable.idempotence"] is True
    assert made["acks"] == "all"
    assert made["message.timeout.ms"] == 0
    assert made["retries"] == 2147483647


@pytest.mark.parametrize("allowed", [True, False])
def test_auto_creation_is_what_the_configuration_says(allowed: bool) -> None:
    assert settings(allow_auto_create_topics=allowed)["allow.auto.create.topics"] is allowed


def test_the_users_properties_win() -> None:
    assert settings(properties={"client.id": "mine", "linger.ms": "7"})["client.id"] == "mine"


@pytest.mark.parametrize(
    ("tls", "sasl", "made"),
    [
        (TlsConfig("system"), None, {"security.protocol": "SSL", "ssl.ca.location": "probe"}),
        (
            TlsConfig("/ca", "/c", "/k", "p"),
            SaslConfig("PLAIN", "me", "pw"),
            {
                "security.protocol": "SASL_SSL",
                "ssl.ca.location": "/ca",
                "ssl.certificate.location": "/c",
                "ssl.key.location": "/k",
                "ssl.key.password": "p",
                "sasl.mechanism": "PLAIN",
                "sasl.username": "me",
                "sasl.password": "pw",
            },
        ),
        (
            None,
            SaslConfig("OAUTHBEARER", token_url="https://t", client_id="me", client_secret="s"),
            {
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "OAUTHBEARER",
                "sasl.oauthbearer.method": "oidc",
                "sasl.oauthbearer.token.endpoint.url": "https://t",
                "sasl.oauthbearer.client.id": "me",
                "sasl.oauthbearer.client.secret": "s",
            },
        ),
    ],
)
def test_the_short_forms_of_security(tls: TlsConfig | None, sasl: SaslConfig | None, made: dict[str, str]) -> None:
    found = settings(tls=tls, sasl=sasl)
    assert {name: value for name, value in found.items() if name not in settings()} == made
    assert settings(sasl=sasl, tls=tls, properties={"security.protocol": "X"})["security.protocol"] == "X"


@pytest.mark.parametrize(
    ("content", "keys", "told"),
    [
        (None, ("ca",), "kafka.tls.ca: PATH cannot be read: No such file or directory"),
        ("no pem", ("ca",), "kafka.tls.ca: PATH is no PEM file with certificates"),
        ("no pem", ("certificate", "key"), "kafka.tls.certificate: PATH is no PEM file with certificates"),
    ],
)
def test_a_file_of_tls_that_the_client_does_not_take(
    tmp_path: Path, content: str | None, keys: tuple[str, ...], told: str
) -> None:
    path = tmp_path / "x.pem"
    if content is not None:
        path.write_text(content)
    tls = TlsConfig(**({"ca": "system"} | dict.fromkeys(keys, str(path))))
    with pytest.raises(ConfigError) as error:
        try_settings(KafkaConfig("b:1", tls=tls), Events(lambda *_: None))
    assert str(error.value) == told.replace("PATH", str(path))


@pytest.mark.parametrize("tls", [None, TlsConfig("system")])
def test_a_file_of_a_property_is_told_by_the_key_that_was_written(tls: TlsConfig | None) -> None:
    config = KafkaConfig("b:1", tls=tls, properties={"security.protocol": "SSL", "ssl.ca.location": "/no/such"})
    with pytest.raises(ConfigError) as error:
        try_settings(config, Events(lambda *_: None))
    assert str(error.value) == (
        'kafka.properties."ssl.ca.location": /no/such cannot be read: No such file or directory'
    )


def test_a_backoff_longer_than_its_maximum_is_accepted() -> None:
    made = settings(retry_backoff=5.0, retry_backoff_max=1.0)
    assert made["retry.backoff.max.ms"] == made["retry.backoff.ms"] == 5000
    client: Any = confluent_kafka.Producer(made)
    client.close()


def test_a_property_that_the_client_does_not_know_is_a_mistake_in_the_configuration() -> None:
    with pytest.raises(ConfigError, match=r'^kafka\.properties: No such configuration property: "no\.such"$'):
        try_settings(KafkaConfig("b:1", properties={"no.such": "1"}), Events(lambda *_: None))
