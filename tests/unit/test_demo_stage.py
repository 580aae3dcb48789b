from __future__ import annotations

import random
import signal
import sys
import threading
from pathlib import Path

import pytest

from shipper import config
from shipper.demo.daemon import Daemon, DaemonFailed
from shipper.demo.stage import TOPIC, Stage

UNTIL_TERM = "import signal, sys; signal.sigwait([signal.SIGTERM]); sys.exit({status})"
WAITS = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); print('ready', flush=True); "


def daemon(tmp_path: Path, program: str) -> Daemon:
    made = Daemon(tmp_path / "shipper.toml", tmp_path / "daemon.log")
    assert made._command[:4] == [sys.executable, "-m", "shipper", "run"]
    made._command = [sys.executable, "-c", program]
    return made


def wait_for(log: Path, text: str) -> None:
    while text not in log.read_text():
        threading.Event().wait(0.01)


def test_a_daemon_is_stopped_with_term(tmp_path: Path) -> None:
    with daemon(tmp_path, WAITS + UNTIL_TERM.format(status=0)) as child:
        child.start()
        wait_for(tmp_path / "daemon.log", "ready")
        child.check()
        child.stop()
        child.check()
        child.stop()


def test_a_daemon_that_stops_badly_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    with daemon(tmp_path, "print('trouble');" + WAITS + UNTIL_TERM.format(status=3)) as child:
        child.start()
        wait_for(tmp_path / "daemon.log", "ready")
        with pytest.raises(DaemonFailed, match=r"exit status 3 when asked to stop.*\n  trouble\n  ready$"):
            child.stop()


def test_a_daemon_that_ends_by_itself_is_told(tmp_path: Path) -> None:
    with daemon(tmp_path, "raise SystemExit('bad luck')") as child:
        child.start()
        process = child._process
        assert process
        process.wait()
        with pytest.raises(DaemonFailed, match=r"ended with exit status 1; its log ends with:\n  bad luck$"):
            child.check()


def test_leaving_kills_whatever_the_daemon_does_and_it_can_start_again(tmp_path: Path) -> None:
    program = WAITS + "import time; time.sleep(1000)"
    with daemon(tmp_path, program) as child:
        child.start()
        wait_for(tmp_path / "daemon.log", "ready")
        child.kill()
        child.start()
        process = child._process
        assert process
        with pytest.raises(AssertionError):
            child.start()
    assert process.returncode == -signal.SIGKILL


def test_the_stage_has_a_broker_with_the_topic_and_a_valid_configuration_and_removes_it_all() -> None:
    arrived = threading.Event()
    taken: list[tuple[bytes, bytes]] = []

    def take(key: bytes, value: bytes) -> None:
        taken.append((key, value))
        if len(taken) == 2:
            arrived.set()

    paths = ["/var/log/$HOME/*.log", '/var/log/"quoted" {a,b}.log']
    before = signal.getsignal(signal.SIGINT)
    with Stage() as stage:
        stage.configure(paths, key="{path}", exclude=["*.gz"])
        loaded = config.load(stage.directory / "shipper.toml")
        reader = stage.read(take)
        for value in (b"one", None):
            stage.broker._client.produce(TOPIC, value, b"key" if value else None)
        stage.broker._client.flush()
        assert arrived.wait(30)
        stage.check()
        reader.finish()
    assert not stage.directory.exists()
    assert signal.getsignal(signal.SIGINT) is before
    assert sorted(taken) == [(b"", b""), (b"key", b"one")]
    assert (reader.records, reader.overrun) == (2, 0)
    source = loaded.of_files["demo"]
    assert source.paths == tuple(paths)
    assert (source.topic, source.key, source.exclude) == (TOPIC, "{path}", ("*.gz",))
    assert loaded.kafka.bootstrap_servers == stage.broker.bootstrap


def test_the_stage_removes_it_all_after_an_error_too() -> None:
    stage = Stage()

    def fail() -> None:
        with stage:
            stage.read(lambda _key, _value: None)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not stage.directory.exists()
    assert not [thread for thread in threading.enumerate() if thread.name == "reader"]


def test_records_that_the_broker_dropped_before_they_were_read_are_counted() -> None:
    with Stage() as stage:
        client = stage.broker._client
        for _ in range(3):  # each is more than half of what a partition keeps
            for number in range(4):
                client.produce(TOPIC, random_bytes(number), partition=0)
            client.flush()
        reader = stage.read(lambda _key, _value: None)
        reader.finish()
        assert reader.overrun > 0
        assert reader.records + reader.overrun == 12


def random_bytes(seed: int) -> bytes:
    return random.Random(seed).randbytes(900_000)
