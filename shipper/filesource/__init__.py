"""One configured source of files, from what discovery saw to chunks that are handed to the client.

What all kinds of sources do alike is in ``shipper.source``.

- ``source``: whose turn it is to be read; reads and sends
- ``sightings``: what discovery saw, taken in
- ``hot``, ``brisk``: files that grow all the time, looked at on a beat and read at once
- ``endings``: how a file ends
- ``keeping``: what follows for a generation from what became of what was sent of it
- ``census``: the files that are known, under which id and name; ``unsaved``: what of that is to be saved
- ``intake``: what unknown files are; ``identify`` judges by content
- ``undecided``: files of which nothing can be said yet, and when each is looked at again
- ``lineage``: the generations of one path, in order; ``namesakes``: paths by their last component
- ``firstscan``: where each file begins that is there at the very first look
- ``descriptors``: how many files may be open
- ``holding``: files that are held open while it is not known yet where each source stands
- ``tools``: what all sources share
"""

from shipper.filesource.source import FileSource
from shipper.filesource.tools import Tools

__all__ = ["FileSource", "Tools"]
