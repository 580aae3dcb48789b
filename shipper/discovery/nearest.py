"""Which pattern comes nearest to a path that none matches, and where the two part. Pure; any thread."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from shipper.discovery.globs import Component, Pattern, expand
from shipper.model import show_path


class Miss(NamedTuple):
    """How far a pattern, as it is written in the configuration, leads along a path, and why not to its end."""

    pattern: bytes
    reached: int  # components of the path
    name_fits: bool  # the path's last component would match
    why: str


def nearest(patterns: Iterable[bytes], path: bytes) -> Miss | None:
    """Return the pattern that leads farthest along ``path``, which none matches; None where there is no pattern."""
    misses = [_miss(pattern, Pattern(one), path) for pattern in patterns for one in expand(pattern)]
    return max(misses, key=lambda miss: (miss.reached, miss.name_fits), default=None)


def _miss(written: bytes, pattern: Pattern, path: bytes) -> Miss:
    names = [name for name in path.split(b"/") if name]
    components = pattern.components
    last = components[-1] if components else None
    fits = bool(names) and last is not None and last.matches(names[-1])
    at = pattern.closed({0})
    for reached, name in enumerate(names):
        after = pattern.closed({n for i in at if i < len(components) for n in pattern.step(i, name)})
        if not after:
            return Miss(written, reached, fits, _parted(pattern, at, names, reached, name_fits=fits))
        at = after
    if last is not None and names and any(components[i] is None for i in at) and len(components) - 1 in at:
        return Miss(written, len(names) - 1, fits, _differs(last, names[-1]))  # the ** has taken it for a directory
    return Miss(written, len(names), fits, "it means files farther down")


def _parted(pattern: Pattern, at: set[int], names: list[bytes], reached: int, *, name_fits: bool) -> str:
    """Say why a pattern, being at ``at``, does not lead on over ``names[reached]``."""
    components, name = pattern.components, names[reached]
    farthest = max(at)
    if farthest == len(components):
        return f"it means {_quoted(b'/' + b'/'.join(names[:reached]))} itself, and nothing below it"
    component = components[farthest]
    assert component is not None  # a ** is followed by another component, where one is at the same time
    if farthest == len(components) - 1 and reached < len(names) - 1:
        deeper = b"/".join([b"", *names[:reached], b"**", component.pattern])
        would = name_fits and not any(below.startswith(b".") for below in names[reached:])
        said = f"it does not reach down into the directory {_quoted(name)}"
        return f"{said}; {_quoted(deeper)} would" if would else said
    return _differs(component, name)


def _differs(component: Component, name: bytes) -> str:
    said = f"{_quoted(name)} does not match {_quoted(component.pattern)}"
    if name.startswith(b".") and Component(component.pattern, hidden=True).matches(name):
        return f"{said}: a wildcard does not match a leading dot"
    if Component(component.pattern.lower()).matches(name.lower()):
        return f"{said}: upper and lower case differ"
    return said


def _quoted(name: bytes) -> str:
    return f'"{show_path(name)}"'
