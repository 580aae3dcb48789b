"""``explain``: for each way in which a file is shipped or not, its sentence; with what a real pump has saved."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper.checkpoints import snapshot
from shipper.cli import main
from shipper.config import Config, load
from shipper.explain import Answer, explain
from shipper.explain.fate import Fate
from shipper.explain.show import as_json, as_text
from tests.unit.rig import PumpRig

OLD = (1_000_000_000, 1_000_000_000)
LINE = "a line\n"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[PumpRig]:
    """A pump whose source has had its first scan, of an empty directory."""
    with PumpRig(tmp_path) as rig:
        rig.start()
        yield rig


def write(path: Path, text: str = LINE) -> Path:
    with path.open("a") as log:
        log.write(text)
    return path


def ship(rig: PumpRig) -> None:
    """Let the pump read, send and save what is there."""
    if rig.pump is None:
        rig.start()
    rig.pass_time(10)
    rig.stop()


def asked(config: Config, path: Path) -> Answer:
    saved = snapshot.read(config.shipper.state_dir) if snapshot.exists(config.shipper.state_dir) else {}
    return explain(config, os.fsencode(path), saved)


def fate(rig: PumpRig, path: Path) -> Fate:
    (found,) = asked(rig.config, path).fates
    return found


def configured(tmp_path: Path, **sources: str) -> Config:
    """Return a configuration; each source is given as the lines of its table."""
    tables = "".join(f'[sources.{name}]\ntopic = "logs.{{stem}}"\n{text}\n' for name, text in sources.items())
    file = tmp_path / "shipper.toml"
    file.write_text(f'[shipper]\nstate_dir = "{tmp_path}/state"\n[kafka]\nbootstrap_servers = "127.0.0.1:1"\n{tables}')
    return load(file)


# --- shipped ---------------------------------------------------------------------------------------------------------


def test_a_file_that_has_been_read(rig: PumpRig) -> None:
    log = write(rig.logs / "app.log")
    ship(rig)
    found = fate(rig, log)
    assert (found.shipped, found.state, found.why) == (True, "idle", "all of it has been read")
    assert (found.source, found.offset, found.size, found.generation) == ("s", len(LINE), len(LINE), 0)
    assert (found.topic, found.key) == ("t", b"app.log")


def test_a_file_that_is_read_beside_a_running_daemon(rig: PumpRig) -> None:
    log = write(rig.logs / "app.log")
    rig.pass_time(5)
    assert rig.store.flush(5)
    write(log)
    before = sorted(file.read_bytes() for file in rig.config.shipper.state_dir.iterdir())
    found = fate(rig, log)
    assert (found.state, found.why) == ("reading", f"{len(LINE)} bytes of it still to be sent")
    assert found.offset == len(LINE)
    assert sorted(file.read_bytes() for file in rig.config.shipper.state_dir.iterdir()) == before


def test_a_file_that_is_new(rig: PumpRig) -> None:
    ship(rig)
    found = fate(rig, write(rig.logs / "app.log"))
    assert (found.shipped, found.state, found.offset) == (True, "reading", 0)
    assert found.notes[0].startswith("new to the daemon")


def test_a_line_that_has_no_end_yet(rig: PumpRig) -> None:
    log = write(rig.logs / "app.log", LINE + "half")
    ship(rig)
    assert fate(rig, log).why == "its last 4 bytes have no line end yet, and wait for it"


def test_a_rotated_file_and_its_successor(rig: PumpRig) -> None:
    log = write(rig.logs / "app.log")
    rig.pass_time(5)
    log.rename(rig.logs / "app.log.1")
    write(log, "next\n")
    ship(rig)
    old, new = fate(rig, rig.logs / "app.log.1"), fate(rig, log)
    assert (old.shipped, old.state, old.path) == (True, "finished", os.fsencode(log))
    assert f"a rotation of {log}: its lines keep that name's key" in old.notes
    assert (new.state, new.generation, new.offset) == ("idle", 1, 5)


def test_a_file_that_waits_for_its_predecessor(rig: PumpRig) -> None:
    log = write(rig.logs / "app.log")
    ship(rig)
    write(log)
    log.rename(rig.logs / "app.log.1")
    write(log, "next\n")
    found = fate(rig, log)
    assert (found.shipped, found.state) == (True, "waiting")
    assert found.why == f"waits until generation 0 of {log}, which is {log}.1, has been read to its end"


def test_a_copy_and_a_compressed_copy(rig: PumpRig) -> None:
    log = write(rig.logs / "app.log", LINE * 100)
    ship(rig)
    shutil.copy(log, rig.logs / "app.log.1")
    with gzip.open(rig.logs / "app.log.2.gz", "wb") as packed:
        packed.write(log.read_bytes())
    for name in ("app.log.1", "app.log.2.gz"):
        found = fate(rig, rig.logs / name)
        assert (found.shipped, found.state) == (True, "copy")
        assert found.why == f"it holds the lines of {log}, which are shipped from there or were"


def test_a_compressed_file_that_is_not_complete(rig: PumpRig) -> None:
    ship(rig)
    packed = rig.logs / "app.log.1.gz"
    packed.write_bytes(gzip.compress(os.urandom(5000))[:-100])
    found = fate(rig, packed)
    assert (found.shipped, found.why) == (True, "compressed, and not complete yet; it is read when it is")


def test_a_truncated_file(rig: PumpRig) -> None:
    log = write(rig.logs / "app.log", LINE * 10)
    ship(rig)
    log.write_text("other\n")
    found = fate(rig, log)
    assert (found.shipped, found.state) == (True, "changed")
    assert "truncated or replaced" in found.why


def test_a_link_and_what_it_leads_to(rig: PumpRig, tmp_path: Path) -> None:
    target = write(tmp_path / "elsewhere")
    link = rig.logs / "app.log"
    link.symlink_to(target)
    ship(rig)
    assert asked(rig.config, link).notes == [f"a symbolic link to {target}"]
    assert fate(rig, link).state == "idle"
    found = fate(rig, target)
    assert found.shipped
    assert f"another name of the same file is {link}" in found.notes


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_link_that_is_not_followed(rig: PumpRig, tmp_path: Path) -> None:
    link = rig.logs / "app.log"
    link.symlink_to(write(tmp_path / "secret"))
    os.chown(link, 4711, 4711, follow_symlinks=False)
    ship(rig)
    answer = asked(rig.config, link)
    assert not answer.shipped
    assert answer.why == [
        "source \"s\": it does not follow a link of uid 4711's to what is root's; see its follow_symlinks"
    ]


def test_a_file_that_was_deleted_after_it_was_read(rig: PumpRig) -> None:
    log = write(rig.logs / "app.log")
    ship(rig)
    log.unlink()
    answer = asked(rig.config, log)
    assert answer.why == ["there is no such file"]
    assert [(f.shipped, f.state) for f in answer.fates] == [(True, "gone")]


def test_a_file_that_was_deleted_before_it_was_delivered(rig: PumpRig) -> None:
    rig.sink.up = False
    log = write(rig.logs / "app.log", LINE * 3)
    rig.pass_time(5)
    assert rig.store.flush(5)
    log.unlink()
    found = fate(rig, log)
    assert (found.shipped, found.state, found.offset, found.size) == (False, "gone", 0, 21)
    assert found.why == "deleted with 21 bytes not acknowledged; only a daemon that has had it open can send them"


def test_two_sources_for_one_file(tmp_path: Path) -> None:
    log = write(tmp_path / "app.log")
    paths = f'paths = ["{tmp_path}/*.log"]'
    answer = asked(configured(tmp_path, one=paths, two=paths), log)
    assert [(f.source, f.shipped, f.topic) for f in answer.fates] == [(s, True, "logs.app") for s in ("one", "two")]
    assert answer.notes == ["2 sources ship it, each of them all of its lines: one, two"]


# --- not shipped -----------------------------------------------------------------------------------------------------


def test_no_pattern_matches(rig: PumpRig) -> None:
    answer = asked(rig.config, write(rig.logs / "app.txt"))
    assert not answer.shipped
    nearest = f'the nearest is "{rig.logs}/*.log" of source "s": "app.txt" does not match "*.log"'
    assert answer.why == ["no pattern of any source matches its name", nearest]


@pytest.mark.parametrize("pattern", ["app*", "*/app.log", "{tmp_path}/logs/**"])
def test_a_pattern_excludes_it(tmp_path: Path, pattern: str) -> None:
    (tmp_path / "logs").mkdir()
    log = write(tmp_path / "logs" / "app.log")
    pattern = pattern.replace("{tmp_path}", str(tmp_path))
    table = f'paths = ["{tmp_path}/logs/*.log"]\nexclude = ["*.old", "{pattern}"]'
    answer = asked(configured(tmp_path, s=table), log)
    assert not answer.shipped
    assert f'excluded by "{pattern}"' in as_text(answer)


def test_a_rotated_file_that_was_there_at_the_first_scan(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log, old = write(rig.logs / "app.log"), write(rig.logs / "app.log.1")
        before = fate(rig, old)
        ship(rig)
        after = fate(rig, old)
    assert (before.state, after.state) == ("left", "left")
    assert before.why == f"a rotation of {log} that is there before the first scan: such files are left alone"
    assert after.why == f"a rotation of {log} that was there at the source's first scan: such files are left alone"
    assert not after.shipped


@pytest.mark.parametrize(
    ("settings", "because"),
    [({"start_at": "end"}, ': start_at = "end"'), ({"ignore_older": 60.0}, ": it was older than ignore_older")],
)
def test_what_was_there_at_the_first_scan_is_left_alone(tmp_path: Path, settings: dict[str, Any], because: str) -> None:
    with PumpRig(tmp_path, **settings) as rig:
        log = write(rig.logs / "app.log")
        os.utime(log, OLD)
        before = fate(rig, log)
        ship(rig)
        found = fate(rig, log)
    size = len(LINE)
    note = f"what stood before offset {size} at the source's first scan is left alone{because}"
    assert note in before.notes
    assert note in found.notes
    assert (found.shipped, found.start, found.offset) == (True, size, size)


def test_what_is_no_regular_file(rig: PumpRig) -> None:
    ship(rig)
    (rig.logs / "d.log").mkdir()
    os.mkfifo(rig.logs / "p.log")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(rig.logs / "s.log"))
        for name, kind in (("d", "a directory"), ("p", "a named pipe"), ("s", "a socket")):
            answer = asked(rig.config, rig.logs / f"{name}.log")
            assert not answer.shipped
            assert answer.why == [f"it is {kind}; only regular files are shipped"]


def test_a_file_that_is_not_there(rig: PumpRig) -> None:
    ship(rig)
    answer = asked(rig.config, rig.logs / "app.log")
    told = 'source "s": its name matches; it is shipped once it can be found there'
    assert (answer.shipped, answer.why) == (False, ["there is no such file", told])
    (rig.logs / "app.log").symlink_to("nowhere")
    assert asked(rig.config, rig.logs / "app.log").why[0].startswith("a symbolic link to ")


# --- what a person sees ----------------------------------------------------------------------------------------------


def test_the_answer_as_text_and_as_json(rig: PumpRig) -> None:
    log = write(rig.logs / "app\x1b[31m.log", LINE + "half")
    ship(rig)
    answer = asked(rig.config, log)
    shown = f"{rig.logs}/app\\x1b[31m.log"
    assert as_text(answer).splitlines() == [
        shown,
        '  shipped       by source "s"',
        "  acknowledged  7 of 11 bytes",
        "  state         its last 4 bytes have no line end yet, and wait for it",
        "  topic         t, key app\\x1b[31m.log",
    ]
    told = json.loads(as_json(answer))
    assert (told["path"], told["shipped"]) == (shown, True)
    (source,) = told["sources"]
    assert (source["source"], source["state"], source["offset"], source["size"]) == ("s", "partial", 7, 11)


def test_the_exit_status_says_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configured(tmp_path, s=f'paths = ["{tmp_path}/*.log"]')
    write(tmp_path / "app.log")
    monkeypatch.chdir(tmp_path)
    assert main(["explain", "app.log", "-c", "shipper.toml"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f'{tmp_path}/app.log\n  shipped       by source "s"\n')
    assert f"no daemon has saved anything in state_dir {tmp_path}/state yet" in out
    assert not err
    assert main(["explain", "app.txt", "-c", "shipper.toml", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["shipped"] is False
    assert main(["explain", "-c", "shipper.toml"]) == 2
