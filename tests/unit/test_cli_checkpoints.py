"""The commands around checkpoints as a person types them: what they print, and how they end."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from shipper.checkpoints import snapshot
from shipper.cli import main
from shipper.deadletters import NAME, Letter, Letters
from shipper.journal.stream import begin
from tests.unit.rig import PumpRig

Output = pytest.CaptureFixture[str]


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Logs that a daemon has delivered."""
    logs = tmp_path / "logs"
    (logs / "sub").mkdir(parents=True)
    (logs / "a.log").write_text("one\ntwo\n")
    (logs / "a.log.1").write_text("older\n")
    (logs / "sub" / "b\x1b.log").write_text("b\n")
    with PumpRig(tmp_path, glob="**/*.log") as rig:
        rig.start()
        rig.pass_time(2)
        rig.stop()
    return logs


@pytest.fixture
def config_file(tmp_path: Path, logs: Path) -> Path:
    return write_config(tmp_path, logs, "s")


def write_config(tmp_path: Path, logs: Path, source: str) -> Path:
    file = tmp_path / "shipper.toml"
    file.write_text(
        f'[shipper]\nstate_dir = "{tmp_path}/state"\n[kafka]\nbootstrap_servers = "127.0.0.1:1"\n'
        f'[sources.{source}]\npaths = ["{logs}/**/*.log"]\ntopic = "t"\nkey = "{{filename}}"\n'
    )
    return file


def call(config_file: Path, capsys: Output, *argv: str) -> tuple[int, str, str]:
    command, *rest = argv
    status = main(["checkpoints", command, "-c", str(config_file), *rest])
    out, err = capsys.readouterr()
    return status, out, err


def test_list_is_a_table_with_one_line_for_each_file(config_file: Path, logs: Path, capsys: Output) -> None:
    (logs / "a.log").write_text("one\ntwo\nthree!\n")
    status, out, err = call(config_file, capsys, "list")
    assert (status, err) == (0, "")
    heading, *rows, count = out.splitlines()
    assert heading.split() == ["source", "state", "generation", "acked", "size", "behind", "file"]
    assert [row.split(maxsplit=6) for row in rows] == [
        ["s", "open", "0", "8", "15", "7", f"{logs}/a.log"],
        ["s", "left", "0", "0", "6", "-", f"{logs}/a.log.1  (was {logs}/a.log)"],
        ["s", "open", "0", "2", "2", "0", f"{logs}/sub/b\\x1b.log"],
    ]
    assert re.fullmatch(r"3 checkpoints; last saved \d+ \w+ ago\.", count)


def test_list_of_one_file_as_json(config_file: Path, logs: Path, capsys: Output) -> None:
    status, out, _ = call(config_file, capsys, "list", "--json", str(logs / "a.log"))
    assert status == 0
    (found,) = map(json.loads, out.splitlines())
    assert found["seen_as"] == found["path"] == str(logs / "a.log")
    assert (found["source"], found["offset"], found["size"], found["behind"], found["start"]) == ("s", 8, 8, 0, 0)
    assert (found["state"], found["inode"]) == ("open", os.stat(logs / "a.log").st_ino)


def test_list_works_beside_a_daemon_and_nothing_else_does(
    tmp_path: Path, config_file: Path, logs: Path, capsys: Output
) -> None:
    with PumpRig(tmp_path, glob="**/*.log"):
        assert call(config_file, capsys, "list")[0] == 0
        for argv in (
            ["set", "s", str(logs / "a.log"), "0"],
            ["reset", "--yes", "--all"],
            ["rename", "s", "t"],
            ["gc", "--yes"],
        ):
            status, out, err = call(config_file, capsys, *argv)
            assert (status, out) == (75, "")
            assert err.startswith("shipper: another daemon (pid ")


def test_set_says_where_it_goes_on(config_file: Path, logs: Path, capsys: Output) -> None:
    assert call(config_file, capsys, "set", "s", str(logs / "a.log"), "4") == (
        0,
        f'{logs}/a.log: source "s" goes on at 4, it was at 8.\n',
        "",
    )
    status, out, err = call(config_file, capsys, "set", "s", str(logs / "a.log"), "5")
    assert (status, out) == (1, "")
    assert err == f"shipper: {logs}/a.log: 5 is in the middle of a line; a line begins at 4 or 8\n"


def test_reset_asks_first(config_file: Path, logs: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    status, out, err = call(config_file, capsys, "reset", str(logs / "a.log"))
    assert (status, out) == (130, "")
    assert "Forget 1 checkpoint? Lines that were delivered are sent again" in err
    assert "3 checkpoints; last saved " in call(config_file, capsys, "list")[1]
    assert call(config_file, capsys, "reset", "--yes", str(logs / "a.log")) == (0, "1 checkpoint forgotten.\n", "")
    assert "2 checkpoints; last saved " in call(config_file, capsys, "list")[1]
    assert call(config_file, capsys, "reset", "--yes", "--source", "s") == (0, "2 checkpoints forgotten.\n", "")
    assert call(config_file, capsys, "list")[1].startswith("No checkpoints; last saved ")


def test_reset_of_nothing_is_refused(config_file: Path, capsys: Output) -> None:
    assert call(config_file, capsys, "reset", "--yes")[0] == 2
    status, _, err = call(config_file, capsys, "reset", "--yes", "--source", "t")
    assert (status, err) == (1, 'shipper: source "t" has no checkpoints; those that have: "s"\n')
    status, _, err = call(config_file, capsys, "reset", "--yes", "/nowhere")
    assert (status, err) == (1, "shipper: there is no checkpoint of /nowhere; see `shipper checkpoints list`\n")


def test_a_source_that_lost_its_name_is_told_and_renamed(
    tmp_path: Path, config_file: Path, logs: Path, capsys: Output
) -> None:
    write_config(tmp_path, logs, "web")
    assert '"s" is not in the configuration; `checkpoints rename s NEW`' in call(config_file, capsys, "list")[2]
    assert call(config_file, capsys, "rename", "s", "web") == (
        0,
        '3 checkpoints of source "s" now belong to "web".\n',
        "",
    )
    assert call(config_file, capsys, "list")[2] == ""
    assert "not in the configuration yet" in call(config_file, capsys, "rename", "web", "w")[2]


def test_dead_letters_get_the_new_name_too(tmp_path: Path, config_file: Path, capsys: Output) -> None:
    with contextlib.closing(Letters.create(tmp_path / "state" / NAME)) as letters:
        for source in ("s", "other"):
            letter = Letter(source, 0, 0, 0, source, b"/a", "t", b"", (), "MSG_SIZE_TOO_LARGE", "too large", 0.0, b"x")
            assert letters.add(letter, 1 << 20) == ""
        assert call(config_file, capsys, "rename", "s", "web")[0] == 0
        assert sorted((letter.uid, letter.source) for _, letter in letters) == [("other", "other"), ("s", "web")]


def test_check_tells_of_a_source_that_was_renamed(
    tmp_path: Path, config_file: Path, logs: Path, capsys: Output
) -> None:
    def warned() -> str:
        assert main(["check", "-c", str(config_file)]) == 0
        return capsys.readouterr().err

    assert warned() == ""
    write_config(tmp_path, logs, "web")
    assert warned() == (
        'warning: source "web": the checkpoints of 2 files of it belong to source "s", which is not configured any '
        "more, and all lines would be sent again; if it was renamed, stop the daemon and run: "
        "shipper checkpoints rename s web\n"
    )
    assert call(config_file, capsys, "rename", "s", "web")[0] == 0
    assert warned() == ""


def test_check_says_nothing_of_names_where_files_have_nothing_in_common(
    tmp_path: Path, config_file: Path, capsys: Output
) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "c.log").write_text("c\n")
    write_config(tmp_path, other, "web")
    assert main(["check", "-c", str(config_file)]) == 0
    assert capsys.readouterr().err == ""


def test_check_tells_where_it_cannot_know(
    tmp_path: Path, config_file: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "PAUSE", 0.0)
    (tmp_path / "state" / "checkpoints.sqlite3").write_bytes(b"no database" * 100)
    assert main(["check", "-c", str(config_file)]) == 0
    assert "warning: it is not known whether a source was renamed: cannot read" in capsys.readouterr().err


def test_gc_removes_what_is_gone_and_nothing_else(config_file: Path, logs: Path, capsys: Output) -> None:
    assert call(config_file, capsys, "gc", "--yes") == (0, "0 checkpoints removed.\n", "")
    (logs / "a.log.1").unlink()
    status, out, err = call(config_file, capsys, "gc", "--dry-run")
    assert (status, err) == (0, "")
    assert out == f'{logs}/a.log.1: source "s", gone\n1 checkpoint would be removed.\n'
    assert "1 checkpoint removed." in call(config_file, capsys, "gc", "--yes")[1]
    assert "2 checkpoints; last saved " in call(config_file, capsys, "list")[1]


def test_gc_keeps_a_file_that_may_be_a_rotated_one_now(config_file: Path, logs: Path, capsys: Output) -> None:
    (logs / "a.log").unlink()
    (logs / "a.log.2.gz").write_bytes(b"compressed")
    assert call(config_file, capsys, "gc", "--yes")[1] == "0 checkpoints removed.\n"


def test_gc_keeps_what_may_be_on_a_file_system_that_is_not_mounted(
    config_file: Path, logs: Path, capsys: Output
) -> None:
    shutil.rmtree(logs / "sub")
    (logs / "sub").mkdir()
    status, out, err = call(config_file, capsys, "gc", "--yes")
    assert (status, out) == (0, "0 checkpoints removed.\n")
    assert err == (f"{logs}/sub: 1 checkpoint kept; it is not there, or empty: not mounted? --away removes them too\n")
    assert "1 checkpoint removed." in call(config_file, capsys, "gc", "--yes", "--away")[1]


def test_a_name_that_was_that_of_a_journal_keeps_its_place_in_it(
    tmp_path: Path, config_file: Path, logs: Path, capsys: Output
) -> None:
    with PumpRig(tmp_path) as rig:
        rig.store.record_first_scan("s", [begin("s", "", "s=1;i=2;b=3;m=4;t=5;x=6", "j")])
    assert call(config_file, capsys, "gc", "--yes", "--away") == (0, "0 checkpoints removed.\n", "")
    assert main(["explain", "-c", str(config_file), str(logs / "a.log")]) == 0
    assert "all of it has been read" in capsys.readouterr().out


def test_gc_removes_a_source_that_is_not_configured(
    tmp_path: Path, config_file: Path, logs: Path, capsys: Output
) -> None:
    write_config(tmp_path, logs, "web")
    out = call(config_file, capsys, "gc", "--yes")[1]
    assert out == 'source "s": not in the configuration, 3 checkpoints\n3 checkpoints removed.\n'


def test_what_was_never_saved_cannot_be_listed(config_file: Path, tmp_path: Path, capsys: Output) -> None:
    shutil.rmtree(tmp_path / "state")
    for argv in (["list"], ["gc", "--yes"], ["rename", "s", "t"]):
        status, _, err = call(config_file, capsys, *argv)
        assert status == 1
        assert err.endswith("checkpoints.sqlite3 is not there; has the daemon run with this configuration?\n")
