"""The documentation: every configuration in it loads, and every event that it names is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tomli

from shipper.config import load
from shipper.errors import ConfigError

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

# What an example leaves out because it is not about it.
REST = {
    "shipper": 'state_dir = "/s"',
    "kafka": 'bootstrap_servers = "k:1"',
    "sources": 'x = { paths = ["/x"], topic = "t" }',
}

OF_A_SOURCE = {"paths": 'paths = ["/x"]', "topic": 'topic = "t"', "parse": "parse = { format = 'json' }"}


def blocks(kind: str) -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for number, match in enumerate(re.finditer(rf"^```{kind}\n(.*?)^```$", page.read_text(), re.M | re.S), 1):
            found.append((f"{page.relative_to(ROOT)} {number}", match[1]))
    return found


@pytest.mark.parametrize(("where", "text"), blocks("toml"), ids=[where for where, _ in blocks("toml")])
def test_every_configuration_loads(tmp_path: Path, where: str, text: str) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in re.findall(r"\$\{credential:([^}]+)\}", text):
        (secrets / name).write_text("geheim")
    (secrets / "file").write_text("geheim")
    text = re.sub(r"\$\{file:[^}]+\}", f"${{file:{secrets}/file}}", text)
    text = text.replace("…", "x")
    given = tomli.loads(text)
    if not given.keys() & REST.keys():  # what stands in a source
        text = "[sources.x]\n" + "".join(f"{line}\n" for key, line in OF_A_SOURCE.items() if key not in given) + text
        given = {"sources": {}}
    rest = "".join(f"[{name}]\n{line}\n" for name, line in REST.items() if name not in given)
    path = tmp_path / "shipper.toml"
    path.write_text(rest)
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "example.toml").write_text(text)
    try:
        load(path, {"CREDENTIALS_DIRECTORY": str(secrets), "STATE_DIRECTORY": "/s"})
    except ConfigError as error:
        pytest.fail(f"{where}: {error}")


def test_every_event_in_the_tables_is_one() -> None:
    catalogue = "".join(module.read_text() for module in (ROOT / "shipper" / "events").glob("*.py"))
    known = set(re.findall(r'"([a-z_]+\.[a-z_]+)"', catalogue))
    for page in ("operations.md", "errors.md"):
        text = (ROOT / "docs" / page).read_text()
        named = re.findall(r"^\| (`[a-z_.`, ]+`) \|", text, re.M)
        assert {name for cell in named for name in re.findall(r"`([a-z_]+\.[a-z_]+)`", cell)} <= known


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", re.sub(r"```.*?```|`[^`]*`", "", page.read_text(), flags=re.S)):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
