"""What an audit found, in words and as JSON: problems first. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from shipper.audit.findings import FileReport, Missing, Report, SourceReport, Tally
from shipper.model import counted, show_path

COLUMNS = {
    "lines": "lines",
    "delivered": "delivered",
    "missing": "missing",
    "doubled": "doubled",
    "out_of_order": "out of order",
    "dead_letters": "dead letters",
    "not_yet_sent": "not yet sent",
    "not_judged": "not judged",
}

ALWAYS = ("lines", "delivered", "missing")  # the other columns are shown where they say something


def as_text(report: Report, *, files: bool) -> str:
    """Return the report for a person; ``files``: with a row for each file."""
    lines = [*_missing(report), _verdict(report.tally), "", *_table(report, files=files)]
    notes = [*_notes(report)]
    return "\n".join([*lines, *([""] if notes else []), *notes])


def as_json(report: Report) -> str:
    """Return the report as one JSON object; paths and lines are as a person sees them."""
    return json.dumps(
        {
            "total": asdict(report.tally),
            "sources": {source.name: _source(source) for source in report.sources},
            "other_records": dict(report.others),
            "notes": report.notes,
            "records_read": report.records,
            "spilled_bytes": report.spilled,
        },
        ensure_ascii=False,
    )


def _source(source: SourceReport) -> dict[str, Any]:
    return {
        **asdict(source.tally),
        "files_gone": source.gone,
        "files_left_alone": source.left,
        "notes": source.notes,
        "files": [
            {
                "path": show_path(file.path),
                "seen_as": show_path(file.seen_as),
                "uid": file.uid,
                "generation": file.generation,
                **asdict(file.tally),
                "missing_lines": [
                    {"path": show_path(m.path), "offset": m.offset, "part": m.part, "begins": show_path(m.beginning)}
                    for m in file.missing
                ],
                "not_judged_because": file.why,
            }
            for file in source.files
        ],
    }


def _missing(report: Report) -> Iterator[str]:
    for source in report.sources:
        if lost := source.tally.missing:
            yield f"{source.name}: {counted(lost, 'line')} missing"
            shown = [one for file in source.files for one in file.missing]
            for one in shown[:10]:
                yield f"  {_line(one)}"
            if lost > len(shown[:10]):
                yield f"  and {lost - len(shown[:10]):,} more"


def _line(one: Missing) -> str:
    part = f", part {one.part}" if one.part else ""
    return f"{show_path(one.path)} at {one.offset:,}{part}: {show_path(one.beginning)}"


def _verdict(tally: Tally) -> str:
    judged = tally.delivered + tally.dead_letters + tally.missing
    if not judged:
        return "Nothing could be judged: no line is known to have been sent."
    if tally.missing:
        said = f"{tally.missing:,} of {counted(judged, 'line')} missing"
    else:
        said = f"Nothing is missing: {counted(tally.delivered, 'line')} delivered"
        if tally.dead_letters:
            said += f", {tally.dead_letters:,} in the dead letters"
    more = []
    if tally.doubled:
        more.append(f"{tally.doubled:,} doubled")
    if tally.out_of_order:
        more.append(f"{tally.out_of_order:,} out of order")
    return f"{said}; {', '.join(more) or 'none doubled, none out of order'}."


def _table(report: Report, *, files: bool) -> Iterator[str]:
    rows: list[tuple[str, Tally]] = []
    for source in report.sources:
        rows.append((source.name, source.tally))
        if files:
            rows += [(f"  {_name(file)}", file.tally) for file in source.files]
    columns = [name for name in COLUMNS if name in ALWAYS or any(getattr(tally, name) for _, tally in rows)]
    cells = [["source", *(COLUMNS[column] for column in columns)]]
    cells += [[name, *(f"{getattr(tally, column):,}" for column in columns)] for name, tally in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for first, *rest in cells:
        numbers = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        yield "  ".join([first.ljust(widths[0]), *numbers]).rstrip()


def _name(file: FileReport) -> str:
    return show_path(file.seen_as)


def _notes(report: Report) -> Iterator[str]:
    yield from report.notes
    for source in report.sources:
        for note in source.notes:
            yield f"{source.name}: {note}"
        for file in source.files:
            if file.why:
                yield f"{source.name}: {show_path(file.seen_as)}: not judged: {file.why}"
        if source.left:
            yield f"{source.name}: {counted(source.left, 'file')} left alone at the first scan, not judged"
        if source.gone:
            yield f"{source.name}: {counted(source.gone, 'file')} gone from the disk, not judged"
    for topic, number in report.others.items():
        yield f"topic {topic}: {counted(number, 'record')} without a line on disk: of files that are gone, or not ours"
