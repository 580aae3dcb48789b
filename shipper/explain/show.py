"""An answer as a person reads it, and as JSON. Pure. Control characters of names are escaped."""

from __future__ import annotations

import json
from collections.abc import Iterator

from shipper.explain import Answer
from shipper.explain.fate import Fate
from shipper.model import show_path

LABEL = 14  # columns


def as_text(answer: Answer) -> str:
    """Return what is to be said as lines, the verdict first."""
    rows = [row for n, fate in enumerate(answer.fates) for row in ([("", "")] if n else []) + list(_rows(fate))]
    if len(answer.fates) > 1:
        rows.append(("", ""))
    rows += [("why" if answer.fates else "not shipped" if not n else "", why) for n, why in enumerate(answer.why)]
    rows += [("note", note) for note in answer.notes]
    return "\n".join([show_path(answer.path), *(f"  {label:<{LABEL}}{text}".rstrip() for label, text in rows)])


def as_json(answer: Answer) -> str:
    """Return the same as one object. Paths and keys are as a person sees them; offsets and sizes are bytes."""
    return json.dumps(
        {
            "path": show_path(answer.path),
            "shipped": answer.shipped,
            "sources": [
                {
                    "source": fate.source,
                    "shipped": fate.shipped,
                    "state": fate.state,
                    "why": fate.why,
                    "path": show_path(fate.path),
                    "seen_as": show_path(fate.seen_as),
                    "generation": fate.generation,
                    "start": fate.start,
                    "offset": fate.offset,
                    "size": fate.size,
                    "topic": fate.topic,
                    "key": show_path(fate.key),
                    "notes": list(fate.notes),
                }
                for fate in answer.fates
            ],
            "why": answer.why,
            "notes": answer.notes,
        },
        ensure_ascii=False,
    )


def _rows(fate: Fate) -> Iterator[tuple[str, str]]:
    known_as = f", as {show_path(fate.path)}" if fate.path and fate.path != fate.seen_as else ""
    generation = f", generation {fate.generation:,}" if fate.generation else ""
    yield "shipped" if fate.shipped else "not shipped", f'by source "{fate.source}"{known_as}{generation}'
    if fate.offset is not None:
        of = f" of {fate.size:,}" if fate.size is not None else ""
        packed = " (decompressed)" if fate.size is None else ""
        yield "acknowledged", f"{fate.offset:,}{of} bytes{packed}"
    yield "state" if fate.shipped else "why", fate.why
    if fate.topic:
        yield "topic", f"{fate.topic}, key {show_path(fate.key)}"
    for note in fate.notes:
        yield "note", note
