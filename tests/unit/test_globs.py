import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.discovery.globs import Component, Exclude, Pattern, expand


def any_expanded(pattern: bytes, path: bytes) -> bool:
    return any(Pattern(one).matches(path) for one in expand(pattern))


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        (b"/var/log/*.log", b"/var/log/app.log", True),
        (b"/var/log/*.log", b"/var/log/nginx/app.log", False),
        (b"/var/log/*.log", b"/var/log/.app.log", False),
        (b"/var/log/.*.log", b"/var/log/.app.log", True),
        (b"/var//log/./*.log", b"/var/log/app.log", True),
        (b"/var/**/*.log", b"/var/app.log", True),
        (b"/var/**/*.log", b"/var/a/b/c/app.log", True),
        (b"/var/**/*.log", b"/var/a/.b/app.log", False),
        (b"/var/**/x/**/*.log", b"/var/a/x/app.log", True),
        (b"/var/**/x/**/*.log", b"/var/a/app.log", False),
        (b"/var/**", b"/var/a/b", True),
        (b"/var/**", b"/var", False),
        (b"/x/app.{log,txt}", b"/x/app.txt", True),
        (b"/x/app.{log,txt}", b"/x/app.json", False),
        (b"/{a,b/c}/app", b"/b/c/app", True),
        (b"/x/{a,b{c,d}}", b"/x/bd", True),
        (b"/x/{a}", b"/x/{a}", True),
        (b"/x/[ab].log", b"/x/b.log", True),
        (b"/x/[!ab].log", b"/x/b.log", False),
        (b"/x/[^ab].log", b"/x/b.log", False),
        (b"/x/[^ab].log", b"/x/c.log", True),
        (b"/x/?.log", "/x/é.log".encode(), True),
        (b"/x/?.log", b"/x/\xff.log", True),
        (b"/x/??.log", "/x/é.log".encode(), False),
        (b"/x/*", b"/x/a\nb", True),
        (b"/x/a", b"/x/a\n", False),
    ],
)
def test_paths(pattern: bytes, path: bytes, matches: bool) -> None:
    assert any_expanded(pattern, path) is matches


@pytest.mark.parametrize(
    ("exclude", "directory", "name", "matches"),
    [
        (b"*.gz", b"/var/log", b"a.gz", True),
        (b"*.gz", b"/var/log", b".a.gz", True),
        (b"*.{gz,bz2}", b"/var/log", b"a.bz2", True),
        (b"*.gz", b"/var/a.gz", b"b", False),
        (b"/var/log/a*/*.log", b"/var/log/ab", b"x.log", True),
        (b"/var//log/a*/*.log", b"/var/log/ab", b"x.log", True),
        (b"/var/log/*.log", b"/var/log/ab", b"x.log", False),
        (b"nginx/*.log", b"/var/log/nginx", b"x.log", True),
        (b"nginx/*.log", b"/var/log/nginx2", b"x.log", False),
    ],
)
def test_excludes(exclude: bytes, directory: bytes, name: bytes, matches: bool) -> None:
    assert Exclude([exclude]).matches(directory, name) is matches


@pytest.mark.parametrize(
    ("exclude", "directory", "covers"),
    [
        (b"/var/log/journal/**", b"/var/log/journal", True),
        (b"/var/log/journal", b"/var/log/journal", True),
        (b"/var/log/journal/*", b"/var/log/journal", False),
        (b"journal", b"/var/log/journal", False),
        (b"/var/log/journal/**", b"/var/log", False),
    ],
)
def test_excluded_directories(exclude: bytes, directory: bytes, covers: bool) -> None:
    assert Exclude([exclude]).covers(directory) is covers


def reference(pattern: str, name: str) -> bool:
    """The textbook matcher of one component: by recursion on its first character."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return reference(pattern[1:], name) or (bool(name) and reference(pattern, name[1:]))
    return bool(name) and pattern[0] in ("?", name[0]) and reference(pattern[1:], name[1:])


@given(st.text("ab.*?", min_size=1, max_size=8), st.text("ab.", min_size=1, max_size=8))
def test_a_component_is_what_the_textbook_says(pattern: str, name: str) -> None:
    hidden = name.startswith(".") and not pattern.startswith(".")
    assert Component(pattern.encode()).matches(name.encode()) is (reference(pattern, name) and not hidden)
    assert Component(pattern.encode(), hidden=True).matches(name.encode()) is reference(pattern, name)


def reference_path(pattern: list[str], path: list[str]) -> bool:
    if not pattern:
        return not path
    if pattern[0] == "**":
        return reference_path(pattern[1:], path) or (bool(path) and reference_path(pattern, path[1:]))
    return bool(path) and reference(pattern[0], path[0]) and reference_path(pattern[1:], path[1:])


NAMES = st.lists(st.text("ab", min_size=1, max_size=2), min_size=1, max_size=5)
COMPONENTS = st.lists(st.one_of(st.just("**"), st.text("ab*?", min_size=1, max_size=2)), max_size=4)


@given(COMPONENTS, st.text("ab*?", min_size=1, max_size=1), NAMES)
def test_a_path_is_matched_component_by_component(pattern: list[str], last: str, path: list[str]) -> None:
    pattern = [*pattern, last]
    expected = reference_path(pattern, path)
    assert Pattern(("/" + "/".join(pattern)).encode()).matches(("/" + "/".join(path)).encode()) is expected


@given(st.binary(min_size=1, max_size=12).filter(lambda b: b"/" not in b), st.text("ab{},*[]!-", max_size=10))
def test_any_pattern_can_be_asked_about_any_name(name: bytes, pattern: str) -> None:
    for one in expand(pattern.encode()):
        assert Component(one).matches(name) in (True, False)
    assert Component(b"*", hidden=True).matches(name)


def test_braces_multiply() -> None:
    assert expand(b"/{a,b}/{c,d}{e,}") == [
        b"/a/ce",
        b"/a/c",
        b"/a/de",
        b"/a/d",
        b"/b/ce",
        b"/b/c",
        b"/b/de",
        b"/b/d",
    ]
