"""TLS, SASL and access control, in the short forms of the configuration: what is right works, what is wrong is told.

What follows from a fault while the daemon runs is in ``test_errors``.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported, but not by its types
    AclOperation,
    ResourceType,
)

from tests.harness.rig import Rig
from tests.harness.secure import STORE_PASSWORD, USER, Certificate, SecureBroker

SECRET = "geheim-47110815"


@pytest.fixture
def rig(secure: SecureBroker, topic: str, tmp_path: Path) -> Iterator[Rig]:
    secure.create_topic(topic, 1)
    made = Rig(tmp_path, secure.listeners["BOTH"], topic, read_from=secure.bootstrap)
    yield made
    made.close()
    secure.set_password("right")
    secure.revoke_all()


@pytest.fixture
def tokens() -> Iterator[str]:
    """Return where tokens are given, to whoever knows the secret."""

    class Office(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked = base64.b64decode(self.headers["Authorization"].partition(" ")[2]).decode()
            known = asked == f"{USER}:{SECRET}"
            now = int(time.time())
            claims = {"sub": USER, "iat": now, "exp": now + 600}
            parts = [base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in ({"alg": "none"}, claims)]
            token = (b".".join(parts) + b".").decode()
            body = json.dumps({"access_token": token} if known else {"error": "invalid_client"}).encode()
            self.send_response(200 if known else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Office) as server:
        thread = threading.Thread(target=server.serve_forever, name="tokens")
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/token"
        server.shutdown()
        thread.join()


def ask(rig: Rig, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `shipper check` on the rig's configuration."""
    command = [sys.executable, "-m", "shipper", "check", "-c", str(rig.configure()), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def ways(secure: SecureBroker, tokens: str) -> Mapping[str, tuple[str, dict[str, Any]]]:
    """Return each way in: a listener, and what the configuration says of it."""
    tls = {"ca": str(secure.certificate.pem)}
    mine = {"certificate": str(secure.client.pem), "key": str(secure.client.key()), "key_password": STORE_PASSWORD}
    password = {"username": USER, "password": "right"}
    token = {"token_url": tokens, "client_id": USER, "client_secret": SECRET}
    return {
        "tls": ("TLS", {"tls": tls}),
        "mutual": ("MUTUAL", {"tls": tls | mine}),
        "scram-256": ("SASL", {"sasl": {"mechanism": "SCRAM-SHA-256", **password}}),
        "scram-512": ("BOTH", {"tls": tls, "sasl": {"mechanism": "SCRAM-SHA-512", **password}}),
        "plain": ("BOTH", {"tls": tls, "sasl": {"mechanism": "PLAIN", **password}}),
        "oauth": ("BOTH", {"tls": tls, "sasl": {"mechanism": "OAUTHBEARER", **token}}),
    }


@pytest.mark.parametrize("way", ["tls", "mutual", "scram-256", "scram-512", "plain", "oauth"])
def test_every_way_in(secure: SecureBroker, rig: Rig, tokens: str, way: str) -> None:
    listener, settings = ways(secure, tokens)[way]
    secure.allow_topic(rig.topic)
    if way == "mutual":
        secure.allow_topic(rig.topic, who=f"CN={USER}")
    rig.kafka |= {"bootstrap_servers": secure.listeners[listener], **settings}
    checked = ask(rig, "--connect")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    rig.log().write(100)
    rig.start()
    rig.delivered()
    rig.daemon.stop()


@pytest.mark.parametrize(
    ("way", "change", "words"),
    [
        ("scram-512", {"sasl": {"password": SECRET}}, "the credentials were refused"),
        ("plain", {"sasl": {"password": SECRET}}, "the credentials were refused"),
        ("oauth", {"sasl": {"client_secret": SECRET[::-1]}}, "kafka.sasl"),
        ("tls", {"tls": {"ca": "stranger"}}, "the broker's certificate is not trusted"),
        ("mutual", {"tls": {"certificate": "", "key": "", "key_password": ""}}, "see kafka.tls: certificate and key"),
        ("mutual", {"tls": {"key_password": SECRET}}, "kafka.tls.key_password"),
        ("tls", {"tls": {"ca": "/nowhere/ca.pem"}}, "/nowhere/ca.pem"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_change(
    secure: SecureBroker, rig: Rig, tokens: str, tmp_path: Path, way: str, change: dict[str, Any], words: str
) -> None:
    listener, settings = ways(secure, tokens)[way]
    if change.get("tls", {}).get("ca") == "stranger":
        change = {"tls": {"ca": str(Certificate(tmp_path, "stranger").pem)}}
    secure.allow_topic(rig.topic)
    rig.kafka |= {"bootstrap_servers": secure.listeners[listener]}
    rig.kafka |= {name: settings[name] | change.get(name, {}) for name in settings}
    checked = ask(rig, "--connect")
    told = checked.stdout + checked.stderr
    assert checked.returncode == 1, told
    assert words in told
    assert SECRET not in told
    assert SECRET[::-1] not in told
    assert "Traceback" not in told


def test_a_right_that_is_missing_is_named(secure: SecureBroker, rig: Rig, tokens: str) -> None:
    listener, settings = ways(secure, tokens)["scram-512"]
    rig.kafka |= {"bootstrap_servers": secure.listeners[listener], **settings}
    secure.allow(ResourceType.TOPIC, rig.topic, AclOperation.DESCRIBE)
    checked = ask(rig, "--connect")
    assert checked.returncode == 1, checked.stdout
    assert "Write" in checked.stdout


def test_no_secret_is_ever_shown(secure: SecureBroker, rig: Rig, tokens: str) -> None:
    listener, settings = ways(secure, tokens)["scram-512"]
    rig.shipper["log_level"] = "debug"
    rig.kafka |= {"bootstrap_servers": secure.listeners[listener], **settings}
    rig.kafka["sasl"] = settings["sasl"] | {"password": SECRET}
    rig.kafka_properties = {"ssl.keystore.password": SECRET, "debug": "security,protocol"}
    rig.log().write(1)
    daemon = rig.start()
    daemon.wait_for("brokers.away")
    status = subprocess.run(
        [sys.executable, "-m", "shipper", "status", "--json", "-c", str(rig.config)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "credentials" in status.stdout, status.stdout + status.stderr
    shown = ask(rig, "--print")
    assert 'mechanism = "SCRAM-SHA-512"' in shown.stdout
    daemon.stop()
    for told in ("\n".join(daemon.output), status.stdout, status.stderr, shown.stdout, shown.stderr):
        assert SECRET not in told
        assert base64.b64encode(SECRET.encode()).decode() not in told
