"""The answers: ``/status`` as JSON, ``/livez`` and ``/readyz``. A WSGI application, called by the server's threads.

It asks the pump and waits for its answer, which comes with the pump's next round. Nothing can be changed over HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import msgspec

from shipper.lifecycle import Service
from shipper.status import Status

PATIENCE = 5.0  # seconds that the pump may take to answer; a round takes 2 at most, and long looks happen
TEXT, JSON = "text/plain; charset=utf-8", "application/json"

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Asked(Protocol):
    """Who knows: the pump."""

    def status(self, timeout: float) -> Status | None:
        """Return how the daemon stands, or None where no answer came in time."""


class App:
    """The application. ``pump`` gives the pump of now: a reload makes a new one."""

    def __init__(self, pump: Callable[[], Asked]) -> None:
        self._pump = pump

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "/")
        if method not in ("GET", "HEAD"):
            return _answer(start_response, "405 Method Not Allowed", "only GET and HEAD\n", [("Allow", "GET, HEAD")])
        answer = {"/livez": self._livez, "/readyz": self._readyz, "/status": self._status}.get(path)
        if answer is None:
            return _answer(start_response, "404 Not Found", "there is /status, /livez and /readyz\n")
        status = self._pump().status(PATIENCE)
        if status is None:
            said = f"the thread that does the work has not answered for {PATIENCE:.0f} s\n"
            return _answer(start_response, "503 Service Unavailable", said)
        return answer(status, start_response)

    def _livez(self, _status: Status, start_response: StartResponse) -> Iterable[bytes]:
        return _answer(start_response, "200 OK", "alive\n")

    def _readyz(self, status: Status, start_response: StartResponse) -> Iterable[bytes]:
        if status.state == Service.RUNNING:
            return _answer(start_response, "200 OK", "ready\n")
        said = f"{status.state}: {status.trouble}" if status.trouble else status.state
        return _answer(start_response, "503 Service Unavailable", f"{said}\n")

    def _status(self, status: Status, start_response: StartResponse) -> Iterable[bytes]:
        return _answer(start_response, "200 OK", msgspec.json.encode(status), kind=JSON)


def _answer(
    start_response: StartResponse,
    status: str,
    body: str | bytes,
    more: Sequence[tuple[str, str]] = (),
    *,
    kind: str = TEXT,
) -> list[bytes]:
    data = body.encode() if isinstance(body, str) else body
    start_response(status, [("Content-Type", kind), ("Cache-Control", "no-store"), *more])
    return [data]
