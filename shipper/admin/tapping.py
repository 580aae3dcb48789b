"""The answer to ``/tap``: opens a tap when it is asked for the first time by a name, and fetches from it ever after.

``/tap?id=NAME&source=NAME&key=PATTERN&rate=N``. Called by the server's thread; the pump opens its side in between.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import msgspec

from shipper.errors import StatusError
from shipper.status import Status
from shipper.tap import MOST_RATE, Gathered, Taps, Wish


class TapApp:
    """Lets taps be opened and fetched from."""

    def __init__(self, taps: Taps) -> None:
        self._taps = taps

    def fetch(self, environ: dict[str, Any]) -> bytes | None:
        """Return what a tap has gathered; None where there is none of its name."""
        gathered = self._taps.fetch(_query(environ).get("id", ""))
        return None if gathered is None else msgspec.json.encode(gathered)

    def open(self, environ: dict[str, Any]) -> str:
        """Open a tap; returns what is wrong with the question, or ""."""
        query = _query(environ)
        if not query.get("id"):
            return "a tap needs an id\n"
        try:
            wish = msgspec.convert({k: v for k, v in query.items() if k != "id"}, Wish, strict=False)
            if not 1 <= wish.rate <= MOST_RATE:
                return f"rate: write a number from 1 to {MOST_RATE}\n"
            self._taps.open(query["id"], wish)
        except (msgspec.ValidationError, StatusError) as error:
            return f"{error}\n"
        return ""

    def opened(self, environ: dict[str, Any], status: Status) -> tuple[str, bytes]:
        """Return how the sources stand that a new tap is about, as its first answer; else what is wrong."""
        query = _query(environ)
        name = query.get("source", "")
        said = [f"{one.name}: {one.problem or one.state}" for one in status.sources if name in ("", one.name)]
        if not said:
            self._taps.close(query["id"])
            there = ", ".join(one.name for one in status.sources)
            return "404 Not Found", f'there is no source "{name}"; those that there are: {there}\n'.encode()
        return "", msgspec.json.encode(Gathered([], 0, 0, said))


def _query(environ: dict[str, Any]) -> dict[str, str]:
    return dict(parse_qsl(environ.get("QUERY_STRING", "")))
