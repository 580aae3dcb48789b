"""The status page: one document with all that it needs in it. Without JavaScript it is what ``status`` prints."""

from __future__ import annotations

import functools
import html
import io
from importlib import resources

from rich.console import Console

from shipper.admin import view
from shipper.status import Status

COLUMNS = 100
PLACE = "<!-- status -->"


def render(status: Status) -> str:
    """Return the document."""
    console = Console(file=io.StringIO(), width=COLUMNS, highlight=False, color_system=None)
    view.show(console, status, None)
    text = console.file.getvalue()  # type: ignore[attr-defined] # the StringIO of above
    return _document().replace(PLACE, html.escape(str(text)))


@functools.cache
def _document() -> str:
    return (resources.files("shipper.admin") / "page.html").read_text("utf-8")
