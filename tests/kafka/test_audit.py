"""``shipper audit`` against a real Kafka: what is planted is told, and what is well is not accused."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition

from shipper.checkpoints import CheckpointStore
from shipper.deadletters import NAME as LETTERS
from shipper.deadletters import Letter, Letters
from shipper.events import Events
from shipper.files import Files, fingerprint_at, open_reader
from shipper.model import Checkpoint
from tests.harness.kafka import Broker
from tests.harness.rig import Rig
from tests.harness.wait import eventually
from tests.harness.writer import Load

KEY = b"app.log"


def run(rig: Rig, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "shipper", "audit", "-c", str(rig.configure()), *words],
        capture_output=True,
        text=True,
        check=False,
    )


def told(rig: Rig, *words: str, status: int = 0) -> dict[str, Any]:
    """Return what the audit says as JSON."""
    done = run(rig, "--json", *words)
    assert done.returncode == status, done.stderr + done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def wrong(found: dict[str, Any]) -> dict[str, int]:
    """Return what is not zero of a tally, but for lines and delivered."""
    usual = ("lines", "delivered")
    return {name: value for name, value in found.items() if isinstance(value, int) and value and name not in usual}


class Forged:
    """A topic, a file and checkpoints that a test has made by itself, so that they can say anything of each other."""

    def __init__(self, rig: Rig, bootstrap: str) -> None:
        self.rig = rig
        self._store = CheckpointStore.open(rig.state, Events(lambda *_: None))
        self._producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
        self._saved: list[Checkpoint] = []

    def file(self, name: str, lines: Sequence[bytes], sent: int | None = None, start: int = 0) -> str:
        """Write a file of which a checkpoint says that its first lines were sent; returns its uid."""
        path = self.rig.logs / name
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        offset = sum(len(line) + 1 for line in lines[:sent])
        reader = open_reader(Files(), bytes(path), "")
        try:
            stat, fingerprint = reader.stat(), fingerprint_at(reader, offset)
        finally:
            reader.close()
        uid = f"{len(self._saved):016x}"
        where = bytes(path)
        self._saved.append(
            Checkpoint(uid, "logs", where, where, stat.file_id, 0, offset, fingerprint, stat.size, start=start)
        )
        return uid

    def send(self, lines: Sequence[bytes], key: bytes = KEY, **more: Any) -> None:
        for line in lines:
            self._producer.produce(self.rig.topic, line, key, **more)
            self._producer.poll(0)
        assert self._producer.flush(30) == 0

    def done(self) -> None:
        """Save the checkpoints, and let go of them."""
        self._store.record_first_scan("logs", self._saved)
        self._store.close()

    def close(self) -> None:
        self._store.close()


@pytest.fixture
def forged(rig: Rig, broker: Broker) -> Iterator[Forged]:
    made = Forged(rig, broker.bootstrap)
    yield made
    made.close()


def numbered(count: int, first: int = 0) -> list[bytes]:
    return [b"line %d" % n for n in range(first, first + count)]


def test_what_is_planted_is_told(forged: Forged) -> None:
    lines = numbered(100)
    forged.file("app.log", lines, sent=90)
    arrived = [line for line in lines if line not in (lines[10], lines[50], lines[51])]
    arrived[20], arrived[21] = arrived[21], arrived[20]
    forged.send([*arrived, *lines[80:85]])
    forged.done()
    found = told(forged.rig, status=1)
    assert wrong(found["total"]) == {"missing": 3, "doubled": 5, "out_of_order": 1, "not_yet_sent": 10}
    assert (found["total"]["lines"], found["total"]["delivered"]) == (100, 87)
    (file,) = found["sources"]["logs"]["files"]
    assert [(line["offset"], line["begins"]) for line in file["missing_lines"]] == [
        (70, "line 10"),
        (390, "line 50"),
        (398, "line 51"),
    ]
    shown = run(forged.rig, "-v")
    assert shown.returncode == 1
    assert f"{file['path']} at 390: line 50" in shown.stdout
    assert "3 of 90 lines missing; 5 doubled, 1 out of order." in shown.stdout


def test_doubled_lines_fail_only_a_strict_audit(forged: Forged) -> None:
    forged.file("app.log", numbered(3))
    forged.send([*numbered(3), b"line 2"])
    forged.done()
    assert wrong(told(forged.rig)["total"]) == {"doubled": 1}
    told(forged.rig, "--strict", status=1)


@pytest.mark.parametrize("partitions", [1])
def test_nothing_is_judged_before_the_first_record_that_is_kept(forged: Forged, broker: Broker) -> None:
    lines = numbered(100)
    forged.file("app.log", lines)
    forged.file("old.log", numbered(10, 1000))
    forged.send([line for line in lines if line not in (lines[5], lines[70])])
    forged.done()
    cut = broker.admin.delete_records([TopicPartition(forged.rig.topic, 0, 40)])
    for done in cut.values():
        done.result(30)
    found = told(forged.rig, status=1)
    assert wrong(found["total"]) == {"missing": 1, "not_judged": 41 + 10}
    (note,) = found["sources"]["logs"]["notes"]
    assert "old.log: nothing of it is in the topic, whose first records have been deleted" in note


def test_what_was_left_alone_at_the_first_scan_is_not_judged(forged: Forged) -> None:
    lines = numbered(10)
    forged.file("app.log", lines, start=sum(len(line) + 1 for line in lines[:4]))
    forged.send(lines[4:])
    forged.done()
    assert wrong(told(forged.rig)["total"]) == {"not_judged": 4}


def test_dead_letters_are_not_missing(forged: Forged) -> None:
    lines = numbered(5)
    uid = forged.file("app.log", lines)
    forged.send([lines[0], lines[1], lines[3]])
    letters = Letters.create(forged.rig.state / LETTERS)
    path = bytes(forged.rig.logs / "app.log")
    letters.add(Letter(uid, 0, 14, 0, "logs", path, forged.rig.topic, KEY, (), "why", "why", 1.0, lines[2]), 1 << 20)
    letters.close()
    forged.done()
    assert wrong(told(forged.rig, status=1)["total"]) == {"missing": 1, "dead_letters": 1}


def test_what_an_aborted_transaction_holds_has_not_arrived(forged: Forged, broker: Broker) -> None:
    forged.file("app.log", numbered(5))
    forged.send(numbered(3))
    aborted = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": forged.rig.topic})
    aborted.init_transactions(30)
    aborted.begin_transaction()
    for line in numbered(2, 3):
        aborted.produce(forged.rig.topic, line, KEY)
    assert aborted.flush(30) == 0
    aborted.abort_transaction(30)
    forged.done()
    assert wrong(told(forged.rig, status=1)["total"]) == {"missing": 2}


def test_equal_lines_of_another_key_do_not_answer(forged: Forged) -> None:
    forged.file("app.log", numbered(5))
    forged.file("web.log", numbered(5))
    forged.send(numbered(5))
    forged.send(numbered(4), b"web.log")
    forged.done()
    path = str(forged.rig.logs / "web.log")
    found = told(forged.rig, path, status=1)
    assert [file["path"] for file in found["sources"]["logs"]["files"]] == [path]
    assert (found["total"]["lines"], wrong(found["total"])) == (5, {"missing": 1})
    assert wrong(told(forged.rig, str(forged.rig.logs / "app.log"))["total"]) == {}


def test_a_topic_that_is_not_there_is_told(forged: Forged) -> None:
    forged.file("app.log", numbered(5))
    forged.done()
    forged.rig.source["topic"] = "never-made"
    found = told(forged.rig, status=1)
    assert wrong(found["total"]) == {"missing": 5}
    assert found["notes"] == ["topic never-made is not there: every line that was sent to it is missing"]


def test_mistakes_are_told_in_a_sentence(forged: Forged, tmp_path: Path) -> None:
    forged.done()
    for words, says in (
        (["--source", "nginx"], 'there is no source "nginx"; there are: logs'),
        ([str(tmp_path / "no.log")], "no.log: no source has shipped anything of it"),
    ):
        done = run(forged.rig, *words)
        assert (done.returncode, done.stdout) == (1, "")
        assert says in done.stderr


def test_rotated_and_compressed_files_and_long_lines_are_found(rig: Rig) -> None:
    rig.source["max_line"] = "1KiB"
    app = rig.log("app.log")
    app.write(200)
    app.write_raw(b"".join(b"%d" % n * 5000 + b"\n" for n in range(3)))
    app.write(100)
    rig.start()
    rig.reader.read_count(200)
    app.rotate()
    app.write(50)
    rig.records(365)  # each long line has five parts
    rotated = app.sibling(".1")
    rig.daemon.stop()
    packed = rotated.with_name(rotated.name + ".gz")
    packed.write_bytes(gzip.compress(rotated.read_bytes()))
    rotated.unlink()
    found = told(rig)
    assert wrong(found["total"]) == {}
    lines = {os.path.basename(file["seen_as"]): file["lines"] for file in found["sources"]["logs"]["files"]}
    assert lines == {"app.log.1.gz": 315, "app.log": 50}


def test_a_daemon_that_works_is_not_accused(rig: Rig) -> None:
    busy, rotated = ([rig.log(f"{kind}{number}.log") for number in range(2)] for kind in ("busy", "rotated"))
    for log in (*busy, *rotated):
        log.write(10)
    rig.start()
    with Load(busy, lines=20, every=0.01):  # a thread, and a log has one writer: so others are rotated
        for log in (*rotated, *rotated):
            log.write(500)
            found = told(rig)
            assert wrong(found["total"]).keys() <= {"not_yet_sent"}
            log.rotate()
            log.write(1)
    rig.verify()


def test_what_a_kill_doubled_is_told_as_that(rig: Rig) -> None:
    app = rig.log("app.log")
    app.write(2000)
    rig.start()
    rig.reader.read_count(1)
    rig.daemon.kill()
    rig.start()
    rig.delivered()
    rig.rest()
    rig.daemon.stop()
    rig.reader.read_to_end()
    more = len(rig.reader.records) - 2000
    assert wrong(told(rig)["total"]) == ({"doubled": more} if more else {})


def test_by_headers_equal_lines_are_told_apart(forged: Forged) -> None:
    """By content the line that came twice would answer for the one that is lost."""
    forged.rig.source["provenance"] = "headers"
    uid = forged.file("app.log", [b"same", b"same", b"same"])

    def send(offset: int) -> None:
        forged.send([b"same"], headers=[("shipper.file_id", uid), ("shipper.offset", str(offset))])

    for offset in (0, 0, 10):
        send(offset)
    forged.done()
    found = told(forged.rig, status=1)
    assert wrong(found["total"]) == {"missing": 1, "doubled": 1}
    assert [one["offset"] for one in found["sources"]["logs"]["files"][0]["missing_lines"]] == [5]
    assert wrong(told(forged.rig, "--by-content")["total"]) == {}
    send(5)
    assert wrong(told(forged.rig)["total"]) == {"doubled": 1, "out_of_order": 1}


def test_a_record_that_was_altered_does_not_answer(forged: Forged) -> None:
    forged.rig.source["provenance"] = "headers"
    uid = forged.file("app.log", [b"right"])
    forged.send([b"wrong"], headers=[("shipper.file_id", uid), ("shipper.offset", "0")])
    forged.done()
    assert wrong(told(forged.rig, status=1)["total"]) == {"missing": 1}


def test_what_was_sent_before_there_were_headers_is_told(forged: Forged) -> None:
    forged.rig.source["provenance"] = "headers"
    forged.file("app.log", numbered(3))
    forged.send(numbered(3))
    forged.done()
    (note,) = told(forged.rig, status=1)["notes"]
    assert note.startswith("3 records have no provenance headers")
    assert wrong(told(forged.rig, "--by-content")["total"]) == {}


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
def test_headers_lead_to_the_lines_through_rotation_and_a_kill(rig: Rig, delivery: str) -> None:
    rig.kafka |= {"delivery": delivery, "checkpoint_topic": f"{rig.topic}.checkpoints"[-200:]}
    rig.source |= {"provenance": "headers", "max_line": "1KiB"}
    app = rig.log("app.log")
    app.write(3000)
    app.write_raw(b"a" * 3000 + b"\r\n" + b"\n\n")
    rig.start()
    rig.reader.read_count(100)
    rig.daemon.kill()
    app.rotate()
    app.write(500)
    rig.start()
    rig.delivered()
    rig.daemon.stop()
    found = told(rig)
    assert found["total"]["delivered"] == 3000 + 3 + 2 + 500
    assert wrong(found["total"]).keys() <= ({"doubled"} if delivery == "at_least_once" else set())
    assert found["other_records"] == {}


def test_the_example_of_a_consumer_prints_each_line_once(forged: Forged, broker: Broker) -> None:
    for number in (0, 1, 3, 1, 3, 2, 3, 4):  # 2 was refused at first
        headers = [("shipper.file_id", "f"), ("shipper.offset", str(number * 7))]
        forged.send([b"line %d" % number], headers=headers)
    example = Path(__file__).parents[2] / "config" / "examples" / "deduplicate.py"
    # A shell that starts the tests in the background has SIGINT ignored.
    command = ["env", "--default-signal=INT", sys.executable, str(example), broker.bootstrap, forged.rig.topic]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as consumer:
        assert consumer.stdout is not None
        shown = []
        for line in consumer.stdout:
            shown.append(line)
            if line == b"line 4\n":
                consumer.send_signal(signal.SIGINT)
        assert consumer.wait(30) == 0
    assert shown == [b"line %d\n" % number for number in (0, 1, 3, 2, 4)]


PROCESSOR = """
from shipper.records import Record

def words(record):
    fields = record.fields
    if fields is None: return record
    if fields["n"] % 7 == 0: return None
    if fields["n"] % 5 == 0: return [Record(record.message, dict(fields, part=n)) for n in range(3)]
    return record
"""


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
@pytest.mark.parametrize("how", ["content", "headers", "json"])
def test_records_that_are_no_lines_are_judged(
    rig: Rig, broker: Broker, monkeypatch: pytest.MonkeyPatch, delivery: str, how: str
) -> None:
    """Keys and topics of fields, lines that are dropped, and several records of a line; with a kill in between."""
    for app in ("shop", "pay"):
        broker.create_topic(f"{rig.topic}.{app}")
    (rig.root / "words_of_a_line.py").write_text(PROCESSOR)
    monkeypatch.setenv("PYTHONPATH", str(rig.root), prepend=os.pathsep)
    rig.kafka |= {"delivery": delivery, "checkpoint_topic": f"{rig.topic}.checkpoints"[-200:]}
    rig.source |= {"topic": f"{rig.topic}.{{field.app}}", "key": "{field.user}", "processor": "words_of_a_line:words"}
    rig.source |= {
        "provenance": "none" if how == "content" else "headers",
        "value": "json" if how == "json" else "line",
    }
    rig.more_sources["logs.parse"] = {"format": "json"}
    lines = [b'{"n": %d, "user": "u%d", "app": "%s"}' % (n, n % 13, (b"shop", b"pay")[n % 2]) for n in range(1, 2001)]
    lines += [b"unparsed %d" % n for n in range(100)]
    path = rig.logs / "app.log"
    path.write_bytes(b"".join(line + b"\n" for line in lines[:1500]))
    rig.start()
    rig.reader.read_to_end()
    rig.daemon.kill()
    with path.open("ab") as log:
        log.write(b"".join(line + b"\n" for line in lines[1500:]))
    rig.start()
    rig.records(100)
    rig.daemon.stop()
    made = [0 if n % 7 == 0 else 3 if n % 5 == 0 else 1 for n in range(1, 2001)]
    found = told(rig)
    assert found["total"]["delivered"] == sum(made) + 100
    assert wrong(found["total"]).keys() <= ({"doubled"} if delivery == "at_least_once" else set())
    assert found["other_records"] == {}
    (note,) = found["sources"]["logs"]["notes"]
    assert note == f"lines that its rules drop are not expected: processor {made.count(0)}"


def test_a_record_that_is_no_line_and_is_missing(forged: Forged) -> None:
    forged.rig.source |= {"key": "{field.user}"}
    forged.rig.more_sources["logs.parse"] = {"format": "json"}
    lines = [b'{"user": "u%d"}' % n for n in range(4)]
    forged.file("app.log", lines)
    for number in (0, 1, 3, 3):
        forged.send([lines[number]], key=b"u%d" % number)
    forged.send([lines[2]], key=b"another")
    forged.done()
    found = told(forged.rig, status=1)
    assert wrong(found["total"]) == {"missing": 1, "doubled": 1}
    assert [one["offset"] for one in found["sources"]["logs"]["files"][0]["missing_lines"]] == [30]


def test_events_are_judged_by_their_lines(forged: Forged) -> None:
    """Where the silence of a file has cut an event, nobody knows afterwards."""
    forged.rig.more_sources["logs.multiline"] = {"start": "^a"}
    lines = [line for n in range(5) for line in (b"a %d" % n, b" b %d" % n, b" c %d" % n)]
    forged.file("app.log", lines)
    whole = [b"\n".join(lines[n : n + 3]) for n in range(0, 15, 3)]
    forged.send(
        [whole[0], lines[3], b"\n".join(lines[4:6]), whole[2], lines[9] + b"\n" + lines[11], whole[4], whole[4]]
    )
    forged.done()
    found = told(forged.rig, status=1)
    assert wrong(found["total"]) == {"missing": 1, "doubled": 3}
    assert (found["total"]["lines"], found["other_records"]) == (15, {})
    (line,) = found["sources"]["logs"]["files"][0]["missing_lines"]
    assert (line["offset"], line["begins"]) == (sum(map(len, lines[:9])) + 9, " b 3")


SOURCES: dict[str, tuple[dict[str, Any], bytes, int]] = {  # with the lines that each has
    "joined": ({"multiline": {"start": "^a", "timeout": "200ms"}}, b"a {n}\r\n more {n}\n", 2),
    "wide": ({"encoding": "utf-16-le"}, "ä {n}\r\n".encode("utf-16-le"), 1),
    "cut": ({"on_long_line": "truncate", "max_line": "1KiB", "encoding": "latin-1"}, b"{n}" + b"\xe4" * 900 + b"\n", 1),
    "hidden": ({"max_line": "1KiB", "redact": [{"preset": "email"}]}, b"{n}" + b" a@b.de" * 300 + b"\n", 3),
    "object": ({"value": "json"}, b"no json {n}\n", 1),
    "pieces": ({"parse": {"format": "cri"}}, b"t stdout P one {n} \nt stdout F two\n", 1),
    "limited": ({"rate_limit": {"per_second": 100, "drop": True}}, b"line {n}\n", 1),
}


def settled(rig: Rig) -> bool:
    """Whether all that is on disk was read and is acknowledged."""
    command = [sys.executable, "-m", "shipper", "status", "--json", "-c", str(rig.config)]
    status = json.loads(subprocess.run(command, capture_output=True, check=False).stdout or "{}")
    return bool(status) and not status["in_flight"] and not any(source["unread"] for source in status["sources"])


def test_all_kinds_of_records_are_judged_after_a_kill(rig: Rig, broker: Broker) -> None:
    count = 300
    files: dict[str, Path] = {}
    for name, (keys, _, _) in SOURCES.items():
        (rig.logs / name).mkdir()
        files[name] = rig.logs / name / f"{name}.log"
        usual = {"paths": [f"{rig.logs}/{name}/*.log"], "topic": rig.topic, "key": "{filename}"}
        rig.more_sources[name] = usual | keys

    def write(first: int) -> None:
        for name, (_, line, _) in SOURCES.items():
            form = line.replace("{n}".encode("utf-16-le"), b"{n}")
            made = [
                form.replace(b"{n}", str(n).encode("utf-16-le" if name == "wide" else "ascii"))
                for n in range(first, first + count)
            ]
            with files[name].open("ab") as log:
                log.write(b"".join(made))

    write(0)
    rig.start()
    rig.records(count)
    rig.daemon.kill()
    write(count)
    rig.start()
    eventually("all of it to be acknowledged", lambda: settled(rig))
    rig.daemon.stop()
    found = told(rig)
    assert found["total"]["missing"] == 0
    for name, (_, _, lines) in SOURCES.items():
        source = found["sources"][name]
        assert source["lines"] == 2 * count * lines, name
        if name == "limited":
            assert source["delivered"] + source["not_judged"] == 2 * count
            assert source["not_judged"] > 300
            assert "rate_limit may have dropped" in source["notes"][0]
        else:
            assert source["delivered"] == 2 * count * lines, name
            assert wrong(source).keys() <= {"doubled"}
    rig.source["topic"] = rig.topic
    for table in rig.more_sources.values():
        table["topic"] = f"{rig.topic}.empty"
    broker.create_topic(f"{rig.topic}.empty")
    found = told(rig, status=1)
    assert {name: found["sources"][name]["missing"] for name in SOURCES} == {
        name: 0 if name == "limited" else 2 * count * lines for name, (_, _, lines) in SOURCES.items()
    }
