"""Who may ask over a port: who names this host as it is, and shows the token where there is one. A WSGI application.

A page of another site that a browser of this machine shows may send requests to the loopback address under a name of
its own (DNS rebinding): such a name is refused.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import socket
from collections.abc import Callable, Iterable
from typing import Any

from shipper.admin.app import StartResponse, answer

Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class Guard:
    """Stands before ``app``; ``host`` is what is listened on, ``token`` "" where none is asked for."""

    def __init__(self, app: Application, host: str, token: str) -> None:
        self._app = app
        self._names = {"localhost", host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}
        self._token = token.encode()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if not self._knows(environ.get("HTTP_HOST", "")):
            said = "this host is asked under a name that is not its own; use its address\n"
            return answer(start_response, "421 Misdirected Request", said)
        if self._token and not hmac.compare_digest(_shown(environ.get("HTTP_AUTHORIZATION", "")), self._token):
            asks = [("WWW-Authenticate", 'Basic realm="shipper", charset="UTF-8"')]
            return answer(start_response, "401 Unauthorized", "admin.token is asked for\n", asks)
        return self._app(environ, start_response)

    def _knows(self, header: str) -> bool:
        host = header.rpartition("]")[0].removeprefix("[") if header.startswith("[") else header.partition(":")[0]
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return host.lower() in self._names
        return True


def _shown(header: str) -> bytes:
    """Return the token that a request shows: as a bearer token, or as the password of any user."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip().encode("utf-8", "replace")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return b""
