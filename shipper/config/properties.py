"""librdkafka's properties that the promises rest on, and those that hold a secret.

Pure. Any other property is the user's to set, and librdkafka's to judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shipper.config.kinds import Mistake, quote

_TRUE, _FALSE = ("true", "t", "1"), ("false", "f", "0")  # librdkafka's spellings
_MAX_RETRIES = "2147483647"

# Property (aliases too): the values that keep the promises, and which promise another value would break.
_MUST: Mapping[str, tuple[tuple[str, ...], str]] = {
    "enable.idempotence": (_TRUE, "retries would double records and change their order"),
    "delivery.report.only.error": (_FALSE, "a saved offset rests on every record's delivery report"),
    "enable.gapless.guarantee": (_FALSE, "one refused record would stop every source"),
    "queuing.strategy": (("fifo",), "records would leave in another order than the file's"),
    **dict.fromkeys(
        ("acks", "request.required.acks"),
        (("all", "-1"), "a record is acknowledged only when every in-sync replica holds it"),
    ),
    **dict.fromkeys(
        ("message.timeout.ms", "delivery.timeout.ms"), (("0",), "a line must never be given up for the time it waited")
    ),
    **dict.fromkeys(
        ("retries", "message.send.max.retries"),
        ((_MAX_RETRIES,), "a line must never be given up for how often it was tried"),
    ),
    **dict.fromkeys(
        ("max.in.flight", "max.in.flight.requests.per.connection"),
        (("1",), "with more requests on the way, a record can be lost that was reported as delivered"),
    ),
}

# Property: why it is not for the configuration.
_NEVER: Mapping[str, str] = {
    "transactional.id": "is set by shipper itself where transactions are used",
    "enabled_events": "belongs to the program, not to the configuration",
    "interceptors": "belongs to the program, not to the configuration",
    "log.queue": "belongs to the program, not to the configuration",
    "logger": "belongs to the program, not to the configuration",
    "on_delivery": "belongs to the program, not to the configuration",
    "opaque": "belongs to the program, not to the configuration",
    "default.topic.config": "is no property of its own; write the topic's properties beside the others",
    "default_topic_conf": "is no property of its own; write the topic's properties beside the others",
    "queue.buffering.max.messages": "follows from kafka.max_in_flight; set that instead",
    "queue.buffering.max.kbytes": "follows from kafka.max_in_flight; set that instead",
}

MESSAGE_MAX_BYTES = "message.max.bytes"
MESSAGE_MAX_BYTES_DEFAULT = 1_000_000

_SECRET = ("password", "passphrase", "secret", "token", "sasl.jaas", "oauthbearer.config", ".pem", "ssl_key")


def is_secret(name: str) -> bool:
    """Whether the value of property ``name`` must not be shown."""
    return any(word in name.lower() for word in _SECRET)


def mistakes(name: str, value: str) -> Iterator[Mistake]:
    """Yield what is wrong with setting property ``name`` to ``value``."""
    if name.endswith("_cb"):
        yield Mistake(value, "cannot be set: the property belongs to the program", "leave it out")
    elif name in _NEVER:
        yield Mistake(value, f"cannot be set: the property {_NEVER[name]}")
    elif name in _MUST:
        right, reason = _MUST[name]
        if value.strip().lower() not in right:
            yield Mistake(value, f"would break a promise: {reason}", f"leave it out, or write {quote(right[0])}")
    elif name == "partitioner" and value.strip().lower() == "random":
        yield Mistake(value, "would break a promise: records of one key must meet in one partition", "leave it out")
    elif name == MESSAGE_MAX_BYTES and not (value.isascii() and value.isdigit() and len(value) <= 10):
        yield Mistake(value, "is not a number of bytes", "write 1000000")
