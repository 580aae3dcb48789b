"""What installing, upgrading, removing and purging the package does to a machine; in order."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper import __version__
from tests.harness.machine import Machine
from tests.harness.secure import SecureBroker
from tests.harness.wait import eventually
from tests.system.service import Service, built

pytestmark = pytest.mark.timeout(600)  # only for what hangs: each step has a shorter limit

OLD = "0.0.1"
# Where every installation of anything leaves something: what the system itself notes, keeps and logs.
SYSTEMS_OWN = ("/var/log/", "/var/cache/", "/var/lib/dpkg/", "/var/lib/systemd/", "/etc/.pwd.lock", "/etc/passwd-",
               "/etc/shadow-", "/etc/group-", "/etc/gshadow-")  # fmt: skip


@pytest.fixture(scope="module")
def service(machine: Machine, broker: SecureBroker) -> Iterator[Service]:
    broker.create_topic("package")
    service = Service(machine, broker, "package")
    yield service
    service.close()


@pytest.fixture(scope="module")
def before(service: Service) -> set[str]:
    """Return the paths of the machine before shipper was installed."""
    return paths(service.machine)


def paths(machine: Machine) -> set[str]:
    found = machine.out("find", "/", "-xdev", "-print").splitlines()
    return {path for path in found if not path.startswith(SYSTEMS_OWN)}


def older(package: Path, directory: Path) -> Path:
    """Return the package as an older version of itself."""
    tree = directory / "tree"
    subprocess.run(["dpkg-deb", "-R", str(package), str(tree)], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(control.read_text().replace(f"Version: {__version__}\n", f"Version: {OLD}\n"))
    [module] = tree.glob("usr/lib/shipper/lib/*/site-packages/shipper/__init__.py")
    module.write_text(module.read_text().replace(__version__, OLD))
    made = directory / "old.deb"
    subprocess.run(["dpkg-deb", "-Znone", "-b", str(tree), str(made)], check=True, capture_output=True)
    shutil.rmtree(tree)
    return made


def version(service: Service) -> str:
    return str(json.loads(service.machine.out("shipper", "status", "--json"))["version"])


def test_an_upgrade_restarts_the_service_and_keeps_its_state(
    before: set[str], service: Service, tmp_path: Path
) -> None:
    service.install(older(built(), tmp_path))
    service.configure()
    app = service.log("app.log")
    app.write(100)
    service.control("start")
    service.verify(once=True)
    assert version(service) == OLD
    pid, configuration = service.pid, service.machine.path("/etc/shipper/shipper.toml").read_text()
    with service.writing(app):
        service.install(built())
    assert service.active
    assert service.pid != pid
    assert version(service) == __version__
    assert service.machine.path("/etc/shipper/shipper.toml").read_text() == configuration
    service.verify(once=True)


def test_removed_it_stops_and_keeps_what_an_administrator_may_want_again(service: Service) -> None:
    service.machine.run("dpkg", "--remove", "shipper")
    assert service.show("ActiveState") == "inactive"
    assert not service.machine.path("/usr/lib/shipper").exists()
    assert service.machine.path("/etc/shipper/shipper.toml").exists()
    service.log("app.log").write(100)
    service.install(built())
    eventually("the service to run again", lambda: service.active)
    service.verify(once=True)


def test_purged_it_leaves_nothing(before: set[str], service: Service) -> None:
    service.add_example("root-only-logs")
    service.machine.run("dpkg", "--purge", "shipper")
    service.machine.run("systemctl", "daemon-reload")
    assert service.show("LoadState") == "not-found"
    assert sorted(paths(service.machine) - before) == []
    for table in ("passwd", "shadow", "group", "gshadow"):
        assert "shipper" not in service.machine.path(f"/etc/{table}").read_text()
    left = service.machine.out("find", "/var/lib/systemd", "/etc/systemd", "/run/systemd/system", "-name", "*shipper*")
    assert left == ""
