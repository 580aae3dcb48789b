"""Makes an embedded broker misbehave: librdkafka's mock interface, called in the library that the wheel brings."""

from __future__ import annotations

import ctypes
import glob
import os
from enum import IntEnum

import confluent_kafka
from confluent_kafka import KafkaError

from shipper.kafka.mock import EmbeddedBroker

TRANSPORT = KafkaError._TRANSPORT  # as an error: the broker closes the connection


class Api(IntEnum):
    PRODUCE = 0
    LIST_OFFSETS = 2
    METADATA = 3
    FIND_COORDINATOR = 10
    INIT_PRODUCER_ID = 22
    ADD_PARTITIONS_TO_TXN = 24
    END_TXN = 26


def _library() -> ctypes.CDLL:
    package = os.path.dirname(confluent_kafka.__file__)
    found = glob.glob(f"{package}.libs/librdkafka*.so*")
    assert found, "confluent-kafka is not installed from its wheel: there is no librdkafka beside it"
    return ctypes.CDLL(found[0])


class FaultyBroker(EmbeddedBroker):
    """An embedded broker that answers as a test wants it to."""

    def __init__(self, brokers: int = 1) -> None:
        super().__init__(brokers)
        self._lib = _library()
        self._lib.rd_kafka_handle_mock_cluster.restype = ctypes.c_void_p
        self._cluster = ctypes.c_void_p(self._lib.rd_kafka_handle_mock_cluster(ctypes.c_void_p(self._handle())))
        assert self._cluster.value, "this client has no mock cluster"

    def _handle(self) -> int:
        """The client's ``rd_kafka_t *``: the binding's object begins with it, after Python's own head."""
        return ctypes.c_void_p.from_address(id(self._client) + object.__basicsize__).value or 0

    def fail(self, api: Api, *errors: int) -> None:
        """Answer the next requests with these errors, one each."""
        array = (ctypes.c_int * len(errors))(*errors)
        self._lib.rd_kafka_mock_push_request_errors_array(
            self._cluster, ctypes.c_int16(api), ctypes.c_size_t(len(errors)), array
        )

    def forgive(self, *apis: Api) -> None:
        """Forget the errors that :meth:`fail` has left."""
        for api in apis:
            self._lib.rd_kafka_mock_clear_request_errors(self._cluster, ctypes.c_int16(api))

    def topic_error(self, topic: str, error: int) -> None:
        """Answer questions about a topic with an error; 0: no longer."""
        self._lib.rd_kafka_mock_topic_set_error(self._cluster, topic.encode(), ctypes.c_int(error))

    def make(self, topic: str, partitions: int = 1) -> None:
        """Create a topic."""
        assert self._lib.rd_kafka_mock_topic_create(self._cluster, topic.encode(), partitions, 1) == 0

    def delete(self, topic: str) -> None:
        """Delete a topic."""
        assert self._lib.rd_kafka_mock_topic_delete(self._cluster, topic.encode()) == 0

    def down(self, broker: int = 1) -> None:
        """Disconnect everybody from a broker, and refuse connections."""
        assert self._lib.rd_kafka_mock_broker_set_down(self._cluster, ctypes.c_int32(broker)) == 0

    def up(self, broker: int = 1) -> None:
        """End :meth:`down`."""
        assert self._lib.rd_kafka_mock_broker_set_up(self._cluster, ctypes.c_int32(broker)) == 0

    def lead(self, topic: str, partition: int, broker: int) -> None:
        """Make ``broker`` the leader of a partition; -1: nobody."""
        set_leader = self._lib.rd_kafka_mock_partition_set_leader
        assert set_leader(self._cluster, topic.encode(), ctypes.c_int32(partition), ctypes.c_int32(broker)) == 0

    def slow(self, milliseconds: int, broker: int = 1) -> None:
        """Answer each request so much later."""
        assert self._lib.rd_kafka_mock_broker_set_rtt(self._cluster, ctypes.c_int32(broker), milliseconds) == 0
