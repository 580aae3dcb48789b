"""One generation of one file: what is known of it, its bytes, its lines.

:class:`Generation` is what is known of it and saved, :class:`Reading` adds its bytes, verified as they are read, and
:class:`Tailer` its lines. Pump thread only.
"""

from shipper.tailer.batch import Batch
from shipper.tailer.lines import BLOCK, MAX_LINES, SOME, Tailer
from shipper.tailer.reading import ContentChanged, Place

__all__ = ["BLOCK", "MAX_LINES", "SOME", "Batch", "ContentChanged", "Place", "Tailer"]
