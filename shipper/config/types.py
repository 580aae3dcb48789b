"""The configuration as frozen typed values, and the one table of keys.

Each field that is a key carries a ``Key``: what kind of value it takes, what it is for, what is checked. Loading,
the JSON Schema, the shown configuration and the tests of the sample all read this table; nothing else lists keys.
Durations are seconds, sizes bytes. Values never change and may be used from any thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from shipper.config import checks, formats, framing, security, together
from shipper.config.framing import MultilineConfig
from shipper.config.keys import Key, TableOf
from shipper.config.kinds import (
    Choice,
    Directory,
    Duration,
    Flag,
    NameTable,
    PropertyTable,
    Servers,
    Size,
    Text,
    Texts,
    Whole,
)
from shipper.config.properties import MESSAGE_MAX_BYTES_DEFAULT
from shipper.config.rules import Fraction, Patterns, RateLimit, Redaction, Redactions
from shipper.patterns import Expression

KIB, MIB = 1 << 10, 1 << 20

MAX_LINE = 900 * KIB
RECORD_RESERVE = MESSAGE_MAX_BYTES_DEFAULT - MAX_LINE
"""What a record may need beside its line: the key, and what the protocol adds."""


class ShipperConfig(msgspec.Struct, frozen=True):
    """``[shipper]``: the daemon itself."""

    state_dir: Annotated[
        Path,
        Key(
            Directory(),
            "Where the checkpoints are kept. Instead of the default: $STATE_DIRECTORY, which systemd sets.",
            environment="STATE_DIRECTORY",
        ),
    ] = Path("/var/lib/shipper")
    shutdown_timeout: Annotated[
        float,
        Key(
            Duration(most=86400),
            "How long a stop may take to deliver what is in flight. What is left then is sent again at the next start.",
        ),
    ] = 30.0
    log_level: Annotated[
        str, Key(Choice(("debug", "info", "warning", "error")), "The least severe events that are logged.")
    ] = "info"
    log_format: Annotated[
        str,
        Key(
            Choice(("auto", "text", "json")),
            "How an event is written: key=value text, or JSON. auto: to the journal, with its fields, where stderr "
            "leads there; else text.",
        ),
    ] = "auto"
    max_open_files: Annotated[
        int,
        Key(Whole(), "How many files are held open at most. 0: as many as the process's limit allows."),
    ] = 0
    scan_interval: Annotated[
        float,
        Key(
            Duration(least=0.1, most=86400),
            "How often every directory is listed again, to find what no event told of.",
        ),
    ] = 30.0
    instance: Annotated[
        str,
        Key(
            Text(may_be_empty=True),
            "The name under which Kafka keeps this daemon's checkpoints with exactly_once; two daemons must not share "
            "it. Default: from the machine id and state_dir. Hosts cloned with their machine id must set it.",
            checks.instance,
        ),
    ] = ""
    deadletter_max: Annotated[
        int,
        Key(
            Size(least=MIB),
            "How large the file of dead letters may grow: records that were refused for good. When it is full, a "
            "source with another such record stops before it.",
        ),
    ] = 1 << 30
    deleted_max: Annotated[
        int,
        Key(
            Size(),
            "How many bytes of deleted files may be held open until they are read. Beyond it those that were not read "
            "for longest are let go of, and what was unread of them is lost. 0: any number; nothing is lost.",
        ),
    ] = 0
    ready_timeout: Annotated[
        float,
        Key(
            Duration(most=3600),
            "How long a start waits for the brokers before it says that it runs without them. Nothing is lost then: "
            "sending begins when they answer.",
        ),
    ] = 10.0


class KafkaConfig(msgspec.Struct, frozen=True):
    """``[kafka]``: the brokers, and how records are sent."""

    bootstrap_servers: Annotated[
        str,
        Key(
            Servers(),
            'The brokers to begin with: "HOST:PORT", several with commas or as a list.',
            example='"127.0.0.1:9092"',
        ),
    ]
    compression: Annotated[
        str,
        Key(Choice(("none", "gzip", "snappy", "lz4", "zstd")), "How batches are compressed."),
    ] = "snappy"
    linger: Annotated[
        float,
        Key(
            Duration(most=900), "How long records wait for more of them, where there is nothing more to read just now."
        ),
    ] = 0.0
    max_in_flight: Annotated[
        int,
        Key(
            Size(least=MIB, most=64 << 30),
            "How much may be read but not yet acknowledged, each record counted as key + value + 256 bytes. "
            "Bounds the memory.",
        ),
    ] = 24 * MIB
    partitioner: Annotated[
        str,
        Key(
            Choice(("murmur2_random", "murmur2", "consistent_random", "consistent", "fnv1a_random", "fnv1a")),
            "How a key chooses its partition. murmur2_random does as Java clients do. A change moves keys.",
        ),
    ] = "murmur2_random"
    allow_auto_create_topics: Annotated[
        bool,
        Key(Flag(), "Whether a topic that is not there may be created by asking for it."),
    ] = False
    on_reject: Annotated[
        Literal["deadletter", "block"],
        Key(
            Choice(("deadletter", "block")),
            "What becomes of a record that is refused for good. deadletter: it is kept in state_dir, and its source "
            "goes on. block: its source stops before it, and tries again.",
        ),
    ] = "deadletter"
    retry_backoff: Annotated[
        float,
        Key(Duration(least=0.001, most=300), "How long to wait before a record is tried again, at first."),
    ] = 0.1
    retry_backoff_max: Annotated[
        float,
        Key(Duration(least=0.001, most=300), "How long to wait between tries at most."),
    ] = 1.0
    delivery: Annotated[
        Literal["at_least_once", "exactly_once"],
        Key(
            Choice(("at_least_once", "exactly_once")),
            "exactly_once: records and checkpoints go in transactions; a consumer with isolation.level=read_committed "
            "sees every line once, whatever is killed.",
        ),
    ] = "at_least_once"
    checkpoint_topic: Annotated[
        str,
        Key(
            Text(),
            "Where exactly_once keeps the checkpoints: a compacted topic, created if it is not there.",
            checks.plain_topic,
        ),
    ] = "shipper.checkpoints"
    commit_interval: Annotated[
        float,
        Key(
            Duration(least=0.01, most=10),
            "How often exactly_once commits: so much later a consumer sees a line.",
        ),
    ] = 0.5
    tls: Annotated[
        security.TlsConfig | None,
        Key(
            TableOf(security.TlsConfig, security.tls_misfits),
            "What is said to the brokers is encrypted, and their certificates are checked.",
        ),
    ] = None
    sasl: Annotated[
        security.SaslConfig | None,
        Key(TableOf(security.SaslConfig, security.sasl_misfits), "Who we are to the brokers."),
    ] = None
    properties: Annotated[
        dict[str, str],
        Key(
            PropertyTable(),
            "Any of librdkafka's producer properties, by its name in quotes. They win over the keys above, "
            "except where a promise would break.",
        ),
    ] = msgspec.field(default_factory=dict)

    def __repr__(self) -> str:
        """Leave the values of properties out: some are secrets."""
        return f"KafkaConfig(bootstrap_servers={self.bootstrap_servers!r}, properties={sorted(self.properties)!r})"


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


class AdminConfig(msgspec.Struct, frozen=True):
    """``[admin]``: where the daemon can be asked how it stands, besides its Unix socket."""

    listen: Annotated[
        str,
        Key(
            Text(may_be_empty=True),
            'Where /metrics, /status, /livez, /readyz and a status page are served: "127.0.0.1:9600". "": nowhere.',
            checks.listen,
        ),
    ] = ""
    token: Annotated[
        str,
        Key(
            Text(may_be_empty=True),
            "What who asks has to show, as a bearer token or as a password of any user. Needed where listen is not "
            "this machine's loopback.",
            secret=True,
        ),
    ] = ""

    def __repr__(self) -> str:
        """Leave the token out."""
        return f"AdminConfig(listen={self.listen!r})"


class Config(msgspec.Struct, frozen=True):
    """The whole configuration.

    ``files`` were read, in order. ``secrets`` are the key paths of the values that must not be shown.
    """

    shipper: ShipperConfig
    kafka: KafkaConfig
    sources: dict[str, SourceConfig]
    files: tuple[Path, ...] = ()
    secrets: frozenset[str] = frozenset()
    admin: AdminConfig = AdminConfig()

    @property
    def of_files(self) -> dict[str, FileConfig]:
        """The sources that read files."""
        return {name: source for name, source in self.sources.items() if isinstance(source, FileConfig)}


TABLES: dict[str, type[msgspec.Struct]] = {"shipper": ShipperConfig, "kafka": KafkaConfig, "admin": AdminConfig}
"""The tables of the file besides ``sources``, which holds one for each name: ``kinds_of_source.KINDS``."""
