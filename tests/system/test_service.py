"""The life of an installed service, in order: each test finds it as the one before has left it, and loses nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from shipper.cli import shipper as commands
from tests.harness.machine import Machine
from tests.harness.secure import SecureBroker
from tests.harness.wait import eventually
from tests.system.service import DROP_INS, UNIT, Service, built

pytestmark = pytest.mark.timeout(600)  # only for what hangs: each step has a shorter limit

MOST_EXPOSED = 15  # tenths, as systemd-analyze counts them

# Hangs on a line that says so for as long as there is a file: on the thread that does the work, as a bug would.
HANG = """
import os, time
def hang(record):
    while record.message.startswith(b"hang") and os.path.exists("/opt/hang/now"):
        time.sleep(0.1)
    return record
"""


@pytest.fixture(scope="module")
def service(machine: Machine, broker: SecureBroker) -> Iterator[Service]:
    broker.create_topic("system")
    service = Service(machine, broker, "system")
    yield service
    service.close()


def test_an_installed_package_is_enabled_and_starts_nothing_without_a_configuration(service: Service) -> None:
    service.install(built())
    assert service.show("UnitFileState") == "enabled"
    assert service.show("ActiveState") == "inactive"
    assert service.show("ConditionResult") == "no"
    service.control("start")
    assert service.show("ActiveState") == "inactive"


def test_its_sample_is_a_configuration(service: Service) -> None:
    checked = service.machine.out("shipper", "check", "-c", "/etc/shipper/shipper.toml.example")
    assert "system" in checked


def test_it_ships_all_of_var_log(service: Service) -> None:
    app = service.log("app.log")
    app.write(1000)
    service.configure()
    service.machine.run("shipper", "check", "--connect")
    service.control("start")
    assert service.active
    service.verify(once=True)
    assert service.show("User") == "shipper"
    assert set(service.machine.out("id", "-nG", "shipper").split()) == {"shipper", "adm", "systemd-journal"}
    service.wait_status("nothing to be read|up to date|lines/s|bytes")


def test_it_is_hardened(service: Service) -> None:
    told = service.machine.out("systemd-analyze", "security", f"--threshold={MOST_EXPOSED}", "--no-pager", UNIT)
    assert "Overall exposure level" in told


def test_its_user_and_root_can_ask_for_its_status(service: Service) -> None:
    for user in (None, "shipper"):
        told = json.loads(service.machine.out("shipper", "status", "--json", user=user))
        assert str(told["pid"]) == service.pid
    assert service.machine.run("shipper", "status", check=False, user="nobody").returncode == 1


def test_completions_know_its_commands(service: Service) -> None:
    ask = "source /usr/share/bash-completion/completions/shipper; COMP_WORDS=(shipper st); COMP_CWORD=1;"
    ask += " _shipper_completion shipper st shipper; echo ${COMPREPLY[@]}"
    assert service.machine.out("bash", "-c", ask) == "status"


def test_there_is_a_page_for_every_command(service: Service) -> None:
    names = {f"shipper-{name}.1.gz" for name in commands.commands} | {"shipper.1.gz"}
    assert names <= {path.name for path in service.machine.path("/usr/share/man/man1").iterdir()}


def test_a_reload_adds_a_source_and_a_bad_one_changes_nothing(service: Service) -> None:
    before = service.pid
    other = service.log("other.txt")
    other.write(100)
    more = {"paths": ["/var/log/app/*.txt"], "key": "{filename}"}
    with service.writing(service.log("app.log")):
        service.configure(other=more)
        service.control("reload")
        service.arrive()
        service.machine.write("/etc/shipper/conf.d/bad.toml", "[sources.other]\npath = 7\n")
        try:
            service.control("reload")
            service.wait_told("config.refused")
        finally:
            service.machine.path("/etc/shipper/conf.d/bad.toml").unlink()
    service.verify(once=True)
    assert service.machine.out("journalctl", "SHIPPER_EVENT=config.refused", "--output", "cat")
    assert service.active
    assert service.pid == before


def test_a_restart_sends_nothing_twice(service: Service) -> None:
    with service.writing(service.log("app.log"), service.log("other.txt")):
        for _ in range(2):
            service.control("restart")
            assert service.active
    service.verify(once=True)


def test_it_starts_again_after_a_kill(service: Service) -> None:
    with service.writing(service.log("app.log"), service.log("other.txt")):
        for _ in range(2):
            before = service.pid
            service.machine.run("systemctl", "kill", "--signal=KILL", UNIT)
            service.wait_restarted(before)
    service.verify()


def test_the_watchdog_ends_a_daemon_that_hangs(service: Service) -> None:
    service.machine.write("/opt/hang/hang.py", HANG)
    service.machine.write("/opt/hang/now", "")
    service.add_drop_in("hang", "[Service]\nEnvironment=PYTHONPATH=/opt/hang\nWatchdogSec=3\n")
    hanging = service.log("hang.txt")
    service.configure(other={"paths": ["/var/log/app/*.txt"], "key": "{filename}", "processor": "hang:hang"})
    service.control("restart")
    before = service.pid
    hanging.write_raw(hanging.made(b"hang") + b"\n")
    service.wait_told("Watchdog timeout")
    service.machine.path("/opt/hang/now").unlink()
    service.wait_restarted(before)
    service.verify()
    service.remove_drop_ins()


def test_it_starts_without_brokers_says_so_and_ships_when_they_are_back(service: Service) -> None:
    service.broker.proxy.cut()
    service.kafka = {"bootstrap_servers": service.broker.proxied}
    service.configure()
    service.control("restart")  # returns when it is ready, after shipper.ready_timeout
    assert service.active
    service.wait_status("away")
    service.log("app.log").write(100)
    service.broker.proxy.heal()
    service.verify()
    eventually("a status without trouble", lambda: "away" not in service.show("StatusText"))
    service.kafka = {"bootstrap_servers": service.broker.bootstrap}


def test_logs_of_root_are_read_with_the_drop_in_for_them(service: Service) -> None:
    secret = service.log("secret.log", mode=0o600, group=0)
    secret.write(100)
    service.configure()
    service.control("restart")
    service.wait_told("file.unreadable")
    service.add_example("root-only-logs")
    service.control("restart")
    service.verify()


def test_a_password_comes_as_a_credential(service: Service) -> None:
    service.broker.allow_topic(service.topic)
    service.machine.write("/etc/shipper/credentials/kafka-password", "right\n", mode=0o600)
    service.add_example("credentials")
    service.kafka = {"bootstrap_servers": service.broker.listeners["SASL"]}
    service.properties = {**service.broker.sasl(), "sasl.password": "${credential:kafka-password}"}
    service.configure()
    service.log("app.log").write(100)
    service.control("restart")
    service.verify()
    as_root = "CREDENTIALS_DIRECTORY=/etc/shipper/credentials"
    service.machine.run("env", as_root, "shipper", "check", "--connect")


def test_it_ships_the_journal(service: Service) -> None:
    service.write_journal(500)
    service.configure(journal={"type": "journald", "identifiers": ["app"], "key": "journal"})
    service.control("reload")
    service.arrive()
    before = service.pid
    service.machine.run("systemctl", "kill", "--signal=KILL", UNIT)
    service.write_journal(500)
    service.wait_restarted(before)
    service.verify()


def test_a_reboot_loses_nothing(service: Service) -> None:
    app = service.log("app.log")
    with service.writing(app):
        service.write_journal(500)
        service.machine.reboot()
    eventually("the service to have been started", lambda: service.active)
    service.write_journal(100)
    service.verify()
    assert service.machine.path(DROP_INS).exists()
