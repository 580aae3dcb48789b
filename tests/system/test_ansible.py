"""The Ansible role, run for real against a machine; in order."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.daemon import toml
from tests.harness.machine import Machine
from tests.harness.secure import SecureBroker
from tests.system.service import Service, built

pytestmark = pytest.mark.timeout(600)  # only for what hangs: each step has a shorter limit

ROLE = Path("packaging/ansible")
LIMIT = 300.0


class Ansible:
    """Runs the example's playbook against the machine."""

    def __init__(self, service: Service, directory: Path) -> None:
        self._service, self._directory = service, directory
        kafka = {"bootstrap_servers": service.broker.listeners["SASL"]}
        properties = service.broker.sasl("${credential:kafka}")
        app = {"paths": ["/var/log/app/*.log"], "topic": service.topic, "key": "{filename}"}
        self.variables: dict[str, Any] = {
            "ansible_become": False,  # it comes as root
            "shipper_package": str(built().absolute()),
            "shipper_config": toml({"kafka": kafka, "kafka.properties": properties, "sources.app": app}),
            "shipper_credentials": {"kafka": "right"},
            "shipper_root_only_logs": True,
        }

    def play(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run it; what it says of the tasks is in its output."""
        inventory = self._directory / "inventory"
        init = self._service.machine.init
        inventory.write_text(
            f"machine ansible_connection=machine machine_init={init} ansible_python_interpreter=/usr/bin/python3\n"
        )
        variables = self._directory / "variables.json"
        variables.write_text(json.dumps(self.variables))
        environment = {
            **os.environ,
            "ANSIBLE_CONNECTION_PLUGINS": str(Path(__file__).parent / "ansible"),
            "ANSIBLE_HOME": str(self._directory / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
        }
        command = ["ansible-playbook", "-i", str(inventory), "-e", f"@{variables}", str(ROLE / "site.yml"), *options]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False)

    def changed(self, *options: str) -> int:
        """Run it, which must end well; return how many tasks changed something."""
        done = self.play(*options)
        assert done.returncode == 0, done.stdout + done.stderr
        match = re.search(r"changed=(\d+)", done.stdout)
        assert match is not None, done.stdout
        return int(match[1])


@pytest.fixture(scope="module")
def service(machine: Machine, broker: SecureBroker) -> Iterator[Service]:
    broker.create_topic("ansible")
    broker.allow_topic("ansible")
    service = Service(machine, broker, "ansible")
    yield service
    service.close()


@pytest.fixture(scope="module")
def ansible(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    return Ansible(service, tmp_path_factory.mktemp("ansible"))


def test_its_linter_finds_nothing() -> None:
    command = ["ansible-lint", "--offline", "--strict", "--nocolor", "site.yml", "roles/shipper"]
    done = subprocess.run(command, cwd=ROLE, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_look_at_a_new_machine_changes_nothing(service: Service, ansible: Ansible) -> None:
    assert ansible.changed("--check") > 0
    assert not service.machine.path("/etc/shipper").exists()


def test_the_role_installs_configures_and_starts(service: Service, ansible: Ansible) -> None:
    log = service.log("app.log", mode=0o600, group=0)
    log.write(100)
    assert ansible.changed() > 0
    assert service.active
    service.verify()


def test_run_again_it_changes_nothing(service: Service, ansible: Ansible) -> None:
    pid = service.pid
    assert ansible.changed() == 0
    assert ansible.changed("--check") == 0
    assert service.pid == pid


def test_a_configuration_with_a_mistake_is_not_put_in_place(service: Service, ansible: Ansible) -> None:
    path = service.machine.path("/etc/shipper/shipper.toml")
    before, good = path.read_text(), ansible.variables["shipper_config"]
    ansible.variables["shipper_config"] = good.replace("bootstrap_servers", "bootstrap_server")
    done = ansible.play()
    ansible.variables["shipper_config"] = good
    assert done.returncode != 0
    assert 'did you mean \\"bootstrap_servers\\"' in done.stdout
    assert path.read_text() == before
    assert service.active
