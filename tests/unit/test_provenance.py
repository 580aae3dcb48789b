"""``provenance = "headers"``: each record says which line it is, whatever becomes of its file."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.records import PROVENANCE_OVERHEAD
from tests.unit.rig import PumpRig
from tests.unit.test_pump import refuse_batches_with

Line = tuple[int, bytes, bytes]  # offset, part and parts


def lines(rig: PumpRig) -> list[Line]:
    """Return what the records of one file say of themselves, and that they all say the same of the file."""
    found = []
    files = set()
    for headers in (dict(one) for sink in rig.sinks for one in sink.headers):
        files.add((headers["shipper.file_id"], headers["shipper.generation"]))
        found.append(
            (int(headers["shipper.offset"]), headers.get("shipper.part", b""), headers.get("shipper.parts", b""))
        )
    assert len(files) == 1
    return found


def test_a_record_has_the_offset_of_the_first_byte_of_its_line(tmp_path: Path) -> None:
    with PumpRig(tmp_path, provenance="headers") as rig:
        (rig.logs / "app.log").write_bytes(b"one\r\n\ntwo\nthree\r\nrest")
        rig.start()
        assert lines(rig) == [(0, b"", b""), (5, b"", b""), (6, b"", b""), (10, b"", b"")]
        assert rig.lines == ["one", "", "two", "three"]
        (saved,) = rig.saved()
        assert {dict(one)["shipper.file_id"].decode() for one in rig.sink.headers} == {saved.uid}


def test_a_line_in_parts_has_one_offset(tmp_path: Path) -> None:
    with PumpRig(tmp_path, provenance="headers", max_line=1024) as rig:
        (rig.logs / "app.log").write_bytes(b"a\n" + b"b" * 2500 + b"\r\nc\n")
        rig.start()
        assert lines(rig) == [
            (0, b"", b""),
            (2, b"1", b""),
            (2, b"2", b""),
            (2, b"3", b"3"),
            (2504, b"", b""),
        ]


def test_the_identity_is_kept_through_rotation_compression_and_restart(tmp_path: Path) -> None:
    with PumpRig(tmp_path, provenance="headers") as rig:
        log = rig.logs / "app.log"
        log.write_bytes(b"".join(b"line %d\n" % n for n in range(10)))
        rig.start()
        rig.stop()
        rotated = rig.logs / "app.log.1.gz"
        rotated.write_bytes(gzip.compress(log.read_bytes() + b"late\n"))
        log.unlink()
        rig.start()
        rig.pass_time(10)
        assert [offset for offset, _, _ in lines(rig)] == [n * 7 for n in range(11)]


def test_headers_count_as_in_flight(tmp_path: Path) -> None:
    weights = {}
    for provenance in ("none", "headers"):
        (tmp_path / provenance).mkdir()
        with PumpRig(tmp_path / provenance, provenance=provenance) as rig:
            (rig.logs / "app.log").write_bytes(b"one\ntwo\n")
            rig.start(up=False)
            assert rig.pump is not None
            weights[provenance] = rig.pump._ledger.in_flight
    assert weights["headers"] == weights["none"] + 2 * PROVENANCE_OVERHEAD


def test_a_record_that_only_fits_without_its_headers_is_alone(tmp_path: Path) -> None:
    with PumpRig(tmp_path, provenance="headers") as rig:
        (rig.logs / "app.log").write_bytes(b"a\n" + b"b" * 900 + b"\nc\n")
        rig.most = 1000
        rig.start(up=False)
        assert [sent.value[:1] for sent in rig.sink.queue] == [b"a", b"b"]  # what follows waits for what becomes of it


def test_a_dead_letter_keeps_them(tmp_path: Path) -> None:
    with PumpRig(tmp_path, provenance="headers") as rig:
        (rig.logs / "app.log").write_bytes(b"good\nbad\nfine\n")
        rig.start(up=False)
        refuse_batches_with(rig, b"bad")
        rig.pass_until("the last line", lambda: "fine" in rig.lines)
        (letter,) = rig.letters()
        named = dict(letter.headers)
        assert (named["shipper.file_id"].decode(), named["shipper.offset"]) == (letter.uid, b"5")


def test_other_sources_have_none(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        (rig.logs / "app.log").write_bytes(b"one\ntwo\n")
        rig.start()
        assert (rig.lines, rig.sink.headers) == (["one", "two"], [])


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.binary(max_size=4).map(lambda b: b.replace(b"\n", b"")), max_size=20), st.sampled_from([b"\n", b"\r\n"])
)
def test_every_offset_leads_to_its_line(
    tmp_path_factory: pytest.TempPathFactory, content: list[bytes], end: bytes
) -> None:
    with PumpRig(tmp_path_factory.mktemp("provenance"), provenance="headers") as rig:
        data = b"".join(line + end for line in content)
        (rig.logs / "app.log").write_bytes(data)
        rig.start()
        begins = [int(dict(one)["shipper.offset"]) for one in rig.sink.headers]
        values = rig.sink.arrived
    assert [data[at : at + len(value)] for at, value in zip(begins, values, strict=True)] == values
    assert begins == sorted(set(begins))
    assert len(begins) == len(content)


def test_where_a_file_was_begun_is_kept(tmp_path: Path) -> None:
    """An audit must not miss what was left alone at the first scan."""
    with PumpRig(tmp_path, start_at="end") as rig:
        (rig.logs / "app.log").write_bytes(b"old\nolder\n")
        rig.start()
        with (rig.logs / "app.log").open("ab") as log:
            log.write(b"new\n")
        rig.beat()
        rig.stop()
        rig.start()
        rig.stop()
        (saved,) = rig.saved()
        assert (rig.lines, saved.start, saved.offset) == (["new"], 10, 14)
