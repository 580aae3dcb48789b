"""The tables of sources: what is said of every kind, and of files (``journald``: of the journal). See ``types``."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from shipper.config import checks, formats, framing, together
from shipper.config.framing import MultilineConfig
from shipper.config.keys import Key, TableOf
from shipper.config.kinds import Choice, Duration, NameTable, Size, Text, Texts
from shipper.config.properties import MESSAGE_MAX_BYTES_DEFAULT
from shipper.config.rules import Fraction, Patterns, RateLimit, Redaction, Redactions
from shipper.config.units import KIB
from shipper.patterns import Expression

MAX_LINE = 900 * KIB
RECORD_RESERVE = MESSAGE_MAX_BYTES_DEFAULT - MAX_LINE
"""What a record may need beside its line: the key, and what the protocol adds."""


class ParseConfig(msgspec.Struct, frozen=True):
    """``parse``: how a line becomes fields."""

    format: Annotated[
        str,
        Key(
            Choice(formats.PARSERS),
            "What the lines are. What fields each format gives is in docs/records.md.",
            example='"json"',
        ),
    ]
    pattern: Annotated[
        str,
        Key(
            Text(may_be_empty=True),
            "With regex: an expression with named groups, (?P<name>…), each of them a field.",
        ),
    ] = ""
    engine: Annotated[
        Literal["re", "re2"],
        Key(
            Choice(("re", "re2")),
            "With regex: what matches the pattern. re2 is slower, takes no longer for any line, and needs google-re2.",
        ),
    ] = "re"
    columns: Annotated[tuple[str, ...], Key(Texts(), "With csv: the names of the columns, in their order.")] = ()
    delimiter: Annotated[str, Key(Text(), "With csv: the character between two columns.", checks.character)] = ","
    quote: Annotated[
        str,
        Key(
            Text(may_be_empty=True),
            'With csv: the character around a column that holds delimiters. "": there is none.',
            checks.character,
        ),
    ] = '"'
    message: Annotated[
        str,
        Key(
            Choice(("", *formats.INNER)),
            "With cri, docker or syslog: the format of what the program itself has written, whose fields are added. "
            '"": it is a text.',
        ),
    ] = ""


class TimestampConfig(msgspec.Struct, frozen=True):
    """``timestamp``: which field tells a record's time."""

    field: Annotated[
        str, Key(Text(), 'The field with the time; dots lead into objects, as "event.created".', example='"time"')
    ]
    format: Annotated[
        str,
        Key(
            Text(),
            "How it is written: rfc3339, epoch, epoch_ms, epoch_us, epoch_ns, syslog, or as for strptime. auto: as the "
            "format of parse writes it, otherwise rfc3339.",
            checks.time_format,
        ),
    ] = "auto"
    timezone: Annotated[
        str,
        Key(
            Text(),
            'The zone of times that say none: "local", "UTC", "Europe/Berlin", "+02:00".',
            checks.time_zone,
        ),
    ] = "local"


class SourceConfig(msgspec.Struct, frozen=True):
    """``[sources.NAME]``: what is shipped alike, of any kind. The name is part of the identity of its checkpoints.

    Each kind has keys of its own besides: ``FileConfig``, ``JournalConfig``.
    """

    name: str
    topic: Annotated[
        str,
        Key(
            Text(),
            "The topic. A template: {filename}, {stem}, {host}, {source}, {path.NAME} and {field.NAME} are put in.",
            checks.topic,
            example='"logs"',
        ),
    ]
    key: Annotated[
        str,
        Key(
            Text(),
            "The records' key; records of one key keep their order. "
            "A template: {filename}, {stem}, {path}, {dir}, {host}, {source}, {path.NAME} and {field.NAME} are put in, "
            "{a|b} is the first that is there.",
            checks.key,
        ),
    ] = "{host}:{path}"
    key_fallback: Annotated[
        str,
        Key(
            Text(),
            "The key of a record for which the key's fields are not there. A template without fields.",
            checks.key,
        ),
    ] = "{host}:{path}"
    topic_fallback: Annotated[
        str,
        Key(
            Text(may_be_empty=True),
            "Where a record goes whose own topic has no valid name, may not be chosen, or is not there. "
            "Default: what the topic begins with, the same for all records.",
            checks.topic_fallback,
        ),
    ] = ""
    topic_allow: Annotated[
        tuple[str, ...],
        Key(
            Texts(),
            "The topics that a record may choose, with * and ?. Needed where a topic with a field begins with it.",
            checks.topic_allow,
        ),
    ] = ()
    headers: Annotated[
        dict[str, str],
        Key(
            NameTable(),
            "Headers that each record gets: a name, and a template as for the key. "
            "One that asks for a field which is not there is left out. They cost throughput.",
            checks.headers,
        ),
    ] = msgspec.field(default_factory=dict)
    value: Annotated[
        Literal["line", "json"],
        Key(
            Choice(("line", "json")),
            "line: the line's own bytes. json: an object of its fields, with @timestamp, message, log.file.path, "
            "log.offset and host.name.",
        ),
    ] = "line"
    fields: Annotated[
        dict[str, str | int | float | bool],
        Key(NameTable(scalars=True), 'What every object has besides, with value = "json".'),
    ] = msgspec.field(default_factory=dict)
    processor: Annotated[
        str,
        Key(
            Text(may_be_empty=True),
            "A function of one's own that makes of each record one, several or none: "
            '"module:function", or the name of an entry point of the group shipper.processors.',
            checks.processor,
        ),
    ] = ""
    include_lines: Annotated[
        tuple[Expression, ...],
        Key(Patterns(), "Regular expressions; only a line in which one of them is found is sent. [] sends all."),
    ] = ()
    exclude_lines: Annotated[
        tuple[Expression, ...],
        Key(Patterns(), "Regular expressions; a line in which one of them is found is not sent."),
    ] = ()
    sample: Annotated[
        float,
        Key(Fraction(), "How much of the lines is sent: 0.1 is a tenth, always the same ones."),
    ] = 1.0
    rate_limit: Annotated[
        RateLimit | None,
        Key(TableOf(RateLimit), "How many lines are sent in a second at most; the others wait, or are dropped."),
    ] = None
    redact: Annotated[
        tuple[Redaction, ...],
        Key(
            Redactions(),
            "What is taken out of each line before anything is made of it: patterns, or presets (credit_card, email, "
            "ipv4, bearer_token, aws_key), and what is written instead.",
        ),
    ] = ()
    start_at: Annotated[
        Literal["beginning", "end"],
        Key(
            Choice(("beginning", "end")),
            "Where to start in the files of the source's first scan. Files that come later are read whole.",
        ),
    ] = "beginning"
    ignore_older: Annotated[
        float,
        Key(
            Duration(),
            'Files of the first scan that were not written for so long are left alone. "0s": none are.',
        ),
    ] = 0.0
    max_line: Annotated[
        int,
        Key(Size(least=KIB), "The longest line that is sent whole. A client refuses records of 1,000,000 bytes."),
    ] = MAX_LINE
    on_long_line: Annotated[
        Literal["split", "truncate", "deadletter"],
        Key(
            Choice(("split", "truncate", "deadletter")),
            "What becomes of a longer line. split: it is sent in parts, numbered by a header; nothing is lost. "
            "truncate: what fits of it is sent, and a header tells its length. deadletter: what fits is kept in "
            "state_dir.",
        ),
    ] = "split"
    parse: Annotated[
        ParseConfig | None,
        Key(
            TableOf(ParseConfig, together.parser),
            "How a line becomes fields, for the keys that use them. A line that cannot be parsed is sent as it is, "
            "with the header shipper.parse_error.",
        ),
    ] = None
    timestamp: Annotated[
        TimestampConfig | None,
        Key(
            TableOf(TimestampConfig),
            "Which field tells the record's time. Otherwise, and where that cannot be read, it is the time of sending.",
        ),
    ] = None
    provenance: Annotated[
        Literal["none", "headers"],
        Key(
            Choice(("none", "headers")),
            "headers: each record says in headers which line it is (file id, generation, offset), so that a consumer "
            "can drop what comes twice. It costs throughput.",
        ),
    ] = "none"


class FileConfig(SourceConfig, frozen=True, kw_only=True):
    """A source of files."""

    paths: Annotated[
        tuple[str, ...],
        Key(
            Texts(required=True),
            "Which files: absolute paths with *, ?, [a-z], {a,b}, and ** for any number of directories.",
            checks.paths,
            example='["/var/log/app/*.log"]',
        ),
    ]
    type: Annotated[Literal["file"], Key(Choice(("file", "journald")), "What kind of source this is.")] = "file"
    exclude: Annotated[
        tuple[str, ...],
        Key(
            Texts(),
            "Which of the files not: patterns for the file's name or, with a slash, for the whole path.",
            checks.exclude,
        ),
    ] = ()
    path_pattern: Annotated[
        str,
        Key(
            Text(may_be_empty=True),
            "A regular expression that is looked for in a file's path; what its named groups find is {path.NAME}.",
            checks.path_pattern,
        ),
    ] = ""
    watch: Annotated[
        Literal["auto", "poll"],
        Key(
            Choice(("auto", "poll")), "How changes are noticed. poll: for network file systems that are not recognised."
        ),
    ] = "auto"
    follow_symlinks: Annotated[
        Literal["same_owner", "always", "never"],
        Key(
            Choice(("same_owner", "always", "never")),
            "Which symbolic links are followed. same_owner: root's, the daemon's own user's, and those that belong to "
            "the owner of what they lead to. never: only those among the directories that paths names without a "
            "wildcard, by the same rule.",
        ),
    ] = "same_owner"
    partial_timeout: Annotated[
        float,
        Key(
            Duration(most=86400),
            "How long the last line of a file that can no longer grow waits for its line end.",
        ),
    ] = 5.0
    multiline: Annotated[
        MultilineConfig | None,
        Key(
            TableOf(MultilineConfig, framing.misfits),
            "Which lines are one record, as a stack trace with the line before it.",
        ),
    ] = None
    encoding: Annotated[
        str,
        Key(
            Text(),
            "What the files are written in; what is sent is UTF-8. bytes: they are sent as they are.",
            framing.encoding,
        ),
    ] = "bytes"
    delimiter: Annotated[str, Key(Text(nul=True), "What stands between two lines instead of a line end.")] = "\n"
