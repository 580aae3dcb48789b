"""The configuration: TOML files to frozen typed values, every mistake at once.

``types`` is the table of keys and the values, ``sources`` and ``journald`` those of the kinds of source; ``kinds``,
``checks`` and ``properties`` say what a value may be; ``tree`` reads and merges the files, ``expand`` puts ``${…}`` in,
``load`` walks the table; ``schema`` and ``show`` write it out. Everything here may be called from any thread.
"""

from shipper.config.journald import JournalConfig
from shipper.config.load import load, state_dir
from shipper.config.schema import schema
from shipper.config.show import show
from shipper.config.sources import FileConfig, ParseConfig, SourceConfig, TimestampConfig
from shipper.config.tree import drop_ins
from shipper.config.types import AdminConfig, Config, KafkaConfig, ShipperConfig

__all__ = [
    "AdminConfig",
    "Config",
    "FileConfig",
    "JournalConfig",
    "KafkaConfig",
    "ParseConfig",
    "ShipperConfig",
    "SourceConfig",
    "TimestampConfig",
    "drop_ins",
    "load",
    "schema",
    "show",
    "state_dir",
]
