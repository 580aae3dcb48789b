"""The durable store of checkpoints: what was acknowledged, kept through stops, kills and power cuts (I6, I8).

``statedir`` holds the directory against a second daemon, ``database`` is the SQLite file, ``store`` the thread that
writes it, ``snapshot`` reads it beside a daemon. Knows nothing of Kafka: whoever submits a checkpoint says that
everything before its offset is acknowledged.
"""

from shipper.checkpoints.store import CheckpointStore

__all__ = ["CheckpointStore"]
