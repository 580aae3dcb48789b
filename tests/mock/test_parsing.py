"""Lines that are parsed, as a consumer sees their records: time, key and headers, over a kill and a restart."""

from __future__ import annotations

from confluent_kafka import Message

from tests.harness.consumer import Reader, Received
from tests.harness.rig import Rig

SECOND = 1606212550  # 2020-11-24T10:09:10Z


class Headers(Reader):
    """Keeps the time and the headers of each record, too."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        super().__init__(bootstrap, topic)
        self.of: dict[bytes, tuple[int, list[tuple[str, bytes]]]] = {}

    def _take(self, message: Message, record: Received) -> bool:
        found = message.headers() or []
        assert isinstance(found, list)
        self.of[record.value] = (
            message.timestamp()[1],
            [(name, value) for name, value in found if isinstance(value, bytes)],
        )
        return True


def test_records_have_the_time_and_the_key_that_their_lines_say(rig: Rig) -> None:
    rig.source |= {
        "parse": {"format": "json"},
        "timestamp": {"field": "event.at", "format": "epoch"},
        "key": "{field.user}",
        "key_fallback": "nobody",
    }
    good = [b'{"event": {"at": %d.5}, "user": "u%d"}' % (SECOND + n, n % 3) for n in range(300)]
    bad = [b"no JSON %d \xff" % n for n in range(10)]
    late = b'{"event": {"at": 5}, "user": "u1"}'
    (rig.logs / "a.log").write_bytes(b"\n".join([*good[:150], *bad, *good[150:], late]) + b"\n")
    with Headers(rig.kafka["bootstrap_servers"], rig.topic) as reader:
        daemon = rig.start()
        assert reader.read_until([*good, *bad, late]) == set()
        daemon.kill()
        with (rig.logs / "a.log").open("ab") as log:
            log.write(b'{"event": {"at": %d}, "user": "u9"}\nlast\n' % SECOND)
        rig.start()
        assert reader.read_until([b"last"]) == set()
        told = rig.daemon.wait_for("records.parse_error", source="logs")
        keys = {record.value: record.key for record in reader.records}
        assert told.fields["then"].startswith("they are sent as they are")
    assert {value: reader.of[value] for value in good} == {
        value: ((SECOND + n) * 1000 + 500, []) for n, value in enumerate(good)
    }
    assert {keys[value] for value in good} == {b"u0", b"u1", b"u2"}
    assert {reader.of[value][1][0] for value in (*bad, b"last")} == {("shipper.parse_error", b"1")}
    assert {keys[value] for value in (*bad, b"last")} == {b"nobody"}
    assert all(reader.of[value][0] > (SECOND + 86400) * 1000 for value in (*bad, late, b"last"))
    assert reader.of[late][1] == []
