"""A Debian machine under a real systemd, and a real Kafka: ``make system``. What is missing fails; nothing skips."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.machine import Machine
from tests.harness.secure import SecureBroker


@pytest.fixture(scope="session")
def broker() -> Iterator[SecureBroker]:
    broker = SecureBroker()
    try:
        yield broker
    finally:
        broker.close()


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine() as machine:
        yield machine
