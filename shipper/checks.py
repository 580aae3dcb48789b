"""What ``shipper check`` looks at beyond the configuration's text: the files that match now, and the brokers.

Only reads; any thread may call it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence

from shipper import template
from shipper.config import Config, JournalConfig
from shipper.discovery import Watched, list_files
from shipper.events import Events
from shipper.instance import instance_of
from shipper.journal.reader import try_file
from shipper.journal.survey import Survey
from shipper.kafka.check import Finding, Level, check_connection
from shipper.kafka.check_exactly_once import check_exactly_once
from shipper.model import Seen, counted, show_path
from shipper.records import Naming

Matches = Mapping[str, Sequence[Seen]]  # of each source


def matches(config: Config, events: Events) -> Matches:
    """Return the files that each source's patterns match now; rotated siblings are not among them."""
    return {name: matching(Watched.of(source), events) for name, source in config.of_files.items()}


def matching(source: Watched, events: Events) -> list[Seen]:
    """Return the files whose own names a pattern of ``source`` matches now."""
    return [seen for seen in list_files(source, events) if seen.path == seen.base and seen.adoptable]


def journals(config: Config) -> Iterator[str]:
    """Yield a sentence for each source of the journal of which this user can read nothing, or not all."""
    for name, source in config.sources.items():
        if not isinstance(source, JournalConfig):
            continue
        found = Survey(source, try_file).look()
        if found.denied:
            more = f" and {len(found.denied) - 1:,} more" if len(found.denied) > 1 else ""
            what = f"{min(found.denied)}{more} of the journal"
            yield f'source "{name}": {what}: not readable by this user; add them to the group systemd-journal'
        elif not found.readable:
            yield f'source "{name}": there is no file of a journal now'
        for path, why in found.damaged.items():
            yield f"{path}: damaged ({why}), and left out"


def warnings(matches: Matches) -> Iterator[str]:
    """Yield a sentence for whatever is allowed but may not be what was meant."""
    owners: dict[bytes, list[str]] = {}
    for name, files in matches.items():
        if not files:
            yield f'source "{name}": no file matches now'
        for seen in files:
            owners.setdefault(seen.path, []).append(name)
    for path, names in sorted(owners.items()):
        if len(names) > 1:
            listed = " and ".join(f'"{name}"' for name in names)
            yield f"{show_path(path)}: matched by the sources {listed}; each of them ships it"
        if not os.access(path, os.R_OK):
            yield f"{show_path(path)}: not readable by this user, who would wait until it is"


def summary(config: Config, matches: Matches) -> str:
    """Return one line that says what was found to be right."""
    main, *drop_ins = config.files
    names = main.name + (f" and {counted(len(drop_ins), 'drop-in')}" if drop_ins else "")
    each = ", ".join(f"{name} {len(files):,}" for name, files in matches.items())
    paths = {seen.path for files in matches.values() for seen in files}
    verb = "matches" if len(paths) == 1 else "match"
    found = [f"{counted(len(paths), 'file')} {verb} now ({each})"] if config.of_files else []
    if others := [name for name in config.sources if name not in config.of_files]:
        found.append(f"the journal is read ({', '.join(others)})")
    return f"{names}: no problems; {'; '.join(found)}."


def connect(config: Config, matches: Matches) -> Sequence[Finding]:
    """Ask the brokers for every topic that the sources would send to now, and for what the delivery needs."""
    host = socket.gethostname()
    topics: dict[str, int] = {}
    for name, source in config.sources.items():
        naming = Naming(source, host)
        paths = [seen.path for seen in matches.get(name, ())]
        names = template.parse(source.topic).names
        if not any(name in template.OF_FILES or name.startswith(template.PATH) for name in names):
            paths.append(b"")  # the topic is known although no file matches yet
        for topic in map(naming.topic, paths):
            topics[topic] = max(topics.get(topic, 0), source.max_line)
    found = check_connection(config.kafka, topics)
    reached = any(finding.subject == "credentials" and finding.level is Level.OK for finding in found)
    if reached and config.kafka.delivery == "exactly_once":
        found += check_exactly_once(config.kafka, instance_of(config.shipper))
    return found
