"""From a line to what is sent. Pure, but for what a step says of itself; knows neither files nor Kafka.

- ``naming``: from templates to topic, key and headers
- ``stage``: all steps for the events of one read, in their order; ``steps``: which of them a source asks for
- ``record``: what a step is given and gives
"""

from shipper.records.naming import (
    CURSOR,
    FILE_ID,
    OFFSET,
    PART,
    PROVENANCE_BYTES,
    PROVENANCE_OVERHEAD,
    RECORD,
    Naming,
    part_headers,
    provenance_headers,
)
from shipper.records.record import Given, Record
from shipper.records.shaped import Shaped
from shipper.records.stage import Stage

__all__ = [
    "CURSOR",
    "FILE_ID",
    "OFFSET",
    "PART",
    "PROVENANCE_BYTES",
    "PROVENANCE_OVERHEAD",
    "RECORD",
    "Given",
    "Naming",
    "Record",
    "Shaped",
    "Stage",
    "part_headers",
    "provenance_headers",
]
