"""Why records wait, from the client's statistics."""

from __future__ import annotations

from typing import Any

import msgspec

from shipper.kafka.stats import QUOTA, UNCONFIRMED, Latest, why_waiting


def text(partitions: dict[int, dict[str, int]], *, state: str = "UP") -> str:
    """Return statistics of a topic "t" with other fields as well, and of a topic that nobody asks for."""
    table: dict[str, Any] = {str(n): {"partition": n, "leader": 1, "txmsgs": 7} | p for n, p in partitions.items()}
    told = {
        "name": "shipper#producer-1",
        "brokers": {"b:1/1": {"nodeid": 1, "state": state}},
        "topics": {
            "t": {"topic": "t", "partitions": table},
            "other": {"partitions": {"0": {"partition": 0, "leader": -1, "msgq_cnt": 1}}},
        },
    }
    return msgspec.json.encode(told).decode()


def test_nothing_is_known_before_the_first_statistics() -> None:
    assert why_waiting([Latest().text], {"u", "t"}) == ("t, u", UNCONFIRMED)


def test_a_partition_without_leader() -> None:
    told = text({-1: {"leader": -1, "msgq_cnt": 1}, 0: {}, 3: {"leader": -1, "msgq_cnt": 2}})
    assert why_waiting([told], {"t"}) == ("t[3]", "partition 3 of topic t has no leader")


def test_a_partition_without_leader_for_which_nothing_waits_is_not_the_reason() -> None:
    told = text({0: {"msgs_inflight": 1}, 3: {"leader": -1}})
    assert why_waiting([told], {"t"}) == ("t[0]", UNCONFIRMED)


def test_the_counters_leave_out_what_is_tried_again() -> None:
    told = text({0: {}, 3: {"leader": -1}})
    assert why_waiting([told], {"t"}) == ("t[3]", "partition 3 of topic t has no leader")


def test_many_partitions_are_named_in_part() -> None:
    _, why = why_waiting([text({n: {"leader": -1} for n in range(7)})], {"t"})
    assert why.startswith("partition 0 of topic t, partition 1 of topic t, ")
    assert why.endswith(" and 2 more have no leader")


def test_a_leader_that_is_away() -> None:
    told = text({0: {"xmit_msgq_cnt": 1}}, state="DOWN")
    assert why_waiting([told], {"t"}) == (
        "t[0]",
        "broker 1, the leader of partitions that wait, cannot be reached",
    )


def test_a_quota() -> None:
    assert why_waiting([text({0: {"msgq_cnt": 1}})], {"t"}, throttled=True) == ("t[0]", QUOTA)


def test_the_clients_of_one_producer_are_taken_together() -> None:
    told = [text({0: {"msgq_cnt": 1}}), "", text({2: {"msgq_cnt": 1}})]
    assert why_waiting(told, {"t"}) == ("t[0,2]", UNCONFIRMED)


def test_the_latest_is_kept() -> None:
    latest = Latest()
    latest("{}")
    latest('{"name": "later"}')
    assert latest.text == '{"name": "later"}'
