"""From the bytes of a file to events, each of which becomes one record; see ``framer``. Pure.

``lines`` finds the lines of bytes that are passed on as they are, ``encodings`` those of other ones; ``multiline`` and
``partials`` say which of them belong together.
"""

from shipper.framing.encodings import Text
from shipper.framing.framer import Cut, Framer
from shipper.framing.lines import cut, parts, starts

__all__ = ["Cut", "Framer", "Text", "cut", "parts", "starts"]
