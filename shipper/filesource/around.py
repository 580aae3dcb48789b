"""Looks around a source's directories while something is judged or searched for, and notes what has become of files.

One that is known would else be believed to have the name, or the id, still that a younger one has got. Pump thread
only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from shipper.discovery import rotation
from shipper.filesource.census import Census
from shipper.filesource.lineage import Lineage
from shipper.filesource.reuse import is_still, is_still_left
from shipper.filesource.tools import Tools
from shipper.model import FileId, Seen
from shipper.tailer import Tailer


class Around:
    """What is beside the files of one source."""

    def __init__(self, census: Census, tools: Tools) -> None:
        self._census = census
        self._files = tools.files
        self._descriptors = tools.descriptors
        self._look = tools.look
        self._outlived: list[Tailer] = []  # whose ids are other files' now
        self._grown: list[Tailer] = []  # that are finished, and were seen to have changed

    def seen(self, directories: Iterable[bytes]) -> list[Seen]:
        """Return the files in some directories as they are now, each by all its names; notes nothing."""
        return [one for d in dict.fromkeys(directories) for one in self._look(self._census.source, d).seen]

    def neighbours(self, directories: Iterable[bytes]) -> dict[FileId, Seen]:
        """Return the files in some directories as they are now, having noted which were renamed, or are gone."""
        census = self._census
        directories = dict.fromkeys(directories)
        found = census.choose(self.seen(directories))
        for file_id, one in found.items():
            tailer = census.by_id.get(file_id)
            if tailer is not None and not is_still(self._files, self._descriptors, tailer, one):
                census.unbind(tailer)
                self._outlived.append(tailer)
            elif tailer is not None and tailer.path == one.base and census.sighted(tailer, one):
                census.grew(tailer)
                if tailer.finished:
                    self._grown.append(tailer)
            left = census.left.get(file_id)
            if left is not None and not is_still_left(self._files, left, one):
                census.left.part(left)
        for path in dict.fromkeys(one.base for one in found.values()):
            for tailer in census.lineages[path].gens if path in census.lineages else ():
                there = found.get(tailer.file_id)  # by a name that is none of its path's, perhaps
                if (there is None or there.base != path) and os.path.dirname(tailer.seen_as) in directories:
                    tailer.away = True
        return found

    def outlived(self) -> list[Tailer]:
        """Give away the generations whose ids were found to be other files' now."""
        outlived, self._outlived = self._outlived, []
        return outlived

    def grown(self) -> list[Tailer]:
        """Give away the finished generations that were seen to have changed."""
        grown, self._grown = self._grown, []
        return grown


def relatives(census: Census, one: Seen) -> list[Lineage]:
    """Return the lineages whose bytes a file may hold: by its path, and by what its name is a rotation of.

    Also of a path in another directory: rotated files may be moved elsewhere before they are compressed.
    """
    directory, name = os.path.split(one.path)
    bases = dict.fromkeys([one.base, *(os.path.join(directory, r.base) for r in rotation.readings(name))])
    bases |= dict.fromkeys(path for r in rotation.readings(name) for path in census.namesakes(r.base))
    lineages = [census.lineages[b] for b in bases if b in census.lineages]
    return [r for r in lineages if r.gens or r.past or census.left.of(r.path)]
