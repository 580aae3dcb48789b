"""The JSON Schema of the configuration, for editors; made from the table of keys."""

from __future__ import annotations

from typing import Any

import msgspec

from shipper.config.journald import KINDS
from shipper.config.keys import properties
from shipper.config.types import TABLES


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of ``shipper.toml`` and of its drop-ins.

    Nothing is required in it: what one file lacks, another may hold.
    """
    tables = {name: _table(struct) for name, struct in TABLES.items()}
    tables["sources"] = {
        "type": "object",
        "description": "The sources: what is shipped, and how. A name is part of the identity of its checkpoints.",
        "propertyNames": {"pattern": "^[A-Za-z0-9_.-]+$"},
        "additionalProperties": {
            "type": "object",
            "if": {"properties": {"type": {"const": "journald"}}, "required": ["type"]},
            "then": _table(KINDS["journald"]),
            "else": _table(KINDS["file"]),
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "shipper.toml",
        "description": "The configuration of shipper, which ships log files to Kafka.",
        "type": "object",
        "properties": tables,
        "additionalProperties": False,
    }


def _table(struct: type[msgspec.Struct]) -> dict[str, Any]:
    doc = (struct.__doc__ or "").strip()
    return {"type": "object", "description": doc, "properties": properties(struct), "additionalProperties": False}
