"""The keys of who the brokers are and who we are: the short forms of the client's many properties. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from shipper.config import checks
from shipper.config.keys import Key, Misfit
from shipper.config.kinds import Choice, Mistake, Text

SYSTEM = "system"  # the authorities that this machine trusts
OAUTH = "OAUTHBEARER"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", OAUTH)


def authorities(value: str, source: str) -> Iterator[Mistake]:
    """Hold it to be a file, or this machine's own."""
    if value != SYSTEM:
        yield from file(value, source)


def file(value: str, _source: str) -> Iterator[Mistake]:
    """Hold it to be an absolute path, where it is given."""
    yield from checks.absolute(value, "/etc/shipper/")


class TlsConfig(msgspec.Struct, frozen=True):
    """``tls``: what is said to the brokers is encrypted, and their certificates are checked."""

    ca: Annotated[
        str,
        Key(
            Text(),
            'A PEM file with the authorities that sign the brokers\' certificates. "system": those of this machine.',
            authorities,
            example='"/etc/shipper/ca.pem"',
        ),
    ]
    certificate: Annotated[
        str,
        Key(Text(may_be_empty=True), "Where brokers ask who comes (mutual TLS): our certificate, a PEM file.", file),
    ] = ""
    key: Annotated[str, Key(Text(may_be_empty=True), "The key of that certificate, a PEM file.", file)] = ""
    key_password: Annotated[
        str, Key(Text(may_be_empty=True), "The password of that key, where it has one.", secret=True)
    ] = ""

    def __repr__(self) -> str:
        """Leave the password out."""
        return f"TlsConfig(ca={self.ca!r}, certificate={self.certificate!r})"


class SaslConfig(msgspec.Struct, frozen=True):
    """``sasl``: who we are."""

    mechanism: Annotated[
        str,
        Key(
            Choice(MECHANISMS),
            "How we say it. PLAIN sends the password itself, so only with tls. OAUTHBEARER asks for a token.",
            example='"SCRAM-SHA-512"',
        ),
    ]
    username: Annotated[str, Key(Text(may_be_empty=True), "With PLAIN and SCRAM.")] = ""
    password: Annotated[str, Key(Text(may_be_empty=True), "With PLAIN and SCRAM.", secret=True)] = ""
    token_url: Annotated[
        str, Key(Text(may_be_empty=True), "With OAUTHBEARER: where a token is given for client_id and client_secret.")
    ] = ""
    client_id: Annotated[str, Key(Text(may_be_empty=True), "With OAUTHBEARER.")] = ""
    client_secret: Annotated[str, Key(Text(may_be_empty=True), "With OAUTHBEARER.", secret=True)] = ""
    scope: Annotated[str, Key(Text(may_be_empty=True), "With OAUTHBEARER: what the token is asked for.")] = ""

    def __repr__(self) -> str:
        """Leave the secrets out."""
        return f"SaslConfig(mechanism={self.mechanism!r}, username={self.username!r}, client_id={self.client_id!r})"


def tls_misfits(tls: Any) -> Iterator[Misfit]:
    """Yield what does not fit together in ``tls``."""
    if tls.certificate and not tls.key:
        yield Misfit("certificate", 'needs its key; write key = "/etc/shipper/shipper.key"')
    for name in ("key", "key_password"):
        if getattr(tls, name) and not tls.certificate:
            yield Misfit(name, 'means nothing without certificate; write certificate = "/etc/shipper/shipper.pem"')


_OF_PASSWORDS, _OF_TOKENS = ("username", "password"), ("token_url", "client_id", "client_secret")
_EXAMPLES = {
    "username": '"shipper"',
    "password": '"${credential:kafka-password}"',
    "token_url": '"https://login.example.com/oauth2/token"',
    "client_id": '"shipper"',
    "client_secret": '"${credential:kafka-secret}"',
}


def sasl_misfits(sasl: Any) -> Iterator[Misfit]:
    """Yield what does not fit together in ``sasl``: each mechanism has keys of its own."""
    tokens = sasl.mechanism == OAUTH
    needed, other = (_OF_TOKENS, _OF_PASSWORDS) if tokens else (_OF_PASSWORDS, (*_OF_TOKENS, "scope"))
    for name in needed:
        if not getattr(sasl, name):
            yield Misfit(name, f"is missing; {sasl.mechanism} needs it: write {name} = {_EXAMPLES[name]}")
    for name in other:
        if getattr(sasl, name):
            yield Misfit(name, f'means nothing with mechanism = "{sasl.mechanism}"; leave it out')


def kafka_misfits(values: Any) -> Iterator[Misfit]:
    """Yield what does not fit together in ``values``, those of ``[kafka]`` that are right by themselves."""
    sasl = values.get("sasl")
    encrypted = values.get("tls") or values.get("properties", {}).get("security.protocol", "").lower() == "sasl_ssl"
    if sasl is not None and sasl.mechanism == "PLAIN" and not encrypted:
        found = "PLAIN would send the password for all to read"
        yield Misfit("sasl", f'{found}; write tls = {{ ca = "system" }}, or another mechanism')
