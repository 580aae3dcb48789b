"""``status`` and ``top`` as a person sees them: what is wrong first, in words, then the sources, then the files.

Pure but for the console that it draws on. Rates come from two answers; there are none in the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from shipper.lifecycle import Service
from shipper.status import FileStatus, SourceStatus, Status

FILES = 10  # that are shown one by one
BEHIND = 60.0  # seconds for which lines have waited, from which on a source is said to be behind
SHORTEST = 20  # columns of a file's name
WHY = 30  # columns at least for why a file waits
INDENT = "   "  # of what is said on further lines
WIDE = 110  # columns from which on all is shown
WELL = Text(" ✓ all is well", style="green")


def draw(now: Status, before: Status | None, width: int, files: int = FILES) -> RenderableType:
    """Return what is to be seen of ``now``; ``before`` is an earlier answer of the same daemon, or None."""
    problems = [Text(_wrapped(one, width), style=one.style) for one in _problems(now)]
    headline = _headline(now, before, width)
    first: list[RenderableType] = [*problems, headline] if problems else [headline, WELL]
    parts: list[RenderableType] = [*first, Text(), _sources(now, before, width)]
    behind = [file for file in now.files if file.unread or file.acked < file.read][:files]
    if behind:
        parts += [Text(), _files(behind, width)]
        if (more := now.files_behind - len(behind)) > 0:
            parts.append(Text(f" and {more:,} more", style="dim"))
    return Group(*parts)


def show(console: Console, now: Status, before: Status | None) -> None:
    """Print it once."""
    console.print(draw(now, before, console.width))


def size(count: float) -> str:
    """Write a size for people: 3.1 MB; decimal units, as disks and networks have them."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:,.0f} {unit}" if unit == "B" or count >= 100 else f"{count:,.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def span(seconds: float) -> str:
    """Write a time for people by its two largest units: 3 d 4 h."""
    rest = int(seconds)
    words: list[str] = []
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        if count or (unit == "s" and not words):
            words.append(f"{count} {unit}")
    return " ".join(words[:2])


def _rate(now: float, before: float | None, seconds: float) -> float | None:
    return None if before is None or seconds <= 0 else max(0.0, (now - before) / seconds)


def _of(before: Status | None, name: str) -> SourceStatus | None:
    return next((s for s in before.sources if s.name == name), None) if before is not None else None


def _headline(now: Status, before: Status | None, width: int) -> Text:
    parts = ["shipper", now.host, f"up {span(now.at - now.started)}"]
    if now.brokers:
        parts.append(f"{now.brokers} broker{'s' * (now.brokers != 1)}")
    if before is not None and now.at > before.at:
        seconds = now.at - before.at
        sent = sum(s.delivered for s in now.sources) - sum(s.delivered for s in before.sources)
        read = sum(s.bytes_read for s in now.sources) - sum(s.bytes_read for s in before.sources)
        parts += [f"{max(0.0, sent / seconds):,.0f} lines/s", f"{size(max(0.0, read / seconds))}/s"]
    most = f" of {size(now.in_flight_most)}" if width >= WIDE else ""
    parts.append(f"in flight {size(now.in_flight)}{most}")
    lines = parts[:1]
    for part in parts[1:]:  # what belongs together stays so where it takes more than a line
        if len(lines[-1]) + len(part) + 3 <= width:
            lines[-1] += f" · {part}"
        else:
            lines.append(part)
    return Text("\n".join(lines), style="bold")


class _Told(NamedTuple):
    """One thing that is wrong, and what to do about it, where something can be done."""

    said: str
    remedy: str = ""
    style: str = "yellow"


def _wrapped(told: _Told, width: int) -> str:
    """Return it on lines of ``width``; what to do is a command most often, and not broken."""
    remedy = f"→ {told.remedy}" if told.remedy else ""
    if len(line := f" {told.said} {remedy}".rstrip()) <= width:
        return line
    lines = wrap(f" {told.said}", width, subsequent_indent=INDENT, break_on_hyphens=False, replace_whitespace=False)
    return "\n".join([*lines, f"{INDENT}{remedy}"] if remedy else lines)


def _problems(now: Status) -> Iterator[_Told]:
    """Yield what is wrong, the worst first: the first line is the first thing to be done something about."""
    unread = sum(s.unread for s in now.sources)
    if now.state == Service.DEGRADED or now.trouble:
        since = f" for {span(now.at - now.trouble_since)}" if now.trouble_since else ""
        why = f": {now.trouble}" if now.trouble else ""
        said = f"✗ brokers away{since}{why}; {size(unread)} wait on disk, nothing is lost"
        yield _Told(said, "shipper check --connect", "red")
    for source in now.sources:
        if source.problem:
            since = span(now.at - source.problem_since)
            yield _Told(f"✗ {source.name}, for {since}: {source.problem}", source.remedy, "red")
    yield from _behind(now)
    yield from _about_config(now)
    for source in now.sources:
        if source.lost:
            yield _Told(
                f"▲ {source.name}: {size(source.lost)} were gone before they could be read (file.lost in the log)"
            )
        if source.gaps:
            yield _Told(f"▲ {source.name}: entries were removed from the journal unread (journal.gap in the log)")
        if source.damaged:
            yield _Told(f"▲ {source.name}: {source.damaged:,} damaged in the journal", "journalctl --verify")
        if source.deadlettered:
            said = f"▲ {source.name}: {source.deadlettered:,} records refused since the start"
            yield _Told(said, "shipper deadletter list")
    if now.state == Service.STARTING:
        yield _Told("… starting")
    elif now.state == Service.DRAINING:
        yield _Told("… stopping: what is in flight is being delivered")


def _behind(now: Status) -> Iterator[_Told]:
    """Yield which sources are behind although nothing keeps them from going on, and the file that is most so."""
    if now.trouble:
        return
    for source in now.sources:
        if source.problem or (source.lag or 0.0) < BEHIND:
            continue
        file = max((f for f in now.files if f.source == source.name), key=lambda f: f.unread, default=None)
        where = f" {file.seen_as}" if file is not None and file.unread else ""
        yield _Told(f"▲ {source.name}:{where} {size(source.unread)} to read, lines have waited for {lag(source.lag)}")


def _about_config(now: Status) -> Iterator[_Told]:
    """Yield what is to be known of the configuration on disk, where it is not the one in force."""
    config = now.config
    if config.problems:
        more = f" and {len(config.problems) - 1} more" if len(config.problems) > 1 else ""
        ago = span(max(0.0, config.now - config.refused_at))
        yield _Told(
            f"▲ the new configuration was refused {ago} ago, the old one is in force: {config.problems[0]}{more}"
        )
    elif config.differs:
        yield _Told("▲ the configuration on disk is not the one in force", "shipper check, then reload (HUP)")


def _sources(now: Status, before: Status | None, width: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("source", no_wrap=True, overflow="ellipsis", max_width=24)
    wide, narrow = ("files", "lines/s", "bytes/s", "to read", "lag"), ("files", "lines/s", "to read", "lag")
    for heading in wide if width >= WIDE else narrow:
        table.add_column(heading, justify="right", no_wrap=True)
    if width >= WIDE:
        for heading in ("in flight", "delivered", "dead letters"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("dropped", justify="right", no_wrap=True, overflow="ellipsis", max_width=40)
    table.add_column("state", overflow="ellipsis", no_wrap=True)
    seconds = now.at - before.at if before is not None else 0.0
    for source in now.sources:
        then = _of(before, source.name)
        lines = _rate(source.delivered, then.delivered if then else None, seconds)
        read = _rate(source.bytes_read, then.bytes_read if then else None, seconds)
        row = [source.name, f"{source.files:,}", "-" if lines is None else f"{lines:,.0f}"]
        if width >= WIDE:
            row.append("-" if read is None else f"{size(read)}/s")
        row += [_to_read(source.unread, read if width >= WIDE else None), lag(source.lag)]
        if width >= WIDE:
            row += [f"{source.in_flight:,}", f"{source.delivered:,}", f"{source.deadlettered:,}"]
            row.append(", ".join(f"{n:,} ({rule})" for rule, n in sorted(source.dropped.items())) or "0")
        # As text: in a string rich would take "[…]" for markup, and a file can have any name.
        table.add_row(*map(Text, row), Text("problem, see above" if source.problem else source.state))
    return table


def lag(seconds: float | None) -> str:
    """Write for how long lines have waited at most."""
    if seconds is None:
        return "-"
    return f"{seconds:.1f} s" if seconds < 10 else span(seconds)


def _to_read(unread: int, rate: float | None) -> str:
    """Write what is to be read, and how long that takes at this rate where it is long."""
    if not unread:
        return "0"
    if rate and unread / rate >= 10:
        return f"{size(unread)} ({span(unread / rate)})"
    return size(unread)


def _files(files: list[FileStatus], width: int) -> Table:
    wide = width >= WIDE
    rows: list[list[str]] = [[*(("acked", "size") if wide else ()), "to read", "lag", ""]]
    for file in files:
        part = f"{100 * file.acked // file.size}%" if file.size else ""
        numbers = [f"{file.acked:,}", f"{file.size:,}"] if wide else []
        rows.append([*numbers, size(file.unread), lag(file.lag), part])
    whys = [file.why or "reading" for file in files]
    least = [max(map(len, column)) for column in zip(*rows, strict=True)]  # a number that is cut says nothing
    left = width - sum(least) - 2 * (len(least) + 1)
    names = [_name(file, max(SHORTEST, left - min(WHY, max(map(len, whys))))) for file in files]
    longest = max(map(cell_len, names))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("file", no_wrap=True, min_width=longest)
    for heading, needed in zip(rows[0], least, strict=True):
        table.add_column(heading, justify="right", no_wrap=True, min_width=needed)
    table.add_column("why", overflow="ellipsis", no_wrap=True, max_width=max(1, left - longest))
    for name, row, why in zip(names, rows[1:], whys, strict=True):
        table.add_row(*map(Text, [name, *row, why]))
    return table


def _name(file: FileStatus, width: int) -> str:
    """Return what a file is called; where that is too long, its end, which tells it from others."""
    for name in (file.seen_as if file.seen_as == file.path else f"{file.seen_as} ({file.path})", file.seen_as):
        if cell_len(name) <= width:
            return name
    shown = file.seen_as
    while cell_len(shown) >= width:
        shown = shown[1:]
    return f"…{shown}"
