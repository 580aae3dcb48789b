"""One configured source of files, from what discovery saw to chunks that are handed to the client.

- ``source``: whose turn it is to be read; reads and sends
- ``sightings``: what discovery saw, taken in
- ``endings``: how a file ends
- ``delivery``: what became of what was sent, and what is sent again
- ``census``: the files that are known, under which id and name, and what of that is saved
- ``intake``: what unknown files are; ``identify`` judges by content
- ``undecided``: files of which nothing can be said yet, and when each is looked at again
- ``lineage``: the generations of one path, in order
- ``firstscan``: where each file begins that is there at the very first look
- ``schedule``, ``pace``: who is looked at when, and how much may be in flight after a refusal
- ``descriptors``: how many files may be open
- ``holding``: files that are held open while it is not known yet where each source stands
- ``tools``: what all sources share
"""

from shipper.filesource.source import FileSource
from shipper.filesource.tools import Tools

__all__ = ["FileSource", "Tools"]
