import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper.discovery import Watched, list_files, tree
from shipper.discovery import scan as scan_module
from shipper.discovery.scan import hops, look, network_devices
from shipper.events import Events
from shipper.model import FileId, Seen


@pytest.fixture
def told() -> list[tuple[str, dict[str, Any]]]:
    return []


@pytest.fixture
def events(told: list[tuple[str, dict[str, Any]]]) -> Events:
    return Events(lambda level, name, fields: told.append((name, fields)))


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A directory in which relative names can be used."""
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


def write(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name + "\n")


def scan(root: Path, events: Events, *patterns: str, exclude: tuple[str, ...] = ()) -> dict[str, Seen]:
    paths = tuple(os.fsencode(root / pattern) for pattern in patterns)
    hidden = tuple(pattern.replace("ROOT", str(root)).encode() for pattern in exclude)
    found = list_files(Watched("s", paths, hidden, "auto"), events)
    assert [seen.path for seen in found] == sorted({seen.path for seen in found})
    return {os.fsdecode(os.path.relpath(seen.path, os.fsencode(root))): seen for seen in found}


def base(root: Path, seen: Seen) -> str:
    return os.fsdecode(os.path.relpath(seen.base, os.fsencode(root)))


def test_globs_lead_to_files(root: Path, events: Events) -> None:
    write("a.log", "b.txt", ".c.log", "x/a.log", "x/y/a.log", "x/.h/a.log", "z/y/b.log")
    assert set(scan(root, events, "*.log")) == {"a.log"}
    assert set(scan(root, events, "**/*.log")) == {"a.log", "x/a.log", "x/y/a.log", "z/y/b.log"}
    assert set(scan(root, events, "*/y/*.log")) == {"x/y/a.log", "z/y/b.log"}
    assert set(scan(root, events, "{x,z}/**/?.{log,txt}", "b.txt")) == {"x/a.log", "x/y/a.log", "z/y/b.log", "b.txt"}
    assert set(scan(root, events, "nowhere/**/*.log")) == set()


def test_a_file_is_described(root: Path, events: Events) -> None:
    write("a.log")
    at = Path("a.log").stat()
    path = os.fsencode(root / "a.log")
    assert scan(root, events, "*.log")["a.log"] == Seen(
        path, path, FileId(at.st_dev, at.st_ino), at.st_size, at.st_mtime_ns
    )


def test_names_need_not_be_text(root: Path, events: Events) -> None:
    (root / os.fsdecode(b"\xff\n.log")).write_text("x\n")
    assert [seen.path[-6:] for seen in scan(root, events, "*.log").values()] == [b"\xff\n.log"]


def test_only_regular_files(root: Path, events: Events) -> None:
    write("a.log", "dir.log/x")
    os.mkfifo("fifo.log")
    Path("null.log").symlink_to("/dev/null")
    Path("dangling.log").symlink_to("nothing")
    Path("loop.log").symlink_to("loop.log")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.log")
        assert set(scan(root, events, "*.log")) == {"a.log"}


def test_rotated_siblings_belong_to_the_watched_name(root: Path, events: Events) -> None:
    write("app.log", "app.log.1", "app.log.2.gz", "app.log-20261123", "other.log.1", "app.log.bak", "app-1.log")
    seen = scan(root, events, "app.log")
    siblings = {"app.log.1", "app.log.2.gz", "app.log-20261123", "app-1.log"}
    assert set(seen) == {"app.log"} | siblings
    assert {base(root, seen[name]) for name in siblings} == {"app.log"}
    assert seen["app.log.2.gz"].rank < seen["app.log.1"].rank
    assert seen["app.log.2.gz"].compression == "gz"
    assert all(one.adoptable for one in seen.values())


def test_siblings_need_no_base_that_exists(root: Path, events: Events) -> None:
    write("app.log.1")
    assert base(root, scan(root, events, "*.log")["app.log.1"]) == "app.log"


def test_a_name_that_a_glob_matches_is_its_own(root: Path, events: Events) -> None:
    write("app.log", "app-1.log", "app.log.1")
    seen = scan(root, events, "*")
    assert {name: base(root, one) for name, one in seen.items()} == {name: name for name in seen}
    assert base(root, scan(root, events, "*.log")["app-1.log"]) == "app-1.log"


def test_exclude_hides_files_but_tells_where_a_known_one_went(root: Path, events: Events) -> None:
    write("app.log", "app.log.1.gz", "skip.log", "skip.log.1", "x/secret/a.log", "x/a.log")
    seen = scan(root, events, "**/*.log", exclude=("*.gz", "skip*", "ROOT/x/secret/**"))
    assert {name for name, one in seen.items() if one.adoptable} == {"app.log", "x/a.log"}
    assert {name for name, one in seen.items() if not one.adoptable} == {"app.log.1.gz", "skip.log"}
    assert base(root, seen["app.log.1.gz"]) == "app.log"


def test_links_to_files_are_followed_and_so_are_their_siblings(root: Path, events: Events) -> None:
    write("data/real", "data/real.1", "data/real.2.gz", "data/other.1")
    Path("logs").mkdir()
    Path("data/middle").symlink_to("real")
    Path("logs/app.log").symlink_to("../data/middle")
    seen = scan(root, events, "logs/*.log", exclude=("*.gz",))
    assert set(seen) == {"logs/app.log", "data/real.1", "data/real.2.gz"}
    assert {base(root, one) for one in seen.values()} == {"logs/app.log"}
    assert seen["logs/app.log"].file_id.ino == Path("data/real").stat().st_ino
    assert seen["data/real.1"].adoptable
    assert not seen["data/real.2.gz"].adoptable


def test_links_between_directories_end(root: Path, events: Events) -> None:
    write("a/x.log", "b/x.log", "elsewhere/y.log")
    Path("a/loop").symlink_to(".")
    Path("a/to-b").symlink_to("../b")
    Path("b/to-a").symlink_to("../a")
    Path("a/out").symlink_to(root / "elsewhere")
    assert set(scan(root, events, "{a,b}/**/*.log")) >= {"a/x.log", "b/x.log", "a/out/y.log"}
    assert set(scan(root, events, "**/*.log")) == {
        "a/x.log",
        "b/x.log",
        "elsewhere/y.log",
    }  # each once, by its path without links


def test_hard_links_are_all_told(root: Path, events: Events) -> None:
    write("a.log")
    os.link("a.log", "b.log")
    seen = scan(root, events, "*.log")
    assert seen["a.log"].file_id == seen["b.log"].file_id


def test_an_unreadable_directory_is_told_once(
    root: Path, events: Events, told: list[tuple[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("a.log", "x/a.log")
    real = scan_module.Listing

    def listing(directory: bytes, which: FileId) -> scan_module.Listing:
        if directory.endswith(b"/x"):
            raise PermissionError(13, "Permission denied")
        return real(directory, which)

    monkeypatch.setattr(tree, "Listing", listing)
    for _ in range(3):
        assert set(scan(root, events, "**/*.log")) == {"a.log"}
    unreadable = [fields for name, fields in told if name == "directory.unreadable"]
    assert unreadable == [{"path": str(root / "x"), "why": "Permission denied"}]


def test_a_listing_keeps_nothing_of_what_was_looked_at(root: Path) -> None:
    for name in "bca":
        (root / name).touch()
    found = root.stat()
    listing = scan_module.Listing(os.fsencode(root), FileId(found.st_dev, found.st_ino))
    with listing as entries:
        left = [(entry.name, len(listing.entries)) for entry in entries]
    assert left == [(b"a", 2), (b"b", 1), (b"c", 0)]


def test_hops_end_at_what_is_no_link(root: Path) -> None:
    Path("a").symlink_to("b")
    Path("b").symlink_to("dir/c")
    real = os.fsencode(root.resolve())
    assert hops(real + b"/a") == (((real, b"b"), (real + b"/dir", b"c")), frozenset())
    Path("loop").symlink_to("loop")
    assert {hop.name for hop in hops(real + b"/loop")[0]} == {b"loop"}


def test_what_is_not_there_is_none(root: Path) -> None:
    write("a")
    assert look(os.fsencode(root / "b")) is None
    assert look(os.fsencode(root / "a/b")) is None
    assert look(os.fsencode(root / ("n" * 300))) is None


def test_network_file_systems_are_recognised(root: Path) -> None:
    Path("mountinfo").write_text(
        "22 1 254:0 / / rw - ext4 /dev/vda rw\n"
        "30 22 0:41 / /mnt/nfs rw,relatime shared:1 - nfs4 host:/x rw\n"
        "31 22 0:42 / /mnt/sshfs rw - fuse.sshfs host: rw\n"
        "32 22 0:43 / /tmp rw - tmpfs tmpfs rw\n"
    )
    assert network_devices("mountinfo") == {os.makedev(0, 41), os.makedev(0, 42)}
    assert network_devices("nowhere") == set()
