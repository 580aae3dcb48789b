"""What libraries say, by Python's ``logging`` and ``warnings``, is told as events: in one form, and never a flood."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from shipper.events import Events

LEVELS = ((logging.ERROR, "error"), (logging.WARNING, "warning"))


class _Ear(logging.Handler):
    """Hands on what is logged; any thread."""

    def __init__(self, events: Events) -> None:
        super().__init__(logging.WARNING)
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        """Tell of one record."""
        try:
            text = record.getMessage().strip()
            if record.exc_info and record.exc_info[1] is not None:
                text += f": {type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        except Exception as error:  # a library's own mistake
            text = f"{record.msg!r} cannot be written: {error}"
        level = next((level for least, level in LEVELS if record.levelno >= least), "info")
        self._events.library_said(level, record.name, text)


@contextmanager
def listening(events: Events) -> Iterator[None]:
    """Tell of what libraries log, from WARNING on, and of warnings, while it lasts."""
    ear, root = _Ear(events), logging.getLogger()
    root.addHandler(ear)
    logging.captureWarnings(True)  # noqa: FBT003 - the library's signature
    try:
        yield
    finally:
        logging.captureWarnings(False)  # noqa: FBT003 - the library's signature
        root.removeHandler(ear)
