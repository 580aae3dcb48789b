"""What all kinds of sources have in common, whatever they read.

- ``protocol``: a source as the pump sees it, and what it reads from as sending and delivery see that
- ``base``: of what the pump asks of a source, what all of them do alike
- ``sending``: what goes to the client together, what waits or goes alone
- ``delivery``: what became of what was sent, and what is sent again
- ``schedule``, ``pace``, ``rate``, ``stride``: who is looked at when, and how much may be in flight, sent in a second,
  read in one turn

A kind of source is a package of its own beside this one, and knows nothing of the other kinds.
"""

from shipper.source.base import BaseSource
from shipper.source.protocol import UNSAVED, Batch, FirstScanStore, Keeper, Problem, Source, Stream

__all__ = ["UNSAVED", "BaseSource", "Batch", "FirstScanStore", "Keeper", "Problem", "Source", "Stream"]
