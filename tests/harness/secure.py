"""A broker that asks who is there: SASL/SCRAM, TLS and access control lists, all to be changed while it runs.

``SASL`` is a listener with SCRAM users, ``TLS`` one whose certificate a test can replace, ``BOTH`` one with PLAIN,
SCRAM and OAUTHBEARER over TLS, ``MUTUAL`` one that asks who comes for a certificate. Whoever comes without a name,
through the broker's other listeners, may do everything: the test itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported, but not by its types
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.harness.kafka import Broker, java
from tests.harness.wait import DEADLINE

USER = "shipper"
STORE_PASSWORD = "changeit"  # of files that live as long as a test
ANYBODY = "*"


class Certificate:
    """A key and a certificate signed by itself, in ``directory``: a key store for the broker, a PEM file to trust."""

    def __init__(self, directory: Path, name: str, *, host: str = "ip:127.0.0.1", expired: bool = False) -> None:
        self.store, self.pem = directory / f"{name}.p12", directory / f"{name}.pem"
        since, days = ("-3d", "1") if expired else ("-1d", "3650")
        self._keytool(
            *("-genkeypair", "-alias", "broker", "-dname", f"CN={name}", "-keyalg", "EC", "-groupname", "secp256r1"),
            *("-startdate", since, "-validity", days, "-ext", f"san={host}", "-ext", "bc:c"),
        )
        self.pem.write_text(self._keytool("-exportcert", "-alias", "broker", "-rfc"))

    def as_store(self) -> dict[str, object]:
        """Return what a broker's listener needs of it, behind ``ssl.``."""
        return {
            "keystore.type": "PKCS12",
            "keystore.location": self.store,
            "keystore.password": STORE_PASSWORD,
            "key.password": STORE_PASSWORD,
        }

    def key(self) -> Path:
        """Return a PEM file with its key, encrypted with STORE_PASSWORD."""
        path = self.pem.with_suffix(".key")
        command = ["openssl", "pkcs12", "-in", str(self.store), "-nocerts", "-out", str(path)]
        subprocess.run(
            [*command, "-passin", f"pass:{STORE_PASSWORD}", "-passout", f"pass:{STORE_PASSWORD}"],
            check=True,
            capture_output=True,
        )
        return path

    def _keytool(self, *arguments: str) -> str:
        tool = Path(os.path.realpath(java())).with_name("keytool")
        where = ["-keystore", str(self.store), "-storetype", "PKCS12", "-storepass", STORE_PASSWORD]
        done = subprocess.run([tool, *arguments, *where], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


class SecureBroker(Broker):
    """See the module."""

    def __init__(self) -> None:
        self.certificates = Path(tempfile.mkdtemp(prefix="shipper-certificates-"))
        self.certificate, self.client = (Certificate(self.certificates, name) for name in ("right", USER))
        login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        properties = {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "sasl.enabled.mechanisms": "SCRAM-SHA-256",
            "listener.name.sasl.scram-sha-256.sasl.jaas.config": login,
            **{f"listener.name.tls.ssl.{key}": value for key, value in self.certificate.as_store().items()},
            **{
                f"listener.name.{listener}.ssl.{key}": value
                for listener in ("both", "mutual")
                for key, value in self.certificate.as_store().items()
            },
            "listener.name.mutual.ssl.client.auth": "required",
            "listener.name.mutual.ssl.truststore.type": "PEM",
            "listener.name.mutual.ssl.truststore.location": self.client.pem,
            "listener.name.both.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512,OAUTHBEARER",
            "listener.name.both.scram-sha-512.sasl.jaas.config": login,
            "listener.name.both.plain.sasl.jaas.config": "org.apache.kafka.common.security.plain.PlainLoginModule "
            f'required user_{USER}="right";',
            # It takes tokens that nobody has signed.
            "listener.name.both.oauthbearer.sasl.jaas.config": (
                "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;"
            ),
            # A certificate for another host is one of the faults.
            "listener.name.tls.ssl.allow.dn.changes": "true",
            "listener.name.tls.ssl.allow.san.changes": "true",
        }
        try:
            super().__init__(properties, {"SASL": "SASL_PLAINTEXT", "TLS": "SSL", "BOTH": "SASL_SSL", "MUTUAL": "SSL"})
            self.set_password("right")
        except BaseException:
            shutil.rmtree(self.certificates, ignore_errors=True)
            raise

    def close(self) -> None:
        """End everything and remove the data."""
        super().close()
        shutil.rmtree(self.certificates, ignore_errors=True)

    def set_password(self, password: str) -> None:
        """Give the user a password, in place of the one it had."""
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):  # one of a user in a request
            how = ScramCredentialInfo(mechanism, 4096)
            change = UserScramCredentialUpsertion(USER, how, password.encode())
            self.settle(self.admin.alter_user_scram_credentials([change]))

    def show(self, certificate: Certificate) -> None:
        """Have the TLS listener show this certificate from now on."""
        node = ConfigResource(ResourceType.BROKER, "1")
        key = "listener.name.tls.ssl.keystore.location"
        node.add_incremental_config(
            ConfigEntry(key, str(certificate.store), incremental_operation=AlterConfigOpType.SET)
        )
        self.settle(self.admin.incremental_alter_configs([node]))

    def allow(self, kind: ResourceType, name: str, *operations: AclOperation, who: str = USER) -> None:
        """Let the user do this."""
        self.settle(self.admin.create_acls([self._acl(kind, name, operation, who) for operation in operations]))

    def revoke_all(self) -> None:
        """Take everything back."""
        kind, how, operation, effect = (
            ResourceType.ANY,
            ResourcePatternType.ANY,
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        whatever: Any = None  # which its types do not know
        self.settle(
            self.admin.delete_acls([AclBindingFilter(kind, whatever, how, whatever, whatever, operation, effect)])
        )

    def ends(self, topic: str) -> int:
        """Return how many records are in a topic of one partition."""
        first = TopicPartition(topic, 0)
        end: Any = OffsetSpec
        return int(self.admin.list_offsets({first: end.latest()})[first].result(DEADLINE).offset)

    def revoke(self, kind: ResourceType, name: str, *operations: AclOperation) -> None:
        """Take it back."""
        filters = [
            AclBindingFilter(
                kind, name, ResourcePatternType.LITERAL, f"User:{USER}", ANYBODY, operation, AclPermissionType.ALLOW
            )
            for operation in operations
        ]
        self.settle(self.admin.delete_acls(filters))

    def allow_topic(self, *topics: str, who: str = USER) -> None:
        """Let the user do with topics what a daemon does."""
        for topic in topics:
            self.allow(ResourceType.TOPIC, topic, *TOPIC_OPERATIONS, who=who)

    def sasl(self, password: str = "right") -> dict[str, str]:
        """Return the properties of a client that comes with this password."""
        return {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-256",
            "sasl.username": USER,
            "sasl.password": password,
        }

    def tls(self, trusted: Certificate | None = None) -> dict[str, str]:
        """Return the properties of a client that trusts this certificate."""
        return {"security.protocol": "SSL", "ssl.ca.location": str((trusted or self.certificate).pem)}

    @staticmethod
    def _acl(kind: ResourceType, name: str, operation: AclOperation, who: str) -> AclBinding:
        return AclBinding(
            kind, name, ResourcePatternType.LITERAL, f"User:{who}", ANYBODY, operation, AclPermissionType.ALLOW
        )


TOPIC_OPERATIONS: Sequence[AclOperation] = (AclOperation.WRITE, AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS)
