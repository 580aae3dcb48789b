"""The regular expressions of the configuration: the one place where they are compiled, and refused.

Python's ``re`` is fast and tries every way in which a text may match, which can take longer than anybody waits. So a
pattern is judged before it is used (``ambiguity``): whose work would grow exponentially is refused; whose work grows
with a power of the text's length looks only at texts that are short enough. ``engine = "re2"`` is the way out for both.
See docs/decisions/patterns.md. All of it is for bytes; a :class:`Matcher` never changes, any thread may use it.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from shipper.patterns.ambiguity import growth
from shipper.patterns.facts import Facts, facts
from shipper.patterns.states import TooLarge

BUDGET = 4096**2
"""Steps of one match, at most: about a tenth of a second (measured: 0.3 to 15 ns for each of half of them)."""
MOST_FACTOR = 1000.0  # by which bounded repetitions may multiply the work

Engine = Literal["re", "re2"]

RE2_MISSING = "google-re2 is not installed: pip install shipper[re2]"
WAY_OUT = (
    "repeat at most so often, as \\w{1,64}, leave no two repetitions side by side that take the same, "
    'or add engine = "re2"'
)


class PatternError(ValueError):
    """A pattern cannot be used. ``found`` says what is wrong with it, ``fix`` what would be right."""

    def __init__(self, found: str, fix: str) -> None:
        super().__init__(f"{found}; {fix}")
        self.found = found
        self.fix = fix


class Expression(NamedTuple):
    """A regular expression, as the configuration has it."""

    pattern: str
    engine: Engine = "re"


class Matcher(NamedTuple):
    """A compiled pattern; its functions are those of ``re.Pattern``, for bytes.

    ``limit``: a longer text is not searched; 0: any text is. ``needle`` is in whatever it matches. ``in_line``: a text
    of many lines may be searched at once.
    """

    search: Callable[..., re.Match[bytes] | None]
    match: Callable[..., re.Match[bytes] | None]
    fullmatch: Callable[..., re.Match[bytes] | None]
    finditer: Callable[..., Iterator[re.Match[bytes]]]
    subn: Callable[..., tuple[bytes, int]]
    groupindex: Mapping[str, int]
    groups: int
    limit: int
    needle: bytes
    in_line: bool


def compile(  # noqa: A001 - the same as re.compile, and safe
    pattern: str, flags: int = 0, *, engine: Engine = "re", newlines: bool = True
) -> Matcher:
    """Compile ``pattern``; raises :class:`PatternError`. ``newlines``: a text may hold line ends.

    A text over the limit does not match. Who must not overlook one asks for ``linear`` in :func:`check`.
    """
    data = encode(pattern)
    if engine == "re2":
        return _compile_re2(data, flags)
    compiled = _compile(data, flags)
    known = _facts(data, flags)
    limit, limit_whole = (_limit(data, flags, search=search, newlines=newlines) for search in (True, False))
    search, match, fullmatch = compiled.search, compiled.match, compiled.fullmatch
    return Matcher(
        _bounded(search, limit) if limit else search,
        _bounded(match, limit_whole) if limit_whole else match,
        _bounded(fullmatch, limit_whole) if limit_whole else fullmatch,
        compiled.finditer,
        compiled.subn,
        compiled.groupindex,
        compiled.groups,
        limit,
        known.needle,
        known.in_line,
    )


def check(pattern: str, engine: Engine = "re", flags: int = 0, *, linear: bool = False) -> PatternError | None:
    """Return what is wrong with ``pattern``, if anything. ``linear``: it has to be fit for a text of any length."""
    try:
        data = encode(pattern)
        if engine == "re2":
            _compile_re2(data, flags)
            return None
        _compile(data, flags)
        if growth(data, flags, search=True, newlines=True).degree == math.inf:
            return PatternError("could take longer than anybody waits: it tries exponentially many ways", WAY_OUT)
        degree, factor = growth(data, flags, search=True, newlines=False)
        if degree > 2 or factor > MOST_FACTOR:
            return PatternError("could take longer than anybody waits: its repetitions multiply", WAY_OUT)
        if linear and growth(data, flags, search=True, newlines=True).degree > 1:
            return PatternError("takes a time that grows with the square of a line's length", WAY_OUT)
    except TooLarge:
        return PatternError("is too large to tell how long it may take", 'make it smaller, or add engine = "re2"')
    except PatternError as error:
        return error
    return None


def template(replace: str, pattern: str, engine: Engine = "re") -> bytes:
    """Return what is to be written instead of a match; raises :class:`PatternError` where it names no group of it."""
    by = replace.encode("utf-8", "surrogateescape")
    compiled: Any = compile(pattern, engine=engine)
    try:
        importlib.import_module("re._parser").parse_template(by, _Groups(compiled.groupindex, compiled.groups))
    except (re.error, IndexError) as error:
        raise PatternError(
            f"cannot be written instead: {error}", "name a group as \\1, and a backslash as \\\\"
        ) from error
    return by


class _Groups(NamedTuple):
    """What a template needs to know of its pattern."""

    groupindex: Mapping[str, int]
    groups: int


def encode(pattern: str) -> bytes:
    """Return ``pattern`` for bytes of UTF-8: a character that has several is repeated as a whole."""
    if pattern.isascii():
        return pattern.encode()
    out, inside, escaped = [], False, False
    for char in pattern:
        if not char.isascii():
            if inside:
                raise PatternError(
                    f'has "{char}" between brackets, where each of its bytes would count', "write (?:ä|ö)"
                )
            out.append(f"(?:{char})")
        else:
            out.append(char)
            if not escaped:
                inside = (inside or char == "[") and char != "]"
        escaped = char == "\\" and not escaped
    return "".join(out).encode("utf-8", "surrogateescape")


def _compile(data: bytes, flags: int) -> re.Pattern[bytes]:
    try:
        return re.compile(data, flags)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"is no regular expression: {error}", "see Python's documentation of re") from error


def _facts(data: bytes, flags: int) -> Facts:
    try:
        return facts(data, flags)
    except RecursionError as error:
        raise PatternError("is nested too deeply", "make it smaller") from error


def _limit(data: bytes, flags: int, *, search: bool, newlines: bool) -> int:
    try:
        degree, factor = growth(data, flags, search=search, newlines=newlines)
    except TooLarge:
        degree, factor = math.inf, 1.0
    if degree == 1 and factor <= MOST_FACTOR:
        return 0
    return max(1, int((BUDGET / factor) ** (1 / degree)) if degree < math.inf else int(math.log2(BUDGET)) // 2)


def _bounded(find: Callable[..., Any], limit: int) -> Callable[..., Any]:
    def bounded(text: bytes, *where: int) -> Any:
        return find(text, *where) if len(text) <= limit else None

    return bounded


# --- re2 -------------------------------------------------------------------------------------------------------------


class _Match:
    """A match of re2, whose groups have names that are text."""

    __slots__ = ("_match",)

    def __init__(self, match: Any) -> None:
        self._match = match

    def group(self, *groups: int | str) -> Any:
        return self._match.group(*(one.encode() if isinstance(one, str) else one for one in groups))

    def groupdict(self, default: Any = None) -> dict[str, Any]:
        return {name.decode(): value for name, value in self._match.groupdict(default).items()}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._match, name)

    def __getitem__(self, group: int | str) -> Any:
        return self.group(group)


def _compile_re2(data: bytes, flags: int) -> Matcher:
    try:
        re2: Any = importlib.import_module("re2")
    except ImportError as error:
        raise PatternError('asks for engine = "re2", and it is not there', RE2_MISSING) from error
    options = re2.Options()
    options.log_errors = False
    options.encoding = re2.Options.Encoding.LATIN1
    letters = {re.IGNORECASE: b"i", re.MULTILINE: b"m", re.DOTALL: b"s"}
    prefix = b"".join(letter for flag, letter in letters.items() if flags & flag)
    try:
        compiled = re2.compile(b"(?%s)%s" % (prefix, data) if prefix else data, options)
    except re2.error as error:
        said = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
        raise PatternError(f"is no regular expression of re2: {said}", "re2 has no look-around and no \\1") from error

    def wrapped(find: Callable[..., Any]) -> Callable[..., Any]:
        def found(text: bytes, *where: int) -> Any:
            match = find(text, *where)
            return match and _Match(match)

        return found

    return Matcher(
        wrapped(compiled.search),
        wrapped(compiled.match),
        wrapped(compiled.fullmatch),
        lambda *given: map(_Match, compiled.finditer(*given)),
        lambda by, text: compiled.subn((lambda m: by(_Match(m))) if callable(by) else by, text),
        {name.decode(): number for name, number in compiled.groupindex.items()},
        compiled.groups,
        0,
        b"",
        in_line=False,
    )
