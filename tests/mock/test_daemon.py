"""The daemon as its user and its init system see it: what it ships, says, and ends with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.harness.daemon import UNPRIVILEGED, Daemon, parse_event
from tests.harness.rig import Rig
from tests.harness.wait import eventually


def test_a_backlog_and_what_comes_later(rig: Rig) -> None:
    log = rig.log()
    log.write(5000)
    rig.start()
    rig.delivered()
    log.write(10)
    rig.log("new.log").write(10)
    rig.verify()


def test_a_rotation(rig: Rig) -> None:
    log = rig.log()
    log.write(100)
    rig.start()
    rig.delivered()
    log.rotate()
    log.write(100)
    rig.verify()


def test_what_is_killed_goes_on_where_it_was_acknowledged(rig: Rig) -> None:
    log = rig.log()
    for _ in range(3):
        log.write(2000)
        rig.start()
        rig.records(len(rig.reader.records) + 1)
        rig.daemon.kill()
    rig.start()
    rig.verify(repeats=True)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(rig: Rig, sent: signal.Signals) -> None:
    rig.log().write(100)
    daemon = rig.start()
    rig.delivered()
    daemon.process.send_signal(sent)
    assert daemon.wait() == 0
    assert daemon.told("service.stopped")


def test_it_is_ready_when_the_brokers_have_answered(rig: Rig) -> None:
    rig.start().wait_for("service.ready")


def test_a_signal_at_any_moment_of_the_start_ends_it(rig: Rig) -> None:
    rig.log().write(100)
    daemon = rig.launch()
    eventually("its first descriptors", lambda: rig.state.exists() and any(rig.state.iterdir()))
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.wait() in (0, -signal.SIGTERM)  # before it listens to signals, the kernel ends it
    rig.start()
    rig.verify()


def test_every_line_of_its_log_is_an_event(rig: Rig) -> None:
    rig.log("a name.log").write(100)
    daemon = rig.start()
    rig.delivered()
    daemon.stop()
    assert [line for line in daemon.output if parse_event(line) is None] == []
    assert daemon.events[-1].name == "service.stopped"


def test_a_second_daemon_is_refused(rig: Rig) -> None:
    rig.start()
    second = Daemon(rig.config)
    assert second.wait() == 75
    second.clean_up()
    assert str(rig.state) in second.log()
    assert len(second.output) == 1
    rig.log().write(10)
    rig.verify()


def test_a_state_directory_that_cannot_be_written(rig: Rig) -> None:
    rig.state.chmod(0o555)
    daemon = rig.launch(UNPRIVILEGED)
    assert daemon.wait() == 1
    assert str(rig.state) in daemon.log()
    assert len(daemon.output) == 1


def test_every_mistake_of_a_config_is_told_at_once(rig: Rig) -> None:
    rig.shipper |= {"state_dirr": "/x", "shutdown_timeout": "30 parsecs"}
    rig.kafka |= {"bootstrap_server": "x", "max_in_flight": -1}
    rig.source |= {"start_at": "middle", "paths": ["access.log"]}
    daemon = rig.launch()
    assert daemon.wait() == 78
    for place in (
        "shipper.state_dirr",
        "shipper.shutdown_timeout",
        "kafka.bootstrap_server",
        "kafka.max_in_flight",
        "sources.logs.start_at",
        "sources.logs.paths",
    ):
        assert any(f"{rig.config.name}: {place}" in line for line in daemon.output), (place, daemon.log())
    assert 'did you mean "bootstrap_servers"?' in daemon.log()


def test_a_config_that_is_not_there(rig: Rig) -> None:
    missing = rig.root / "missing.toml"
    daemon = Daemon(missing)
    assert daemon.wait() == 78
    daemon.clean_up()
    assert str(missing) in daemon.log()


def shown_by(command: str, rig: Rig) -> str:
    ran = [sys.executable, "-m", "shipper", command, "-c", str(rig.config)]
    return " ".join(subprocess.run(ran, capture_output=True, text=True, timeout=60, check=False).stdout.split())


def test_a_bad_new_config_is_told_and_the_old_one_goes_on(rig: Rig) -> None:
    log = rig.log()
    log.write(10)
    daemon = rig.start()
    rig.delivered()
    rig.config.write_text(rig.config.read_text().replace("bootstrap_servers", "bootstrap_server"))
    before = len(daemon.events)
    daemon.reload()
    eventually("an error about the config", lambda: any(e.level == "ERROR" for e in daemon.events[before:]))
    log.write(10)
    rig.delivered()
    assert daemon.running
    assert "the new configuration was refused" in shown_by("status", rig)
    rig.configure()
    daemon.reload()
    eventually("the good one", lambda: "is well" in shown_by("status", rig))
    rig.verify()


def test_a_good_new_config_takes_effect(rig: Rig) -> None:
    log = rig.log()
    log.write(10)
    daemon = rig.start()
    rig.delivered()
    more = rig.root / "more"
    more.mkdir()
    (more / "more.log").write_bytes(b"one\n")
    rig.more_sources["more"] = {"paths": [f"{more}/*.log"], "topic": rig.topic, "key": "{filename}"}
    rig.configure()
    daemon.reload()
    assert not rig.reader.read_until([b"one"])
    log.write(10)
    rig.delivered()
    daemon.stop()
    rig.reader.read_to_end()
    assert rig.values(b"app.log") == rig.truth.lines["app.log"]
    assert rig.values(b"more.log") == [b"one"]


def test_check_says_that_a_config_is_good(rig: Rig) -> None:
    command = [sys.executable, "-m", "shipper", "check", "--connect", "-c", str(rig.configure())]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_daemon_leaves_no_child(rig: Rig) -> None:
    daemon = rig.start()
    with open(f"/proc/{daemon.pid}/task/{daemon.pid}/children") as children:
        assert children.read() == ""
    daemon.stop()
    assert not os.path.exists(f"/proc/{daemon.pid}")


def test_a_running_daemon_says_how_it_stands(rig: Rig) -> None:
    rig.log().write(100)
    rig.start()
    rig.delivered()
    told = subprocess.run(
        [sys.executable, "-m", "shipper", "status", "--json", "-c", str(rig.config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    status = json.loads(told.stdout)
    assert status["sources"][0]["delivered"] == 100
    shown = subprocess.run(
        [sys.executable, "-m", "shipper", "status", "-c", str(rig.config)], capture_output=True, text=True, timeout=60
    )
    assert (shown.returncode, "all is well" in shown.stdout) == (0, True)


def test_records_are_seen_as_they_leave(rig: Rig) -> None:
    log = rig.log()
    log.write(1)
    rig.start()
    rig.delivered()
    command = [sys.executable, "-m", "shipper", "tap", "-c", str(rig.config), "--json", "-n", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tap:
        assert tap.stderr is not None
        assert tap.stderr.readline().endswith("idle: everything has been read\n")  # it is open now
        log.write(3)
        out, err = tap.communicate(timeout=60)
    assert (tap.returncode, err) == (0, "3 shown of 3 that have left meanwhile.\n")
    values = [json.loads(line)["value"].encode() for line in out.splitlines()]
    assert values == rig.truth.lines["app.log"][1:]
    unknown = subprocess.run([*command, "nope"], capture_output=True, text=True, timeout=60)
    assert (unknown.returncode, 'there is no source "nope"' in unknown.stderr) == (1, True)


def test_no_daemon_has_no_status(rig: Rig) -> None:
    rig.start().stop()
    told = subprocess.run(
        [sys.executable, "-m", "shipper", "top", "-c", str(rig.config)], capture_output=True, text=True, timeout=60
    )
    assert told.returncode == 1
    assert told.stderr.startswith("shipper: no daemon runs with state_dir")
