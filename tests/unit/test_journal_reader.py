"""The seam to systemd's library, and that the fake of the other tests does as it does."""

from __future__ import annotations

import errno
import importlib.util
import select
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec
import pytest

from shipper.config import JournalConfig
from shipper.errors import ConfigError
from shipper.journal import reader as seam
from shipper.journal.reader import Change, Reader, open_journal, try_file
from shipper.journal.selection import terms
from tests.harness.journal import JournalFiles, needed
from tests.unit.fake_journal import FakeJournal

Check = Callable[[dict[str, JournalConfig]], None]
Fields = Mapping[str, bytes | list[bytes]]
ENTRIES: list[Fields] = [
    {"MESSAGE": b"zero", "_SYSTEMD_UNIT": b"a.service", "PRIORITY": b"6", "SYSLOG_IDENTIFIER": b"a"},
    {"MESSAGE": b"one", "_SYSTEMD_UNIT": b"b.service", "PRIORITY": b"3"},
    {"MESSAGE": b"Started a", "UNIT": b"a.service", "_PID": b"1", "PRIORITY": b"6"},
    {"MESSAGE": b"bin\xff\0ary", "_TRANSPORT": b"kernel", "SYSLOG_IDENTIFIER": b"kernel"},
    {"_SYSTEMD_UNIT": b"a.service", "TAG": [b"x", b"y"]},
    {"MESSAGE": b"Started b", "UNIT": b"b.service", "_PID": b"1"},
]


class Kind:
    """A journal of one kind or the other, with the same entries."""

    def __init__(self, directory: Path, *, real: bool) -> None:
        self.files = JournalFiles(directory / "j") if real else None
        self.fake = FakeJournal()
        self.config = JournalConfig(name="j", topic="t", directory=str(directory / "j"))

    def write(self, entries: Iterable[Fields]) -> None:
        if self.files is None:
            self.fake.write(entries)
            return
        self.files.write(
            [{k: [o.decode() for o in v] if isinstance(v, list) else v for k, v in e.items()} for e in entries]
        )

    def open(self) -> Reader:
        return open_journal(self.config) if self.files is not None else self.fake.open(self.config)


@pytest.fixture(params=["library", "fake"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    if request.param == "library":
        needed()
    made = Kind(tmp_path, real=request.param == "library")
    made.write(ENTRIES)
    return made


def messages(reader: Reader) -> list[bytes | None]:
    found = []
    while reader.next():
        found.append(reader.get("MESSAGE"))
    return found


def test_entries_come_in_their_order(kind: Kind) -> None:
    reader = kind.open()
    reader.seek_head()
    assert messages(reader) == [b"zero", b"one", b"Started a", b"bin\xff\0ary", None, b"Started b"]
    assert not reader.next()
    assert reader.previous()
    assert reader.all()["TAG"] == [b"x", b"y"]
    assert reader.get("TAG") == b"x"
    reader.close()


def test_an_entry_is_found_again_by_its_cursor_and_by_its_time(kind: Kind) -> None:
    reader = kind.open()
    reader.seek_head()
    assert reader.next()
    assert reader.next()
    cursor, time = reader.cursor(), reader.realtime()
    reader.seek_tail()
    assert reader.previous()
    assert not reader.at(cursor)
    reader.seek_cursor(cursor)
    assert reader.next()
    assert reader.at(cursor)
    assert (reader.cursor(), reader.realtime()) == (cursor, time)
    reader.seek_realtime(time)
    assert reader.next()
    assert reader.at(cursor)
    assert reader.previous()
    assert reader.get("MESSAGE") == b"zero"
    assert not reader.previous()
    with pytest.raises(OSError, match="nvalid") as error:
        reader.seek_cursor("no cursor")
    assert error.value.errno == errno.EINVAL
    reader.close()


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({"units": ("a.service",)}, [b"zero", b"Started a", None]),
        ({"units": ("a", "b")}, [b"zero", b"one", b"Started a", None, b"Started b"]),
        ({"identifiers": ("kernel", "a")}, [b"zero", b"bin\xff\0ary"]),
        ({"priority": "err"}, [b"one"]),
        ({"priority": "6"}, [b"zero", b"one", b"Started a"]),
        ({"matches": ("_TRANSPORT=kernel", "+", "UNIT=a.service", "_PID=1")}, [b"Started a", b"bin\xff\0ary"]),
        ({"units": ("a.service",), "priority": "info"}, [b"zero", b"Started a"]),
        ({"boots": "current"}, []),
    ],
)
def test_what_is_selected(kind: Kind, keys: dict[str, str | tuple[str, ...]], found: list[bytes | None]) -> None:
    reader = kind.open()
    reader.select(terms(msgspec.structs.replace(kind.config, **keys), "ff" * 16))
    reader.seek_head()
    assert messages(reader) == found
    reader.select(())
    reader.seek_head()
    assert len(messages(reader)) == len(ENTRIES)
    reader.close()


def test_it_goes_on_when_more_has_come(kind: Kind) -> None:
    reader = kind.open()
    reader.seek_head()
    assert len(messages(reader)) == len(ENTRIES)
    kind.write([{"MESSAGE": b"more"}])
    ready = select.poll()
    ready.register(reader.fileno(), select.POLLIN)
    assert ready.poll(10_000)
    assert reader.process() is not Change.NOTHING
    assert messages(reader) == [b"more"]
    while reader.process() is not Change.NOTHING:
        pass
    assert not ready.poll(0)
    reader.close()


def test_what_the_library_says_of_a_damaged_file(tmp_path: Path) -> None:
    needed()
    files = JournalFiles(tmp_path)
    files.write(100)
    assert try_file(str(files.path())) is None
    with files.path().open("r+b") as file:
        file.write(b"XXXX")
    assert try_file(str(files.path())).errno == errno.EBADMSG  # type: ignore[union-attr]
    assert try_file(str(tmp_path / "none")).errno == errno.ENOENT  # type: ignore[union-attr]


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    needed()
    with pytest.raises(FileNotFoundError):
        open_journal(JournalConfig(name="j", topic="t", directory=str(tmp_path / "none")))


@pytest.mark.parametrize("namespace", ["", "web", "+web", "*"])
def test_a_namespace_is_opened_as_its_name_says(namespace: str) -> None:
    needed()
    reader = open_journal(JournalConfig(name="j", topic="t", namespace=namespace))
    reader.seek_head()
    reader.next()
    reader.close()


def test_without_the_library_each_source_is_told(monkeypatch: pytest.MonkeyPatch, config: Check) -> None:
    config({})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    config({})
    with pytest.raises(ConfigError) as error:
        config({"j": JournalConfig(name="j", topic="t")})
    assert error.value.problems == [
        'sources.j: type = "journald" needs systemd-python; install it: pip install "shipper[systemd]"'
    ]


@pytest.fixture
def config() -> Check:
    from shipper.config import Config, KafkaConfig, ShipperConfig

    def check(sources: dict[str, JournalConfig]) -> None:
        seam.check_library(Config(ShipperConfig(Path("/s")), KafkaConfig("a:1"), {**sources}))

    return check
