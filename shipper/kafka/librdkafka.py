"""The functions of librdkafka that :mod:`shipper.kafka.client` calls, as ctypes sees them.

They are those of the very library that confluent-kafka brings or is linked with: asking its extension module for a name
also finds what is in the libraries that this module needs. Any thread. Names, types and numbers: ``rdkafka.h``.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_int, c_int32, c_int64, c_size_t, c_void_p
from typing import Any

from confluent_kafka import cimpl

# A call that may wait or take long lets other Python threads go on meanwhile; one that does neither is cheaper without.
_WAITING = ctypes.CDLL(cimpl.__file__)
_AT_ONCE = ctypes.PyDLL(cimpl.__file__)

PRODUCER = 0  # rd_kafka_type_t
PARTITION_UA = -1  # the partitioner chooses
MSG_F_COPY = 0x2
PURGE_ALL_NOT_WAITING = 0x1 | 0x2 | 0x4  # what is queued, what is in flight; does not wait for the client's threads
EVENT_DR, EVENT_LOG, EVENT_ERROR, EVENT_STATS = 0x1, 0x4, 0x8, 0x40
(VTYPE_RKT, VTYPE_PARTITION, VTYPE_VALUE, VTYPE_KEY, VTYPE_OPAQUE, VTYPE_MSGFLAGS, VTYPE_TIMESTAMP, VTYPE_HEADER) = (
    *(2, 3, 4, 5),
    *(6, 7, 8, 9),
)


class Message(ctypes.Structure):
    """``rd_kafka_message_t``."""

    _fields_ = (
        ("err", c_int),
        ("rkt", c_void_p),
        ("partition", c_int32),
        ("payload", c_void_p),
        ("len", c_size_t),
        ("key", c_void_p),
        ("key_len", c_size_t),
        ("offset", c_int64),
        ("private", c_size_t),  # void *, here a number
    )


class _Memory(ctypes.Structure):
    _fields_ = (("pointer", c_void_p), ("size", c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (("name", c_void_p), ("value", c_void_p), ("size", ctypes.c_ssize_t))


class Value(ctypes.Union):
    """What an argument says."""

    _fields_ = (
        ("pointer", c_void_p),
        ("i", c_int),
        ("i32", c_int32),
        ("i64", c_int64),
        ("memory", _Memory),
        ("header", _Header),
        ("padding", ctypes.c_char * 64),
    )


class Argument(ctypes.Structure):
    """``rd_kafka_vu_t``: one argument of :data:`produceva`."""

    _fields_ = (("vtype", c_int), ("u", Value))


class MetadataBroker(ctypes.Structure):
    """``rd_kafka_metadata_broker``."""

    _fields_ = (("id", c_int32), ("host", c_char_p), ("port", c_int))


class MetadataPartition(ctypes.Structure):
    """``rd_kafka_metadata_partition``."""

    _fields_ = (
        ("id", c_int32),
        ("err", c_int),
        ("leader", c_int32),
        ("replica_count", c_int),
        ("replicas", POINTER(c_int32)),
        ("isr_count", c_int),
        ("isrs", POINTER(c_int32)),
    )


class MetadataTopic(ctypes.Structure):
    """``rd_kafka_metadata_topic``."""

    _fields_ = (
        ("topic", c_char_p),
        ("partition_count", c_int),
        ("partitions", POINTER(MetadataPartition)),
        ("err", c_int),
    )


class Metadata(ctypes.Structure):
    """``rd_kafka_metadata``."""

    _fields_ = (
        ("broker_count", c_int),
        ("brokers", POINTER(MetadataBroker)),
        ("topic_count", c_int),
        ("topics", POINTER(MetadataTopic)),
        ("origin_id", c_int32),
        ("origin_name", c_char_p),
    )


# rk, name, broker id, milliseconds, opaque
THROTTLE_CB = ctypes.CFUNCTYPE(None, c_void_p, c_char_p, c_int32, c_int, c_void_p)


def _function(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Any:
    function = library[f"rd_kafka_{name}"]
    function.restype, function.argtypes = result, arguments
    return function


def _waiting(name: str, result: Any, *arguments: Any) -> Any:
    return _function(_WAITING, name, result, *arguments)


def _at_once(name: str, result: Any, *arguments: Any) -> Any:
    return _function(_AT_ONCE, name, result, *arguments)


# A client and its settings.
conf_new = _at_once("conf_new", c_void_p)
conf_destroy = _at_once("conf_destroy", None, c_void_p)
conf_set = _at_once("conf_set", c_int, c_void_p, c_char_p, c_char_p, c_char_p, c_size_t)
conf_set_events = _at_once("conf_set_events", None, c_void_p, c_int)
conf_set_throttle_cb = _at_once("conf_set_throttle_cb", None, c_void_p, THROTTLE_CB)
conf_enable_sasl_queue = _at_once("conf_enable_sasl_queue", None, c_void_p, c_int)
new = _waiting("new", c_void_p, c_int, c_void_p, c_char_p, c_size_t)
destroy = _waiting("destroy", None, c_void_p)
set_log_queue = _at_once("set_log_queue", c_int, c_void_p, c_void_p)
sasl_background_callbacks_enable = _waiting("sasl_background_callbacks_enable", c_void_p, c_void_p)
outq_len = _at_once("outq_len", c_int, c_void_p)
purge = _waiting("purge", c_int, c_void_p, c_int)
flush = _waiting("flush", c_int, c_void_p, c_int)
last_error = _at_once("last_error", c_int)

# Sending. ``produce_batch`` takes an array of Message, ``produceva`` one of Argument.
topic_new = _waiting("topic_new", c_void_p, c_void_p, c_char_p, c_void_p)
topic_name = _at_once("topic_name", c_char_p, c_void_p)
topic_destroy = _waiting("topic_destroy", None, c_void_p)
produce_batch = _waiting("produce_batch", c_int, c_void_p, c_int32, c_int, c_void_p, c_int)
produceva = _at_once("produceva", c_void_p, c_void_p, c_void_p, c_size_t)
# The same for many records: its arguments have been through ``passed``, which costs more than the call.
produceva_each = _at_once("produceva", c_void_p)
produceva_each.argtypes = None
passed = c_void_p.from_param

# topic, key, its size, number of partitions, two opaques; the topic is not looked at. Without a key none is asked.
partitioners = {
    name: _at_once(f"msg_partitioner_{name}", c_int32, c_void_p, c_char_p, c_size_t, c_int32, c_void_p, c_void_p)
    for name in ("murmur2", "consistent", "fnv1a")
}

# What the client has to say.
queue_get_main = _at_once("queue_get_main", c_void_p, c_void_p)
queue_destroy = _waiting("queue_destroy", None, c_void_p)
queue_poll = _waiting("queue_poll", c_void_p, c_void_p, c_int)
queue_yield = _at_once("queue_yield", None, c_void_p)
event_destroy = _waiting("event_destroy", None, c_void_p)
event_type = _at_once("event_type", c_int, c_void_p)
event_error = _at_once("event_error", c_int, c_void_p)
event_error_string = _at_once("event_error_string", c_char_p, c_void_p)
event_error_is_fatal = _at_once("event_error_is_fatal", c_int, c_void_p)
event_log = _at_once("event_log", c_int, c_void_p, POINTER(c_char_p), POINTER(c_char_p), POINTER(c_int))
event_stats = _at_once("event_stats", c_char_p, c_void_p)
event_message_count = _at_once("event_message_count", c_size_t, c_void_p)
event_message_array = _at_once("event_message_array", c_size_t, c_void_p, c_void_p, c_size_t)

# Errors with properties.
error_code = _at_once("error_code", c_int, c_void_p)
error_string = _at_once("error_string", c_char_p, c_void_p)
error_is_fatal = _at_once("error_is_fatal", c_int, c_void_p)
error_is_retriable = _at_once("error_is_retriable", c_int, c_void_p)
error_txn_requires_abort = _at_once("error_txn_requires_abort", c_int, c_void_p)
error_destroy = _at_once("error_destroy", None, c_void_p)

# Metadata.
metadata = _waiting("metadata", c_int, c_void_p, c_int, c_void_p, POINTER(POINTER(Metadata)), c_int)
metadata_destroy = _at_once("metadata_destroy", None, POINTER(Metadata))
# rk, topic, partition, where the two offsets go, milliseconds
query_watermark_offsets = _waiting(
    "query_watermark_offsets", c_int, c_void_p, c_char_p, c_int32, POINTER(c_int64), POINTER(c_int64), c_int
)

# Transactions; each returns an error with properties, or nothing.
init_transactions = _waiting("init_transactions", c_void_p, c_void_p, c_int)
begin_transaction = _waiting("begin_transaction", c_void_p, c_void_p)
commit_transaction = _waiting("commit_transaction", c_void_p, c_void_p, c_int)
abort_transaction = _waiting("abort_transaction", c_void_p, c_void_p, c_int)
