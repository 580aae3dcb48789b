"""Signals, reloads and the end of the daemon, as its init system sees them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper import service
from shipper.config import Config, load
from shipper.errors import ConfigError, Exit, StateBusy, StateError
from shipper.events import Events
from shipper.files import Files
from shipper.filesource.holding import Holding
from shipper.pump import Left
from shipper.service import Flags
from tests.harness.daemon import Daemon, toml

NOBODY = "127.0.0.1:1"  # where no broker is


def tables(root: Path) -> dict[str, dict[str, Any]]:
    return {
        "shipper": {"state_dir": str(root / "state"), "shutdown_timeout": "1s"},
        "kafka": {"bootstrap_servers": NOBODY},
        "sources.s": {"paths": [str(root / "*.log")], "topic": "t"},
    }


# Signals.


@pytest.fixture
def flags() -> Iterator[Flags]:
    one = Flags()
    before = one.install()
    yield one
    for number, handler in before.items():
        signal.signal(number, handler)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("number", "asked"),
    [
        (signal.SIGTERM, {"stop"}),
        (signal.SIGINT, {"stop"}),
        (signal.SIGHUP, {"reload"}),
        (signal.SIGUSR1, {"report"}),
    ],
)
def test_a_signal_sets_its_flag_and_ends_the_wait(flags: Flags, number: signal.Signals, asked: set[str]) -> None:
    os.kill(os.getpid(), number)
    flags.wait(60)
    assert {name for name in ("stop", "reload", "report") if getattr(flags, name)} == asked


SIGNALLED_ALL_THE_TIME = """
import signal
from shipper.service import Flags

flags = Flags()
flags.install()
signal.signal(signal.SIGALRM, lambda number, frame: flags._on_signal(signal.SIGTERM, frame))
signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
for _ in range(10_000):
    flags.wait(0.0001)
signal.setitimer(signal.ITIMER_REAL, 0)
print(flags.stop)
"""


def test_a_signal_that_interrupts_the_wait_anywhere_does_not_block_it() -> None:
    """A handler runs between any two instructions of the main thread, also while that holds a lock."""
    ran = subprocess.run(
        [sys.executable, "-c", SIGNALLED_ALL_THE_TIME], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout == "True\n"


# One pump after the other.


class FakePump:
    """Stands in for the pump: ends when it is told to, or by itself with an error."""

    made: list[FakePump]
    on_start: Callable[[FakePump], None]
    hangs = False

    def __init__(
        self,
        config: Config,
        store: object,
        events: Events,
        *,
        kept: object = None,
        taps: object = None,
        give_back: object = None,
    ) -> None:
        self.config = config
        self.inherited = kept
        self.kept = Holding(Files(), 1)
        self.error: BaseException | None = None
        self.left = Left(1, 0, 0, saved=True)
        self.calls: list[str] = []
        self.made.append(self)

    def start(self, on_end: Callable[[], None] = lambda: None) -> None:
        self.calls.append("start")
        type(self).on_start(self)
        if self.error is not None:
            on_end()

    def stop(self, *, keep: bool = False) -> None:
        self.calls.append("stop, keeping files open" if keep else "stop")

    def reload(self, config: Config) -> None:
        self.config = config
        self.calls.append("reload")
        os.kill(os.getpid(), signal.SIGTERM)

    def report(self) -> None:
        self.calls.append("report")

    def join(self, timeout: float | None = None) -> bool:
        self.calls.append("join")
        return not self.hangs


class Run:
    """``service.run`` on this thread, with a pump that is none."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.tables = tables(root) | {"kafka.properties": {}}
        (root / "state").mkdir()

    def load(self) -> Config:
        (self.root / "shipper.toml").write_text(toml(self.tables))
        return load(self.root / "shipper.toml")

    def __call__(self) -> int:
        return service.run(self.load, lambda level, name, fields: self.told.append((name, fields)))

    def names(self) -> list[str]:
        return [name for name, _ in self.told]

    def problems(self) -> list[str]:
        return [fields["problem"] for name, fields in self.told if name == "config.refused"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(service, "Pump", FakePump)
    monkeypatch.setattr(FakePump, "made", [], raising=False)
    on_start(monkeypatch, signal.SIGTERM)
    return Run(tmp_path)


def on_start(monkeypatch: pytest.MonkeyPatch, *signals: signal.Signals) -> None:
    """Have the first pump's start be followed by these signals, and any other's by TERM."""

    def kill(pump: FakePump) -> None:
        for number in signals if len(FakePump.made) == 1 else (signal.SIGTERM,):
            os.kill(os.getpid(), number)

    monkeypatch.setattr(FakePump, "on_start", staticmethod(kill), raising=False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_the_pump_and_leaves_the_handlers_as_they_were(
    run: Run, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    on_start(monkeypatch, number)
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)}
    assert run() == Exit.DONE
    assert {n: signal.getsignal(n) for n in before} == before
    (pump,) = FakePump.made
    assert pump.calls == ["start", "stop", "join"]
    assert run.names() == ["service.starting", "service.stopped"]


def test_what_changes_no_client_is_given_to_the_pump_that_runs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    change_and_reload(run, monkeypatch, "sources.s", topic="other")
    assert run() == Exit.DONE
    (pump,) = FakePump.made
    assert pump.calls == ["start", "reload", "stop", "join"]
    assert pump.config.sources["s"].topic == "other"
    (reloaded,) = [fields for name, fields in run.told if name == "config.reloaded"]
    assert reloaded == {"sources": 1, "changes": "source s changed (topic)"}


def test_another_client_comes_with_another_pump_that_takes_over_the_open_files(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_and_reload(run, monkeypatch, "kafka", linger="1s")
    assert run() == Exit.DONE
    first, second = FakePump.made
    assert first.calls == ["start", "stop, keeping files open", "join"]
    assert second.calls == ["start", "stop", "join"]
    assert second.inherited is first.kept
    assert run.names().count("config.reloaded") == 1


def test_a_renewed_certificate_comes_with_another_pump(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (run.root / "ca.pem").write_text("old")  # nobody looks into it without TLS
    run.tables["kafka.properties"]["ssl.ca.location"] = str(run.root / "ca.pem")
    change_and_reload(run, monkeypatch, "kafka", also=lambda: (run.root / "ca.pem").write_text("renewed"))
    assert run() == Exit.DONE
    assert len(FakePump.made) == 2
    assert ("config.reloaded", {"sources": 1, "changes": "files that kafka names renewed"}) in run.told


def change_and_reload(
    run: Run, monkeypatch: pytest.MonkeyPatch, table: str, also: Callable[[], object] = bool, **changed: Any
) -> None:
    """Have the configuration changed and reloaded once the first pump has started; TERM follows any other's start."""

    def change(pump: FakePump) -> None:
        if len(FakePump.made) > 1:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        run.tables[table].update(changed)
        also()
        os.kill(os.getpid(), signal.SIGHUP)

    monkeypatch.setattr(FakePump, "on_start", staticmethod(change))


def reload_with(run: Run, monkeypatch: pytest.MonkeyPatch, table: str, **changed: Any) -> None:
    """Have the configuration changed and reloaded once the pump has started, and end when that was refused."""

    def change(pump: FakePump) -> None:
        run.tables[table].update(changed)
        os.kill(os.getpid(), signal.SIGHUP)

    refused = Events.reload_refused

    def then_stop(events: Events, problems: list[str]) -> None:
        refused(events, problems)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Events, "reload_refused", then_stop)
    monkeypatch.setattr(FakePump, "on_start", staticmethod(change))


@pytest.mark.parametrize(
    ("table", "changed", "says"),
    [
        ("kafka", {"linger": "soon"}, "kafka.linger"),
        ("kafka.properties", {"no.such.property": "1"}, 'No such configuration property: "no.such.property"'),
        ("kafka.properties", {"socket.timeout.ms": "soon"}, "socket.timeout.ms"),
        ("kafka.properties", {"ssl.ca.location": "/none.pem", "security.protocol": "ssl"}, "/none.pem"),
    ],
)
def test_a_bad_new_config_is_told_and_the_old_one_goes_on(
    run: Run, monkeypatch: pytest.MonkeyPatch, table: str, changed: dict[str, Any], says: str
) -> None:
    reload_with(run, monkeypatch, table, **changed)
    assert run() == Exit.DONE
    (problem,) = run.problems()
    assert says in problem
    assert len(FakePump.made) == 1


def test_the_state_directory_cannot_be_changed_by_a_reload(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    reload_with(run, monkeypatch, "shipper", state_dir=str(tmp_path / "other"))
    assert run() == Exit.DONE
    assert run.problems() == [f"shipper.state_dir: {tmp_path / 'other'} was {tmp_path / 'state'}; restart to change it"]
    assert len(FakePump.made) == 1


def test_the_log_hears_only_of_a_configuration_that_comes_into_force(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    reload_with(run, monkeypatch, "shipper", state_dir=str(tmp_path / "other"), log_level="debug")
    levels: list[str] = []
    service.run(run.load, lambda *told: None, lambda config: levels.append(config.shipper.log_level))
    assert levels == ["info"]


def test_a_stop_wins_over_a_reload(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    on_start(monkeypatch, signal.SIGHUP, signal.SIGTERM)
    assert run() == Exit.DONE
    assert len(FakePump.made) == 1


def test_the_status_is_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    on_start(monkeypatch, signal.SIGUSR1)

    def report_and_stop(pump: FakePump) -> None:
        pump.calls.append("report")
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(FakePump, "report", report_and_stop)
    assert run() == Exit.DONE
    assert FakePump.made[0].calls == ["start", "report", "stop", "join"]


def fail_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakePump, "on_start", staticmethod(lambda pump: setattr(pump, "error", error)), raising=False)


def test_what_the_user_can_mend_is_raised_as_it_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(StateError("the disk is gone"), monkeypatch)
    with pytest.raises(StateError, match="the disk is gone"):
        run()


def test_a_bug_in_the_pump_surfaces_with_its_cause(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    bug = KeyError("a bug")
    fail_with(bug, monkeypatch)
    with pytest.raises(RuntimeError) as raised:
        run()
    assert raised.value.__cause__ is bug


def test_a_pump_that_hangs_is_given_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakePump, "hangs", True)
    assert run() == Exit.FAILED
    assert run.names() == ["service.starting", "service.hangs"]


def test_a_bad_config_at_the_start_touches_nothing(run: Run) -> None:
    run.tables["kafka"]["linger"] = "soon"
    with pytest.raises(ConfigError):
        run()
    assert not FakePump.made
    assert not list((run.root / "state").iterdir())


def test_a_second_daemon_is_refused_and_the_first_one_lives(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    errors: list[BaseException] = []

    def second(pump: FakePump) -> None:
        try:
            if len(FakePump.made) == 1:
                run()
        except StateBusy as error:
            errors.append(error)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(FakePump, "on_start", staticmethod(second), raising=False)
    assert run() == Exit.DONE
    (error,) = errors
    assert str(run.root / "state") in str(error)
    assert len(FakePump.made) == 1


# As a child process, with no broker in reach.


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    (tmp_path / "state").mkdir()
    (tmp_path / "app.log").write_bytes(b"one\n")
    (tmp_path / "shipper.toml").write_text(toml(tables(tmp_path)))
    one = Daemon(tmp_path / "shipper.toml")
    yield one
    one.clean_up()


def test_it_ends_well_although_no_broker_was_ever_there(daemon: Daemon) -> None:
    daemon.wait_for("source.scanned")
    daemon.stop()
    assert daemon.wait_for("service.stopped").fields["unread"] == "4"


def test_a_property_that_the_client_does_not_take_does_not_end_a_running_daemon(daemon: Daemon, tmp_path: Path) -> None:
    daemon.wait_for("source.scanned")
    good = (tmp_path / "shipper.toml").read_text()
    (tmp_path / "shipper.toml").write_text(good + '[kafka.properties]\n"no.such.property" = "1"\n')
    daemon.reload()
    assert "no.such.property" in daemon.wait_for("config.refused").fields["problem"]
    daemon.process.send_signal(signal.SIGUSR1)
    status = daemon.wait_for("service.status")
    assert status.fields["delivered"] == "0"
    daemon.stop()
    assert json.dumps(daemon.output).count("service.starting") == 1
