"""A line in parts is redacted as if it were whole: wherever it is cut, whatever stands across the cut."""

from __future__ import annotations

import os
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shipper.config import FileConfig
from shipper.config.rules import Redaction
from shipper.files import Files
from shipper.filesource import framers
from shipper.model import NO_FINGERPRINT, Checkpoint, FileId
from shipper.records import Naming, Stage
from shipper.records.redaction import Redactor
from shipper.records.seams import REACH, Rest, ahead_of
from shipper.tailer import Tailer

ALL = tuple(Redaction(preset=name) for name in ("credit_card", "email", "ipv4", "bearer_token", "aws_key"))
SECRETS = {
    "credit_card": b"4111 1111 1111 1111",
    "email": b"first.last@sub.example.com",
    "ipv4": b"192.168.101.202",
    "bearer_token": b"Bearer abcdef.ghijkl.mnopqr",
    "aws_key": b"secret_access_key=wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYxy",
    "escaped": rb"\u0034111\u0031111\u00311111111",
    "pattern": b"password=geheim",
}
RULES = (*ALL, Redaction(pattern=r"(password=)\S{1,60}", replace=r"\1--"), Redaction(pattern="=-+", replace="="))


def in_parts(rules: tuple[Redaction, ...], line: bytes, cuts: list[int]) -> tuple[list[bytes], Counter[str]]:
    """Return the redacted parts of ``line``, cut at ``cuts``."""
    counts: Counter[str] = Counter()
    redactor, rest, values = Redactor(rules, counts), Rest(), []
    bounds = sorted({0, len(line), *(cut for cut in cuts if cut < len(line))})
    for low, high in pairwise(bounds):
        value, rest = redactor.part(rest, line[low:high], line[high : high + ahead_of(len(rules))])
        assert len(rest.text) <= REACH
        values.append(value)
    return values, counts


def whole(rules: tuple[Redaction, ...], line: bytes) -> tuple[bytes, Counter[str]]:
    counts: Counter[str] = Counter()
    return Redactor(rules, counts).event(line), counts


PLAIN = [secret for name, secret in SECRETS.items() if name != "escaped"]  # how many are resolved each window decides
PIECES = st.sampled_from([*PLAIN, b" ", b"x", b"7", b".", b"\xff", b"\r", b"filler " * 9])
CUTS = st.lists(st.integers(1, 600), max_size=8)


@given(st.lists(PIECES, min_size=1, max_size=12).map(b"".join), CUTS)
@example(b"4111 1111 1111 1111 4111 1111 1111 1111", list(range(1, 40)))
@example(b"password=password=a@b.de", [3, 9, 12, 19])
def test_parts_are_those_of_the_redacted_line(line: bytes, cuts: list[int]) -> None:
    values, counts = in_parts(RULES, line, cuts)
    assert (b"".join(values), counts) == whole(RULES, line)


@given(st.sampled_from(sorted(SECRETS)), st.integers(0, 300), CUTS, st.sampled_from([b" ", b"-- ", b"g ", b'", "']))
def test_a_secret_of_any_place_leaves_in_no_part(name: str, before: int, cuts: list[int], filler: bytes) -> None:
    secret = SECRETS[name]
    line = (filler * before)[:before] + b" " + secret + b" " + filler * 50
    values, _ = in_parts(RULES, line, cuts)
    clean = b"".join(values)
    assert clean == whole(RULES, line)[0]
    kept = {"bearer_token": b"Bearer ", "aws_key": b"secret_access_key=", "pattern": b"password="}.get(name, b"")
    for i in range(len(kept), len(secret) - 5):
        assert secret[i : i + 6] not in clean


@settings(max_examples=40)
@given(st.integers(1, REACH - 20), st.integers(1, REACH), st.integers(1, 30))
def test_a_secret_may_be_as_long_as_is_promised(size: int, before: int, more: int) -> None:
    token = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    rules = (Redaction(preset="bearer_token"), Redaction(pattern="(?s)BEGIN.*?END"))
    for secret in (b"Bearer " + token, b"BEGIN" + b" x\n" * (size // 3) + b"END"):
        line = b"," * before + secret + b"," * (3 * REACH)
        for cut in (before + 1, before + len(secret) // 2, before + len(secret) - 1):
            values, counts = in_parts(rules, line, [cut, cut + more, cut + more + 1])
            assert b"".join(values) == whole(rules, line)[0]
            assert sum(counts.values()) == 1


def test_of_a_longer_one_that_looks_the_same_all_over_nothing_leaves() -> None:
    line = b"x Bearer " + b"t0ken" * (40 * REACH) + b" end"
    values, counts = in_parts(ALL, line, list(range(5 * REACH, len(line), 5 * REACH)))
    assert len(values) == 41
    assert b"".join(values) == b"x Bearer **** end"
    assert counts == {"redacted.bearer_token": 1}


def source(*rules: Redaction, **keys: object) -> FileConfig:
    given: dict[str, object] = {"name": "s", "paths": ("/x",), "topic": "t", "max_line": 1024, "redact": rules}
    return FileConfig(**{**given, **keys})  # type: ignore[arg-type]


def records(path: Path, config: FileConfig, *, twice: bool = False) -> list[bytes]:
    """Return the values that a file becomes; ``twice``: each batch is shaped again, as when its topic has to come."""
    stage = Stage(config, Naming(config, "host"), "host")
    stat, name = path.stat(), os.fsencode(path)
    cp = Checkpoint("u", "s", name, name, FileId(stat.st_dev, stat.st_ino), 0, 0, NO_FINGERPRINT, 0)
    splits = config.on_long_line == "split"
    tailer = Tailer(cp, config.max_line, "t", b"k", framers.build(config), splits=splits)
    assert tailer.open(Files())
    values: list[bytes] = []
    while True:
        start = tailer.read.offset
        batch = tailer.take() or (tailer.take_last() if tailer.at_end else None)
        if batch is None:
            if tailer.at_end:
                break
            continue
        for _ in range(1 + twice):
            shaped = stage.shape(
                tailer,
                batch.lines,
                lambda batch=batch, start=start: batch.offsets(start),  # type: ignore[misc]
                batch.size,
                batch.part,
                last=batch.last,
                full=batch.full,
                ahead=batch.ahead,
            )
        values += shaped.messages.values
    tailer.close()
    return values


@pytest.mark.parametrize("encoding", ["bytes", "latin-1", "utf-16", "shift_jis"])
@pytest.mark.parametrize("twice", [False, True])
def test_a_file_s_long_lines_are_redacted_across_their_parts(tmp_path: Path, encoding: str, twice: bool) -> None:
    log = tmp_path / "app.log"
    config = source(*RULES, encoding=encoding)
    lines = [f"{'.' * shift}{'user@example.com 4111111111111111 ' * 120}" for shift in range(1000, 1030)]
    data = "\n".join(["short a@b.de", *lines, "last a@b.de"])
    log.write_bytes(data.encode("latin-1" if encoding == "bytes" else encoding))
    values = records(log, config, twice=twice)
    assert len(values) > 100
    clean = b"".join(values)
    assert b"@" not in clean
    assert b"111" not in clean
    assert clean == whole(RULES, data.replace("\n", "").encode())[0]


@pytest.mark.parametrize("encoding", ["bytes", "cp1252", "utf-16"])
@pytest.mark.parametrize("what", ["truncate", "deadletter"])
def test_nothing_of_a_secret_is_left_where_a_line_is_cut_short(tmp_path: Path, what: str, encoding: str) -> None:
    log = tmp_path / "app.log"
    config = source(*RULES, on_long_line=what, encoding=encoding)
    lines = ["." * (1024 - at) + " 4111111111111111 and more" * 300 for at in range(1, 18)]
    log.write_bytes("\n".join([*lines, ""]).encode("latin-1" if encoding == "bytes" else encoding))
    values = records(log, config)
    assert len(values) == len(lines)
    assert not any(b"4" in value or b"1" in value for value in values)


def test_a_part_waits_until_it_is_known_what_follows(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    config = source(*ALL)
    log.write_bytes(b"x" * 1024 + b"y" * (ahead_of(len(ALL)) - 1))
    cp = Checkpoint(
        "u", "s", b"", os.fsencode(log), FileId(log.stat().st_dev, log.stat().st_ino), 0, 0, NO_FINGERPRINT, 0
    )
    tailer = Tailer(cp, 1024, "t", b"k", framers.build(config))
    assert tailer.open(Files())
    assert tailer.take() is None
    assert tailer.at_end
    with log.open("ab") as file:
        file.write(b"yyyy")
    batch = tailer.take()
    assert batch is not None
    assert (batch.part, batch.ahead) == (1, b"y" * ahead_of(len(ALL)))
    tailer.close()
