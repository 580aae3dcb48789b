"""The import table: which module may know which, and why. It holds the design's rules against the real imports.

A module or package directly under ``shipper`` is one row. Rows may import rows above them only, so there is no cycle.
What is imported inside a function, or for the type checker only, counts like everything else.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import shipper

ROOT = Path(shipper.__file__).parent
GUARDED = {"sqlite3", "logging"}  # of the standard library; what is not in it is guarded anyway


class Row(NamedTuple):
    ours: str  # modules of ours that may be imported
    others: str  # third-party and guarded modules that may be
    why: str  # what would go wrong


CORE = "errors model events config template records paths files ledger lifecycle framing"


TABLE = {
    "errors": Row("", "", "everything may raise them, so they know nothing"),
    "model": Row("", "", "values cross every border, so they know nothing"),
    "template": Row("", "", "syntax only: config checks it, records fill it"),
    "patterns": Row("", "re2", "judges and compiles what the configuration says: nobody else compiles such a pattern"),
    "timeformat": Row("", "", "syntax only: config checks it, records read times with it"),
    "framing": Row("", "msgspec", "bytes in, events out: pure, so that it can be tested with every cut"),
    "memory": Row("model", "", "what malloc keeps, and when it gives it back: knows nothing of records or files"),
    "lifecycle": Row("errors", "", "transition tables only: an illegal step raises, nothing else happens"),
    "ledger": Row("model", "", "what is acknowledged is decided here alone, without files, Kafka, clocks or threads"),
    "paths": Row("", "", "where a path leads, and over whose links: opens nothing, and knows no source"),
    "ownership": Row("model", "", "whether others could write a file: looks, and knows not what for"),
    "events": Row("model", "", "the only one that logs, by the callable it is given: it chooses no format"),
    "files": Row(
        "errors model paths",
        "backports compression",
        "the operating system's seam: what is done with a file is decided elsewhere",
    ),
    "config": Row(
        "errors model ownership events template timeformat patterns framing",
        "tomli msgspec",
        "TOML to values: nobody else parses or validates",
    ),
    "records": Row(
        "errors model ownership config template timeformat patterns",
        "msgspec",
        "line to record: knows neither files nor Kafka",
    ),
    "sqlite": Row("", "sqlite3", "what every SQLite file of ours asks for: knows no table"),
    "checkpoints": Row(
        "errors model ownership paths files events sqlite", "sqlite3", "saves what it is told: must not know of Kafka"
    ),
    "deadletters": Row(
        "errors model events sqlite checkpoints", "sqlite3", "keeps what nobody takes: why, is for others to say"
    ),
    "discovery": Row("model config paths files events", "watchdog", "marks what is dirty, never reads a file"),
    "source": Row("model events config ledger records", "", "what all sources do alike: knows no kind of them"),
    "tailer": Row("errors model events framing paths files ledger lifecycle", "", "one generation of one file"),
    "filesource": Row(f"{CORE} source tailer discovery checkpoints patterns", "", "reading knows nothing of Kafka"),
    "journal": Row(
        "errors model events config ledger records source",
        "systemd",
        "reads a journal, knows nothing of Kafka",
    ),
    "kafka": Row(
        "errors model events config", "confluent_kafka msgspec", "the only Kafka code; knows nothing of files"
    ),
    "instance": Row("config", "", "a name: pure but for the machine's id"),
    "ahead": Row("model", "", "keeps what is sent for a while: knows neither transactions nor the books"),
    "commits": Row(f"{CORE} source checkpoints kafka ahead", "", "what goes into a transaction, and what follows"),
    "roster": Row("model config events source filesource", "", "who runs: knows neither the client nor what is saved"),
    "pulse": Row("model discovery filesource", "", "when files are looked at: what is seen is for others to judge"),
    "turns": Row("ledger source commits", "", "whose turn it is: knows neither the client nor what is saved"),
    "refusals": Row(
        "model events config ledger source deadletters kafka", "", "what is not taken is judged here alone"
    ),
    "status": Row(
        "model lifecycle source tailer filesource", "msgspec", "values for people: whoever makes them changes nothing"
    ),
    "health": Row(
        "model events ledger lifecycle source filesource status",
        "",
        "looks and tells: changes nothing else",
    ),
    "tap": Row("errors model events", "msgspec", "looks at what a sink is given: changes none of it"),
    "outlet": Row("model source health tap", "", "which client is in use: knows no kind of client"),
    "build": Row(
        f"{CORE} source tailer discovery checkpoints filesource journal", "", "makes sources of every kind: runs none"
    ),
    "inquiries": Row("health status", "", "questions to the pump: answers nothing by itself"),
    "saving": Row("model source checkpoints commits", "", "what is handed to the store: knows no files and no client"),
    "pump": Row(
        f"{CORE} source tailer discovery checkpoints filesource journal kafka instance commits roster pulse turns"
        " refusals health status tap outlet build inquiries saving memory",
        "",
        "the one place where reading and sending meet",
    ),
    "changes": Row("config", "msgspec", "what a reload asks for: pure"),
    "inforce": Row("model config status", "", "values of the configuration: changes nothing that runs"),
    "logs": Row("events", "click systemd logging", "the format of a line, chosen outside of the core"),
    "manager": Row("model events lifecycle", "systemd", "tells the service manager, and is told nothing"),
    "admin": Row(
        "errors model events config lifecycle status tap",
        "waitress msgspec rich prometheus_client logging",
        "answers questions, and changes nothing",
    ),
    "service": Row(
        f"{CORE} tailer discovery checkpoints filesource journal kafka instance commits pump tap changes inforce logs"
        " manager admin memory",
        "",
        "puts the parts together",
    ),
    "replay": Row("errors model events config deadletters kafka", "", "sends again what is kept: reads no log file"),
    "checks": Row(
        "errors model events config template records discovery instance journal kafka", "", "asks, runs nothing"
    ),
    "audit": Row(
        f"{CORE} tailer discovery checkpoints deadletters filesource kafka", "", "looks: sends nothing, saves nothing"
    ),
    "inventory": Row(
        "errors model events config discovery checkpoints journal checks", "", "puts what is saved beside what is there"
    ),
    "explain": Row(
        f"{CORE} ownership source tailer discovery checkpoints filesource checks",
        "",
        "asks the daemon's own rules",
    ),
    "preview": Row(
        f"{CORE} source tailer discovery checkpoints filesource journal checks",
        "",
        "reads and shapes as the daemon does: sends nothing, and has no rules of its own",
    ),
    "demo": Row(
        "errors model events config framing discovery kafka logs checks",
        "click rich",
        "runs the daemon as a child: what it shows must be what a user gets",
    ),
    "cli": Row(
        "errors model events config discovery checkpoints deadletters kafka logs service checks replay audit explain"
        " preview"
        " demo inventory journal records template admin tap",
        "click rich",
        "what a person touches: no logic of its own",
    ),
    "__main__": Row("cli", "", "another name of the command"),
}


class Import(NamedTuple):
    name: str  # a row of the table, or the top-level name of a guarded module
    ours: bool
    line: int


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def row_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(tree: ast.AST, path: Path) -> Iterator[Import]:
    """Yield what a module imports of ours, and what of others is guarded."""
    package = ["shipper", *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found = [alias.name for alias in names]
            case ast.ImportFrom(module=module, names=names, level=level):
                base = package[: len(package) + 1 - level] if level else []
                parts = [*base, *(module.split(".") if module else [])]
                found = [".".join([*parts, alias.name]) for alias in names]
            case _:
                continue
        for name in found:
            top, _, below = name.partition(".")
            if top == "shipper":
                row = below.partition(".")[0]
                if row in TABLE or (ROOT / row).is_dir() or (ROOT / f"{row}.py").exists():
                    yield Import(row, ours=True, line=node.lineno)  # else a name in shipper/__init__, which all may use
            elif top in GUARDED or top not in sys.stdlib_module_names:
                yield Import(top, ours=False, line=node.lineno)


def broken(path: Path) -> list[str]:
    """Return what a module imports and must not, each with the reason."""
    name = row_of(path)
    if name == "__init__":
        row = Row("", "", "everything imports it, so it knows nothing")
    elif name in TABLE:
        row = TABLE[name]
    else:
        return [f"{name} has no row in the table of {Path(__file__).name}: say what it may import, and why no more"]
    allowed = {True: {name, *row.ours.split()}, False: set(row.others.split())}
    return [
        f"{path.relative_to(ROOT.parent)}:{found.line} imports {found.name}, which {name} may not: {row.why}"
        for found in imports(ast.parse(path.read_bytes()), path)
        if found.name not in allowed[found.ours]
    ]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_its_row_allows(path: Path) -> None:
    assert broken(path) == []


def test_every_row_has_its_module() -> None:
    assert set(TABLE) == {row_of(path) for path in modules()} - {"__init__"}


def test_rows_import_rows_above_them_only() -> None:
    above: set[str] = set()
    for name, row in TABLE.items():
        assert set(row.ours.split()) <= above, f"{name} may import what stands below it"
        above.add(name)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_events_makes_log_lines(path: Path) -> None:
    """A line that has no method in the catalogue has no counter, no documented name, and no limit."""
    if row_of(path) == "events":
        return
    tree = ast.parse(path.read_bytes())
    emitted = [
        f"{path.relative_to(ROOT.parent)}:{node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "emit"
    ]
    assert emitted == [], "give the event a method in shipper/events"


@pytest.mark.parametrize(
    ("module", "source", "says"),
    [
        ("ledger.py", "import confluent_kafka", "imports confluent_kafka"),
        ("ledger.py", "from shipper.files import Files", "imports files"),
        ("ledger.py", "def f():\n    from . import events", "imports events"),
        ("checkpoints/store.py", "from ..kafka import Producer", "imports kafka"),
        ("checkpoints/store.py", "from .. import kafka", "imports kafka"),
        ("kafka/probe.py", "import shipper.checkpoints.store as s", "imports checkpoints"),
        ("kafka/probe.py", "from sqlite3 import connect", "imports sqlite3"),
        ("tailer/lines.py", "import logging.handlers", "imports logging"),
        ("config/load.py", "import yaml", "imports yaml"),
        ("novelty.py", "", "novelty has no row"),
        ("__init__.py", "from shipper import errors", "imports errors"),
    ],
)
def test_the_table_notices(
    module: str, source: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in TABLE:
        (tmp_path / name).mkdir()
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / module
    path.write_text(source)
    (problem,) = broken(path)
    assert says in problem


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "checkpoints/store.py",
            "import sqlite3, os, threading\nfrom . import database\nfrom .database import Database",
        ),
        ("ledger.py", "from shipper.model import Checkpoint\nfrom collections import deque"),
        ("cli/__init__.py", "from shipper import __version__"),
    ],
)
def test_the_table_lets_pass(module: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TABLE:
        (tmp_path / name).mkdir()
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / module
    path.write_text(source)
    assert broken(path) == []
