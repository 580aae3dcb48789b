"""docs/errors.md against the code: its table of errors is made from the code's, and each situation has its test.

``python -m tests.unit.test_error_docs`` writes the generated part of the page anew.
"""

from __future__ import annotations

import re
from pathlib import Path

from shipper.kafka.errors import ANSWERS, TABLE, Where

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "errors.md"
BEGIN, END = "<!-- made from shipper/kafka/errors.py -->\n", "<!-- end -->\n"

HEADINGS = {
    Where.REPORT: "in a record's delivery report",
    Where.CLIENT: "nowhere: the client tries again by itself",
    Where.CONNECTION: "on a connection",
    Where.TRANSACTION: "in a call for a transaction",
}

SITUATIONS = {  # the first column of the page's first table, and the test that makes it happen
    "The topic is not there": "kafka/test_brokers.py::test_a_topic_that_is_created_late",
    "The topic is deleted and created again": "kafka/test_brokers.py::test_a_topic_that_is_deleted_and_created_again",
    "… with fewer partitions": "kafka/test_errors.py::test_created_again_with_fewer_partitions",
    "The topic gets more partitions": "kafka/test_errors.py::test_more_partitions_than_before",
    "A partition has no leader": "mock/test_stalls.py::test_a_partition_without_a_leader",
    "Too few replicas are in sync": "mock/test_stalls.py::test_records_that_are_not_acknowledged",
    "A disk is full at the broker": "kafka/test_limits.py::test_the_disk_of_a_broker_is_full",
    "A quota is exhausted": "kafka/test_limits.py::test_a_quota_holds_back_the_rate_and_nothing_else",
    "A permission is revoked": "kafka/test_errors.py::test_a_permission_that_is_revoked_and_restored",
    "The user may write nothing": "kafka/test_errors.py::test_a_user_who_may_write_nothing",
    "The password is wrong": "kafka/test_errors.py::test_a_wrong_password",
    "A certificate has expired, is for another host, or is not trusted": (
        "kafka/test_errors.py::test_a_certificate_that_is_not_accepted"
    ),
    "A host name is not known; the address is not Kafka's, or another kind of listener": (
        "kafka/test_errors.py::test_brokers_that_are_not_what_they_should_be"
    ),
    "No broker answers": "kafka/test_brokers.py::test_a_paused_broker_does_not_fill_the_memory",
    "The time of sending is not accepted": "kafka/test_errors.py::test_the_present_time_is_not_accepted",
    "A record is too large": (
        "kafka/test_deadletters.py::test_what_is_too_large_is_kept_and_the_rest_arrives_once_in_order"
    ),
    "The client takes a record for delivered, and no broker has said so": (
        "unit/test_pump.py::test_what_no_broker_has_acknowledged_is_sent_again"
    ),
    "The broker was away for longer than a transaction may last": (
        "kafka/test_exactly_once.py::test_an_outage_that_outlives_the_transaction"
    ),
    "A broker has left a transaction open (KAFKA-20734), or another producer's lasts for seconds": (
        "kafka/test_exactly_once.py::test_a_transaction_that_the_broker_forgets_to_end"
    ),
    "It cannot be told whether one is open: a partition does not answer": (
        "mock/test_stalls.py::test_it_cannot_be_told_whether_a_transaction_is_open"
    ),
    "With `exactly_once`, a permission is missing": "kafka/test_errors.py::test_exactly_once_without_its_permissions",
}


def generated() -> str:
    """Return the part of the page that is made from the code."""
    lines = []
    for (where, delivery), answer in ANSWERS.items():
        lines += [f"### `{delivery}`, {HEADINGS[where]}", ""]
        lines += [f"{answer.does} *Told as* {answer.told}. *Ends:* {answer.ends}", ""]
        lines += ["| error | means |", "|---|---|"]
        rows = sorted((name, m.says) for name, m in TABLE.items() if (m.where, m.delivery) == (where, delivery))
        lines += [f"| `{name}` | {says} |" for name, says in rows]
        lines += [""]
    return "\n".join(lines)


def test_the_page_has_every_row_of_the_table() -> None:
    _, _, rest = PAGE.read_text().partition(BEGIN)
    made, _, _ = rest.partition(END)
    assert made == generated(), "run: .venv/bin/python -m tests.unit.test_error_docs"


def test_every_situation_of_the_page_has_a_test() -> None:
    table = PAGE.read_text().partition("## What can happen")[2].partition("\n## ")[0]
    first = re.findall(r"^\| ([^|]+?) \|", table, re.MULTILINE)[1:]
    assert [name for name in first if not name.startswith("---")] == list(SITUATIONS)
    for test in SITUATIONS.values():
        file, _, function = test.partition("::")
        assert re.search(rf"^def {function}\(", (ROOT / "tests" / file).read_text(), re.MULTILINE), test


if __name__ == "__main__":
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + BEGIN + generated() + END + rest.partition(END)[2])
