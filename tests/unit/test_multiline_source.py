"""Events of several lines through the whole daemon: timing, rotation, kills, refusals, dead letters."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaError

from shipper.config import ParseConfig
from shipper.config.framing import MultilineConfig
from tests.unit.rig import PumpRig

START = MultilineConfig(start=r"^\+", timeout=1.0, max_lines=100)


def rig(root: Path, **source: Any) -> PumpRig:
    return PumpRig(root, **({"multiline": START} | source))


def append(log: Path, text: str) -> None:
    with log.open("ab") as file:
        file.write(text.encode())


def test_an_event_that_may_go_on_is_sent_after_a_silence(tmp_path: Path) -> None:
    with rig(tmp_path) as r:
        log = r.logs / "app.log"
        append(log, "+a\n-b\n+c\n-d\n")
        r.start()
        assert r.lines == ["+a\n-b"]
        for _ in range(3):  # as long as it grows, it goes on
            r.pass_time(0.75)
            append(log, "-e\n")
            r.beat()
        assert r.lines == ["+a\n-b"]
        r.pass_time(1.5)
        assert r.lines == ["+a\n-b", "+c\n-d\n-e\n-e\n-e"]
        r.pass_time(5)
        r.stop()
        assert [cp.offset for cp in r.saved()] == [log.stat().st_size]


def test_an_unended_last_line_does_not_hold_it_up_while_the_file_may_grow(tmp_path: Path) -> None:
    with rig(tmp_path) as r:
        append(r.logs / "app.log", "+a\n-b\n-c")
        r.start()
        r.pass_time(2)
        assert r.lines == ["+a\n-b"]
        r.stop()


@pytest.mark.parametrize("moment", ["open", "sent"])
def test_after_a_kill_in_mid_event_it_is_sent_whole(moment: str, tmp_path: Path) -> None:
    with rig(tmp_path) as r:
        log = r.logs / "app.log"
        append(log, "+a\n-b\n+c\n-d\n")
        r.start(up=moment != "sent")
        r.pass_time(0.5 if moment == "open" else 3)
        assert r.pump is not None
        r.pump._close()  # as it is: nothing is drained
        r.pump = None
        (saved,) = r.saved()
        assert saved.offset == (6 if moment == "open" else 0)
        append(log, "-e\n+f\n")
        r.start()
        r.pass_time(3)
        r.stop()
        sent = [line for line in r.lines if line.startswith("+c")]
        assert sent == ["+c\n-d\n-e"]
        assert r.lines[-1] == "+f"


def test_a_stop_leaves_an_event_that_may_go_on_for_the_next_start(tmp_path: Path) -> None:
    with rig(tmp_path) as r:
        log = r.logs / "app.log"
        append(log, "+a\n-b\n")
        r.start()
        r.stop()
        assert r.lines == []
        append(log, "-c\n")
        r.start()
        r.pass_time(2)
        r.stop()
        assert r.lines == ["+a\n-b\n-c"]


def test_the_last_event_of_a_rotated_file_is_sent_and_the_next_file_begins_a_new_one(tmp_path: Path) -> None:
    with rig(tmp_path) as r:
        log = r.logs / "app.log"
        append(log, "+a\n-b\n")
        r.start()
        log.rename(r.logs / "app.log.1")
        append(log, "-c\n-d\n")
        r.pass_time(3)
        assert r.lines == ["+a\n-b", "-c\n-d"]
        append(r.logs / "app.log.1", "-late\n")
        r.pass_time(3)
        assert r.lines == ["+a\n-b", "-c\n-d", "-late"]
        r.stop()
        assert "file.late" in r.names()


@pytest.mark.parametrize("how", ["rotate", "delete"])
def test_an_unended_last_line_belongs_to_the_last_event_of_a_file_that_has_ended(how: str, tmp_path: Path) -> None:
    with rig(tmp_path) as r:
        log = r.logs / "app.log"
        append(log, "+a\n-b\n-c")
        r.start()
        if how == "rotate":
            log.rename(r.logs / "app.log.1")
            append(log, "+next\n")
        else:
            log.unlink()
        r.pass_time(8)
        assert r.lines[0] == "+a\n-b\n-c"
        r.stop()


def test_what_was_truncated_after_a_copy_goes_on_in_the_copy(tmp_path: Path) -> None:
    with rig(tmp_path) as r:
        log = r.logs / "app.log"
        append(log, "+a\n-b\n" + "+c\n-d\n" * 300)
        r.start()
        (r.logs / "app.log.1").write_bytes(log.read_bytes())
        os.truncate(log, 0)
        append(log, "+new\n")
        r.pass_time(8)
        r.stop()
        assert r.lines == ["+a\n-b", *["+c\n-d"] * 300, "+new"]


def test_a_compressed_file_gives_its_last_event(tmp_path: Path) -> None:
    with rig(
        tmp_path,
    ) as r:
        log = r.logs / "app.log"
        append(log, "+x\n")
        r.start()
        r.pass_time(2)
        r.stop()
        (r.logs / "app.log.2.gz").write_bytes(gzip.compress(b"+a\n-b\n+c\n-d\n"))
        r.start()
        r.pass_time(8)
        r.stop()
        assert r.lines == ["+x", "+a\n-b", "+c\n-d"]


def test_what_is_refused_is_narrowed_down_to_one_event(tmp_path: Path) -> None:
    with rig(tmp_path) as r:
        log = r.logs / "app.log"
        append(log, "+a\n-b\n+bad\n-d\n+e\n-f\n+g\n")
        r.start(up=False)

        def serve() -> None:
            if any(sent.value.startswith(b"+bad") for sent in r.sink.queue):
                r.sink.refuse(KafkaError.INVALID_RECORD)
            else:
                r.sink.deliver()

        r.sink.on_poll = serve
        r.pass_until("the last event", lambda: "+g" in r.lines)
        r.stop()
        assert r.lines == ["+a\n-b", "+e\n-f", "+g"]
        assert [(letter.offset, letter.value) for letter in r.letters()] == [(6, b"+bad\n-d")]


def test_provenance_tells_where_the_first_line_begins(tmp_path: Path) -> None:
    with rig(tmp_path, provenance="headers", encoding="utf-16") as r:
        log = r.logs / "app.log"
        log.write_bytes("+a\n-b\n+c\n+d\n".encode("utf-16"))
        r.start()
        r.pass_time(2)
        r.stop()
        assert r.lines == ["+a\n-b", "+c", "+d"]
        assert [dict(headers)["shipper.offset"] for headers in r.sink.headers] == [b"0", b"14", b"20"]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_the_end_of_a_file_in_which_a_source_begins_is_a_line_end(codec: str, tmp_path: Path) -> None:
    with rig(tmp_path, multiline=None, encoding="utf-16", start_at="end") as r:
        log = r.logs / "app.log"
        log.write_bytes("\ufeffone\nĊ\nĊ".encode(codec))
        r.start()
        with log.open("ab") as file:
            file.write("ઊ\ntwo\n".encode(codec))
        r.pass_time(1)
        r.stop()
        assert r.lines == ["Ċઊ", "two"]


# Long lines.


def test_a_truncated_line_says_how_long_it_is(tmp_path: Path) -> None:
    with rig(tmp_path, multiline=None, max_line=1024, on_long_line="truncate") as r:
        append(r.logs / "app.log", "one\n" + "x" * 5000 + "\ntwo\n")
        r.start()
        r.stop()
        assert r.lines == ["one", "x" * 1024, "two"]
        assert r.sink.headers == [[("shipper.truncated", b"5000")]]
        assert r.events.counters["records.truncated", "s"] == 1
        assert r.events.counters["records.truncated_bytes", "s"] == 5000 - 1024


def test_a_long_line_is_kept_and_nothing_of_it_is_sent(tmp_path: Path) -> None:
    with rig(tmp_path, multiline=None, max_line=1024, on_long_line="deadletter") as r:
        block = msgspec.structs.replace(r.config.kafka, on_reject="block")  # that is for what brokers refuse
        r.config = msgspec.structs.replace(r.config, kafka=block)
        log = r.logs / "app.log"
        append(log, "one\n" + "x" * 5000 + "\ntwo\n")
        r.start()
        r.pass_until("a letter", lambda: "record.deadlettered" in r.names())
        (letter,) = r.letters()
        assert (letter.offset, letter.value, letter.headers) == (4, b"x" * 1024, (("shipper.truncated", b"5000"),))
        assert letter.reason == "LINE_TOO_LONG"
        r.stop()
        assert r.lines == ["one", "two"]
        assert [cp.offset for cp in r.saved()] == [log.stat().st_size]


def test_a_last_line_that_is_too_long_waits_for_its_end_and_is_truncated_when_there_will_be_none(
    tmp_path: Path,
) -> None:
    with rig(tmp_path, multiline=None, max_line=1024, on_long_line="truncate") as r:
        log = r.logs / "app.log"
        append(log, "x" * 5000)
        r.start()
        r.pass_time(2)
        assert r.lines == []
        log.unlink()
        r.pass_time(8)
        assert r.lines == ["x" * 1024]
        r.stop()


def test_what_is_not_of_the_encoding_is_counted(tmp_path: Path) -> None:
    with rig(tmp_path, multiline=None, encoding="utf-8") as r:
        (r.logs / "app.log").write_bytes(b"\xef\xbb\xbfa\n\xff\nb\xff\n")
        r.start()
        r.stop()
        assert r.lines == ["a", "\ufffd", "b\ufffd"]
        assert r.events.counters["records.replaced", "s"] == 2


# Containers.


def test_pieces_of_container_lines_are_joined(tmp_path: Path) -> None:
    with rig(tmp_path, multiline=None, parse=ParseConfig(format="cri")) as r:
        log = r.logs / "app.log"
        append(log, "1 stdout P a\n2 stderr P x\n3 stdout F b\n4 stderr F y\n5 stdout P c\n")
        r.start()
        assert r.lines == ["1 stdout F ab", "2 stderr F xy"]
        r.pass_time(2)
        append(log, "6 stdout F d\n7 stdout P e\n")
        r.beat()
        assert r.lines[2:] == ["5 stdout F cd"]
        r.pass_time(8)
        assert r.lines[3:] == ["7 stdout P e"]
        r.stop()
        assert [cp.offset for cp in r.saved()] == [log.stat().st_size]


def test_one_of_two_joined_lines_that_is_refused_is_found(tmp_path: Path) -> None:
    with rig(tmp_path, multiline=None, parse=ParseConfig(format="cri")) as r:
        append(r.logs / "app.log", "1 stdout P a\n2 stderr F bad\n3 stdout F b\n4 stdout F c\n")
        r.start(up=False)

        def serve() -> None:
            if any(b"bad" in sent.value for sent in r.sink.queue):
                r.sink.refuse(KafkaError.INVALID_RECORD)
            else:
                r.sink.deliver()

        r.sink.on_poll = serve
        r.pass_until("the last line", lambda: "4 stdout F c" in r.lines)
        r.stop()
        assert r.lines == ["1 stdout P a", "3 stdout F b", "4 stdout F c"]
