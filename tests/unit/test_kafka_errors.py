from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from shipper.kafka.errors import TABLE, broker_and_reason, classify, explain, reason
from shipper.model import DeliveryClass

NAMES = {KafkaError(code).name(): code for code in range(-220, 150)}


def test_every_name_in_the_table_is_one_of_the_client() -> None:
    assert sorted(set(TABLE) - set(NAMES)) == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (KafkaError.MSG_SIZE_TOO_LARGE, DeliveryClass.REFUSED_RECORD),
        (KafkaError.INVALID_RECORD, DeliveryClass.REFUSED_RECORD),
        (NAMES["_INVALID_DIFFERENT_RECORD"], DeliveryClass.RETRY),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, DeliveryClass.TOPIC),
        (KafkaError._UNKNOWN_TOPIC, DeliveryClass.TOPIC),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, DeliveryClass.CREDENTIALS),
        (KafkaError._PURGE_QUEUE, DeliveryClass.RETRY),
        (KafkaError._MSG_TIMED_OUT, DeliveryClass.RETRY),
        (KafkaError._FATAL, DeliveryClass.FATAL),
        (KafkaError._APPLICATION, DeliveryClass.RETRY),  # not in the table
    ],
)
def test_an_error_has_its_class(code: int, expected: DeliveryClass) -> None:
    assert classify(KafkaError(code)) is expected


def test_what_is_marked_as_fatal_is_fatal_whatever_its_name() -> None:
    assert classify(KafkaError(KafkaError.REQUEST_TIMED_OUT, "x", True)) is DeliveryClass.FATAL
    assert classify(KafkaError(KafkaError.REQUEST_TIMED_OUT)) is DeliveryClass.RETRY


def test_only_what_is_in_the_table_is_ever_refused() -> None:
    refused = {name for name, code in NAMES.items() if classify(KafkaError(code)) is DeliveryClass.REFUSED_RECORD}
    assert refused == {name for name, meaning in TABLE.items() if meaning.delivery is DeliveryClass.REFUSED_RECORD}


def test_an_explanation_names_the_error() -> None:
    assert explain(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)).endswith("(MSG_SIZE_TOO_LARGE)")
    assert explain(KafkaError(KafkaError._APPLICATION, "because")) == "because (_APPLICATION)"


@pytest.mark.parametrize(
    ("text", "broker", "says"),
    [
        (
            "k:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)",
            "k:1",
            "connection refused",
        ),
        (
            "[thrd:k]: sasl_ssl://k1:9093/1: Disconnected (after 12ms in state UP, 3 identical error(s) suppressed)",
            "k1:9093",
            "Disconnected",
        ),
        (
            "x.invalid:9092/bootstrap: Failed to resolve 'x.invalid:9092': Unknown (after 1ms in state X)",
            "x.invalid:9092",
            "the host name is not known (Unknown)",
        ),
        ("2/2 brokers are down", "", "2/2 brokers are down"),
    ],
)
def test_the_clients_words_become_plain(text: str, broker: str, says: str) -> None:
    assert broker_and_reason(text) == (broker, says)


def test_refused_credentials_are_said_to_be_that() -> None:
    error = KafkaError(KafkaError._AUTHENTICATION, "sasl_plaintext://k:1/bootstrap: SASL authentication error: no")
    assert (
        reason(error)
        == "k:1: the credentials were refused (SASL authentication error: no); see kafka.sasl, or sasl.* under "
        "kafka.properties"
    )
