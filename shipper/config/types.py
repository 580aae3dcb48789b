"""The configuration as frozen typed values, and the one table of keys.

Each field that is a key carries a ``Key``: what kind of value it takes, what it is for, what is checked. Loading,
the JSON Schema, the shown configuration and the tests of the sample all read this table, whose keys of sources are in
``sources`` and ``journald``; nothing else lists keys. Durations are seconds, sizes bytes. Values never change and may
be used from any thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from shipper.config import checks, security
from shipper.config.keys import Key, TableOf
from shipper.config.kinds import (
    Choice,
    Directory,
    Duration,
    Flag,
    PropertyTable,
    Servers,
    Size,
    Text,
    Whole,
)
from shipper.config.sources import FileConfig, SourceConfig
from shipper.config.units import MIB
from shipper.events import LEVELS


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
    log_level: Annotated[str, Key(Choice(LEVELS), "The least severe events that are logged.")] = "info"
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
            "How often exactly_once commits, half as often in a backlog: so much later a consumer sees a line.",
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
"""The tables of the file besides ``sources``, which holds one for each name: ``journald.KINDS``."""
