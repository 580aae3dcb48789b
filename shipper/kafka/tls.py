"""Says why a broker's certificate is not accepted: the client only says that it is not.

It makes a connection of its own, with the same trust, and lets Python's TLS say what is wrong. Blocks up to its
time-out, so only the probe's thread and ``shipper check`` call it. Nothing is raised.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Mapping
from typing import Any

UNTRUSTED = "certificate verify failed"  # in the client's words
_EXPIRED, _NOT_YET, _HOST, _ADDRESS = 10, 9, 62, 64  # X509_V_ERR_* of OpenSSL


def why_untrusted(address: str, settings: Mapping[str, Any], timeout: float) -> str:
    """Return why the certificate of the broker at ``address`` (host:port) is not accepted; "" if that is not known."""
    host, _, port = address.rpartition(":")
    try:
        context = _trust(settings)
        with socket.create_connection((host.strip("[]"), int(port)), timeout) as plain:
            context.wrap_socket(plain, server_hostname=host.strip("[]")).close()
    except ssl.SSLCertVerificationError as refused:
        return _words(refused, host)
    except (OSError, ValueError):
        return ""
    return ""


def _trust(settings: Mapping[str, Any]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = str(settings.get("ssl.endpoint.identification.algorithm", "https")) != "none"
    location, pem = settings.get("ssl.ca.location"), settings.get("ssl.ca.pem")
    if location and location != "probe":
        context.load_verify_locations(**{"capath" if os.path.isdir(location) else "cafile": location})
    elif pem:
        context.load_verify_locations(cadata=pem)
    else:
        context.load_default_certs()
    return context


def _words(refused: ssl.SSLCertVerificationError, host: str) -> str:
    if refused.verify_code == _EXPIRED:
        return "the broker's certificate has expired; renew it there (or this machine's clock is wrong)"
    if refused.verify_code == _NOT_YET:
        return "the broker's certificate is not valid yet; is this machine's clock right?"
    if refused.verify_code in (_HOST, _ADDRESS):
        return (
            f"the broker's certificate is not for {host}; use a name that it has in kafka.bootstrap_servers and in the "
            "broker's advertised.listeners"
        )
    return (
        f"the broker's certificate is not trusted ({refused.verify_message}); "
        'kafka.properties."ssl.ca.location" must name the authority that signed it'
    )
