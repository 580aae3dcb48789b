"""The answers: ``/status`` as JSON, ``/metrics``, ``/livez``, ``/readyz``, and a page for people. A WSGI application.

It asks the pump and waits for its answer, which comes with the pump's next round. Nothing can be changed over HTTP.
Called by the server's threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from shipper.admin.tapping import TapApp
from shipper.lifecycle import Service
from shipper.status import MOST_FILES, ConfigStatus, Status
from shipper.tap import Taps

PATIENCE = 5.0  # seconds that the pump may take to answer; a round takes 2 at most, and long looks happen
TEXT, JSON, HTML = "text/plain; charset=utf-8", "application/json", "text/html; charset=utf-8"
FILES = 20  # that have series of their own
METRICS = "text/plain; version=0.0.4; charset=utf-8"
# The page has all that it needs in itself, and asks only where it came from.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Asked(Protocol):
    """Who knows: the pump."""

    def status(self, timeout: float, files: int = MOST_FILES) -> Status | None:
        """Return how the daemon stands, with so many files at most, or None where no answer came in time."""


class App:
    """The application. ``pump`` gives the pump of now, for there may be another one.

    ``in_force`` says how the configuration stands. ``counters`` are those of the events; ``samples`` gives what the
    page draws, and there is no page without; ``taps`` may be looked through, and may not without.
    """

    def __init__(
        self,
        pump: Callable[[], Asked],
        in_force: Callable[[], ConfigStatus],
        counters: Mapping[tuple[str, str], int],
        samples: Callable[[], Sequence[msgspec.Struct]] | None = None,
        taps: Taps | None = None,
    ) -> None:
        self._pump = pump
        self._in_force = in_force
        self._counters = counters
        self._samples = samples
        self._tap = TapApp(taps) if taps is not None else None
        # Each with how many files it tells of: the pump does nothing else while it looks at them.
        self._answers: dict[str, tuple[Callable[[Status, StartResponse], Iterable[bytes]], int]] = {
            "/status": (self._status, MOST_FILES),
            "/metrics": (self._metrics, FILES),
            "/livez": (self._livez, 0),
            "/readyz": (self._readyz, 0),
        }
        if samples is not None:
            self._answers |= {"/": (self._page, MOST_FILES), "/history": (self._history, 0)}

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "/")
        if method not in ("GET", "HEAD"):
            return answer(start_response, "405 Method Not Allowed", "only GET and HEAD\n", [("Allow", "GET, HEAD")])
        tap = self._tap if path == "/tap" else None
        if tap is not None and (known := tap.fetch(environ)) is not None:
            return answer(start_response, "200 OK", known, kind=JSON)  # asked for often: the pump is left alone
        if path not in self._answers and tap is None:
            return answer(start_response, "404 Not Found", f"there is {', '.join(self._answers)}\n")
        if tap is not None and (refused := tap.open(environ)):
            return answer(start_response, "400 Bad Request", refused)
        give, files = self._answers.get(path, (None, 0))
        status = self._pump().status(PATIENCE, files)
        if status is None:
            said = f"the thread that does the work has not answered for {PATIENCE:.0f} s\n"
            return answer(start_response, "503 Service Unavailable", said)
        if tap is not None:
            problem, body = tap.opened(environ, status)
            return answer(start_response, problem or "200 OK", body, kind=TEXT if problem else JSON)
        assert give is not None
        return give(msgspec.structs.replace(status, config=self._in_force()), start_response)

    def _livez(self, _status: Status, start_response: StartResponse) -> Iterable[bytes]:
        return answer(start_response, "200 OK", "alive\n")

    def _readyz(self, status: Status, start_response: StartResponse) -> Iterable[bytes]:
        if status.state == Service.RUNNING:
            return answer(start_response, "200 OK", "ready\n")
        said = f"{status.state}: {status.trouble}" if status.trouble else status.state
        return answer(start_response, "503 Service Unavailable", f"{said}\n")

    def _status(self, status: Status, start_response: StartResponse) -> Iterable[bytes]:
        return answer(start_response, "200 OK", msgspec.json.encode(status), kind=JSON)

    def _history(self, _status: Status, start_response: StartResponse) -> Iterable[bytes]:
        assert self._samples is not None
        return answer(start_response, "200 OK", msgspec.json.encode(self._samples()), kind=JSON)

    def _metrics(self, status: Status, start_response: StartResponse) -> Iterable[bytes]:
        from shipper.admin import metrics  # a few megabytes, for who asks only

        return answer(start_response, "200 OK", metrics.render(status, self._counters), kind=METRICS)

    def _page(self, status: Status, start_response: StartResponse) -> Iterable[bytes]:
        from shipper.admin import page

        more = [("Content-Security-Policy", POLICY), ("X-Frame-Options", "DENY"), ("Referrer-Policy", "no-referrer")]
        return answer(start_response, "200 OK", page.render(status), more, kind=HTML)


def answer(
    start_response: StartResponse,
    status: str,
    body: str | bytes,
    more: Sequence[tuple[str, str]] = (),
    *,
    kind: str = TEXT,
) -> list[bytes]:
    """Begin a response, and return its body."""
    data = body.encode("utf-8", "replace") if isinstance(body, str) else body
    always = [("Content-Type", kind), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
    start_response(status, [*always, *more])
    return [data]
