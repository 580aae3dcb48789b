"""What is judged of a pattern, against the classic ones that explode and against those that people write."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper import patterns
from shipper.patterns import PatternError
from shipper.patterns.ambiguity import growth
from shipper.patterns.facts import facts

# OWASP's and Wikipedia's examples, the outages of Stack Overflow and Cloudflare, CVEs of well-known packages, and kin.
EXPLODING = [
    r"(a+)+$",
    r"(a*)*b",
    r"([a-zA-Z]+)*$",
    r"(a|aa)+$",
    r"(a|a?)+$",
    r"(.*a){20}x",
    r"^(\d+)*$",
    r"(x+x+)+y",
    r"(\w+\s*)+$",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"^([a-zA-Z0-9])(([\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}(([a-z]{2,3})|([a-z]{2,3}[.]{1}[a-z]{2,3}))$",
    r"(?:(?:\"|'|\]|\}|\\|\d|(?:nan|infinity|true|false|null|undefined|symbol|math)|\`|\-|\+)+[)]*;?((?:\s|-|~|!|{}|\|\||\+)*.*(?:.*=.*)))",
    r"\s*#?\s*(\w+\s?)*:",
    r"(?:a|b|ab)*c",
    r"(?:a?){30}a{30}",
    r"(?:\w{1,5}){1,5}x",
    r"(a{0,30}){0,30}x",
    r'"(?:[^"\\]+|\\.)*"',
    r"(?i)(?:AB|a|b)+!",
    r"(?=(a+)+b)c",
    r"((a)|(?(1)b|a))+$",
    r"^(?:.*?\n?)*x",
]
POLYNOMIAL = [r".*.*=", r"(?:.*)(?:.*)(?:.*)=", r"\s*,\s*\s*x", r"(.*)=(.*)=(.*)=x"]
QUADRATIC = [r"\w+@", r"\s+$", r"foo.*bar", r"password=(\S+)\b", r"<!--.*?-->", r"(?=.*z)a", r"(\w+) \1", r"^.*?,.*?;x"]
LINEAR = [
    r"ERROR|WARN",
    r"^\d{4}-\d\d-\d\d",
    r"password=\S+",
    r"\b\d{16}\b",
    r"(?i)Bearer\s+[A-Za-z0-9._-]+",
    r"(?:\d{1,3}\.){3}\d{1,3}",
    r"^\[(.*?)\] (.*)$",
    r'^(\S+) (\S+) (\S+) \[([^\]]+)\] "(\S+) (\S+) (\S+)" (\d+) (\d+)',
    r"^(?P<ts>\S+ \S+) (?P<level>\w+)\s+(?P<message>.*)$",
    r"^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$",
    r"[\w.+-]{1,64}@(?:[\w-]{1,63}\.)+[a-z]{2,10}",
    r"(?:\w++\s?+)++!",
    r"^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$",
]


@pytest.mark.parametrize("pattern", EXPLODING)
def test_what_explodes_is_refused(pattern: str) -> None:
    error = patterns.check(pattern)
    assert error is not None
    assert 'engine = "re2"' in error.fix


@pytest.mark.parametrize("pattern", POLYNOMIAL)
def test_what_grows_with_a_high_power_is_refused(pattern: str) -> None:
    assert 2 < growth(pattern.encode(), search=True, newlines=False).degree < math.inf
    assert "multiply" in str(patterns.check(pattern))


@pytest.mark.parametrize("pattern", QUADRATIC)
def test_what_grows_with_the_square_looks_at_short_texts_only(pattern: str) -> None:
    assert patterns.check(pattern) is None
    assert "square" in str(patterns.check(pattern, linear=True))
    matcher = patterns.compile(pattern, newlines=False)
    assert matcher.limit == 4096
    assert matcher.search(b"a" * 10_000_000) is None


@pytest.mark.parametrize("pattern", [p for p in LINEAR if not p.startswith(r"(?:\w++")])
def test_what_people_write_is_taken_and_looks_at_everything(pattern: str) -> None:
    assert growth(pattern.encode(), search=True, newlines=False).degree == 1
    assert patterns.check(pattern) is None
    assert patterns.compile(pattern, newlines=False).limit == 0


def test_a_possessive_repetition_is_a_way_out() -> None:
    assert patterns.check(r"(?:\w+\s?)+!") is not None
    assert patterns.check(r"(?:\w++\s?)+!") is None


def test_a_line_end_may_fail_what_nothing_else_can() -> None:
    assert patterns.compile(r"^\[(.*?)\] (.*)$", newlines=True).limit == 4096
    assert patterns.check(r"(\w+\s*)+") is None


def test_a_search_costs_more_than_a_match() -> None:
    matcher = patterns.compile(r"\w+@", newlines=False)
    assert matcher.limit == 4096
    assert matcher.match(b"a" * 5000 + b"@") is not None
    assert matcher.search(b"a" * 4000 + b"@") is not None
    assert matcher.search(b"a" * 5000 + b"@") is None


@pytest.mark.parametrize("pattern", EXPLODING)
def test_even_what_explodes_ends_where_it_is_compiled_all_the_same(pattern: str) -> None:
    matcher = patterns.compile(pattern)
    assert 0 < matcher.limit < 32
    assert matcher.search(b"a" * 100_000) is None


@pytest.mark.parametrize("pattern", ["(", "[z-a]", "a{3,1}", "(?P<x>a)(?P<x>b)", "*", "a" + "{9999999999999}"])
def test_what_is_no_pattern_is_told(pattern: str) -> None:
    assert "is no regular expression" in str(patterns.check(pattern))
    with pytest.raises(PatternError):
        patterns.compile(pattern)


def test_a_character_of_several_bytes_is_one_thing() -> None:
    matcher = patterns.compile("é+x")
    found = matcher.search("aééx".encode())
    assert found is not None
    assert found[0] == "ééx".encode()
    assert "between brackets" in str(patterns.check("[äö]"))


def test_what_is_always_there_is_known() -> None:
    assert facts(rb"\buser=(?:\w+)? failed").needle == b" failed"
    assert facts(rb"(?i)error 5\d\d").needle == b" 5"
    assert facts(rb"a|b").needle == b""
    assert facts(rb"(?:password|x)?=").needle == b"="


def test_what_crosses_lines_is_known() -> None:
    assert facts(rb"\b\d{16}\b").in_line
    assert facts(rb"a.*x").in_line
    assert not facts(rb"^a").in_line
    assert not facts(rb"a$").in_line
    assert not facts(rb"a\s+b").in_line
    assert not facts(rb'"[^"]*"').in_line
    assert not facts(rb"a\Z").in_line
    assert not facts(rb"(?s)a.b").in_line


class TestRe2:
    """The engine that is linear for every pattern."""

    @pytest.mark.parametrize("pattern", [r"(a+)+$", r"(.*a){20}x", r"(a*)*b"])
    def test_what_explodes_is_taken(self, pattern: str) -> None:
        pytest.importorskip("re2")
        assert patterns.check(pattern, "re2") is None
        matcher = patterns.compile(pattern, engine="re2")
        assert matcher.limit == 0
        assert matcher.search(b"a" * 1_000_000 + b"!") is None

    def test_it_matches_as_the_other_does(self) -> None:
        pytest.importorskip("re2")
        for engine in ("re", "re2"):
            matcher = patterns.compile(r"(?P<key>\w+)=(?P<value>\d+)", re.IGNORECASE, engine=engine)
            found = matcher.search(b"\xff a=1 b=2")
            assert found is not None
            assert (found.groupdict(), found.span(), found["key"]) == ({"key": b"a", "value": b"1"}, (2, 5), b"a")
            assert [m.group("value") for m in matcher.finditer(b"a=1 b=2")] == [b"1", b"2"]
            assert matcher.subn(rb"\1=*", b"a=1 b=2") == (b"a=* b=*", 2)
            assert matcher.groupindex == {"key": 1, "value": 2}
            assert matcher.fullmatch(b"a=") is None

    def test_what_it_does_not_know_is_told(self) -> None:
        pytest.importorskip("re2")
        assert "no look-around" in str(patterns.check(r"(?=a)b", "re2"))

    def test_that_it_is_missing_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "re2", None)
        assert "pip install" in str(patterns.check("a", "re2"))


# Small patterns over two letters, to be tried on every text there is.
PIECE = st.recursive(
    st.sampled_from(["a", "b", ".", "[ab]", "a?", "b*", "a+", "a*?", "b{2}", "a{1,3}", r"\b", "^", "$"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{0,2}"])).map(lambda two: f"(?:{two[0]}){two[1]}"),
        inner.map(lambda one: f"(?={one})"),
    ),
    max_leaves=6,
)


@given(PIECE)
def test_every_pattern_is_judged_without_raising(pattern: str) -> None:
    patterns.check(pattern)
    matcher = patterns.compile(pattern)
    found = re.search(pattern.encode(), b"aabab")
    if not matcher.limit or matcher.limit > 5:
        assert (matcher.search(b"aabab") is None) == (found is None)
    if found is not None:
        assert facts(pattern.encode()).needle in found[0] or "(?=" in pattern
