from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tomli

import shipper
from shipper import checks, demo
from shipper.cli import main
from shipper.cli.daemon import MOST_WARNINGS
from shipper.config import Config, KafkaConfig
from shipper.deadletters import NAME, Letters, only_sender
from shipper.errors import ConnectError, StateBusy
from shipper.events import Write
from shipper.kafka.check import Finding, Level

Output = pytest.CaptureFixture[str]


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    directory = tmp_path / "logs"
    directory.mkdir()
    for name in ("a.log", "b.log", "a.log.1"):
        (directory / name).write_text("a line\n")
    return directory


@pytest.fixture
def config_file(tmp_path: Path, logs: Path) -> Path:
    file = tmp_path / "shipper.toml"
    file.write_text(
        f'[shipper]\nstate_dir = "{tmp_path}/state"\nlog_level = "warning"\n'
        '[kafka]\nbootstrap_servers = "127.0.0.1:1"\n'
        f'[sources.app]\npaths = ["{logs}/*.log"]\ntopic = "logs.{{source}}"\n'
    )
    return file


def drop_in(config_file: Path, name: str, text: str) -> None:
    directory = config_file.parent / "conf.d"
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(text)


def run_check(config_file: Path, capsys: Output, *options: str) -> tuple[int, str, str]:
    status = main(["check", "-c", str(config_file), *options])
    out, err = capsys.readouterr()
    return status, out, err


def test_version_and_help_are_results(capsys: Output) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr() == (f"shipper {shipper.__version__}\n", "")
    assert main(["--help"]) == 0
    out, err = capsys.readouterr()
    assert not err
    for command in ("run", "check", "explain", "demo", "schema"):
        assert f"\n  {command} " in out


@pytest.mark.parametrize("argv", [["ru"], ["run", "--log-level", "loud"], ["demo", "--seconds", "1"], ["demo", "x"]])
def test_wrong_usage_is_two(argv: list[str], capsys: Output) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert not out
    assert "Error: " in err


def test_it_is_a_module_too() -> None:
    ran = subprocess.run([sys.executable, "-m", "shipper", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout == f"shipper {shipper.__version__}\n"


def test_help_needs_none_of_what_the_commands_need() -> None:
    program = "import sys, shipper.cli; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {"confluent_kafka", "msgspec", "tomli", "rich", "watchdog"}.isdisjoint(ran.stdout.split())


def test_a_daemon_brings_nothing_that_only_others_need(tmp_path: Path) -> None:
    config = tmp_path / "shipper.toml"
    config.write_text(f"""
        shipper.state_dir = "{tmp_path}/state"
        kafka.bootstrap_servers = "127.0.0.1:1"
        sources.app = {{ paths = ["/none/*.log"], topic = "t" }}
    """)
    program = (
        "import os, signal, sys; from shipper import pump, service; from shipper.cli import main\n"
        "pump.Pump._beat = lambda _: os.kill(os.getpid(), signal.SIGTERM)\n"
        f"status = main(['run', '-c', {str(config)!r}]); print(status, *sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    status, *modules = ran.stdout.split()
    assert status == "0"
    assert "shipper.filesource.source" in modules
    others = {"audit", "checkpoints", "deadletter", "demo", "explain", "status", "tap", "test"}
    unused = {f"shipper.cli.{name}" for name in others} | {"shipper.journal.source", "zoneinfo", "rich"}
    assert unused.isdisjoint(modules)


def test_output_that_nobody_reads_is_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "shipper", "schema"], stdout=write, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(write)
    assert (ran.returncode, ran.stderr) == (1, "")


def test_schema_is_json(capsys: Output) -> None:
    assert main(["schema"]) == 0
    assert "sources" in json.loads(capsys.readouterr().out)["properties"]


def test_check_says_what_it_found_to_be_right(config_file: Path, capsys: Output) -> None:
    assert run_check(config_file, capsys) == (0, "shipper.toml: no problems; 2 files match now (app 2).\n", "")
    drop_in(config_file, "b.toml", '[sources.app]\nexclude = ["b.log"]\n')
    assert run_check(config_file, capsys) == (
        0,
        "shipper.toml and 1 drop-in: no problems; 1 file matches now (app 1).\n",
        "",
    )


def test_check_tells_every_problem_on_stderr(config_file: Path, capsys: Output) -> None:
    drop_in(config_file, "a.toml", '[shipper]\nshutdown_timeout = "30 parsecs"\n[kafka]\nlingr = "5ms"\n')
    status, out, err = run_check(config_file, capsys)
    assert (status, out) == (78, "")
    *problems, total = err.splitlines()
    assert [line.split(": ")[:2] for line in sorted(problems)] == [
        ["conf.d/a.toml", "kafka.lingr"],
        ["conf.d/a.toml", "shipper.shutdown_timeout"],
    ]
    assert total == "2 problems."


def test_one_problem_is_not_problems(tmp_path: Path, capsys: Output) -> None:
    status, out, err = run_check(tmp_path / "none.toml", capsys)
    assert (status, out) == (78, "")
    assert "none.toml" in err
    assert err.endswith("\n1 problem.\n")


def test_check_warns_of_what_may_not_be_meant(
    config_file: Path, logs: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop_in(
        config_file,
        "a.toml",
        f'[sources.twice]\npaths = ["{logs}/a*"]\nexclude = ["*.1"]\ntopic = "t"\n'
        f'[sources.none]\npaths = ["{logs}/none/*.log"]\ntopic = "t"\n',
    )
    monkeypatch.setattr(
        os, "access", lambda path, _mode: not os.fsdecode(path).endswith("b.log")
    )  # root may read everything
    status, out, err = run_check(config_file, capsys)
    assert (status, out) == (
        0,
        "shipper.toml and 1 drop-in: no problems; 2 files match now (app 2, twice 1, none 0).\n",
    )
    assert err.splitlines() == [
        'warning: source "none": no file matches now',
        f'warning: {logs}/a.log: matched by the sources "app" and "twice"; each of them ships it',
        f"warning: {logs}/b.log: not readable by this user, who would wait until it is",
    ]


def test_check_does_not_warn_without_end(
    config_file: Path, logs: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(MOST_WARNINGS):
        (logs / f"{number}.log").touch()
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    lines = run_check(config_file, capsys)[2].splitlines()
    assert len(lines) == MOST_WARNINGS + 1
    assert lines[-1] == "warning: and 2 more of these"


def test_check_prints_the_effective_configuration_without_secrets(config_file: Path, capsys: Output) -> None:
    drop_in(config_file, "a.toml", '[kafka.properties]\n"sasl.password" = "hunter2"\n')
    status, out, err = run_check(config_file, capsys, "--print")
    assert status == 0
    shown = tomli.loads(out)
    assert shown["shipper"]["log_level"] == "warning"
    assert "sasl.password" in shown["kafka"]["properties"]
    assert "hunter2" not in out
    assert err.startswith("shipper.toml and 1 drop-in: no problems;")


def test_check_asks_the_brokers_for_every_topic(
    config_file: Path, logs: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop_in(
        config_file,
        "a.toml",
        f'[sources.by_file]\npaths = ["{logs}/*"]\ntopic = "{{stem}}"\nmax_line = "1KiB"\n'
        f'[sources.later]\npaths = ["{logs}/none/*"]\ntopic = "later.{{source}}"\nmax_line = "2KiB"\n'
        f'[sources.unknown]\npaths = ["{logs}/none/*"]\ntopic = "{{stem}}"\n'
        f'[sources.same]\npaths = ["{logs}/none/*"]\ntopic = "a"\nmax_line = "4KiB"\n',
    )
    asked: dict[str, int] = {}
    findings: list[Finding] = []

    def ask(config: KafkaConfig, topics: dict[str, int]) -> list[Finding]:
        assert config.bootstrap_servers == "127.0.0.1:1"
        asked.update(topics)
        return findings

    monkeypatch.setattr(checks, "check_connection", ask)
    findings += [Finding(Level.OK, "brokers", "3 reached"), Finding(Level.WARNING, "topic a", "not usable now")]
    status, out, _ = run_check(config_file, capsys, "--connect")
    assert (status, out.splitlines()[1:]) == (0, ["brokers: 3 reached", "warning: topic a: not usable now"])
    assert asked == {"logs.app": 900 * 1024, "a": 4096, "b": 1024, "a.log": 1024, "later.later": 2048}

    findings.append(Finding(Level.PROBLEM, "topic b", "not found; create it"))
    status, out, err = run_check(config_file, capsys, "--connect")
    assert (status, out.splitlines()[-1]) == (1, "topic b: not found; create it")
    assert err.endswith("\n1 problem.\n")


@pytest.fixture
def fake_service(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., int]], None]:
    """Makes `run` call a function of the test instead of the daemon."""

    def install(run: Callable[..., int]) -> None:
        service = ModuleType("shipper.service")
        service.run = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "shipper.service", service)
        monkeypatch.setattr(shipper, "service", service, raising=False)

    return install


def test_run_gives_the_service_its_configuration_and_its_log(
    config_file: Path, capfd: pytest.CaptureFixture[str], fake_service: Any
) -> None:
    def run(load: Callable[[], Config], write: Write, accepted: Callable[[Config], None]) -> int:
        accepted(load())
        write("info", "not.told", {})
        write("warning", "is.told", {"n": 1})
        drop_in(config_file, "a.toml", '[shipper]\nlog_level = "info"\nlog_format = "json"\n')
        new = load()  # as HUP does
        write("info", "not.told", {})
        accepted(new)
        write("info", "is.told", {"n": 2})
        return 0

    fake_service(run)
    assert main(["run", "-c", str(config_file)]) == 0
    out, err = capfd.readouterr()
    assert not out
    text, last = err.splitlines()
    assert text.endswith("Z WARN is.told n=1")
    assert json.loads(last)["n"] == 2


def test_options_of_run_win_over_the_configuration(
    config_file: Path, capfd: pytest.CaptureFixture[str], fake_service: Any
) -> None:
    def run(load: Callable[[], Config], write: Write, accepted: Callable[[Config], None]) -> int:
        accepted(load())
        write("debug", "is.told", {})
        return 0

    fake_service(run)
    assert main(["run", "-c", str(config_file), "--log-level", "debug", "--log-format", "json"]) == 0
    assert json.loads(capfd.readouterr().err)["level"] == "debug"


@pytest.mark.parametrize(
    ("raised", "status", "line"),
    [
        (StateBusy("another daemon (pid 123) holds /x"), 75, "shipper: another daemon (pid 123) holds /x\n"),
        (ConnectError("nobody answers"), 1, "shipper: nobody answers\n"),
        (KeyboardInterrupt(), 130, "\n"),  # so that a shell's prompt does not follow "^C"
    ],
)
def test_what_a_user_can_cause_is_one_line_and_an_exit_status(
    config_file: Path, capsys: Output, fake_service: Any, raised: BaseException, status: int, line: str
) -> None:
    def run(_load: Callable[[], Config], _write: Write, _accepted: Callable[[Config], None]) -> int:
        raise raised

    fake_service(run)
    assert main(["run", "-c", str(config_file)]) == status
    assert capsys.readouterr() == ("", line)


def test_run_with_a_bad_configuration_tells_its_problems(tmp_path: Path, capsys: Output, fake_service: Any) -> None:
    fake_service(lambda load, _write, _accepted: load() and 0)
    assert main(["run", "-c", str(tmp_path / "none.toml")]) == 78
    assert capsys.readouterr().err.endswith("\n1 problem.\n")


@pytest.mark.parametrize(
    ("argv", "seconds", "paths", "as_json"),
    [
        ([], None, (), False),
        (["--seconds", "30", "--json"], 30.0, (), True),
        (["--paths", "/a/*.log"], None, ("/a/*.log",), False),
        (["--paths", "/a.log", "/b.log", "--paths", "/c.log", "/d.log"], None, None, False),
    ],
)
def test_demo_takes_globs_also_when_the_shell_has_expanded_them(
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
    seconds: float | None,
    paths: tuple[str, ...] | None,
    as_json: bool,
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(demo, "run", lambda **options: asked.update(options) or 0)
    assert main(["demo", *argv]) == 0
    if paths is None:
        assert sorted(asked.pop("paths")) == ["/a.log", "/b.log", "/c.log", "/d.log"]
        assert asked == {"seconds": seconds, "as_json": as_json}
    else:
        assert asked == {"seconds": seconds, "paths": paths, "as_json": as_json}


def test_dead_letters_of_a_state_directory_that_is_not_there(config_file: Path, capsys: Output) -> None:
    for command in ("list", "replay"):
        assert main(["deadletter", command, "-c", str(config_file)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith("/state: is no directory; is this the daemon's configuration?")


def test_no_dead_letters(config_file: Path, tmp_path: Path, capsys: Output) -> None:
    (tmp_path / "state").mkdir()
    assert main(["deadletter", "list", "-c", str(config_file)]) == 0
    assert capsys.readouterr().out == "No dead letters.\n"
    assert main(["deadletter", "list", "--json", "-c", str(config_file)]) == 0
    assert capsys.readouterr().out == ""
    assert main(["deadletter", "replay", "--json", "-c", str(config_file)]) == 0
    assert json.loads(capsys.readouterr().out) == {"delivered": 0, "left": 0, "reasons": {}}


def test_a_second_replay_is_refused(config_file: Path, tmp_path: Path, capsys: Output) -> None:
    state = tmp_path / "state"
    state.mkdir()
    Letters.create(state / NAME).close()
    with only_sender(state):
        assert main(["deadletter", "replay", "-c", str(config_file)]) == 75
    assert "sent again by another program" in capsys.readouterr().err
