"""Where a path leads, and over whose links: as somebody who owns a log directory would have it lead."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest

from shipper import paths
from shipper.files import Files, NotTrustedError
from shipper.paths import Foreign, Trust, walk

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

APP, OTHER = 4711, 4712


class Place:
    """A directory of root's with a directory of the application's in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.own("logs", APP, directory=True)

    def own(self, name: str, owner: int, *, directory: bool = False) -> Path:
        path = self.root / name
        if directory:
            path.mkdir()
        else:
            path.write_text(f"{name}\n")
        os.chown(path, owner, owner)
        return path

    def link(self, name: str, target: str, owner: int) -> Path:
        path = self.root / name
        path.symlink_to(target)
        os.chown(path, owner, owner, follow_symlinks=False)
        return path

    def foreign(self, name: str) -> Foreign | None:
        place = walk(os.fsencode(self.root / name))
        place.close()
        return place.foreign

    def opens(self, name: str, trust: Trust) -> bool:
        try:
            os.close(Files(trust=trust).open(os.fsencode(self.root / name)))
        except NotTrustedError:
            return False
        return True


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


SAME_OWNER = Trust()


@pytest.mark.parametrize(
    ("link", "target", "trusted"),
    [(APP, APP, True), (0, APP, True), (0, 0, True), (APP, 0, False), (APP, OTHER, False)],
)
def test_a_link_is_followed_where_its_owner_may_say_where_it_leads(
    place: Place, link: int, target: int, *, trusted: bool
) -> None:
    place.own("target", target)
    place.link("logs/a.log", "../target", link)
    assert place.opens("logs/a.log", SAME_OWNER) is trusted
    assert place.opens("logs/a.log", Trust("always"))
    assert not place.opens("logs/a.log", Trust("never"))


def test_so_is_one_among_the_directories(place: Place) -> None:
    place.own("secret", 0, directory=True)
    place.own("secret/a.log", APP)  # what is in it does not matter: it is the directory that is pointed at
    place.link("logs/d", "../secret", APP)
    assert place.foreign("logs/d/a.log") == Foreign(os.fsencode(place.root / "logs/d"), APP, 0)
    place.own("mine", APP, directory=True)
    place.own("mine/a.log", 0)  # as a program does that is started by root
    place.link("logs/e", str(place.root / "mine"), APP)
    assert place.foreign("logs/e/a.log") is None


@pytest.mark.parametrize("owners", [(APP, 0), (0, APP), (APP, APP)])
def test_every_link_on_the_way_counts(place: Place, owners: tuple[int, int]) -> None:
    place.own("shadow", 0)
    place.link("logs/a.log", "b", owners[0])
    place.link("logs/b", "../shadow", owners[1])
    found = place.foreign("logs/a.log")
    assert found is not None
    assert (found.owner, found.target_owner) == (APP, 0)


def test_a_way_of_directories_inside_a_link_counts(place: Place) -> None:
    place.own("shadow", 0)
    place.link("logs/up", "..", APP)
    place.link("a.log", "logs/up/shadow", 0)  # root's, over a directory where the application has a say
    assert place.foreign("a.log") == Foreign(os.fsencode(place.root / "a.log"), APP, 0)


def test_a_second_name_of_a_link_is_not_its_owners(place: Place) -> None:
    place.own("secret", OTHER)
    theirs = place.link("theirs", str(place.root / "secret"), OTHER)
    assert place.foreign("theirs") is None
    os.link(theirs, place.root / "logs/a.log", follow_symlinks=False)
    assert place.foreign("logs/a.log") is not None


def test_a_second_name_of_a_file_counts_where_the_kernel_does_not_see_to_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = place.own("secret", 0)
    os.link(secret, place.root / "logs/a.log")
    mine = place.own("logs/mine.log", APP)
    os.link(mine, place.root / "logs/also.log")
    monkeypatch.setattr(paths, "HARD_LINKS_GUARDED", True)
    assert place.opens("logs/a.log", SAME_OWNER)
    monkeypatch.setattr(paths, "HARD_LINKS_GUARDED", False)
    assert not place.opens("logs/a.log", SAME_OWNER)
    assert place.opens("secret", SAME_OWNER)
    assert place.opens("logs/also.log", SAME_OWNER)
    (place.root / "logs").chmod(0o777)
    assert not place.opens("logs/also.log", SAME_OWNER)
    assert "second name" in str(place.foreign("logs/also.log"))


def test_without_links_those_are_followed_that_the_patterns_name(place: Place) -> None:
    place.own("data", APP, directory=True)
    place.own("data/a.log", APP)
    place.link("var", "data", 0)
    fixed = Trust("never", frozenset({os.fsencode(place.root / "var")}))
    assert place.opens("var/a.log", fixed)
    assert not place.opens("var/a.log", Trust("never"))
    place.link("data/b.log", "a.log", APP)
    assert not place.opens("var/b.log", fixed)


def test_what_a_walk_ends_at(place: Place) -> None:
    place.own("logs/a.log", APP)
    place.link("loop", "loop", 0)
    place.link("all", "/", 0)
    before = len(os.listdir("/proc/self/fd"))
    for path in (b"/", b"/..", b"//.//", os.fsencode(place.root / "all")):
        at = walk(path)
        assert os.path.samestat(at.stat, os.stat("/"))
        at.close()
    for name, code in [
        ("loop", errno.ELOOP),
        ("loop/x", errno.ELOOP),
        ("logs/a.log/x", errno.ENOTDIR),
        ("logs/none/x", errno.ENOENT),
        ("n" * 256, errno.ENAMETOOLONG),
        ("n/" * 3000, errno.ENAMETOOLONG),
    ]:
        with pytest.raises(OSError) as raised:  # noqa: PT011 - its number is asked
            walk(os.fsencode(place.root / name))
        assert raised.value.errno == code
        assert len(os.listdir("/proc/self/fd")) == before


def test_a_directory_that_may_only_be_searched_is_on_the_way() -> None:
    with tempfile.TemporaryDirectory() as directory:  # pytest's own are closed to others
        place = Place(Path(directory))
        place.own("logs/a.log", OTHER)
        for closed in (place.root, place.root / "logs"):
            closed.chmod(0o711)
        os.seteuid(OTHER)
        try:
            assert place.opens("logs/a.log", SAME_OWNER)
        finally:
            os.seteuid(0)
