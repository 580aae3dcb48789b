"""``shipper test``: a file's lines as records, whatever is in them, and which source is meant."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shipper import config
from shipper.cli import main
from shipper.errors import UnreadableFile
from shipper.model import Messages
from shipper.preview import Preview, preview
from shipper.preview.owner import owners
from shipper.preview.show import Summary, as_json, as_rows
from shipper.records import Shaped, Stage

Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run ``shipper test`` with a configuration; returns its exit status and what it says."""

    def ask(*options: str, **sources: str) -> tuple[int, str, str]:
        tables = "\n".join(
            f'[sources.{name}]\ntopic = "t.{{source}}"\n'
            + ("" if "journald" in text else f'paths = ["{tmp_path}/{name}*.log"]\n')
            + text
            for name, text in (sources or {"a": ""}).items()
        )
        (tmp_path / "c.toml").write_text(
            f'[shipper]\nstate_dir = "{tmp_path}/state"\n[kafka]\nbootstrap_servers = "x:1"\n{tables}\n'
        )
        status = main(["test", "-c", str(tmp_path / "c.toml"), *options])
        out, err = capsys.readouterr()
        return status, out, err

    return ask


def found(ask: Ask, *options: str, **sources: str) -> list[dict[str, Any]]:
    status, out, err = ask("--json", *options, **sources)
    assert (status, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


def test_a_record_as_text(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text('{"at": "2020-11-24T10:09:10Z", "u": "eva"}\nrest')
    fields = 'parse = { format = "json" }\ntimestamp = { field = "at" }\nkey = "{field.u}"\nkey_fallback = "none"'
    status, out, err = ask(str(tmp_path / "a.log"), a=fields)
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "record   to t.a: the line at 0",
        "  key    eva",
        "  time   2020-11-24T10:09:10.000Z",
        '  value  {"at": "2020-11-24T10:09:10Z", "u": "eva"}',
        "record   to t.a: the line at 43",
        "  key    none",
        "  header shipper.parse_error: 1",
        "  time   that of its sending",
        "  value  rest",
        "  note   it could not be parsed: it has no fields",
        "  note   something that its key asks for is not there: it has the key_fallback",
        "2 records, 1 parse error, 1 key fallback.",
    ]


def test_nothing_of_a_log_controls_the_terminal(ask: Ask, tmp_path: Path) -> None:
    hostile = b"\x1b]0;owned\x07\x1b[2J\r\x7f\x9b31m\xc2\x9b31m\xe2\x80\xae"
    (tmp_path / "a.log").write_bytes(b'{"u": "\\u001b[2J\\u009b"}\n' + hostile + b"\n")
    fields = 'parse = { format = "json" }\nkey = "{field.u}"\nheaders = { u = "{field.u}" }'
    for options in ((), ("--json",)):
        status, out, _ = ask(str(tmp_path / "a.log"), *options, a=fields)
        assert status == 0
        assert all(c == "\n" or c.isprintable() for c in out)
    (first, second) = found(ask, str(tmp_path / "a.log"), a=fields)
    assert first["key"] == "\x1b[2J\x9b"
    assert "value_base64" in second


def test_a_long_line_comes_in_its_parts(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"x" * 2500 + b"\r\nshort\r\n\n")
    records = found(ask, str(tmp_path / "a.log"), a='max_line = "1KiB"')
    assert [len(record["value"]) for record in records] == [1024, 1024, 452, 5, 0]
    assert [record["offset"] for record in records] == [0, 0, 0, 2502, 2509]
    assert records[2]["headers"] == [{"name": "shipper.part", "value": "3"}, {"name": "shipper.parts", "value": "3"}]


def test_a_rotated_file_has_the_name_of_its_log(ask: Ask, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.log.2.gz", "wb") as file:
        file.write(b"one\ntwo\n")
    records = found(ask, str(tmp_path / "a.log.2.gz"), a='key = "{filename}"', b="")
    assert [(record["key"], record["value"]) for record in records] == [("a.log", "one"), ("a.log", "two")]


def test_lines_and_stdin(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = 'key = "{path}"'
    assert [(r["key"], r["value"]) for r in found(ask, "-l", "one", "-l", "two", a=key)] == [
        ("/dev/stdin", "one"),
        ("/dev/stdin", "two"),
    ]
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"x\xff\ny")))
    records = found(ask, "-n", "1", "--as", str(tmp_path / "b.log"), a=key, b=key)
    assert [(r["topic"], r["key"]) for r in records] == [("t.b", f"{tmp_path}/b.log")]
    assert not [name for name in os.listdir(tmp_path) if name.startswith("shipper-test")]


def test_which_source_is_meant(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "ab.log").write_text("x\n")
    file = str(tmp_path / "ab.log")
    assert found(ask, file, a="")[0]["topic"] == "t.a"
    status, _, err = ask(file, a="", ab="")
    assert status == 2
    assert "is shipped by a, ab; say which: --source NAME" in err
    assert found(ask, file, "--source", "ab", a="", ab="")[0]["topic"] == "t.ab"
    assert found(ask, file, a="", b="")[0]["topic"] == "t.a"
    assert found(ask, file, "-s", "b", a="", b="")[0]["topic"] == "t.b"
    status, _, err = ask(file, c="", b="")
    assert (status, f"no source ships {file}; say which one is meant: --source NAME (c, b)" in err) == (2, True)
    status, _, err = ask("-l", "x", c="", b="")
    assert (status, "a line by itself tells no source" in err) == (2, True)
    status, _, err = ask(file, "-s", "z")
    assert (status, 'there is no source "z"' in err) == (2, True)


ENTRIES = [
    {"__CURSOR": "c1", "__REALTIME_TIMESTAMP": "1764000000001000", "MESSAGE": "a", "_SYSTEMD_UNIT": "x.service"},
    {
        "__CURSOR": "c2",
        "__REALTIME_TIMESTAMP": "1764000000002000",
        "MESSAGE": [255, 0],
        "_PID": "1",
        "UNIT": "x.service",
    },
    {"MESSAGE": "other", "_SYSTEMD_UNIT": "y.service"},
    {"__CURSOR": "c4", "_SYSTEMD_UNIT": "x.service", "TAG": ["t", "u"], "__SEQNUM": "7"},
]


@pytest.fixture
def entries(tmp_path: Path) -> str:
    file = tmp_path / "entries.json"
    file.write_text("".join(json.dumps(entry) + "\n" for entry in ENTRIES))
    return str(file)


JOURNAL = 'type = "journald"\nkey = "{field._SYSTEMD_UNIT|field.UNIT}"\n'
UNIT = 'units = ["x"]'


def test_entries_of_the_journal_as_journalctl_prints_them(ask: Ask, entries: str) -> None:
    records = found(ask, entries, "-s", "j", j=JOURNAL + UNIT, a="")
    assert [(r["offset"], r["cursor"], r.get("dropped")) for r in records] == [
        (0, "c1", None),
        (1, "c2", None),
        (2, "entry 3", "selection"),
        (3, "c4", "no_message"),
    ]
    first, second, *_ = records
    assert (first["topic"], first["key"], first["value"]) == ("t.j", "x.service", "a")
    assert first["timestamp"] == "2025-11-24T16:00:00.001Z"
    assert (second["key"], second["value_base64"]) == ("x.service", "/wA=")
    status, out, _ = ask(entries, "-s", "j", j=JOURNAL + UNIT, a="")
    assert status == 0
    assert out.splitlines()[0] == "record   to t.j: entry 1"
    assert "dropped  by selection: entry 3" in out
    assert out.splitlines()[-1] == "2 records, 1 dropped by selection, 1 dropped by no_message."


def test_entries_of_the_journal_as_json_and_in_parts(ask: Ask, entries: str) -> None:
    keys = JOURNAL + 'value = "json"\nmax_line = "1KiB"'
    *_, last = found(ask, entries, j=keys)  # it is the only source
    value = json.loads(last["value"])
    assert (value["message"], value["TAG"], value["__CURSOR"]) == ("", ["t", "u"], "c4")
    assert "__SEQNUM" not in value
    parts = found(ask, "-l", json.dumps({"MESSAGE": "x" * 2500}), j=JOURNAL + 'max_line = "1KiB"')
    assert [(len(part["value"]), part["offset"]) for part in parts] == [(1024, 0), (1024, 0), (452, 0)]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("a line", "it is no JSON (Expecting value: line 1 column 1 (char 0))"),
        ('["MESSAGE"]', "it is no JSON object"),
        ('{"MESSAGE": null}', "its MESSAGE was left out for its size: give journalctl the option --all"),
        ('{"MESSAGE": [256]}', "MESSAGE is neither text nor bytes"),
        ('{"A": {"b": 1}}', "A is neither text nor bytes"),
        ("[" * 100_000, "it is no JSON that journalctl prints: it is nested too deep"),
    ],
)
def test_what_is_no_entry_of_the_journal(ask: Ask, line: str, why: str) -> None:
    status, out, err = ask("-l", '{"MESSAGE": "good", "_SYSTEMD_UNIT": "x.service"}', "-l", line, j=JOURNAL)
    assert (status, "good" in out) == (1, True)
    assert err == f"shipper: line 2 is no entry as `journalctl -o json` prints it: {why}\n"


def test_what_does_not_go_with_a_source_of_the_journal(ask: Ask, tmp_path: Path) -> None:
    status, _, err = ask("--as", "/x", "-l", "{}", j=JOURNAL)
    assert (status, '--as names a file, and source "j" reads the journal' in err) == (2, True)
    none = tmp_path / "none"
    assert ask(str(none), j=JOURNAL)[2] == f"shipper: {none} cannot be read: No such file or directory\n"


def test_what_cannot_be_read(ask: Ask, tmp_path: Path) -> None:
    assert ask(str(tmp_path / "a.log")) == (
        1,
        "",
        f"shipper: {tmp_path}/a.log cannot be read: No such file or directory\n",
    )
    assert ask(str(tmp_path))[2] == f"shipper: {tmp_path} is no regular file\n"
    (tmp_path / "a.log.1.gz").write_bytes(b"no gzip")
    assert "a.log.1.gz cannot be read" in ask(str(tmp_path / "a.log.1.gz"))[2]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the stage drop what says so, and make two records of what says that."""

    def shape(_self: Stage, file: Any, events: list[bytes], *_: Any, **__: Any) -> Shaped:
        (event,) = events
        if event == b"drop":
            return Shaped(Messages([], b""), 0, dropped={"exclude_lines": 1})
        return Shaped(Messages([event] * (2 if event == b"two" else 1), file.key), 0, topics=["x", "y"])

    monkeypatch.setattr(Stage, "shape", shape)
    return iter(())


@pytest.mark.usefixtures("stage")
def test_it_is_known_which_rule_dropped_which_line(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("one\ndrop\ntwo\n")
    records = found(ask, str(tmp_path / "a.log"))
    assert [(r["offset"], r.get("topic"), r.get("dropped"), r["value"]) for r in records] == [
        (0, "x", None, "one"),
        (4, None, "exclude_lines", "drop"),
        (9, "x", None, "two"),
        (9, "y", None, "two"),
    ]
    out = ask(str(tmp_path / "a.log"))[1]
    assert "dropped  by exclude_lines: the line at 4\n  line   drop\n" in out
    assert out.endswith("\n3 records, 1 dropped by exclude_lines.\n")


def test_a_file_that_changes_meanwhile_is_told(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        '[shipper]\nstate_dir = "/s"\n[kafka]\nbootstrap_servers = "x:1"\n'
        f'[sources.a]\npaths = ["{tmp_path}/*.log"]\ntopic = "t"'
    )
    loaded = config.load(tmp_path / "c.toml", {})
    file = tmp_path / "a.log"
    file.write_bytes(b"a line\n" * 100_000)
    records = preview(loaded.of_files["a"], "h", bytes(file), bytes(file))
    next(records)
    file.write_bytes(b"another\n" * 100_000)
    with pytest.raises(UnreadableFile, match="has changed while it was read"):
        list(records)
    assert [owner.path for owner in owners(loaded, bytes(file) + b".1")] == [bytes(file)]


def test_rows_of_a_record_without_anything() -> None:
    empty = Preview(0, b"")
    assert [label for label, _ in as_rows(empty)] == ["record", "key", "time", "value"]
    assert json.loads(as_json(empty)) == {
        "offset": 0,
        "topic": "",
        "key": "",
        "headers": [],
        "timestamp": None,
        "value": "",
    }
    assert str(Summary()) == "0 records."


def test_events_of_several_lines_and_shortened_lines(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"2026 one\n  at two\n2026 three\n  at four")
    multiline = "multiline = { start = '^[0-9]{4} ' }"
    records = found(ask, str(tmp_path / "a.log"), a=multiline)
    assert [(r["offset"], r["value"]) for r in records] == [(0, "2026 one\n  at two"), (18, "2026 three\n  at four")]
    (tmp_path / "a.log").write_bytes(b"x" * 3000 + b"\nshort\n")
    records = found(ask, str(tmp_path / "a.log"), a='max_line = "1KiB"\non_long_line = "truncate"')
    assert [(r["offset"], len(r["value"])) for r in records] == [(0, 1024), (3001, 5)]
    assert records[0]["headers"] == [{"name": "shipper.truncated", "value": "3000"}]


def test_what_is_dropped_is_redacted_too(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("debug eva@example.com\ninfo eva@example.com\n")
    rules = 'exclude_lines = ["debug"]\nredact = [{ preset = "email" }]'
    for options in ((), ("--json",)):
        status, out, _ = ask(str(tmp_path / "a.log"), *options, a=rules)
        assert status == 0
        assert "exclude_lines" in out
        assert "eva" not in out
