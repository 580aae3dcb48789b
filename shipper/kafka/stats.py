"""Why records wait although brokers answer, as far as the client's statistics tell it.

The client tries again for ever and says nothing: a partition without a leader, too few replicas, a full disk, a quota.
Every few seconds it gives its statistics as JSON, from within ``poll``; only the latest text is kept, and it is parsed
only when something waits. Its counters leave out what waits to be tried again, so they name partitions, but never say
that nothing waits; of a quota they tell for a moment only, and the client's callback tells more. Pump thread only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

QUOTA = "the brokers throttle this client (quota)"
UNCONFIRMED = (
    "the brokers do not acknowledge: too few in-sync replicas or a full disk are the usual causes; "
    "look at the brokers' log"
)
NAMED = 5  # partitions that are named, at most


class _Broker(msgspec.Struct):
    nodeid: int = -1
    state: str = ""


class _Partition(msgspec.Struct):
    partition: int = -1
    leader: int = -1
    msgq_cnt: int = 0
    xmit_msgq_cnt: int = 0
    msgs_inflight: int = 0

    @property
    def waits(self) -> bool:
        return bool(self.msgq_cnt or self.xmit_msgq_cnt or self.msgs_inflight)


class _Topic(msgspec.Struct):
    partitions: dict[str, _Partition] = {}


class _Statistics(msgspec.Struct):
    brokers: dict[str, _Broker] = {}
    topics: dict[str, _Topic] = {}


_DECODER = msgspec.json.Decoder(_Statistics)


class Latest:
    """The latest statistics of one client; calling it takes new ones."""

    def __init__(self) -> None:
        self.text = ""

    def __call__(self, text: str) -> None:
        """Take statistics, from within ``poll``: must be light."""
        self.text = text


def why_waiting(texts: Iterable[str], topics: set[str], *, throttled: bool = False) -> tuple[str, str]:
    """Return where records for ``topics`` wait (``"t[0,3], u"``), and why, in words; ``texts``: one of each client.

    ``throttled``: brokers have said that they hold back this client. Their statistics say so only where an answer came
    since the ones before, and there is none while a broker holds them back.
    """
    found = [_DECODER.decode(text) for text in texts if text]
    brokers = {b.nodeid: b for statistics in found for b in statistics.brokers.values() if b.nodeid >= 0}
    known = sorted({(t, p.partition, p.leader, p.waits) for t, p in _partitions(found, topics)})
    waiting = [entry for entry in known if entry[3]]
    leaderless = [entry for entry in waiting or known if entry[2] < 0]
    away = sorted({leader for _, _, leader, _ in waiting if leader in brokers and brokers[leader].state != "UP"})
    if leaderless:
        return _where(topics, leaderless), _no_leader(leaderless)
    if away:
        which = ", ".join(map(str, away))
        return _where(topics, waiting), f"broker {which}, the leader of partitions that wait, cannot be reached"
    if throttled:
        return _where(topics, waiting), QUOTA
    return _where(topics, waiting), UNCONFIRMED


def _partitions(found: Iterable[_Statistics], topics: set[str]) -> Iterator[tuple[str, _Partition]]:
    for statistics in found:
        for topic in topics & statistics.topics.keys():
            for partition in statistics.topics[topic].partitions.values():
                if partition.partition >= 0:  # -1 is where the client keeps what has no partition yet
                    yield topic, partition


def _where(topics: set[str], entries: list[tuple[str, int, int, bool]]) -> str:
    """Return the topics, with the partitions that are meant where these are known."""
    told = []
    for topic in sorted(topics):
        numbers = ",".join(map(str, sorted({entry[1] for entry in entries if entry[0] == topic})))
        told.append(f"{topic}[{numbers}]" if numbers else topic)
    return ", ".join(told)


def _no_leader(entries: list[tuple[str, int, int, bool]]) -> str:
    names = [f"partition {number} of topic {topic}" for topic, number, _, _ in entries]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more} {'has' if len(names) == 1 else 'have'} no leader"
