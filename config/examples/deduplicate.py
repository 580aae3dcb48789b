#!/usr/bin/env python3
"""Prints the lines of topics that shipper fills with ``provenance = "headers"``, each once, whatever comes twice.

    python deduplicate.py BOOTSTRAP_SERVERS TOPIC…

After a kill the daemon sends some lines again. A line is told by the headers of its record: the file id, which every
generation of a file has for itself, the offset of the line's first byte and, of a line in parts, the part's number.
Why little has to be remembered, for each partition:

- All lines of a file have one key (where the key asks for no fields), so they are in one partition, and they arrive in
  the order of the file. So what is beyond the highest offset of its file is new, and what is not has been seen ...
- ... except where something was left out: a record that was refused is sent again later (`shipper deadletter replay`,
  or the daemon itself behind what had been queued after it). So the gaps are remembered too; there are few or none.

What the program remembers has to be kept together with what it makes of the lines: a consumer that stores both in one
transaction sees each line exactly once over its own restarts as well. This one only prints, and starts at the
beginning. (With `kafka.delivery = "exactly_once"` and `isolation.level=read_committed` nothing of this is needed.)
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer

SURE = 8  # lines of a file that seem to end with two bytes, before that is believed: empty lines may be missing

Place = tuple[int, int]  # in a file: the offset of a line, and the part of it (0 for a whole line)


class File:
    """What has arrived of one file in one partition: all up to the highest place, but for the gaps."""

    def __init__(self) -> None:
        self.highest: Place = (-1, 0)
        self.end = -1  # where the highest line ends, but for its line end
        self.line_end = 0  # bytes of a line end, 1 or 2; 0: not known yet
        self.seem_two = 0  # lines that seem to end with two
        self.gaps: list[tuple[Place, Place]] = []  # between two places that have arrived, both not included

    def take(self, place: Place, size: int) -> bool:
        """Note a record of ``size`` bytes; return whether it is new."""
        if place > self.highest:
            if not self._follows(place):
                self.gaps.append((self.highest, place))
            self.end = size + (self.end if place[1] > 1 else place[0])
            self.highest = place
            return True
        for index, (low, high) in enumerate(self.gaps):
            if low < place < high:
                self.gaps[index : index + 1] = [(low, place), (place, high)]
                return True
        return False

    def _follows(self, place: Place) -> bool:
        """Whether nothing can be between the highest place and this one; in doubt, there may be."""
        offset, part = place
        if part > 1:
            return self.highest == (offset, part - 1)
        if self.end < 0:
            return offset == 0
        between = offset - self.end
        if between == 1:
            self.line_end = 1
        elif between == 2 and not self.line_end:
            self.seem_two += 1
            self.line_end = 2 if self.seem_two == SURE else 0
            return False  # it may be an empty line as well, or the last byte of one in parts
        return between == self.line_end


class Seen:
    """What has arrived, by partition and file."""

    def __init__(self) -> None:
        self.files: dict[tuple[str | None, int | None, bytes], File] = {}

    def is_new(self, topic: str | None, partition: int | None, headers: Mapping[str, bytes], size: int) -> bool:
        """Whether a record, whose value has ``size`` bytes, has not been seen yet. One without these headers is new."""
        file_id, offset = headers.get("shipper.file_id"), headers.get("shipper.offset")
        if file_id is None or offset is None:
            return True
        place = int(offset), int(headers.get("shipper.part") or headers.get("shipper.record") or b"0")
        return self.files.setdefault((topic, partition, file_id), File()).take(place, size)


def main(bootstrap_servers: str, *topics: str) -> None:
    """Print until the program is interrupted."""
    settings: dict[str, Any] = {
        "bootstrap.servers": bootstrap_servers,
        "group.id": "deduplicate",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
    }
    consumer = Consumer(settings)
    consumer.subscribe(list(topics))
    seen = Seen()
    try:
        while True:
            for message in consumer.consume(1000, timeout=1.0):
                if message.error():
                    print(message.error(), file=sys.stderr)
                    continue
                topic, partition, value = message.topic(), message.partition(), message.value() or b""
                if seen.is_new(topic, partition, dict(message.headers() or ()), len(value)):
                    sys.stdout.buffer.write(value + b"\n")
            sys.stdout.flush()
    except KeyboardInterrupt:
        pass
    finally:
        consumer.close()


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
