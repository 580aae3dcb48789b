"""The short forms ``kafka.tls`` and ``kafka.sasl`` as properties of the client, and what is wrong with their files.

Any thread. Only :func:`not_taken` looks at a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from shipper.config import KafkaConfig
from shipper.config.security import OAUTH, SYSTEM, SaslConfig, TlsConfig


def security_settings(config: KafkaConfig) -> dict[str, str]:
    """Return the properties that they stand for; none where neither is there."""
    if config.tls is None and config.sasl is None:
        return {}
    protocol = ("SASL_" if config.sasl else "") + ("SSL" if config.tls else "PLAINTEXT")
    return {"security.protocol": protocol, **_tls(config.tls), **_sasl(config.sasl)}


def _tls(tls: TlsConfig | None) -> dict[str, str]:
    if tls is None:
        return {}
    found = {
        # The client brings its own OpenSSL, which does not know where this machine keeps its authorities.
        "ssl.ca.location": "probe" if tls.ca == SYSTEM else tls.ca,
        "ssl.certificate.location": tls.certificate,
        "ssl.key.location": tls.key,
        "ssl.key.password": tls.key_password,
    }
    return {name: value for name, value in found.items() if value}


def _sasl(sasl: SaslConfig | None) -> dict[str, str]:
    if sasl is None:
        return {}
    if sasl.mechanism != OAUTH:
        return {"sasl.mechanism": sasl.mechanism, "sasl.username": sasl.username, "sasl.password": sasl.password}
    found = {
        "sasl.mechanism": OAUTH,
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.token.endpoint.url": sasl.token_url,
        "sasl.oauthbearer.client.id": sasl.client_id,
        "sasl.oauthbearer.client.secret": sasl.client_secret,
        "sasl.oauthbearer.scope": sasl.scope,
    }
    return {name: value for name, value in found.items() if value}


# A property with a file: the short form's key that sets it.
_FILES = {"ssl.ca.location": "ca", "ssl.certificate.location": "certificate", "ssl.key.location": "key"}
_NOT_LOADED = re.compile(r"(?P<name>ssl\.\w+\.location) failed: ")


def not_taken(says: str, config: KafkaConfig, settings: Mapping[str, Any]) -> tuple[str, str]:
    """Return which key of the configuration the client does not take, and why; ``says`` is its own sentence."""
    found = _NOT_LOADED.search(says)
    if found is None or (key := _FILES.get(found["name"])) is None:
        return "kafka.properties", says
    where, path = _written(config, found["name"], key), str(settings[found["name"]])
    try:
        with open(path, "rb") as file:
            file.read(1)
    except OSError as error:
        return where, f"{path} cannot be read: {error.strerror}"
    password = _written(config, "ssl.key.password", "key_password")
    if key == "key" and settings.get("ssl.key.password"):
        return where, f"{path} is no PEM file with a key that {password} opens"
    if key == "key":
        return where, f"{path} is no PEM file with a key, or it needs {password}"
    return where, f"{path} is no PEM file with certificates"


def _written(config: KafkaConfig, name: str, key: str) -> str:
    """Return by which key of the configuration a property is set, or would be: the client's own ones win."""
    own = config.tls is None or name in config.properties
    return f'kafka.properties."{name}"' if own else f"kafka.tls.{key}"
